#include "runtime/operators/float_parts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace weir::float_parts {
namespace {

constexpr size_t parts_max = of_products;
// Of around_means(): two for each product of parts.
constexpr size_t sum_max = 2 * of_products + 2 * of_values * of_values + 1;

struct two {
  double high, low;
};

/// Knuth's error-free sum.
two sum_of(double a, double b) noexcept {
  const double s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
/// Likewise; `guarded`: what is too large together stays apart.
template <bool guarded>
two joined(double a, double b) noexcept {
  const auto made = sum_of(a, b);
  if (!guarded || std::isfinite(made.high)) return made;
  return std::fabs(a) < std::fabs(b) ? two{b, a} : two{a, b};
}
two product_of(double a, double b) noexcept {
  const double p = a * b;
  return {p, std::fma(a, b, -p)};
}

/// Parts in order of their size into as few as hold them, none of them 0. Shewchuk's COMPRESS.
template <bool guarded>
size_t compress(double* e, size_t n) noexcept {
  double g[sum_max];
  size_t k = 0;
  double q = e[0];
  for (size_t i = 1; i < n; ++i) {
    const auto made = joined<guarded>(q, e[i]);
    q = made.high;
    if (made.low == 0) continue;
    g[k++] = q;
    q = made.low;
  }
  size_t at = n;
  for (; k > 0; --k) {
    const auto made = joined<guarded>(g[k - 1], q);
    q = made.high;
    if (made.low != 0) e[--at] = made.low;
  }
  // The smaller ones stand at the end, in order.
  const size_t made = n - at + 1;
  std::copy(e + at, e + n, e + 1);
  e[0] = q;
  return made;
}

/// The parts of the sum of `n` parts and `v`, n + 1 at most: Shewchuk's GROW-EXPANSION.
template <bool guarded>
size_t add_to_parts(const double* p, size_t n, double v, double* e) noexcept {
  while (n > 1 && p[n - 1] == 0) --n;
  for (size_t i = n; i > 0; --i) {
    const auto made = joined<guarded>(v, p[i - 1]);
    v = made.high;
    e[i] = made.low;
  }
  e[0] = v;
  return compress<guarded>(e, n + 1);
}

/// A sum that loses nothing, of values far from the largest.
class exact_sum {
 public:
  void add(double v) noexcept {
    if (v == 0) return;
    for (size_t i = n_; i > 0; --i) {
      const auto made = joined<false>(v, e_[i - 1]);
      v = made.high;
      e_[i] = made.low;
    }
    e_[0] = v;
    n_ = compress<false>(e_, n_ + 1);
  }
  void add_product(double a, double b) noexcept {
    const auto p = product_of(a, b);
    add(p.low);
    add(p.high);
  }
  double value() const noexcept { return float_parts::value(e_, n_); }

 private:
  double e_[sum_max] = {};
  size_t n_ = 0;
};

}  // namespace

double add(double* p, size_t n, double v) noexcept {
  if (!std::isfinite(p[0])) return 0;
  if (p[1] == 0) {
    // The usual: a sum of one part. Its sum with a value has two.
    const auto made = sum_of(v, p[0]);
    if (std::isfinite(made.high)) {
      p[0] = made.high;
      p[1] = made.low + 0.0;  // not -0: no words of nothing
      return 0;
    }
  }
  double e[parts_max + 1];
  size_t have = add_to_parts<false>(p, n, v, e);
  if (!std::isfinite(e[0])) have = add_to_parts<true>(p, n, v, e);
  for (size_t i = 0; i < n; ++i) p[i] = i < have ? e[i] + 0.0 : 0;
  if (have <= n) return 0;
  if (std::isfinite(p[0] + p[1])) return std::fabs(e[n]);
  p[0] = std::copysign(std::numeric_limits<double>::infinity(), p[0]);
  std::fill(p + 1, p + n, 0);
  return 0;
}

double add_times(double* p, size_t n, double v, int64_t weight) noexcept {
  if (weight == 1) return add(p, n, v);
  const auto times = product_of(v, static_cast<double>(weight));
  if (std::isfinite(times.high)) return add(p, n, times.low) + add(p, n, times.high);
  if (!std::isfinite(p[0])) return 0;
  return add_times(p, n, v, weight / 2) + add_times(p, n, v, weight - weight / 2);
}

double add_product(double* p, size_t n, double a, double b, int64_t weight) noexcept {
  constexpr double half = 0x1p-32;
  static_assert(half * half == product_scale);
  const auto made = product_of(a * half, b * half);
  return add_times(p, n, made.low, weight) + add_times(p, n, made.high, weight);
}

double add_parts(double* p, size_t n, const double* more, int64_t weight) noexcept {
  if (!std::isfinite(more[0])) {
    if (std::isfinite(p[0])) p[0] = more[0], std::fill(p + 1, p + n, 0);
    return 0;
  }
  double lost = 0;
  for (size_t i = n; i > 0; --i)
    if (more[i - 1] != 0) lost += add_times(p, n, more[i - 1], weight);
  return lost;
}

bool multiplies(double v) noexcept {
  return std::isfinite(v * v);
}

double value(const double* p, size_t n) noexcept {
  double v = 0;
  for (size_t i = n; i > 0; --i) v += p[i - 1];
  return v;
}

double around_means(const double* ab, const double* a, const double* b, double n, double aa,
                    double bb, const double (&lost)[3]) noexcept {
  if (!std::isfinite(ab[0])) return ab[0];
  if (!std::isfinite(a[0]) || !std::isfinite(b[0])) return std::numeric_limits<double>::quiet_NaN();
  // Values as if they were around 1: their products are in range, whatever they are.
  constexpr int scale = 32;
  const auto exponent = [](double squares) {
    return squares != 0 && std::isfinite(squares) ? std::ilogb(squares) / 2 + scale : 0;
  };
  const int of_a = exponent(aa), of_b = exponent(bb), of_ab = of_a + of_b - 2 * scale;
  exact_sum apart;
  for (size_t i = of_products; i > 0; --i)
    if (ab[i - 1] != 0) apart.add_product(std::scalbn(ab[i - 1], -of_ab), n);
  for (size_t i = of_values; i > 0; --i)
    for (size_t k = of_values; k > 0; --k)
      if (a[i - 1] != 0 && b[k - 1] != 0)
        apart.add_product(-std::scalbn(a[i - 1], -of_a), std::scalbn(b[k - 1], -of_b));
  const double made = apart.value();
  const double off_a = std::scalbn(lost[1], -of_a), off_b = std::scalbn(lost[2], -of_b);
  const double bound = n * std::scalbn(lost[0], -of_ab) +
                       std::fabs(std::scalbn(a[0], -of_a)) * off_b +
                       std::fabs(std::scalbn(b[0], -of_b)) * off_a + off_a * off_b;
  return std::fabs(made) <= bound ? 0 : std::scalbn(made / n, of_a + of_b);
}

}  // namespace weir::float_parts
