// The simulated servers, their network and disks.
#include "tests/meta/sim_host.hpp"

namespace weir::meta {
namespace {

uuid cluster_id() {
  uuid id;
  id.bytes[3] = 9;
  return id;
}
std::string address_of(server_id id) {
  return "server" + std::to_string(id);
}

}  // namespace

void sim_world::make_hosts() {
  constexpr uint64_t voters_choice[] = {1, 3, 3, 3, 5};
  const uint64_t n = 3 + below(5);
  const uint64_t voters = std::min(n, voters_choice[below(5)]);
  configuration first;
  for (server_id id = 1; id <= n; ++id)
    if (id <= voters)
      first.push_back({id, address_of(id), server_role::voter});
    else if (chance(0.5))
      first.push_back({id, address_of(id), server_role::learner});
  for (server_id id = 1; id <= n; ++id) {
    auto& h = hosts_[id] = std::make_unique<host>(id, options_.lying_disks);
    // Clocks are off by any amount and run up to a tenth too fast or slow.
    h->clock_rate = 0.9 + 0.2 * static_cast<double>(below(1000)) / 1000;
    h->clock_offset = below(1'000'000);
    const bool member =
        std::any_of(first.begin(), first.end(), [&](auto& s) { return s.id == id; });
    if (member)
      if (status s = consensus_node::bootstrap(h->disk, first); !s) check_.fail(s.err().message);
    start(*h);
    keep_ticking(*h);
  }
}

uint64_t sim_world::clock_of(const host& h) const {
  return h.clock_offset + static_cast<uint64_t>(static_cast<double>(now_) * h.clock_rate);
}

void sim_world::start(host& h) {
  if (h.node) return;
  ++h.incarnation;
  ++h.starts;
  h.disk_failed = false;
  h.state = std::make_unique<machine>(*this, h.id);
  node_options o;
  o.cluster = cluster_id();
  o.id = h.id;
  o.address = address_of(h.id);
  o.seed = options_.seed * 1000 + h.id * 100 + h.starts;
  o.election_timeout_ms = 500;
  o.heartbeat_ms = 100;
  o.snapshot_timeout_ms = 2000;
  o.snapshot_threshold = 24;
  o.snapshot_trailing = 8;
  auto node = consensus_node::start(o, h.disk, *h.state, clock_of(h));
  if (!node) return check_.fail("server " + std::to_string(h.id) + ": " + node.err().text());
  h.node = std::move(*node);
  h.state->last = std::max(h.state->last, h.node->applied_index());
  note("start " + std::to_string(h.id));
  pump(h);
}

void sim_world::crash(host& h) {
  if (!h.node) return;
  ++out_.crashes;
  note("crash " + std::to_string(h.id));
  // A write that was under way is whole or absent; nobody was told.
  if (const write_batch* b = h.node->pending_write(); b && chance(0.5)) (void)h.disk.write(*b);
  h.node.reset();
  h.state.reset();
  h.disk.crash();
  h.asked.clear();
  h.writing = false;
  ++h.incarnation;
}

void sim_world::keep_ticking(host& h) {
  if (h.node) {
    h.node->tick(clock_of(h));
    pump(h);
  }
  at(20 + below(40), [this, &h] { keep_ticking(h); });
}

void sim_world::write_done(host& h, uint64_t incarnation) {
  if (h.incarnation != incarnation || !h.node) return;
  h.writing = false;
  const write_batch* b = h.node->pending_write();
  if (!b) return;
  if (chance(disk_errors_)) {
    h.disk_failed = true;
    if (chance(0.5)) (void)h.disk.write(*b);  // it may have happened all the same
    h.node->completed({errc::io, "simulated"});
  } else if (status s = h.disk.write(*b); !s) {
    check_.fail("server " + std::to_string(h.id) + ": " + s.err().message);
  } else {
    h.node->completed({});
  }
  pump(h);
}

void sim_world::pump(host& h) {
  consensus_node& n = *h.node;
  for (auto& r : n.take_replies()) {
    auto it = h.asked.find(r.which);
    if (it == h.asked.end()) continue;  // of a change of membership
    const host::asking who = it->second;
    h.asked.erase(it);
    if (clients_[who.client].reads && r.outcome == proposal_outcome::done &&
        clients_[who.client].attempt == who.attempt)
      check_.read(h.id, n.applied_index(), clients_[who.client].acknowledged_before);
    if (chance(loss_)) continue;
    at(latency(), [this, who, r = std::move(r), applied = n.applied_index()] {
      answered(who.client, who.attempt, r, applied);
    });
  }
  for (auto& m : n.take_messages()) send(h.id, m);
  if (n.role() == node_role::leader) check_.leads(h.id, n.term());
  if (const error* e = n.failure()) {
    if (!h.disk_failed)
      return check_.fail("server " + std::to_string(h.id) + " stopped: " + e->message);
    crash(h);
    return at(100 + below(1000), [this, &h] { start(h); });
  }
  if (n.pending_write() && !h.writing) {
    h.writing = true;
    at(1 + below(h.disk_ms), [this, &h, i = h.incarnation] { write_done(h, i); });
  }
}

uint64_t sim_world::latency() {
  return chance(late_) ? below(3000) : 1 + below(15);
}

void sim_world::send(server_id from, const outgoing_message& m) {
  const auto to = hosts_.find(m.to);
  if (to == hosts_.end()) return check_.fail("a message to nobody");
  int copies = 1 + chance(doubled_);
  for (; copies > 0; --copies) {
    if (cut_.contains({from, m.to}) || chance(loss_)) continue;
    at(latency(), [this, from, h = to->second.get(), bytes = m.bytes] {
      if (!h->node || cut_.contains({from, h->id})) return;
      h->node->deliver(bytes);
      pump(*h);
    });
  }
}

sim_world::host* sim_world::random_host(bool up) {
  std::vector<host*> some;
  for (auto& [id, h] : hosts_)
    if ((h->node != nullptr) == up) some.push_back(h.get());
  return some.empty() ? nullptr : some[below(some.size())];
}

sim_world::host* sim_world::leader() {
  host* best = nullptr;
  for (auto& [id, h] : hosts_)
    if (h->node && h->node->leads() && (!best || h->node->term() > best->node->term()))
      best = h.get();
  return best;
}

}  // namespace weir::meta
