// Distinct rows over all columns: a row enters when its total weight becomes positive and leaves
// when it is no longer. The output is a selection over the input with weights of its own.
#include "runtime/column/builder.hpp"
#include "runtime/column/hash.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/key_codec.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {
namespace {

constexpr std::string_view rows_state = "rows";
constexpr size_t run_max = 512;

class distinct_operator final : public stream_operator {
 public:
  distinct_operator(key_codec codec, row_layout layout, schema_ptr output)
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

  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    auto selection = buffer::allocate(*context_.memory, size_t{in->rows} * 4);
    auto* selected = selection.mutable_as<uint32_t>();
    buffer_ref weights;
    if (in->weights) weights = buffer::allocate(*context_.memory, size_t{in->physical_rows} * 4);
    auto* w = weights ? weights.mutable_as<int32_t>() : nullptr;
    uint32_t n = 0;
    buffer_ref hashes;
    for (uint32_t begin = 0; begin < in->rows; begin += run_max) {
      const auto run = std::min<uint32_t>(run_max, in->rows - begin);
      lookup(*in, begin, run, hashes);
      for (uint32_t i = 0; i < run; ++i) {
        auto& total = reinterpret_cast<int64_t&>(rows_[i][1 + layout_.key_words]);
        const bool was = total > 0;
        total += in->weight(at_[i]);
        const bool is = total > 0;
        selected[n] = at_[i];
        if (w) w[at_[i]] = is ? 1 : -1;
        n += was != is;
      }
      if (w) erase_empty(run);
    }
    table_->end_batch();
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
  void lookup(const batch& in, uint32_t begin, uint32_t run, buffer_ref& hashes) {
    for (uint32_t i = 0; i < run; ++i) at_[i] = in.row(begin + i);
    codec_.encode(in.columns, at_, run, encoded_.data());
    table_->hash(encoded_.data(), run, key_hashes_);
    added_.clear();
    table_->upsert(encoded_.data(), key_hashes_, run, ids_, rows_, added_);
    if (!added_.empty()) {
      if (!hashes) hashes = hash_keys(in, columns_, *context_.memory);
      const auto* h = hashes.as<uint64_t>() + begin;
      for (uint32_t i : added_)
        row_table::set_group(rows_[i], group_of_hash(h[i], context_.key_groups));
    }
    table_->touch(ids_, run);
  }
  void erase_empty(uint32_t run) {
    for (uint32_t i = 0; i < run; ++i)
      if (table_->alive(ids_[i]) && rows_[i][1 + layout_.key_words] == 0) table_->erase(ids_[i]);
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
};

}  // namespace

result<operator_ptr> make_distinct(const schema_ptr& input, schema_ptr output) {
  row_layout layout;
  std::vector<data_type> types;
  for (const auto& f : input->fields) types.push_back(f.type);
  WEIR_ASSIGN(auto codec, key_codec::make(std::move(types), layout));
  layout.add_value(type_id::int64);
  return operator_ptr(
      new distinct_operator(std::move(codec), std::move(layout), std::move(output)));
}

}  // namespace weir
