// The state of one operator: a hash table from encoded keys to fixed-width rows, with incremental
// snapshots. Rows live in blocks of 64; a dirty bit per row says what the next epoch has to write.
// At a barrier the dirty bits become the pending ones (no row is copied); snapshot_continue encodes
// pending rows in slices, and a pending row that is about to change is encoded first (copy on
// write), so the epoch holds the state as of its barrier. Owned by one task; not thread-safe.
//
// A row is a sequence of 8-byte words: header {uint16 key group, uint8 flags, uint8 0, uint32 null
// mask of the key}, key words, value words. Strings are var_refs (two words) in either part. A
// numbered row (row_layout::numbered) has its key group in place of the mask: its number is one of
// its group's, so that groups of several writers come together without a clash.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "runtime/base/ids.hpp"
#include "runtime/base/result.hpp"
#include "runtime/column/memory.hpp"
#include "runtime/snapshot/chunk.hpp"
#include "runtime/state/delta_log.hpp"
#include "runtime/state/epoch_changes.hpp"
#include "runtime/state/hash_index.hpp"
#include "runtime/state/row_layout.hpp"
#include "runtime/state/var_bytes.hpp"

namespace weir {

class row_table {
 public:
  static constexpr uint32_t none = hash_index::none;

  row_table(row_layout, memory_pool*);
  row_table(const row_table&) = delete;
  row_table& operator=(const row_table&) = delete;

  const row_layout& layout() const noexcept { return layout_; }
  size_t size() const noexcept { return rows_ - zombies_; }

  /// Hash of n encoded keys: (1 + key_words) words each, the first being null mask << 32.
  void hash(const uint64_t* keys, size_t n, uint32_t* out) const noexcept;
  /// For each key its row; absent ones are added with a zeroed value, and their positions appended
  /// to `added`: the caller sets their key group at once. Strings of keys may be borrowed.
  void upsert(const uint64_t* keys, const uint32_t* hashes, size_t n, uint32_t* ids,
              uint64_t** rows, std::vector<uint32_t>& added);
  /// Of a numbered layout: adds a row of a key group, with a zeroed value.
  uint32_t append(uint32_t group);
  /// Rows are found by their owner from now on, who adds each key once: no upsert(), find() or
  /// restore().
  void leave_index();
  /// Then: adds a row with a zeroed value, whose key group the caller sets at once.
  uint32_t append(const uint64_t* key) { return write(key); }
  /// Row of one key, or none.
  uint32_t find(const uint64_t* key, uint32_t hash) const noexcept;

  uint64_t* row(uint32_t id) noexcept {
    return reinterpret_cast<uint64_t*>(pages_[id >> page_shift_] +
                                       size_t{id & page_mask_} * row_bytes_);
  }
  const uint64_t* row(uint32_t id) const noexcept { return const_cast<row_table*>(this)->row(id); }
  uint64_t* value(uint32_t id) noexcept { return row(id) + 1 + layout_.key_words; }

  static void set_group(uint64_t* row, uint32_t group) noexcept {
    *row = (*row & ~uint64_t{0xffff}) | group;
  }
  static uint32_t group(const uint64_t* row) noexcept {
    return static_cast<uint32_t>(*row & 0xffff);
  }
  /// A mark of the caller's own on a row, for the time of one batch.
  static bool marked(const uint64_t* row) noexcept { return *row & flag_marked; }
  static void set_mark(uint64_t* row, bool on) noexcept {
    *row = on ? *row | flag_marked : *row & ~flag_marked;
  }

  /// To be called before values of rows change (and after rows were added).
  void touch(const uint32_t* ids, size_t n);
  void touch(uint32_t id) { touch(&id, 1); }
  /// Of a stamped layout: what touch() writes into rows from now on, a time in microseconds.
  void set_stamp(int64_t now) noexcept { stamp_ = static_cast<uint64_t>(now); }
  int64_t stamp(uint32_t id) const noexcept {
    return static_cast<int64_t>(row(id)[layout_.key_words + layout_.value_words]);
  }
  /// Of tables that are in no snapshot.
  void set_stamp(uint32_t id, int64_t at) noexcept {
    row(id)[layout_.key_words + layout_.value_words] = static_cast<uint64_t>(at);
  }
  /// As touch(), of rows that do not change otherwise: those whose stamp is another one.
  void refresh(const uint32_t* ids, size_t n);
  /// As touch(), but rows keep their stamps.
  void change(uint32_t id);
  /// Removes a row; its number may be used again at once. Its strings stay readable until
  /// end_batch().
  void erase(uint32_t id);
  /// The same of many, each there once: their cache misses overlap.
  void erase(std::span<const uint32_t> ids);
  /// Replaces a string of a value (its word within the value).
  void set_string(uint64_t* row, uint32_t value_word, std::string_view s);
  /// Extends it; what was there before stays readable until end_batch().
  void append_string(uint64_t* row, uint32_t value_word, std::string_view s);
  /// Strings freed so far need not be readable any longer.
  void release_freed() { arena_.release_freed(); }
  /// Of a packed layout: replaces the row's bytes.
  void set_packed(uint64_t* row, std::string_view bytes);
  /// Eight bytes behind them may be read.
  std::string_view packed(const uint64_t* row) const noexcept {
    return packed_of(row[1 + layout_.key_words + layout_.packed_word]);
  }
  /// Ends the time for which freed strings stay readable, and settles the memory account.
  void end_batch();

  /// Calls f(id) for each row, in order of number.
  template <class F>
  void for_each(F f) {
    for (uint32_t id = 0; id < rows_used_; ++id)
      if (!(*row(id) & (flag_free | flag_zombie))) f(id);
  }
  /// Upper bound of row numbers, for a cursor of one's own; alive() tells rows from gaps.
  uint32_t rows_end() const noexcept { return rows_used_; }
  bool alive(uint32_t id) const noexcept { return !(*row(id) & (flag_free | flag_zombie)); }
  /// Forgets everything, without a trace in snapshots (pre-aggregation).
  void clear();

  void snapshot_begin(snapshot_writer&);
  /// Writes about `budget` bytes of what is pending; true = all is written.
  bool snapshot_continue(snapshot_writer&, std::string_view state, size_t budget);
  void on_epoch_complete(epoch);
  void on_epoch_aborted(epoch);
  /// Adds the rows of a snapshot; the table must be empty.
  status restore(const snapshot_reader&, std::string_view state, key_group_range);

  /// Bytes of memory, as charged.
  size_t memory_bytes() const noexcept;

 private:
  friend class row_restore;
  static constexpr uint64_t flag_marked = uint64_t{1} << 16;
  static constexpr uint64_t flag_durable = uint64_t{1} << 17;  // some epoch has or may have it
  static constexpr uint64_t flag_zombie = uint64_t{1} << 18;   // erased, its tombstone not durable
  static constexpr uint64_t flag_free = uint64_t{1} << 19;
  static constexpr uint64_t key_mask = 0xffff'ffff'0000'0000u;

  // A reference to packed bytes: 48 bits of address, 16 of size. Bytes of this size or more have
  // theirs in front of them.
  static constexpr size_t packed_size_far = 0xffff;
  static constexpr uint32_t packed_size_shift = 48;
  static std::string_view packed_of(uint64_t word) noexcept {
    const auto* p = reinterpret_cast<const char*>(word << 16 >> 16);
    size_t n = word >> packed_size_shift;
    if (n == packed_size_far) [[unlikely]] {
      std::memcpy(&n, p, sizeof n);
      p += sizeof n;
    }
    return {p, n};
  }

  template <class Equal>
  void upsert_with(const uint64_t* keys, const uint32_t* hashes, size_t n, uint32_t* ids,
                   uint64_t** rows, std::vector<uint32_t>& added, Equal equal);
  /// The row of each key by its hash alone, added where no key has it.
  void candidates(const uint64_t* keys, const uint32_t* hashes, size_t begin, size_t end,
                  const uint64_t** homes, uint32_t* ids, uint64_t** rows,
                  std::vector<uint32_t>& added);
  bool equal_key(const uint64_t* row, const uint64_t* key) const noexcept;
  uint32_t add(const uint64_t* key, uint32_t hash);
  uint32_t write(const uint64_t* key);
  uint32_t place();
  void revive(uint32_t id);
  void remove(uint32_t id);
  void remove(uint32_t id, uint32_t hash);
  void mark_dirty(const uint32_t* ids, size_t n);
  void drop_value_strings(uint64_t* row);
  void encode(uint32_t id);
  /// Whether writing every row costs less than a delta, which the store would have to fold.
  bool worth_writing_whole() const;

  row_layout layout_;
  uint32_t row_bytes_;
  uint32_t page_shift_, page_mask_;
  std::vector<std::byte*> pages_;
  block_pool page_pool_;
  hash_index index_;
  var_arena arena_;
  std::vector<uint32_t> free_;
  uint32_t rows_used_ = 0;
  size_t rows_ = 0;  // zombies among them
  size_t zombies_ = 0;
  bool indexed_;              // numbered rows are, while they are restored
  uint64_t next_number_ = 0;  // of a numbered row
  size_t durable_ = 0;        // rows with flag_durable, zombies among them
  uint64_t stamp_ = 0;
  state_charge charge_;

  epoch_changes changes_;  // with the zombies that epochs wrote
  delta_log log_;
};

}  // namespace weir
