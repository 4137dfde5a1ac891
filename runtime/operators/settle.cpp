// The rows that stand when the input ends: kept with their weights until then, and given once.
#include "runtime/column/builder.hpp"
#include "runtime/column/hash.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/key_codec.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {
namespace {

constexpr std::string_view rows_state = "rows";
constexpr size_t run_max = 512;

class settle_operator final : public stream_operator {
 public:
  settle_operator(key_codec codec, row_layout layout, schema_ptr output)
      : codec_(std::move(codec)), layout_(std::move(layout)), output_(std::move(output)) {
    for (uint32_t i = 0; i < output_->size(); ++i) columns_.push_back(i);
    encoded_.resize(run_max * (1 + layout_.key_words));
  }

  status open(const operator_context& c) override {
    context_ = c;
    table_.emplace(layout_, c.memory);
    return {};
  }
  status restore(const snapshot_reader& in) override {
    return table_->restore(in, rows_state, context_.groups);
  }

  status process_batch(uint16_t, const batch_ptr& in, collector&) override {
    const auto hashes = hash_keys(*in, columns_, *context_.memory);
    for (uint32_t begin = 0; begin < in->rows; begin += run_max) {
      const auto run = std::min<uint32_t>(run_max, in->rows - begin);
      for (uint32_t i = 0; i < run; ++i) at_[i] = in->row(begin + i);
      codec_.encode(in->columns, at_, run, encoded_.data());
      table_->hash(encoded_.data(), run, key_hashes_);
      added_.clear();
      table_->upsert(encoded_.data(), key_hashes_, run, ids_, rows_, added_);
      for (uint32_t i : added_)
        row_table::set_group(rows_[i],
                             group_of_hash(hashes.as<uint64_t>()[begin + i], context_.key_groups));
      table_->touch(ids_, run);
      for (uint32_t i = 0; i < run; ++i) weight(rows_[i]) += in->weight(at_[i]);
      for (uint32_t i = 0; i < run; ++i)
        if (table_->alive(ids_[i]) && weight(rows_[i]) == 0) table_->erase(ids_[i]);
    }
    table_->end_batch();
    return {};
  }

  status on_watermark(timestamp_us t, collector&) override {
    if (t == watermark_end) leaving_ = true;
    return {};
  }

  result<bool> drain(collector& out) override {
    if (!leaving_) return false;
    std::vector<const uint64_t*> rows;
    while (at_row_ < table_->rows_end() && rows.size() < batch_rows_target) {
      if (!table_->alive(at_row_) || weight(table_->row(at_row_)) <= copies_) {
        ++at_row_;
        copies_ = 0;
        continue;
      }
      rows.push_back(table_->row(at_row_));
      ++copies_;
    }
    if (!rows.empty()) {
      std::vector<column_ptr> columns;
      for (size_t k = 0; k < codec_.size(); ++k)
        columns.push_back(codec_.decode(k, rows.data(), rows.size(), *context_.memory));
      out.emit(make_batch(output_, std::move(columns)));
    }
    leaving_ = at_row_ < table_->rows_end();
    return leaving_;
  }

  status snapshot_begin(snapshot_writer& w) override {
    table_->snapshot_begin(w);
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t budget) override {
    bool done = table_->snapshot_continue(w, rows_state, budget);
    // A slice need not fill a chunk, and then nothing tells the task that there is more to do.
    if (!done && context_.wake) context_.wake();
    return done;
  }
  status on_epoch_complete(epoch e) override {
    table_->on_epoch_complete(e);
    return {};
  }
  status on_epoch_aborted(epoch e) override {
    table_->on_epoch_aborted(e);
    return {};
  }
  size_t state_bytes() const override { return table_->memory_bytes(); }

 private:
  int64_t& weight(uint64_t* row) const noexcept {
    return reinterpret_cast<int64_t&>(row[1 + layout_.key_words]);
  }

  key_codec codec_;
  row_layout layout_;
  schema_ptr output_;
  operator_context context_;
  std::optional<row_table> table_;
  std::vector<uint32_t> columns_;
  std::vector<uint64_t> encoded_;
  std::vector<uint32_t> added_;
  uint32_t at_[run_max], key_hashes_[run_max], ids_[run_max];
  uint64_t* rows_[run_max];
  bool leaving_ = false;
  uint32_t at_row_ = 0;
  int64_t copies_ = 0;  // of row at_row_ that have left
};

}  // namespace

result<operator_ptr> make_settle(const schema_ptr& input, schema_ptr output) {
  row_layout layout;
  std::vector<data_type> types;
  for (const auto& f : input->fields) types.push_back(f.type);
  WEIR_ASSIGN(auto codec, key_codec::make(std::move(types), layout));
  layout.add_value(type_id::int64);
  return operator_ptr(new settle_operator(std::move(codec), std::move(layout), std::move(output)));
}

}  // namespace weir
