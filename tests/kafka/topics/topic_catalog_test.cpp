#include "runtime/kafka/topics/topic_catalog.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "runtime/kafka/topics/topic_config.hpp"
#include "runtime/kafka/topics/topic_name.hpp"
#include "tests/kafka/topics/support.hpp"

using namespace weir;
using namespace weir::kafka;
using namespace weir::kafka::testing;

namespace {

// Names that are equal in this form collide.
std::string folded(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

}  // namespace

TEST_CASE("topic names: Kafka's rules and texts") {
  struct row {
    std::string name;
    std::string problem;
  };
  const std::string long_name(249, 'a');
  const row rows[] = {
      {"orders", ""},
      {"Orders-2.v_1", ""},
      {"...", ""},
      {long_name, ""},
      {"", "Topic name is invalid: the empty string is not allowed"},
      {".", "Topic name is invalid: '.' is not allowed"},
      {"..", "Topic name is invalid: '..' is not allowed"},
      {long_name + "b", "Topic name is invalid: the length of '" + long_name +
                            "b' is longer than the max allowed length 249"},
      {"a b",
       "Topic name is invalid: 'a b' contains one or more characters other than ASCII "
       "alphanumerics, '.', '_' and '-'"},
      {"\xc3\xa9",
       "Topic name is invalid: '\xc3\xa9' contains one or more characters other than ASCII "
       "alphanumerics, '.', '_' and '-'"},
  };
  for (const auto& r : rows) CHECK(topic_name_problem(r.name) == r.problem);
  CHECK(is_internal_topic("__consumer_offsets"));
  CHECK(is_internal_topic("__transaction_state"));
  CHECK_FALSE(is_internal_topic("__mine"));
}

TEST_CASE("key ranges cover the key space evenly") {
  CHECK(even_key_ranges(1) == std::vector<key_range>{{0, UINT32_MAX}});
  CHECK(even_key_ranges(2) == std::vector<key_range>{{0, 0x7fffffff}, {0x80000000, UINT32_MAX}});
  auto three = even_key_ranges(3);
  CHECK(three[0].last + 1 == three[1].first);
  CHECK(three[1].last + 1 == three[2].first);
  CHECK(three[2].last == UINT32_MAX);
}

TEST_CASE("catalog: a topic from creation to deletion") {
  topic_catalog c;
  auto made = c.apply(create_topic_command{"orders", id_of(1), 3, 1234, {{"retention.ms", "5"}}});
  REQUIRE(made.ok());
  CHECK_FALSE(made.change.before);
  CHECK(made.change.after->created_ms == 1234);
  CHECK(made.change.after->partitions.size() == 3);
  CHECK(made.change.after->partitions[1].generation == 0);
  CHECK(made.change.after->partitions[1].parents.empty());
  CHECK(made.change.after->partitions[0].keys.first == 0);
  CHECK(made.change.after->partitions[2].keys.last == UINT32_MAX);
  CHECK_FALSE(made.change.after->internal);

  topic_catalog published = c;  // what a gateway reads stays as it is
  REQUIRE(c.apply(alter_topic_command{id_of(1), {{"cleanup.policy", "compact"}}}).ok());
  auto wider = c.apply(add_partitions_command{id_of(1), 5});
  REQUIRE(wider.ok());
  CHECK(wider.change.before->partitions.size() == 3);
  CHECK(wider.change.after->partitions.size() == 5);
  CHECK(wider.change.after->partitions[4].generation == 0);
  CHECK(wider.change.after->configs == config_map{{"cleanup.policy", "compact"}});
  CHECK(c.partition_count() == 5);
  CHECK(c.find("orders")->partitions.size() == 5);
  CHECK(c.find(id_of(1))->name == "orders");

  auto gone = c.apply(delete_topic_command{id_of(1)});
  REQUIRE(gone.ok());
  CHECK(gone.change.before->name == "orders");
  CHECK_FALSE(gone.change.after);
  CHECK(c.topic_count() == 0);
  CHECK(c.partition_count() == 0);
  CHECK_FALSE(c.find("orders"));
  CHECK_FALSE(c.find(id_of(1)));

  CHECK(published.find("orders")->configs == config_map{{"retention.ms", "5"}});
  CHECK(published.find("orders")->partitions.size() == 3);
  CHECK(published.topic_count() == 1);

  REQUIRE(c.apply(create_topic_command{"__consumer_offsets", id_of(2), 50, 0, {}}).ok());
  CHECK(c.find("__consumer_offsets")->internal);
}

TEST_CASE("catalog: what it refuses, with Kafka's codes and texts") {
  catalog_limits limits;
  limits.partitions_per_topic_max = 10;
  limits.partitions_max = 12;
  topic_catalog c(limits);
  REQUIRE(c.apply(create_topic_command{"a.b", id_of(1), 3, 0, {}}).ok());
  struct row {
    topic_command command;
    error_code code;
    const char* text;
  };
  const row rows[] = {
      {create_topic_command{"a.b", id_of(2), 1, 0, {}}, error_code::topic_already_exists,
       "Topic 'a.b' already exists."},
      {create_topic_command{"a_b", id_of(2), 1, 0, {}}, error_code::invalid_topic_exception,
       "Topic 'a_b' collides with existing topic: a.b"},
      {create_topic_command{"a/b", id_of(2), 1, 0, {}}, error_code::invalid_topic_exception,
       "Topic name is invalid: 'a/b' contains one or more characters other than ASCII "
       "alphanumerics, '.', '_' and '-'"},
      {create_topic_command{"x", id_of(2), 0, 0, {}}, error_code::invalid_partitions,
       "Number of partitions was set to an invalid non-positive value."},
      {create_topic_command{"x", id_of(2), 11, 0, {}}, error_code::invalid_partitions,
       "Topic 'x' with 11 partitions is over the limit of 10 for one topic: ask for fewer."},
      {create_topic_command{"x", id_of(2), 10, 0, {}}, error_code::policy_violation,
       "Topic 'x' with 10 partition(s) would bring this node to 13, over its limit of 12: delete "
       "topics or ask for fewer."},
      {create_topic_command{"x", id_of(2), 1, 0, {{"retention.ms", "never"}}},
       error_code::invalid_config,
       "Invalid value never for configuration retention.ms: Not a number of type LONG"},
      {create_topic_command{"x", id_of(2), 1, 0, {{"retention.ms", " 1"}}},
       error_code::invalid_config,
       "Invalid value  1 for configuration retention.ms: not in canonical form, which is 1"},
      {create_topic_command{"x", id_of(2), 1, 0, {{"no.such", "1"}}}, error_code::invalid_config,
       "Unknown topic config name: no.such"},
      {create_topic_command{"x", id_of(1), 1, 0, {}}, error_code::unknown_server_error,
       "Topic id AAAAAAAAAAAAAAAAAAAAAQ cannot be given to 'x': it is taken."},
      {delete_topic_command{id_of(9)}, error_code::unknown_topic_id,
       "This server does not host this topic ID: AAAAAAAAAAAAAAAAAAAACQ"},
      {alter_topic_command{id_of(9), {}}, error_code::unknown_topic_id,
       "This server does not host this topic ID: AAAAAAAAAAAAAAAAAAAACQ"},
      {alter_topic_command{id_of(1), {{"durability", "x"}}}, error_code::invalid_config,
       "Invalid value x for configuration durability: String must be one of: fsync, os"},
      {add_partitions_command{id_of(1), 3}, error_code::invalid_partitions,
       "Topic already has 3 partition(s)."},
      {add_partitions_command{id_of(1), 2}, error_code::invalid_partitions,
       "The topic a.b currently has 3 partition(s); 2 would not be an increase."},
      {add_partitions_command{id_of(1), 11}, error_code::invalid_partitions,
       "Topic 'a.b' with 11 partitions is over the limit of 10 for one topic: ask for fewer."},
  };
  for (const auto& r : rows) {
    api_error e = c.check(r.command);
    CHECK(e.code == r.code);
    CHECK(e.message == r.text);
    CHECK(c.apply(r.command).problem.message == r.text);
  }
  CHECK(c.topic_count() == 1);
  CHECK(c.partition_count() == 3);
}

TEST_CASE("catalog: random commands against a model, each change encoded and read back") {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    auto pick = [&](uint32_t n) { return static_cast<int32_t>(random() % n); };
    catalog_limits limits;
    limits.partitions_max = 200;
    topic_catalog catalog(limits);
    std::map<std::string, topic_info> model;
    std::set<std::string> keys;
    uint64_t next_id = 1;
    auto total = [&] {
      int64_t n = 0;
      for (const auto& [_, t] : model) n += static_cast<int64_t>(t.partitions.size());
      return n;
    };
    for (int step = 0; step < 400; ++step) {
      static const char* separators[] = {".", "_", "-"};
      const std::string name =
          "t" + std::to_string(pick(20)) + separators[pick(3)] + std::to_string(pick(3));
      auto known = model.find(name);
      const uuid id = known == model.end() ? id_of(1'000'000) : known->second.id;
      const int32_t n = pick(8);
      const config_map configs =
          pick(2) ? config_map{{"retention.ms", std::to_string(pick(100))}} : config_map{};
      apply_result r;
      bool expected = known != model.end();
      switch (pick(4)) {
        case 0: {
          expected = !keys.contains(folded(name)) && n > 0 && total() + n <= 200;
          r = catalog.apply(create_topic_command{name, id_of(next_id), n, step, configs});
          if (expected) {
            topic_info t{name, id_of(next_id), step, false, configs, {}};
            for (auto range : even_key_ranges(n)) t.partitions.push_back({0, 0, range, {}});
            model.emplace(name, t);
            keys.insert(folded(name));
          }
          ++next_id;
          break;
        }
        case 1:
          r = catalog.apply(delete_topic_command{id});
          if (expected) model.erase(name), keys.erase(folded(name));
          break;
        case 2:
          r = catalog.apply(alter_topic_command{id, configs});
          if (expected) known->second.configs = configs;
          break;
        default: {
          auto now = expected ? static_cast<int32_t>(known->second.partitions.size()) : 0;
          expected = expected && n > now && total() + n - now <= 200;
          r = catalog.apply(add_partitions_command{id, n});
          if (expected) {
            known->second.partitions.clear();
            for (auto range : even_key_ranges(n))
              known->second.partitions.push_back({0, 0, range, {}});
          }
        }
      }
      REQUIRE(r.ok() == expected);
      REQUIRE(catalog.topic_count() == model.size());
      REQUIRE(catalog.partition_count() == total());
    }
    auto all = catalog.sorted();
    REQUIRE(all.size() == model.size());
    size_t i = 0;
    for (const auto& [name, t] : model) {
      CHECK(*all[i++] == t);
      CHECK(catalog.find(name)->id == t.id);
      CHECK(catalog.find(t.id)->name == name);
    }
  }
}

TEST_CASE("catalog: widening a topic of several generations touches the newest only") {
  topic_info t{"orders", id_of(1), 0, false, {}, {}};
  t.partitions.push_back({0, 0, {0, UINT32_MAX}, {}});
  t.partitions.push_back({1, 0, {0, 99}, {0}});
  t.partitions.push_back({1, 0, {100, UINT32_MAX}, {0}});
  topic_catalog c;
  c.follow(t.id, std::make_shared<topic_info>(t));
  auto wider = c.apply(add_partitions_command{id_of(1), 5});
  REQUIRE(wider.ok());
  const auto& p = wider.change.after->partitions;
  CHECK(p[0] == t.partitions[0]);
  CHECK(p[1].parents == std::vector<int32_t>{0});
  CHECK(p[1].keys == key_range{0, 0x3fffffff});
  CHECK(p[4].generation == 1);
  CHECK(p[4].keys == key_range{0xc0000000, UINT32_MAX});
}
