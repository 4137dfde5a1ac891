// Keys whose state ends with a time that stands in their rows (top_n_spec::time_column): which are
// over at a watermark, and rows that come later all the same. How far the watermark got is part of
// the snapshot, so that a restored job calls the same rows late. Owned by one operator instance.
#pragma once

#include <optional>

#include "runtime/operators/late_rows.hpp"
#include "runtime/operators/row_lifetimes.hpp"

namespace weir {

class key_ends {
 public:
  key_ends(std::optional<uint32_t> column, int64_t retain_us)
      : column_(column), retain_us_(retain_us), keys_(std::max(part_min_us, retain_us / parts)) {}
  bool on() const noexcept { return column_.has_value(); }

  /// The rows whose key is not over; counts the others.
  batch_ptr keep(const batch_ptr& b, const std::vector<uint32_t>& keys,
                 const operator_context& c) const {
    if (!on()) return b;
    return drop_late(b, *column_, progress_, keys, c,
                     [this](timestamp_us t, timestamp_us watermark) {
                       return last_use_of(t, retain_us_) < watermark;
                     });
  }
  /// A key that is new, its rows having `t` in the column.
  void add(uint32_t id, timestamp_us t) { keys_.add(id, last_use_of(t, retain_us_)); }
  bool over(timestamp_us t, uint32_t group) const noexcept {
    return last_use_of(t, retain_us_) < progress_.of(group);
  }
  /// Calls f(id) for keys that may be over(): numbers may be others' by now.
  template <class F>
  void advance(timestamp_us watermark, F f) {
    if (!on() || watermark <= progress_.oldest()) return;
    progress_.advance(watermark);
    keys_.take(watermark, f);
  }

  void open(key_group_range groups) { progress_.open(groups); }
  void snapshot(snapshot_writer& w) const {
    if (on()) progress_.snapshot(w);
  }
  status restore(const snapshot_reader& in) { return on() ? progress_.restore(in) : status(); }
  size_t memory_bytes() const noexcept { return keys_.memory_bytes(); }

 private:
  // Keys leave in groups: by one part in 64 of the time that they stay for late ones, and by what
  // is nothing to anybody.
  static constexpr int64_t parts = 64;
  static constexpr int64_t part_min_us = 100'000;

  std::optional<uint32_t> column_;
  int64_t retain_us_;
  row_lifetimes keys_;
  group_progress progress_;
};

}  // namespace weir
