#include "cluster/meta/raft/node.hpp"

#include "cluster/meta/raft/core.hpp"

namespace weir::meta {

consensus_node::consensus_node(std::unique_ptr<core> c) : core_(std::move(c)) {}
consensus_node::~consensus_node() = default;

result<std::unique_ptr<consensus_node>> consensus_node::start(const node_options& options,
                                                              log_store& store,
                                                              replicated_machine& machine,
                                                              uint64_t now_ms) {
  if (options.id == 0 || options.address.empty() || options.heartbeat_ms == 0 ||
      options.heartbeat_ms >= options.election_timeout_ms || options.snapshot_timeout_ms == 0)
    return {errc::invalid_argument,
            "a server of the metadata needs an id, an address, and a heartbeat shorter than the "
            "election timeout"};
  auto c = std::make_unique<core>(options, store, machine, now_ms);
  WEIR_TRY(c->start());
  return std::unique_ptr<consensus_node>(new consensus_node(std::move(c)));
}

void consensus_node::tick(uint64_t now_ms) {
  core_->tick(now_ms);
}
void consensus_node::deliver(std::string_view message) {
  core_->deliver(message);
}
admission consensus_node::propose(ticket t, std::string command) {
  return core_->propose(t, std::move(command));
}
admission consensus_node::confirm(ticket t) {
  return core_->propose(t, std::nullopt);
}
admission consensus_node::add(ticket t, server_id id, const std::string& address) {
  return core_->change(t, [&](raft_change* req, raft_change_cb cb) {
    return raft_add(&core_->raft_, req, id, address.c_str(), cb);
  });
}
admission consensus_node::assign(ticket t, server_id id, server_role role) {
  if (id == core_->options_.id) return admission::invalid;
  return core_->change(t, [&](raft_change* req, raft_change_cb cb) {
    return raft_assign(&core_->raft_, req, id, static_cast<int>(role), cb);
  });
}
admission consensus_node::remove(ticket t, server_id id) {
  if (id == core_->options_.id) return admission::invalid;
  return core_->change(t, [&](raft_change* req, raft_change_cb cb) {
    return raft_remove(&core_->raft_, req, id, cb);
  });
}
admission consensus_node::transfer(server_id to) {
  return core_->transfer(to);
}

const write_batch* consensus_node::pending_write() const noexcept {
  return core_->pending();
}
void consensus_node::completed(const status& s) {
  core_->completed(s);
}
void consensus_node::settle() {
  while (const write_batch* b = pending_write()) completed(core_->store_.write(*b));
}
std::vector<outgoing_message> consensus_node::take_messages() {
  return std::exchange(core_->messages_ready_, {});
}
std::vector<proposal_reply> consensus_node::take_replies() {
  return std::exchange(core_->replies_ready_, {});
}

node_role consensus_node::role() const noexcept {
  if (core_->failed_) return node_role::stopped;
  switch (core_->raft_.state) {
    case RAFT_FOLLOWER:
      return node_role::follower;
    case RAFT_CANDIDATE:
      return node_role::candidate;
    case RAFT_LEADER:
      return node_role::leader;
    default:
      return node_role::stopped;
  }
}
bool consensus_node::leads() const noexcept {
  return core_->leads();
}
log_term consensus_node::term() const noexcept {
  return core_->raft_.current_term;
}
server_id consensus_node::leader() const noexcept {
  raft_id id = 0;
  const char* address = nullptr;
  if (!core_->failed_) raft_leader(&core_->raft_, &id, &address);
  return id;
}
leader_contact consensus_node::last_leader() const noexcept {
  return core_->last_leader_;
}
log_index consensus_node::commit_index() const noexcept {
  return core_->raft_.commit_index;
}
log_index consensus_node::applied_index() const noexcept {
  return core_->raft_.last_applied;
}
log_index consensus_node::last_index() const noexcept {
  return raft_last_index(&core_->raft_);
}
const configuration& consensus_node::members() const noexcept {
  return core_->members();
}
const error* consensus_node::failure() const noexcept {
  return core_->failed_ ? &*core_->failed_ : nullptr;
}

}  // namespace weir::meta
