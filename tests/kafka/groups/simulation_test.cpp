// What must hold whatever happens: a partition is never owned twice, offsets never run backwards,
// members only own what the coordinator gave them; and once the world is calm, everybody has his
// share.
#include "tests/kafka/groups/simulation.hpp"

namespace weir::kafka::sim {

world::world(const settings& s) : settings_(s), random_(s.seed) {
  view_ = std::make_shared<fake_topics>();
  view_->add("t0", 5);
  view_->add("t1", 3);
  options_.initial_rebalance_delay_ms = static_cast<int32_t>(draw(2) * 500);
  options_.consumer_session_timeout_ms = 6'000;
  options_.default_assignor = draw(2) == 0 ? "uniform" : "range";
  group_ = std::make_unique<group>("g", options_, view_);
  for (int i = 0; i < s.classic_clients; ++i)
    clients_.push_back(make_classic(*this, "classic" + std::to_string(i), s.cooperative));
  for (int i = 0; i < s.consumer_clients; ++i)
    clients_.push_back(make_consumer(*this, "consumer" + std::to_string(i), std::nullopt));
  for (int i = 0; i < s.static_clients; ++i)
    clients_.push_back(make_consumer(*this, "static" + std::to_string(i), "i" + std::to_string(i)));
}

void world::take(group_effects&& out) {
  for (auto& r : out.replies) {
    const auto it = replies_.find(r.token);
    REQUIRE(it != replies_.end());  // exactly one reply for each request
    auto reply = std::move(it->second.reply);
    replies_.erase(it);
    reply(std::move(r.body));
  }
  for (auto& w : out.writes) write(std::move(w));
  const uint64_t wish = ++wakes_;  // only the last one counts
  if (out.next_wake_ms == group_effects::no_wake) return;
  at(std::max(out.next_wake_ms, now_), [this, wish] {
    if (wish != wakes_) return;
    group_effects due;
    group_->on_timer(now_, due);
    take(std::move(due));
  });
}

/// Durable after a while, in the order of the writes; or failed, and all later ones with it.
void world::write(group_write w) {
  in_flight_.insert(w.id);
  last_write_ms_ = std::max(last_write_ms_, now_ + static_cast<int64_t>(draw(40)));
  const bool fails = lossy() && chance(settings_.write_failure);
  at(last_write_ms_, [this, w = std::move(w), fails, life = coordinator_life_] {
    if (life != coordinator_life_ || in_flight_.count(w.id) == 0) return;
    if (fails) {
      ++failed_writes;
      const std::set<uint64_t> failed(in_flight_.find(w.id), in_flight_.end());
      in_flight_.erase(in_flight_.find(w.id), in_flight_.end());
      for (const uint64_t id : failed) {
        group_effects out;
        group_->on_written(id, error_code::kafka_storage_error, now_, out);
        take(std::move(out));
      }
      return;
    }
    in_flight_.erase(w.id);
    for (const auto& r : w.records) log_.push_back({r, w.producer_id});
    group_effects out;
    group_->on_written(w.id, error_code::none, now_, out);
    take(std::move(out));
    for (const auto& o : group_->committed()) {
      auto& seen = seen_offsets_[{o.topic, o.partition}];
      CHECK(o.offset >= seen);
      seen = std::max(seen, o.offset);
      ++commits;
    }
  });
}

void world::crash() {
  ++crashes;
  ++coordinator_life_;
  in_flight_.clear();
  replies_.clear();
  group_ = std::make_unique<group>("g", options_, view_);
  for (const auto& l : log_) {
    const auto value =
        l.record.value ? std::optional<std::string_view>(*l.record.value) : std::nullopt;
    REQUIRE(group_->restore(l.record.key, value, l.producer_id).ok());
  }
  group_effects out;
  group_->loaded(now_, out);
  take(std::move(out));
}

void world::churn() {
  client& c = *clients_[draw(clients_.size())];
  if (!c.alive()) {
    c.start();
  } else if (chance(0.5)) {
    c.leave();
  } else {
    c.die();
  }
}

void world::change_topics() {
  auto next = std::make_shared<fake_topics>(*view_);
  if (next->list.size() < 4 && chance(0.5)) {
    next->add("r" + std::to_string(next->list.size()), 2);
  } else {
    ++next->list[draw(2)].partitions;
  }
  view_ = next;
  group_effects out;
  group_->on_topics_changed(view_, now_, out);
  take(std::move(out));
}

int64_t world::committed(const uuid& topic, int32_t partition) const {
  const auto facts = view_->find(topic);
  if (!facts) return -1;
  for (const auto& o : group_->committed())
    if (o.topic == facts->name && o.partition == partition) return o.offset;
  return -1;
}

void world::check() {
  const auto listed = group_->listed();
  if (listed && listed->group_type != last_type_) {
    if (!last_type_.empty()) ++conversions;
    last_type_ = listed->group_type;
  }
  std::map<std::pair<uuid, int32_t>, std::pair<int32_t, const client*>> classic_owners;
  if (!listed || listed->group_type == "classic") {
    // Of one generation, no partition has two owners.
    for (const auto& c : clients_) {
      if (c->consumer_protocol()) continue;
      for (const auto& [at, position] : c->owned) {
        const auto [it, fresh] =
            classic_owners.emplace(at, std::make_pair(c->assigned_epoch(), c.get()));
        if (!fresh) CHECK(it->second.first != c->assigned_epoch());
      }
    }
    return;
  }
  // What members have in the coordinator's eyes is disjoint, and no member has more in its own.
  const auto d = group_->consumer_describe(1);
  std::map<std::pair<uuid, int32_t>, std::string> owner;
  std::map<std::string, std::set<std::pair<uuid, int32_t>>> given;
  for (const auto& m : d.members) {
    for (const auto& t : m.assignment.topic_partitions) {
      for (const int32_t p : t.partitions) {
        CHECK(owner.emplace(std::make_pair(t.topic_id, p), m.member_id).second);
        given[m.member_id].insert({t.topic_id, p});
      }
    }
  }
  for (const auto& c : clients_) {
    if (!c->alive() || c->member_id().empty()) continue;
    bool member = false;
    for (const auto& m : d.members) member = member || m.member_id == c->member_id();
    if (!member) continue;  // put out, and does not know it yet
    for (const auto& [at, position] : c->owned) {
      const auto it = owner.find(at);
      if (it != owner.end()) CHECK(it->second == c->member_id());
    }
  }
}

void world::check_end() {
  std::map<std::pair<uuid, int32_t>, int> owners;
  size_t alive = 0;
  bool classic = false;
  for (const auto& c : clients_) {
    if (!c->alive()) continue;
    ++alive;
    classic = classic || !c->consumer_protocol();
    CHECK(c->settled());
    for (const auto& [at, position] : c->owned) ++owners[at];
  }
  for (const auto& [token, q] : replies_) CHECK(now_ - q.ms < 60'000);  // nobody was forgotten
  if (alive == 0) return;
  for (const auto& t : view_->list) {
    if (t.name[0] == 'r' && classic) continue;  // only the others subscribe by pattern
    for (int32_t p = 0; p < t.partitions; ++p) CHECK(owners[{t.id, p}] == 1);
  }
  const auto listed = group_->listed();
  REQUIRE(listed);
  CHECK(listed->group_state == "Stable");
}

void world::run() {
  for (const auto& c : clients_) {
    at(static_cast<int64_t>(draw(5'000)), [p = c.get()] { p->start(); });
  }
  const int64_t end = settings_.chaos_ms + settings_.calm_ms;
  for (int64_t t = 1'000; t < settings_.chaos_ms; t += 1'000) {
    at(t, [this] {
      if (chance(settings_.crash_per_s)) crash();
      if (chance(settings_.churn_per_s)) churn();
      if (chance(0.02)) change_topics();
    });
  }
  while (!events_.empty() && events_.top().ms <= end) {
    const event e = events_.top();
    events_.pop();
    now_ = std::max(now_, e.ms);
    e.run();
    check();
  }
  check_end();
}

namespace {

void run_seeds(settings s, uint64_t first, uint64_t count) {
  size_t conversions = 0;
  size_t crashes = 0;
  size_t commits = 0;
  size_t failed = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    CAPTURE(seed);
    s.seed = seed;
    world w(s);
    w.run();
    conversions += w.conversions;
    crashes += w.crashes;
    commits += w.commits;
    failed += w.failed_writes;
  }
  // The world was as bad as it should be.
  CHECK(crashes > 0);
  CHECK(commits > 0);
  CHECK(failed > 0);
  if (s.classic_clients > 0 && s.consumer_clients > 0) CHECK(conversions > count);
}

TEST_CASE("simulation: members of the consumer protocol") {
  run_seeds({.consumer_clients = 6}, 1, 15);
}

TEST_CASE("simulation: with static members") {
  run_seeds({.consumer_clients = 3, .static_clients = 4}, 100, 15);
}

TEST_CASE("simulation: members of the classic protocol") {
  run_seeds({.classic_clients = 6}, 200, 15);
}

TEST_CASE("simulation: cooperative members of the classic protocol") {
  run_seeds({.classic_clients = 6, .cooperative = true}, 400, 15);
}

TEST_CASE("simulation: both, cooperative, in one group") {
  run_seeds({.classic_clients = 4, .cooperative = true, .consumer_clients = 4}, 500, 15);
}

TEST_CASE("simulation: both in one group") {
  run_seeds({.classic_clients = 4, .consumer_clients = 4}, 300, 15);
}

}  // namespace
}  // namespace weir::kafka::sim
