// What a join keeps: the rows of both sides as Z-sets (rows with weights), and an index from join
// keys to the rows of each side. The index is not part of snapshots, it is rebuilt on restore.
// Where the condition bounds how far apart in time the rows of a pair are, an entry of the index is
// a key and a span of time, so that a row meets those of its key that are near it, however many are
// kept: one input may be far ahead of the other, or read at several places at once.
// Owned by one operator instance.
#pragma once

#include <array>
#include <optional>

#include "runtime/operators/key_codec.hpp"
#include "runtime/operators/row_lifetimes.hpp"
#include "runtime/plan/plan.hpp"
#include "runtime/state/row_table.hpp"

namespace weir {

/// The value words of a stored row.
struct join_row {
  static constexpr uint32_t weight = 0;  // how often it is there
  static constexpr uint32_t links = 1;  // rows of the same key: 1 + id of the one before and behind
  static constexpr uint32_t matches = 2;  // weight of the other side's rows that match (if counted)
};

/// An entry of the index: per side the newest row of the key and the weight of all its rows.
class join_key {
 public:
  explicit join_key(uint64_t* at) : words_(at) {}
  uint32_t first(int side) const noexcept {
    return static_cast<uint32_t>(words_[0] >> 32 * side) - 1;
  }
  void set_first(int side, uint32_t id) noexcept {
    const uint64_t mask = uint64_t{0xffff'ffff} << 32 * side;
    words_[0] = (words_[0] & ~mask) | uint64_t{id + 1} << 32 * side;
  }
  int64_t total(int side) const noexcept { return static_cast<int64_t>(words_[1 + side]); }
  void add(int side, int64_t weight) noexcept {
    words_[1 + side] = static_cast<uint64_t>(total(side) + weight);
  }
  bool unused() const noexcept { return words_[0] == 0; }
  static constexpr uint32_t words = 3;

 private:
  uint64_t* words_;
};

/// One side's rows.
class join_side_state {
 public:
  static constexpr uint32_t none = row_table::none;

  /// `on_time`: rows leave when the watermark passes their time, not some time later.
  static result<std::unique_ptr<join_side_state>> make(const join_side&, const schema_ptr&,
                                                       const key_codec& keys, bool counts_matches,
                                                       bool on_time, bool expires);
  void open(memory_pool* memory) { rows_.emplace(layout_, memory); }

  row_table& rows() noexcept { return *rows_; }
  const row_table& rows() const noexcept { return *rows_; }
  const key_codec& codec() const noexcept { return codec_; }
  /// Words of an encoded row, header included.
  size_t stride() const noexcept { return 1 + layout_.key_words; }
  uint64_t* values(uint64_t* row) const noexcept { return row + 1 + layout_.key_words; }
  uint32_t next(uint32_t id) const noexcept {
    return static_cast<uint32_t>(values(const_cast<uint64_t*>(rows_->row(id)))[join_row::links] >>
                                 32) -
           1;
  }
  /// The join key of a row, encoded. False: a part is NULL, which matches nothing.
  bool key_of(const uint64_t* row, uint64_t* key) const noexcept {
    if (!key_of_(row, key)) return false;
    if (spans_) key[spans_->word] = static_cast<uint64_t>(span_of(time_of(row)));
    return true;
  }
  /// The row with NULL in every column.
  const uint64_t* null_row() const noexcept { return null_row_.data(); }

  void link(uint32_t id, join_key&, int side) noexcept;
  void unlink(uint32_t id, join_key&, int side) noexcept;

  // Spans of time.
  /// Keys get the number of their row's span of `width_us` as word `word`. Partners of a row at t
  /// are between t - before_us and t + after_us.
  struct spans {
    uint32_t word = 0;  // of the key, header counted
    int64_t width_us = 1, before_us = 0, after_us = 0;
  };
  void set_spans(spans s) noexcept { spans_ = s; }
  const std::optional<spans>& by_span() const noexcept { return spans_; }
  /// The first and the last moment at which partners of a row may be; of spans.
  std::pair<timestamp_us, timestamp_us> partner_times(const uint64_t* row) const noexcept;
  int64_t span_of(timestamp_us t) const noexcept {
    return t / spans_->width_us - (t % spans_->width_us < 0 ? 1 : 0);
  }
  timestamp_us time_of(const uint64_t* row) const noexcept {
    return static_cast<timestamp_us>(row[time_word_]);
  }

  // Lifetimes.
  bool expires() const noexcept { return side_.time_column.has_value(); }
  /// When the row must leave: once the watermark is beyond. Nothing for a row without time.
  std::optional<timestamp_us> last_use(const uint64_t* row) const noexcept;
  /// Whether the row lacks the time that the condition asks of it, so that it has no partner.
  bool matches_nothing(const uint64_t* row) const noexcept {
    return expires() && side_.retain_us >= 0 && time_null_.is_set(row);
  }
  /// Whether a row that comes now may have missed some of its partners.
  bool is_late(const uint64_t* row, timestamp_us watermark) const noexcept;
  void note_lifetime(uint32_t id);
  /// Rows that no row to come can match, watermark at `t`; they are forgotten here only.
  void take_expired(timestamp_us t, std::vector<uint32_t>& out);

  size_t memory_bytes() const noexcept;

 private:
  join_side side_;
  row_layout layout_;
  key_codec codec_;
  std::optional<row_table> rows_;
  key_projection key_of_;
  std::vector<uint64_t> null_row_;
  uint32_t time_word_ = 0;
  null_bit time_null_;
  std::optional<uint32_t> late_word_;  // a row is late by its value; none: it never is
  null_bit late_null_;
  row_lifetimes lifetimes_;
  std::optional<spans> spans_;
};

/// Both sides and the index.
class join_state {
 public:
  /// `counts`: each row that answers for itself knows how many partners it has. `expires`: rows
  /// that a state_ttl is for are stamped.
  static result<std::unique_ptr<join_state>> make(const join_spec&, const schema_ptr& left,
                                                  const schema_ptr& right, bool counts,
                                                  bool expires);
  void open(memory_pool*);

  join_side_state& side(int s) noexcept { return *sides_[s]; }
  const join_side_state& side(int s) const noexcept { return *sides_[s]; }
  row_table& keys() noexcept { return *keys_; }
  join_key key(uint64_t* key_row) const noexcept { return join_key(key_row + 1 + key_words_); }
  size_t key_stride() const noexcept { return 1 + key_words_; }
  /// The key of a row that is stored.
  uint32_t find_key(int side, const uint64_t* row);
  /// Takes a row out of the table and the index; `key_id` is its key's number, or none.
  void remove(int side, uint32_t id, uint32_t key_id);

  /// A row that is new in the table, its weight set.
  void add_to_index(int side, uint32_t id);
  status restore(const snapshot_reader&, key_group_range);
  void snapshot_begin(snapshot_writer&);
  /// Writes about `budget` bytes of what is pending; true = all is written.
  bool snapshot_continue(snapshot_writer&, size_t budget);
  void on_epoch_complete(epoch);
  void on_epoch_aborted(epoch);
  void end_batch();
  size_t memory_bytes() const noexcept;

 private:
  std::array<std::unique_ptr<join_side_state>, 2> sides_;
  row_layout key_layout_;
  uint32_t key_words_ = 0;
  std::optional<row_table> keys_;
  std::vector<uint64_t> scratch_;
};

}  // namespace weir
