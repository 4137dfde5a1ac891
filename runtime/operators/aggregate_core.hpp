// The part that all stages of an aggregate share: the plan of its state rows, and adding batches to
// them. Owned by one operator instance.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "runtime/expr/expr.hpp"
#include "runtime/operators/accumulator.hpp"
#include "runtime/operators/key_codec.hpp"
#include "runtime/operators/multiset.hpp"
#include "runtime/operators/narrow_keys.hpp"
#include "runtime/operators/operator.hpp"

namespace weir {

/// A run of rows that were looked up and are about to be added.
struct group_run {
  size_t n = 0;
  const uint32_t* at = nullptr;  // physical rows
  const uint32_t* ids = nullptr;
  uint64_t* const* rows = nullptr;
  const std::vector<uint32_t>* added = nullptr;  // positions whose group is new
};

class aggregate_core {
 public:
  /// Rows per run: their state rows stay in the first-level cache between the calls' passes.
  static constexpr size_t run_max = 256;

  /// `expires`: groups are stamped, and dropped with their values.
  static result<std::unique_ptr<aggregate_core>> make(const aggregate_spec&,
                                                      const schema_ptr& input,
                                                      bool expires = false);
  void open(const operator_context&);
  /// As row_table::upsert(): for n encoded keys their rows, absent ones added.
  using row_finder = std::function<void(const uint64_t* keys, size_t n, uint32_t* ids,
                                        uint64_t** rows, std::vector<uint32_t>& added)>;
  /// Groups are found by `f` from now on, and the table has no index of its own.
  void find_rows_by(row_finder f);

  /// Evaluates the arguments of the batch, for the rows of it that the answer has: those without
  /// errors.
  result<batch_ptr> prepare(const batch_ptr&);
  /// Adds all rows of the prepared batch; `before` sees each run before its values change.
  template <class Before>
  status absorb(const batch&, Before before);
  /// Groups of that batch by itself; as many as rows where it was not looked at for them.
  size_t groups_of_batch() const noexcept { return groups_of_batch_; }
  /// Instead of absorb(), where calls do no more than count all rows: numbers the groups of the
  /// prepared batch. False: its keys are too many or too far apart.
  bool count_batch(const batch&);
  /// Of each group its first row (physical) in ascending order, and how many it has.
  const std::vector<uint32_t>& counted_at() const noexcept { return narrow_.first_at(); }
  const std::vector<uint32_t>& counts() const noexcept { return narrow_.counts(); }

  /// Another column for a key of the prepared batch. Not one that the exchange splits by.
  void replace_key(size_t k, column_ptr c) { keys_[k] = std::move(c); }

  row_table& table() noexcept { return *table_; }
  const key_codec& codec() const noexcept { return codec_; }
  /// Columns of the input by which the exchange splits it; none: no state to place.
  const std::vector<uint32_t>& hash_columns() const noexcept { return hash_columns_; }
  const std::vector<accumulator>& calls() const noexcept { return calls_; }
  std::vector<std::unique_ptr<value_multiset>>& multisets() noexcept { return multisets_; }
  uint32_t value_word() const noexcept { return 1 + layout_.key_words; }
  const row_layout& layout() const noexcept { return layout_; }
  bool weighted() const noexcept { return weighted_; }
  /// Rows of a group, by weight; only with changes.
  static int64_t weight(const uint64_t* values) noexcept { return static_cast<int64_t>(*values); }
  /// Creates (or finds) the row of the global group.
  uint32_t global_row();
  void end_batch();

  // The groups under the state `name`, and the values that calls keep.
  void snapshot_begin(snapshot_writer&);
  /// Writes about `budget` bytes of what is pending; true = all is written.
  bool snapshot_continue(snapshot_writer&, std::string_view name, size_t budget);
  void on_epoch_complete(epoch);
  void on_epoch_aborted(epoch);
  size_t memory_bytes() const noexcept;

  /// For pre-aggregation that passes rows through: argument and filter of call i for the
  /// prepared batch (null when it has none).
  column_ptr argument_column(size_t i) const {
    return argument_root_[i] >= 0 ? evaluated_[static_cast<size_t>(argument_root_[i])] : nullptr;
  }
  const column* filter(size_t i) const { return call_inputs_[i].filter; }
  /// Adds one run to call i: takes out filtered and NULL rows.
  status add_call(size_t i, const group_run&, const int32_t* weights, uint32_t value_word);
  void add_presence(size_t i, const group_run&, uint32_t value_word);
  void mark_slots(size_t i, const group_run&);
  void add_slots(size_t i, const group_run&, uint32_t value_word);

 private:
  struct call_input {
    const column* argument = nullptr;
    const column* filter = nullptr;
    std::vector<column_ptr> partial;  // merge
  };
  void make_multisets();
  void upsert(size_t n, uint32_t* ids, uint64_t** rows);
  status lookup(const batch&, size_t begin, size_t n, group_run&);
  void lookup_narrow(const batch&);
  void narrow_run(const batch&, size_t begin, size_t n, group_run&);
  template <class Before>
  status absorb_counts(Before before);
  /// Rows that are only appended may be there several times, too: out of a join, say.
  bool counts_rows(const batch& b) const noexcept { return only_counts_ && !b.weights; }
  status add_run(const batch&, const group_run&);
  status check_weights(const batch&) const;

  aggregate_spec spec_;
  schema_ptr input_;
  row_layout layout_;
  key_codec codec_;
  std::vector<accumulator> calls_;
  std::vector<std::unique_ptr<value_multiset>> multisets_;  // by call; none where not needed
  /// Where a call has its values: in which multiset and slot.
  struct value_place {
    value_multiset* values = nullptr;
    uint32_t slot = 0;
  };
  std::vector<value_place> places_;
  uint32_t number_word_ = 0;  // of a group's row: what values beside it call it; 0 = none needed
  uint64_t next_number_ = 0;
  std::optional<row_table> table_;
  row_finder finder_;
  std::vector<uint32_t> hash_columns_;
  bool weighted_ = false;
  bool merge_ = false;        // sums of a partial stage arrive
  bool raw_merge_ = false;    // its values arrive unchanged
  bool only_counts_ = false;  // of all rows

  std::optional<expr::program> program_;
  std::vector<int> argument_root_, filter_root_;  // by call; -1 = none
  operator_context context_;
  memory_pool* memory_ = nullptr;
  uint32_t key_groups_ = default_key_groups;

  // The batch at hand.
  std::vector<column_ptr> evaluated_;
  std::vector<expr::row_error> errors_;
  std::vector<column_ptr> keys_;
  std::vector<call_input> call_inputs_;
  column_ptr row_counts_;
  buffer_ref hashes_;  // of the exchange, for key groups; made when a group is new

  // Of a batch with narrow keys: their groups, and how far runs have come.
  narrow_keys narrow_;
  std::optional<bool> narrowed_;  // what count_batch() found
  size_t groups_of_batch_ = 0;
  std::vector<uint32_t> key_ids_;
  std::vector<uint64_t*> key_rows_;
  std::vector<uint32_t> new_keys_;
  size_t next_new_key_ = 0;

  // The run at hand.
  std::vector<uint64_t> encoded_;
  std::vector<uint32_t> at_, key_hashes_, ids_, added_;
  std::vector<uint64_t*> rows_;
  std::vector<uint32_t> some_at_, some_ids_;
  std::vector<uint64_t*> some_rows_;
  std::vector<uint32_t> slots_;   // of the rows of a run: which calls see them
  std::vector<uint32_t> counts_;  // by slot
};

template <class Before>
status aggregate_core::absorb(const batch& b, Before before) {
  const bool counts = counts_rows(b);
  const bool narrow = narrowed_ ? *std::exchange(narrowed_, {}) : narrow_.number(b, keys_, counts);
  if (narrow) lookup_narrow(b);
  groups_of_batch_ = narrow && counts ? key_ids_.size() : b.rows;
  if (narrow && counts) return absorb_counts(before);
  for (size_t begin = 0; begin < b.rows; begin += run_max) {
    group_run run;
    const size_t n = std::min<size_t>(run_max, b.rows - begin);
    if (narrow)
      narrow_run(b, begin, n, run);
    else
      WEIR_TRY(lookup(b, begin, n, run));
    before(run);
    WEIR_TRY(add_run(b, run));
  }
  return {};
}

/// Of a batch with narrow keys each group is added to once.
template <class Before>
status aggregate_core::absorb_counts(Before before) {
  for (size_t begin = 0; begin < key_ids_.size(); begin += run_max) {
    group_run run;
    run.n = std::min(run_max, key_ids_.size() - begin);
    run.at = narrow_.first_at().data() + begin;
    run.ids = &key_ids_[begin];
    run.rows = &key_rows_[begin];
    added_.clear();
    for (; next_new_key_ < new_keys_.size() && new_keys_[next_new_key_] < begin + run.n;
         ++next_new_key_)
      added_.push_back(new_keys_[next_new_key_] - static_cast<uint32_t>(begin));
    run.added = &added_;
    before(run);
    if (spec_.stage != aggregate_spec::phase::partial) table_->touch(run.ids, run.n);
    const uint32_t* counts = narrow_.counts().data() + begin;
    for (const auto& a : calls_)
      for (size_t i = 0; i < run.n; ++i) run.rows[i][value_word() + a.at] += counts[i];
  }
  return {};
}

}  // namespace weir
