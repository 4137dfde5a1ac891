// Results of accumulators, and the columns that pass between partial and merge.
#include <cmath>
#include <cstring>

#include "runtime/expr/datetime.hpp"
#include "runtime/operators/accumulator.hpp"
#include "runtime/operators/key_codec.hpp"
#include "runtime/operators/pair_sums.hpp"
#include "runtime/operators/pair_totals.hpp"

namespace weir {
namespace {

using fn = aggregate_function;

constexpr int128 power_of_10(unsigned n) {
  int128 v = 1;
  while (n-- > 0) v *= 10;
  return v;
}
constexpr int128 decimal_bound = power_of_10(38);  // decimals have at most 38 digits

int128 load128(const uint64_t* w) {
  int128 v;
  std::memcpy(&v, w, 16);
  return v;
}

/// sum / n with `shift` more (or fewer) digits, rounded half away from zero; nothing when it does
/// not fit.
std::optional<int128> divide(int128 sum, int64_t n, int shift) {
  using wide = unsigned __int128;
  const bool negative = sum < 0;
  wide v = negative ? -static_cast<wide>(sum) : static_cast<wide>(sum);
  auto d = static_cast<wide>(n);
  wide q = v / d, rest = v % d;
  for (; shift > 0; --shift) {
    if (q >= static_cast<wide>(decimal_bound) / 10) return std::nullopt;
    rest *= 10;  // rest < 2^63
    q = q * 10 + rest / d;
    rest %= d;
  }
  bool up = rest * 2 >= d;
  for (; shift < 0; ++shift) {
    up = q % 10 >= 5;
    q /= 10;
  }
  q += up;
  if (q >= static_cast<wide>(decimal_bound)) return std::nullopt;
  return negative ? -static_cast<int128>(q) : static_cast<int128>(q);
}

error out_of_range(const accumulator& a) {
  return {errc::overflow, std::string(a.function == fn::avg ? "avg" : "sum") + " of " +
                              to_string(a.argument) + " is out of range of " + to_string(a.type)};
}

/// The result of one group in `out`, or false for NULL.
result<bool> finish_one(const accumulator& a, const uint64_t* w, uint64_t* out) {
  const auto n = static_cast<int64_t>(w[0]);
  auto put = [&](double v) { *out = __builtin_bit_cast(uint64_t, v); };
  switch (a.kind) {
    case accumulator_kind::count:
    case accumulator_kind::distinct:
      *out = w[0];
      return true;
    case accumulator_kind::sum_small:
      *out = w[1];
      return n != 0;
    case accumulator_kind::sum_wide: {
      if (n == 0) return false;
      const int128 sum = load128(w + 1);
      if (a.function == fn::avg && a.type.id == type_id::float64) {
        put(static_cast<double>(sum) / std::pow(10.0, a.argument.scale) / static_cast<double>(n));
        return true;
      }
      std::optional<int128> v = sum;
      if (a.function == fn::avg) v = divide(sum, n, int{a.type.scale} - a.argument.scale);
      if (!v || *v >= decimal_bound || *v <= -decimal_bound) return out_of_range(a);
      std::memcpy(out, &*v, 16);
      return true;
    }
    case accumulator_kind::sum_float: {
      if (n == 0) return false;
      const double sum = float_sum(a, w);
      put(a.function == fn::avg ? sum / static_cast<double>(n) : sum);
      return true;
    }
    case accumulator_kind::moments: {
      const bool sample = a.function == fn::stddev_samp || a.function == fn::var_samp;
      if (n <= (sample ? 1 : 0)) return false;
      const double v = deviations(a, w) / static_cast<double>(sample ? n - 1 : n);
      put(a.function == fn::stddev_samp || a.function == fn::stddev_pop ? std::sqrt(v) : v);
      return true;
    }
    case accumulator_kind::pick:
    case accumulator_kind::text:
      std::memcpy(out, w + 1, 8 * row_layout::words_of(a.type.id));
      return n != 0;
    case accumulator_kind::bools: {
      const auto no = static_cast<int64_t>(w[1]);
      *out = a.function == fn::bool_and ? no == 0 : n != 0;
      return n != 0 || no != 0;
    }
    case accumulator_kind::bits: {
      uint64_t bits = w[1];
      if (a.counts_bits()) {
        bits = 0;
        for (uint32_t k = 1; k < a.words; ++k) {
          const auto have = static_cast<int64_t>(w[k]);
          bits |= uint64_t{a.function == fn::bit_and ? have == n : have != 0} << (k - 1);
        }
      }
      *out = a.argument.id == type_id::int32
                 ? static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(bits)))
                 : bits;
      return n != 0;
    }
    case accumulator_kind::interval: {
      if (n == 0) return false;
      std::optional<interval_value> v;
      const auto months = static_cast<int64_t>(w[1]), days = static_cast<int64_t>(w[2]);
      if (months == static_cast<int32_t>(months) && days == static_cast<int32_t>(days))
        v = interval_value{static_cast<int32_t>(months), static_cast<int32_t>(days),
                           static_cast<int64_t>(w[3])};
      if (v && a.function == fn::avg) v = expr::multiply(*v, static_cast<double>(n), true);
      if (!v) return overflow_of(a);
      std::memcpy(out, &*v, sizeof *v);
      return true;
    }
    case accumulator_kind::pairs: {
      if (a.function == fn::regr_count) return *out = w[0], true;
      const auto v =
          a.weighted ? pair_totals::result_of(a.function, w) : pair_sums::result_of(a.function, w);
      if (v) put(*v);
      return v.has_value();
    }
  }
  return false;
}

}  // namespace

result<bool> finish_value(const accumulator& a, const uint64_t* words, uint64_t* out) {
  return finish_one(a, words, out);
}

namespace {

/// Integers as decimals or int64, which sums of them are.
template <class To, class From>
buffer_ref widened(const column& c, memory_pool& memory) {
  auto out = buffer::allocate(memory, size_t{c.length} * sizeof(To));
  auto* to = out.mutable_as<To>();
  const auto* from = c.data<From>();
  for (uint32_t i = 0; i < c.length; ++i) to[i] = from[i];
  return out;
}

}  // namespace

bool partial_of_rows(const accumulator& a, const column_ptr& argument, const column_ptr& ones,
                     memory_pool& memory, std::vector<column_ptr>& out) {
  if (argument && (argument->validity || argument->dictionary)) return false;
  if (a.kind == accumulator_kind::count) {
    out.push_back(ones);
    return true;
  }
  auto sum = std::make_shared<column>();
  sum->length = ones->length;
  if (a.kind == accumulator_kind::sum_wide && a.argument.id == type_id::int64) {
    sum->values = widened<int128, int64_t>(*argument, memory);
  } else if (a.kind == accumulator_kind::sum_wide && a.argument.id == type_id::int32) {
    sum->values = widened<int128, int32_t>(*argument, memory);
  } else if (a.kind == accumulator_kind::sum_small) {
    sum->values = widened<int64_t, int32_t>(*argument, memory);
  } else if ((a.kind == accumulator_kind::sum_wide && a.argument.id == type_id::decimal) ||
             a.kind == accumulator_kind::sum_float) {
    sum->values = argument->values;
  } else {
    return false;
  }
  sum->type = a.partial_types()[1];
  out.push_back(ones);
  out.push_back(std::move(sum));
  return true;
}

result<column_ptr> finish(const accumulator& a, const uint64_t* const* values, size_t n,
                          memory_pool& memory) {
  word_column out(a.type, n, memory);
  if (a.kind == accumulator_kind::count || a.kind == accumulator_kind::distinct) {
    out.set_all(values, a.at);
    return out.finish();
  }
  for (size_t i = 0; i < n; ++i) {
    const uint64_t* w = values[i] + a.at;
    uint64_t v[2] = {0, 0};
    WEIR_ASSIGN(bool present, finish_one(a, w, v));
    if (!present) {
      out.set_null(i);
    } else if (out.is_string()) {
      out.set(i, w + 1);  // the reference stays where it is
    } else {
      out.set(i, v);
    }
  }
  return out.finish();
}

void finish_partial(const accumulator& a, const uint64_t* const* values, size_t n,
                    memory_pool& memory, std::vector<column_ptr>& out) {
  const auto types = a.partial_types();
  if (a.kind == accumulator_kind::pick) {
    word_column c(types[0], n, memory);
    c.set_all(values, a.at + 1);
    for (size_t i = 0; i < n; ++i)
      if (values[i][a.at] == 0) c.set_null(i);
    out.push_back(c.finish());
    return;
  }
  for (size_t k = 0, word = a.at; k < types.size(); ++k) {
    word_column c(types[k], n, memory);
    c.set_all(values, word);
    out.push_back(c.finish());
    word += row_layout::words_of(types[k].id);
  }
}

}  // namespace weir
