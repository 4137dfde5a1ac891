#include "runtime/connectors/newest_rows.hpp"

#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/operators/key_codec.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {
namespace {

constexpr uint32_t encode_run = 512;
// Rows that wait are merged when they are more than those that stand, and than this: so a topic's
// old values take no memory, and each row is looked at a few times only.
constexpr uint64_t fresh_min = 64 * 1024;

}  // namespace

status newest_rows::check_keys(const batch& b) const {
  for (auto k : keys_)
    for (uint32_t i = 0; i < b.rows; ++i)
      if (!b.columns[k]->is_valid(b.row(i)))
        return {errc::invalid_argument,
                "a record has no value of column \"" + type_->fields[k].name +
                    "\" of the PRIMARY KEY, so it is not known whose row it is" +
                    (b.weight(b.row(i)) < 0 ? "; the option key names the column that is the "
                                              "record's key"
                                            : "")};
  return {};
}

status newest_rows::add(const batch_ptr& b) {
  WEIR_TRY(check_keys(*b));
  fresh_.push_back(b);
  fresh_count_ += b->rows;
  if (fresh_count_ > std::max<uint64_t>(fresh_min, rows_ ? rows_->rows : 0)) WEIR_TRY(merge());
  return {};
}

result<batch_ptr> newest_rows::merge() {
  std::vector<bool> gone(rows_ ? rows_->rows : 0);
  std::vector<batch_ptr> parts;
  if (rows_) parts.push_back(rows_);
  for (const auto& b : fresh_) {
    for (uint32_t i = 0; i < b->rows; ++i) gone.push_back(b->weight(b->row(i)) < 0);
    auto plain = std::make_shared<batch>(*b);
    plain->weights = {};
    parts.push_back(std::move(plain));
  }
  fresh_.clear();
  fresh_count_ = 0;
  if (parts.empty()) return rows_;
  const auto all = concat(parts, memory_);
  row_layout layout;
  std::vector<data_type> types;
  std::vector<column_ptr> keys;
  for (auto k : keys_) {
    types.push_back(type_->fields[k].type);
    keys.push_back(all->columns[k]);
  }
  WEIR_ASSIGN(auto codec, key_codec::make(std::move(types), layout));
  layout.add_value(type_id::int64);  // 1 + the newest row; 0: it is gone
  row_table newest(layout, &memory_);
  std::vector<uint64_t> encoded(encode_run * (1 + codec.words()));
  std::vector<uint32_t> ids(all->rows), added;
  uint32_t at[encode_run], hashes[encode_run];
  uint64_t* places[encode_run];
  for (uint32_t begin = 0; begin < all->rows; begin += encode_run) {
    const uint32_t n = std::min(encode_run, all->rows - begin);
    for (uint32_t i = 0; i < n; ++i) at[i] = begin + i;
    codec.encode(keys, at, n, encoded.data());
    newest.hash(encoded.data(), n, hashes);
    added.clear();
    newest.upsert(encoded.data(), hashes, n, &ids[begin], places, added);
    for (uint32_t i = 0; i < n; ++i)
      *newest.value(ids[begin + i]) = gone[begin + i] ? 0 : uint64_t{begin} + i + 1;
  }
  std::vector<uint32_t> stand;
  for (uint32_t i = 0; i < all->rows; ++i)
    if (*newest.value(ids[i]) == uint64_t{i} + 1) stand.push_back(i);
  std::vector<column_ptr> columns;
  for (const auto& c : all->columns) columns.push_back(gather(*c, stand, memory_));
  rows_ = make_batch(type_, std::move(columns), {}, static_cast<uint32_t>(stand.size()));
  return rows_;
}

void newest_rows::clear() {
  rows_.reset();
  fresh_.clear();
  fresh_count_ = 0;
}

}  // namespace weir
