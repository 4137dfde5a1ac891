// Sums of float64 under changes: after any coming and going what they say is what the values that
// are there say.
#include "runtime/operators/float_totals.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "runtime/operators/float_parts.hpp"
#include "runtime/operators/pair_totals.hpp"

using namespace weir;
namespace ft = weir::float_totals;
using fn = aggregate_function;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

struct totals {
  uint64_t sum[ft::sum_words] = {};
  uint64_t moments[ft::moment_words] = {};
  bool in_parts = false;

  totals& add(double v, int64_t weight = 1) {
    ft::add_to_sum(sum, v, weight, in_parts);
    ft::add_to_moments(moments, v, weight, in_parts);
    return *this;
  }
  double total() const { return ft::sum_of(sum); }
  double var_pop() const { return ft::deviations(moments) / static_cast<double>(moments[0]); }
  bool nothing() const {
    for (auto w : sum)
      if (w != 0) return false;
    for (auto w : moments)
      if (w != 0) return false;
    return true;
  }
};

struct pairs {
  uint64_t w[pair_totals::words] = {};

  pairs& add(double y, double x, int64_t weight = 1) {
    const double both[2] = {y, x};
    pair_totals::add(w, {reinterpret_cast<const char*>(both), sizeof both}, weight);
    return *this;
  }
  std::optional<double> of(fn f) const { return pair_totals::result_of(f, w); }
  bool nothing() const {
    for (auto word : w)
      if (word != 0) return false;
    return true;
  }
};

/// Any finite value, of any magnitude.
double any_value(std::mt19937_64& r) {
  for (;;) {
    const auto v = std::bit_cast<double>(r());
    if (std::isfinite(v)) return v;
  }
}

}  // namespace

TEST_CASE("a value that has left is not in sums and deviations any more") {
  for (double gone : {inf, -inf, std::nan(""), 1e17, 1e15, -1e30, 1e154, 1e155, 1e300, -1.7e308}) {
    CAPTURE(gone);
    totals t;
    t.add(1.5).add(gone).add(2.5).add(gone, -1).add(3);
    CHECK(t.total() == 7);
    CHECK(t.var_pop() == doctest::Approx(0.3888888888888889).epsilon(1e-15));
    t.add(3, -1);
    CHECK(t.var_pop() == 0.25);
    t.add(1.5, -1).add(2.5, -1);
    CHECK(t.nothing());
  }
}

TEST_CASE("values that are not finite, and huge ones, while they are there") {
  totals t;
  t.add(1).add(inf);
  CHECK(t.total() == inf);
  CHECK(std::isnan(t.var_pop()));
  t.add(-inf);
  CHECK(std::isnan(t.total()));
  t.add(inf, -1);
  CHECK(t.total() == -inf);
  t.add(-inf, -1).add(1e200);
  CHECK(t.var_pop() == inf);
  CHECK(t.total() == 1e200);
  t.add(1, -1);
  CHECK(t.var_pop() == 0);
  // Beyond the largest number and back.
  totals s;
  s.add(1.7e308).add(1.7e308).add(1.7e308);
  CHECK(s.total() == inf);
  s.add(1.7e308, -2).add(0.25);
  CHECK(s.total() == 1.7e308);
  s.add(1.7e308, -1);
  CHECK(s.total() == 0.25);
  s.add(1.7e308, int64_t{1} << 40);
  CHECK(s.total() == inf);
  s.add(1.7e308, -(int64_t{1} << 40)).add(0.25, -1);
  CHECK(s.nothing());
}

TEST_CASE("sums of floats are exact") {
  totals t;
  for (int i = 0; i < 10; ++i) t.add(0.1);
  CHECK(t.total() == 1);
  t.add(1e16).add(-1e16, 1).add(0.1, -10);
  CHECK(t.total() == 0);
  totals flat;
  flat.add(0.1, 3);
  CHECK(flat.var_pop() == 0);
  totals far;
  for (double v : {1e9 + 0.25, 1e9 + 0.5, 1e9 + 1}) far.add(v);
  CHECK(far.var_pop() == doctest::Approx(0.09722222222222222).epsilon(1e-15));
}

TEST_CASE("one random value of any size comes and goes beside others") {
  std::mt19937_64 random(7);
  for (int turn = 0; turn < 2000; ++turn) {
    std::vector<double> stay;
    const double size = std::ldexp(1, static_cast<int>(random() % 80) - 40);
    for (size_t i = random() % 6 + 2; i > 0; --i)
      stay.push_back(static_cast<double>(static_cast<int64_t>(random() >> 11)) * 0x1p-52 * size);
    totals with, without;
    const double guest = any_value(random);
    for (size_t i = 0; i < stay.size(); ++i) {
      without.add(stay[i]);
      if (i == 1) with.add(guest);
      with.add(stay[i]);
    }
    with.add(guest, -1);
    CAPTURE(guest);
    CAPTURE(size);
    CHECK(with.total() == without.total());
    CHECK(with.var_pop() == doctest::Approx(without.var_pop()).epsilon(1e-9).scale(0));
    for (double v : stay) with.add(v, -1);
    CHECK(with.nothing());
  }
}

TEST_CASE("parts of a group add up, with values that are owed") {
  totals a, b;
  a.in_parts = b.in_parts = true;
  a.add(1e17).add(1.5).add(inf);
  b.add(1e17, -1).add(inf, -1).add(2.5).add(0.5);
  uint64_t sum[ft::sum_words] = {}, moments[ft::moment_words] = {};
  for (const auto* t : {&b, &a}) {
    ft::join_sums(sum, t->sum);
    ft::join_moments(moments, t->moments);
  }
  CHECK(ft::sum_of(sum) == 4.5);
  CHECK(ft::deviations(moments) == 2);
}

TEST_CASE(
    "of more digits than there is room for the largest stay, and nothing outlives all values") {
  totals t;
  for (double v : {1e150, 1e100, 1e50, 1.0, 1e-50}) t.add(v);
  CHECK(t.total() == 1e150);
  for (double v : {1e150, 1e100, 1e50, 1.0, 1e-50}) t.add(v, -1);
  CHECK(t.nothing());
}

TEST_CASE("pairs come and go, of which one number is huge or not finite") {
  for (double gone : {inf, std::nan(""), 1e17, 1e30, 1e154, 1e300}) {
    CAPTURE(gone);
    pairs p;
    p.add(1, 1).add(2.5, 2);
    for (auto [y, x] : {std::pair{gone, 7.0}, {2, gone}, {gone, gone}}) {
      p.add(y, x);
      CHECK(std::isnan(*p.of(fn::corr)) == !(gone < 1e155));
      p.add(y, x, -1);
    }
    p.add(2, 3).add(4.5, 4);
    CHECK(*p.of(fn::regr_avgx) == 2.5);
    CHECK(*p.of(fn::regr_sxx) == 5);
    CHECK(*p.of(fn::regr_sxy) == 5);
    CHECK(*p.of(fn::corr) == doctest::Approx(0.8770580193070293));
    for (auto [y, x] : {std::pair{2.5, 2.0}, {2, 3}, {4.5, 4}}) p.add(y, x, -1);
    CHECK(!p.of(fn::regr_slope));
    CHECK(*p.of(fn::regr_sxx) == 0);
    p.add(1, 1, -1);
    CHECK(p.nothing());
  }
  pairs huge;
  huge.add(1, 1e200);
  CHECK(*huge.of(fn::regr_sxx) == 0);
  huge.add(2, 1);
  CHECK(*huge.of(fn::regr_avgx) == 5e199);
  CHECK(*huge.of(fn::regr_syy) == 0.5);
  CHECK(*huge.of(fn::regr_sxx) == inf);
}

TEST_CASE("equal values have no slope, whatever came and went") {
  std::mt19937_64 random(11);
  for (int turn = 0; turn < 500; ++turn) {
    pairs p;
    std::vector<std::array<double, 2>> guests;
    const double x = std::ldexp(static_cast<double>(random() >> 11), -60);
    for (int i = 0; i < 3; ++i) p.add(i, x);
    for (size_t i = 0; i < random() % 4; ++i) {
      guests.push_back({any_value(random), any_value(random)});
      p.add(guests.back()[0], guests.back()[1]);
    }
    for (const auto& g : guests) p.add(g[0], g[1], -1);
    CHECK(!p.of(fn::regr_slope));
  }
}

TEST_CASE("sums of parts of pairs are those of the whole") {
  pairs whole, parts[3], sum;
  for (int i = 0; i < 1000; ++i) {
    const double y = std::sin(i) * 1e3 + 0.1 * i, x = 1.7e9 + i * 0.25 + std::cos(i);
    whole.add(y, x);
    parts[i % 3].add(y, x);
  }
  for (const auto& p : parts) pair_totals::add_words(sum.w, p.w, 1);
  for (auto f : {fn::regr_avgx, fn::regr_avgy, fn::regr_sxx, fn::regr_syy, fn::regr_sxy,
                 fn::regr_slope, fn::regr_intercept, fn::regr_r2, fn::corr, fn::covar_pop})
    CHECK(*sum.of(f) == doctest::Approx(*whole.of(f)).epsilon(1e-15));
  for (const auto& p : parts) pair_totals::add_words(sum.w, p.w, -1);
  CHECK(sum.nothing());
}
