// Fuzz target of consumer groups: the input is a log of __consumer_offsets (for each record: length
// of the key, length of the value or 0xffff for a tombstone, each 2 bytes, then both). A group is
// rebuilt from what it accepts of that, and has to work: describe itself, let members join, tick.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "runtime/kafka/groups/group.hpp"
#include "runtime/kafka/groups/records.hpp"

namespace {

using namespace weir::kafka;

struct two_topics final : topic_view {
  static uuid id(uint8_t n) {
    uuid u;
    u.bytes[15] = n;
    return u;
  }
  std::optional<topic_facts> find(std::string_view name) const override {
    if (name == "t") return topic_facts{"t", id(1), 4, false};
    if (name == "u") return topic_facts{"u", id(2), 2, false};
    return std::nullopt;
  }
  std::optional<topic_facts> find(const uuid& topic) const override {
    if (topic == id(1)) return find("t");
    if (topic == id(2)) return find("u");
    return std::nullopt;
  }
  void for_each(const std::function<void(const topic_facts&)>& visit) const override {
    visit(*find("t"));
    visit(*find("u"));
  }
};

/// Every write is durable at once.
void carry_out(group& g, group_effects out, int64_t now) {
  for (size_t i = 0; i < out.writes.size(); ++i) {
    group_effects more;
    g.on_written(out.writes[i].id, error_code::none, now, more);
    for (auto& w : more.writes) out.writes.push_back(std::move(w));
  }
}

void restore_all(group& g, std::string_view log) {
  const auto length = [&](size_t at) {
    return static_cast<size_t>(static_cast<uint8_t>(log[at]) << 8 |
                               static_cast<uint8_t>(log[at + 1]));
  };
  constexpr size_t tombstone = 0xffff;
  while (log.size() >= 4) {
    const size_t key_size = length(0);
    const bool gone = length(2) == tombstone;
    const size_t value_size = gone ? 0 : length(2);
    log.remove_prefix(4);
    if (log.size() < key_size + value_size) return;
    const auto key = log.substr(0, key_size);
    std::optional<std::string_view> value;
    if (!gone) value = log.substr(key_size, value_size);
    log.remove_prefix(key_size + value_size);
    (void)group_of_key(key);
    (void)g.restore(key, value, key_size % 5 == 0 ? 7 : -1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  group g("g", group_options{}, std::make_shared<two_topics>());
  restore_all(g, {reinterpret_cast<const char*>(data), size});
  int64_t now = 1'000'000;
  const auto with = [&](auto&& call) {
    group_effects out;
    call(out);
    carry_out(g, std::move(out), now);
  };
  with([&](group_effects& out) { g.loaded(now, out); });
  (void)g.describe(6);
  (void)g.consumer_describe(1);
  group_call c;
  c.version = 1;
  c.now_ms = now;
  consumer_group_heartbeat_request hello;
  hello.group_id = "g";
  hello.member_id = "new";
  hello.rebalance_timeout_ms = 1'000;
  hello.subscribed_topic_names = {"t", "u"};
  hello.topic_partitions.emplace();
  with([&](group_effects& out) { g.consumer_heartbeat(c, hello, out); });
  join_group_request join;
  join.group_id = "g";
  join.session_timeout_ms = 10'000;
  join.protocol_type = "consumer";
  join.protocols = {{"range", std::string("\0\0\0\0\0\1\0\1t\xff\xff\xff\xff", 13)}};
  with([&](group_effects& out) { g.join(c, join, out); });
  for (int i = 0; i < 20; ++i) {
    now += 10'000;
    with([&](group_effects& out) { g.on_timer(now, out); });
  }
  with([&](group_effects& out) { g.on_transaction_end(7, true, now, out); });
  (void)g.committed();
  return 0;
}
