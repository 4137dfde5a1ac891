#include "runtime/operators/pair_sums.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/operators/pair_results.hpp"

namespace weir::pair_sums {
namespace {

/// A sum of both parts, of which `low` is what `high` has no digits for, and by how much the true
/// one may be another: nothing as long as its digits fit, as those of integers do.
struct wide {
  double high = 0, low = 0, off = 0;
};

wide sum_of(double a, double b) noexcept {
  const double s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
wide product_of(double a, double b) noexcept {
  const double p = a * b;
  return {p, std::fma(a, b, -p)};
}
wide operator+(wide a, wide b) noexcept {
  const auto high = sum_of(a.high, b.high), low = sum_of(a.low, b.low);
  const auto middle = sum_of(high.low, low.high);
  const auto upper = sum_of(high.high, middle.high);
  const auto rest = sum_of(middle.low, low.low), lower = sum_of(upper.low, rest.high);
  auto made = sum_of(upper.high, lower.high);
  // The bound is rounded, too: a little more of it.
  made.off = (a.off + b.off + std::fabs(rest.low) + std::fabs(lower.low)) * (1 + 0x1p-40);
  return made;
}
wide operator*(wide a, double b) noexcept {
  auto made = product_of(a.high, b) + product_of(a.low, b);
  made.off += a.off * std::fabs(b);
  return made;
}
wide operator*(wide a, wide b) noexcept {
  auto made = a * b.high + a * b.low;
  made.off += b.off * (std::fabs(a.high) + std::fabs(a.low) + a.off);
  return made;
}
wide operator-(wide a) noexcept {
  return {-a.high, -a.low, a.off};
}

enum sum : size_t { x = 1, y = 4, xx = 7, yy = 10, xy = 13 };
constexpr size_t sums[] = {x, y, xx, yy, xy};
constexpr size_t special_x = 16, special_y = 19;

wide load(const uint64_t* w, size_t at) noexcept {
  return {std::bit_cast<double>(w[at]), std::bit_cast<double>(w[at + 1]),
          std::bit_cast<double>(w[at + 2])};
}
void store(uint64_t* w, size_t at, wide v) noexcept {
  w[at] = std::bit_cast<uint64_t>(v.high);
  w[at + 1] = std::bit_cast<uint64_t>(v.low);
  w[at + 2] = std::bit_cast<uint64_t>(v.off);
}

size_t kind_of(double v) noexcept {
  return v != v ? 0 : v > 0 ? 1 : 2;
}

/// One sum grows; false: out of range.
bool grow(uint64_t* w, size_t at, wide by) noexcept {
  const auto made = load(w, at) + by;
  if (!std::isfinite(made.high)) return false;
  store(w, at, made);
  return true;
}

/// Forgets what sums of no pairs have left: rounding errors, which would outlive all values. It is
/// more where pairs are owed that were taken back before they came.
void settle(uint64_t* w) noexcept {
  for (size_t at : {size_t{0}, special_x, special_x + 1, special_x + 2, special_y, special_y + 1,
                    special_y + 2})
    if (w[at] != 0) return;
  for (auto at : sums)
    if (const auto s = load(w, at); std::fabs(s.high) > s.off) return;
  std::memset(w, 0, words * sizeof *w);
}

/// The sum with the values that are not finite.
double with_special(double finite, const uint64_t* special) noexcept {
  const auto of = [special](size_t k) { return static_cast<int64_t>(special[k]) > 0; };
  if (of(0) || (of(1) && of(2))) return std::numeric_limits<double>::quiet_NaN();
  if (of(1)) return std::numeric_limits<double>::infinity();
  return of(2) ? -std::numeric_limits<double>::infinity() : finite;
}
bool has_special(const uint64_t* special) noexcept {
  return special[0] != 0 || special[1] != 0 || special[2] != 0;
}

/// sum((a - mean(a)) * (b - mean(b))). What may be a rounding error is 0: there is no slope over
/// equal values.
double around_means(wide ab, wide a, wide b, double n) noexcept {
  const auto apart = ab * n + -(a * b);
  return std::fabs(apart.high) <= apart.off ? 0 : apart.high / n;
}

}  // namespace

bool add(uint64_t* w, std::string_view pair, int64_t weight) noexcept {
  double v[2] = {0, 0};  // y, x
  std::memcpy(v, pair.data(), std::min(pair.size(), sizeof v));
  const auto times = static_cast<double>(weight);
  const bool good_x = std::isfinite(v[1]), good_y = std::isfinite(v[0]);
  bool fits = true;
  w[0] += static_cast<uint64_t>(weight);
  if (good_x) {
    fits &= grow(w, x, product_of(v[1], times));
    fits &= grow(w, xx, product_of(v[1], v[1]) * times);
  } else {
    w[special_x + kind_of(v[1])] += static_cast<uint64_t>(weight);
  }
  if (good_y) {
    fits &= grow(w, y, product_of(v[0], times));
    fits &= grow(w, yy, product_of(v[0], v[0]) * times);
  } else {
    w[special_y + kind_of(v[0])] += static_cast<uint64_t>(weight);
  }
  if (good_x && good_y) fits &= grow(w, xy, product_of(v[1], v[0]) * times);
  settle(w);
  return fits;
}

bool add_words(uint64_t* w, const uint64_t* more, int64_t times) noexcept {
  bool fits = true;
  w[0] += more[0] * static_cast<uint64_t>(times);
  for (auto at : sums) fits &= grow(w, at, load(more, at) * static_cast<double>(times));
  for (size_t at = special_x; at < words; ++at) w[at] += more[at] * static_cast<uint64_t>(times);
  settle(w);
  return fits;
}

namespace {

/// Sums as result_of_pairs() asks for them.
struct view {
  const uint64_t* w;

  double n() const noexcept { return static_cast<double>(static_cast<int64_t>(w[0])); }
  double total_x() const noexcept { return with_special(load(w, x).high, w + special_x); }
  double total_y() const noexcept { return with_special(load(w, y).high, w + special_y); }
  double sxx() const noexcept { return squares(xx, x, special_x); }
  double syy() const noexcept { return squares(yy, y, special_y); }
  double sxy() const noexcept {
    if (has_special(w + special_x) || has_special(w + special_y)) return nan;
    return around_means(load(w, xy), load(w, x), load(w, y), n());
  }

 private:
  static constexpr double nan = std::numeric_limits<double>::quiet_NaN();

  double squares(size_t aa, size_t a, size_t special) const noexcept {
    if (has_special(w + special)) return nan;
    const auto sum_of_a = load(w, a);
    return std::max(0.0, around_means(load(w, aa), sum_of_a, sum_of_a, n()));
  }
};

}  // namespace

std::optional<double> result_of(aggregate_function f, const uint64_t* w) noexcept {
  return result_of_pairs(f, view{w});
}

}  // namespace weir::pair_sums
