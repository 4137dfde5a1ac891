// The rows of a keyed table from records that replace and delete them.
#include "runtime/connectors/newest_rows.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>

#include "runtime/column/builder.hpp"
#include "support.hpp"

using namespace weir;
using namespace weir::test;

namespace {

struct change {
  std::string key;  // "-": NULL
  int64_t value = 0;
  bool gone = false;
};

struct fixture {
  environment env;
  schema_ptr type = schema_of({{"n", type_id::int64}, {"k", type_id::string}});
  newest_rows rows{type, {1}, env.pool};

  status add(const std::vector<change>& changes) {
    column_builder n(type_id::int64, env.pool), k(type_id::string, env.pool);
    auto weights = buffer::allocate(env.pool, changes.size() * 4);
    for (size_t i = 0; i < changes.size(); ++i) {
      n.append(changes[i].value);
      changes[i].key == "-" ? k.append_null() : k.append(std::string_view(changes[i].key));
      weights.mutable_as<int32_t>()[i] = changes[i].gone ? -1 : 1;
    }
    return rows.add(make_batch(type, {n.finish(), k.finish()}, std::move(weights),
                               static_cast<uint32_t>(changes.size())));
  }
  std::map<std::string, int64_t> stand() {
    auto b = rows.merge();
    REQUIRE(b.ok());
    std::map<std::string, int64_t> out;
    if (!*b) return out;
    CHECK_FALSE((*b)->weights);
    for (uint32_t i = 0; i < (*b)->rows; ++i)
      CHECK(
          out.emplace(std::string((*b)->columns[1]->view(i)), (*b)->columns[0]->data<int64_t>()[i])
              .second);
    return out;
  }
};
using table = std::map<std::string, int64_t>;

}  // namespace

TEST_CASE_FIXTURE(fixture, "the newest row of a key stands, within a batch and over batches") {
  CHECK(stand() == table{});
  REQUIRE(add({{"a", 1}, {"b", 2}, {"a", 3}, {"c", 4}, {"c", 0, true}}).ok());
  CHECK(rows.changed());
  CHECK(stand() == table{{"a", 3}, {"b", 2}});
  CHECK_FALSE(rows.changed());
  REQUIRE(add({{"b", 0, true}, {"c", 5}, {"d", 0, true}}).ok());
  REQUIRE(add({{"a", 7}}).ok());
  CHECK(stand() == table{{"a", 7}, {"c", 5}});
  rows.clear();
  CHECK(stand() == table{});
}

TEST_CASE_FIXTURE(fixture, "a key that is NULL is an error that names its column") {
  auto failed = add({{"a", 1}, {"-", 2}});
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.err().message.find("no value of column \"k\"") != std::string::npos);
  failed = add({{"-", 2, true}});
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.err().message.find("the option key names") != std::string::npos);
}

TEST_CASE_FIXTURE(fixture, "many changes of some keys, merged as they come") {
  std::mt19937_64 g(7);
  table want;
  for (int batch = 0; batch < 60; ++batch) {
    std::vector<change> changes;
    for (int i = 0; i < 5000; ++i) {
      change c{"key " + std::to_string(g() % 3000), static_cast<int64_t>(g() % 1000), g() % 3 == 0};
      if (c.gone)
        want.erase(c.key);
      else
        want[c.key] = c.value;
      changes.push_back(std::move(c));
    }
    REQUIRE(add(changes).ok());
    if (batch % 7 == 0) CHECK(stand() == want);
  }
  CHECK(stand() == want);
}
