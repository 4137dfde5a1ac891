#include <doctest/doctest.h>

#include "runtime/kafka/quotas/client_quotas.hpp"

using namespace weir;
using namespace weir::kafka;

namespace {

using form = quota_name::form;

quota_name named(std::string n) {
  return {form::named, std::move(n)};
}
const quota_name any{form::by_default, {}}, none;
constexpr int64_t second = 1'000'000;

alter_client_quotas_request one(std::string type, std::optional<std::string> name, std::string key,
                                double value, bool remove = false) {
  alter_client_quotas_request r;
  auto& e = r.entries.emplace_back();
  e.entity.push_back({std::move(type), std::move(name)});
  e.ops.push_back({std::move(key), value, remove});
  return r;
}

}  // namespace

TEST_CASE("without a quota nobody waits") {
  client_quotas q;
  CHECK(q.charge(quota_kind::produce, "u", "c", 1u << 30, 0) == 0);
}

TEST_CASE("a client gets its rate over time, whatever its requests' sizes") {
  for (uint64_t bytes : {1'000u, 50'000u, 700'000u}) {
    CAPTURE(bytes);
    client_quotas q;
    q.set({{{none, named("c")}, {100'000, {}}}});
    int64_t now = 0;
    uint64_t sent = 0;
    while (now < 100 * second) {
      sent += bytes;
      now += int64_t{q.charge(quota_kind::produce, "u", "c", bytes, now)} * 1000;
    }
    // The first second's worth is there from the beginning.
    CHECK(sent >= 100 * 100'000u);
    CHECK(sent <= 102 * 100'000u + bytes);
  }
}

TEST_CASE("an idle client saves up one second's worth") {
  client_quotas q;
  q.set({{{none, named("c")}, {{}, 1000}}});
  CHECK(q.charge(quota_kind::fetch, "u", "c", 1000, 0) == 0);
  CHECK(q.charge(quota_kind::fetch, "u", "c", 500, 0) == 500);
  CHECK(q.charge(quota_kind::fetch, "u", "c", 1500, 1000 * second) == 500);
  CHECK(q.charge(quota_kind::produce, "u", "c", 1u << 30, 0) == 0);  // another kind
}

TEST_CASE("no wait is longer than the limit, and what it lets off is not charged later") {
  client_quotas q;
  q.set({{{none, any}, {10, {}}}});
  CHECK(q.charge(quota_kind::produce, "u", "c", 1u << 30, 0) == client_quotas::throttle_ms_max);
  CHECK(q.charge(quota_kind::produce, "u", "c", 1, 11 * second) == 100);
}

TEST_CASE("the most specific quota holds") {
  const std::pair<quota_entity, double> order[] = {
      {{named("u"), named("c")}, 100}, {{named("u"), any}, 200}, {{named("u"), none}, 300},
      {{any, named("c")}, 400},        {{any, any}, 500},        {{any, none}, 600},
      {{none, named("c")}, 700},       {{none, any}, 800}};
  quota_map all;
  for (const auto& [entity, rate] : order) all[entity] = {rate, {}};
  client_quotas q({900, {}});
  for (const auto& [entity, rate] : order) {
    CAPTURE(rate);
    q.set(all);
    // One byte per second more than the rate is a wait of 1000 / rate milliseconds.
    const auto bytes = static_cast<uint64_t>(2 * rate);
    CHECK(q.charge(quota_kind::produce, "u", "c", bytes, 0) == 1000);
    all.erase(entity);
  }
  q.set({});
  CHECK(q.charge(quota_kind::produce, "u", "c", 1800, 0) == 1000);
}

TEST_CASE(
    "a default gives each client a rate of its own, a user's quota is shared by his clients") {
  client_quotas q;
  q.set({{{none, any}, {100, {}}}, {{named("u"), none}, {100, {}}}});
  CHECK(q.charge(quota_kind::produce, "other", "a", 100, 0) == 0);
  CHECK(q.charge(quota_kind::produce, "other", "b", 100, 0) == 0);
  CHECK(q.charge(quota_kind::produce, "u", "a", 100, 0) == 0);
  CHECK(q.charge(quota_kind::produce, "u", "b", 100, 0) == 1000);
}

TEST_CASE("any number of client ids takes bounded memory, and those that owe are not forgotten") {
  client_quotas q;
  q.set({{{none, any}, {100, {}}}});
  for (size_t i = 0; i < client_quotas::buckets_max; ++i)
    CHECK(q.charge(quota_kind::produce, "u", "c" + std::to_string(i), 200, 0) == 1000);
  // One more: there is only the bucket that all others share.
  CHECK(q.charge(quota_kind::produce, "u", "more", 200, 0) == 1000);
  CHECK(q.charge(quota_kind::produce, "u", "still more", 100, 0) == 2000);
  CHECK(q.charge(quota_kind::produce, "u", "c7", 100, 0) == 2000);
  // Later the old ones are full again.
  CHECK(q.charge(quota_kind::produce, "u", "later", 100, 13 * second) == 0);
}

TEST_CASE("quotas are altered, described, kept") {
  quota_map quotas;
  auto change = alter_quotas(quotas, one("client-id", "c", "producer_byte_rate", 1000));
  REQUIRE(change.after);
  CHECK(change.response.entries.at(0).error_code == error_code::none);
  quotas = *change.after;
  change = alter_quotas(quotas, one("user", std::nullopt, "consumer_byte_rate", 5));
  quotas = *change.after;
  CHECK(quotas == quota_map{{{none, named("c")}, {1000, {}}}, {{any, none}, {{}, 5}}});

  auto kept = decode_quotas(encode_quotas(quotas));
  REQUIRE(kept);
  CHECK(*kept == quotas);
  auto damaged = encode_quotas(quotas);
  damaged.back() ^= 1;
  CHECK(!decode_quotas(damaged));
  CHECK(!decode_quotas("WEIR"));
  CHECK(decode_quotas(encode_quotas({}))->empty());

  describe_client_quotas_request ask;
  CHECK(describe_quotas(quotas, ask).entries->size() == 2);
  ask.components.push_back({"client-id", 0, "c"});
  auto told = describe_quotas(quotas, ask);
  REQUIRE(told.entries->size() == 1);
  CHECK(told.entries->at(0).values.at(0).key == "producer_byte_rate");
  CHECK(told.entries->at(0).values.at(0).value == 1000);
  ask.components[0] = {"user", 1, std::nullopt};
  ask.strict = true;
  CHECK(describe_quotas(quotas, ask).entries->at(0).values.at(0).value == 5);
  ask.components[0] = {"user", 2, std::nullopt};
  ask.components.push_back({"client-id", 2, std::nullopt});
  CHECK(describe_quotas(quotas, ask).entries->empty());

  quotas = *alter_quotas(quotas, one("client-id", "c", "producer_byte_rate", 0, true)).after;
  CHECK(quotas.size() == 1);
}

TEST_CASE("what is no quota is refused with a reason, and nothing changes") {
  for (auto& r :
       {one("ip", "1.2.3.4", "connection_creation_rate", 1),
        one("client-id", "c", "request_percentage", 1),
        one("client-id", "c", "producer_byte_rate", 0),
        one("client-id", "", "producer_byte_rate", 1), alter_client_quotas_request{{{}}}}) {
    auto change = alter_quotas({}, r);
    CHECK(!change.after);
    CHECK(change.response.entries.at(0).error_code == error_code::invalid_request);
    CHECK(change.response.entries.at(0).error_message.value_or("").size() > 10);
  }
  auto checked = one("client-id", "c", "producer_byte_rate", 10);
  checked.validate_only = true;
  CHECK(!alter_quotas({}, checked).after);
}
