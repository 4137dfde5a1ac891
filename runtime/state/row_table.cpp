#include "runtime/state/row_table.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/base/assert.hpp"

namespace weir {
namespace {

constexpr size_t page_bytes_target = 1u << 20;
constexpr size_t pages_per_region = 16;

uint32_t page_shift_of(uint32_t row_bytes) {
  // A power of two of rows, at least one dirty block.
  auto rows = std::bit_floor(std::max<size_t>(page_bytes_target / row_bytes, 64));
  return static_cast<uint32_t>(std::bit_width(rows) - 1);
}

}  // namespace

row_table::row_table(row_layout layout, memory_pool* memory)
    : layout_(std::move(layout)),
      row_bytes_(layout_.row_bytes()),
      page_shift_(page_shift_of(row_bytes_)),
      page_mask_((1u << page_shift_) - 1),
      page_pool_(size_t{row_bytes_} << page_shift_, pages_per_region),
      charge_(memory),
      log_(layout_) {}

bool row_table::equal_key(const uint64_t* row, const uint64_t* key) const noexcept {
  if ((*row ^ *key) & key_mask) return false;
  uint32_t w = 1;
  for (uint32_t s : layout_.key_strings) {
    for (; w < 1 + s; ++w)
      if (row[w] != key[w]) return false;
    if (!equal(row + w, key + w)) return false;
    w += 2;
  }
  for (; w <= layout_.key_words; ++w)
    if (row[w] != key[w]) return false;
  return true;
}

uint32_t row_table::find(const uint64_t* key, uint32_t hash) const noexcept {
  return index_.find(hash, [&](uint32_t id) {
    const uint64_t* r = row(id);
    return !(*r & flag_zombie) && equal_key(r, key);
  });
}

uint32_t row_table::add(const uint64_t* key, uint32_t hash) {
  uint32_t id;
  if (!free_.empty()) {
    id = free_.back();
    free_.pop_back();
    // What was here before the barrier came and went; the new row is none of that epoch's.
    if (snapshotting_) pending_[id >> 6] &= ~(uint64_t{1} << (id & 63));
  } else {
    id = rows_used_++;
    weir_assert(id != none, "a state table has more than four billion rows");
    if ((id >> page_shift_) == pages_.size()) pages_.push_back(page_pool_.allocate_zero());
    if ((id >> 6) == dirty_.size()) {
      dirty_.push_back(0);
      pending_.push_back(0);
    }
  }
  uint64_t* r = row(id);
  std::memcpy(r, key, 8 * (1 + layout_.key_words));
  *r &= key_mask;
  for (uint32_t s : layout_.key_strings) {
    var_ref v;
    std::memcpy(v.words, r + 1 + s, 16);
    v = arena_.store(v);
    std::memcpy(r + 1 + s, v.words, 16);
  }
  std::memset(r + 1 + layout_.key_words, 0, 8 * layout_.value_words);
  index_.insert(hash, id);
  return id;
}

void row_table::drop_value_strings(uint64_t* r) {
  for (uint32_t s : layout_.value_strings) arena_.drop(r + 1 + layout_.key_words + s);
}

void row_table::revive(uint32_t id) {
  uint64_t* r = row(id);
  drop_value_strings(r);
  std::memset(r + 1 + layout_.key_words, 0, 8 * layout_.value_words);
  *r &= ~flag_zombie;
  --zombies_;
}

void row_table::remove(uint32_t id) {
  uint64_t* r = row(id);
  uint64_t key0 = *r;
  if (key0 & flag_zombie) --zombies_;
  if (key0 & flag_durable) --durable_;
  *r &= key_mask;  // as it was hashed
  uint32_t h;
  hash(r, 1, &h);
  index_.erase(h, id);
  for (uint32_t s : layout_.key_strings) arena_.drop(r + 1 + s);
  drop_value_strings(r);
  *r = flag_free;
  free_.push_back(id);
}

void row_table::set_string(uint64_t* r, uint32_t value_word, std::string_view s) {
  uint64_t* v = r + 1 + layout_.key_words + value_word;
  arena_.drop(v);
  var_ref ref = arena_.store(var_ref::borrow(s));
  std::memcpy(v, ref.words, 16);
}

void row_table::append_string(uint64_t* r, uint32_t value_word, std::string_view s) {
  uint64_t* v = r + 1 + layout_.key_words + value_word;
  var_ref old;
  std::memcpy(old.words, v, 16);
  var_ref longer = arena_.extend(old, s);
  std::memcpy(v, longer.words, 16);
}

void row_table::touch(const uint32_t* ids, size_t n) {
  mark_dirty(ids, n);
  if (!layout_.stamped) return;
  for (size_t i = 0; i < n; ++i) row(ids[i])[layout_.key_words + layout_.value_words] = stamp_;
}

void row_table::refresh(const uint32_t* ids, size_t n) {
  if (!layout_.stamped) return;
  for (size_t i = 0; i < n; ++i)
    if (stamp(ids[i]) != static_cast<int64_t>(stamp_)) touch(ids[i]);
}

void row_table::change(uint32_t id) {
  mark_dirty(&id, 1);
}

void row_table::mark_dirty(const uint32_t* ids, size_t n) {
  if (snapshotting_)
    for (size_t i = 0; i < n; ++i)
      if (pending_[ids[i] >> 6] >> (ids[i] & 63) & 1) copy_on_write(ids[i]);
  size_t known = dirty_blocks_.size();
  if (dirty_blocks_.capacity() < known + n) dirty_blocks_.reserve(std::max(known * 2, known + n));
  dirty_blocks_.resize(known + n);
  uint32_t* out = dirty_blocks_.data() + known;
  for (size_t i = 0; i < n; ++i) {
    uint64_t& word = dirty_[ids[i] >> 6];
    const uint64_t before = word, bit = uint64_t{1} << (ids[i] & 63);
    if (before & bit) continue;  // mostly: between barriers keys come again
    word = before | bit;
    *out = ids[i] >> 6;
    out += before == 0;
  }
  dirty_blocks_.resize(static_cast<size_t>(out - dirty_blocks_.data()));
}

void row_table::erase(uint32_t id) {
  change(id);  // a pending row is written first, and thereby durable
  uint64_t* r = row(id);
  if (*r & flag_durable) {
    *r |= flag_zombie;
    ++zombies_;
  } else {
    remove(id);
  }
}

void row_table::end_batch() {
  arena_.release_freed();
  charge_.set(memory_bytes());
}

size_t row_table::memory_bytes() const noexcept {
  // The last page counts as far as it is used: untouched memory is not resident.
  size_t rows = pages_.empty() ? 0 : size_t{rows_used_} * row_bytes_;
  return rows + index_.memory_bytes() + arena_.reserved() +
         (dirty_.capacity() + pending_.capacity()) * 8 +
         (dirty_blocks_.capacity() + pending_blocks_.capacity() + free_.capacity()) * 4;
}

void row_table::clear() {
  weir_assert(in_flight_.empty() && !snapshotting_, "a table with snapshots under way is cleared");
  index_.clear();
  arena_.clear();
  free_.clear();
  std::fill(dirty_.begin(), dirty_.end(), 0);
  dirty_blocks_.clear();
  rows_used_ = 0;  // pages are kept for the next rows
  zombies_ = durable_ = 0;
}

}  // namespace weir
