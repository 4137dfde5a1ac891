#include "actors/job_keeper.hpp"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include "actors/reach.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

constexpr auto probe_limit = 1s;
constexpr auto connect_timeout = 10s;
constexpr auto hello_timeout = 3s;
constexpr auto describe_timeout = 5s;
constexpr auto savepoint_timeout = 60s;
// The last snapshot of a job whose master is handed on, and of all jobs before the cluster stops;
// what takes longer is cut off, which costs no more than a crash.
constexpr auto hand_off_timeout = 4s;
constexpr auto quiesce_timeout = 8s;
constexpr auto close_timeout = 6s;
// How often what waits is looked at: connections to make, jobs without a master, answers that the
// ledger could not give.
constexpr auto tick_interval = 100ms;
constexpr int64_t reconnect_interval_us = 500'000;
// A node asks for a lease so much after the one before it in the order.
constexpr int64_t rank_delay_us = 400'000;
// After a failed attempt to take up a job.
constexpr int64_t take_up_again_us = 1'000'000;
// A client that announced the end of the cluster and did not bring it is forgotten then.
constexpr int64_t quiesce_limit_us = 60'000'000;
// Masters of ended jobs that are kept for questions.
constexpr size_t ended_max = 50;

error unreachable(const std::string& name) {
  return {errc::timeout, "the master of job " + name +
                             " is away at the moment; another node takes the job over, ask again"};
}

job_answer refused(const error& e) {
  job_answer a;
  a.error = e.message;
  a.code = static_cast<uint8_t>(e.code);
  return a;
}

job_report report_of(const ledger_job& j) {
  job_report r;
  r.id = j.id;
  r.name = j.name;
  r.state = static_cast<uint8_t>(j.state);
  r.error = j.error;
  r.completed_epoch = j.newest;
  return r;
}

std::string random_uuid() {
  std::random_device chance;
  char text[40];
  uint32_t a = chance(), b = chance(), c = chance(), d = chance();
  std::snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%04x%08x", a, b >> 16, b & 0xfff,
                0x8000 | (c >> 16 & 0x3fff), c & 0xffff, d);
  return text;
}

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

bool same(const placement& a, const placement& b) {
  return a.id == b.id && a.node == b.node && a.draining == b.draining && a.rack == b.rack;
}

class job_keeper_state {
 public:
  static inline const char* name = "weir.keeper";
  using self_pointer = job_keeper_actor::stateful_pointer<job_keeper_state>;

  job_keeper_actor::behavior_type start(self_pointer, keeper_seed);
  ~job_keeper_state();

 private:
  struct peer {
    hello_message about;  // keeper: none while it is not connected
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
  void say_hello(int32_t id, uint64_t epoch, const job_keeper_actor&);
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
  view_ptr view_ = std::make_shared<ledger_view>();
  uint64_t epoch_ = 0;  // of this node, as far as its jobs and tasks are concerned
  std::map<int32_t, peer> peers_;
  std::map<std::string, master> masters_;                 // by job
  std::vector<std::pair<std::string, job_actor>> ended_;  // oldest first
  std::set<std::string> acquiring_, fenced_;              // by job
  std::map<std::string, timestamp_us> masterless_since_;
  std::map<std::string, timestamp_us> not_before_;  // no attempt to take up the job
  bool ticking_ = false;
  bool closing_ = false;
  timestamp_us quiesced_until_ = 0;
  std::vector<reply_promise> waiting_;  // until there is no master here
};

// -- nodes -----------------------------------------------------------------------------------

void job_keeper_state::refresh() {
  auto before = std::exchange(view_, seed_.ledger->view());
  auto me = view_->nodes.find(view_->self);
  bool alive = me != view_->nodes.end() && me->second.alive;
  if (epoch_ != 0 && (view_->self_epoch != epoch_ || !alive)) give_up();
  if (alive && view_->self_epoch != 0 && me->second.epoch == view_->self_epoch)
    epoch_ = view_->self_epoch;
  for (const auto& [id, job] : before->jobs)
    if (!view_->jobs.contains(id)) {
      // Deleted: nothing of it is needed any more.
      self_->send(seed_.here.node, fence_atom::value, id, job.token + 1, uint32_t{0});
      self_->send(seed_.here.store, keep_atom::value, id, std::vector<std::string>(),
                  job.token + 1);
      fenced_.erase(id);
    }
  forget_gone_jobs();
  meet_peers();
  publish_table();
  look_after_jobs();
}

/// The cluster has given this node up: others do its work, whatever it still has is over.
void job_keeper_state::give_up() {
  log("the cluster has given this node up; its tasks and masters of jobs end");
  epoch_ = 0;
  while (!masters_.empty()) drop_master(masters_.begin()->first);
  self_->send(seed_.here.node, close_atom::value);
  for (auto& [id, p] : peers_)
    if (p.about.keeper) self_->demonitor(p.about.keeper.address());
  peers_.clear();
}

void job_keeper_state::meet_peers() {
  if (epoch_ == 0) return;
  for (const auto& [id, node] : view_->nodes) {
    if (id == view_->self) continue;
    auto& p = peers_[id];
    if (!node.alive || p.about.epoch != node.epoch) {
      // Another life of the node, or none: what is known of it is of no use. One that was not heard
      // of by the ledger yet is kept.
      if (p.about.keeper && (!node.alive || p.about.epoch < node.epoch)) {
        self_->demonitor(p.about.keeper.address());
        p.about = {};
      }
    }
    if (node.alive && !p.about.keeper && id < view_->self) connect(node);
  }
}

void job_keeper_state::connect(const ledger_node& node) {
  auto& p = peers_[node.id];
  if (p.connecting || !seed_.connector) return;
  if (now() < p.retry_at) return tick_soon();
  auto where = split_address(node.actors);
  if (!where) return log("node " + node.name + ": " + where.err().message);
  p.connecting = true;
  auto probed = later([this, id = node.id, epoch = node.epoch, where = *where](status s) {
    if (!s) return connect_failed(id);
    self_
        ->request(seed_.connector, connect_timeout, caf::connect_atom::value, where.host,
                  where.port)
        .then(
            [this, id, epoch](const caf::node_id&, caf::strong_actor_ptr& found,
                              const std::set<std::string>&) {
              if (!found) return connect_failed(id);
              say_hello(id, epoch, caf::actor_cast<job_keeper_actor>(found));
            },
            [this, id](const caf::error&) { connect_failed(id); });
  });
  auto* io = seed_.environment.io;
  io->submit(io->new_lane(), [where = *where, probed] { probed(probe(where, probe_limit)); });
}

void job_keeper_state::connect_failed(int32_t id) {
  auto& p = peers_[id];
  p.connecting = false;
  p.retry_at = now() + reconnect_interval_us;
  tick_soon();
}

hello_message job_keeper_state::hello() const {
  return {view_->self,
          epoch_,
          seed_.here.name,
          static_cast<uint32_t>(::getpid()),
          seed_.here.node,
          seed_.here.store,
          caf::actor_cast<job_keeper_actor>(self_)};
}

void job_keeper_state::say_hello(int32_t id, uint64_t epoch, const job_keeper_actor& keeper) {
  self_->request(keeper, hello_timeout, hello())
      .then(
          [this, id, epoch](const hello_message& h) {
            peers_[id].connecting = false;
            // Somebody else at that address, or a life of the node that the ledger does not mean.
            if (h.id != id || h.epoch != epoch) return connect_failed(id);
            accept(h);
          },
          [this, id](const caf::error&) { connect_failed(id); });
}

void job_keeper_state::accept(const hello_message& h) {
  if (h.id < 0 || h.epoch == 0 || !h.keeper || !h.node || !h.store) return;
  auto& p = peers_[h.id];
  if (h.epoch < p.about.epoch) return;
  if (p.about.keeper) self_->demonitor(p.about.keeper.address());
  p.about = h;
  self_->monitor(h.keeper);
  publish_table();
}

void job_keeper_state::publish_table() {
  std::vector<placement> list;
  for (const auto& [id, node] : view_->nodes) {
    if (!node.alive) continue;
    placement where;
    if (id == view_->self) {
      if (node.epoch != epoch_) continue;
      where = seed_.here;
    } else {
      auto p = peers_.find(id);
      if (p == peers_.end() || !p->second.about.keeper || p->second.about.epoch != node.epoch)
        continue;
      where = {node.name, p->second.about.node, p->second.about.store, -1, {}, false};
    }
    where.id = id;
    where.rack = node.rack;
    where.draining = node.draining;
    list.push_back(std::move(where));
  }
  auto before = table_->get();
  if (std::equal(list.begin(), list.end(), before.begin(), before.end(), same)) return;
  table_->set(std::move(list));
  for (const auto& [id, m] : masters_) self_->send(m.handle, refresh_atom::value);
}

void job_keeper_state::down(const caf::down_msg& m) {
  for (auto& [id, p] : peers_)
    if (p.about.keeper && p.about.keeper.address() == m.source) {
      p.about.keeper = job_keeper_actor();
      p.retry_at = now();
      publish_table();
      tick_soon();
      return;
    }
  for (const auto& [id, x] : masters_)
    if (x.handle.address() == m.source) {
      log("the master of job " + id + " has ended: " + caf::to_string(m.reason));
      masters_.erase(id);
      not_before_[id] = now() + take_up_again_us;
      answer_waiting();
      tick_soon();
      return;
    }
}

void job_keeper_state::tick_soon() {
  if (std::exchange(ticking_, true)) return;
  self_->delayed_send(self_, tick_interval, timer_atom::value);
}

// -- masters ---------------------------------------------------------------------------------

bool job_keeper_state::has_master(const ledger_job& j) const {
  auto node = view_->nodes.find(j.master);
  return node != view_->nodes.end() && node->second.alive && node->second.epoch == j.master_epoch;
}

/// Who takes the jobs that have no master, best first.
std::vector<int32_t> job_keeper_state::candidates() const {
  std::map<int32_t, size_t> load;
  for (bool draining : {false, true}) {
    for (const auto& [id, node] : view_->nodes)
      if (node.alive && node.draining == draining) load.emplace(id, 0);
    if (!load.empty()) break;
  }
  for (const auto& [id, j] : view_->jobs)
    if (auto it = load.find(j.master); !has_ended(j.state) && has_master(j) && it != load.end())
      ++it->second;
  std::vector<int32_t> order;
  for (const auto& [id, n] : load) order.push_back(id);
  std::stable_sort(order.begin(), order.end(),
                   [&load](int32_t a, int32_t b) { return load[a] < load[b]; });
  return order;
}

void job_keeper_state::forget_gone_jobs() {
  auto is_gone = [this](const std::string& id) {
    auto it = view_->jobs.find(id);
    return it == view_->jobs.end() || has_ended(it->second.state);
  };
  std::erase_if(masterless_since_, [&](const auto& x) { return is_gone(x.first); });
  std::erase_if(not_before_, [&](const auto& x) { return is_gone(x.first); });
  std::erase_if(ended_, [this](const auto& x) {
    if (view_->jobs.contains(x.first)) return false;
    self_->send_exit(x.second, caf::exit_reason::kill);
    return true;
  });
}

void job_keeper_state::look_after_jobs() {
  if (epoch_ == 0) return;
  auto me = view_->nodes.find(view_->self);
  auto order = candidates();
  size_t turn = 0;  // jobs without a master are dealt out in the order of their ids
  for (const auto& [id, j] : view_->jobs) {
    auto mine = masters_.find(id);
    if (has_ended(j.state)) {
      // Ended by an administrator, perhaps while its master was away.
      if (mine != masters_.end()) self_->send(mine->second.handle, cancel_atom::value);
      if (fenced_.insert(id).second && mine == masters_.end())
        self_->send(seed_.here.node, fence_atom::value, id, j.token + 1, uint32_t{0});
      continue;
    }
    if (mine != masters_.end() && j.token > mine->second.token) {
      log("job " + j.name + " has a newer master than this node");
      drop_master(id);
      mine = masters_.end();
    }
    if (mine != masters_.end()) {
      if (me != view_->nodes.end() && me->second.draining && order.front() != view_->self &&
          !stops())
        hand_off(id);
      continue;
    }
    bool here = has_master(j) && j.master == view_->self;
    if (has_master(j) && !here) {
      masterless_since_.erase(id);
      continue;
    }
    if (here) {
      look_for_master(j, 0);
      continue;
    }
    auto at = std::find(order.begin(), order.end(), view_->self);
    if (at == order.end()) continue;
    size_t place = static_cast<size_t>(at - order.begin());
    look_for_master(j, (place + order.size() - turn % order.size()) % order.size());
    ++turn;
  }
}

void job_keeper_state::look_for_master(const ledger_job& j, size_t rank) {
  if (stops() || acquiring_.contains(j.id)) return;
  auto since = masterless_since_.emplace(j.id, now()).first->second;
  auto due = since + static_cast<int64_t>(rank) * rank_delay_us;
  if (auto wait = not_before_.find(j.id); wait != not_before_.end())
    due = std::max(due, wait->second);
  if (now() < due) return tick_soon();
  acquire(j);
}

void job_keeper_state::acquire(const ledger_job& j) {
  acquiring_.insert(j.id);
  seed_.ledger->acquire_master(j.id, later([this, id = j.id](result<uint64_t> token) {
                                 acquiring_.erase(id);
                                 masterless_since_.erase(id);
                                 if (!token) {
                                   not_before_[id] = now() + rank_delay_us;
                                   return tick_soon();
                                 }
                                 if (stops() || epoch_ == 0) return give_back(id, *token, "");
                                 take_up(id, *token);
                               }));
}

void job_keeper_state::take_up(const std::string& id, uint64_t token) {
  auto view = seed_.ledger->view();
  auto job = view->jobs.find(id);
  if (job == view->jobs.end()) return;
  acquiring_.insert(id);
  seed_.ledger->read_file(job->second.plan, later([this, id, token](result<std::string> plan) {
                            acquiring_.erase(id);
                            if (!plan)
                              return give_back(id, token,
                                               "its plan cannot be read: " + plan.err().message);
                            if (stops() || epoch_ == 0) return give_back(id, token, "");
                            run(id, token, *plan);
                          }));
}

void job_keeper_state::give_back(const std::string& id, uint64_t token, const std::string& why) {
  if (!why.empty()) log("job " + id + " is not taken up: " + why);
  not_before_[id] = now() + take_up_again_us;
  // A lease that cannot be given back ends with this node's epoch.
  seed_.ledger->release_master(id, token, [](const status&) {});
  tick_soon();
}

void job_keeper_state::run(const std::string& id, uint64_t token, const std::string& bytes) {
  auto view = seed_.ledger->view();
  auto job = view->jobs.find(id);
  if (job == view->jobs.end() || has_ended(job->second.state)) return;
  auto plan = decode_plan(std::as_bytes(std::span(bytes)));
  if (!plan) return end_in_ledger(id, token, job_state::failed, plan.err().message);
  auto graph = build_task_graph(*plan);
  if (!graph) return end_in_ledger(id, token, job_state::failed, graph.err().message);
  job_seed seed;
  seed.id = id;
  seed.window = window_for(seed_.memory_bytes, graph->channels.size());
  seed.plan = std::make_shared<const physical_plan>(std::move(*plan));
  seed.graph = std::make_shared<const task_graph>(std::move(*graph));
  seed.options.interval_us = job->second.snapshot_interval_us;
  seed.nodes = [table = table_] { return table->get(); };
  seed.home = seed_.here.store;
  seed.parts = true;
  seed.ledger = seed_.ledger;
  seed.token = token;
  seed.master = seed_.here.name;
  seed.environment = seed_.environment;
  seed.log = [log = seed_.log, name = job->second.name](const std::string& line) {
    if (log) log("job " + name + ": " + line);
  };
  auto me = caf::actor_cast<job_keeper_actor>(self_);
  seed.fenced = later([this, id, token] {
    auto it = masters_.find(id);
    if (it == masters_.end() || it->second.token != token) return;
    log("the tenure of job " + id + "'s master on this node is over");
    drop_master(id);
    look_after_jobs();
  });
  seed.ended = [me](const job_report& r) { caf::anon_send(me, ended_atom::value, r); };
  drop_master(id);
  auto handle = spawn_job(self_->system(), std::move(seed));
  self_->monitor(handle);
  masters_[id] = {token, handle, false, false};
  log("this node has the master of job " + job->second.name + " (tenure " + std::to_string(token) +
      ")");
}

/// It says nothing more, and its tasks are left to whoever comes after it.
void job_keeper_state::drop_master(const std::string& id) {
  auto it = masters_.find(id);
  if (it == masters_.end()) return;
  self_->demonitor(it->second.handle.address());
  self_->send_exit(it->second.handle, caf::exit_reason::kill);
  masters_.erase(it);
  answer_waiting();
}

/// A last snapshot, so that little has to be done again, then the lease is free.
void job_keeper_state::hand_off(const std::string& id) {
  auto it = masters_.find(id);
  if (it == masters_.end() || std::exchange(it->second.handing_off, true)) return;
  auto release = [this, id, token = it->second.token] {
    auto still = masters_.find(id);
    if (still == masters_.end() || still->second.token != token) return;
    self_->demonitor(still->second.handle.address());
    self_->send_exit(still->second.handle, caf::exit_reason::kill);
    seed_.ledger->release_master(id, token, later([this, id, token](const status&) {
                                   auto gone = masters_.find(id);
                                   if (gone != masters_.end() && gone->second.token == token)
                                     masters_.erase(gone);
                                   answer_waiting();
                                 }));
  };
  self_->request(it->second.handle, hand_off_timeout, savepoint_atom::value)
      .then([release](const job_answer&) { release(); },
            [release](const caf::error&) { release(); });
}

void job_keeper_state::ended(job_report r) {
  auto it = masters_.find(r.id);
  if (it == masters_.end()) return;
  auto m = it->second;
  masters_.erase(it);
  self_->demonitor(m.handle.address());
  auto state = static_cast<job_state>(r.state);
  if (stops() && state == job_state::stopped && !m.stop_asked) {
    // Stopped because the cluster stops is not stopped for good.
    self_->send_exit(m.handle, caf::exit_reason::kill);
  } else {
    end_in_ledger(r.id, m.token, state, r.error);
    ended_.emplace_back(r.id, m.handle);
    if (ended_.size() > ended_max) {
      self_->send_exit(ended_.front().second, caf::exit_reason::kill);
      ended_.erase(ended_.begin());
    }
  }
  answer_waiting();
}

void job_keeper_state::end_in_ledger(const std::string& id, uint64_t token, job_state state,
                                     const std::string& why) {
  // Until it is written down nobody takes the job up: an end that is lost is found again.
  acquiring_.insert(id);
  seed_.ledger->end_job(
      id, token, state, why, later([this, id, token, state, why](status s) {
        if (!s && s.err().code == errc::timeout && !closing_) {
          self_->delayed_send(self_, tick_interval, call_message{[this, id, token, state, why] {
                                end_in_ledger(id, token, state, why);
                              }});
          return;
        }
        acquiring_.erase(id);
        if (!s && s.err().code != errc::cancelled)
          log("the end of job " + id + " cannot be written down: " + s.err().message);
      }));
}

// -- requests --------------------------------------------------------------------------------

caf::result<submit_reply> job_keeper_state::submit(const submit_message& m) {
  auto promise = self_->make_response_promise<submit_reply>();
  auto refuse = [promise](const error& e) mutable {
    submit_reply r;
    r.error = e.message;
    r.code = static_cast<uint8_t>(e.code);
    promise.deliver(std::move(r));
  };
  auto plan = decode_plan(std::as_bytes(std::span(m.plan)));
  auto graph = plan ? build_task_graph(*plan) : result<task_graph>(plan.err());
  if (!graph) {
    refuse(graph.err());
    return promise;
  }
  if (stops()) {
    refuse({errc::cancelled, "the cluster is about to stop"});
    return promise;
  }
  ledger_job job;
  job.id = random_uuid();
  job.name = plan->name;
  job.snapshot_interval_us = m.snapshot_interval_us;
  seed_.ledger->store_file({m.plan.begin(), m.plan.end()},
                           later([this, promise, refuse, job](result<std::string> hash) mutable {
                             if (!hash) return refuse(hash.err());
                             job.plan = *hash;
                             seed_.ledger->submit_job(
                                 job, later([promise, refuse, id = job.id](status s) mutable {
                                   if (!s) return refuse(s.err());
                                   submit_reply r;
                                   r.id = id;
                                   promise.deliver(std::move(r));
                                 }));
                           }));
  return promise;
}

const ledger_job* job_keeper_state::resolve(const std::string& what) const {
  if (auto it = view_->jobs.find(what); it != view_->jobs.end()) return &it->second;
  const ledger_job* found = nullptr;
  for (const auto& [id, j] : view_->jobs)
    if (j.name == what && (!found || !has_ended(j.state))) found = &j;
  return found;
}

caf::result<job_answer> job_keeper_state::request(const job_request& r) {
  view_ = seed_.ledger->view();
  const auto* job = resolve(r.job);
  // Who was asked on its behalf by a node that knows it has just started and does not know it yet.
  if (!job && r.forwarded) return refused(unreachable(r.job));
  if (!job) return refused({errc::not_found, "there is no job '" + r.job + "'"});
  if (auto mine = masters_.find(job->id); mine != masters_.end()) {
    auto promise = self_->make_response_promise<job_answer>();
    ask_master(r, *job, mine->second, promise);
    return promise;
  }
  if (r.what == job_request::verb::remove) {
    if (!has_ended(job->state))
      return refused(
          {errc::invalid_argument, "job " + job->name + " has not ended: stop it first"});
    auto promise = self_->make_response_promise<job_answer>();
    seed_.ledger->delete_job(job->id, later([promise](status s) mutable {
                               promise.deliver(s ? job_answer{} : refused(s.err()));
                             }));
    return promise;
  }
  if (has_ended(job->state)) return ask_ended(r, *job);
  if (has_master(*job) && job->master != view_->self && !r.forwarded) return ask_peer(r, *job);
  return without_master(r, *job);
}

void job_keeper_state::ask_master(const job_request& r, const ledger_job& job, master& m,
                                  answer_promise promise) {
  auto away = [promise, name = job.name](const caf::error&) mutable {
    promise.deliver(refused(unreachable(name)));
  };
  switch (r.what) {
    case job_request::verb::describe:
      self_->request(m.handle, describe_timeout, describe_atom::value)
          .then(
              [promise](job_report& report) mutable {
                job_answer a;
                a.report = std::move(report);
                promise.deliver(std::move(a));
              },
              away);
      return;
    case job_request::verb::logs:
      self_->request(m.handle, describe_timeout, logs_atom::value)
          .then([promise](job_answer& a) mutable { promise.deliver(std::move(a)); }, away);
      return;
    case job_request::verb::savepoint:
      self_->request(m.handle, savepoint_timeout, savepoint_atom::value)
          .then([promise](job_answer& a) mutable { promise.deliver(std::move(a)); }, away);
      return;
    case job_request::verb::stop:
      m.stop_asked = true;
      self_->send(m.handle, stop_atom::value);
      break;
    case job_request::verb::cancel:
      m.stop_asked = true;
      self_->send(m.handle, cancel_atom::value);
      break;
    case job_request::verb::remove:
      promise.deliver(
          refused({errc::invalid_argument, "job " + job.name + " has not ended: stop it first"}));
      return;
  }
  promise.deliver(job_answer{});
}

caf::result<job_answer> job_keeper_state::ask_ended(const job_request& r, const ledger_job& job) {
  if (r.what == job_request::verb::savepoint)
    return refused({errc::cancelled, "job " + job.name + " has ended"});
  job_answer a;
  a.report = report_of(job);
  if (r.what != job_request::verb::describe && r.what != job_request::verb::logs) return a;
  auto here = std::find_if(ended_.begin(), ended_.end(),
                           [&job](const auto& x) { return x.first == job.id; });
  if (here != ended_.end()) {
    auto promise = self_->make_response_promise<job_answer>();
    master m{0, here->second, true, false};
    ask_master(r, job, m, promise);
    return promise;
  }
  if (r.forwarded) return a;
  // The node that had its master last remembers more than the ledger.
  auto asked = std::make_shared<size_t>(0);
  auto best = std::make_shared<job_answer>(a);
  std::vector<job_keeper_actor> others;
  for (const auto& [id, p] : peers_)
    if (p.about.keeper) others.push_back(p.about.keeper);
  if (others.empty()) return a;
  auto promise = self_->make_response_promise<job_answer>();
  *asked = others.size();
  auto answered = [promise, asked, best]() mutable {
    if (--*asked == 0) promise.deliver(std::move(*best));
  };
  for (const auto& other : others)
    self_->request(other, describe_timeout, job_request{r.what, job.id, true})
        .then(
            [best, answered](job_answer& theirs) mutable {
              if (!theirs.report.tasks.empty() || !theirs.lines.empty()) *best = std::move(theirs);
              answered();
            },
            [answered](const caf::error&) mutable { answered(); });
  return promise;
}

caf::result<job_answer> job_keeper_state::ask_peer(job_request r, const ledger_job& job) {
  auto p = peers_.find(job.master);
  if (p == peers_.end() || !p->second.about.keeper) return without_master(r, job);
  auto promise = self_->make_response_promise<job_answer>();
  r.job = job.id;
  r.forwarded = true;
  auto timeout = r.what == job_request::verb::savepoint ? savepoint_timeout : describe_timeout;
  auto away = refused(unreachable(job.name));
  self_->request(p->second.about.keeper, timeout, r)
      .then([promise](job_answer& a) mutable { promise.deliver(std::move(a)); },
            [promise, away](const caf::error&) mutable { promise.deliver(away); });
  return promise;
}

caf::result<job_answer> job_keeper_state::without_master(const job_request& r,
                                                         const ledger_job& job) {
  if (r.what == job_request::verb::cancel && !r.forwarded) {
    auto promise = self_->make_response_promise<job_answer>();
    seed_.ledger->end_job(job.id, 0, job_state::stopped, "", later([promise](status s) mutable {
                            promise.deliver(s ? job_answer{} : refused(s.err()));
                          }));
    return promise;
  }
  if (r.what == job_request::verb::describe && !r.forwarded) {
    // It is on its way to another master.
    job_answer a;
    a.report = report_of(job);
    a.report.state = static_cast<uint8_t>(job_state::restarting);
    return a;
  }
  return refused(unreachable(job.name));
}

caf::result<cluster_report> job_keeper_state::list() {
  view_ = seed_.ledger->view();
  auto report = std::make_shared<cluster_report>();
  for (const auto& [id, n] : view_->nodes) {
    node_report r;
    r.name = n.name;
    r.http = n.http;
    r.kafka = n.kafka;
    r.alive = n.alive;
    r.draining = n.draining;
    if (id == view_->self) {
      r.pid = static_cast<uint32_t>(::getpid());
      r.coordinates = view_->leads;
    } else if (auto p = peers_.find(id); p != peers_.end()) {
      r.pid = p->second.about.pid;
    }
    report->nodes.push_back(std::move(r));
  }
  auto left = std::make_shared<size_t>(view_->jobs.size());
  if (*left == 0) return *report;
  auto promise = self_->make_response_promise<cluster_report>();
  for (const auto& [id, j] : view_->jobs) report->jobs.push_back(report_of(j));
  auto me = caf::actor_cast<job_keeper_actor>(self_);
  size_t at = 0;
  for (const auto& [id, j] : view_->jobs) {
    self_->request(me, describe_timeout, job_request{job_request::verb::describe, id, false})
        .then(
            [promise, report, left, at](job_answer& a) mutable {
              if (a.error.empty()) report->jobs[at] = std::move(a.report);
              if (--*left == 0) promise.deliver(std::move(*report));
            },
            // What the ledger says stands for a job that does not answer.
            [promise, report, left](const caf::error&) mutable {
              if (--*left == 0) promise.deliver(std::move(*report));
            });
    ++at;
  }
  return promise;
}

caf::result<operation_reply> job_keeper_state::close() {
  closing_ = true;
  auto promise = self_->make_response_promise<operation_reply>();
  waiting_.push_back(promise);
  std::vector<std::string> jobs;
  for (const auto& [id, m] : masters_) jobs.push_back(id);
  if (now() >= quiesced_until_)
    for (const auto& id : jobs) hand_off(id);
  answer_waiting();
  return promise;
}

caf::result<operation_reply> job_keeper_state::quiesce(bool forwarded) {
  quiesced_until_ = now() + quiesce_limit_us;
  auto promise = self_->make_response_promise<operation_reply>();
  auto left = std::make_shared<size_t>(1);
  auto one_less = [promise, left]() mutable {
    if (--*left == 0) promise.deliver(operation_reply{});
  };
  if (!forwarded)
    for (const auto& [id, p] : peers_) {
      if (!p.about.keeper) continue;
      ++*left;
      self_->request(p.about.keeper, quiesce_timeout, quiesce_atom::value, true)
          .then([one_less](const operation_reply&) mutable { one_less(); },
                [one_less](const caf::error&) mutable { one_less(); });
    }
  for (const auto& [id, m] : masters_) {
    ++*left;
    self_->send(m.handle, stop_atom::value);
    self_->request(m.handle, quiesce_timeout, wait_atom::value)
        .then([one_less](const job_report&) mutable { one_less(); },
              [one_less](const caf::error&) mutable { one_less(); });
  }
  one_less();
  return promise;
}

void job_keeper_state::answer_waiting() {
  if (!masters_.empty()) return;
  for (auto& w : std::exchange(waiting_, {})) w.deliver(operation_reply{});
}

/// Masters do not outlive their keeper: nobody would hear that they are over.
job_keeper_state::~job_keeper_state() {
  for (const auto& [id, m] : masters_) caf::anon_send_exit(m.handle, caf::exit_reason::kill);
  for (const auto& [id, handle] : ended_) caf::anon_send_exit(handle, caf::exit_reason::kill);
}

job_keeper_actor::behavior_type job_keeper_state::start(self_pointer self, keeper_seed seed) {
  self_ = self;
  seed_ = std::move(seed);
  self->set_down_handler([this](const caf::down_msg& m) { down(m); });
  auto weak = caf::actor_cast<caf::actor_addr>(self_);
  listening_ = seed_.ledger->listen([weak] {
    if (auto strong = caf::actor_cast<caf::strong_actor_ptr>(weak))
      caf::anon_send(caf::actor_cast<caf::actor>(strong), refresh_atom::value);
  });
  self_->send(self_, refresh_atom::value);
  return {
      [this](const hello_message& h) {
        accept(h);
        return hello();
      },
      [this](refresh_atom) { refresh(); },
      [this](timer_atom) {
        ticking_ = false;
        refresh();
      },
      [](const call_message& m) { m.run(); },
      [this](ended_atom, job_report& r) { ended(std::move(r)); },
      [this](const submit_message& m) { return submit(m); },
      [this](const job_request& r) { return request(r); },
      [this](list_atom) { return list(); },
      [this](close_atom) { return close(); },
      [this](quiesce_atom, bool forwarded) { return quiesce(forwarded); },
  };
}

}  // namespace

job_keeper_actor spawn_job_keeper(caf::actor_system& system, keeper_seed seed) {
  return system.spawn([](job_keeper_state::self_pointer self,
                         keeper_seed s) { return self->state.start(self, std::move(s)); },
                      std::move(seed));
}

result<uint16_t> publish_job_keeper(caf::actor_system& system, const job_keeper_actor& keeper,
                                    const std::string& host, uint16_t port) {
  auto got = system.middleman().publish(keeper, port, host.c_str(), true);
  if (!got)
    return error{errc::io, "cannot publish on " + host + ":" + std::to_string(port) + ": " +
                               caf::to_string(got.error())};
  return *got;
}

void close_job_keeper(caf::actor_system& system, job_keeper_actor& keeper) {
  if (!keeper) return;
  caf::scoped_actor self(system);
  self->request(keeper, close_timeout, close_atom::value)
      .receive([](const operation_reply&) {},
               [](const caf::error&) { /* too slow: as after a crash */ });
  caf::anon_send_exit(keeper, caf::exit_reason::kill);
  keeper = job_keeper_actor();
}

}  // namespace weir
