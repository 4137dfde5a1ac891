// Drops state that nothing touched for a while (plan.hpp: operator_node::state_ttl_us). Rows of
// stamped tables carry the time of their last touch, in snapshots too; passes over the tables, a
// bounded part per processing timer, find those whose time is over. An entry stays for the TTL at
// least and for about an eighth of it longer at most. Owned by one operator instance; its thread.
//
// The operator says what time it is to its tables before each batch (begin_batch) and forwards
// on_processing_time; nothing is emitted when entries go.
#pragma once

#include <array>
#include <vector>

#include "runtime/operators/operator.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {

class state_expiry {
 public:
  /// Rows that are looked at per timer: some 100 us, so that batches hardly wait.
  static constexpr size_t sweep_rows_max = 16 * 1024;

  explicit state_expiry(int64_t ttl_us);
  bool on() const noexcept { return ttl_us_ > 0; }

  /// Sets the first timer. `tables` are stamped and outlive this.
  void open(const operator_context&, std::vector<row_table*> tables);
  void begin_batch();
  int64_t now() const noexcept { return stamp_; }

  /// `pass(budget)` goes on with sweep() over each table, and returns whether all are done.
  template <class Pass>
  void on_time(timestamp_us t, Pass pass);
  /// Goes on with a pass over table number `i` of those that were given: `drop(id)` for rows whose
  /// time is over, which may erase any rows. True = this table is done.
  template <class Drop>
  bool sweep(size_t i, size_t& budget, Drop drop);
  /// Whether what was touched last at `stamp` must go.
  bool over(int64_t stamp) const noexcept { return stamp <= deadline_; }

 private:
  // The next part of a pass comes after a pause as long as a batch or two take.
  static constexpr timestamp_us pause_us = 2'000;
  static constexpr int64_t steps = 16;

  void set_time(timestamp_us t);

  int64_t ttl_us_, step_us_;
  int64_t stamp_ = 0;  // the time, in whole steps
  int64_t deadline_ = 0;
  timestamp_us next_pass_ = 0;
  bool passing_ = false;
  std::vector<row_table*> tables_;
  std::array<uint32_t, 3> cursors_{};
  operator_context context_;
};

template <class Pass>
void state_expiry::on_time(timestamp_us t, Pass pass) {
  if (!on()) return;
  set_time(t);
  if (!passing_ && t >= next_pass_) {
    passing_ = true;
    cursors_ = {};
    // Stamps are up to a step older than the touch.
    deadline_ = t - ttl_us_ - step_us_;
    next_pass_ = t + step_us_;
  }
  if (passing_) {
    size_t budget = sweep_rows_max;
    passing_ = !pass(budget);
  }
  context_.set_processing_timer(passing_ ? t + pause_us : next_pass_);
}

template <class Drop>
bool state_expiry::sweep(size_t i, size_t& budget, Drop drop) {
  auto& table = *tables_[i];
  auto& at = cursors_[i];
  for (; at < table.rows_end() && budget > 0; ++at, --budget)
    if (table.alive(at) && over(table.stamp(at))) drop(at);
  return at >= table.rows_end();
}

}  // namespace weir
