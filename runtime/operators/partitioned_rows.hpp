// Rows with their weights, kept by partition: what operators over ordered partitions (top_n, over)
// have as state. Rows are keyed by all their columns, so equal rows are one entry; partitions are
// an index that is rebuilt on restore. Where rows are only appended nothing looks them up: then
// they have numbers for keys, equal ones stand beside each other, and they are kept packed
// (runtime/state/packed_row.hpp). Owned by one operator instance.
#pragma once

#include <optional>

#include "runtime/operators/operator.hpp"
#include "runtime/operators/row_order.hpp"
#include "runtime/operators/state_expiry.hpp"
#include "runtime/state/packed_row.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {

class partitioned_rows {
 public:
  /// Rows per run of lookups.
  static constexpr uint32_t run_max = 512;

  /// `rows`: columns that are kept; `keys`: those of them that make the partition.
  /// `partition_words`: what the operator keeps per partition, in memory only; `row_words`: per
  /// row, in snapshots. With a TTL the partition is touched by each of its rows that comes, also by
  /// those that are not kept. `appended`: rows are only appended; they have no weights and no words
  /// of the operator.
  static result<std::unique_ptr<partitioned_rows>> make(
      const schema& rows, std::vector<uint32_t> keys, const std::vector<order_term>&,
      uint32_t partition_words, int64_t ttl_us, uint32_t row_words = 0, bool appended = false);
  /// `also`: a table of the operator's own that is stamped, number 2 of expiry().
  void open(const operator_context&, row_table* also = nullptr);
  /// Restores the rows; then `each(row id, partition id)` for each.
  template <class F>
  status restore(const snapshot_reader&, F each);

  /// One run of a batch: partitions are looked up (and added), then `wanted` chooses which of its
  /// rows are kept, and those are looked up (and added with weight 0) and touched.
  struct run {
    uint32_t n = 0;
    uint32_t at[run_max];          // physical rows
    uint64_t words[run_max];       // their sort words
    uint32_t partitions[run_max];  // ids
    uint64_t* partition_rows[run_max];
    uint32_t ids[run_max];
    uint64_t* rows[run_max];
  };
  void begin_batch(const batch&);
  void find_partitions(const batch&, uint32_t begin, uint32_t n);
  /// Positions in the run whose partition is new; until choose().
  std::span<const uint32_t> new_partitions() const noexcept { return added_; }
  template <class F>
  void choose(F wanted);
  void find_rows(const batch&);
  void end_batch();

  // With a TTL.
  state_expiry& expiry() noexcept { return expiry_; }
  /// At the end of a batch: that its partitions were touched is noted in a row of each, as
  /// `row_of(partition)` names one (or row_table::none), so that snapshots know it.
  template <class F>
  void keep_partitions(F row_of);
  /// A pass over the partitions: `drop(partition)` for those whose time is over; true = done.
  template <class F>
  bool sweep_partitions(size_t& budget, F drop);
  /// A pass over the rows: `drop(row id, partition)`; true = done.
  template <class F>
  bool sweep_rows(size_t& budget, F drop);

  run& at_hand() noexcept { return *run_; }
  row_table& table() noexcept { return *rows_; }
  row_table& partitions() noexcept { return *partitions_; }
  const row_table& table() const noexcept { return *rows_; }
  const row_order& order() const noexcept { return order_; }
  const key_codec& codec() const noexcept { return row_codec_; }
  const row_layout& partition_layout() const noexcept { return partition_layout_; }
  const key_codec& partition_codec() const noexcept { return partition_codec_; }

  /// A row's header and columns as codec() has them, and behind them what is kept of it unless rows
  /// are appended: then this stays readable until end_batch().
  const uint64_t* row(uint32_t id) const {
    return appended_ ? unpacked(id) : std::as_const(*rows_).row(id);
  }
  uint64_t* row(uint32_t id) {
    weir_assert(!appended_, "an appended row is changed");
    return rows_->row(id);
  }
  void erase(uint32_t id);
  /// Of a row that was taken out of the order: whether nothing holds it.
  bool is_gone(uint32_t id) const {
    return rows_->alive(id) && (appended_ || weight(std::as_const(*rows_).row(id)) == 0);
  }
  const uint64_t* partition_row(uint32_t id) const noexcept { return partitions_->row(id); }
  int64_t& weight(uint64_t* row) const noexcept {
    return reinterpret_cast<int64_t&>(row[1 + row_layout_.key_words]);
  }
  int64_t weight(const uint64_t* row) const noexcept {
    return static_cast<int64_t>(row[1 + row_layout_.key_words]);
  }
  /// What the operator keeps of a row.
  int64_t& row_value(uint64_t* row) const noexcept {
    return reinterpret_cast<int64_t&>(row[2 + row_layout_.key_words]);
  }
  /// What the operator keeps of a partition.
  uint64_t* partition_value(uint64_t* row) const noexcept {
    return row + 1 + partition_layout_.key_words;
  }

  void snapshot_begin(snapshot_writer& w) {
    if (appended_) texts_.snapshot(w);
    rows_->snapshot_begin(w);
  }
  result<bool> snapshot_continue(snapshot_writer& w, size_t budget);
  void on_epoch_complete(epoch e) { rows_->on_epoch_complete(e); }
  void on_epoch_aborted(epoch e) {
    rows_->on_epoch_aborted(e);
    texts_.on_epoch_aborted();
  }
  size_t memory_bytes() const noexcept {
    return rows_->memory_bytes() + partitions_->memory_bytes() + texts_.memory_bytes();
  }

 private:
  /// That of a row that is kept.
  uint32_t partition_of(uint32_t id);
  void note_touched();
  void append_rows(const batch&);
  void forget_unpacked() const;
  const uint64_t* unpacked(uint32_t id) const;
  uint64_t& packed_word(uint32_t id) { return rows_->value(id)[row_layout_.packed_word]; }

  std::vector<uint32_t> keys_, columns_;
  row_layout row_layout_, partition_layout_;
  key_codec row_codec_, partition_codec_;
  key_projection partition_key_of_;
  row_order order_;
  operator_context context_;
  std::optional<row_table> rows_, partitions_;
  state_expiry expiry_{0};           // tables: partitions, rows, perhaps the operator's own
  std::vector<uint32_t> refreshed_;  // partitions that the batch touched after a while

  // Of appended rows. Until the batch ends, the packed word of a new one is the address of its
  // words, marked: many leave again before that, and those that leave as output need no unpacking.
  static constexpr uint64_t fresh_mark = uint64_t{1} << 47;  // no bit of an address or a size
  static constexpr size_t unpacked_slots = 1024;
  bool appended_ = false;
  row_packer packer_;
  text_dictionary texts_{"texts"};
  mutable row_scratch scratch_;
  struct fresh_row {
    uint32_t id, at;  // where it stands in the batch
  };
  std::vector<fresh_row> fresh_;
  struct unpacked_row {
    uint32_t id = row_table::none;
    const uint64_t* words = nullptr;
  };
  mutable std::vector<unpacked_row> unpacked_;  // by the low bits of the row's number
  mutable bool some_unpacked_ = false;

  // The batch and run at hand.
  std::unique_ptr<run> run_ = std::make_unique<run>();
  std::vector<column_ptr> key_columns_;
  buffer_ref hashes_;
  std::vector<uint64_t> encoded_;
  std::vector<uint32_t> hash_, added_;
};

template <class F>
status partitioned_rows::restore(const snapshot_reader& in, F each) {
  if (appended_) WEIR_TRY(texts_.restore(in));
  WEIR_TRY(rows_->restore(in, "rows", context_.groups));
  status bad;
  rows_->for_each([&](uint32_t id) {
    if (!bad.ok()) return;
    if (appended_) {
      bad = packer_.check(rows_->packed(rows_->row(id)), texts_);
      if (!bad.ok()) return;
      if (id % unpacked_slots == 0) forget_unpacked();
    }
    const uint32_t partition = partition_of(id);
    if (expiry_.on() && partitions_->stamp(partition) < rows_->stamp(id))
      partitions_->set_stamp(partition, rows_->stamp(id));
    each(id, partition);
  });
  forget_unpacked();
  return bad;
}

template <class F>
void partitioned_rows::keep_partitions(F row_of) {
  for (uint32_t p : refreshed_) {
    if (!partitions_->alive(p)) continue;
    if (const uint32_t id = row_of(p); id != row_table::none) rows_->refresh(&id, 1);
  }
  refreshed_.clear();
}

template <class F>
bool partitioned_rows::sweep_partitions(size_t& budget, F drop) {
  return expiry_.sweep(0, budget, drop);
}

template <class F>
bool partitioned_rows::sweep_rows(size_t& budget, F drop) {
  return expiry_.sweep(1, budget, [&](uint32_t id) { drop(id, partition_of(id)); });
}

template <class F>
void partitioned_rows::choose(F wanted) {
  auto& r = *run_;
  uint32_t n = 0;
  for (uint32_t i = 0; i < r.n; ++i) {
    const bool keep = wanted(i);
    r.at[n] = r.at[i];
    r.words[n] = r.words[i];
    r.partitions[n] = r.partitions[i];
    r.partition_rows[n] = r.partition_rows[i];
    n += keep;
  }
  r.n = n;
}

}  // namespace weir
