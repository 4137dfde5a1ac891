// Totals per key over the slices of the window at hand, for windows that move on (hops): a slice's
// accumulators come in as the windows reach it and go out as they leave it, and a key's result
// costs O(1) amortised however many slices a window has. Where all calls are sums, one total per
// key is added to and subtracted from. Else each key has two stacks (Tangwongsan, Hirzel and
// Schneider, "Low-latency sliding-window aggregation in worst-case constant time", DEBS 2017, tell
// of the technique): sums from each of its older slices up to a point in time, and one sum of what
// came after it. Values of multisets, which can be taken away again, are kept once more per key.
//
// It is the index of the slices, too: a row is found by its key here, and then by its time among
// the key's slices, of which it mostly is the newest.
//
// All of it is derived from the slices' rows in the aggregate's table and is in no snapshot. Owned
// by one aggregate; not thread-safe.
#pragma once

#include <deque>

#include "runtime/operators/aggregate_core.hpp"

namespace weir {

class slice_totals {
 public:
  static constexpr uint32_t none = row_table::none;

  /// `slice_key`: which of the core's keys is the slice. After the core was opened.
  slice_totals(aggregate_core&, uint32_t slice_key, memory_pool*);

  /// A row_finder for keys with their slices; at most aggregate_core::run_max.
  void find(const uint64_t* keys, size_t n, uint32_t* ids, uint64_t** rows,
            std::vector<uint32_t>& added);
  /// Restored slices, from now on found.
  void adopt(std::span<const uint32_t> ids);
  /// Slices (rows of the core's table) that the window reaches: of one key in order of time, and
  /// none older than those that are in it.
  status enter(std::span<const uint32_t> ids);
  /// A slice that is in the window has changed, or (added) is new although the window reached it
  /// before.
  void changed(uint32_t id, bool added);
  bool entered(uint32_t id) const noexcept { return entered_[id] != 0; }
  /// To be called before totals are read or slices leave, after changed().
  status settle();
  /// The window leaves slices, each the oldest of its key. Their rows are still there, and are
  /// to be erased now.
  status leave(std::span<const uint32_t> ids);
  /// The same of slices without a time, which no window reaches.
  void forget(std::span<const uint32_t> ids);

  /// Keys with slices in the window.
  size_t size() const noexcept { return size_; }
  /// Keys by number, with gaps.
  uint32_t keys_end() const noexcept { return keys_.rows_end(); }
  bool alive(uint32_t key) const noexcept { return count_[key] > 0; }
  uint32_t group(uint32_t key) const noexcept {
    return row_table::group(core_.table().row(newest_[key]));
  }
  /// A row that has the key's columns, without a slice.
  const uint64_t* row(uint32_t key) const noexcept { return keys_.row(key); }
  /// The value words of keys' totals, valid until the next call of this class.
  status read(std::span<const uint32_t> keys, std::vector<const uint64_t*>& values);

  size_t memory_bytes() const noexcept;
  void end_batch();

 private:
  struct front_entry {
    uint32_t next = none;  // towards the newer ones; of free entries: the next free one
  };

  uint64_t* total(uint32_t key) noexcept { return &totals_[size_t{key} * words_]; }
  const uint64_t* slice(uint32_t id) const noexcept {
    return core_.table().row(id) + core_.value_word();
  }
  /// That of a slice; the newest of all where there is none. `row` may be a key alone.
  int64_t time(const uint64_t* row) const noexcept {
    return slice_null_.is_set(row) ? INT64_MAX : static_cast<int64_t>(row[slice_word_]);
  }
  int64_t time(uint32_t id) const noexcept { return time(core_.table().row(id)); }
  void take_key(const uint64_t* row, uint64_t* key) const noexcept;
  void find_keys(size_t n);
  /// Where a time is, or has its place, among the slices of a key.
  struct chain_place {
    uint32_t newer, at;  // none: the end
    bool found;
  };
  chain_place place_of(uint32_t key, int64_t time) const noexcept;
  void insert(uint32_t key, uint32_t id, const chain_place&);
  uint32_t newest_entered(uint32_t key) const noexcept;
  status leave(uint32_t id);
  void grow();
  status add_newer(uint64_t* older, const uint64_t* newer);
  void take_away(uint64_t* from, const uint64_t* what) noexcept;
  void add_values(uint32_t key, uint32_t id, int64_t sign);
  void drop_values(uint32_t key);
  status flip(uint32_t key);
  status rebuild(uint32_t key);
  status renew(uint32_t key);
  void join_texts(const accumulator&, uint64_t* words);
  void drop_front(uint32_t key);
  uint32_t new_entry();
  void collect(uint32_t key, std::vector<uint32_t>& ids) const;

  aggregate_core& core_;
  uint32_t slice_word_;
  null_bit slice_null_;
  uint32_t words_;        // per total: the value words of the core's rows
  bool subtract_ = true;  // no call needs the two stacks
  bool has_text_ = false, has_multisets_ = false;
  // Key columns with a slice of 0 (rows without key groups); values only for multisets.
  row_table keys_;
  size_t size_ = 0;
  std::vector<std::unique_ptr<value_multiset>> multisets_;  // by call

  // By slice.
  std::vector<uint32_t> owner_;   // its key
  std::vector<uint32_t> older_;   // the slice of its key before it
  std::vector<uint8_t> entered_;  // the window has reached it: those of a key are its oldest ones
  // By key.
  std::vector<uint32_t> newest_, slices_;  // its slices, newest first along older_
  std::vector<uint32_t> count_;            // those that the window has reached
  std::vector<uint32_t> front_;            // its oldest front entry
  std::vector<uint8_t> dirty_;
  std::vector<uint64_t> totals_;  // of all slices, or of those that are not in front
  // With two stacks: both together, where nothing has changed since. Most keys of many are read
  // more often than they change.
  std::vector<uint64_t> results_;
  std::vector<uint8_t> stale_;

  std::vector<front_entry> entries_;
  std::vector<uint64_t> entry_words_;
  uint32_t free_entry_ = none;

  std::vector<uint32_t> dirty_keys_;
  std::vector<uint64_t> encoded_, read_;
  std::vector<uint32_t> hashes_, ids_, added_, chain_;
  std::vector<uint32_t> gone_;  // keys that have no slice any more
  std::vector<uint64_t*> rows_;
  std::deque<std::string> texts_;
  state_charge charge_;
};

}  // namespace weir
