#include "runtime/operators/partitioned_rows.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/column/hash.hpp"

namespace weir {

result<std::unique_ptr<partitioned_rows>> partitioned_rows::make(
    const schema& rows, std::vector<uint32_t> keys, const std::vector<order_term>& order,
    uint32_t partition_words, int64_t ttl_us, uint32_t row_words, bool appended) {
  auto made = std::make_unique<partitioned_rows>();
  auto& p = *made;
  std::vector<data_type> all, some;
  for (uint32_t c = 0; c < rows.size(); ++c) {
    all.push_back(rows.fields[c].type);
    p.columns_.push_back(c);
  }
  for (auto k : keys) some.push_back(rows.fields[k].type);
  row_layout columns;
  WEIR_ASSIGN(p.row_codec_, key_codec::make(std::move(all), columns));
  p.appended_ = appended;
  if (appended) {
    weir_assert(row_words == 0, "appended rows have no words of the operator");
    p.packer_ = row_packer(columns, p.row_codec_.first_words());
    p.unpacked_.resize(unpacked_slots);
    p.row_layout_.make_numbered();
    p.row_layout_.add_packed();
  } else {
    p.row_layout_ = std::move(columns);
    for (uint32_t i = 0; i < 1 + row_words; ++i) p.row_layout_.add_value(type_id::int64);
  }
  WEIR_ASSIGN(p.partition_codec_, key_codec::make(std::move(some), p.partition_layout_));
  p.partition_key_of_ = key_projection(p.row_codec_, keys, p.partition_codec_, {}, true);
  for (uint32_t i = 0; i < partition_words; ++i) p.partition_layout_.add_value(type_id::int64);
  if (ttl_us > 0) {
    p.row_layout_.add_stamp();
    p.partition_layout_.add_stamp();
  }
  p.expiry_ = state_expiry(ttl_us);
  p.order_ = row_order(order, rows, p.row_codec_);
  p.keys_ = std::move(keys);
  p.encoded_.resize(run_max * (1 + std::max(p.row_codec_.words(), p.partition_layout_.key_words)));
  p.hash_.resize(run_max);
  return made;
}

void partitioned_rows::open(const operator_context& c, row_table* also) {
  context_ = c;
  rows_.emplace(row_layout_, c.memory);
  texts_.open(c.subtask, c.parallelism, c.key_groups);
  partitions_.emplace(partition_layout_, c.memory);
  std::vector<row_table*> stamped{&*partitions_, &*rows_};
  if (also) stamped.push_back(also);
  expiry_.open(c, std::move(stamped));
}

void partitioned_rows::begin_batch(const batch& b) {
  expiry_.begin_batch();
  if (appended_) packer_.begin_batch(b.columns);
  hashes_ = {};
  key_columns_.clear();
  for (auto k : keys_) key_columns_.push_back(b.columns[k]);
}

void partitioned_rows::find_partitions(const batch& b, uint32_t begin, uint32_t n) {
  auto& r = *run_;
  r.n = n;
  for (uint32_t i = 0; i < n; ++i) r.at[i] = b.row(begin + i);
  order_.words(b.columns, r.at, n, r.words);
  partition_codec_.encode(key_columns_, r.at, n, encoded_.data());
  partitions_->hash(encoded_.data(), n, hash_.data());
  added_.clear();
  partitions_->upsert(encoded_.data(), hash_.data(), n, r.partitions, r.partition_rows, added_);
  if (expiry_.on()) note_touched();
  if (added_.empty()) return;
  if (!hashes_) hashes_ = hash_keys(b, keys_, *context_.memory);
  const auto* h = hashes_.as<uint64_t>() + begin;
  for (uint32_t i : added_)
    row_table::set_group(r.partition_rows[i], group_of_hash(h[i], context_.key_groups));
}

void partitioned_rows::note_touched() {
  const auto& r = *run_;
  for (uint32_t i = 0; i < r.n; ++i) {
    if (partitions_->stamp(r.partitions[i]) == expiry_.now()) continue;
    partitions_->set_stamp(r.partitions[i], expiry_.now());
    refreshed_.push_back(r.partitions[i]);
  }
}

void partitioned_rows::append_rows(const batch& b) {
  auto& r = *run_;
  const size_t stride = 1 + row_codec_.words();
  uint64_t* words = scratch_.words(r.n * stride);
  row_codec_.encode(b.columns, r.at, r.n, words);
  for (uint32_t i = 0; i < r.n; ++i, words += stride) {
    r.ids[i] = rows_->append(row_table::group(r.partition_rows[i]));
    r.rows[i] = rows_->row(r.ids[i]);
    r.rows[i][1 + row_layout_.key_words + row_layout_.packed_word] =
        reinterpret_cast<uint64_t>(words) | fresh_mark;
    fresh_.push_back({r.ids[i], r.at[i]});
  }
  rows_->touch(r.ids, r.n);
  some_unpacked_ = true;
}

const uint64_t* partitioned_rows::unpacked(uint32_t id) const {
  const auto* row = std::as_const(*rows_).row(id);
  const uint64_t word = row[1 + row_layout_.key_words + row_layout_.packed_word];
  if (word & fresh_mark) return reinterpret_cast<const uint64_t*>(word & ~fresh_mark);
  auto& slot = unpacked_[id % unpacked_slots];
  if (slot.id != id) {
    uint64_t* words = scratch_.words(1 + row_codec_.words());
    packer_.unpack(rows_->packed(row), texts_, scratch_, words);
    slot = {id, words};
    some_unpacked_ = true;
  }
  return slot.words;
}

void partitioned_rows::forget_unpacked() const {
  if (!some_unpacked_) return;
  some_unpacked_ = false;
  std::fill(unpacked_.begin(), unpacked_.end(), unpacked_row());
  scratch_.clear();
}

void partitioned_rows::erase(uint32_t id) {
  if (appended_) {
    if (packed_word(id) & fresh_mark) packed_word(id) = 0;
    // The number may be another row's at once.
    auto& slot = unpacked_[id % unpacked_slots];
    if (slot.id == id) slot = {};
  }
  rows_->erase(id);
}

void partitioned_rows::find_rows(const batch& b) {
  if (appended_) return append_rows(b);
  auto& r = *run_;
  row_codec_.encode(b.columns, r.at, r.n, encoded_.data());
  rows_->hash(encoded_.data(), r.n, hash_.data());
  added_.clear();
  rows_->upsert(encoded_.data(), hash_.data(), r.n, r.ids, r.rows, added_);
  for (uint32_t i : added_) row_table::set_group(r.rows[i], row_table::group(r.partition_rows[i]));
  rows_->touch(r.ids, r.n);
}

void partitioned_rows::end_batch() {
  // The newest first: a number that came twice is the last one's row.
  for (auto it = fresh_.rbegin(); it != fresh_.rend(); ++it) {
    const auto [id, at] = *it;
    if (!rows_->alive(id)) continue;
    uint64_t& word = packed_word(id);
    if (!(word & fresh_mark)) continue;
    const auto* words = reinterpret_cast<const uint64_t*>(word & ~fresh_mark);
    word = 0;
    rows_->set_packed(rows_->row(id), packer_.pack(words, at, texts_));
  }
  fresh_.clear();
  if (appended_) forget_unpacked();
  rows_->end_batch();
  partitions_->end_batch();
}

result<bool> partitioned_rows::snapshot_continue(snapshot_writer& w, size_t budget) {
  const bool done = rows_->snapshot_continue(w, "rows", budget);
  // A slice need not fill a chunk, and then nothing tells the task that there is more to do.
  if (!done && context_.wake) context_.wake();
  return done;
}

uint32_t partitioned_rows::partition_of(uint32_t row_id) {
  const uint64_t* row = std::as_const(*this).row(row_id);
  uint64_t* key = encoded_.data();
  partition_key_of_(row, key);
  partitions_->hash(key, 1, hash_.data());
  uint32_t id;
  uint64_t* p;
  added_.clear();
  partitions_->upsert(key, hash_.data(), 1, &id, &p, added_);
  // An unpacked row does not say its key group.
  if (!added_.empty()) row_table::set_group(p, row_table::group(std::as_const(*rows_).row(row_id)));
  return id;
}

}  // namespace weir
