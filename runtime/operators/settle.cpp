// The rows that stand when the input ends: kept with their weights until then, and given once.
#include "runtime/column/builder.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/owed_rows.hpp"
#include "runtime/operators/row_weights.hpp"

namespace weir {
namespace {

class settle_operator final : public stream_operator {
 public:
  settle_operator(std::unique_ptr<row_weights> rows, schema_ptr output)
      : rows_(std::move(rows)), output_(std::move(output)) {}

  status open(const operator_context& c) override {
    context_ = c;
    rows_->open(c);
    return {};
  }
  status restore(const snapshot_reader& in) override { return rows_->restore(in, context_.groups); }

  status process_batch(uint16_t, const batch_ptr& in, collector&) override {
    rows_->begin_batch();
    for (uint32_t begin = 0; begin < in->rows; begin += row_weights::run_max) {
      const auto run = std::min<uint32_t>(row_weights::run_max, in->rows - begin);
      rows_->look_up(*in, begin, run);
      for (uint32_t i = 0; i < run; ++i) rows_->weight(i) += in->weight(rows_->at(i));
      rows_->erase_empty(run);
    }
    rows_->table().end_batch();
    return {};
  }

  status on_watermark(timestamp_us t, collector&) override {
    if (t != watermark_end) return {};
    leaving_ = true;
    return check_none_owed(context_, rows_->table(), rows_->codec(), "the row",
                           [this](const uint64_t* row) { return rows_->weight_of(row); });
  }

  result<bool> drain(collector& out) override {
    if (!leaving_) return false;
    auto& table = rows_->table();
    std::vector<const uint64_t*> rows;
    while (at_row_ < table.rows_end() && rows.size() < batch_rows_target) {
      if (!table.alive(at_row_) || rows_->weight_of(table.row(at_row_)) <= copies_) {
        ++at_row_;
        copies_ = 0;
        continue;
      }
      rows.push_back(table.row(at_row_));
      ++copies_;
    }
    if (!rows.empty()) {
      std::vector<column_ptr> columns;
      for (size_t k = 0; k < rows_->codec().size(); ++k)
        columns.push_back(rows_->codec().decode(k, rows.data(), rows.size(), *context_.memory));
      out.emit(make_batch(output_, std::move(columns)));
    }
    leaving_ = at_row_ < table.rows_end();
    return leaving_;
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
  operator_context context_;
  bool leaving_ = false;
  uint32_t at_row_ = 0;
  int64_t copies_ = 0;  // of row at_row_ that have left
};

}  // namespace

result<operator_ptr> make_settle(const schema_ptr& input, schema_ptr output) {
  WEIR_ASSIGN(auto rows, row_weights::make(*input));
  return operator_ptr(new settle_operator(std::move(rows), std::move(output)));
}

}  // namespace weir
