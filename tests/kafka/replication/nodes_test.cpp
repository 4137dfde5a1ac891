// Three nodes' storage in one process, over real sockets on loopback: the test is their metadata
// and says who leads. Acknowledged records are where the next leader needs them, a follower that is
// gone leaves the in-sync set and comes back, and who asks the wrong node is told.
#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <thread>

#include "actors/gateway/broker.hpp"
#include "actors/gateway/listener.hpp"
#include "actors/messages.hpp"
#include "runtime/io/file.hpp"
#include "runtime/kafka/protocol/client.hpp"
#include "runtime/kafka/protocol/messages/data.hpp"
#include "tests/io/scratch.hpp"
#include "tests/log/samples.hpp"

using namespace weir;
using kafka::error_code;
using weir::test::batch_of;
using weir::test::records_of;
using weir::test::scratch_folder;
using strings = std::vector<std::string>;

namespace {

constexpr const char* topic_name = "orders";
constexpr auto patience = std::chrono::seconds(20);

kafka::uuid topic_id() {
  kafka::uuid id;
  id.bytes[0] = 7;
  id.bytes[15] = 1;
  return id;
}

template <class Condition>
bool eventually(Condition c) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!c()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

/// A node's listener for nodes: what comes here may speak as a replica.
class peer_door final : public request_handler {
 public:
  explicit peer_door(broker& b) : broker_(b) {}
  bool may_overlap(std::span<const std::byte> frame) const override {
    return broker_.may_overlap(frame);
  }
  void handle(request_ticket t) override { broker_.handle(std::move(t), true); }

 private:
  broker& broker_;
};

class group;

class test_node final : public metadata_port {
 public:
  test_node(group& g, int32_t id) : group_(g), id_(id) {}
  void start();
  void stop();
  bool up() const { return storage_ != nullptr; }
  std::string peers() const { return "127.0.0.1:" + std::to_string(peer_listener_->port()); }
  uint16_t port() const { return listener_->port(); }
  partition_actor partition() const { return storage_->directory()->partition(topic_id(), 0); }
  /// It has no replica of anything any more.
  void drop_all() const;
  void alter_in_sync(const log_id&, const kafka::in_sync_proposal&,
                     std::function<void(error_code)> done) override;
  void confirm_leader(const log_id&, int32_t leader_epoch,
                      std::function<void(error_code)> done) override;
  void hand_over(const log_id&, int32_t to) override;
  /// Nothing can be written to its disk.
  void fill_disk(bool full) { full_ = full; }
  /// Nobody makes topics here.
  void change(std::vector<kafka::topic_command>, std::chrono::milliseconds,
              std::function<void(const kafka::api_error&)> done) override {
    done({error_code::invalid_request, "there is one topic"});
  }
  void allocate_producer_ids(uint32_t, std::function<void(result<int64_t>)> done) override {
    done(int64_t{1000} * (id_ + 1));
  }
  void alter_quotas(std::string, std::function<void(const kafka::api_error&)> done) override {
    done({error_code::invalid_request, "there are no quotas"});
  }
  void watch_quotas(std::function<void(const kafka::quota_map&)>) override {}

  /// High watermark and log end.
  std::pair<int64_t, int64_t> ends() const {
    auto out = std::make_shared<std::promise<std::pair<int64_t, int64_t>>>();
    caf::anon_send(partition(), visit_message{[out](kafka::partition* p, const error*) {
                     out->set_value(p ? std::pair(p->high_watermark(), p->log_end_offset())
                                      : std::pair<int64_t, int64_t>(-1, -1));
                   }});
    return out->get_future().get();
  }

 private:
  group& group_;
  const int32_t id_;
  scratch_folder dir_;
  std::atomic<bool> full_{false};
  std::unique_ptr<file_system> disk_ = make_posix_file_system();
  std::unique_ptr<file_system> files_ =
      make_faulty_file_system(*disk_, [this](file_op op, const std::string&, uint64_t) {
        const bool takes_space = op == file_op::write || op == file_op::allocate;
        return full_ && takes_space ? file_fault::enospc : file_fault::none;
      });
  std::unique_ptr<io_executor> io_ = make_thread_executor(2);
  system_clock time_;
  std::unique_ptr<listener> listener_, peer_listener_;
  std::unique_ptr<stream_storage> storage_;
  std::unique_ptr<coordinators> coordinators_;
  std::unique_ptr<quota_desk> quotas_;
  std::unique_ptr<broker> broker_;
  std::unique_ptr<peer_door> door_;
};

/// The nodes and their metadata.
class group {
 public:
  /// `lag`: replica.lag.time.max.ms. Large where nobody is to be taken out, however slow the
  /// machine.
  explicit group(std::string lag = "60000", std::string of = topic_name)
      : lag_ms(std::move(lag)), topic(std::move(of)) {
    config.add_message_types<caf::id_block::weir>();
    config.set("scheduler.max-threads", size_t{2});
    system = std::make_unique<caf::actor_system>(config);
    role.leader = 0;
    role.leader_epoch = 1;
    role.version = 1;
    role.replicas = role.in_sync = {0, 1, 2};
    role.min_in_sync = 2;
    for (int32_t i = 0; i < 3; ++i) nodes.push_back(std::make_unique<test_node>(*this, i));
    for (auto& n : nodes) n->start();
    tell();
  }
  ~group() {
    for (auto& n : nodes) n->stop();
    nodes.clear();
    system.reset();
  }
  /// `unaware`: does not hear of it.
  void tell(int32_t unaware = -1) {
    std::lock_guard lock(m);
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (!nodes[i]->up() || static_cast<int32_t>(i) == unaware) continue;
      auto r = role;
      r.self = static_cast<int32_t>(i);
      if (r.leader >= 0 && nodes[static_cast<size_t>(r.leader)]->up())
        r.leader_address = nodes[static_cast<size_t>(r.leader)]->peers();
      caf::anon_send(nodes[i]->partition(), r);
    }
  }
  void lead(int32_t leader, std::vector<int32_t> in_sync, int32_t unaware = -1) {
    {
      std::lock_guard lock(m);
      role.leader = leader;
      ++role.leader_epoch;
      ++role.version;
      role.in_sync = std::move(in_sync);
    }
    tell(unaware);
  }
  std::vector<int32_t> in_sync() {
    std::lock_guard lock(m);
    return role.in_sync;
  }
  test_node& at(int32_t i) { return *nodes[static_cast<size_t>(i)]; }

  const std::string lag_ms;
  const std::string topic;
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  std::mutex m;
  kafka::partition_role role;
  std::vector<int32_t> handed_over;  // to whom leaders wanted to
  std::vector<std::unique_ptr<test_node>> nodes;
};

void test_node::start() {
  auto config = kafka::broker_config::make({{"replica.lag.time.max.ms", group_.lag_ms},
                                            {"replica.fetch.backoff.ms", "100"},
                                            {"node.id", std::to_string(id_)}});
  REQUIRE(config.ok());
  auto shared = std::make_shared<const kafka::broker_config>(*config);
  auto log = [](const std::string&) {};
  auto made = stream_storage::start(*group_.system, *files_, *io_, time_,
                                    {dir_.path(), shared, this, nullptr, log});
  REQUIRE(made.ok());
  auto storage = std::move(*made);
  auto topic = std::make_shared<kafka::topic_info>();
  topic->name = group_.topic;
  topic->id = topic_id();
  {
    std::lock_guard lock(group_.m);
    const auto& r = group_.role;
    auto& p = topic->partitions.emplace_back();
    p.leader = r.leader;
    p.leader_epoch = r.leader_epoch;
    p.version = r.version;
    p.replicas = r.replicas;
    p.in_sync = r.in_sync;
    topic->configs["min.insync.replicas"] = std::to_string(r.min_in_sync);
  }
  std::promise<void> published;
  topic_news_message news;
  news.everything = true;
  news.topics.push_back(std::move(topic));
  news.self = id_;
  news.published = [&published] { published.set_value(); };
  caf::anon_send(storage->topics(), std::move(news));
  published.get_future().wait();
  kafka::node_facts facts;
  facts.node_id = id_;
  facts.host = "127.0.0.1";
  facts.config = *config;
  coordinators_ = std::make_unique<coordinators>(*group_.system, *storage, facts, time_, log);
  coordinators_->start();
  auto quotas = quota_desk::open(*files_, *this, dir_.path(), *config, log);
  REQUIRE(quotas.ok());
  quotas_ = std::move(*quotas);
  broker_ = std::make_unique<broker>(*storage, *coordinators_, *quotas_, facts, time_);
  door_ = std::make_unique<peer_door>(*broker_);
  for (auto* to : {&listener_, &peer_listener_}) {
    listener_options l;
    l.address = "127.0.0.1:0";
    auto opened = listener::open(l);
    REQUIRE(opened.ok());
    *to = std::move(*opened);
  }
  listener_->start(*broker_);
  peer_listener_->start(*door_);
  std::lock_guard lock(group_.m);
  storage_ = std::move(storage);
}

void test_node::drop_all() const {
  topic_news_message news;
  news.everything = true;
  news.self = id_;
  caf::anon_send(storage_->topics(), std::move(news));
}

void test_node::stop() {
  std::unique_ptr<stream_storage> storage;
  {
    std::lock_guard lock(group_.m);
    storage = std::move(storage_);
  }
  if (!storage) return;
  listener_->stop();
  peer_listener_->stop();
  coordinators_.reset();
  CHECK(storage->close().ok());
  listener_.reset();
  peer_listener_.reset();
  door_.reset();
  broker_.reset();
  quotas_.reset();
}

void test_node::alter_in_sync(const log_id&, const kafka::in_sync_proposal& p,
                              std::function<void(error_code)> done) {
  {
    std::lock_guard lock(group_.m);
    auto& r = group_.role;
    if (r.leader != id_) return done(error_code::not_leader_or_follower);
    if (r.leader_epoch != p.leader_epoch) return done(error_code::fenced_leader_epoch);
    if (r.version != p.version) return done(error_code::invalid_update_version);
    r.in_sync = p.in_sync;
    ++r.version;
  }
  done(error_code::none);
  group_.tell();
}

void test_node::confirm_leader(const log_id&, int32_t leader_epoch,
                               std::function<void(error_code)> done) {
  bool leads = false;
  {
    std::lock_guard lock(group_.m);
    leads = group_.role.leader == id_ && group_.role.leader_epoch == leader_epoch;
  }
  done(leads ? error_code::none : error_code::not_leader_or_follower);
}

void test_node::hand_over(const log_id&, int32_t to) {
  std::lock_guard lock(group_.m);
  group_.handed_over.push_back(to);
}

struct produced {
  error_code error;
  int64_t base_offset;
  int32_t told_leader;
};

produced produce_batch(test_node& to, std::span<const std::byte> batch, int16_t acks,
                       int32_t timeout_ms) {
  auto c = kafka::client::connect("127.0.0.1", to.port());
  REQUIRE(c.ok());
  kafka::produce_request r;
  r.acks = acks;
  r.timeout_ms = timeout_ms;
  auto& t = r.topic_data.emplace_back();
  t.name = topic_name;
  auto& p = t.partition_data.emplace_back();
  p.index = 0;
  p.records = kafka::record_bytes(kafka::bytes_view(batch));
  auto a = c->request(r, 10);
  REQUIRE(a.ok());
  const auto& out = a->responses.at(0).partition_responses.at(0);
  return {out.error_code, out.base_offset, out.current_leader.leader_id};
}

produced produce(test_node& to, const strings& values, int16_t acks = -1,
                 int32_t timeout_ms = 5000) {
  // Of now: retention would take older ones.
  return produce_batch(to, batch_of(values, system_clock().now() / 1000), acks, timeout_ms);
}

/// One record of an idempotent producer.
produced produce_in_order(test_node& to, int32_t sequence, int32_t timeout_ms = 5000) {
  record_batch_options o;
  o.producer_id = 77;
  o.producer_epoch = 0;
  o.base_sequence = sequence;
  record_batch_builder b(o);
  const auto value = "number " + std::to_string(sequence);
  b.add(system_clock().now() / 1000, std::nullopt, std::as_bytes(std::span(value)));
  auto batch = b.build();
  REQUIRE(batch.ok());
  return produce_batch(to, *batch, -1, timeout_ms);
}

struct fetched {
  error_code error;
  int64_t high_watermark;
  strings records;
};

fetched fetch(test_node& from, int64_t offset, int32_t epoch = -1, int32_t replica = -1,
              int16_t version = 17) {
  auto c = kafka::client::connect("127.0.0.1", from.port());
  REQUIRE(c.ok());
  kafka::fetch_request r;
  r.max_wait_ms = 100;
  r.min_bytes = 1;
  r.max_bytes = 1 << 20;
  if (version >= 15)
    r.replica_state.replica_id = replica;
  else
    r.replica_id = replica;
  auto& t = r.topics.emplace_back();
  t.topic = topic_name;
  t.topic_id = topic_id();
  auto& p = t.partitions.emplace_back();
  p.fetch_offset = offset;
  p.current_leader_epoch = epoch;
  p.partition_max_bytes = 1 << 20;
  auto a = c->request(r, version);
  REQUIRE(a.ok());
  const auto& out = a->responses.at(0).partitions.at(0);
  fetched f{out.error_code, out.high_watermark, {}};
  if (!out.records.bytes.empty()) {
    auto records = records_of(out.records.bytes);
    REQUIRE(records.ok());
    f.records = *records;
  }
  return f;
}

/// All that consumers see.
strings all_of(test_node& from) {
  strings out;
  for (;;) {
    auto f = fetch(from, static_cast<int64_t>(out.size()));
    CAPTURE(static_cast<int>(f.error));
    CAPTURE(f.high_watermark);
    CAPTURE(out.size());
    REQUIRE(f.error == error_code::none);
    if (static_cast<int64_t>(out.size()) >= f.high_watermark) return out;
    REQUIRE(!f.records.empty());
    for (auto& r : f.records) out.push_back(std::move(r));
  }
}

}  // namespace

TEST_CASE("records that all in-sync replicas have are acknowledged, and followers serve them") {
  group g;
  REQUIRE(eventually([&] { return produce(g.at(0), {"a"}).error == error_code::none; }));
  const auto more = produce(g.at(0), {"b", "c"});
  CHECK(more.error == error_code::none);
  const auto end = more.base_offset + 2;
  // Acknowledged: durable on all three.
  for (int32_t i = 0; i < 3; ++i) CHECK(g.at(i).ends().second == end);
  for (int32_t i = 1; i < 3; ++i) {
    REQUIRE(eventually([&] { return g.at(i).ends().first == end; }));
    const auto f = fetch(g.at(i), end - 2);  // KIP-392
    CHECK(f.error == error_code::none);
    CHECK(f.records == strings{std::to_string(end - 2) + ":b", std::to_string(end - 1) + ":c"});
    // Older consumers and producers are sent to the leader.
    CHECK(fetch(g.at(i), 0, -1, -1, 10).error == error_code::not_leader_or_follower);
    const auto refused = produce(g.at(i), {"x"});
    CHECK(refused.error == error_code::not_leader_or_follower);
  }
  CHECK(fetch(g.at(0), 0, 0).error == error_code::fenced_leader_epoch);
  CHECK(fetch(g.at(0), 0, 2).error == error_code::unknown_leader_epoch);
  // A client cannot pass for a node.
  CHECK(fetch(g.at(0), 0, 1, 1).error == error_code::topic_authorization_failed);
}

TEST_CASE("a leader whose disk is full has others lead, one after the other") {
  group g;
  REQUIRE(eventually([&] { return produce(g.at(0), {"a"}).error == error_code::none; }));
  g.at(0).fill_disk(true);
  auto asked = [&g] {
    std::lock_guard lock(g.m);
    return g.handed_over;
  };
  CHECK(produce(g.at(0), {"b"}).error == error_code::kafka_storage_error);
  CHECK(asked().empty());  // it may be over in a moment
  // Clients come again.
  REQUIRE(eventually([&] {
    CHECK(produce(g.at(0), {"b"}).error == error_code::kafka_storage_error);
    return asked().size() >= 2;
  }));
  const auto to = asked();
  CHECK(to[0] == 1);
  CHECK(to[1] == 2);
  g.lead(1, {0, 1, 2});
  g.at(0).fill_disk(false);
  REQUIRE(eventually([&] { return produce(g.at(1), {"c"}).error == error_code::none; }));
  CHECK(all_of(g.at(1)) == strings{"0:a", "1:c"});
  CHECK(g.at(0).ends().second == 2);
}

TEST_CASE("a follower that is gone leaves the in-sync set, and comes back with everything") {
  group g("3000");
  REQUIRE(eventually([&] { return produce(g.at(0), {"a"}).error == error_code::none; }));
  g.at(2).stop();
  // Waits for the follower until the leader has it taken out.
  const auto r = produce(g.at(0), {"without 2"}, -1, 15'000);
  CHECK(r.error == error_code::none);
  CHECK(g.in_sync() == std::vector<int32_t>{0, 1});
  g.at(1).stop();
  CHECK(produce(g.at(0), {"too few"}, -1, 100).error == error_code::request_timed_out);
  REQUIRE(eventually([&] { return g.in_sync() == std::vector<int32_t>{0}; }));
  REQUIRE(eventually(
      [&] { return produce(g.at(0), {"refused"}).error == error_code::not_enough_replicas; }));
  CHECK(produce(g.at(0), {"here only"}, 1).error == error_code::none);
  g.at(1).start();
  g.at(2).start();
  g.tell();
  REQUIRE(eventually([&] { return g.in_sync() == std::vector<int32_t>{0, 1, 2}; }));
  const auto end = g.at(0).ends().second;
  for (int32_t i = 1; i < 3; ++i) {
    REQUIRE(eventually([&] { return g.at(i).ends().first == end; }));
    CHECK(all_of(g.at(i)) == all_of(g.at(0)));
  }
}

TEST_CASE("the next leader has what was acknowledged, and the one before loses what was not") {
  group g;
  REQUIRE(eventually([&] { return produce(g.at(0), {"a"}).error == error_code::none; }));
  const auto end = g.at(0).ends().second;
  g.at(1).stop();
  g.at(2).stop();
  // Durable on the old leader alone.
  CHECK(produce(g.at(0), {"lost"}, 1).error == error_code::none);
  CHECK(g.at(0).ends() == std::pair(end, end + 1));
  g.at(0).stop();
  g.at(1).start();
  g.at(2).start();
  g.lead(1, {1, 2});
  REQUIRE(eventually([&] { return produce(g.at(1), {"kept"}).error == error_code::none; }));
  g.at(0).start();
  g.tell();
  REQUIRE(eventually([&] { return g.in_sync() == std::vector<int32_t>{0, 1, 2}; }));
  const auto now = g.at(1).ends().second;
  REQUIRE(eventually([&] { return g.at(0).ends() == std::pair(now, now); }));
  const auto there = all_of(g.at(1));
  CHECK(all_of(g.at(0)) == there);
  CHECK(there.at(static_cast<size_t>(end)) == std::to_string(end) + ":kept");
  CHECK(produce(g.at(0), {"x"}).error == error_code::not_leader_or_follower);
}

// Consumers that name no leader epoch begin at the start of the log when they are told that their
// position is out of range.
TEST_CASE("a leader that was deposed and does not know it sends readers beyond its end away") {
  group g;
  REQUIRE(eventually([&] { return produce(g.at(0), {"a"}).error == error_code::none; }));
  const auto end = g.at(0).ends().second;
  CHECK(fetch(g.at(0), end + 2, -1, -1, 10).error == error_code::offset_out_of_range);
  g.lead(1, {1, 2}, 0);
  REQUIRE(eventually([&] { return produce(g.at(1), {"b", "c"}).error == error_code::none; }));
  const auto now = g.at(1).ends().second;
  REQUIRE(now >= end + 2);
  CHECK(g.at(0).ends().second == end);
  CHECK(fetch(g.at(0), end, -1, -1, 10).error == error_code::none);  // what it has is so
  CHECK(fetch(g.at(0), now, -1, -1, 10).error == error_code::not_leader_or_follower);
  CHECK(fetch(g.at(1), now, -1, -1, 10).error == error_code::none);
  CHECK(fetch(g.at(1), now + 1, -1, -1, 10).error == error_code::offset_out_of_range);
}

TEST_CASE("who has found a partition before it was removed is answered") {
  group g;
  const auto found = g.at(2).partition();
  const auto ask = [&found] {
    auto answered = std::make_shared<std::promise<bool>>();
    auto coming = answered->get_future();
    caf::anon_send(found, visit_message{[answered](kafka::partition* p, const error*) {
                     answered->set_value(p != nullptr);
                   }});
    REQUIRE(coming.wait_for(patience) == std::future_status::ready);
    return coming.get();
  };
  CHECK(ask());
  g.at(2).drop_all();
  REQUIRE(eventually([&] { return !g.at(2).partition(); }));
  // Before its files are gone, and after that.
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  while (std::chrono::steady_clock::now() < until) CHECK_FALSE(ask());
}

TEST_CASE("a home of groups that was deposed and does not know it tells no positions") {
  group g("60000", "__consumer_offsets");
  auto c = kafka::client::connect("127.0.0.1", g.at(0).port());
  REQUIRE(c.ok());
  const auto commit = [&] {
    kafka::offset_commit_request r;
    r.group_id = "readers";
    r.generation_id_or_member_epoch = -1;
    auto& t = r.topics.emplace_back();
    t.name = g.topic;
    auto& p = t.partitions.emplace_back();
    p.partition_index = 0;
    p.committed_offset = 41;
    auto a = c->request(r, 8);
    REQUIRE(a.ok());
    return a->topics.at(0).partitions.at(0).error_code;
  };
  const auto answer = [&](const std::string& id) {
    kafka::offset_fetch_request r;
    auto& of = r.groups.emplace_back();
    of.group_id = id;
    auto& t = of.topics.emplace().emplace_back();
    t.name = g.topic;
    t.partition_indexes = {0};
    auto a = c->request(r, 8);
    REQUIRE(a.ok());
    return a->groups.at(0);
  };
  const auto committed = [&](const std::string& id) {
    const auto out = answer(id);
    return std::pair(out.error_code, out.topics.at(0).partitions.at(0).committed_offset);
  };
  using told = std::pair<error_code, int64_t>;
  REQUIRE(eventually([&] { return commit() == error_code::none; }));
  CHECK(committed("readers") == told(error_code::none, 41));
  CHECK(committed("others") == told(error_code::none, -1));
  g.lead(1, {1, 2}, 0);
  // The new home may know of newer ones, and of groups that this one has never heard of.
  CHECK(committed("readers") == told(error_code::not_coordinator, -1));
  CHECK(committed("others") == told(error_code::not_coordinator, -1));
  // Or librdkafka before 2.12 would not ask again.
  CHECK(answer("readers").topics.at(0).partitions.at(0).error_code ==
        error_code::unstable_offset_commit);
}

TEST_CASE("what comes behind a batch that was refused with its leader's end waits for it") {
  group g;
  REQUIRE(eventually([&] { return produce_in_order(g.at(0), 0).error == error_code::none; }));
  g.at(1).stop();
  g.at(2).stop();
  const auto end = g.at(0).ends().second;
  auto refused =
      std::async(std::launch::async, [&] { return produce_in_order(g.at(0), 1, 20'000); });
  REQUIRE(eventually([&] { return g.at(0).ends().second == end + 1; }));
  g.at(1).start();
  g.at(2).start();
  g.lead(1, {1, 2});
  CHECK(refused.get().error == error_code::not_leader_or_follower);
  // Its log is cut in front of it, and it leads again before the producer has looked elsewhere.
  REQUIRE(eventually([&] { return g.at(0).ends().second == end; }));
  g.lead(0, {0, 1, 2});
  REQUIRE(eventually([&] { return produce(g.at(0), {"other"}).error == error_code::none; }));
  CHECK(produce_in_order(g.at(0), 2).error == error_code::not_leader_or_follower);
  CHECK(produce_in_order(g.at(0), 1).error == error_code::none);
  CHECK(produce_in_order(g.at(0), 2).error == error_code::none);
}

TEST_CASE("what comes to a new leader in front of what the one before has refused comes again") {
  group g;
  REQUIRE(eventually([&] { return produce_in_order(g.at(0), 0).error == error_code::none; }));
  g.lead(1, {0, 1, 2});
  REQUIRE(eventually([&] { return produce(g.at(1), {"other"}).error == error_code::none; }));
  // librdkafka: the next batches go to the new leader when the refusal of the first is on its way.
  CHECK(produce_in_order(g.at(0), 1).error == error_code::not_leader_or_follower);
  CHECK(produce_in_order(g.at(1), 2).error == error_code::not_enough_replicas);
  CHECK(produce_in_order(g.at(1), 3).error == error_code::not_enough_replicas);
  CHECK(produce_in_order(g.at(1), 1).error == error_code::none);
  CHECK(produce_in_order(g.at(1), 2).error == error_code::none);
  CHECK(produce_in_order(g.at(1), 3).error == error_code::none);
  CHECK(produce_in_order(g.at(1), 3).error == error_code::none);  // a repetition
}

TEST_CASE("refusals of a partition that a node does not have yet are kept for it") {
  early_refusals refusals;
  CHECK(refusals.take("t", 0).empty());
  refusals.note("t", 0, {77, 0, 5});
  refusals.note("t", 0, {77, 0, 9});
  refusals.note("t", 1, {78, 0, 1});
  const auto of_0 = refusals.take("t", 0);
  REQUIRE(of_0.size() == 2);
  CHECK(of_0[0].base_sequence == 5);
  CHECK(of_0[1].base_sequence == 9);
  CHECK(refusals.take("t", 0).empty());
  CHECK(refusals.take("t", 1).size() == 1);
}
