// Operators without keys for the host's tests.
#include <weir/operator.hpp>

#include <cstdio>

namespace {

void copy_rows(const weir::batch& in, weir::emitter& out) {
  for (auto row : in.rows()) {
    auto to = out.row();
    for (uint32_t c = 0; c < in.schema().size(); ++c) to.copy(c, in, c, row);
    if (in.has_weights()) to.weight(in.weight(row));
  }
}

/// Emits every row as it came, column by column.
class echo : public weir::custom_operator {
 public:
  void process_batch(weir::context&, const weir::batch& in, weir::emitter& out) override {
    copy_rows(in, out);
  }
};

/// Emits every row as it came, but throws each time that it finds the file `flag`, which it
/// removes.
class fuse : public weir::custom_operator {
 public:
  void describe(weir::description& d) override { flag_ = d.parameter<std::string>("flag", ""); }
  void process_batch(weir::context&, const weir::batch& in, weir::emitter& out) override {
    if (std::remove(flag_.c_str()) == 0) throw std::runtime_error("the fuse has blown");
    copy_rows(in, out);
  }

 private:
  std::string flag_;
};

/// Throws where the parameter says.
class thrower : public weir::custom_operator {
 public:
  void describe(weir::description& d) override {
    where_ = d.parameter<std::string>("where", "nowhere");
    at("describe");
  }
  void open(weir::context&) override { at("open"); }
  void process_batch(weir::context&, const weir::batch&, weir::emitter&) override {
    at("process");
    if (where_ == "number") throw 42;
    if (where_ == "nothing declared") {
      std::vector<int> none;
      (void)none.at(3);
    }
  }
  void on_watermark(weir::context&, int64_t, weir::emitter&) override { at("watermark"); }
  void snapshot(weir::context&, weir::snapshot_writer&) override { at("snapshot"); }
  void restore(weir::context&, const weir::snapshot_reader&) override { at("restore"); }
  void close(weir::context&) override { at("close"); }

 private:
  void at(std::string_view place) const {
    if (where_ == place) throw std::runtime_error("thrown in " + std::string(place));
  }
  std::string where_;
};

/// Counts rows over all instances' lives, and says so at every watermark.
class row_counter : public weir::custom_operator {
 public:
  void describe(weir::description& d) override { d.output("t bigint, rows bigint"); }
  void open(weir::context& ctx) override { gauge_ = ctx.gauge("rows"); }
  void process_batch(weir::context&, const weir::batch& in, weir::emitter&) override {
    rows_ += in.size();
    gauge_.set(rows_);
  }
  void on_watermark(weir::context&, int64_t t, weir::emitter& out) override {
    out.row().set("t", t).set("rows", rows_);
  }
  void snapshot(weir::context&, weir::snapshot_writer& to) override {
    to.write(std::to_string(rows_));
  }
  void restore(weir::context&, const weir::snapshot_reader& from) override {
    for (const auto& s : from.mine()) rows_ += std::stoll(std::string(s.bytes));
  }

 private:
  int64_t rows_ = 0;
  weir::gauge gauge_;
};

/// Even numbers to one side output, negative ones to another.
class splitter : public weir::custom_operator {
 public:
  void describe(weir::description& d) override {
    d.input().bind<int64_t>("n");
    d.side_output("even", "half bigint");
    d.side_output("negative", "n bigint, why text");
  }
  void process_batch(weir::context& ctx, const weir::batch& in, weir::emitter& out) override {
    auto n = in.column<int64_t>("n");
    for (auto row : in.rows()) {
      if (n[row] < 0)
        ctx.side_output("negative").row().set(0, n[row]).set("why", "below zero");
      else if (n[row] % 2 == 0)
        ctx.side_output("even").row().set(0, n[row] / 2);
      else
        out.row().set("n", n[row]);
    }
  }
};

/// Emits `n` rows per row, columns at a time.
class multiplier : public weir::custom_operator {
 public:
  void describe(weir::description& d) override { d.output("i bigint, name text, even boolean"); }
  void process_batch(weir::context&, const weir::batch& in, weir::emitter& out) override {
    auto n = in.column<int64_t>("n");
    auto i = out.column<int64_t>("i");
    auto name = out.column<std::string_view>("name");
    auto even = out.column<bool>("even");
    for (auto row : in.rows())
      for (int64_t k = 0; k < n[row]; ++k) {
        i.append(k);
        if (k % 7 == 3)
          name.append_null();
        else
          name.append("n" + std::to_string(k));
        even.append(k % 2 == 0);
      }
  }
};

/// Reads parameters of all types in open, declaring none.
class reader : public weir::custom_operator {
 public:
  void describe(weir::description& d) override { d.output("all text"); }
  void open(weir::context& ctx) override {
    text_ = ctx.parameter<std::string>("s", "none") + " " +
            std::to_string(ctx.parameter<int32_t>("i")) + " " +
            std::to_string(ctx.parameter<bool>("b", false)) + " " +
            std::to_string(ctx.parameter<weir::duration>("d", std::chrono::seconds(1)).count());
  }
  void process_batch(weir::context& ctx, const weir::batch&, weir::emitter& out) override {
    out.row().set(
        0, text_ + " " + std::to_string(ctx.subtask()) + "/" + std::to_string(ctx.parallelism()));
  }

 private:
  std::string text_;
};

/// Misuses the emitter where the parameter says.
class careless : public weir::custom_operator {
 public:
  void describe(weir::description& d) override {
    how_ = d.parameter<std::string>("how", "");
    d.output("a bigint, b text");
    if (how_ == "nested") d.output(weir::schema().add("l", static_cast<weir::type_id>(11)));
    if (how_ == "twice") d.output("a bigint, a text");
  }
  void process_batch(weir::context& ctx, const weir::batch&, weir::emitter& out) override {
    if (how_ == "type") out.row().set("a", "text");
    if (how_ == "name") out.row().set("c", 1);
    if (how_ == "length") out.column<int64_t>("a").append(1);
    if (how_ == "state") count_.set(1);
    if (how_ == "timer") ctx.set_event_timer(1);
  }

 private:
  std::string how_;
  struct hidden : weir::custom_operator {
    void process_batch(weir::context&, const weir::batch&, weir::emitter&) override {}
  } other_;
  weir::value_state<int64_t> count_{other_, "count"};  // of an operator that is never opened
};

/// Nothing but a call, for measuring.
class idle : public weir::custom_operator {
 public:
  void process_batch(weir::context&, const weir::batch& in, weir::emitter&) override {
    rows_ += in.size();
  }

 private:
  uint64_t rows_ = 0;
};

}  // namespace

WEIR_EXPORT_OPERATOR(echo, "echo")
WEIR_EXPORT_OPERATOR(fuse, "fuse")
WEIR_EXPORT_OPERATOR(thrower, "thrower")
WEIR_EXPORT_OPERATOR(row_counter, "row_counter")
WEIR_EXPORT_OPERATOR(splitter, "splitter")
WEIR_EXPORT_OPERATOR(multiplier, "multiplier")
WEIR_EXPORT_OPERATOR(reader, "reader")
WEIR_EXPORT_OPERATOR(careless, "careless")
WEIR_EXPORT_OPERATOR(idle, "idle")
