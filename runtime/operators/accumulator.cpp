#include "runtime/operators/accumulator.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "runtime/base/assert.hpp"
#include "runtime/column/hash.hpp"
#include "runtime/column/number.hpp"
#include "runtime/operators/float_totals.hpp"
#include "runtime/operators/pair_sums.hpp"
#include "runtime/operators/pair_totals.hpp"
#include "runtime/state/var_bytes.hpp"

namespace weir {
namespace {

int128 load128(const uint64_t* w) {
  int128 v;
  std::memcpy(&v, w, 16);
  return v;
}
void store128(uint64_t* w, int128 v) {
  std::memcpy(w, &v, 16);
}
double load_double(const uint64_t* w) {
  return __builtin_bit_cast(double, *w);
}
void store_double(uint64_t* w, double v) {
  *w = __builtin_bit_cast(uint64_t, v);
}
int64_t& as_int(uint64_t* w) {
  return *reinterpret_cast<int64_t*>(w);
}

/// Calls f(words of the accumulator, physical row, weight) for each row; the weights' branch is
/// outside the loop.
template <class F>
void each(const accumulator& a, const accumulator_input& in, F f) {
  // Copies: through `in` the compiler would read them again after each store to a row.
  uint64_t* const* const rows = in.rows;
  const uint32_t* const at = in.at;
  const size_t n = in.n, word = in.value_word + a.at;
  if (in.weights) {
    for (size_t i = 0; i < n; ++i) f(rows[i] + word, at[i], int64_t{in.weights[at[i]]});
  } else {
    for (size_t i = 0; i < n; ++i) f(rows[i] + word, at[i], std::integral_constant<int64_t, 1>());
  }
}

void add_float(const accumulator& a, uint64_t* w, double v, int64_t weight) {
  if (a.weighted) return float_totals::add_to_sum(w, v, weight, a.in_parts);
  as_int(w) += weight;
  store_double(w + 1, load_double(w + 1) + v * static_cast<double>(weight));
}

/// One value into N, Sx, Sxx: Youngs and Cramer (1971), as PostgreSQL does; a weight of -1 undoes
/// it.
void add_moment(uint64_t* w, double v, int64_t weight) {
  const int64_t step = weight < 0 ? -1 : 1;
  for (; weight != 0; weight -= step) {
    const auto n0 = static_cast<double>(as_int(w));
    as_int(w) += step;
    const auto n = static_cast<double>(as_int(w));
    if (as_int(w) == 0) {
      store_double(w + 1, 0);
      store_double(w + 2, 0);
      continue;
    }
    double sx = load_double(w + 1), sxx = load_double(w + 2);
    if (step > 0) {
      sx += v;
      if (n0 > 0) {
        const double d = v * n - sx;
        sxx += d * d / (n * n0);
      } else if (!std::isfinite(v)) {
        sxx = std::numeric_limits<double>::quiet_NaN();
      }
    } else {
      const double d = v * n0 - sx;
      if (n > 0 && n0 > 0) sxx -= d * d / (n * n0);
      if (n <= 1 || sxx < 0) sxx = 0;
      sx -= v;
    }
    store_double(w + 1, sx);
    store_double(w + 2, sxx);
  }
}

void merge_moments(uint64_t* w, int64_t n2, double sx2, double sxx2) {
  const auto n1 = as_int(w);
  if (n2 == 0) return;
  if (n1 == 0) {
    as_int(w) = n2;
    store_double(w + 1, sx2);
    store_double(w + 2, sxx2);
    return;
  }
  const auto a = static_cast<double>(n1), b = static_cast<double>(n2);
  const double sx1 = load_double(w + 1);
  const double d = sx1 / a - sx2 / b;
  store_double(w + 1, sx1 + sx2);
  store_double(w + 2, load_double(w + 2) + sxx2 + a * b * d * d / (a + b));
  as_int(w) += n2;
}

using uint128 = unsigned __int128;

uint128 load_wide(const uint64_t* w) {
  return uint128{w[1]} << 64 | w[0];
}
void store_wide(uint64_t* w, uint128 v) {
  w[0] = static_cast<uint64_t>(v);
  w[1] = static_cast<uint64_t>(v >> 64);
}

/// Of exact moments: sums of unscaled values v and of v * v, modulo 2^128.
constexpr size_t exact_sum = 3, exact_squares = 5;

/// What the words of exact moments say of deviations, over unscaled values; nothing: they are so
/// large that the rounded ones must do.
std::optional<double> exact_deviations(const uint64_t* w, double scale) {
  // Far below 2^127: the sum of squares around the mean is what is left modulo 2^128.
  constexpr double exact_below = 0x1p+120;
  const auto count = static_cast<int128>(static_cast<int64_t>(w[0]));
  const auto n = static_cast<double>(count);
  if (!(load_double(w + 2) * scale * scale < exact_below)) return {};
  const uint128 sum = load_wide(w + exact_sum), squares = load_wide(w + exact_squares);
  auto m = static_cast<int128>(std::nearbyint(load_double(w + 1) / n * scale));
  // The rounded sum is near the mean, and what is left of it says how near.
  auto around = [&] { return static_cast<int128>(sum - static_cast<uint128>(count * m)); };
  m += around() / count;
  const auto by = static_cast<uint128>(m);
  const auto off = static_cast<double>(around());
  const auto square_sum =
      static_cast<int128>(squares - 2 * by * sum + static_cast<uint128>(count) * by * by);
  return std::max(0.0, static_cast<double>(square_sum) - off * off / n);
}

double scale_of(const data_type& t) {
  return t.id == type_id::decimal ? std::pow(10.0, t.scale) : 1;
}

int128 unscaled(const column& c, uint32_t r) {
  if (c.type.id == type_id::int32) return c.data<int32_t>()[r];
  if (c.type.id == type_id::int64) return c.data<int64_t>()[r];
  return c.data<int128>()[r];
}

void add_exact(uint64_t* w, double v, int128 value, int64_t weight) {
  add_moment(w, v, weight);
  const auto u = static_cast<uint128>(value);
  const auto times = static_cast<uint128>(static_cast<int128>(weight));
  store_wide(w + exact_sum, load_wide(w + exact_sum) + times * u);
  store_wide(w + exact_squares, load_wide(w + exact_squares) + times * u * u);
}

void add_bits(const accumulator& a, uint64_t* w, uint64_t v, int64_t weight) {
  if (a.counts_bits()) {
    as_int(w) += weight;
    for (uint32_t bit = 1; bit < a.words; ++bit)
      as_int(w + bit) += weight * static_cast<int64_t>(v >> (bit - 1) & 1);
    return;
  }
  if (weight % 2 == 0 && a.function == aggregate_function::bit_xor) v = 0;
  join_bits(a, w, v);
  as_int(w) += weight;
}

double to_double(const data_type& t, const uint64_t* v) {
  if (t.id == type_id::float64) return load_double(v);
  if (t.id == type_id::decimal) return static_cast<double>(load128(v)) / std::pow(10.0, t.scale);
  return static_cast<double>(static_cast<int64_t>(*v));
}

bool takes(aggregate_function f, bool seen, int order) {
  switch (f) {
    case aggregate_function::min:
      return !seen || order < 0;
    case aggregate_function::max:
      return !seen || order > 0;
    case aggregate_function::first:
      return !seen;
    default:
      return true;
  }
}

/// min and max of 64-bit integers, the common case, without a call per value.
template <class T>
void pick_fixed(const accumulator& a, const accumulator_input& in, const column& c) {
  const T* v = c.data<T>();
  const bool smallest = a.function == aggregate_function::min;
  each(a, in, [&](uint64_t* w, uint32_t r, auto) {
    const int64_t x = v[r];
    int64_t& best = as_int(w + 1);
    const bool better = smallest ? x < best : x > best;
    best = (*w == 0 || better) ? x : best;
    *w = 1;
  });
}

void pick(const accumulator& a, row_table& table, const accumulator_input& in, const column& c) {
  const auto t = c.type.id;
  const bool extreme =
      a.function == aggregate_function::min || a.function == aggregate_function::max;
  if (extreme && (t == type_id::int64 || t == type_id::timestamp))
    return pick_fixed<int64_t>(a, in, c);
  if (extreme && (t == type_id::int32 || t == type_id::date)) return pick_fixed<int32_t>(a, in, c);
  for (size_t i = 0; i < in.n; ++i) {
    uint64_t* row = in.rows[i];
    uint64_t* w = row + in.value_word + a.at;
    uint64_t x[2] = {0, 0};
    if (is_varlen(t)) {
      auto ref = var_ref::borrow(c.view(in.at[i]));
      std::memcpy(x, ref.words, 16);
    } else {
      accumulator_value(c, in.at[i], x);
    }
    if (!takes(a.function, *w != 0, *w && extreme ? compare_words(t, x, w + 1) : 0)) continue;
    *w = 1;
    if (is_varlen(t)) {
      table.set_string(row, a.at + 1, c.view(in.at[i]));
    } else {
      std::memcpy(w + 1, x, 8 * row_layout::words_of(t));
    }
  }
}

void append_text(const accumulator& a, row_table& table, const accumulator_input& in,
                 const column& c) {
  for (size_t i = 0; i < in.n; ++i) {
    uint64_t* row = in.rows[i];
    uint64_t* w = row + in.value_word + a.at;
    for (int64_t k = in.weights ? in.weights[in.at[i]] : 1; k > 0; --k) {
      if (++as_int(w) > 1) table.append_string(row, a.at + 1, a.separator);
      table.append_string(row, a.at + 1, c.view(in.at[i]));
    }
  }
}

template <class T>
bool add_wide(const accumulator& a, const accumulator_input& in, const column& c) {
  const T* v = c.data<T>();
  bool bad = false;
  each(a, in, [&](uint64_t* w, uint32_t r, auto weight) {
    as_int(w) += weight;
    int128 sum, add = v[r];
    if constexpr (std::is_same_v<decltype(weight), int64_t>)
      bad |= __builtin_mul_overflow(static_cast<int128>(v[r]), static_cast<int128>(weight), &add);
    bad |= __builtin_add_overflow(load128(w + 1), add, &sum);
    store128(w + 1, sum);
  });
  return !bad;
}

}  // namespace

void accumulator_value(const column& c, uint32_t r, uint64_t* out) noexcept {
  switch (fixed_width(c.type.id)) {
    case 1:
      *out = c.data<uint8_t>()[r];
      break;
    case 4:
      *out = static_cast<uint64_t>(int64_t{c.data<int32_t>()[r]});
      break;
    case 8:
      *out = c.data<uint64_t>()[r];
      break;
    default:
      std::memcpy(out, c.data<int128>() + r, 16);
  }
}

int compare_words(type_id t, const uint64_t* a, const uint64_t* b) noexcept {
  auto order = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  switch (t) {
    case type_id::float64: {
      const double x = load_double(a), y = load_double(b);
      if (x != x || y != y) return (x != x) - (y != y);  // NaN is the largest, as in PostgreSQL
      return order(x, y);
    }
    case type_id::decimal:
      return order(load128(a), load128(b));
    case type_id::interval: {
      interval_value x, y;
      std::memcpy(static_cast<void*>(&x), a, 16);
      std::memcpy(static_cast<void*>(&y), b, 16);
      auto length = [](const interval_value& v) {
        return (static_cast<int128>(v.months) * 30 + v.days) * 86'400'000'000 + v.micros;
      };
      return order(length(x), length(y));
    }
    case type_id::string:
    case type_id::bytes:
    case type_id::json: {
      var_ref x, y;
      std::memcpy(x.words, a, 16);
      std::memcpy(y.words, b, 16);
      return order(x.view().compare(y.view()), 0);
    }
    default:
      return order(static_cast<int64_t>(*a), static_cast<int64_t>(*b));
  }
}

status accumulate(const accumulator& a, row_table& table, const accumulator_input& in,
                  const column* c) {
  switch (a.kind) {
    case accumulator_kind::count:
      each(a, in, [](uint64_t* w, uint32_t, auto weight) { as_int(w) += weight; });
      return {};
    case accumulator_kind::sum_small: {
      const auto* v = c->data<int32_t>();
      bool bad = false;
      each(a, in, [&](uint64_t* w, uint32_t r, auto weight) {
        as_int(w) += weight;
        bad |= __builtin_add_overflow(as_int(w + 1), weight * v[r], &as_int(w + 1));
      });
      if (bad) return overflow_of(a);
      return {};
    }
    case accumulator_kind::sum_wide: {
      const auto t = c->type.id;
      const bool good = t == type_id::int64   ? add_wide<int64_t>(a, in, *c)
                        : t == type_id::int32 ? add_wide<int32_t>(a, in, *c)
                                              : add_wide<int128>(a, in, *c);
      if (!good) return overflow_of(a);
      return {};
    }
    case accumulator_kind::sum_float: {
      const auto* v = c->data<double>();
      each(a, in, [&](uint64_t* w, uint32_t r, auto weight) { add_float(a, w, v[r], weight); });
      return {};
    }
    case accumulator_kind::moments:
      if (a.totals())
        each(a, in, [&](uint64_t* w, uint32_t r, auto weight) {
          float_totals::add_to_moments(w, to_double(*c, r), weight, a.in_parts);
        });
      else if (a.exact())
        each(a, in, [&](uint64_t* w, uint32_t r, auto weight) {
          add_exact(w, to_double(*c, r), unscaled(*c, r), weight);
        });
      else
        each(a, in, [&](uint64_t* w, uint32_t r, auto weight) {
          add_moment(w, to_double(*c, r), weight);
        });
      return {};
    case accumulator_kind::pick:
      pick(a, table, in, *c);
      return {};
    case accumulator_kind::text:
      append_text(a, table, in, *c);
      return {};
    case accumulator_kind::bools: {
      const auto* v = c->data<uint8_t>();
      each(a, in,
           [&](uint64_t* w, uint32_t r, auto weight) { as_int(w + (v[r] ? 0 : 1)) += weight; });
      return {};
    }
    case accumulator_kind::bits:
      each(a, in, [&](uint64_t* w, uint32_t r, auto weight) {
        uint64_t v = 0;
        accumulator_value(*c, r, &v);
        add_bits(a, w, v, weight);
      });
      return {};
    case accumulator_kind::interval: {
      const auto* v = c->data<interval_value>();
      bool good = true;
      each(a, in, [&](uint64_t* w, uint32_t r, auto weight) {
        good &= add_interval(w, {v[r].months, v[r].days, v[r].micros}, 1, weight);
      });
      if (!good) return overflow_of(a);
      return {};
    }
    case accumulator_kind::pairs: {
      bool good = true;
      each(a, in, [&](uint64_t* w, uint32_t r, auto weight) {
        if (a.weighted)
          pair_totals::add(w, c->view(r), weight);
        else
          good &= pair_sums::add(w, c->view(r), weight);
      });
      if (!good) return overflow_of(a);
      return {};
    }
    case accumulator_kind::distinct:
      break;
  }
  return error(errc::internal, "a multiset has no words of its own to add to");
}

status merge_partial(const accumulator& a, row_table& table, const accumulator_input& in,
                     std::span<const column_ptr> columns) {
  if (a.partial_is_raw()) return accumulate(a, table, in, columns[0].get());
  const auto* first = columns[0]->data<int64_t>();
  bool bad = false;
  switch (a.kind) {
    case accumulator_kind::sum_small:
    case accumulator_kind::bools: {
      const auto* second = columns[1]->data<int64_t>();
      each(a, in, [&](uint64_t* w, uint32_t r, auto weight) {
        as_int(w) += weight * first[r];
        bad |= __builtin_add_overflow(as_int(w + 1), weight * second[r], &as_int(w + 1));
      });
      break;
    }
    case accumulator_kind::sum_wide: {
      const auto* sum = columns[1]->data<int128>();
      each(a, in, [&](uint64_t* w, uint32_t r, auto weight) {
        as_int(w) += weight * first[r];
        int128 out;
        bad |= __builtin_add_overflow(load128(w + 1), sum[r] * weight, &out);
        store128(w + 1, out);
      });
      break;
    }
    case accumulator_kind::sum_float: {
      const auto* sum = columns[1]->data<double>();
      each(a, in, [&](uint64_t* w, uint32_t r, auto weight) {
        as_int(w) += weight * first[r];
        store_double(w + 1, load_double(w + 1) + sum[r] * static_cast<double>(weight));
      });
      break;
    }
    case accumulator_kind::moments: {
      const auto* sx = columns[1]->data<double>();
      const auto* sxx = columns[2]->data<double>();
      each(a, in,
           [&](uint64_t* w, uint32_t r, auto) { merge_moments(w, first[r], sx[r], sxx[r]); });
      break;
    }
    case accumulator_kind::bits: {
      const auto* bits = columns[1]->data<uint64_t>();
      each(a, in, [&](uint64_t* w, uint32_t r, auto) {
        if (first[r] == 0) return;
        join_bits(a, w, bits[r]);
        as_int(w) += first[r];
      });
      break;
    }
    case accumulator_kind::interval: {
      const int64_t* parts[3];
      for (size_t k = 0; k < 3; ++k) parts[k] = columns[1 + k]->data<int64_t>();
      bool good = true;
      each(a, in, [&](uint64_t* w, uint32_t r, auto weight) {
        good &= add_interval(w, {parts[0][r], parts[1][r], parts[2][r]}, first[r], weight);
      });
      if (!good) return overflow_of(a);
      break;
    }
    case accumulator_kind::pairs: {
      bool good = true;
      each(a, in, [&](uint64_t* w, uint32_t r, auto weight) {
        uint64_t more[pair_totals::words];
        for (size_t k = 0; k < a.words; ++k) more[k] = columns[k]->data<uint64_t>()[r];
        if (a.weighted)
          pair_totals::add_words(w, more, weight);
        else
          good &= pair_sums::add_words(w, more, weight);
      });
      if (!good) return overflow_of(a);
      break;
    }
    default:
      each(a, in, [&](uint64_t* w, uint32_t r, auto weight) { as_int(w) += weight * first[r]; });
  }
  if (bad) return overflow_of(a);
  return {};
}

error overflow_of(const accumulator& a) {
  if (a.kind == accumulator_kind::interval) return {errc::overflow, "interval out of range"};
  if (a.kind == accumulator_kind::pairs) return {errc::overflow, "value out of range: overflow"};
  return {errc::overflow,
          "sum of " + to_string(a.argument) + " is out of range of " + to_string(a.type)};
}

bool add_interval(uint64_t* w, const int64_t (&parts)[3], int64_t values, int64_t weight) noexcept {
  bool bad = false;
  as_int(w) += values * weight;
  for (size_t k = 0; k < 3; ++k) {
    int64_t part = 0;
    bad |= __builtin_mul_overflow(parts[k], weight, &part);
    bad |= __builtin_add_overflow(as_int(w + 1 + k), part, &as_int(w + 1 + k));
  }
  return !bad;
}

void join_bits(const accumulator& a, uint64_t* w, uint64_t bits) noexcept {
  if (a.function == aggregate_function::bit_xor)
    w[1] ^= bits;
  else if (w[0] == 0)
    w[1] = bits;
  else if (a.function == aggregate_function::bit_and)
    w[1] &= bits;
  else
    w[1] |= bits;
}

bool add_one(const accumulator& a, uint64_t* w, const uint64_t* v, int64_t weight) noexcept {
  switch (a.kind) {
    case accumulator_kind::moments:
      add_moment(w, to_double(a.argument, v), weight);
      return true;
    case accumulator_kind::bits:
      add_bits(a, w, *v, weight);
      return true;
    case accumulator_kind::interval: {
      interval_value i;
      std::memcpy(static_cast<void*>(&i), v, sizeof i);
      return add_interval(w, {i.months, i.days, i.micros}, 1, weight);
    }
    case accumulator_kind::pairs: {
      var_ref pair;
      std::memcpy(pair.words, v, sizeof pair.words);
      return pair_sums::add(w, pair.view(), weight);
    }
    default:
      weir_assert(false, "a value of another accumulator");
      return false;
  }
}

void add_moments(const accumulator& a, uint64_t* w, const uint64_t* more) {
  if (a.totals()) return float_totals::join_moments(w, more);
  merge_moments(w, static_cast<int64_t>(more[0]), load_double(more + 1), load_double(more + 2));
  if (!a.exact()) return;
  for (auto at : {exact_sum, exact_squares})
    store_wide(w + at, load_wide(w + at) + load_wide(more + at));
}

double deviations(const accumulator& a, const uint64_t* w) {
  if (a.totals()) return float_totals::deviations(w);
  if (a.exact()) {
    const double scale = scale_of(a.argument);
    if (const auto d = exact_deviations(w, scale)) return *d / (scale * scale);
  }
  return load_double(w + 2);
}

bool holds_nothing(const accumulator& a, const uint64_t* values) {
  const uint64_t* w = values + a.at;
  return std::all_of(w, w + (a.exact() ? 1 : a.words), [](uint64_t word) { return word == 0; });
}

double float_sum(const accumulator& a, const uint64_t* w) {
  return a.weighted ? float_totals::sum_of(w) : load_double(w + 1);
}

}  // namespace weir
