// Operators with keys for the host's tests.
#include <weir/operator.hpp>

namespace {

struct point {
  int32_t x = 0;
  double y = 0;
};

struct names {
  std::vector<std::string> all;
};

}  // namespace

template <>
struct weir::codec<names> {
  static void encode(const names& n, std::string& out) {
    for (const auto& s : n.all) out += s + ";";
  }
  static names decode(std::string_view b) {
    names n;
    for (size_t end; (end = b.find(';')) != b.npos; b.remove_prefix(end + 1))
      n.all.emplace_back(b.substr(0, end));
    return n;
  }
};

namespace {

/// Every kind of state; emits what all of them hold after each row.
class keeper : public weir::custom_operator {
 public:
  void describe(weir::description& d) override {
    d.output("k text, value text, list text, map text, sum bigint, codec text");
  }
  void process_batch(weir::context& ctx, const weir::batch& in, weir::emitter& out) override {
    auto n = in.column<int64_t>("n");
    for (auto row : ctx.rows(in)) {
      if (n[row] == 0) {
        value_.clear(), list_.clear(), map_.clear(), sum_.clear(), names_.clear();
      } else {
        value_.update([&](point& p) { p.x += 1, p.y += 0.5; });
        list_.add(std::to_string(n[row]));
        map_.update(n[row] % 3, [](int64_t& v) { ++v; });
        if (n[row] == 7) map_.remove(2);
        sum_.add(n[row]);
        names_.update([&](names& v) { v.all.push_back("n" + std::to_string(n[row])); });
      }
      std::string list, map, all;
      for (const auto& s : list_.get()) list += s + " ";
      for (const auto& [k, v] : map_.entries())
        map += std::to_string(k) + ":" + std::to_string(v) + " ";
      for (const auto& s : names_.get_or({}).all) all += s + " ";
      auto p = value_.get();
      out.row()
          .set(0, ctx.key_cell())
          .set(1, p ? std::to_string(p->x) + "/" + std::to_string(static_cast<int>(p->y * 2)) : "-")
          .set(2, list)
          .set(3, map)
          .set(4, sum_.get())
          .set(5, all);
    }
  }

 private:
  weir::value_state<point> value_{*this, "value"};
  weir::list_state<std::string> list_{*this, "list"};
  weir::map_state<int64_t, int64_t> map_{*this, "map"};
  weir::reducing_state<int64_t> sum_{*this, "sum"};
  weir::value_state<names> names_{*this, "names"};
};

/// Emits for every row what the key's last row held, as far as it has not expired.
class memory : public weir::custom_operator {
 public:
  void describe(weir::description& d) override {
    auto clock = d.parameter<std::string>("clock", "event");
    time_.clock =
        clock == "event" ? weir::state_clock::event_time : weir::state_clock::processing_time;
    time_.time = d.parameter<weir::duration>("ttl", std::chrono::seconds(10));
    mixed_ = d.parameter<bool>("mixed", false);
    d.output("k bigint, last bigint, items bigint, entries bigint");
  }
  void open(weir::context&) override {
    last_.set_ttl(time_);
    items_.set_ttl(time_);
    if (mixed_) time_.clock = weir::state_clock::processing_time;
    entries_.set_ttl(time_);
  }
  void process_batch(weir::context& ctx, const weir::batch& in, weir::emitter& out) override {
    auto n = in.column<int64_t>("n");
    for (auto row : ctx.rows(in)) {
      out.row()
          .set(0, ctx.key<int64_t>())
          .set(1, last_.get())
          .set(2, items_.size())
          .set(3, entries_.size());
      last_.set(n[row]);
      items_.add(n[row]);
      entries_.put(n[row], 1);
    }
  }

 private:
  weir::ttl time_;
  bool mixed_ = false;
  weir::value_state<int64_t> last_{*this, "last"};
  weir::list_state<int64_t> items_{*this, "items"};
  weir::map_state<int64_t, int64_t> entries_{*this, "entries"};
};

/// Sets, deletes and chains timers as the rows say; emits those that fire.
class alarm : public weir::custom_operator {
 public:
  void describe(weir::description& d) override {
    d.needs_key();
    d.output("k text, clock text, t bigint, seen bigint");
  }
  void process_batch(weir::context& ctx, const weir::batch& in, weir::emitter&) override {
    auto what = in.column<std::string_view>("what");
    auto at = in.column<int64_t>("at");
    for (auto row : ctx.rows(in)) {
      if (what[row] == "event" || what[row] == "chain") ctx.set_event_timer(at[row]);
      if (what[row] == "processing") ctx.set_processing_timer(at[row]);
      if (what[row] == "after") ctx.set_processing_timer(ctx.processing_time() + at[row]);
      if (what[row] == "delete") ctx.delete_event_timer(at[row]);
      if (what[row] == "fail") throw weir::error("told to fail");
      chain_.set(what[row] == "chain");
    }
  }
  void on_timer(weir::context& ctx, const weir::timer& t, weir::emitter& out) override {
    fired_.add(1);
    out.row()
        .set(0, ctx.key<std::string_view>())
        .set(1, t.kind == weir::timer_kind::event_time ? "event" : "processing")
        .set(2, t.time)
        .set(3, fired_.get());
    if (chain_.get_or(false) && *fired_.get() < 5) ctx.set_event_timer(t.time + 10);
    if (t.time == 666) throw weir::error("a timer of the beast");
  }
  void on_watermark(weir::context&, int64_t t, weir::emitter& out) override {
    out.row().set(1, "watermark").set(2, t);
  }

 private:
  weir::value_state<bool> chain_{*this, "chain"};
  weir::reducing_state<int64_t> fired_{*this, "fired"};
};

/// Emits the key columns as it sees them, whatever their types.
class key_echo : public weir::custom_operator {
 public:
  void describe(weir::description& d) override {
    d.needs_key();
    weir::schema out;
    for (uint32_t k : d.key()) out.add(d.input(0)[k]);
    d.output(out.add("rows", weir::type_id::int64).add("port", weir::type_id::int32));
  }
  void process_batch(weir::context& ctx, const weir::batch& in, weir::emitter& out) override {
    for (auto row : ctx.rows(in)) {
      rows_.add(1);
      auto to = out.row();
      auto keys = static_cast<uint32_t>(ctx.key_columns().size());
      for (uint32_t k = 0; k < keys; ++k) to.set(k, ctx.key_cell(k));
      to.set(keys, rows_.get()).set(keys + 1, in.port());
    }
  }

 private:
  weir::reducing_state<int64_t> rows_{*this, "rows"};
};

/// Touches state without a row's key.
class keyless : public weir::custom_operator {
 public:
  void process_batch(weir::context&, const weir::batch& in, weir::emitter&) override {
    for (auto row : in.rows()) n_.add(1);
  }

 private:
  weir::reducing_state<int64_t> n_{*this, "n"};
};

/// One counter per key, for measuring.
class key_counter : public weir::custom_operator {
 public:
  void process_batch(weir::context& ctx, const weir::batch& in, weir::emitter&) override {
    for (auto row : ctx.rows(in)) n_.add(1);
  }

 private:
  weir::reducing_state<int64_t> n_{*this, "n"};
};

}  // namespace

WEIR_EXPORT_OPERATOR(keeper, "keeper")
WEIR_EXPORT_OPERATOR(memory, "memory")
WEIR_EXPORT_OPERATOR(alarm, "alarm")
WEIR_EXPORT_OPERATOR(key_echo, "key_echo")
WEIR_EXPORT_OPERATOR(keyless, "keyless")
WEIR_EXPORT_OPERATOR(key_counter, "key_counter")
