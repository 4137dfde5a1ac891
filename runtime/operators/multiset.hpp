// All values of one aggregate call, for functions whose result cannot be undone by arithmetic when
// rows are retracted (min, max, first, last, string_agg) and for count(DISTINCT). Values with their
// weights are rows of a table of their own, keyed by (group, value), so that a snapshot writes only
// what changed; an ordered index over them, rebuilt on restore, gives each group's result. Owned by
// one aggregate.
#pragma once

#include <absl/container/btree_set.h>

#include "runtime/operators/accumulator.hpp"

namespace weir {

class value_multiset {
 public:
  /// `ordered`: also when the function alone does not need it (groups will be dropped).
  value_multiset(const accumulator&, const row_layout& groups, std::string state, bool ordered,
                 memory_pool*);

  /// Adds (or, by weight, takes away) values; `ids` are the groups' rows.
  void add(row_table& groups, const accumulator_input&, const uint32_t* ids, const column& values);
  /// Brings the result words of a group up to date.
  void refresh(row_table& groups, uint32_t id);
  /// Whether no value of the group is present (of an ordered multiset).
  bool empty(uint32_t id) const {
    return !ordered_ || index_.lower_bound(group_only{id}) == index_.upper_bound(group_only{id});
  }
  /// Removes all values of a group.
  void drop_group(uint32_t id);
  void end_batch() { table_.end_batch(); }

  row_table& table() noexcept { return table_; }
  const row_table& table() const noexcept { return table_; }
  const std::string& state() const noexcept { return state_; }
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
  bool by_arrival() const noexcept {
    return a_.function == aggregate_function::first || a_.function == aggregate_function::last ||
           a_.kind == accumulator_kind::text;
  }
  const uint64_t* value_of(uint32_t id) const noexcept { return table_.row(id) + 1 + group_words_; }
  void set_result(row_table& groups, uint32_t group, uint64_t* words, const uint64_t* value);

  const accumulator& a_;
  std::string state_;
  uint32_t group_words_;
  bool ordered_;
  row_table table_;  // value words: weight, arrival
  absl::btree_set<entry, order> index_;
  int64_t arrivals_ = 0;
  std::vector<uint64_t> keys_;
  std::vector<uint32_t> hashes_, ids_, added_;
  std::vector<uint64_t*> rows_;
  std::string text_;
};

}  // namespace weir
