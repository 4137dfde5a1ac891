#include "actors/job_keeper.hpp"

#include <unistd.h>
#include <caf/openssl/all.hpp>

#include <algorithm>

#include "actors/job_keeper_state.hpp"
#include "actors/reach.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

constexpr auto probe_limit = 1s;
constexpr auto connect_timeout = 10s;
constexpr auto hello_timeout = 3s;
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
constexpr auto clean_up_interval = 5min;

bool same(const placement& a, const placement& b) {
  return a.id == b.id && a.node == b.node && a.connection == b.connection &&
         a.draining == b.draining && a.rack == b.rack;
}

}  // namespace

// -- nodes -----------------------------------------------------------------------------------

void job_keeper_state::refresh() {
  auto before = std::exchange(acted_on_, seed_.ledger->view());
  view_ = acted_on_;
  auto me = view_->nodes.find(view_->self);
  bool alive = me != view_->nodes.end() && me->second.alive;
  if (epoch_ != 0 && (view_->self_epoch != epoch_ || !alive)) give_up();
  if (alive && view_->self_epoch != 0 && me->second.epoch == view_->self_epoch) {
    // What was removed while this node was down or cut off is told by nobody.
    if (std::exchange(epoch_, view_->self_epoch) != view_->self_epoch) sweep_store();
  }
  bool fewer = false;
  for (const auto& [id, job] : before->jobs) {
    auto still = view_->jobs.find(id);
    fewer |=
        still == view_->jobs.end() || (has_ended(still->second.state) && !has_ended(job.state));
    for (const auto& [number, manifest] : job.savepoints)
      if (still == view_->jobs.end() || !still->second.savepoints.contains(number))
        self_->send(seed_.here.store, keep_atom::value, savepoint_job(id, number),
                    std::vector<std::string>(), uint64_t{0});
    if (still == view_->jobs.end()) {
      // Deleted: nothing of it is needed any more.
      self_->send(seed_.here.node, fence_atom::value, id, job.token + 1, uint32_t{0});
      self_->send(seed_.here.store, keep_atom::value, id, std::vector<std::string>(),
                  job.token + 1);
      fenced_.erase(id);
    }
  }
  auto lives = [](const ledger_view& v) {
    std::set<int32_t> out;
    for (const auto& [id, node] : v.nodes)
      if (node.alive) out.insert(id);
    return out;
  };
  if (fewer || lives(*before) != lives(*view_)) seed_.ledger->look_after_files();
  forget_gone_jobs();
  meet_peers();
  publish_table();
  look_after_jobs();
  if (view_->nodes.size() < before->nodes.size()) look_after_copies();
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
      // of by the ledger yet is kept, also when its last one is given up: it says hello only once.
      const bool over = node.alive ? p.about.epoch < node.epoch : p.about.epoch <= node.epoch;
      if (p.about.keeper && over) {
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
  auto probed =
      later([this, id = node.id, life = node.epoch, where = *where, name = node.name](status s) {
        if (!s) return connect_failed(id);
        self_
            ->request(seed_.connector, connect_timeout, caf::connect_atom::value, where.host,
                      where.port)
            .then(
                [this, id, life](const caf::node_id&, caf::strong_actor_ptr& found,
                                 const std::set<std::string>&) {
                  if (!found) return connect_failed(id);
                  say_hello(id, life, caf::actor_cast<job_keeper_actor>(found));
                },
                [this, id, name](const caf::error& e) {
                  if (e == caf::sec::incompatible_application_ids)
                    if (auto line = limiter_.say(
                            name,
                            "node " + name +
                                " runs a build of weir whose actors do not understand this one's: "
                                "start the same build on all nodes (docs/operations.md, Upgrading)",
                            static_cast<uint64_t>(now()) / 1'000))
                      log(*line);
                  connect_failed(id);
                });
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
          caf::actor_cast<job_keeper_actor>(self_),
          seed_.here.rows};
}

void job_keeper_state::say_hello(int32_t id, uint64_t life, const job_keeper_actor& keeper) {
  self_->request(keeper, hello_timeout, hello())
      .then(
          [this, id, life](const hello_message& h) {
            peers_[id].connecting = false;
            // Somebody else at that address, or a life of the node that the ledger does not mean.
            if (h.id != id || h.epoch != life) return connect_failed(id);
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
  // Also where the loss of the one before has not been noticed here, or only just been.
  p.connection = ++connections_;
  self_->monitor(h.keeper);
  self_->send(seed_.here.store, lost_atom::value, h.store.address());
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
      where = {node.name, p->second.about.node, p->second.about.store, -1, {},
               false,     p->second.about.rows, p->second.connection};
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

/// The store's parts of jobs and savepoints that nobody needs.
void job_keeper_state::sweep_store() {
  self_->send(seed_.here.store, sweep_message{view_});
}

/// Now and then: files that were too young when their jobs ended, or came for none; what a master
/// that died has left of a savepoint.
void job_keeper_state::clean_up() {
  seed_.ledger->look_after_files();
  if (epoch_ != 0) sweep_store();
  self_->delayed_send(self_, clean_up_interval, call_message{[this] { clean_up(); }});
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
  self_->request(it->second.handle, hand_off_timeout, savepoint_atom::value, false)
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

// -- the end ---------------------------------------------------------------------------------

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
  clean_up();
  look_after_copies();
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

job_keeper_actor spawn_job_keeper(caf::actor_system& system, keeper_seed seed) {
  return system.spawn([](job_keeper_state::self_pointer self,
                         keeper_seed s) { return self->state.start(self, std::move(s)); },
                      std::move(seed));
}

result<uint16_t> publish_job_keeper(caf::actor_system& system, const job_keeper_actor& keeper,
                                    const std::string& host, uint16_t port) {
  auto got = system.has_openssl_manager()
                 ? caf::openssl::publish(keeper, port, host.c_str(), true)
                 : system.middleman().publish(keeper, port, host.c_str(), true);
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
