// Which values a group has seen, for count(DISTINCT) over rows that are only appended: pairs of a
// group and a value with a few bits each, for as long as the group's table lives. There may be
// several of them for each input row, so a pair takes two words (three for values of two words):
// the group by its row's number and the bits, then the value; a word and a half while all values
// fit into 32 bits, as ids mostly do. In snapshots a group is named by a number that its own row
// carries, one of its key group's. Owned by one operator.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "runtime/column/batch.hpp"
#include "runtime/snapshot/chunk.hpp"
#include "runtime/state/delta_log.hpp"
#include "runtime/state/epoch_changes.hpp"
#include "runtime/state/hash_index.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {

class presence_table {
 public:
  static constexpr uint32_t bits_max = 31;

  /// `number_word`: the word of a group's row, its header counted, that has its number. Groups
  /// stay.
  presence_table(const row_table& groups, uint32_t number_word, type_id value, memory_pool*);

  /// Sets bits of pairs and writes to `fresh` those that were not set. `values`: the words of each
  /// value, as many as its type has.
  void add(const uint32_t* groups, const uint64_t* values, const uint32_t* bits, size_t n,
           uint32_t* fresh);
  void end_batch();
  size_t size() const noexcept { return pairs_; }
  size_t memory_bytes() const noexcept;

  void snapshot_begin(snapshot_writer&);
  /// Writes about `budget` bytes of what is pending; true = all is written.
  bool snapshot_continue(snapshot_writer&, std::string_view state, size_t budget);
  void on_epoch_complete(epoch);
  void on_epoch_aborted(epoch);
  /// After the groups were restored; the table must be empty.
  status restore(const snapshot_reader&, std::string_view state, key_group_range);

 private:
  static constexpr uint32_t none = hash_index::none;
  static constexpr uint32_t bits_shift = 32;
  static constexpr uint64_t flag_durable = uint64_t{1} << 63;  // some epoch has or may have it

  std::byte* pair(uint32_t id) const noexcept {
    return pages_[id >> page_shift_] + size_t{id & page_mask_} * pair_bytes_;
  }
  /// The group's number and the bits.
  static uint64_t head(const std::byte* pair) noexcept {
    uint64_t h;
    std::memcpy(&h, pair, sizeof h);
    return h;
  }
  static void set_head(std::byte* pair, uint64_t h) noexcept { std::memcpy(pair, &h, sizeof h); }
  /// The words of the value.
  void value_of(const std::byte* pair, uint64_t* words) const noexcept;
  void set_value(std::byte* pair, const uint64_t* words) const noexcept;
  uint32_t hash(uint32_t group, const uint64_t* value) const noexcept;
  bool same(const std::byte* pair, uint32_t group, const uint64_t* value) const noexcept;
  uint32_t insert(uint32_t group, const uint64_t* value, uint32_t hash);
  /// The pairs, added where they are new.
  void find(const uint32_t* groups, const uint64_t* values, size_t n);
  void encode(uint32_t id);
  /// From now on values have whole words. Once, after which there is no way back.
  void widen();

  const row_table& groups_;
  const uint32_t number_word_, value_words_;
  const bool text_;
  const row_layout record_;  // of snapshots: the group's number and the value; the bits
  bool narrow_;              // values of one word have half of it
  uint32_t pair_bytes_;
  const uint32_t page_shift_, page_mask_;
  std::vector<std::byte*> pages_;
  std::unique_ptr<block_pool> page_pool_;
  hash_index index_;
  var_arena arena_;
  uint32_t pairs_ = 0;
  state_charge charge_;

  epoch_changes changes_;
  delta_log log_;
  std::vector<uint64_t> record_words_;

  // Of the pairs at hand.
  std::vector<uint32_t> hashes_, ids_;
};

}  // namespace weir
