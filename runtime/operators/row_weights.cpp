#include "runtime/operators/row_weights.hpp"

#include "runtime/column/hash.hpp"

namespace weir {
namespace {

constexpr std::string_view rows_state = "rows";

}  // namespace

result<std::unique_ptr<row_weights>> row_weights::make(const schema& rows, bool expires) {
  auto out = std::make_unique<row_weights>();
  std::vector<data_type> types;
  for (const auto& f : rows.fields) types.push_back(f.type);
  WEIR_ASSIGN(out->codec_, key_codec::make(std::move(types), out->layout_));
  out->layout_.add_value(type_id::int64);
  if (expires) out->layout_.add_stamp();
  for (uint32_t i = 0; i < rows.size(); ++i) out->columns_.push_back(i);
  out->encoded_.resize(run_max * (1 + out->layout_.key_words));
  return out;
}

void row_weights::open(const operator_context& c) {
  memory_ = c.memory;
  key_groups_ = c.key_groups;
  table_.emplace(layout_, c.memory);
}

void row_weights::look_up(const batch& in, uint32_t begin, uint32_t n) {
  for (uint32_t i = 0; i < n; ++i) at_[i] = in.row(begin + i);
  codec_.encode(in.columns, at_, n, encoded_.data());
  table_->hash(encoded_.data(), n, key_hashes_);
  added_.clear();
  table_->upsert(encoded_.data(), key_hashes_, n, ids_, rows_, added_);
  if (!added_.empty()) {
    if (!hashes_) hashes_ = hash_keys(in, columns_, *memory_);
    const auto* h = hashes_.as<uint64_t>() + begin;
    for (uint32_t i : added_) row_table::set_group(rows_[i], group_of_hash(h[i], key_groups_));
  }
  table_->touch(ids_, n);
}

void row_weights::erase_empty(uint32_t n) {
  for (uint32_t i = 0; i < n; ++i)
    if (table_->alive(ids_[i]) && weight(i) == 0) table_->erase(ids_[i]);
}

bool row_weights::snapshot_continue(snapshot_writer& w, size_t budget) {
  return table_->snapshot_continue(w, rows_state, budget);
}

status row_weights::restore(const snapshot_reader& in, key_group_range range) {
  return table_->restore(in, rows_state, range);
}

}  // namespace weir
