#include "runtime/operators/over_eval.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>

#include "runtime/base/assert.hpp"
#include "runtime/operators/accumulator_combine.hpp"
#include "runtime/operators/pair_sums.hpp"
#include "runtime/state/var_bytes.hpp"

namespace weir {
namespace {

using f = over_function;
using bound = over_frame::bound;
using unit = over_frame::unit;

constexpr uint32_t words_max = pair_sums::words;  // of an accumulator

over_value copied(const row_column& c, const uint64_t* row) {
  over_value v;
  v.null = c.is_null(row);
  std::memcpy(v.words, c.value(row), 8 * row_layout::words_of(c.type));
  return v;
}
over_value of_int(int64_t i) {
  return {{static_cast<uint64_t>(i), 0}, false};
}
over_value of_double(double d) {
  return {{std::bit_cast<uint64_t>(d), 0}, false};
}
bool takes_values(over_function function) {
  return function == f::first_value || function == f::last_value || function == f::nth_value;
}

}  // namespace

result<over_evaluator> over_evaluator::make(const over_spec& s, const schema& rows,
                                            const key_codec& codec) {
  over_evaluator e;
  e.order_ = s.order;
  if (!s.order.empty()) e.order_column_ = row_column::of(s.order[0].column, rows, codec);
  for (const auto& c : s.calls) {
    call k;
    k.c = c;
    for (auto [column, into] :
         {std::pair{c.argument, &k.argument}, {c.otherwise, &k.otherwise}, {c.filter, &k.filter}})
      if (column) *into = row_column::of(*column, rows, codec);
    k.from_start = (c.function == f::aggregate || takes_values(c.function)) &&
                   c.frame.start == bound::unbounded_preceding;
    k.prefix_at = e.prefix_.value_words;
    if (c.function == f::aggregate) {
      aggregate_call a;
      a.function = c.aggregate;
      a.type = c.type;
      a.name = c.name;
      a.separator = c.separator;
      if (c.argument) {
        auto n = std::make_shared<expr::node>();
        n->kind = expr::node_kind::column;
        n->type = rows.fields[*c.argument].type;
        a.argument = std::move(n);
      }
      row_layout own;
      WEIR_ASSIGN(k.acc, accumulator::make(a, false, own));
      if (own.value_words > words_max)
        return error(errc::internal,
                     "an accumulator of " + std::to_string(own.value_words) + " words");
      if (k.from_start) {
        for (auto string : own.value_strings)
          e.prefix_.value_strings.push_back(e.prefix_.value_words + string);
        e.prefix_.value_words += own.value_words;
      }
    } else if (k.from_start) {
      e.prefix_.add_value(type_id::int64);  // 0 none, 1 a value, 2 NULL
      e.prefix_.add_value(k.argument.type);
    }
    e.note_reach(k);
    e.needs_prefix_ |= k.from_start || c.function == f::row_number || c.function == f::rank ||
                       c.function == f::dense_rank;
    e.calls_.push_back(std::move(k));
  }
  return e;
}

void over_evaluator::note_reach(const call& k) {
  auto most = [](int64_t& a, int64_t b) { a = std::max(a, b); };
  const auto& c = k.c;
  if (c.function == f::lag) return most(before_.rows, c.count);
  if (c.function == f::lead) return most(after_.rows, c.count);
  if (c.function != f::aggregate && !takes_values(c.function)) return;
  for (bool start : {true, false}) {
    const auto b = start ? c.frame.start : c.frame.end;
    const auto& offset = start ? c.frame.start_offset : c.frame.end_offset;
    if (b != bound::preceding && b != bound::following) continue;
    auto& side = b == bound::preceding ? before_ : after_;
    most(c.frame.in == unit::rows     ? side.rows
         : c.frame.in == unit::groups ? side.groups
                                      : side.distance,
         offset.i);
  }
}

bool over_evaluator::counts(const call& k, const uint64_t* row) const noexcept {
  if (k.c.filter && (k.filter.is_null(row) || *k.filter.value(row) == 0)) return false;
  return !k.c.argument || !k.argument.is_null(row);
}

void over_evaluator::add(const call& k, const uint64_t* row, int64_t sign, uint64_t* w,
                         bool& overflow) {
  const uint64_t* v = k.c.argument ? k.argument.value(row) : nullptr;
  switch (k.acc.kind) {
    case accumulator_kind::count:
      w[0] += static_cast<uint64_t>(sign);
      return;
    case accumulator_kind::sum_small: {
      w[0] += static_cast<uint64_t>(sign);
      int64_t sum;
      overflow |=
          __builtin_add_overflow(static_cast<int64_t>(w[1]), sign * static_cast<int64_t>(*v), &sum);
      w[1] = static_cast<uint64_t>(sum);
      return;
    }
    case accumulator_kind::sum_wide: {
      w[0] += static_cast<uint64_t>(sign);
      int128 sum, one;
      std::memcpy(&sum, w + 1, 16);
      if (k.argument.type == type_id::decimal)
        std::memcpy(&one, v, 16);
      else
        one = static_cast<int64_t>(*v);
      overflow |= __builtin_add_overflow(sum, sign * one, &sum);
      std::memcpy(w + 1, &sum, 16);
      return;
    }
    case accumulator_kind::sum_float:
      w[0] += static_cast<uint64_t>(sign);
      w[1] = std::bit_cast<uint64_t>(std::bit_cast<double>(w[1]) + std::bit_cast<double>(*v));
      return;
    case accumulator_kind::pick: {
      const int c = w[0] == 0 ? 0 : compare_words(k.argument.type, v, w + 1);
      if (w[0] != 0 && (k.c.aggregate == aggregate_function::min ? c >= 0 : c <= 0)) return;
      w[0] = 1;
      std::memcpy(w + 1, v, 8 * row_layout::words_of(k.argument.type));
      return;
    }
    case accumulator_kind::bools:
      w[*v != 0 ? 0 : 1] += static_cast<uint64_t>(sign);
      return;
    case accumulator_kind::moments:
    case accumulator_kind::bits:
    case accumulator_kind::interval:
    case accumulator_kind::pairs:
      overflow |= !add_one(k.acc, w, v, sign);
      return;
    case accumulator_kind::text: {
      var_ref text;
      std::memcpy(text.words, v, sizeof text.words);
      return append(k, text.view(), w);
    }
    case accumulator_kind::distinct:
      weir_assert(false, "DISTINCT in a window function");
  }
}

/// Adds to the text that `w` refers to. It grows in place unless a value refers to it, too.
void over_evaluator::append(const call& k, std::string_view text, uint64_t* w) {
  var_ref so_far;
  std::memcpy(so_far.words, w + 1, sizeof so_far.words);
  const auto have = w[0] == 0 ? std::string_view() : so_far.view();
  if (!growing_ || have.data() != strings_.back().data()) strings_.emplace_back(have);
  growing_ = true;
  auto& made = strings_.back();
  if (w[0]++ > 0) made += k.c.separator;
  made += text;
  const auto ref = var_ref::borrow(made);
  std::memcpy(w + 1, ref.words, sizeof ref.words);
}

void over_evaluator::forget_strings() noexcept {
  strings_.clear();
  growing_ = false;
}

status over_evaluator::finish(const call& k, const uint64_t* words, over_value& out) {
  growing_ = false;
  WEIR_ASSIGN(bool present, finish_value(k.acc, words, out.words));
  out.null = !present;
  return {};
}

status over_evaluator::add_to_prefix(const uint64_t* row, int64_t index, uint64_t* words) {
  bool overflow = false;
  for (const auto& k : calls_) {
    if (!k.from_start) continue;
    uint64_t* w = words + k.prefix_at;
    if (k.c.function == f::aggregate) {
      if (counts(k, row)) add(k, row, 1, w, overflow);
      continue;
    }
    const bool wanted = k.c.function == f::last_value ||
                        index == (k.c.function == f::nth_value ? k.c.count - 1 : 0);
    if (!wanted) continue;
    w[0] = k.argument.is_null(row) ? 2 : 1;
    std::memcpy(w + 1, k.argument.value(row), 8 * row_layout::words_of(k.argument.type));
  }
  if (overflow) return {errc::overflow, "a sum of a window function is out of range"};
  return {};
}

status over_evaluator::evaluate(sorted_rows rows, const row_order& order, const prefix& before,
                                std::vector<std::vector<over_value>>& out) {
  peers_.find(rows, order);
  out.resize(calls_.size());
  const order_term first = order_.empty() ? order_term{} : order_[0];
  for (size_t i = 0; i < calls_.size(); ++i) {
    const auto& k = calls_[i];
    auto& values = out[i];
    values.assign(rows.size(), {});
    switch (k.c.function) {
      case f::lag:
      case f::lead:
        shift(k, rows, values);
        break;
      case f::first_value:
      case f::last_value:
      case f::nth_value:
        find_frames(k.c.frame, rows, peers_, order_column_, first, begin_, end_);
        pick(k, rows, before, values);
        break;
      case f::aggregate:
        find_frames(k.c.frame, rows, peers_, order_column_, first, begin_, end_);
        WEIR_TRY(aggregate(k, rows, before, values));
        break;
      default:
        number(k, rows, before, values);
    }
  }
  return {};
}

void over_evaluator::number(const call& k, sorted_rows rows, const prefix& before,
                            std::vector<over_value>& out) const {
  const auto n = static_cast<int64_t>(rows.size());
  for (uint32_t i = 0; i < rows.size(); ++i) {
    const int64_t rank = before.rows + peers_.begin(i) + 1;
    switch (k.c.function) {
      case f::row_number:
        out[i] = of_int(before.rows + i + 1);
        break;
      case f::rank:
        out[i] = of_int(rank);
        break;
      case f::dense_rank:
        out[i] = of_int(before.groups + peers_.of[i] + 1);
        break;
      case f::percent_rank:
        out[i] = of_double(n == 1 ? 0 : static_cast<double>(rank - 1) / static_cast<double>(n - 1));
        break;
      case f::cume_dist:
        out[i] = of_double(static_cast<double>(peers_.end(i)) / static_cast<double>(n));
        break;
      case f::ntile: {
        // The first n % buckets have one row more.
        const int64_t buckets = k.c.count, size = n / buckets, larger = n % buckets;
        const int64_t in_larger = larger * (size + 1);
        out[i] = of_int(i < in_larger ? i / (size + 1) + 1
                                      : larger + (size ? (i - in_larger) / size : 0) + 1);
        break;
      }
      default:
        break;
    }
  }
}

void over_evaluator::shift(const call& k, sorted_rows rows, std::vector<over_value>& out) const {
  const auto n = static_cast<int64_t>(rows.size());
  const int64_t by = std::min(k.c.count, n) * (k.c.function == f::lag ? -1 : 1);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t from = i + by;
    if (from >= 0 && from < n)
      out[static_cast<size_t>(i)] = copied(k.argument, rows[static_cast<size_t>(from)]);
    else if (k.c.otherwise)
      out[static_cast<size_t>(i)] = copied(k.otherwise, rows[static_cast<size_t>(i)]);
  }
}

void over_evaluator::pick(const call& k, sorted_rows rows, const prefix& before,
                          std::vector<over_value>& out) {
  const uint64_t* kept = k.from_start && before.words ? before.words + k.prefix_at : nullptr;
  auto from_prefix = [&](over_value& v) {
    if (!kept || kept[0] != 1) return;
    std::memcpy(v.words, kept + 1, 8 * row_layout::words_of(k.argument.type));
    v.null = false;
  };
  // Rows that are gone belong to a frame that begins with the partition.
  const int64_t gone = k.from_start ? before.rows : 0;
  if (k.c.frame.without != over_frame::exclusion::none) {
    // No row that is gone is left out: peers go together.
    for (uint32_t i = 0; i < rows.size(); ++i) {
      const int64_t wanted = k.c.function == f::nth_value ? k.c.count - 1 : 0;
      const bool last = k.c.function == f::last_value;
      if (!last && wanted < gone) {
        from_prefix(out[i]);
        continue;
      }
      int64_t at = gone;
      std::optional<uint32_t> found;
      each_in_frame(k, i, [&](uint32_t row) {
        if (last || at == wanted) found = row;
        return last || at++ < wanted;
      });
      if (found)
        out[i] = copied(k.argument, rows[*found]);
      else if (last && gone > 0)
        from_prefix(out[i]);
    }
    return;
  }
  for (uint32_t i = 0; i < rows.size(); ++i) {
    const int64_t begin = begin_[i], end = end_[i];
    int64_t at = begin;
    if (k.c.function == f::last_value) {
      at = end - 1;
      if (at < begin) {
        if (gone > 0 && begin == 0 && end == 0) from_prefix(out[i]);
        continue;
      }
    } else {
      const int64_t wanted = k.c.function == f::nth_value ? k.c.count - 1 : 0;
      if (wanted < gone) {
        from_prefix(out[i]);
        continue;
      }
      at = begin + std::min<int64_t>(wanted - gone, UINT32_MAX);
      if (at >= end) continue;
    }
    out[i] = copied(k.argument, rows[static_cast<size_t>(at)]);
  }
}

template <class F>
void over_evaluator::each_in_frame(const call& k, uint32_t i, F f) const {
  using x = over_frame::exclusion;
  const bool self = k.c.frame.without == x::current_row;
  const uint32_t from = self ? i : peers_.begin(i), to = self ? i + 1 : peers_.end(i);
  for (uint32_t row = begin_[i]; row < end_[i]; ++row) {
    if (row >= from && row < to && !(row == i && k.c.frame.without == x::ties)) continue;
    if (!f(row)) return;
  }
}

/// Frames with rows left out, each added up for itself, as PostgreSQL does.
status over_evaluator::one_by_one(const call& k, sorted_rows rows, const prefix& before,
                                  std::vector<over_value>& out) {
  bool overflow = false;
  for (uint32_t i = 0; i < rows.size(); ++i) {
    uint64_t words[words_max] = {};
    if (k.from_start && before.words)
      std::memcpy(words, before.words + k.prefix_at, 8 * k.acc.words);
    each_in_frame(k, i, [&](uint32_t row) {
      if (counts(k, rows[row])) add(k, rows[row], 1, words, overflow);
      return true;
    });
    WEIR_TRY(finish(k, words, out[i]));
  }
  if (overflow) return {errc::overflow, "the sum \"" + k.c.name + "\" is out of range"};
  return {};
}

status over_evaluator::aggregate(const call& k, sorted_rows rows, const prefix& before,
                                 std::vector<over_value>& out) {
  if (k.c.frame.without != over_frame::exclusion::none) return one_by_one(k, rows, before, out);
  if (!k.from_start)
    return k.acc.kind == accumulator_kind::pick ? extremes(k, rows, out) : sliding(k, rows, out);
  uint64_t words[words_max] = {};
  if (before.words) std::memcpy(words, before.words + k.prefix_at, 8 * k.acc.words);
  bool overflow = false;
  uint32_t at = 0;
  for (uint32_t i = 0; i < rows.size(); ++i) {
    if (i > 0 && end_[i] == at) {
      out[i] = out[i - 1];
      continue;
    }
    for (; at < end_[i]; ++at)
      if (counts(k, rows[at])) add(k, rows[at], 1, words, overflow);
    WEIR_TRY(finish(k, words, out[i]));
  }
  if (overflow) return {errc::overflow, "the sum \"" + k.c.name + "\" is out of range"};
  return {};
}

/// Sums of a frame that moves. What cannot be taken away again is added up anew where the frame's
/// start has moved, as PostgreSQL does: sums of floats would keep other digits.
status over_evaluator::sliding(const call& k, sorted_rows rows, std::vector<over_value>& out) {
  const bool exact = can_subtract(k.acc);
  uint64_t words[words_max] = {};
  bool overflow = false;
  uint32_t first = 0, at = 0;
  for (uint32_t i = 0; i < rows.size(); ++i) {
    const uint32_t begin = begin_[i], end = std::max(begin, end_[i]);
    if (begin >= at || (!exact && begin > first)) {
      std::fill(std::begin(words), std::end(words), 0);
      first = at = begin;
    }
    for (; first < begin; ++first)
      if (counts(k, rows[first])) add(k, rows[first], -1, words, overflow);
    for (; at < end; ++at)
      if (counts(k, rows[at])) add(k, rows[at], 1, words, overflow);
    WEIR_TRY(finish(k, words, out[i]));
  }
  if (overflow) return {errc::overflow, "the sum \"" + k.c.name + "\" is out of range"};
  return {};
}

/// min and max of a frame that moves: a queue of rows, each better than all behind it.
status over_evaluator::extremes(const call& k, sorted_rows rows, std::vector<over_value>& out) {
  const bool low = k.c.aggregate == aggregate_function::min;
  std::deque<uint32_t> best;
  uint32_t at = 0;
  for (uint32_t i = 0; i < rows.size(); ++i) {
    const uint32_t begin = begin_[i], end = end_[i];
    at = std::max(at, begin);
    for (; at < end; ++at) {
      if (!counts(k, rows[at])) continue;
      const auto* v = k.argument.value(rows[at]);
      while (!best.empty()) {
        const int c = compare_words(k.argument.type, v, k.argument.value(rows[best.back()]));
        if (low ? c > 0 : c < 0) break;
        best.pop_back();
      }
      best.push_back(at);
    }
    while (!best.empty() && best.front() < begin) best.pop_front();
    if (!best.empty()) out[i] = copied(k.argument, rows[best.front()]);
  }
  return {};
}

}  // namespace weir
