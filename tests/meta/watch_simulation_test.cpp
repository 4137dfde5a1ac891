// What the leader of the metadata does by its clock, over random lives of clusters: nodes die and
// come back, lose their disks, join, are drained and taken back. Whatever it decides, those who
// vote stay a majority that answers; and when all is quiet again, everything is where it belongs.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "cluster/meta/service/identity.hpp"
#include "cluster/meta/service/watch.hpp"

namespace weir::meta {
namespace {

constexpr uint64_t step_ms = 500;
constexpr uint64_t unnoticed_ms = 2'000;  // a death that is younger than this may be overlooked
constexpr uint16_t replication = 3;

class life {
 public:
  explicit life(uint64_t seed) : random_(seed) {
    const auto nodes = 3 + below(4);
    for (uint64_t i = 0; i < nodes; ++i) join();
    servers_.front().role = server_role::voter;
    settle();
    for (uint8_t i = 0; i < 3; ++i) make_topic(i);
    settle();
  }

  void disturb(int steps) {
    for (int i = 0; i < steps; ++i) {
      if (below(3) == 0) something_happens();
      step();
    }
  }
  /// Until nothing changes any more.
  void settle() {
    for (int i = 0; i < 1'000; ++i) {
      const auto before = std::pair(state_.applied(), servers_);
      for (int k = 0; k < 60; ++k) step();
      if (before == std::pair(state_.applied(), servers_)) return;
    }
    FAIL("it does not come to rest");
  }
  void start_all() {
    for (auto id : dead()) start(id);
  }
  void take_back_all() {
    for (auto id : draining()) drain(id, false);
  }

  std::vector<node_id> draining() const {
    std::vector<node_id> out;
    for (const auto& [id, n] : state_.nodes())
      if (n.draining && !lost_.contains(id)) out.push_back(id);
    return out;
  }
  /// Nodes that are drained, and all that is on the others, as it has to be at rest.
  void check_rest() const {
    size_t staying = 0;
    for (const auto& [id, n] : state_.nodes()) staying += n.takes_duties() ? 1 : 0;
    REQUIRE(staying > 0);
    for (const auto& [id, t] : state_.topics())
      for (const auto& p : t.partitions) {
        CHECK_FALSE(p.reassigning());
        CHECK(p.leader != no_node);
        size_t elsewhere = 0;
        for (auto r : p.replicas) elsewhere += state_.nodes().at(r).takes_duties() ? 0 : 1;
        // On nodes that are gone or leave only what nobody else can take.
        CHECK(elsewhere == replication - std::min<size_t>(replication, staying));
      }
    size_t votes = 0;
    for (const auto& s : servers_) {
      if (s.role != server_role::voter) continue;
      ++votes;
      const auto* n = node_of(s.id);
      if (n) CHECK_FALSE(n->draining);
    }
    CHECK(votes >= voters_wanted(staying, watch_options().voters_max));
  }

 private:
  uint64_t below(uint64_t n) { return random_() % n; }
  answer apply(command c) {
    auto done = state_.apply({{}, 0, std::move(c)});
    REQUIRE(state_.check().ok());
    return done.reply;
  }
  const node_record* node_of(server_id s) const {
    for (const auto& [id, n] : state_.nodes())
      if (server_of(n.identity) == s) return &n;
    return nullptr;
  }
  bool is_up(server_id s) const { return up_.contains(s); }
  std::vector<node_id> dead() const {
    std::vector<node_id> out;
    for (const auto& [id, n] : state_.nodes())
      if (!is_up(server_of(n.identity)) && !lost_.contains(id)) out.push_back(id);
    return out;
  }
  bool votes_are_there(server_id without = 0) const {
    size_t voters = 0, there = 0;
    for (const auto& s : servers_) {
      if (s.role != server_role::voter) continue;
      ++voters;
      there += is_up(s.id) && s.id != without ? 1 : 0;
    }
    return 2 * there > voters;
  }

  std::string shown() const {
    std::string out = "at " + std::to_string(now_) + " led by " + std::to_string(leader_);
    for (const auto& s : servers_) {
      const auto* n = node_of(s.id);
      out += "; " + std::to_string(s.id) + (s.role == server_role::voter ? " votes" : "") +
             (is_up(s.id) ? "" : " down") + (n && n->draining ? " draining" : "");
    }
    return out;
  }
  void join() {
    kafka::uuid identity;
    const auto number = ++made_;
    identity.bytes[6] = static_cast<uint8_t>(number >> 8);
    identity.bytes[7] = static_cast<uint8_t>(number);
    REQUIRE(apply(register_node{identity, "n" + std::to_string(number), "", {}}).ok());
    servers_.push_back({server_of(identity), "h:" + std::to_string(number), server_role::learner});
    up_.insert(server_of(identity));
  }
  void start(node_id id) {
    const auto& n = state_.nodes().at(id);
    up_.insert(server_of(n.identity));
    REQUIRE(apply(register_node{n.identity, n.name, n.rack, {}}).ok());
  }
  /// Not when the others could not go on: what stops then is no matter of the watch.
  void kill(node_id id, bool with_disk) {
    const auto s = server_of(state_.nodes().at(id).identity);
    if (!votes_are_there(s) || now_ < last_loss_ms_ + 5 * unnoticed_ms) return;
    if (with_disk && (lost_.size() >= 2 || has_all_of_something(id))) return;
    up_.erase(s);
    last_death_ms_ = now_;
    if (with_disk) {
      lost_.insert(id);
      last_loss_ms_ = now_;
      join();
    }
  }
  /// A partition of which nobody else alive has all.
  bool has_all_of_something(node_id id) const {
    for (const auto& [topic, t] : state_.topics())
      for (const auto& p : t.partitions)
        if (std::none_of(p.in_sync.begin(), p.in_sync.end(), [&](node_id n) {
              return n != id && is_up(server_of(state_.nodes().at(n).identity));
            }))
          return true;
    return false;
  }
  void drain(node_id id, bool on) { (void)apply(drain_node{id, on}); }
  void make_topic(uint8_t number) {
    create_topic t;
    t.name = "t" + std::to_string(number);
    t.id.bytes[0] = static_cast<uint8_t>(200 + number);
    t.partitions = static_cast<int32_t>(1 + below(6));
    t.replication = replication;
    REQUIRE(apply(t).ok());
  }
  void something_happens() {
    std::vector<node_id> living;
    for (const auto& [id, n] : state_.nodes())
      if (is_up(server_of(n.identity)) && !n.fenced) living.push_back(id);
    const auto one = living[below(living.size())];
    const auto gone = dead();
    switch (below(8)) {
      case 0:
        return kill(one, false);
      case 1:
        return below(4) == 0 ? kill(one, true) : void();
      case 2:
      case 3:
        return gone.empty() ? void() : start(gone[below(gone.size())]);
      case 4:
        return drain(one, true);
      case 5:
      case 6: {
        const auto leaving = draining();
        return leaving.empty() ? void() : drain(leaving[below(leaving.size())], false);
      }
      default:
        if (made_ < 9 && below(3) == 0) join();
    }
  }

  /// Replicas on nodes that are up get in sync, sooner or later.
  void replicate() {
    for (const auto& [id, t] : std::map(state_.topics()))
      for (size_t i = 0; i < t.partitions.size(); ++i) {
        const auto& p = t.partitions[i];
        if (p.leader == no_node || below(3) == 0) continue;
        const auto& leader = state_.nodes().at(p.leader);
        if (!is_up(server_of(leader.identity))) continue;
        alter_in_sync c{
            id, static_cast<int32_t>(i), p.leader, leader.epoch, p.leader_epoch, p.version, {}, {}};
        for (auto r : p.replicas) {
          const auto& n = state_.nodes().at(r);
          if (is_up(server_of(n.identity)) && !n.fenced) c.in_sync.push_back(r);
        }
        if (c.in_sync != p.in_sync) (void)apply(c);
      }
  }

  void step() {
    now_ += step_ms;
    replicate();
    // Who votes and is up leads; one that drains hands on.
    auto fits = [this](const server& s) { return s.role == server_role::voter && is_up(s.id); };
    auto stands = std::find_if(servers_.begin(), servers_.end(),
                               [&](const auto& s) { return s.id == leader_ && fits(s); });
    auto successor =
        stands == servers_.end() ? 0 : watch_.successor(now_, servers_, leader_, state_);
    if (!is_up(successor)) successor = 0;  // it does not take over
    const auto* leads = stands == servers_.end() ? nullptr : node_of(leader_);
    if (stands == servers_.end() || (leads && leads->draining && successor != 0)) {
      auto next = successor != 0 ? std::find_if(servers_.begin(), servers_.end(),
                                                [&](const auto& s) { return s.id == successor; })
                                 : std::find_if(servers_.begin(), servers_.end(), fits);
      REQUIRE(next != servers_.end());
      leader_ = next->id;
      watch_.begin(now_);
    }
    REQUIRE(votes_are_there());
    for (auto s : up_) watch_.heard(s, now_);
    for (auto& c : watch_.due(now_, state_)) (void)apply(c);
    for (auto s : std::set(up_))
      if (const auto* n = node_of(s); n && n->fenced)
        REQUIRE(apply(register_node{n->identity, n->name, n->rack, {}}).ok());
    for (auto& c : watch_.balance(now_, state_)) (void)apply(c);
    if (now_ < last_death_ms_ + unnoticed_ms) return;
    if (auto m = watch_.membership(now_, servers_, leader_, state_)) {
      auto s = std::find_if(servers_.begin(), servers_.end(),
                            [&](const auto& x) { return x.id == m->which; });
      REQUIRE(s != servers_.end());
      if (m->remove)
        servers_.erase(s);
      else
        s->role = m->role;
      CAPTURE(shown());
      CAPTURE(m->which);
      REQUIRE(votes_are_there());  // else nobody could agree to it, nor to anything after it
    }
  }

  std::mt19937_64 random_;
  cluster_state state_;
  configuration servers_;
  leader_watch watch_{{.balance_interval_ms = 1'000, .rebuild_delay_ms = 20'000}};
  std::set<server_id> up_;
  std::set<node_id> lost_;  // with their disks
  uint64_t made_ = 0, now_ = 10'000, last_death_ms_ = 0, last_loss_ms_ = 0;
  server_id leader_ = 0;
};

}  // namespace

TEST_CASE("watch: random lives of clusters never lose their majority, and come to rest") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    life l(seed);
    l.disturb(200);
    l.start_all();
    l.settle();
    l.check_rest();
    l.take_back_all();
    l.settle();
    CHECK(l.draining().empty());
    l.check_rest();
  }
}

}  // namespace weir::meta
