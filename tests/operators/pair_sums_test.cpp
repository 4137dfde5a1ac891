// Sums of corr, regr_* and covar_*: what is taken back leaves no trace, and parts add up to the
// whole.
#include "runtime/operators/pair_sums.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace weir;
using fn = aggregate_function;

namespace {

struct pair {
  double y, x;
};

struct sums {
  uint64_t w[pair_sums::words] = {};

  void add(pair p, int64_t weight = 1) {
    const double both[2] = {p.y, p.x};
    REQUIRE(pair_sums::add(w, {reinterpret_cast<const char*>(both), sizeof both}, weight));
  }
  std::optional<double> of(fn f) const { return pair_sums::result_of(f, w); }
  bool nothing() const {
    for (auto word : w)
      if (word != 0) return false;
    return true;
  }
};

sums over(const std::vector<pair>& all) {
  sums s;
  for (const auto& p : all) s.add(p);
  return s;
}

constexpr double inf = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("regressions of what PostgreSQL gives, too") {
  const auto s = over({{1, 1}, {2.5, 2}, {2, 3}, {4.5, 4}});
  CHECK(*s.of(fn::regr_avgx) == 2.5);
  CHECK(*s.of(fn::regr_avgy) == 2.5);
  CHECK(*s.of(fn::regr_sxx) == 5);
  CHECK(*s.of(fn::regr_syy) == 6.5);
  CHECK(*s.of(fn::regr_sxy) == 5);
  CHECK(*s.of(fn::regr_slope) == 1);
  CHECK(*s.of(fn::regr_intercept) == 0);
  CHECK(*s.of(fn::covar_pop) == 1.25);
  CHECK(*s.of(fn::covar_samp) == doctest::Approx(5.0 / 3));
  CHECK(*s.of(fn::corr) == doctest::Approx(0.8770580193070293));
  CHECK(*s.of(fn::regr_r2) == doctest::Approx(0.7692307692307693));
}

TEST_CASE("no pairs, one pair, and equal values") {
  CHECK(!sums().of(fn::regr_avgx));
  CHECK(!sums().of(fn::corr));
  const auto one = over({{3, 7}});
  CHECK(*one.of(fn::covar_pop) == 0);
  CHECK(!one.of(fn::covar_samp));
  CHECK(!one.of(fn::corr));
  CHECK(!one.of(fn::regr_slope));
  const auto flat = over({{0.1, 1}, {0.1, 2}, {0.1, 4}});
  CHECK(!flat.of(fn::corr));
  CHECK(*flat.of(fn::regr_slope) == 0);
  CHECK(*flat.of(fn::regr_r2) == 1);
  CHECK(!over({{1, 0.1}, {2, 0.1}, {4, 0.1}}).of(fn::regr_slope));
}

TEST_CASE("pairs that are taken back leave no rounding errors") {
  auto s = over({{1e9, 3e9 + 0.1}, {0.1, 0.3}, {1e-9, 7e7}, {0.7, 0.3}, {0.1, 0.3}});
  s.add({1e9, 3e9 + 0.1}, -1);
  s.add({1e-9, 7e7}, -1);
  CHECK(!s.of(fn::regr_slope));  // one x is left
  CHECK(*s.of(fn::regr_syy) == doctest::Approx(0.24).epsilon(1e-14));
  s.add({0.1, 0.3}, -2);
  s.add({0.7, 0.3}, -1);
  CHECK(s.nothing());
  // What is taken back before it comes.
  s.add({0.1, 0.2}, -1);
  s.add({0.3, 0.4});
  CHECK(!s.nothing());
  s.add({0.1, 0.2});
  CHECK(*s.of(fn::regr_avgx) == 0.4);
  CHECK(*s.of(fn::regr_sxx) == 0);
}

TEST_CASE("values that are not finite come and go") {
  auto s = over({{1, 1}, {2, inf}, {4, 3}});
  CHECK(*s.of(fn::regr_avgx) == inf);
  CHECK(*s.of(fn::regr_avgy) == doctest::Approx(7.0 / 3));
  CHECK(std::isnan(*s.of(fn::regr_sxx)));
  CHECK(*s.of(fn::regr_syy) == doctest::Approx(14.0 / 3));
  CHECK(std::isnan(*s.of(fn::corr)));
  s.add({2, inf}, -1);
  CHECK(*s.of(fn::regr_slope) == 1.5);
  const double huge[2] = {1, 1e200};
  CHECK(!pair_sums::add(s.w, {reinterpret_cast<const char*>(huge), sizeof huge}, 1));
}

TEST_CASE("sums of parts are those of the whole") {
  std::vector<pair> all;
  for (int i = 0; i < 1000; ++i)
    all.push_back({std::sin(i) * 1e3 + 0.1 * i, 1.7e9 + i * 0.25 + std::cos(i)});
  auto whole = over(all);
  sums parts[3], sum;
  for (size_t i = 0; i < all.size(); ++i) parts[i % 3].add(all[i]);
  for (const auto& p : parts) REQUIRE(pair_sums::add_words(sum.w, p.w, 1));
  for (auto f : {fn::regr_avgx, fn::regr_avgy, fn::regr_sxx, fn::regr_syy, fn::regr_sxy,
                 fn::regr_slope, fn::regr_intercept, fn::regr_r2, fn::corr, fn::covar_pop})
    CHECK(*sum.of(f) == doctest::Approx(*whole.of(f)).epsilon(1e-15));
  for (const auto& p : parts) REQUIRE(pair_sums::add_words(sum.w, p.w, -1));
  CHECK(sum.nothing());
}
