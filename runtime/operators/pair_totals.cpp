#include "runtime/operators/pair_totals.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/operators/float_parts.hpp"
#include "runtime/operators/pair_results.hpp"

namespace weir::pair_totals {
namespace {

namespace fp = float_parts;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

template <size_t N>
struct total {
  double parts[N];
  double lost;

  void note(double more) noexcept { lost += more * (1 + 0x1p-40); }  // rounded, too
  void join(const total& more, int64_t times) noexcept {
    note(fp::add_parts(parts, N, more.parts, times));
    note(more.lost * std::fabs(static_cast<double>(times)));
  }
  bool nothing() const noexcept { return std::fabs(parts[0]) <= lost; }
};

/// One coordinate's values that no sum of products has.
struct specials {
  int32_t not_numbers, above, below, huge;

  void add(double v, int64_t weight) noexcept {
    auto& n = v != v ? not_numbers : std::isfinite(v) ? huge : std::signbit(v) ? below : above;
    n += static_cast<int32_t>(weight);
  }
  void join(const specials& more, int64_t times) noexcept {
    const auto t = static_cast<int32_t>(times);
    not_numbers += t * more.not_numbers;
    above += t * more.above;
    below += t * more.below;
    huge += t * more.huge;
  }
  bool odd() const noexcept { return not_numbers != 0 || above != 0 || below != 0; }
  bool any() const noexcept { return odd() || huge != 0; }
  double with(double finite) const noexcept {
    if (not_numbers > 0 || (above > 0 && below > 0)) return nan;
    if (above > 0) return infinity;
    return below > 0 ? -infinity : finite;
  }
};

struct state {
  int64_t count;
  total<fp::of_values> x, y;
  total<fp::of_products> xx, yy, xy;
  specials odd_x, odd_y;

  static state load(const uint64_t* w) noexcept {
    state s;
    std::memcpy(&s, w, sizeof s);
    return s;
  }
  /// Sums of no pairs are forgotten with what they have lost, which would outlive all values. They
  /// are more where pairs are owed that were taken back before they came.
  void store(uint64_t* w) const noexcept {
    const bool nothing = count == 0 && !odd_x.any() && !odd_y.any() && x.nothing() && y.nothing() &&
                         xx.nothing() && yy.nothing() && xy.nothing();
    if (nothing)
      std::memset(w, 0, sizeof *this);
    else
      std::memcpy(w, this, sizeof *this);
  }

  double n() const noexcept { return static_cast<double>(count); }
  double total_x() const noexcept { return odd_x.with(fp::value(x.parts, fp::of_values)); }
  double total_y() const noexcept { return odd_y.with(fp::value(y.parts, fp::of_values)); }
  double sxx() const noexcept { return squares(xx, x, odd_x); }
  double syy() const noexcept { return squares(yy, y, odd_y); }
  double sxy() const noexcept {
    if (odd_x.odd() || odd_y.odd()) return nan;
    if (odd_x.huge != 0 || odd_y.huge != 0) return count == 1 ? 0 : nan;
    return around_means(xy, x, y, xx.parts[0], yy.parts[0]);
  }

 private:
  using of_values = total<fp::of_values>;
  using of_products = total<fp::of_products>;

  double around_means(const of_products& ab, const of_values& a, const of_values& b, double aa,
                      double bb) const noexcept {
    const double lost[3] = {ab.lost, a.lost, b.lost};
    return fp::around_means(ab.parts, a.parts, b.parts, n(), aa, bb, lost);
  }
  double squares(const of_products& aa, const of_values& a, const specials& odd) const noexcept {
    if (odd.odd()) return nan;
    if (odd.huge != 0) return count == 1 ? 0 : infinity;
    return std::max(0.0, around_means(aa, a, a, aa.parts[0], aa.parts[0]));
  }
};
static_assert(sizeof(state) == 8 * words);

/// One coordinate. Whether products of it are summed.
bool add_value(double v, int64_t weight, total<fp::of_values>& sum, total<fp::of_products>& squares,
               specials& odd) noexcept {
  if (std::isfinite(v)) sum.note(fp::add_times(sum.parts, fp::of_values, v, weight));
  if (!fp::multiplies(v)) {
    odd.add(v, weight);
    return false;
  }
  squares.note(fp::add_product(squares.parts, fp::of_products, v, v, weight));
  return true;
}

}  // namespace

void add(uint64_t* w, std::string_view pair, int64_t weight) noexcept {
  double v[2] = {0, 0};  // y, x
  std::memcpy(v, pair.data(), std::min(pair.size(), sizeof v));
  auto s = state::load(w);
  s.count += weight;
  const bool in_x = add_value(v[1], weight, s.x, s.xx, s.odd_x);
  const bool in_y = add_value(v[0], weight, s.y, s.yy, s.odd_y);
  if (in_x && in_y) s.xy.note(fp::add_product(s.xy.parts, fp::of_products, v[1], v[0], weight));
  s.store(w);
}

void add_words(uint64_t* w, const uint64_t* more, int64_t times) noexcept {
  auto s = state::load(w);
  const auto other = state::load(more);
  s.count += other.count * times;
  s.x.join(other.x, times);
  s.y.join(other.y, times);
  s.xx.join(other.xx, times);
  s.yy.join(other.yy, times);
  s.xy.join(other.xy, times);
  s.odd_x.join(other.odd_x, times);
  s.odd_y.join(other.odd_y, times);
  s.store(w);
}

std::optional<double> result_of(aggregate_function f, const uint64_t* w) noexcept {
  return result_of_pairs(f, state::load(w));
}

}  // namespace weir::pair_totals
