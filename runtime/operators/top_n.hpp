// What both forms of top_n share: a window of each partition as it was before a batch and as it is
// after it, and the difference as changes.
#pragma once

#include "runtime/operators/aggregate_windows.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/key_ends.hpp"
#include "runtime/operators/partitioned_rows.hpp"
#include "runtime/operators/row_changes.hpp"

namespace weir {

/// Up to this many rows per partition are kept in a plain sorted list; moving its end costs less
/// than a tree.
inline constexpr uint64_t top_n_append_max = 4096;

/// A place in the window: row `id` with number or rank `number` (0 where none is emitted), `count`
/// times.
struct top_entry {
  uint32_t id;
  int64_t number;
  int64_t count;
  uint64_t word;  // row_order's
};

class top_n_operator : public stream_operator {
 public:
  top_n_operator(top_n_spec, schema_ptr output, std::unique_ptr<partitioned_rows>);

  status open(const operator_context&) override;
  status restore(const snapshot_reader&) override;
  status process_batch(uint16_t, const batch_ptr&, collector&) override;
  status on_watermark(timestamp_us, collector&) override;
  status on_processing_time(timestamp_us, collector&) override;
  result<bool> drain(collector&) override;
  status snapshot_begin(snapshot_writer& w) override {
    rows_.snapshot_begin(w);
    if (final_)
      progress_.snapshot(w);
    else
      ends_.snapshot(w);
    return {};
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t budget) override {
    return rows_.snapshot_continue(w, budget);
  }
  status on_epoch_complete(epoch e) override {
    rows_.on_epoch_complete(e);
    return {};
  }
  status on_epoch_aborted(epoch e) override {
    rows_.on_epoch_aborted(e);
    return {};
  }
  size_t state_bytes() const override { return rows_.memory_bytes() + charge_.bytes(); }

 protected:
  /// To be called before a partition changes for the first time in a batch: keeps its window.
  void note(uint32_t partition, uint64_t* partition_row) {
    if (row_table::marked(partition_row)) return;
    row_table::set_mark(partition_row, true);
    touched_.push_back({partition, before_.size()});
    if (!final_) window(partition, before_);
  }
  /// A row whose weight became 0: it goes when the batch is done.
  void gone(uint32_t id) { gone_.push_back(id); }

  /// The rows of the run at hand, their partitions being known.
  virtual void add_run(const batch&) = 0;
  virtual void restore_row(uint32_t id, uint32_t partition) = 0;
  virtual void window(uint32_t partition, std::vector<top_entry>& out) const = 0;
  /// When a batch is done, for each noted partition; and after restoring.
  virtual void settle(uint32_t /*partition*/) {}
  /// Takes a partition out of the order; appends its rows.
  virtual void drop(uint32_t partition, std::vector<uint32_t>& rows) = 0;
  /// A row of a partition, or none.
  virtual uint32_t some_row(uint32_t partition) const = 0;
  /// Goes on with a pass over rows, of a partition that stays, that nothing touched for the TTL;
  /// true = done. Rows of the window stay.
  virtual bool forget_rows(size_t& /*budget*/) { return true; }
  /// Bytes of the order's own memory.
  virtual size_t index_bytes() const = 0;

  const top_n_spec spec_;
  const uint64_t last_;  // the last number that is emitted
  const bool final_;
  const std::unique_ptr<partitioned_rows> owned_;
  partitioned_rows& rows_;
  operator_context context_;

 private:
  struct touched {
    uint32_t partition;
    size_t begin;  // of its window in before_
  };
  /// Emits how the noted partitions differ, forgets them, and erases rows that nothing holds.
  void emit_changes(collector&);
  void difference(std::span<const top_entry> before, collector&);
  int compare(const top_entry& a, const top_entry& b) const;

  row_changes changes_;
  state_charge charge_;
  std::vector<touched> touched_;
  std::vector<top_entry> before_, after_, entered_;
  std::vector<uint32_t> gone_, added_;

  /// What stands in the column by which partitions end.
  std::optional<timestamp_us> end_of(uint32_t partition) const;
  void note_end(uint32_t partition);

  key_ends ends_;
  std::optional<window_index> windows_;
  group_progress progress_;
  std::vector<uint32_t> leaving_;  // partitions whose rows are on their way out
  size_t leaving_at_ = 0;
  std::vector<top_entry> leaving_rows_;  // of the one at leaving_at_
  size_t leaving_row_ = 0;
};

}  // namespace weir
