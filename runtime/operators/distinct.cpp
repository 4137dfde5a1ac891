// Distinct rows over all columns: a row enters when its total weight becomes positive and leaves
// when it is no longer. The output is a selection over the input with weights of its own.
#include "runtime/column/builder.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/owed_rows.hpp"
#include "runtime/operators/row_weights.hpp"
#include "runtime/operators/state_expiry.hpp"

namespace weir {
namespace {

class distinct_operator final : public stream_operator {
 public:
  distinct_operator(std::unique_ptr<row_weights> rows, schema_ptr output, int64_t ttl_us)
      : rows_(std::move(rows)),
        output_(std::move(output)),
        expiry_(ttl_us),
        expires_(ttl_us != 0) {}

  status open(const operator_context& c) override {
    context_ = c;
    rows_->open(c);
    expiry_.open(c, {&rows_->table()});
    return {};
  }
  status restore(const snapshot_reader& in) override { return rows_->restore(in, context_.groups); }

  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    auto selection = buffer::allocate(*context_.memory, size_t{in->rows} * 4);
    auto* selected = selection.mutable_as<uint32_t>();
    buffer_ref weights;
    if (in->weights) weights = buffer::allocate(*context_.memory, size_t{in->physical_rows} * 4);
    auto* w = weights ? weights.mutable_as<int32_t>() : nullptr;
    uint32_t n = 0;
    expiry_.begin_batch();
    rows_->begin_batch();
    for (uint32_t begin = 0; begin < in->rows; begin += row_weights::run_max) {
      const auto run = std::min<uint32_t>(row_weights::run_max, in->rows - begin);
      rows_->look_up(*in, begin, run);
      for (uint32_t i = 0; i < run; ++i) {
        const uint32_t at = rows_->at(i);
        auto& total = rows_->weight(i);
        const bool was = total > 0;
        total += in->weight(at);
        const bool is = total > 0;
        selected[n] = at;
        if (w) w[at] = is ? 1 : -1;
        n += was != is;
      }
      if (w) rows_->erase_empty(run);
    }
    rows_->table().end_batch();
    if (n == 0) return {};
    selection.truncate(size_t{n} * 4);
    batch b = *in;
    b.type = output_;
    b.rows = n;
    b.selection = std::move(selection);
    b.weights = std::move(weights);
    if (n == b.physical_rows) b.selection = {};
    out.emit(std::make_shared<const batch>(std::move(b)));
    return {};
  }

  status on_watermark(timestamp_us t, collector&) override {
    // Of rows that a state_ttl has dropped some may still be taken back.
    if (t != watermark_end || expires_) return {};
    return check_none_owed(context_, rows_->table(), rows_->codec(), "the row",
                           [this](const uint64_t* row) { return rows_->weight_of(row); });
  }

  status on_processing_time(timestamp_us t, collector&) override {
    expiry_.on_time(t, [this](size_t& budget) {
      auto& table = rows_->table();
      const bool done = expiry_.sweep(0, budget, [&table](uint32_t id) { table.erase(id); });
      table.end_batch();
      return done;
    });
    return {};
  }

  status snapshot_begin(snapshot_writer& w) override {
    rows_->snapshot_begin(w);
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t budget) override {
    const bool done = rows_->snapshot_continue(w, budget);
    // A slice need not fill a chunk, and then nothing tells the task that there is more to do.
    if (!done && context_.wake) context_.wake();
    return done;
  }
  status on_epoch_complete(epoch e) override {
    rows_->table().on_epoch_complete(e);
    return {};
  }
  status on_epoch_aborted(epoch e) override {
    rows_->table().on_epoch_aborted(e);
    return {};
  }
  size_t state_bytes() const override { return rows_->table().memory_bytes(); }

 private:
  std::unique_ptr<row_weights> rows_;
  schema_ptr output_;
  state_expiry expiry_;
  const bool expires_;
  operator_context context_;
};

}  // namespace

result<operator_ptr> make_distinct(const schema_ptr& input, schema_ptr output, int64_t ttl_us) {
  WEIR_ASSIGN(auto rows, row_weights::make(*input, ttl_us > 0));
  return operator_ptr(new distinct_operator(std::move(rows), std::move(output), ttl_us));
}

}  // namespace weir
