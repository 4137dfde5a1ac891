// All values of one aggregate call, for functions whose result cannot be undone by arithmetic when
// rows are retracted (min, max, first, last, string_agg) and for count(DISTINCT). Values with their
// weights are rows of a table of their own, keyed by (group, value), so that a snapshot writes only
// what changed; an ordered index over them, rebuilt on restore, gives each group's result. Owned by
// one aggregate.
#pragma once

#include <absl/container/btree_set.h>

#include <optional>

#include "runtime/operators/accumulator.hpp"
#include "runtime/state/presence_table.hpp"

namespace weir {

class value_multiset {
 public:
  /// `ordered`: also when the function alone does not need it (groups will be dropped). `slots`:
  /// how many calls of count(DISTINCT) over the same values keep their weights side by side; not of
  /// an ordered one.
  value_multiset(const accumulator&, const row_layout& groups, std::string state, bool ordered,
                 uint32_t slots, memory_pool*);

  /// Adds (or, by weight, takes away) values for the call of a slot; `ids` are the groups' rows.
  void add(const accumulator& call, uint32_t slot, const accumulator_input&, const uint32_t* ids,
           const column& values);
  /// Of count(DISTINCT) over rows that are only appended, where it is enough to know which calls
  /// have seen a value: a bit per slot, in one lookup for all of them.
  bool presence_only() const noexcept { return presence_only_; }
  static constexpr uint32_t presence_slots_max = presence_table::bits_max;
  /// Before anything is added to one that has it. `number_word`: the word of a group's row, its
  /// header counted, that has its number; `next_number`: that of the next group that has none.
  void use_presence(const row_table& groups, uint32_t number_word, uint64_t* next_number);
  /// `slots`: bits of the calls that see row i, none of them 0; `ids`: the groups' rows; `counts`:
  /// by slot, the word of a group's row that counts its values.
  void add_presence(const accumulator_input&, const uint32_t* ids, const uint32_t* slots,
                    const uint32_t* counts, const column& values);
  /// Brings the result words of a group up to date.
  void refresh(row_table& groups, uint32_t id);
  /// Whether no value of the group is present (of an ordered multiset).
  bool empty(uint32_t id) const {
    return !ordered_ || index_.lower_bound(group_only{id}) == index_.upper_bound(group_only{id});
  }
  /// Calls f(value's words, weight) for each value of a group (of an ordered multiset): those that
  /// are present in their order, then those of which more was taken away than there was.
  template <class F>
  void for_each(uint32_t id, F f) const {
    for (auto it = index_.lower_bound(group_only{id}); it != index_.end() && it->group == id; ++it)
      f(value_of(it->id), weight_of(it->id));
    for (auto it = owed_.lower_bound({id, 0}); it != owed_.end() && it->first == id; ++it)
      f(value_of(it->second), weight_of(it->second));
  }
  /// Adds `weight` of one value, given by its words, to the group whose state row is `row`.
  void add_value(uint64_t* row, uint32_t value_word, uint32_t id, const uint64_t* value,
                 int64_t weight);
  /// Moves all values of one group to another, whose state row is `row`.
  void move_values(uint64_t* row, uint32_t value_word, uint32_t to, uint32_t from);
  /// Removes all values of a group.
  void drop_group(uint32_t id);
  void end_batch() { presence_ ? presence_->end_batch() : table_.end_batch(); }

  void snapshot_begin(snapshot_writer& w) {
    presence_ ? presence_->snapshot_begin(w) : table_.snapshot_begin(w);
  }
  bool snapshot_continue(snapshot_writer& w, size_t budget) {
    return presence_ ? presence_->snapshot_continue(w, state_, budget)
                     : table_.snapshot_continue(w, state_, budget);
  }
  void on_epoch_complete(epoch e) {
    presence_ ? presence_->on_epoch_complete(e) : table_.on_epoch_complete(e);
  }
  void on_epoch_aborted(epoch e) {
    presence_ ? presence_->on_epoch_aborted(e) : table_.on_epoch_aborted(e);
  }
  size_t memory_bytes() const noexcept {
    return presence_ ? presence_->memory_bytes() : table_.memory_bytes();
  }
  /// After the groups were restored.
  status restore(const snapshot_reader&, key_group_range, row_table& groups);

 private:
  struct entry {
    uint32_t group, id;
  };
  struct group_only {
    uint32_t group;
  };
  struct order {
    using is_transparent = void;
    const value_multiset* owner;
    bool operator()(entry a, entry b) const noexcept;
    bool operator()(entry a, group_only b) const noexcept { return a.group < b.group; }
    bool operator()(group_only a, entry b) const noexcept { return a.group < b.group; }
  };
  /// The rows of values, added where they are new; their groups are set.
  void find_values(const accumulator_input&, const column& values);
  /// One value's weight of slot 0 changes, in order; whether it is 0 now.
  bool apply(uint64_t* group_row, uint32_t value_word, uint32_t group, uint32_t id, uint64_t* words,
             int64_t weight);
  bool no_weights(const uint64_t* words) const noexcept;
  bool by_arrival() const noexcept {
    return a_.function == aggregate_function::first || a_.function == aggregate_function::last ||
           a_.kind == accumulator_kind::text;
  }
  const uint64_t* value_of(uint32_t id) const noexcept { return table_.row(id) + 1 + group_words_; }
  int64_t weight_of(uint32_t id) const noexcept {
    return static_cast<int64_t>(table_.row(id)[1 + table_.layout().key_words]);
  }
  void set_result(row_table& groups, uint32_t group, uint64_t* words, const uint64_t* value);

  const accumulator& a_;
  std::string state_;
  uint32_t group_words_;
  bool ordered_, presence_only_;
  uint32_t slots_;
  memory_pool* memory_;
  row_table table_;  // value words: weight by slot, arrival
  // Instead of it, where presence is enough.
  std::optional<presence_table> presence_;
  uint32_t number_word_ = 0;
  uint64_t* next_number_ = nullptr;
  std::vector<uint64_t> values_;
  std::vector<uint32_t> fresh_;
  absl::btree_set<entry, order> index_;
  absl::btree_set<std::pair<uint32_t, uint32_t>> owed_;  // group, value: weight below 0
  int64_t arrivals_ = 0;
  struct weighted_value {
    uint64_t words[2];
    int64_t weight;
  };
  std::vector<weighted_value> moving_;
  std::vector<uint64_t> keys_;
  std::vector<uint32_t> hashes_, ids_, added_;
  std::vector<uint64_t*> rows_;
  std::string text_;
};

}  // namespace weir
