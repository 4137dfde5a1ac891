// In front of the exchange of a top_n over appended rows: of each batch the rows that can still be
// among the first of their partition. A row with enough better ones beside it in the batch never
// is, since those go to the same place, in the same epoch, and stay. It asks the order's sort word
// only (row_order): rows whose words are equal all pass, and the operator behind decides. So it
// needs no state, and barriers, restores and watermarks are no matter to it. Of windows it
// remembers how good the rows of the last batch's were: they were handed on before, so they are in
// every snapshot that a row behind them is not in. It may forget that at any time. Rows whose
// window may have closed pass: the operator behind counts those that come too late.
#include "runtime/operators/preselect.hpp"

#include <algorithm>

#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/column/nested.hpp"
#include "runtime/column/runs.hpp"
#include "runtime/operators/batch_groups.hpp"
#include "runtime/operators/builtin.hpp"
#include "runtime/operators/late_rows.hpp"
#include "runtime/operators/row_order.hpp"

namespace weir {
namespace {

// Of a batch with more first rows per partition than this share, few would be left out.
constexpr uint64_t limit_max = batch_rows_target / 8;
// After this many rows it is judged; where more than this share of rows passes it costs more than
// it saves (some 10 ns a row against the exchange and a lookup of those left out)...
constexpr uint64_t trial_rows = 128 * 1024;
constexpr double useless_share = 0.85;
// ...and batches pass as they are for this many rows before the next trial.
constexpr uint64_t pass_rows = 2 * 1024 * 1024;
// Below one row in this many the columns of a batch are mostly ballast (as in filter.cpp).
constexpr uint32_t sparse_factor = 8;

bool is_in(const std::vector<uint32_t>& list, uint32_t c) {
  return std::find(list.begin(), list.end(), c) != list.end();
}
uint64_t last_of(const top_n_spec& s) {
  return s.limit > UINT64_MAX - s.offset ? UINT64_MAX : s.offset + s.limit;
}

class preselect_operator final : public stream_operator {
 public:
  preselect_operator(const top_n_spec& s, batch_groups groups, row_order order)
      : spec_(s),
        last_(last_of(s)),
        // What is kept behind must last as long as the rows that it is compared with may come.
        remembers_(s.window_end_key && !s.last_arrived && last_ != 0),
        groups_(std::move(groups)),
        order_(std::move(order)) {}

  status open(const operator_context& c) override {
    memory_ = c.memory;
    return {};
  }
  status on_watermark(timestamp_us t, collector&) override {
    if (spec_.window_end_key) watermark_ = t;
    return {};
  }

  status process_batch(uint16_t, const batch_ptr& in, collector& out) override {
    if (in->rows == 0) return {};
    // With weights a row may count as several.
    if (in->weights || in->rows <= 1) {
      out.emit(in);
      return {};
    }
    if (pass_left_ > 0) {
      pass_left_ -= std::min<uint64_t>(pass_left_, in->rows);
      out.emit(in);
      return {};
    }
    auto kept = in;
    if (watermark_ != watermark_none) {
      auto split = split_late(in, spec_.keys[*spec_.window_end_key], *memory_,
                              [this](timestamp_us t) { return t <= watermark_; });
      if (split.late) {
        out.emit(std::move(split.late));
        if (split.kept->rows == 0) return {};
        kept = std::move(split.kept);
      }
    }
    choose(kept, out);
    return {};
  }

 private:
  void choose(const batch_ptr& in, collector& out) {
    const batch& b = *in;
    const uint32_t n = groups_.number(b, *memory_, group_of_);
    auto selection = buffer::allocate(*memory_, size_t{b.rows} * 4);
    auto* to = selection.mutable_as<uint32_t>();
    uint32_t rows = 0;
    if (n == 1) {
      if (!remembers_ || !groups_.same_group(b)) known_ = UINT64_MAX;
      rows = choose_of_one(b, to);
    } else {
      read_words(b);
      rows = choose_by_group(b, n, to);
    }
    judge(b.rows, rows);
    if (rows == 0) return;
    if (rows == b.rows) {
      out.emit(in);
      return;
    }
    selection.truncate(size_t{rows} * 4);
    auto kept = with_selection(b, std::move(selection), rows);
    if (rows < b.physical_rows / sparse_factor) kept = compact(kept, *memory_);
    out.emit(std::move(kept));
  }

  /// Of rows of one group, with the bound that earlier batches of the group have given.
  uint32_t choose_of_one(const batch& b, uint32_t* to) {
    if (const auto best = best_value(b)) {
      const uint64_t word = order_.first_word(*best);
      if (word > known_) return 0;
      if (remembers_) known_ = word;
      const column& c = *b.columns[order_.first_column()];
      return fixed_width(c.type.id) == 8
                 ? find_equal(c.data<int64_t>(), b.rows, *best, to)
                 : find_equal(c.data<int32_t>(), b.rows, static_cast<int32_t>(*best), to);
    }
    read_words(b);
    uint64_t bound = known_;
    if (last_ == 1) {
      for (auto w : words_) bound = std::min(bound, w);
    } else if (last_ != 0 && b.rows > last_) {
      together_ = words_;
      bound = std::min(bound, bound_of(together_));
    }
    if (remembers_) known_ = bound;
    uint32_t rows = 0;
    for (uint32_t i = 0; i < b.rows; ++i) {
      to[rows] = b.row(i);
      rows += words_[i] <= bound;
    }
    return rows;
  }
  /// The best value of all rows, where one is wanted and values can be compared as they are.
  std::optional<int64_t> best_value(const batch& b) const {
    if (last_ != 1 || spec_.last_arrived || b.selection) return {};
    const uint32_t at = order_.first_column();
    const column& c = *b.columns[at];
    const auto t = c.type.id;
    if (c.validity || c.dictionary ||
        (t != type_id::int64 && t != type_id::timestamp && t != type_id::int32 &&
         t != type_id::date))
      return {};
    const auto r = range_of(b, at);
    return order_.first_descending() ? r->max : r->min;
  }
  uint32_t choose_by_group(const batch& b, uint32_t groups, uint32_t* to) {
    find_bounds(groups);
    uint32_t rows = 0;
    for (uint32_t i = 0; i < b.rows; ++i) {
      to[rows] = b.row(i);
      rows += words_[i] <= bounds_[group_of_[i]];
    }
    return rows;
  }

  void read_words(const batch& b) {
    words_.resize(b.rows);
    if (spec_.last_arrived) {
      for (uint32_t i = 0; i < b.rows; ++i) words_[i] = UINT64_MAX - i;
      return;
    }
    at_.resize(b.rows);
    for (uint32_t i = 0; i < b.rows; ++i) at_[i] = b.row(i);
    order_.words(b.columns, at_.data(), b.rows, words_.data());
  }

  /// By group the largest word that a row among the first can have.
  void find_bounds(uint32_t groups) {
    bounds_.assign(groups, UINT64_MAX);
    if (last_ == 0) return;
    if (last_ == 1) {
      for (size_t i = 0; i < words_.size(); ++i) {
        auto& best = bounds_[group_of_[i]];
        best = std::min(best, words_[i]);
      }
      return;
    }
    // The words of groups with more rows than are wanted, side by side.
    sizes_.assign(groups, 0);
    for (uint32_t g : group_of_) ++sizes_[g];
    begins_.resize(groups);
    uint32_t all = 0;
    for (uint32_t g = 0; g < groups; ++g) {
      begins_[g] = all;
      if (sizes_[g] > last_) all += sizes_[g];
    }
    if (all == 0) return;
    together_.resize(all);
    for (size_t i = 0; i < words_.size(); ++i)
      if (sizes_[group_of_[i]] > last_) together_[begins_[group_of_[i]]++] = words_[i];
    for (uint32_t g = 0; g < groups; ++g)
      if (sizes_[g] > last_)
        bounds_[g] = bound_of({together_.data() + begins_[g] - sizes_[g], sizes_[g]});
  }
  /// Of more words than are wanted.
  uint64_t bound_of(std::span<uint64_t> words) const {
    const auto nth = words.begin() + static_cast<ptrdiff_t>(last_ - 1);
    if (spec_.function != rank_function::dense_rank) {
      std::nth_element(words.begin(), nth, words.end());
      return *nth;
    }
    // Equal words may be different ranks, but not the other way round.
    std::sort(words.begin(), words.end());
    const auto end = std::unique(words.begin(), words.end());
    return static_cast<uint64_t>(end - words.begin()) < last_ ? UINT64_MAX : *nth;
  }

  void judge(uint32_t rows, uint32_t kept) {
    seen_ += rows;
    kept_ += kept;
    if (seen_ < trial_rows) return;
    if (static_cast<double>(kept_) > useless_share * static_cast<double>(seen_))
      pass_left_ = pass_rows;
    seen_ = kept_ = 0;
  }

  const top_n_spec spec_;
  const uint64_t last_;  // the last number that is wanted
  const bool remembers_;
  batch_groups groups_;
  const row_order order_;
  memory_pool* memory_ = nullptr;
  timestamp_us watermark_ = watermark_none;
  uint64_t seen_ = 0, kept_ = 0, pass_left_ = 0;
  uint64_t known_ = UINT64_MAX;  // the bound of the group that the last batch of one group was of

  // The batch at hand, by logical row.
  std::vector<uint32_t> at_, group_of_;
  std::vector<uint64_t> words_;
  // By group.
  std::vector<uint64_t> bounds_, together_;
  std::vector<uint32_t> sizes_, begins_;
};

}  // namespace

std::optional<order_term> preselect_order(const top_n_spec& s, const schema& rows) {
  for (const auto& t : s.order)
    if (!is_in(s.keys, t.column)) return t;
  if (s.function != rank_function::row_number || s.with_ties) return {};  // all are peers
  for (uint32_t c = 0; c < rows.size(); ++c)
    if (!is_in(s.keys, c)) return order_term{c, false, false};
  return {};
}

bool can_preselect(const top_n_spec& s, const schema& rows) {
  if (s.preselect || s.input_has_changes || last_of(s) == 0 || last_of(s) > limit_max) return false;
  for (const auto& f : rows.fields)
    if (is_nested(f.type.id)) return false;  // their order is that of another form
  return s.last_arrived || preselect_order(s, rows);
}

result<operator_ptr> make_preselect(const top_n_spec& s, const schema_ptr& input) {
  WEIR_ASSIGN(auto groups, batch_groups::make(*input, s.keys));
  row_order order;
  if (!s.last_arrived) {
    const auto term = preselect_order(s, *input);
    if (!term)
      return error(errc::invalid_argument, "a preselection without an order that tells rows apart");
    row_layout layout;
    std::vector<data_type> types;
    for (const auto& f : input->fields) types.push_back(f.type);
    WEIR_ASSIGN(auto codec, key_codec::make(std::move(types), layout));
    order = row_order({*term}, *input, codec);
  }
  return operator_ptr(new preselect_operator(s, std::move(groups), std::move(order)));
}

}  // namespace weir
