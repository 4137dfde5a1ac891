#include "runtime/operators/float_totals.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/operators/float_parts.hpp"

namespace weir::float_totals {
namespace {

namespace fp = float_parts;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

struct counts {
  int32_t of[4];
};
enum in_sum : size_t { not_numbers, above, below, sum_lost };
enum in_moments : size_t { odd, huge, moments_lost };

/// A sum's words, apart from their number.
struct sum_state {
  double parts[fp::of_values];
  counts n;
};
struct moments_state {
  double values[fp::of_values];
  double squares[fp::of_products];
  counts n;
};
static_assert(sizeof(sum_state) == 8 * (sum_words - 1));
static_assert(sizeof(moments_state) == 8 * (moment_words - 1));

template <class State>
State load(const uint64_t* w) noexcept {
  State s;
  std::memcpy(&s, w + 1, sizeof s);
  return s;
}
template <class State>
void store(uint64_t* w, const State& s) noexcept {
  std::memcpy(w + 1, &s, sizeof s);
}

void count(counts& n, size_t what, int64_t weight) noexcept {
  n.of[what] += static_cast<int32_t>(weight);
}
void join(counts& n, const counts& more, size_t lost) noexcept {
  for (size_t k = 0; k < lost; ++k) n.of[k] += more.of[k];
  n.of[lost] |= more.of[lost];
}

}  // namespace

void add_to_sum(uint64_t* w, double v, int64_t weight, bool in_parts) noexcept {
  w[0] += static_cast<uint64_t>(weight);
  auto s = load<sum_state>(w);
  if (!std::isfinite(v))
    count(s.n, v != v ? not_numbers : v > 0 ? above : below, weight);
  else if (fp::add_times(s.parts, fp::of_values, v, weight) != 0 || !std::isfinite(s.parts[0]))
    s.n.of[sum_lost] = 1;
  // What was lost must not outlive the last value.
  if (w[0] == 0 && s.n.of[sum_lost] != 0 && !in_parts) {
    std::fill(std::begin(s.parts), std::end(s.parts), 0);
    s.n.of[sum_lost] = 0;
  }
  store(w, s);
}

void join_sums(uint64_t* w, const uint64_t* more) noexcept {
  auto s = load<sum_state>(w);
  const auto other = load<sum_state>(more);
  w[0] += more[0];
  join(s.n, other.n, sum_lost);
  if (fp::add_parts(s.parts, fp::of_values, other.parts, 1) != 0) s.n.of[sum_lost] = 1;
  store(w, s);
}

double sum_of(const uint64_t* w) noexcept {
  const auto s = load<sum_state>(w);
  const auto& n = s.n.of;
  if (n[not_numbers] > 0 || (n[above] > 0 && n[below] > 0)) return nan;
  if (n[above] > 0) return infinity;
  return n[below] > 0 ? -infinity : fp::value(s.parts, fp::of_values);
}

void add_to_moments(uint64_t* w, double v, int64_t weight, bool in_parts) noexcept {
  w[0] += static_cast<uint64_t>(weight);
  auto m = load<moments_state>(w);
  if (!std::isfinite(v)) {
    count(m.n, odd, weight);
  } else if (!fp::multiplies(v)) {
    count(m.n, huge, weight);
  } else {
    const double lost = fp::add_times(m.values, fp::of_values, v, weight) +
                        fp::add_product(m.squares, fp::of_products, v, v, weight);
    if (lost != 0) m.n.of[moments_lost] = 1;
  }
  if (w[0] == 0 && m.n.of[moments_lost] != 0 && !in_parts) {
    const auto n = m.n;
    m = {};
    m.n = n;
    m.n.of[moments_lost] = 0;
  }
  store(w, m);
}

void join_moments(uint64_t* w, const uint64_t* more) noexcept {
  auto m = load<moments_state>(w);
  const auto other = load<moments_state>(more);
  w[0] += more[0];
  join(m.n, other.n, moments_lost);
  const double lost = fp::add_parts(m.values, fp::of_values, other.values, 1) +
                      fp::add_parts(m.squares, fp::of_products, other.squares, 1);
  if (lost != 0) m.n.of[moments_lost] = 1;
  store(w, m);
}

double deviations(const uint64_t* w) noexcept {
  const auto m = load<moments_state>(w);
  if (m.n.of[odd] != 0) return nan;
  if (m.n.of[huge] != 0) return w[0] == 1 ? 0 : infinity;
  constexpr double lost[3] = {};
  const auto n = static_cast<double>(static_cast<int64_t>(w[0]));
  return std::max(
      0.0, fp::around_means(m.squares, m.values, m.values, n, m.squares[0], m.squares[0], lost));
}

}  // namespace weir::float_totals
