// The world around the nodes: time, network, metadata, what goes wrong, and the judge.
#include <algorithm>

#include "sim.hpp"

namespace weir::kafka::sim {

namespace {

constexpr int64_t ms = 1000;
constexpr int64_t run_us = 4000 * ms;
constexpr int64_t heal_us = 6000 * ms;

bool contains(const std::vector<int32_t>& v, int32_t n) {
  return std::find(v.begin(), v.end(), n) != v.end();
}

/// What must be the same wherever a batch stands below a high watermark: all of it.
std::string text_of(record_batch_view b) {
  const auto bytes = b.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

cluster::cluster(uint64_t seed, bool tell, bool deletes)
    : random_(seed),
      life_(seed % 5 == 4   ? life::unsynced
            : seed % 5 == 3 ? life::damaged
                            : life::unnoticed),
      late_(seed % 3 == 0 ? 150 : 0),
      tell_(tell),
      deletes_(deletes) {
  const auto count = static_cast<int32_t>(3 + roll(3));
  meta_.leader = 0;
  meta_.leader_epoch = 1;
  meta_.version = 1;
  meta_.min_in_sync = 1 + static_cast<int32_t>(roll(2));
  loss_ = static_cast<int>(roll(3) * 30);
  doubled_ = static_cast<int>(roll(3) * 30);
  delay_max_us_ = roll(4) == 0 ? 40 * ms : 3 * ms;
  for (int32_t i = 0; i < count; ++i) {
    nodes_.push_back(std::make_unique<node>(*this, i, random_()));
    nodes_.back()->skew_ms = static_cast<int64_t>(roll(2000)) - 1000;
    meta_.replicas.push_back(i);
  }
  meta_.in_sync = meta_.replicas;
  for (auto& n : nodes_) {
    fenced_.insert(n->id());  // its start is no loss to anybody
    n->start();
    fenced_.erase(n->id());
  }
  for (int i = 0; i < 4; ++i) {
    auto c = std::make_unique<client>();
    c->pid = 10 + i;
    c->transactional = i == 3;
    c->acks = i == 2 ? 1 : -1;
    clients_.push_back(std::move(c));
  }
}

void broken(const std::string& what) {
  std::fprintf(stderr, "BROKEN: %s\n", what.c_str());
  std::fflush(nullptr);
  std::abort();
}

void cluster::say(const std::string& text) {
  if (tell_) std::printf("%8.3f %s\n", static_cast<double>(now_) / 1e6, text.c_str());
}

void cluster::after(int64_t us, std::function<void()> f) {
  events_.push({now_ + us, next_event_++, std::move(f)});
}

void cluster::send(int32_t from, int32_t to, std::function<void()> f) {
  // At the end who is far behind has to come back in bounded time.
  const int64_t slowest = quiet_ ? ms : delay_max_us_;
  const auto delay = [this, slowest] { return static_cast<int64_t>(roll(slowest)) + 50; };
  if (!quiet_) {
    if (cut_.contains({from, to}) || roll(1000) < static_cast<uint64_t>(loss_)) return;
    if (roll(1000) < static_cast<uint64_t>(doubled_)) after(delay() * 5, f);
  }
  after(delay(), std::move(f));
}

// ---- The metadata: node -1 on the network. ----

void cluster::change(partition_role next) {
  if (next.leader != meta_.leader) {
    ++next.leader_epoch;
    ++elections;
  }
  ++next.version;
  meta_ = std::move(next);
  if (tell_) {
    std::string in;
    for (int32_t n : meta_.in_sync) in += " " + std::to_string(n);
    say("version " + std::to_string(meta_.version) + ": leader " + std::to_string(meta_.leader) +
        " in epoch " + std::to_string(meta_.leader_epoch) + ", in sync" + in);
  }
  tell_roles();
}

/// Meant for the process that runs now: one that was started later asks again.
void cluster::tell_roles() {
  for (auto& n : nodes_)
    send(-1, n->id(), [&to = *n, role = meta_, life = n->incarnation()]() mutable {
      role.self = to.id();
      role.leader_address = "sim";
      if (to.incarnation() == life) to.take_role(role);
    });
}

/// As cluster/meta has it: whoever registers leads nothing and is in no in-sync set but one that it
/// is alone in.
partition_role cluster::registered(int32_t id) {
  auto next = meta_;
  if (!fenced_.contains(id)) {
    if (next.in_sync.size() > 1) std::erase(next.in_sync, id);
    if (next.leader == id) next.leader = no_node;
    if (!(next == meta_)) change(std::move(next));
  }
  fenced_.erase(id);
  elect();
  auto role = meta_;
  role.self = id;
  role.leader_address = "sim";
  return role;
}

/// Everybody is up and in sync: one may be lost.
bool cluster::whole() const {
  return meta_.in_sync.size() == nodes_.size() &&
         std::all_of(nodes_.begin(), nodes_.end(), [](const auto& n) { return n->up(); });
}

void cluster::alter(int32_t from, uint64_t incarnation, in_sync_proposal p) {
  auto answer = [this, from, incarnation, proposal = p.number](error_code e) {
    send(-1, from, [this, from, incarnation, proposal, e] {
      if (at(from).up() && at(from).incarnation() == incarnation)
        at(from).alter_answered(proposal, e);
    });
  };
  const auto number = p.number;
  const int64_t slow = late_ > 0 && !quiet_ && roll(1000) < static_cast<uint64_t>(late_)
                           ? static_cast<int64_t>(roll(600)) * ms
                           : 0;
  // A repetition on the network is known to be one: sessions number their requests.
  send(from, -1,
       [this, from, incarnation, p = std::move(p), answer, slow,
        taken = std::make_shared<bool>(false)] {
         if (std::exchange(*taken, true)) return;
         after(slow, [this, from, incarnation, p, answer] {
           // A process that was replaced is not heard any more: what it asks for its successor does
           // not know of.
           if (meta_.leader != from || fenced_.contains(from) ||
               at(from).incarnation() != incarnation)
             return answer(error_code::not_leader_or_follower);
           if (meta_.leader_epoch != p.leader_epoch) return answer(error_code::fenced_leader_epoch);
           if (meta_.version != p.version) return answer(error_code::invalid_update_version);
           for (size_t i = 0; i < p.in_sync.size(); ++i) {
             const int32_t n = p.in_sync[i];
             if (fenced_.contains(n)) return answer(error_code::ineligible_replica);
             // KIP-903: a process that was replaced has fetched.
             if (!contains(meta_.in_sync, n) && p.incarnations[i] >= 0 &&
                 static_cast<uint64_t>(p.incarnations[i]) != at(n).incarnation())
               return answer(error_code::ineligible_replica);
           }
           SIM_CHECK(contains(p.in_sync, from), "a leader leaves the in-sync set");
           auto next = meta_;
           next.in_sync = p.in_sync;
           change(std::move(next));
           answer(error_code::none);
         });
       });
  // Who gets no answer in time is told so.
  after(150 * ms, [this, from, incarnation, proposal = number] {
    if (at(from).up() && at(from).incarnation() == incarnation)
      at(from).alter_answered(proposal, error_code::request_timed_out);
  });
}

/// Whoever is fenced leads nothing and is in no in-sync set but one that it is alone in.
void cluster::elect() {
  auto next = meta_;
  std::erase_if(next.in_sync,
                [&](int32_t n) { return fenced_.contains(n) && next.in_sync.size() > 1; });
  if (next.in_sync.empty()) next.in_sync = {meta_.in_sync.back()};
  if (next.leader == no_node || !contains(next.in_sync, next.leader) ||
      fenced_.contains(next.leader)) {
    next.leader = no_node;
    for (int32_t n : next.in_sync)
      if (!fenced_.contains(n)) next.leader = n;
  }
  if (!(next == meta_)) change(std::move(next));
}

// ---- What goes wrong. ----

void cluster::trouble() {
  if (quiet_) return;
  after(static_cast<int64_t>(roll(150)) * ms, [this] { trouble(); });
  auto& n = *nodes_[roll(nodes_.size())];
  switch (roll(10)) {
    case 0:
    case 1:
    case 2: {
      if (!n.up() || (may_lose() && !whole())) break;
      say("node " + std::to_string(n.id()) + " crashes");
      n.crash();
      ++crashes;
      if (life_ == life::damaged && roll(2) == 0) n.damage_disk();
      // The metadata notices, unless it is back sooner.
      after(static_cast<int64_t>(20 + roll(100)) * ms, [this, &n] {
        if (n.up()) return;
        fenced_.insert(n.id());
        elect();
      });
      after(static_cast<int64_t>(10 + roll(400)) * ms, [this, &n] {
        if (n.up()) return;
        say("node " + std::to_string(n.id()) + " starts");
        n.start();
        after(5 * ms, [this, &n] {
          fenced_.erase(n.id());
          elect();
          tell_roles();
        });
      });
      break;
    }
    case 3:
    case 4: {  // a link, one way or both
      const auto a = n.id();
      const auto b = static_cast<int32_t>(roll(nodes_.size() + 1)) - 1;
      if (a == b) break;
      cut_.insert({a, b});
      const bool both = roll(2) == 0;
      if (both) cut_.insert({b, a});
      after(static_cast<int64_t>(roll(500)) * ms, [this, a, b] {
        cut_.erase({a, b});
        cut_.erase({b, a});
      });
      break;
    }
    case 5: {  // taken for dead though it lives, and goes on for a while
      // With one lost, giving up the others would leave it as the last one in sync.
      if (!n.up() || (may_lose() && !whole())) break;
      fenced_.insert(n.id());
      elect();
      after(static_cast<int64_t>(roll(300)) * ms, [this, &n] {
        if (!n.up()) return;
        if (may_lose())
          registered(n.id());
        else
          fenced_.erase(n.id());
        elect();
      });
      break;
    }
    case 6: {  // leadership is moved
      if (meta_.leader == no_node || fenced_.contains(n.id()) || !contains(meta_.in_sync, n.id()))
        break;
      auto next = meta_;
      next.leader = n.id();
      if (!(next == meta_)) change(std::move(next));
      break;
    }
    case 7:
      n.skew_ms += static_cast<int64_t>(roll(200));
      break;
    case 8: {  // some of the oldest records are deleted
      if (!deletes_ || meta_.leader == no_node || roll(2) == 0) break;
      auto& leader = at(meta_.leader);
      if (!leader.up() || !leader.held()->leads()) break;
      const int64_t start = leader.held()->log_start_offset();
      // What producers may repeat stays, and what tells that it is a repetition.
      int64_t most = leader.held()->last_stable_offset();
      for (const auto& c : clients_)
        if (c->acks == -1) most = std::min(most, last_of_[c->pid]);
      if (most <= start) break;
      const auto some = static_cast<uint64_t>(most - start);
      leader.delete_records(start + static_cast<int64_t>(roll(some) + 1));
      break;
    }
    default:
      break;
  }
}

void cluster::beat() {
  for (auto& n : nodes_) n->tick();
  tell_roles();
  after(20 * ms, [this] { beat(); });
}

// ---- The judge. ----

void cluster::judge(int32_t id, record_batch_view batch) {
  auto [it, fresh] = truth_.try_emplace(batch.base_offset(), seen_batch{text_of(batch)});
  SIM_CHECK(fresh || it->second.what == text_of(batch),
            "node " + std::to_string(id) + " has another batch at offset " +
                std::to_string(batch.base_offset()) + " below its high watermark");
}

void cluster::acknowledged(const client& c, const client::sent& s, verdict v) {
  if (c.acks != -1) return;
  ++acknowledged_batches;
  SIM_CHECK(truth_.contains(v.base_offset),
            "acknowledged at offset " + std::to_string(v.base_offset) + " and not committed");
  last_of_[c.pid] = std::max(last_of_[c.pid], v.base_offset);
  auto [it, fresh] = acknowledged_.try_emplace(s.value, v.base_offset);
  SIM_CHECK(fresh || it->second == v.base_offset, s.value + " was acknowledged at two offsets");
}

void cluster::run() {
  tell_roles();
  beat();
  trouble();
  for (auto& c : clients_) step(*c);
  while (!events_.empty() && now_ < run_us + heal_us) {
    auto e = events_.top();
    events_.pop();
    now_ = e.at;
    if (!quiet_ && now_ > run_us) {
      say("everything heals");
      quiet_ = true;
      cut_.clear();
      for (auto& n : nodes_)
        if (!n->up()) n->start();
      fenced_.clear();
      elect();
    }
    e.run();
  }
  check_end();
}

void cluster::check_end() {
  for (const auto& c : clients_)
    SIM_CHECK(c->open.empty() && !c->marking,
              "producer " + std::to_string(c->pid) + " does not come to an end");
  SIM_CHECK(meta_.in_sync.size() == nodes_.size(), "not all replicas come back in sync");
  auto& leader = *at(meta_.leader).held();
  SIM_CHECK(leader.log_start_offset() >= deleted_, "what was deleted is there");
  std::vector<producer_description> producers = leader.describe_producers();
  for (auto& n : nodes_) {
    auto& p = *n->held();
    const auto who = "node " + std::to_string(n->id());
    SIM_CHECK(p.log_end_offset() == leader.log_end_offset(), who + " ends elsewhere");
    // Later, if it has led and its deletion was not answered.
    SIM_CHECK(p.log_start_offset() >= leader.log_start_offset(), who + " has what was deleted");
    SIM_CHECK(p.high_watermark() == p.log_end_offset(), who + " does not know that all is there");
    SIM_CHECK(p.last_stable_offset() == leader.last_stable_offset(), who + " has another LSO");
    const auto theirs = p.describe_producers();
    // Who was restarted does not know of what was deleted.
    SIM_CHECK(theirs.size() == producers.size() || deletions > 0, who + " knows other producers");
    for (const auto& one : theirs)
      for (const auto& other : producers)
        SIM_CHECK(one.producer_id != other.producer_id ||
                      (one.producer_epoch == other.producer_epoch &&
                       one.transaction_first_offset == other.transaction_first_offset &&
                       (one.last_sequence == other.last_sequence ||
                        (deletions > 0 && (one.last_sequence < 0 || other.last_sequence < 0)))),
                  who + " knows something else of producer " + std::to_string(one.producer_id));
  }
  // The whole of the log: each batch once, in its producer's order, the acknowledged where it was
  // said.
  std::map<std::pair<int64_t, int16_t>, int32_t> next_sequences;
  std::map<std::string, int64_t> at_offset;
  int64_t offset = 0;
  record_reader reader;
  for (const auto& [base, seen] : truth_) {
    SIM_CHECK(base == offset, "there is a gap in front of offset " + std::to_string(base));
    auto b =
        verify_batch(std::as_bytes(std::span(seen.what)), {batch_origin::log, segment_bytes_max});
    SIM_CHECK(b.ok(), "a batch does not verify");
    offset = b->next_offset();
    if (b->is_control() || !b->has_producer()) continue;
    auto& next_sequence = next_sequences[{b->producer_id(), b->producer_epoch()}];
    SIM_CHECK(b->base_sequence() == next_sequence,
              "producer " + std::to_string(b->producer_id()) + " has sequence " +
                  std::to_string(b->base_sequence()) + " at offset " + std::to_string(base) +
                  " where " + std::to_string(next_sequence) + " is the next");
    next_sequence += b->record_count();
    SIM_CHECK(reader.open(*b).ok(), "a batch cannot be read");
    record r;
    auto more = reader.next(r);
    SIM_CHECK(more.ok() && *more, "a batch has no record");
    at_offset[{reinterpret_cast<const char*>(r.value->data()), r.value->size()}] = base;
  }
  SIM_CHECK(offset == leader.log_end_offset(), "not all of the log was compared");
  for (const auto& [value, at_base] : acknowledged_) {
    auto found = at_offset.find(value);
    SIM_CHECK(found != at_offset.end(), value + " was acknowledged and is lost");
    SIM_CHECK(found->second == at_base, value + " is not where it was acknowledged");
  }
}

}  // namespace weir::kafka::sim
