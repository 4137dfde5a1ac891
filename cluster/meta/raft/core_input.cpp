// We call libraft: messages and time. What it would misunderstand is mended or dropped here.
#include "cluster/meta/raft/core.hpp"
#include "runtime/base/assert.hpp"

namespace weir::meta {
namespace {

// Of messages that wait for a write: as many as a few heartbeats bring. More are dropped, as the
// network may do at any time.
constexpr size_t inbox_max = 1024;

raft_entry* to_library(const std::vector<log_entry>& entries) {
  if (entries.empty()) return nullptr;
  size_t bytes = 0;
  for (const auto& e : entries) bytes += e.data.size();
  auto* out = raft_new<raft_entry>(entries.size());
  auto* batch = raft_new<char>(bytes);  // one piece, as libraft wants what comes over the network
  size_t at = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    std::memcpy(batch + at, entries[i].data.data(), entries[i].data.size());
    out[i].term = entries[i].term;
    out[i].type = static_cast<unsigned short>(entries[i].type);
    out[i].buf = {batch + at, entries[i].data.size()};
    out[i].batch = batch;
    at += entries[i].data.size();
  }
  return out;
}

}  // namespace

void consensus_node::core::tick(uint64_t now_ms) {
  if (failed_) return;
  now_ = std::max(now_, now_ms);
  if (now_ < next_tick_) return;
  next_tick_ = now_ + options_.heartbeat_ms;
  if (busy()) {
    tick_due_ = true;
    return;
  }
  do_tick();
  advance();
}

bool consensus_node::core::only_voter() const {
  bool me = false;
  for (const auto& m : members()) {
    if (m.role != server_role::voter) continue;
    if (m.id != options_.id) return false;
    me = true;
  }
  return me;
}

void consensus_node::core::do_tick() {
  tick_due_ = false;
  input_ = {};
  // libraft makes the only voter leader without a new term; an entry of its could then have the
  // index and term of another, which a learner has from a leader before.
  if (raft_.state == RAFT_FOLLOWER && only_voter()) {
    const raft_term term = raft_.current_term + 1;
    vote_step() = {term, options_.id};
    raft_.current_term = term;
    raft_.voted_for = options_.id;
  }
  // Who has no vote holds on to a leader for ever, and would refuse every other one (see
  // hand_over).
  if (raft_.state == RAFT_FOLLOWER && nonvoting_self() &&
      now_ - raft_.election_timer_start >= 2 * options_.election_timeout_ms)
    raft_.follower_state.current_leader.id = 0;
  tick_cb_(&io_);
}

void consensus_node::core::deliver(std::string_view bytes) {
  if (failed_) return;
  if (busy()) {
    if (inbox_.size() < inbox_max) inbox_.emplace_back(bytes);
    return;
  }
  receive(bytes);
  advance();
}

void consensus_node::core::receive(std::string_view bytes) {
  auto m = decode_message(bytes);
  // What is not for us, or of a newer program, is as good as lost on the way.
  if (!m || m->cluster != options_.cluster || m->to != options_.id || m->from == options_.id)
    return;
  if (!admit(*m)) return;
  hand_over(*m);
}

bool consensus_node::core::admit(peer_message& m) const {
  const bool leading = raft_.state == RAFT_LEADER;
  if (std::holds_alternative<append_entries>(m.body) ||
      std::holds_alternative<install_snapshot>(m.body))
    return !(leading && m.term == raft_.current_term);  // nobody else leads in our term
  if (auto* v = std::get_if<request_vote>(&m.body)) {
    // One vote a term, also while leadership is being handed on.
    return v->pre_vote || m.term != raft_.current_term || raft_.voted_for == 0 ||
           raft_.voted_for == v->candidate;
  }
  return true;
}

log_term consensus_node::core::term_of(log_index index) const {
  const raft_log& l = raft_.log;
  if (index == 0) return 0;
  if (index == l.snapshot.last_index) return l.snapshot.last_term;
  const size_t n = l.front <= l.back ? l.back - l.front : l.size - l.front + l.back;
  if (index <= l.offset || index > l.offset + n) return 0;
  return l.entries[(l.front + (index - 1 - l.offset)) % l.size].term;
}

// Makes what a leader sends begin at or after our commit index: what is before it is the same
// everywhere, and libraft takes entries that it has compacted for new ones. False: it contradicts
// what is committed.
bool consensus_node::core::fit(append_entries& m, log_term term) {
  m.commit_index = std::min<log_index>(m.commit_index, m.previous_index + m.entries.size());
  const log_index committed = raft_.commit_index;
  if (term < raft_.current_term || m.previous_index >= committed) return true;
  const auto known = std::min<log_index>(m.entries.size(), committed - m.previous_index);
  for (log_index i = 1; i <= known; ++i) {
    const log_term ours = term_of(m.previous_index + i);
    if (ours != 0 && ours != m.entries[i - 1].term) return false;
  }
  m.entries.erase(m.entries.begin(), m.entries.begin() + static_cast<std::ptrdiff_t>(known));
  m.previous_index = committed;
  m.previous_term = term_of(committed);
  weir_assert(m.previous_term != 0, "the term of the last committed entry is known");
  m.commit_index = std::max(m.commit_index, committed);
  return true;
}

void consensus_node::core::hand_over(const peer_message& m) {
  raft_message out{};
  out.server_id = m.from;
  out.server_address = m.address.c_str();
  input_ = {};
  const bool leads = std::holds_alternative<append_entries>(m.body) ||
                     std::holds_alternative<install_snapshot>(m.body);
  if (leads && m.term >= raft_.current_term) last_leader_ = {m.from, now_};
  if (const auto* a = std::get_if<append_entries>(&m.body)) {
    append_entries fitted = *a;
    if (!fit(fitted, m.term))
      return fail({errc::corrupt, "server " + std::to_string(m.from) +
                                      " leads with a log that contradicts what is committed here"});
    input_ = {true, fitted.previous_index + fitted.entries.size(), m.term};
    out.type = RAFT_IO_APPEND_ENTRIES;
    out.append_entries = {m.term,
                          fitted.previous_index,
                          fitted.previous_term,
                          fitted.commit_index,
                          to_library(fitted.entries),
                          static_cast<unsigned>(fitted.entries.size())};
  } else if (const auto* r = std::get_if<append_result>(&m.body)) {
    out.type = RAFT_IO_APPEND_ENTRIES_RESULT;
    out.append_entries_result = {m.term, r->rejected, r->last_index};
  } else if (const auto* v = std::get_if<request_vote>(&m.body)) {
    out.type = RAFT_IO_REQUEST_VOTE;
    out.request_vote = {m.term,       v->candidate,      v->last_index,
                        v->last_term, v->disrupt_leader, v->pre_vote};
  } else if (const auto* g = std::get_if<vote_result>(&m.body)) {
    out.type = RAFT_IO_REQUEST_VOTE_RESULT;
    out.request_vote_result = {m.term, g->granted, TO_RAFT_TRIBOOL(g->pre_vote)};
  } else if (const auto* s = std::get_if<install_snapshot>(&m.body)) {
    out.type = RAFT_IO_INSTALL_SNAPSHOT;
    auto& to = out.install_snapshot;
    to.term = m.term;
    to.last_index = s->snapshot.index;
    to.last_term = s->snapshot.term;
    raft_configuration_init(&to.conf);
    for (const auto& c : s->snapshot.servers)
      raft_configuration_add(&to.conf, c.id, c.address.c_str(), static_cast<int>(c.role));
    to.conf_index = s->snapshot.servers_index;
    to.data = {raft_copy(s->snapshot.data), s->snapshot.data.size()};
  } else if (const auto* t = std::get_if<timeout_now>(&m.body)) {
    if (only_voter()) return;
    out.type = RAFT_IO_TIMEOUT_NOW;
    out.timeout_now = {m.term, t->last_index, t->last_term};
  }
  // Votes do not depend on configurations (Raft, section 4.1): who was made a voter and does not
  // know it yet may be needed to elect the leader that tells it. libraft refuses that.
  raft_server* unaware = out.type == RAFT_IO_REQUEST_VOTE ? nonvoting_self() : nullptr;
  const int role = unaware ? unaware->role : RAFT_VOTER;
  if (unaware) unaware->role = RAFT_VOTER;
  recv_cb_(&io_, &out);
  if (unaware) unaware->role = role;
}

raft_server* consensus_node::core::nonvoting_self() {
  for (unsigned i = 0; i < raft_.configuration.n; ++i) {
    raft_server& s = raft_.configuration.servers[i];
    if (s.id == options_.id) return s.role == RAFT_VOTER ? nullptr : &s;
  }
  return nullptr;
}

}  // namespace weir::meta
