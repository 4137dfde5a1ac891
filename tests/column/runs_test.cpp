// Runs, ranges and constant columns: equal to the plain loop over random batches, and at the ends
// of what 64 bits hold.
#include "runtime/column/runs.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/column/nested.hpp"
#include "tests/column/random_batch.hpp"

using namespace weir;
using namespace weir::test;

namespace {

std::vector<int64_t> values_of(const column& c) {
  return {c.data<int64_t>(), c.data<int64_t>() + c.length};
}

}  // namespace

TEST_CASE("changes are where a value is not the one before it, or too many") {
  memory_pool pool;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    generator g(seed);
    const auto s = random_schema(g);
    const auto b = random_batch(g, s, static_cast<uint32_t>(below(g, 200)), pool);
    for (const auto& c : b->columns) {
      if (is_nested(c->type.id)) continue;
      std::vector<uint32_t> expected;
      bool bits_decide = true;  // -0.0 beside 0.0, two NaN
      for (uint32_t i = 1; i < b->rows; ++i) {
        const uint32_t x = b->row(i), y = b->row(i - 1);
        if (c->type.id == type_id::float64) bits_decide = false;
        if (!identical(scalar_at(*c, x), scalar_at(*c, y))) expected.push_back(i);
      }
      std::vector<uint32_t> found{77};
      REQUIRE(find_changes(*b, *c, 1000, found));
      CHECK(found[0] == 77);
      found.erase(found.begin());
      if (bits_decide && !c->dictionary) CHECK(found == expected);
      // At least the changes of the values, whatever their bits are.
      CHECK(std::includes(found.begin(), found.end(), expected.begin(), expected.end()));
      if (found.empty()) continue;
      std::vector<uint32_t> none{5};
      CHECK(!find_changes(*b, *c, found.size() - 1, none));
      CHECK(none == std::vector<uint32_t>{5});
    }
  }
}

TEST_CASE("a change is found at every place of a long run") {
  memory_pool pool;
  for (uint32_t at = 1; at < 150; ++at) {
    CAPTURE(at);
    auto c = std::make_shared<column>();
    c->type = type_id::int64;
    c->length = 150;
    c->values = buffer::allocate(pool, 150 * 8);
    std::fill_n(c->values.mutable_as<int64_t>(), 150, int64_t{-7});
    c->values.mutable_as<int64_t>()[at] = 8;
    batch b;
    b.rows = b.physical_rows = 150;
    b.columns = {c};
    std::vector<uint32_t> found;
    REQUIRE(find_changes(b, *c, 2, found));
    CHECK(found == (at == 149 ? std::vector<uint32_t>{at} : std::vector<uint32_t>{at, at + 1}));
    CHECK(!all_within(c->data<int64_t>(), 150, -7, 1));
    CHECK(all_within(c->data<int64_t>(), at, -7, 1));
    CHECK(all_within(c->data<int64_t>(), 150, -7, 16));
    CHECK(!all_within(c->data<int64_t>(), 150, -7, 15));
    std::vector<uint32_t> places(150);
    REQUIRE(find_equal(c->data<int64_t>(), 150, int64_t{8}, places.data()) == 1);
    CHECK(places[0] == at);
    CHECK(find_equal(c->data<int64_t>(), 150, int64_t{-7}, places.data()) == 149);
    const auto r = range_of(b, 0);
    REQUIRE(r);
    CHECK(r->min == -7);
    CHECK(r->max == 8);
  }
}

TEST_CASE("bounds at the ends of 64 bits") {
  const std::vector<int64_t> v(100, INT64_MAX);
  CHECK(all_within(v.data(), v.size(), INT64_MAX, 1));
  CHECK(all_within(v.data(), v.size(), INT64_MAX - 9, 10));
  CHECK(!all_within(v.data(), v.size(), INT64_MAX - 9, 9));
  std::vector<int64_t> both(100, INT64_MIN);
  both[50] = INT64_MAX;
  CHECK(all_within(both.data(), both.size(), INT64_MIN, UINT64_MAX) == false);
  both[50] = INT64_MAX - 1;
  CHECK(all_within(both.data(), both.size(), INT64_MIN, UINT64_MAX));
  CHECK(!all_within(both.data(), 100, 0, 1000));
  CHECK(all_within(both.data(), 0, 0, 0));
  CHECK(!all_within(both.data(), 1, 0, 0));
}

TEST_CASE("32-bit values") {
  std::vector<int32_t> v(77, INT32_MIN);
  v[3] = v[76] = INT32_MAX;
  std::vector<uint32_t> places(77);
  REQUIRE(find_equal(v.data(), 77, INT32_MAX, places.data()) == 2);
  CHECK(places[0] == 3);
  CHECK(places[1] == 76);
  CHECK(find_equal(v.data(), 77, INT32_MIN, places.data()) == 75);
}

TEST_CASE("columns of one time share their memory while the time is the same") {
  memory_pool pool;
  constant_times t;
  const auto a = t.get(-5, 40, {}, pool), b = t.get(-5, 30, {}, pool);
  CHECK(a->values.data() == b->values.data());
  CHECK(values_of(*a) == std::vector<int64_t>(40, -5));
  CHECK(values_of(*b) == std::vector<int64_t>(30, -5));
  const auto more = t.get(-5, 900, {}, pool), other = t.get(6, 3, {}, pool);
  CHECK(values_of(*more) == std::vector<int64_t>(900, -5));
  CHECK(values_of(*other) == std::vector<int64_t>(3, 6));
  CHECK(values_of(*a) == std::vector<int64_t>(40, -5));
  CHECK(a->type.id == type_id::timestamp);
}
