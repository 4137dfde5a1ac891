// Values of window functions over one partition. What stood before its first row may be gone: then
// a summary of it (`prefix`) takes its place. Used by one operator instance.
#pragma once

#include <deque>
#include <string>

#include "runtime/operators/accumulator.hpp"
#include "runtime/operators/over_frames.hpp"

namespace weir {

struct over_value {
  uint64_t words[2] = {0, 0};
  bool null = true;
};

class over_evaluator {
 public:
  static result<over_evaluator> make(const over_spec&, const schema& rows, const key_codec&);

  /// What is known of rows that are gone: how many rows and groups of peers, then per call the
  /// words that add_to_prefix() kept.
  struct prefix {
    int64_t rows = 0, groups = 0;
    const uint64_t* words = nullptr;  // none: no rows are gone
  };
  /// The layout of those words, as values of a state row (strings included).
  const row_layout& prefix_layout() const noexcept { return prefix_; }
  /// Whether values depend on rows that are gone at all.
  bool needs_prefix() const noexcept { return needs_prefix_; }
  /// Adds a row that is about to go; `index`: its place in the partition, counted from 0. Strings
  /// in `words` are those of the row or of this.
  status add_to_prefix(const uint64_t* row, int64_t index, uint64_t* words);

  /// Values per call and row. Strings are those of the rows, the prefix, the arguments and of this.
  status evaluate(sorted_rows, const row_order&, const prefix&,
                  std::vector<std::vector<over_value>>& out);
  /// Forgets the strings that it has made for values: nobody reads them any more.
  void forget_strings() noexcept;

  /// How far before a row its values look: rows, and a distance on the order's column; and behind
  /// it.
  struct reach {
    int64_t rows = 0;
    int64_t groups = 0;
    int64_t distance = 0;
  };
  reach before() const noexcept { return before_; }
  reach after() const noexcept { return after_; }

 private:
  struct call {
    over_call c;
    row_column argument, otherwise, filter;
    accumulator acc;
    uint32_t prefix_at = 0;   // in the prefix's words
    bool from_start = false;  // its frame begins with the partition
  };
  bool counts(const call&, const uint64_t* row) const noexcept;
  void add(const call&, const uint64_t* row, int64_t sign, uint64_t* words, bool& overflow);
  void append(const call&, std::string_view, uint64_t* words);
  /// Calls f(row) for the rows of row i's frame that are not excluded, until it returns false.
  template <class F>
  void each_in_frame(const call&, uint32_t i, F f) const;
  status aggregate(const call&, sorted_rows, const prefix&, std::vector<over_value>&);
  status sliding(const call&, sorted_rows, std::vector<over_value>&);
  status one_by_one(const call&, sorted_rows, const prefix&, std::vector<over_value>&);
  status extremes(const call&, sorted_rows, std::vector<over_value>&);
  void pick(const call&, sorted_rows, const prefix&, std::vector<over_value>&);
  void shift(const call&, sorted_rows, std::vector<over_value>&) const;
  void number(const call&, sorted_rows, const prefix&, std::vector<over_value>&) const;
  status finish(const call&, const uint64_t* words, over_value&);
  void note_reach(const call&);

  std::vector<call> calls_;
  std::vector<order_term> order_;
  row_column order_column_;
  row_layout prefix_;
  reach before_, after_;
  bool needs_prefix_ = false;

  // Of the partition at hand.
  peer_groups peers_;
  std::vector<uint32_t> begin_, end_;

  std::deque<std::string> strings_;  // of string_agg
  bool growing_ = false;             // the last of them is read by no value yet
};

}  // namespace weir
