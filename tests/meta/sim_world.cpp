#include "tests/meta/sim_world.hpp"

#include <cstdio>

#include "tests/meta/sim_host.hpp"

namespace weir::meta {
namespace {

constexpr uint64_t disturbed_ms = 12'000;
constexpr uint64_t healing_ms = 90'000;  // far more than elections and snapshots take
constexpr size_t clients_count = 3;

}  // namespace

sim_world::sim_world(const sim_options& o)
    : options_(o), random_(o.seed), maker_(o.seed ^ 0x9e3779b97f4a7c15) {}
sim_world::~sim_world() = default;

void sim_world::at(uint64_t delay_ms, std::function<void()> what) {
  events_.emplace(std::pair(now_ + delay_ms, ++order_), std::move(what));
}

void sim_world::note(const std::string& what) {
  out_.trace = (out_.trace ^ crc32c(static_cast<uint32_t>(now_), std::as_bytes(std::span(what)))) *
               0x100000001b3;
  if (options_.verbose)
    std::printf("%8llu %s\n", static_cast<unsigned long long>(now_), what.c_str());
}

bool sim_world::run_until(uint64_t end, const std::function<bool()>& done) {
  while (!events_.empty() && check_.failure().empty()) {
    auto first = events_.begin();
    if (first->first.first > end) break;
    now_ = first->first.first;
    auto what = std::move(first->second);
    events_.erase(first);
    what();
    if (done && done()) return true;
  }
  return false;
}

sim_outcome sim_world::run() {
  make_hosts();
  for (size_t i = 0; i < clients_count; ++i) clients_.push_back({maker_.make_id()});
  for (auto& c : clients_) begin(c);
  keep_disturbing();
  run_until(disturbed_ms, nullptr);
  heal();
  std::vector<uint64_t> before;
  for (const auto& c : clients_) before.push_back(c.done);
  auto all_went_on = [&] {
    for (size_t i = 0; i < clients_.size(); ++i)
      if (clients_[i].done < before[i] + 2) return false;
    return true;
  };
  if (!run_until(now_ + healing_ms, all_went_on) && check_.failure().empty())
    check_.fail("no progress after healing");
  clients_go_on_ = false;
  if (check_.failure().empty() && !run_until(now_ + healing_ms, [&] { return converged(); }) &&
      check_.failure().empty())
    check_.fail("the servers do not come to the same state after healing");
  out_.failure = check_.failure();
  if (options_.verbose) print_hosts();
  out_.entries = check_.entries();
  out_.leaders = check_.leaders();
  note("end " + std::to_string(check_.acknowledged()) + " " + std::to_string(out_.entries));
  return out_;
}

void sim_world::print_hosts() {
  for (const auto& [id, h] : hosts_) {
    if (!h->node) {
      std::printf("server %d is down\n", static_cast<int>(id));
      continue;
    }
    const consensus_node& n = *h->node;
    std::printf("server %d: role %d, term %d, leader %d, commit %d, applied %d, last %d, members",
                static_cast<int>(id), static_cast<int>(n.role()), static_cast<int>(n.term()),
                static_cast<int>(n.leader()), static_cast<int>(n.commit_index()),
                static_cast<int>(n.applied_index()), static_cast<int>(n.last_index()));
    for (const auto& m : n.members())
      std::printf(" %d:%d", static_cast<int>(m.id), static_cast<int>(m.role));
    std::printf("\n");
  }
}

// Every member is where the leader is, with the same state.
bool sim_world::converged() {
  for (const auto& c : clients_)
    if (c.waits) return false;
  host* l = leader();
  if (!l) return false;
  const log_index commit = l->node->commit_index();
  const std::string state = l->state->inner.state().snapshot();
  for (const auto& m : l->node->members()) {
    if (m.role == server_role::spare) continue;
    const host& h = *hosts_.at(m.id);
    if (!h.node || h.node->applied_index() != commit) return false;
    if (h.state->inner.state().snapshot() != state)
      check_.fail("server " + std::to_string(h.id) + " ends in another state than the leader");
  }
  if (commit < check_.acknowledged()) check_.fail("an acknowledged entry is lost");
  return true;
}

// --- clients

void sim_world::begin(client& c) {
  if (!clients_go_on_) return;
  c.reads = chance(0.2);
  c.acknowledged_before = check_.acknowledged();
  c.waits = true;
  if (!c.reads) {
    static const cluster_state nothing;
    host* h = random_host(true);
    c.bytes =
        encode_request({c.id, ++c.number, maker_.make(h ? h->state->inner.state() : nothing)});
  }
  ask(c);
}

void sim_world::ask(client& c) {
  const size_t me = static_cast<size_t>(&c - clients_.data());
  const uint64_t attempt = ++c.attempt;
  host* to = nullptr;
  if (auto it = hosts_.find(c.hint); it != hosts_.end() && chance(0.8)) to = it->second.get();
  if (!to) to = random_host(true);
  c.hint = 0;
  if (to && !chance(loss_)) at(latency(), [this, to, me, attempt] { asked(*to, me, attempt); });
  at(200 + below(800), [this, me, attempt] {
    if (clients_[me].waits && clients_[me].attempt == attempt) ask(clients_[me]);
  });
}

void sim_world::asked(host& h, size_t who, uint64_t attempt) {
  const client& c = clients_[who];
  if (!h.node || c.attempt != attempt) return;
  const ticket t = ++last_ticket_;
  h.asked[t] = {who, attempt};
  admission a = c.reads ? h.node->confirm(t) : h.node->propose(t, c.bytes);
  if (a != admission::accepted) {
    h.asked.erase(t);
    at(latency(), [this, who, attempt, leader = h.node->leader()] {
      client& back = clients_[who];
      if (!back.waits || back.attempt != attempt) return;
      back.hint = leader;
      if (leader != 0) ask(back);
    });
  }
  pump(h);
}

void sim_world::answered(size_t who, uint64_t attempt, proposal_reply r, log_index) {
  client& c = clients_[who];
  if (!c.waits || c.attempt != attempt) return;
  if (r.outcome != proposal_outcome::done) return ask(c);
  if (!c.reads) {
    check_.acknowledge(c.id, c.number, r.reply, c.acknowledged_before);
    ++out_.acknowledged;
    note("done " + std::to_string(who) + " " + std::to_string(c.number));
  }
  c.waits = false;
  ++c.done;
  at(below(100), [this, who] { begin(clients_[who]); });
}

// --- what goes wrong

void sim_world::keep_disturbing() {
  if (!disturbing_) return;
  disturb();
  at(50 + below(900), [this] { keep_disturbing(); });
}

void sim_world::disturb() {
  switch (below(12)) {
    case 0:
    case 1:
      if (host* h = random_host(true)) {
        crash(*h);
        at(50 + below(3000), [this, h] { start(*h); });
      }
      break;
    case 2:
      if (host* l = leader()) {
        crash(*l);
        at(50 + below(1500), [this, l] { start(*l); });
      }
      break;
    case 3:
    case 4:
      cut_links();
      break;
    case 5:
    case 6:
      cut_.clear();
      note("links back");
      break;
    case 7:
      loss_ = chance(0.5) ? 0 : 0.3 * chance(0.5) + 0.05;
      doubled_ = chance(0.5) ? 0 : 0.2;
      late_ = chance(0.5) ? 0 : 0.1;
      disk_errors_ = chance(0.8) ? 0 : 0.01;
      break;
    case 8:
      if (host* h = random_host(true)) h->disk_ms = chance(0.3) ? 300 : 1 + below(10);
      break;
    case 9:
    case 10:
      change_members();
      break;
    default:
      if (host* l = leader()) {
        (void)l->node->transfer(0);
        pump(*l);
      }
  }
}

void sim_world::cut_links() {
  const uint64_t how = below(4);
  const server_id one = 1 + below(hosts_.size());
  for (auto& [a, ha] : hosts_) {
    for (auto& [b, hb] : hosts_) {
      const bool both = how == 0 && (a * 7 + one) % 2 != (b * 7 + one) % 2;
      if (both || (how == 1 && a == one) || (how == 2 && b == one) ||
          (how == 3 && (a == one || b == one)))
        cut_.emplace(a, b);
    }
  }
  if (below(3) == 0)
    for (auto& [a, ha] : hosts_) cut_.emplace(a, 1 + below(hosts_.size()));
  note("cut " + std::to_string(how) + " " + std::to_string(one));
}

void sim_world::change_members() {
  host* l = leader();
  if (!l) return;
  const configuration members = l->node->members();
  const host& h = *hosts_.at(1 + below(hosts_.size()));
  auto it = std::find_if(members.begin(), members.end(), [&](auto& s) { return s.id == h.id; });
  const auto voters = std::count_if(members.begin(), members.end(),
                                    [](auto& s) { return s.role == server_role::voter; });
  const ticket t = ++last_ticket_;
  admission a = admission::invalid;
  if (h.id == l->id) {
    a = l->node->transfer(0);
  } else if (it == members.end()) {
    a = l->node->add(t, h.id, "server" + std::to_string(h.id));
  } else if (it->role == server_role::spare) {
    a = l->node->assign(t, h.id, server_role::learner);
  } else if (it->role == server_role::learner) {
    if (chance(0.2))
      a = l->node->remove(t, h.id);
    else if (voters < 5)
      a = l->node->assign(t, h.id, server_role::voter);
  } else if (voters > 1) {
    a = chance(0.3) ? l->node->remove(t, h.id) : l->node->assign(t, h.id, server_role::learner);
  }
  out_.changes += a == admission::accepted;
  note("change " + std::to_string(h.id) + " " + std::to_string(static_cast<int>(a)));
  pump(*l);
}

void sim_world::heal() {
  note("heal");
  disturbing_ = false;
  cut_.clear();
  loss_ = doubled_ = late_ = disk_errors_ = 0;
  for (auto& [id, h] : hosts_) {
    h->disk_ms = 1;
    start(*h);
  }
}

}  // namespace weir::meta
