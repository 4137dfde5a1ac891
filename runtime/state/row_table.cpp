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
      indexed_(!layout_.numbered),
      charge_(memory),
      log_(layout_) {
  weir_assert(!layout_.packed() || layout_.value_strings.empty(), "packed rows beside strings");
  weir_assert(!layout_.numbered || layout_.key_words == 1, "numbered rows have no other key");
}

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

uint32_t row_table::place() {
  uint32_t id;
  if (!free_.empty()) {
    id = free_.back();
    free_.pop_back();
    // What was here before the barrier came and went; the new row is none of that epoch's.
    changes_.replace(id);
  } else {
    id = rows_used_++;
    weir_assert(id != none, "a state table has more than four billion rows");
    if ((id >> page_shift_) == pages_.size()) pages_.push_back(page_pool_.allocate_zero());
    changes_.add(id);
  }
  ++rows_;
  return id;
}

uint32_t row_table::append(uint32_t group) {
  const uint32_t id = place();
  uint64_t* r = row(id);
  *r = uint64_t{group} << 32 | group;
  r[1] = next_number_++;
  std::memset(r + 2, 0, 8 * layout_.value_words);
  return id;
}

uint32_t row_table::add(const uint64_t* key, uint32_t hash) {
  const uint32_t id = write(key);
  index_.insert(hash, id);
  return id;
}

uint32_t row_table::write(const uint64_t* key) {
  const uint32_t id = place();
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
  return id;
}

void row_table::leave_index() {
  indexed_ = false;
  index_.release();
}

void row_table::drop_value_strings(uint64_t* r) {
  for (uint32_t s : layout_.value_strings) arena_.drop(r + 1 + layout_.key_words + s);
  if (!layout_.packed()) return;
  const uint64_t word = r[1 + layout_.key_words + layout_.packed_word];
  if (word == 0) return;
  const std::string_view bytes = packed_of(word);
  const bool far = bytes.size() >= packed_size_far;
  arena_.free_later(bytes.data() - (far ? sizeof(size_t) : 0),
                    bytes.size() + (far ? sizeof(size_t) : 0));
}

void row_table::set_packed(uint64_t* r, std::string_view bytes) {
  drop_value_strings(r);
  const bool far = bytes.size() >= packed_size_far;
  char* p = arena_.allocate(bytes.size() + (far ? sizeof(size_t) : 0));
  const auto address = reinterpret_cast<uint64_t>(p);
  weir_assert(address >> packed_size_shift == 0, "an address has more than 48 bits");
  if (far) {
    const size_t n = bytes.size();
    std::memcpy(p, &n, sizeof n);
    p += sizeof n;
  }
  if (!bytes.empty()) std::memcpy(p, bytes.data(), bytes.size());
  r[1 + layout_.key_words + layout_.packed_word] = address | (far ? packed_size_far : bytes.size())
                                                                 << packed_size_shift;
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
  uint32_t h = 0;
  if (indexed_) {
    const uint64_t flags = *r & ~key_mask;
    *r &= key_mask;  // as it was hashed
    hash(r, 1, &h);
    *r |= flags;
  }
  remove(id, h);
}

void row_table::remove(uint32_t id, uint32_t hash) {
  uint64_t* r = row(id);
  if (*r & flag_zombie) --zombies_;
  if (*r & flag_durable) --durable_;
  --rows_;
  if (indexed_) index_.erase(hash, id);
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
  changes_.mark(ids, n, [this](uint32_t id) { encode(id); });
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

void row_table::erase(std::span<const uint32_t> ids) {
  // Three passes over few rows: the rows themselves, their places in the index, then the work.
  constexpr size_t run = 64;
  const size_t stride = 1 + layout_.key_words;
  std::vector<uint64_t> keys(run * stride);
  uint32_t hashes[run] = {};
  for (; !ids.empty(); ids = ids.subspan(std::min(run, ids.size()))) {
    const auto some = ids.first(std::min(run, ids.size()));
    for (uint32_t id : some) __builtin_prefetch(row(id), 1);
    mark_dirty(some.data(), some.size());  // a pending row is written first, and thereby durable
    for (size_t i = 0; i < some.size(); ++i) {
      std::memcpy(&keys[i * stride], row(some[i]), 8 * stride);
      keys[i * stride] &= key_mask;
    }
    if (indexed_) {
      hash(keys.data(), some.size(), hashes);
      for (size_t i = 0; i < some.size(); ++i) __builtin_prefetch(index_.home(hashes[i]), 1);
    }
    for (size_t i = 0; i < some.size(); ++i) {
      uint64_t* r = row(some[i]);
      if (*r & flag_durable) {
        *r |= flag_zombie;
        ++zombies_;
      } else {
        remove(some[i], hashes[i]);
      }
    }
  }
}

void row_table::end_batch() {
  arena_.release_freed();
  charge_.set(memory_bytes());
}

size_t row_table::memory_bytes() const noexcept {
  // The last page counts as far as it is used: untouched memory is not resident.
  size_t rows = pages_.empty() ? 0 : size_t{rows_used_} * row_bytes_;
  return rows + index_.memory_bytes() + arena_.reserved() + changes_.memory_bytes() +
         free_.capacity() * 4;
}

void row_table::clear() {
  changes_.clear();
  index_.clear();
  arena_.clear();
  free_.clear();
  rows_used_ = 0;  // pages are kept for the next rows
  rows_ = zombies_ = durable_ = 0;
}

}  // namespace weir
