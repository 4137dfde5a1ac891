// The metadata of the cluster on one node: a thread that owns this node's server of the consensus
// and its store, joins a cluster (or begins one), registers the node, says that it lives, carries
// commands to the leader and tells of every change. Whoever leads also watches the others
// (watch.hpp). Made and destroyed by the process; other calls from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/meta/raft/lmdb_store.hpp"
#include "cluster/meta/raft/replica.hpp"
#include "cluster/meta/service/watch.hpp"
#include "runtime/base/wire_version.hpp"
#include "runtime/io/file.hpp"
#include "runtime/kafka/peers/peer_client.hpp"
#include "runtime/kafka/protocol/messages/nodes.hpp"

namespace weir::meta {

/// Of what nodes say to each other before they know whether they understand each other
/// (wire_version::format), and of fields of bytes whose meaning changed. Everything else is told by
/// the hash.
inline constexpr int16_t peers_format = 4;

struct service_options {
  std::string data_dir;
  std::string name, rack;
  std::string address;  // HOST:PORT at which other nodes reach this one's listener for them
  std::vector<endpoint> endpoints;  // all listeners, as others are told
  /// Listeners for nodes of members. Empty: this node begins a cluster, unless it has one already.
  std::vector<std::string> seeds;
  wire_version wire;  // what this program speaks; others are refused
  watch_options watch;
  unsigned election_timeout_ms = 700, heartbeat_ms = 100;
  std::chrono::milliseconds sign_interval{500};  // between signs of life
  std::function<void(std::string)> log;          // any thread
};

/// How this node's metadata stands, for show.
struct standing {
  kafka::uuid cluster, identity;
  server_id self = 0, leader = 0;
  log_term term = 0;
  log_index applied = 0;
  bool leads = false;
  bool registered = false;  // its node is known to the state that it has, and alive there
  node_id node = no_node;
  node_epoch epoch;
  node_id leader_node = no_node;  // whose server leads
  configuration members;
  std::string problem;  // why it is not registered; empty: none
  /// It belongs to a cluster, and was told to join another one: what to do. It stays out of both.
  std::string refused;
  /// For how long nobody is known to lead, so that the state may be as old; 0: somebody does.
  std::chrono::milliseconds leaderless{0};
};

/// The metadata as those on this node use it who only ask and command. Implemented by the service;
/// simulations have one over a log of their own.
class metadata_access {
 public:
  using answer_callback = std::function<void(result<answer>)>;
  virtual ~metadata_access() = default;
  /// Carries a command to the leader and repeats it until it is answered. errc::timeout: nobody
  /// answered in time; it may have happened. `done` is called once, on the service's thread, when
  /// the command is applied here too and the observer was told.
  virtual void submit(command, answer_callback done,
                      std::chrono::milliseconds limit = std::chrono::seconds(30)) = 0;
  /// On the service's thread; null: the node has no state yet.
  virtual void ask(std::function<void(const cluster_state*)>) = 0;
  virtual standing stand() const = 0;
};

class metadata_service final : public metadata_access {
 public:
  /// Called on the service's thread after changes, with all of them since the last call.
  /// `everything`: look at all anew. Not called before the node is registered in the state.
  using observer = std::function<void(const cluster_state&, const change_set&, bool everything)>;

  /// errc::corrupt, errc::locked, errc::io: this node's own disk.
  static result<std::unique_ptr<metadata_service>> open(service_options, file_system&,
                                                        kafka::peer_client&, observer);
  /// Starts the thread. A cluster that does not answer is no error: it is asked until it does.
  void start();
  ~metadata_service() override;
  /// Ends the thread; what waits is answered with errc::cancelled. Before the peer_client goes,
  /// whose last callbacks still need this object.
  void stop();

  void submit(command, answer_callback done,
              std::chrono::milliseconds limit = std::chrono::seconds(30)) override;
  /// Gives up this node's place, so that others lead at once what it led; `done` is called when
  /// that is so, or nobody answers in time. It does not register again.
  void leave(std::chrono::milliseconds limit, std::function<void()> done);
  void ask(std::function<void(const cluster_state*)>) override;
  /// Until this node is registered or `limit` is over; false then.
  bool wait_registered(std::chrono::milliseconds limit);
  standing stand() const override;
  /// HOST:PORT of the leader's listener for nodes; empty: unknown.
  std::string leader_address() const;

  // What other nodes ask; `reply` is called once, on any thread.
  void handle(kafka::node_message_request, std::function<void(kafka::node_message_response)>);
  void handle(kafka::node_command_request, std::function<void(kafka::node_command_response)>);
  void handle(kafka::node_join_request, std::function<void(kafka::node_join_response)>);
  void handle(kafka::node_heartbeat_request, std::function<void(kafka::node_heartbeat_response)>);

  class impl;  // internal

 private:
  explicit metadata_service(std::unique_ptr<impl>);
  std::unique_ptr<impl> impl_;
};

}  // namespace weir::meta
