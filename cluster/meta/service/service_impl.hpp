// metadata_service from within, for its own files: everything here runs on the service's thread but
// where it says otherwise.
#pragma once

#include "cluster/meta/service/service.hpp"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "cluster/meta/service/command_lanes.hpp"
#include "cluster/meta/service/peers.hpp"
#include "runtime/base/log_limiter.hpp"

namespace weir::meta {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;
using kafka::error_code;

inline constexpr auto message_timeout = 2s;

inline uint64_t now_ms() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(steady::now().time_since_epoch())
          .count());
}

/// Adds the changes of `more` behind those of `into`.
void merge(change_set& into, const change_set& more);

/// The replica, which also notes what changed.
class noting_replica final : public replicated_machine {
 public:
  result<std::string> apply(log_index index, std::string_view bytes) override {
    WEIR_ASSIGN(auto reply, replica_.apply(index, bytes));
    merge(changes, replica_.state().changes());
    return reply;
  }
  std::string snapshot() override { return replica_.snapshot(); }
  status restore(std::string_view bytes) override {
    WEIR_TRY(replica_.restore(bytes));
    everything = true;
    return {};
  }
  const cluster_state& state() const noexcept { return replica_.state(); }

  change_set changes;
  bool everything = true;

 private:
  metadata_replica replica_;
};

class metadata_service::impl {
 public:
  impl(service_options o, file_system& files, kafka::peer_client& peers, observer watch)
      : options_(std::move(o)),
        files_(files),
        peers_(peers),
        observer_(std::move(watch)),
        watch_(options_.watch) {}

  status open();
  /// What to do about damage of this node's own metadata.
  error with_advice(const error& e) const;
  void start();
  void stop();

  void post(std::function<void()> f);

  void submit(command c, answer_callback done, std::chrono::milliseconds limit);
  void leave(std::chrono::milliseconds limit, std::function<void()> done);

  // What other nodes ask (requests.cpp); as in metadata_service.
  void message(const kafka::node_message_request& q,
               const std::function<void(kafka::node_message_response)>& reply);
  void command_of(const kafka::node_command_request& q,
                  const std::function<void(kafka::node_command_response)>& reply);
  void join_of(kafka::node_join_request q,
               const std::function<void(kafka::node_join_response)>& reply);
  void heartbeat_of(const kafka::node_heartbeat_request& q,
                    const std::function<void(kafka::node_heartbeat_response)>& reply);

  void ask(const std::function<void(const cluster_state*)>& f);
  standing stand() const;
  bool wait_registered(std::chrono::milliseconds limit);
  std::string leader_address() const;

 private:
  struct unseen_answer {
    log_index index;
    uint64_t until_ms;
    answer_callback done;
    answer what;
  };
  struct pending_change {
    server_id which;
    std::string address;
    server_role role;
    bool remove;
    bool add;
  };

  struct departure {
    uint64_t hand_on_until_ms, until_ms;
    std::function<void()> done;
    bool fencing = false, fenced = false;
  };

  /// Empty: the request is of a build that this one gets on with. Else why not, which is logged
  /// here too.
  template <class Request>
  std::string refusal(const Request& q, const std::string& what);

  // ---- This node's own commands (commands.cpp). ----

  void send_commands();
  void send(command_lanes::attempt a);
  void answered(const command_lanes::attempt& a, const result<kafka::node_command_response>& r);
  /// Nothing: ask again.
  static std::optional<result<answer>> answer_of(const proposal_reply& r);
  void tell_seen();

  // ---- The thread (service.cpp). ----

  void run();
  status start_consensus();
  void keep_consensus();
  /// A disk that stays broken is told of once, not every second.
  void say_once(std::string what);
  /// Of a message of the consensus that did not arrive; on any thread.
  void note_trouble(const std::string& with, const error& e);
  /// Writes, sends and answers what came up; tells of changes.
  void pump();
  void publish();
  void note_standing();

  // ---- Becoming, staying and ceasing to be a member (membership.cpp). ----

  /// Nobody else is a member of the cluster that this node has.
  bool alone() const { return node_ && node_->members().size() <= 1; }
  void join();
  /// A seed is of another cluster than this node.
  void of_another_cluster(const std::string& from, const std::string& why);
  void joined(const std::string& from, const result<kafka::node_join_response>& r);
  /// Nodes that start for the first time and name each other: when all of them are there and none
  /// has a cluster, the one with the smallest id begins it. With one of them missing nobody does,
  /// for that one may know a cluster.
  void begin_together();
  /// Why this node is no member. `cause`: whom it is about; of each one line in some seconds.
  void complain(const std::string& cause, std::string why);
  void complain_of(const std::string& cause, const std::string& text);
  /// Registers this node, or tells the leader that it lives.
  void sign();
  void registered_as(const result<answer>& r);
  /// Who goes lets another one lead the metadata before it gives up its partitions: so all hear at
  /// once who leads those, and none has to miss this one first. After it again, for who led before
  /// may have gone meanwhile, too.
  void go();
  /// False: this server does not lead, or nobody can instead.
  bool hands_on(uint64_t now);

  // ---- Leading (leading.cpp). ----

  void lead();
  /// As leader. admission::invalid: nobody can take over.
  admission hand_on(uint64_t now);
  /// A leader whose node drains hands on as soon as somebody can take over.
  bool hands_on_draining(uint64_t now);
  /// Starts the next change of the members, when none is under way.
  void change_members();

  const server* member(server_id id) const;
  void learn(server_id who, const std::string& address);
  std::string address_of_leader() const;
  void log(const std::string& text) const;

  service_options options_;
  file_system& files_;
  kafka::peer_client& peers_;
  observer observer_;
  kafka::uuid identity_, cluster_;
  server_id self_ = 0;
  std::unique_ptr<lmdb_store> store_;
  std::unique_ptr<noting_replica> machine_;
  std::unique_ptr<consensus_node> node_;
  command_lanes lanes_;
  leader_watch watch_;
  std::map<ticket, std::function<void(const proposal_reply&)>> proposals_;
  ticket next_ticket_ = 1;
  std::map<server_id, std::string> addresses_;  // where servers are now
  std::string leader_hint_;                     // while the consensus does not know
  // Seeds that have no cluster either: who they are, and when they said so.
  std::map<std::string, std::pair<server_id, uint64_t>> waiting_too_;
  log_index answer_index_ = 0;  // of the answer that is being handed on; 0: this node's own
  std::deque<unseen_answer> unseen_;
  std::deque<pending_change> changes_;
  bool changing_ = false, led_ = false;
  uint64_t changing_since_ = 0, members_at_ = 0;
  std::map<node_id, uint64_t> fenced_at_;
  bool joins_ = false, registering_ = false, registered_ = false, stopping_ = false,
       leaving_ = false;
  std::optional<departure> going_;
  uint64_t handed_on_ms_ = 0;
  int32_t node_number_ = -1;
  std::optional<node_epoch> epoch_;
  steady::time_point join_at_, sign_at_, restart_at_, register_at_, led_at_ = steady::now();
  std::set<std::string> unanswered_;  // seeds that have not said of which cluster they are
  uint64_t ask_until_ms_ = 0;
  std::string problem_, failed_said_, refused_;
  log_limiter limiter_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  std::string trouble_;  // why the last message that was lost was; with mutex_
  mutable std::mutex standing_mutex_;
  std::condition_variable registered_cv_;
  standing standing_;
  std::string leader_address_;
  std::thread thread_;
};

}  // namespace weir::meta
