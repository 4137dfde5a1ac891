// The job master: an actor around a job_coordinator. Deploys the tasks over nodes, forwards what
// happens to the coordinator and carries out what it decides. One per job.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "actors/interfaces.hpp"
#include "actors/job_ledger.hpp"
#include "actors/job_manifest.hpp"
#include "actors/placement_rules.hpp"
#include "runtime/flow/task_builder.hpp"

namespace weir {

/// A node that takes tasks, with the store that keeps their share of the snapshots.
struct placement {
  std::string name;
  node_actor node;
  store_actor store;
  int32_t id = -1;  // in the ledger
  std::string rack;
  bool draining = false;  // takes no new tasks
  std::string rows = {};  // data_exchange::address() there; empty: tasks of one process
  /// Which connection to it this is: what was asked over an earlier one may never be answered.
  uint64_t connection = 0;
};

struct job_seed {
  std::string id;
  std::shared_ptr<const physical_plan> plan;
  std::shared_ptr<const task_graph> graph;
  coordinator_options options;
  credit window;
  int64_t alignment_limit_us = 500'000;
  /// The nodes that take tasks now; asked before each deployment. Tasks are spread by subtask.
  std::function<std::vector<placement>()> nodes;
  store_actor home;  // has everything, unless there is a ledger
  /// Decides which epochs are complete; then each node keeps its own parts of the epochs, and a
  /// copy on another one. None: the home store does.
  std::shared_ptr<job_ledger> ledger;
  uint64_t token = 0;            // of this master's tenure
  std::string master;            // name of the node that it is on, for reports
  std::function<void()> fenced;  // told once: the tenure is over; the master says nothing more
  task_environment environment;  // of the master's own process: enumerators, clock
  std::function<void(std::string)> log;
  std::function<void(const job_report&)> ended;  // told once, with the last counters
};

class job_state_actor : public coordinator_port {
 public:
  static inline const char* name = "weir.job";

  job_actor::behavior_type start(job_actor::stateful_pointer<job_state_actor>, job_seed);

  void load() override;
  void deploy(attempt_id, const std::vector<task_id>&) override;
  void kill(const std::vector<task_id>&) override;
  void begin_epoch(epoch) override;
  void trigger(task_id, epoch, epoch completed) override;
  void commit(epoch_summary) override;
  bool may_give_up(epoch) override;
  void abort(epoch) override;
  void tell_complete(epoch) override;
  void tell_aborted(epoch) override;
  void assign(task_id, split_pool::assignment) override;
  void release_watermark(task_id) override;
  std::optional<std::set<uint32_t>> regions_to_move() override;
  bool is_near(task_id, const source_split&) override;
  void discover(operator_index, std::vector<std::string> known) override;
  void wake_at(timestamp_us) override;
  void state_changed(job_state, const std::optional<error>&) override;
  void log(std::string) override;

 private:
  struct deployed_task {
    task_actor handle;
    size_t node = 0;
  };
  timestamp_us now() const { return seed_.environment.time->now(); }
  /// Chunks of an epoch that are fetched from its parts, for whoever waits for them: those of no
  /// key group, and keyed state of tasks that do not go on where it is.
  struct collection {
    std::vector<size_t> parts;           // indices in the manifest
    std::set<uint32_t> tasks;            // of which
    std::vector<std::string> operators;  // their ids, and those of edges
    bool keyed = true;
    bool about = false;  // also what the manifest leaves out
    bool over = false;   // nobody waits any more
    size_t left = 0;
    std::vector<state_chunk> chunks;
    latest_reply epoch;
    std::function<void(collection&)> done;
    std::function<void(const std::string&)> missing;
  };
  struct live_part {
    size_t node = 0;
    std::string name;
    friend auto operator<=>(const live_part&, const live_part&) = default;
  };
  /// A master that has just begun, and tasks of the one before it.
  struct takeover {
    std::set<size_t> asked;                              // nodes that have not answered
    std::vector<std::pair<size_t, adopted_task>> found;  // with their nodes
    std::vector<task_event> said;                        // meanwhile
    std::shared_ptr<collection> collecting;
    std::vector<std::optional<attempt_id>> regions;
    std::map<uint32_t, size_t> chosen;  // by task: index in `found`
  };
  void look_for_tasks();
  void node_answered(size_t node, adopt_reply);
  void nodes_lost_while_taking_over();
  void choose_tasks();
  bool take_over(collection&);
  void give_up_taking_over();

  size_t node_of(const task&) const;
  void survey(bool to_start, std::function<void()> then);
  bool starts_with_survey() const { return survey_ && survey_->to_start; }
  void place();
  void place_sources(const std::vector<placing::node>&);
  uint32_t slot_count() const;
  std::vector<size_t> slots_in_use() const;
  /// What is known of the nodes and of the partitions that are read, when tasks are to be placed.
  struct surveyed {
    bool to_start = false;  // all tasks; else they run, and may be placed anew
    size_t left = 0;
    std::vector<placing::node> nodes;  // by placement
  };
  std::vector<std::string> topics_of(uint32_t chain) const;
  std::vector<int32_t> leaders_of(uint32_t chain) const;
  int32_t leader_of(const std::string& split_id) const;
  void replace_lost();
  void forget_deployments(const std::set<uint32_t>& of);
  void lose_node(size_t node, error);
  void start_all();
  void start_placed();
  const std::string& source_id(uint32_t chain) const;
  std::optional<size_t> copy_of(size_t node);
  void know_copies();
  std::vector<store_actor> copies_of(size_t node);
  void load_newest();
  void load_from_ledger();
  void complete_in_ledger(epoch, std::string manifest);
  void answered(epoch, const std::string& manifest, const status&);
  void stop_acting();
  void refresh();
  caf::result<job_answer> savepoint(bool keep);
  void answer_savepoints();
  using askers = std::vector<caf::typed_response_promise<job_answer>>;
  /// A savepoint that is being made; whoever asked in time shares it.
  struct keeping {
    uint64_t number = 0;
    std::string manifest;
    askers promises;
    std::vector<store_actor> stores;  // that were asked to keep a part
    size_t left = 0;                  // of them: have not answered
    std::vector<size_t> kept;         // by part: how many stores have
    std::string problem;
  };
  void keep_savepoint(askers);
  void note_savepoint(const std::shared_ptr<keeping>&);
  void fail_savepoint(keeping&, const error&);
  bool begin_from_origin(const ledger_job&, const ledger_view&);
  void learn_origin();
  /// Tasks that are being started together: all, or one region.
  struct deployment {
    std::vector<uint32_t> tasks;
    bool whole = false;
    size_t replies_left = 0;  // nodes that have not spawned theirs yet
    size_t opens_left = 0;    // tasks that are not open yet
    std::shared_ptr<collection> collecting;
    std::vector<state_chunk> chunks;  // of a region: what its tasks restore
    std::map<task_id, std::vector<source_split>> begun;
  };
  deployment* find(attempt_id);
  std::vector<std::vector<uint32_t>> by_node(const deployment&) const;
  void spawned(attempt_id, const std::vector<uint32_t>& ids, const deploy_reply&);
  task_state_request state_of(uint32_t task) const;
  task_state_request keyed_state_of(uint32_t task) const;
  std::vector<state_chunk> collected_for(const std::vector<state_chunk>&,
                                         const task_state_request&) const;
  void note_begun(deployment&, uint32_t task, const std::vector<state_chunk>&) const;
  void restore_from(latest_reply&);
  void collect(const std::shared_ptr<collection>&);
  void collect_part(const std::shared_ptr<collection>&, size_t index, size_t from);
  void collect_tasks(attempt_id);
  std::shared_ptr<collection> collection_of(const std::set<uint32_t>& tasks,
                                            bool only_sources) const;
  bool is_wanted(const collection&, size_t part, const state_chunk&) const;
  std::optional<uint32_t> task_of(const state_chunk&) const;
  std::optional<size_t> home_of(size_t part, const std::set<uint32_t>& starting) const;
  void resume(const std::shared_ptr<collection>&);
  bool writers_are_missing() const;
  bool describe_from(latest_reply&, latest_reply& about);
  std::vector<size_t> asking_order(const job_manifest::part&) const;
  void drop_old_parts();
  void drop_old_parts_of(const placement&);
  void wait_to_load(std::string why);
  std::set<live_part> parts() const;
  std::string part_key(const live_part&) const;
  void start_parts(const std::vector<uint32_t>&, attempt_id, const std::vector<state_chunk>&);
  void spawn(attempt_id);
  void spawn_on(attempt_id, size_t node, const std::vector<uint32_t>& ids);
  void commit_home(commit_message);
  void load_state(attempt_id);
  void load_confirmed(attempt_id);
  void connect(attempt_id, size_t node, const std::vector<uint32_t>& ids,
               std::vector<std::vector<state_chunk>>);
  void opened(attempt_id);
  void handle(const task_event&);
  void down(const caf::down_msg&);
  void fail_deployment(attempt_id, error);
  void collect();
  std::string waits_for() const;
  job_report report() const;
  void end_if_over();

  job_actor::stateful_pointer<job_state_actor> self_ = nullptr;
  job_seed seed_;
  std::unique_ptr<job_coordinator> coordinator_;
  std::vector<deployed_task> tasks_;            // by task id
  std::map<uint32_t, deployment> deployments_;  // under way, by attempt
  size_t stopping_ = 0;  // stop requests under way: their reports are the final ones
  std::vector<task_report> reports_;
  std::vector<caf::typed_response_promise<job_report>> waiters_;
  timestamp_us timer_ = watermark_end;
  timestamp_us started_at_ = 0;
  bool over_ = false, ended_told_ = false;
  bool load_waits_ = false;  // for load_atom
  std::string waits_for_;    // why the job cannot start yet
  std::vector<char> plan_bytes_;
  std::vector<placement> placements_;  // of the attempt that is deployed; grows
  std::vector<size_t> slots_;          // by subtask: index of its node; but for
  /// sources that are beside what they read: by chain, the nodes of its tasks.
  std::map<uint32_t, std::vector<size_t>> source_slots_;
  std::map<uint32_t, placing::reason> why_there_;        // by task, since it was last placed
  std::shared_ptr<surveyed> survey_;                     // under way
  std::vector<placing::node> surveyed_nodes_;            // the last one's result
  std::map<std::string, std::vector<int32_t>> leaders_;  // by topic, as of the last survey
  std::map<size_t, int32_t> copies_;        // by node: id of the one that has its part's copy
  std::map<size_t, int32_t> copies_begun_;  // the same, of the epoch that began last
  bool completing_ = false;                 // the ledger was asked and has not answered
  // Of the epoch that is being committed: how many are not durable yet; SIZE_MAX: it was given up.
  std::shared_ptr<size_t> parts_to_commit_;
  uint32_t restarts_before_ = 0;  // this master
  uint64_t newest_number_ = 0;    // the last epoch that it has answered for
  std::string newest_manifest_;
  job_manifest manifest_;                   // of the newest complete epoch
  std::vector<state_chunk> collected_;      // of all tasks, while they start
  std::shared_ptr<collection> collecting_;  // for a start of all tasks
  std::vector<live_part> part_of_;          // by task: what it writes to
  /// Of tasks that start: the manifest's parts with which they go on, where these are.
  std::map<uint32_t, size_t> resumed_;
  /// Node and part: it should have it, and has not. Until the next epoch is complete.
  std::set<std::pair<int32_t, std::string>> lacking_;
  std::unique_ptr<takeover> takeover_;  // under way
  bool looked_for_tasks_ = false;
  int commits_until_drop_ = 0;
  std::deque<std::string> lines_;  // the last ones that were logged
  struct asked_savepoint {
    uint64_t number = 0;
    bool keep = false;
    caf::typed_response_promise<job_answer> promise;
  };
  std::vector<asked_savepoint> savepoints_;
  /// Until the job has an epoch of its own: the one that it starts from is of this plan.
  struct origin {
    physical_plan plan;
    task_graph graph;
  };
  std::optional<origin> origin_;
  std::string epochs_of_;  // the job whose parts the manifest names: this one, or its origin
  std::set<std::string> changed_;  // operators whose state in the snapshot has another form
};

job_actor spawn_job(caf::actor_system&, job_seed);

/// A store may be busy with a large copy; a remote that died may never answer.
inline constexpr auto restore_timeout = std::chrono::seconds(120);
/// How often the nodes are asked again for state that none of them has.
inline constexpr auto load_retry_interval = std::chrono::milliseconds(200);

/// A request that got no answer.
inline error to_error(const caf::error& e, const std::string& what) {
  return {errc::timeout, what + ": " + caf::to_string(e)};
}

}  // namespace weir
