// One server of the consensus: libraft behind calls that say what happened. It has no thread,
// clock, socket or disk of its own; one owner calls it on one thread:
//
//   tick(now), deliver(message), propose(...)    something happened
//   pending_write() -> write it -> completed()   what has to be durable first
//   take_messages(), take_replies()              what came of it
//
// One event at a time: while a write is pending nothing else reaches libraft (input waits,
// bounded), and no message or reply of the event leaves before the write is durable. So a crash
// undoes an event whole, as if it had not happened; and libraft, whose handling of events that
// overlap with writes has gaps, never sees any (README.md lists what is worked around and where).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/meta/raft/message.hpp"
#include "cluster/meta/raft/store.hpp"

namespace weir::meta {

/// What the log is for. Called on the node's thread, from within its calls; must not call it back.
class replicated_machine {
 public:
  virtual ~replicated_machine() = default;
  /// Committed commands in order; the same on every server. The bytes are the proposal's reply. An
  /// error stops this server for good: it cannot go on without this command.
  virtual result<std::string> apply(log_index index, std::string_view bytes) = 0;
  virtual std::string snapshot() = 0;
  virtual status restore(std::string_view snapshot) = 0;
};

struct node_options {
  kafka::uuid cluster;  // messages of another one are dropped
  server_id id = 0;
  std::string address;
  uint64_t seed = 1;  // of the election's random waits
  unsigned election_timeout_ms = 1000;
  unsigned heartbeat_ms = 100;
  unsigned snapshot_timeout_ms = 5000;  // a snapshot that was sent and not answered is sent again
  unsigned snapshot_threshold = 4096;   // entries between two snapshots of the machine
  unsigned snapshot_trailing = 1024;    // entries kept behind one, for servers that lag a little
};

/// When a leader spoke to this server last, by the clock of tick().
struct leader_contact {
  server_id who = 0;  // 0: none ever did
  uint64_t at_ms = 0;
};

enum class node_role : uint8_t { stopped, follower, candidate, leader };

struct outgoing_message {
  server_id to = 0;
  std::string address;
  std::string bytes;
};

/// Names a proposal in its reply; the owner chooses it.
using ticket = uint64_t;
enum class proposal_outcome : uint8_t {
  done,     // committed and applied here
  lost,     // not the leader any more: it may have happened or not; ask again under the same number
  refused,  // it did not and will not happen
};
struct proposal_reply {
  ticket which = 0;
  proposal_outcome outcome = proposal_outcome::done;
  std::string reply;  // of the machine; of membership changes that failed, why
};
/// What the call answers at once; only `accepted` is followed by a reply.
enum class admission : uint8_t { accepted, not_leader, overloaded, invalid };

class consensus_node {
 public:
  /// Begins a cluster on an empty store: done once, on each of the first voters alike.
  /// errc::already_exists if the store is not empty.
  static status bootstrap(log_store&, const configuration&);
  /// The store and the machine outlive the node. Loads the store, restores the machine.
  static result<std::unique_ptr<consensus_node>> start(const node_options&, log_store&,
                                                       replicated_machine&, uint64_t now_ms);
  ~consensus_node();

  /// To be called at least every heartbeat; time that falls is ignored.
  void tick(uint64_t now_ms);
  void deliver(std::string_view message);

  admission propose(ticket, std::string command);
  /// Replied to when all that was committed before is applied here and this server still led: what
  /// the machine says then is not stale.
  admission confirm(ticket);
  /// Membership changes, one at a time. A new server is a spare first, then learner or voter. A
  /// leader does not change itself but hands on first: if it stepped down before its going is
  /// committed, it could hold the only log that may win an election, and have no vote.
  admission add(ticket, server_id, const std::string& address);
  admission assign(ticket, server_id, server_role);
  admission remove(ticket, server_id);
  /// Hands leadership to a voter (0: one that is up to date); it has effect if role() changes.
  admission transfer(server_id to);

  /// Null: nothing waits for the disk. Else to be written to the store, then completed() called;
  /// the pointer holds until then.
  const write_batch* pending_write() const noexcept;
  /// An error stops the node for good: start another on the store when the disk is well.
  void completed(const status&);
  /// Writes what is pending, and what follows from it, at once.
  void settle();

  std::vector<outgoing_message> take_messages();
  std::vector<proposal_reply> take_replies();

  node_role role() const noexcept;
  /// Leads, and knows all that was committed before: proposals are taken.
  bool leads() const noexcept;
  log_term term() const noexcept;
  server_id leader() const noexcept;  // 0: unknown
  /// The other server that led last, as far as this one has heard.
  leader_contact last_leader() const noexcept;
  log_index commit_index() const noexcept;
  log_index applied_index() const noexcept;
  log_index last_index() const noexcept;
  const configuration& members() const noexcept;
  /// Set when the node stopped: a failed write, a command that it does not know, a broken log.
  const error* failure() const noexcept;

  class core;  // internal

 private:
  explicit consensus_node(std::unique_ptr<core>);
  std::unique_ptr<core> core_;
};

}  // namespace weir::meta
