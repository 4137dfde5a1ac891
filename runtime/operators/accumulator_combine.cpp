#include "runtime/operators/accumulator_combine.hpp"

#include <cstring>

#include "runtime/base/assert.hpp"
#include "runtime/operators/float_totals.hpp"
#include "runtime/operators/pair_sums.hpp"
#include "runtime/operators/pair_totals.hpp"
#include "runtime/state/var_bytes.hpp"

namespace weir {
namespace {

using fn = aggregate_function;

int64_t& as_int(uint64_t* w) {
  return *reinterpret_cast<int64_t*>(w);
}
int128 load128(const uint64_t* w) {
  int128 v;
  std::memcpy(&v, w, 16);
  return v;
}
void store128(uint64_t* w, int128 v) {
  std::memcpy(w, &v, 16);
}

/// Whether the newer value of two takes the older one's place.
bool newer_wins(const accumulator& a, const uint64_t* older, const uint64_t* newer) {
  if (newer[0] == 0) return false;
  if (older[0] == 0) return true;
  switch (a.function) {
    case fn::first:
      return false;
    case fn::min:
      return compare_words(a.argument.id, newer + 1, older + 1) < 0;
    case fn::max:
      return compare_words(a.argument.id, newer + 1, older + 1) > 0;
    default:
      return true;
  }
}

}  // namespace

bool can_subtract(const accumulator& a) noexcept {
  switch (a.kind) {
    case accumulator_kind::count:
    case accumulator_kind::sum_small:
    case accumulator_kind::sum_wide:
    case accumulator_kind::bools:
    case accumulator_kind::interval:
      return true;
    case accumulator_kind::bits:
      return a.counts_bits() || a.function == fn::bit_xor;
    default:
      return false;
  }
}

status combine(const accumulator& a, uint64_t* w, const uint64_t* from) {
  switch (a.kind) {
    case accumulator_kind::count:
      w[0] += from[0];
      return {};
    case accumulator_kind::bools:
      w[0] += from[0];
      w[1] += from[1];
      return {};
    case accumulator_kind::sum_small:
      w[0] += from[0];
      if (__builtin_add_overflow(as_int(w + 1), static_cast<int64_t>(from[1]), &as_int(w + 1)))
        return overflow_of(a);
      return {};
    case accumulator_kind::sum_wide: {
      w[0] += from[0];
      int128 sum;
      if (__builtin_add_overflow(load128(w + 1), load128(from + 1), &sum)) return overflow_of(a);
      store128(w + 1, sum);
      return {};
    }
    case accumulator_kind::sum_float:
      if (a.weighted) {
        float_totals::join_sums(w, from);
        return {};
      }
      w[0] += from[0];
      w[1] = __builtin_bit_cast(
          uint64_t, __builtin_bit_cast(double, w[1]) + __builtin_bit_cast(double, from[1]));
      return {};
    case accumulator_kind::moments:
      add_moments(a, w, from);
      return {};
    case accumulator_kind::pick:
      if (newer_wins(a, w, from)) std::memcpy(w, from, size_t{8} * a.words);
      return {};
    case accumulator_kind::bits:
      if (a.counts_bits()) {
        for (uint32_t k = 0; k < a.words; ++k) w[k] += from[k];
      } else if (from[0] != 0) {
        join_bits(a, w, from[1]);
        w[0] += from[0];
      }
      return {};
    case accumulator_kind::interval: {
      const auto part = [from](int k) { return static_cast<int64_t>(from[k]); };
      if (!add_interval(w, {part(1), part(2), part(3)}, part(0), 1)) return overflow_of(a);
      return {};
    }
    case accumulator_kind::pairs:
      if (a.weighted)
        pair_totals::add_words(w, from, 1);
      else if (!pair_sums::add_words(w, from, 1))
        return overflow_of(a);
      return {};
    case accumulator_kind::distinct:
    case accumulator_kind::text:
      break;
  }
  return error(errc::internal, "these accumulators have no words to combine");
}

void subtract(const accumulator& a, uint64_t* w, const uint64_t* what) noexcept {
  w[0] -= what[0];
  if (a.kind == accumulator_kind::bools || a.kind == accumulator_kind::sum_small) w[1] -= what[1];
  if (a.kind == accumulator_kind::bits && a.function == fn::bit_xor) w[1] ^= what[1];
  if (a.counts_bits() || a.kind == accumulator_kind::interval)
    for (uint32_t k = 1; k < a.words; ++k) w[k] -= what[k];
  if (a.kind == accumulator_kind::sum_wide)
    store128(w + 1, static_cast<int128>(static_cast<unsigned __int128>(load128(w + 1)) -
                                        static_cast<unsigned __int128>(load128(what + 1))));
}

status combine_into(const accumulator& a, row_table& table, uint64_t* row, uint32_t value_word,
                    const uint64_t* newer) {
  uint64_t* w = row + value_word + a.at;
  if (a.kind == accumulator_kind::text) {
    if (newer[0] == 0) return {};
    var_ref text;
    std::memcpy(text.words, newer + 1, 16);
    if (w[0] > 0) table.append_string(row, a.at + 1, a.separator);
    table.append_string(row, a.at + 1, text.view());
    w[0] += newer[0];
    return {};
  }
  if (a.kind == accumulator_kind::pick && is_varlen(a.argument.id)) {
    if (!newer_wins(a, w, newer)) return {};
    var_ref text;
    std::memcpy(text.words, newer + 1, 16);
    table.set_string(row, a.at + 1, text.view());
    w[0] = newer[0];
    return {};
  }
  return combine(a, w, newer);
}

}  // namespace weir
