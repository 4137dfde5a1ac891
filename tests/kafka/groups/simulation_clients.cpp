// The clients of the simulation: as real ones behave, by KIP-848 and by the classic protocol.
#include "runtime/kafka/groups/consumer_protocol.hpp"
#include "tests/kafka/groups/simulation.hpp"

namespace weir::kafka::sim {

namespace {

constexpr int64_t request_timeout_ms = 4'000;
constexpr int64_t beat_ms = 1'500;
constexpr int32_t rebalance_timeout_ms = 8'000;
constexpr int32_t session_timeout_ms = 6'000;

assignment of(const client& c) {
  assignment a;
  for (const auto& [at, position] : c.owned) a[at.first].push_back(at.second);
  normalize(a);
  return a;
}

class consumer final : public client {
 public:
  consumer(world& w, std::string name, std::optional<std::string> instance)
      : client(w, std::move(name)), instance_(std::move(instance)) {}
  bool consumer_protocol() const override { return true; }

  void start() override {
    alive_ = true;
    ++life_;
    member_id_ = name_ + "." + std::to_string(life_);
    join();
    after(1 + static_cast<int64_t>(w_.draw(500)), [this] { commit_loop(); });
  }

  void leave() override {
    auto q = request();
    q.member_epoch = instance_ && w_.chance(0.7) ? -2 : -1;
    owned.clear();
    if (!w_.lose()) {
      last_arrival_ = std::max(last_arrival_, w_.now());
      w_.at(last_arrival_, [this, q] { w_.deliver(q, 1, [](group_response) {}); });
    }
    die();
  }

 private:
  consumer_group_heartbeat_request request() const {
    consumer_group_heartbeat_request q;
    q.group_id = "g";
    q.member_id = member_id_;
    q.member_epoch = epoch_;
    q.instance_id = instance_;
    return q;
  }

  void join() {
    epoch_ = 0;
    owned.clear();
    target_.clear();
    full_ = true;
    beat();
  }

  void beat() {
    auto q = request();
    if (full_) {
      q.rebalance_timeout_ms = rebalance_timeout_ms;
      q.subscribed_topic_names = {"t0", "t1"};
      q.subscribed_topic_regex = "r.*";
    }
    if (full_ || report_) {
      auto& list = q.topic_partitions.emplace();
      for (const auto& [topic, partitions] : of(*this)) list.push_back({topic, partitions});
    }
    report_ = false;
    ask<consumer_group_heartbeat_response>(q, 1, request_timeout_ms,
                                           [this](auto* r) { answered(r); });
  }

  void answered(const consumer_group_heartbeat_response* r) {
    settled_ = false;
    if (r == nullptr || r->error_code == error_code::not_coordinator) {
      full_ = true;
      return after(100, [this] { beat(); });
    }
    switch (r->error_code) {
      case error_code::none:
        break;
      case error_code::unreleased_instance_id:
        return after(1'000, [this] { join(); });
      case error_code::fenced_instance_id:
        return die();
      default:  // fenced, unknown, or the group is gone
        return join();
    }
    full_ = false;
    epoch_ = r->member_epoch;
    if (r->assignment) {
      target_.clear();
      for (const auto& t : r->assignment->topic_partitions) target_[t.topic_id] = t.partitions;
      normalize(target_);
    }
    if (of(*this) == target_) {
      settled_ = true;
      return after(beat_ms, [this] { beat(); });
    }
    // Gives up first, takes over then, and says so.
    after(static_cast<int64_t>(w_.draw(1'000)), [this] {
      own(target_);
      report_ = true;
      beat();
    });
  }

  void commit_loop() {
    commit_some();
    after(500 + static_cast<int64_t>(w_.draw(1'000)), [this] { commit_loop(); });
  }

  std::optional<std::string> instance_;
  assignment target_;
  bool full_ = true;
  bool report_ = false;
};

/// By range it is eager: it gives up everything before it joins. A cooperative one keeps what it
/// has, tells so, and joins once more when it had to give something up.
class classic final : public client {
 public:
  classic(world& w, std::string name, bool cooperative)
      : client(w, std::move(name)), cooperative_(cooperative) {}
  bool consumer_protocol() const override { return false; }

  void start() override {
    alive_ = true;
    ++life_;
    member_id_.clear();
    lose_all();
    join();
    after(1 + static_cast<int64_t>(w_.draw(500)), [this] { commit_loop(); });
  }

  void leave() override {
    leave_group_request q;
    q.group_id = "g";
    q.members.push_back({member_id_, std::nullopt, std::nullopt});
    owned.clear();
    if (!w_.lose() && !member_id_.empty()) {
      last_arrival_ = std::max(last_arrival_, w_.now());
      w_.at(last_arrival_, [this, q] { w_.deliver(q, 5, [](group_response) {}); });
    }
    die();
  }

 private:
  using claims = std::map<std::pair<std::string, int32_t>, std::pair<int32_t, std::string>>;

  void lose_all() {
    owned.clear();
    epoch_ = assigned_epoch_ = -1;
  }

  void join() {
    if (!cooperative_) lose_all();
    settled_ = false;
    join_group_request q;
    q.group_id = "g";
    q.session_timeout_ms = session_timeout_ms;
    q.rebalance_timeout_ms = rebalance_timeout_ms;
    q.member_id = member_id_;
    q.protocol_type = "consumer";
    consumer_protocol_subscription s;
    s.topics = {"t0", "t1"};
    s.generation_id = assigned_epoch_;
    for (const auto& [topic, partitions] : of(*this))
      if (const auto facts = w_.topics().find(topic))
        s.owned_partitions.push_back({std::string(facts->name), partitions});
    q.protocols = {{cooperative_ ? "cooperative" : "range", membership::encode_record_part(s, 2)}};
    ask<join_group_response>(q, 9, rebalance_timeout_ms + request_timeout_ms,
                             [this](auto* r) { joined(r); });
  }

  void rejoin(error_code e) {
    if (e == error_code::unknown_member_id || e == error_code::inconsistent_group_protocol)
      member_id_.clear();
    if (e != error_code::rebalance_in_progress && e != error_code::not_coordinator) lose_all();
    settled_ = false;
    after(50 + static_cast<int64_t>(w_.draw(100)), [this] { join(); });
  }

  void joined(const join_group_response* r) {
    if (r == nullptr) return join();
    if (r->error_code == error_code::member_id_required) {
      member_id_ = r->member_id;
      return join();
    }
    if (r->error_code != error_code::none) return rejoin(r->error_code);
    member_id_ = r->member_id;
    epoch_ = r->generation_id;
    ++w_.rebalances;
    sync_group_request q;
    q.group_id = "g";
    q.member_id = member_id_;
    q.generation_id = epoch_;
    leads_ = r->leader == member_id_;
    seen_ = partitions();
    if (leads_) assign(*r, q);
    ask<sync_group_response>(q, 5, rebalance_timeout_ms + request_timeout_ms,
                             [this](auto* s) { synced(s); });
  }

  /// In turn; what another has it must give up first, and the one who will get it waits.
  void assign(const join_group_response& r, sync_group_request& q) {
    claims claimed;
    for (const auto& m : r.members) {
      const auto s = membership::parse_subscription(m.metadata);
      for (const auto& t : s->owned_partitions) {
        for (const int32_t p : t.partitions) {
          auto& claim = claimed[{t.topic, p}];
          if (claim.second.empty() || claim.first < s->generation_id)
            claim = {s->generation_id, m.member_id};
        }
      }
    }
    std::map<std::string, consumer_protocol_assignment> given;
    size_t next = 0;
    for (const char* topic : {"t0", "t1"}) {
      const auto facts = w_.topics().find(std::string_view(topic));
      for (int32_t p = 0; facts && p < facts->partitions; ++p) {
        const std::string& to = r.members[next++ % r.members.size()].member_id;
        const auto claim = claimed.find({topic, p});
        if (claim != claimed.end() && claim->second.second != to) continue;
        auto& a = given[to].assigned_partitions;
        if (a.empty() || a.back().topic != topic) a.push_back({topic, {}});
        a.back().partitions.push_back(p);
      }
    }
    for (const auto& m : r.members)
      q.assignments.push_back({m.member_id, membership::encode_record_part(given[m.member_id], 1)});
  }

  void synced(const sync_group_response* r) {
    if (r == nullptr) return join();
    if (r->error_code != error_code::none) return rejoin(r->error_code);
    const auto a = membership::parse_assignment(r->assignment);
    const assignment target =
        a ? membership::to_assignment(a->assigned_partitions, w_.topics()) : assignment{};
    const bool gives_up = !is_subset(of(*this), target);
    own(target);
    assigned_epoch_ = epoch_;
    if (gives_up) return join();
    settled_ = true;
    after(beat_ms, [this] { beat(); });
  }

  void beat() {
    heartbeat_request q;
    q.group_id = "g";
    q.member_id = member_id_;
    q.generation_id = epoch_;
    ask<heartbeat_response>(q, 4, request_timeout_ms, [this](auto* r) {
      // A leader rejoins when topics changed, so that all is assigned anew.
      if (leads_ && seen_ != partitions()) return join();
      if (r == nullptr || r->error_code == error_code::none)
        return after(r == nullptr ? 100 : beat_ms, [this] { beat(); });
      rejoin(r->error_code);
    });
  }

  std::vector<int32_t> partitions() const {
    std::vector<int32_t> counts;
    for (const char* topic : {"t0", "t1"})
      counts.push_back(w_.topics().find(std::string_view(topic))->partitions);
    return counts;
  }

  void commit_loop() {
    commit_some();
    after(500 + static_cast<int64_t>(w_.draw(1'000)), [this] { commit_loop(); });
  }

  bool cooperative_;
  bool leads_ = false;
  std::vector<int32_t> seen_;
};

}  // namespace

void client::own(const assignment& target) {
  std::map<std::pair<uuid, int32_t>, int64_t> next;
  for (const auto& [topic, partitions] : target) {
    for (const int32_t p : partitions) {
      const auto it = owned.find({topic, p});
      next[{topic, p}] = it != owned.end() ? it->second : w_.committed(topic, p) + 1;
    }
  }
  owned = std::move(next);
}

/// Commits every partition that it has, one further; goes beside the one request at a time, but
/// over the same connection.
void client::commit_some() {
  if (owned.empty() || member_id_.empty() || w_.lose()) return;
  offset_commit_request q;
  q.group_id = "g";
  q.member_id = member_id_;
  q.generation_id_or_member_epoch = epoch_;
  for (auto& [at, position] : owned) {
    const auto facts = w_.topics().find(at.first);
    if (!facts) continue;
    auto& t = q.topics.emplace_back();
    t.name = facts->name;
    auto& p = t.partitions.emplace_back();
    p.partition_index = at.second;
    p.committed_offset = position++;
  }
  last_arrival_ = std::max(last_arrival_, w_.now() + static_cast<int64_t>(w_.draw(30)));
  w_.at(last_arrival_, [this, q] { w_.deliver(q, 9, [](group_response) {}); });
}

std::unique_ptr<client> make_consumer(world& w, std::string name,
                                      std::optional<std::string> instance) {
  return std::make_unique<consumer>(w, std::move(name), std::move(instance));
}

std::unique_ptr<client> make_classic(world& w, std::string name, bool cooperative) {
  return std::make_unique<classic>(w, std::move(name), cooperative);
}

}  // namespace weir::kafka::sim
