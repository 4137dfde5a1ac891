// The inside of a node's job keeper, shared by its source files: job_keeper.cpp (nodes, masters,
// the end), job_requests.cpp (what is asked about jobs), job_submission.cpp, job_savepoints.cpp,
// job_copies.cpp. One actor's state: all of it runs on that actor.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/job_keeper.hpp"
#include "actors/job_manifest.hpp"
#include "actors/ledger_report.hpp"
#include "runtime/base/log_limiter.hpp"

namespace weir {

/// Nodes that live and are connected; shared with the jobs' masters, which run on other threads.
class node_table {
 public:
  void set(std::vector<placement> list) {
    std::lock_guard lock(mutex_);
    list_ = std::move(list);
  }
  std::vector<placement> get() const {
    std::lock_guard lock(mutex_);
    return list_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<placement> list_;
};

class job_keeper_state {
 public:
  static inline const char* name = "weir.keeper";
  using self_pointer = job_keeper_actor::stateful_pointer<job_keeper_state>;

  job_keeper_actor::behavior_type start(self_pointer, keeper_seed);
  ~job_keeper_state();

 private:
  struct peer {
    hello_message about;      // keeper: none while it is not connected
    uint64_t connection = 0;  // no other one has had this number
    bool connecting = false;
    timestamp_us retry_at = 0;
  };
  struct master {
    uint64_t token = 0;
    job_actor handle;
    bool stop_asked = false;  // by a user, not because the cluster stops
    bool handing_off = false;
  };
  using view_ptr = std::shared_ptr<const ledger_view>;
  using reply_promise = caf::typed_response_promise<operation_reply>;
  using answer_promise = caf::typed_response_promise<job_answer>;

  timestamp_us now() const { return seed_.environment.time->now(); }
  void log(const std::string& text) const {
    if (seed_.log) seed_.log(text);
  }
  /// For callbacks that come on other threads: runs `f` in this actor.
  template <class F>
  auto later(F f) {
    return [me = caf::actor_cast<job_keeper_actor>(self_), f](auto... x) {
      caf::anon_send(me, call_message{[f, ... x = std::move(x)]() mutable { f(std::move(x)...); }});
    };
  }

  void refresh();
  void give_up();
  void meet_peers();
  void connect(const ledger_node&);
  void say_hello(int32_t id, uint64_t life, const job_keeper_actor&);
  hello_message hello() const;
  void accept(const hello_message&);
  void connect_failed(int32_t id);
  void publish_table();
  void look_after_jobs();
  void forget_gone_jobs();
  bool has_master(const ledger_job&) const;
  std::vector<int32_t> candidates() const;
  void look_for_master(const ledger_job&, size_t rank);
  void acquire(const ledger_job&);
  void take_up(const std::string& id, uint64_t token);
  void run(const std::string& id, uint64_t token, const std::string& plan);
  void give_back(const std::string& id, uint64_t token, const std::string& why);
  void drop_master(const std::string& id);
  void hand_off(const std::string& id);
  void ended(job_report);
  void end_in_ledger(const std::string& id, uint64_t token, job_state, const std::string& error);
  void down(const caf::down_msg&);
  void tick_soon();
  bool stops() const { return closing_ || now() < quiesced_until_; }

  caf::result<submit_reply> submit(const submit_message&);
  void need_libraries(std::map<std::string, std::string>, std::function<void(status)>);
  void store_and_submit(std::vector<char> plan, ledger_job,
                        caf::typed_response_promise<submit_reply>);
  void clean_up();
  void sweep_store();
  // job_copies.cpp
  struct kept_part {
    agreed_epoch number;
    int32_t writer = -1, copy = -1;
  };
  std::vector<int32_t> keepers_of(const std::string& thing, int32_t writer, int32_t copy) const;
  std::map<std::string, kept_part> parts_to_have() const;
  void look_after_copies();
  void bring(const std::shared_ptr<std::vector<std::string>>& names,
             const std::function<void()>& done);
  /// The stores there are, in the order in which they are asked for a part.
  std::vector<placement> stores_for(int32_t writer, int32_t copy) const;
  void bring_part(const std::string& key, const kept_part&, size_t from,
                  const std::function<void()>& next);
  void as_agreed(job_report&) const;
  struct examination {
    std::string store_job;
    job_manifest manifest;
    std::vector<std::string> edges;  // under which their rows in flight are kept
    uint32_t key_groups = 0;
    std::shared_ptr<job_answer> answer;
    answer_promise promise;
  };
  caf::result<job_answer> examine_savepoint(const ledger_job&, uint64_t number);
  void examine_part(const std::shared_ptr<examination>&, size_t part, size_t from);
  const ledger_job* resolve(const std::string& id_or_name) const;
  caf::result<job_answer> request(const job_request&);
  void ask_master(const job_request&, const ledger_job&, master&, answer_promise);
  caf::result<job_answer> ask_ended(const job_request&, const ledger_job&);
  caf::result<job_answer> ask_peer(job_request, const ledger_job&);
  caf::result<job_answer> without_master(const job_request&, const ledger_job&);
  caf::result<cluster_report> list();
  caf::result<operation_reply> close();
  caf::result<operation_reply> quiesce(bool forwarded);
  void answer_waiting();

  self_pointer self_ = nullptr;
  keeper_seed seed_;
  std::shared_ptr<void> listening_;
  std::shared_ptr<node_table> table_ = std::make_shared<node_table>();
  view_ptr view_ = std::make_shared<ledger_view>();  // as new as whoever asks may see it
  /// What refresh() has seen last: what left the ledger since is told by comparing with this.
  view_ptr acted_on_ = view_;
  uint64_t epoch_ = 0;  // of this node, as far as its jobs and tasks are concerned
  std::map<int32_t, peer> peers_;
  uint64_t connections_ = 0;                              // made so far
  std::map<std::string, master> masters_;                 // by job
  std::vector<std::pair<std::string, job_actor>> ended_;  // oldest first
  std::set<std::string> acquiring_, fenced_;              // by job
  std::map<std::string, timestamp_us> masterless_since_;
  std::map<std::string, timestamp_us> not_before_;  // no attempt to take up the job
  std::map<int32_t, timestamp_us> down_since_;      // nodes that are registered
  std::set<std::string> had_;                       // parts that the store was seen to have
  bool looks_ = false, looks_again_ = false;        // after copies
  uint64_t look_ = 0;                               // the newest one's number
  bool ticking_ = false;
  log_limiter limiter_;
  bool closing_ = false;
  timestamp_us quiesced_until_ = 0;
  std::vector<reply_promise> waiting_;  // until there is no master here
};

/// The master is away at the moment.
error unreachable(const std::string& job);
job_answer refused(const error&);

}  // namespace weir
