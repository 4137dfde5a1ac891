#include "actors/node.hpp"

#include <caf/io/all.hpp>
#include <caf/openssl/all.hpp>

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "actors/store.hpp"
#include "actors/task.hpp"
#include "runtime/snapshot/store.hpp"

namespace weir {
namespace {

// Messages an actor may handle before the next one has its turn: its slices of work are messages,
// so this bounds how long others wait.
constexpr size_t max_throughput = 8;
// Credit of one channel: below the first a batch of 8k wide rows stalls, above the second latency
// grows and throughput does not.
constexpr uint64_t window_bytes_min = 256u << 10;
constexpr uint64_t window_bytes_max = 4u << 20;
constexpr uint32_t window_batches = 16;
// A task answers between two slices of its work.
constexpr auto task_adopt_timeout = std::chrono::seconds(3);
// For a commit that is under way when the node ends.
constexpr auto store_close_timeout = std::chrono::seconds(10);

struct node_state {
  static inline const char* name = "weir.node";
  struct running_task {
    uint64_t token = 0;
    uint32_t task = 0, attempt = 0;
    task_actor handle;
  };
  std::string node_name;
  task_environment environment;
  data_exchange* exchange = nullptr;
  std::map<std::string, std::vector<running_task>> running;  // by job
  /// Of each job: the highest tenure of a master that was heard of; lower ones are refused.
  std::map<std::string, uint64_t> tokens;
  /// And the tenure and attempt below which tasks are over.
  std::map<std::string, std::pair<uint64_t, uint32_t>> fenced;
  library_source libraries;
  uint64_t life = 0;  // counts how often the cluster has given the node up

  void gone(const caf::actor_addr& address) {
    for (auto& [job, tasks] : running)
      std::erase_if(tasks, [&address](const running_task& t) { return t.handle == address; });
    std::erase_if(running, [](const auto& entry) { return entry.second.empty(); });
  }
};

using node_pointer = node_actor::stateful_pointer<node_state>;

/// Ends the tasks that `which` accepts at once: they publish nothing more.
template <class F>
void end_tasks(node_pointer self, const std::string& job, F which) {
  auto it = self->state.running.find(job);
  if (it == self->state.running.end()) return;
  for (const auto& t : it->second)
    if (which(t)) self->send_exit(t.handle, caf::exit_reason::kill);
}

void fence(node_pointer self, const std::string& job, uint64_t token, uint32_t attempt) {
  auto& newest = self->state.tokens[job];
  newest = std::max(newest, token);
  auto& over = self->state.fenced[job];
  over = std::max(over, std::pair(token, attempt));
  end_tasks(self, job, [token, attempt](const auto& t) {
    return std::pair(t.token, t.attempt) < std::pair(token, attempt);
  });
}

/// The tasks of the job here belong to the master that asks; each says how it stands.
caf::result<adopt_reply> adopt(node_pointer self, const adopt_message& m) {
  if (m.token < self->state.tokens[m.job])
    return adopt_reply{"the job has a newer master", static_cast<uint8_t>(errc::cancelled), {}};
  self->state.tokens[m.job] = m.token;
  auto running = self->state.running.find(m.job);
  if (running == self->state.running.end()) return adopt_reply{};
  auto promise = self->make_response_promise<adopt_reply>();
  auto left = std::make_shared<size_t>(running->second.size());
  auto reply = std::make_shared<adopt_reply>();
  auto one_less = [promise, left, reply]() mutable {
    if (--*left == 0) promise.deliver(std::move(*reply));
  };
  for (auto& t : running->second) {
    t.token = m.token;
    self->request(t.handle, task_adopt_timeout, m)
        .then(
            [reply, one_less](adopted_task& a) mutable {
              reply->tasks.push_back(std::move(a));
              one_less();
            },
            // It has just ended, or is stuck: not one that goes on.
            [one_less](const caf::error&) mutable { one_less(); });
  }
  return promise;
}

deploy_reply refuse_deployment(const error& e) {
  deploy_reply reply;
  reply.code = static_cast<uint8_t>(e.code);
  reply.error = e.message;
  return reply;
}

deploy_reply spawn_tasks(node_pointer self, const deploy_message& m, physical_plan plan) {
  // While libraries were fetched another master may have spoken.
  if (m.token < self->state.tokens[m.job])
    return refuse_deployment({errc::cancelled, "the job has a newer master"});
  deploy_reply reply;
  auto shared_plan = std::make_shared<const physical_plan>(std::move(plan));
  auto graph = build_task_graph(*shared_plan);
  if (!graph) return refuse_deployment(graph.err());
  auto shared_graph = std::make_shared<const task_graph>(std::move(*graph));
  for (auto id : m.tasks)
    if (id >= shared_graph->tasks.size())
      return refuse_deployment(
          {errc::invalid_argument, "the plan has no task " + std::to_string(id)});
  // Also what these tasks replace, should it still be there.
  std::set<uint32_t> replaced(m.tasks.begin(), m.tasks.end());
  end_tasks(self, m.job, [&m, &replaced](const auto& t) {
    return t.token < m.token || (replaced.contains(t.task) && t.attempt < m.attempt);
  });
  for (auto id : m.tasks) {
    task_seed seed;
    seed.job = m.job;
    seed.run = m.run;
    seed.node = self->state.node_name;
    seed.plan = shared_plan;
    seed.graph = shared_graph;
    seed.id = task_id{id};
    seed.attempt = attempt_id{m.attempt};
    seed.token = m.token;
    seed.environment = self->state.environment;
    seed.exchange = self->state.exchange;
    seed.window = {m.window_bytes, m.window_batches};
    seed.alignment_limit_us = m.alignment_limit_us;
    auto task = spawn_task(self->system(), std::move(seed));
    self->monitor(task);
    self->state.running[m.job].push_back({m.token, id, m.attempt, task});
    reply.tasks.push_back(std::move(task));
  }
  return reply;
}

/// A deployment that waits for libraries of its plan.
struct waiting_deployment {
  deploy_message message;
  physical_plan plan;
  caf::typed_response_promise<deploy_reply> promise;
  size_t left = 0;
  uint64_t life = 0;  // node_state::life when it was asked for
  bool refused = false;
};

void library_came(node_pointer self, const std::shared_ptr<waiting_deployment>& d,
                  const std::string& content, const result<std::string>& path) {
  if (d->refused) return;
  auto refuse = [&d](const error& e) {
    d->refused = true;
    d->promise.deliver(refuse_deployment(e));
  };
  for (auto& n : d->plan.operators)
    if (auto* c = std::get_if<custom_spec>(&n.spec); c && c->content == content) {
      // What is not there now may be once a node is back: not a fault of the job.
      if (!path)
        return refuse({errc::timeout, "operator library " + c->library + " of \"" + n.id +
                                          "\" cannot be had: " + path.err().message});
      c->local = *path;
    }
  if (--d->left != 0) return;
  if (d->life != self->state.life)
    return refuse({errc::cancelled, "the cluster had given the node up meanwhile"});
  // Newer attempts may have been deployed, or this one may be over, while libraries came.
  const auto& m = d->message;
  const auto fenced = self->state.fenced.find(m.job);
  bool over = fenced != self->state.fenced.end() && std::pair(m.token, m.attempt) < fenced->second;
  if (const auto running = self->state.running.find(m.job); running != self->state.running.end())
    for (const auto& t : running->second)
      over |= t.attempt > m.attempt &&
              std::find(m.tasks.begin(), m.tasks.end(), t.task) != m.tasks.end();
  if (over) return refuse({errc::io, "a newer attempt runs already"});
  d->promise.deliver(spawn_tasks(self, d->message, std::move(d->plan)));
}

caf::result<deploy_reply> deploy(node_pointer self, const deploy_message& m) {
  if (m.token < self->state.tokens[m.job])
    return refuse_deployment({errc::cancelled, "the job has a newer master"});
  self->state.tokens[m.job] = m.token;
  auto plan = decode_plan(std::as_bytes(std::span(m.plan)));
  if (!plan) return refuse_deployment(plan.err());
  std::set<std::string> contents;
  for (const auto& n : plan->operators)
    if (const auto* c = std::get_if<custom_spec>(&n.spec); c && !c->content.empty())
      contents.insert(c->content);
  if (contents.empty()) return spawn_tasks(self, m, std::move(*plan));
  if (!self->state.libraries)
    return refuse_deployment({errc::unsupported, "this process cannot fetch operator libraries"});
  auto d = std::make_shared<waiting_deployment>();
  d->message = m;
  d->plan = std::move(*plan);
  d->promise = self->make_response_promise<deploy_reply>();
  d->left = contents.size();
  d->life = self->state.life;
  auto me = caf::actor_cast<node_actor>(self);
  for (const auto& content : contents)
    self->state.libraries(content, [self, me, d, content](const result<std::string>& path) {
      caf::anon_send(
          me, call_message{[self, d, content, path] { library_came(self, d, content, path); }});
    });
  return d->promise;
}

}  // namespace

credit window_for(size_t memory_bytes, size_t channels) {
  uint64_t share = memory_bytes / 4 / std::max<size_t>(1, channels);
  return {std::clamp(share, window_bytes_min, window_bytes_max), window_batches};
}

credit_budget::limits rows_in_flight(size_t memory_bytes) {
  return {memory_bytes / 4, memory_bytes / 8};
}

node_actor spawn_node(caf::actor_system& system, std::string name, task_environment environment,
                      data_exchange* exchange, library_source libraries) {
  return system.spawn(
      [](node_pointer self, std::string n, task_environment e, data_exchange* x,
         library_source l) -> node_actor::behavior_type {
        self->state.libraries = std::move(l);
        self->state.node_name = std::move(n);
        self->state.environment = e;
        self->state.exchange = x;
        self->set_down_handler([self](const caf::down_msg& m) { self->state.gone(m.source); });
        return {
            [self](const deploy_message& m) { return deploy(self, m); },
            [self](const adopt_message& m) { return adopt(self, m); },
            [self](load_atom,
                   const std::string& but_not) -> caf::result<uint32_t, uint64_t, uint32_t> {
              uint32_t tasks = 0;
              for (const auto& [job, running] : self->state.running)
                if (job != but_not) tasks += static_cast<uint32_t>(running.size());
              return {static_cast<uint32_t>(self->system().scheduler().num_workers()),
                      uint64_t{self->state.environment.memory->limit()}, tasks};
            },
            [self](fence_atom, const std::string& job, uint64_t token, uint32_t attempt) {
              fence(self, job, token, attempt);
            },
            [self](close_atom) {
              ++self->state.life;
              for (const auto& [job, tasks] : self->state.running)
                for (const auto& t : tasks) self->send_exit(t.handle, caf::exit_reason::kill);
            },
            [](const call_message& m) { m.run(); },
        };
      },
      std::move(name), environment, exchange, std::move(libraries));
}

node_process::node_process(node_options o)
    : options_(std::move(o)),
      memory_(options_.memory_bytes),
      files_(make_posix_file_system()),
      io_(make_thread_executor(options_.io_threads)) {}

result<std::unique_ptr<node_process>> node_process::start(node_options o) {
  std::unique_ptr<node_process> p(new node_process(std::move(o)));
  WEIR_TRY(p->open());
  return p;
}

task_environment node_process::environment() {
  return {&memory_, io_.get(), files_.get(), &clock_};
}

status node_process::open() {
  std::string snapshots = options_.data_dir.empty() ? "" : options_.data_dir + "/snapshots";
  snapshot_options how;
  how.memory = nullptr;
  if (snapshots.empty()) {
    // Nothing outlives the process: a folder of its own, which is removed at the end.
    std::string pattern = std::filesystem::temp_directory_path() / "weir-XXXXXX";
    if (!::mkdtemp(pattern.data()))
      return error{errc::io,
                   "cannot make a temporary folder " + pattern + ": " + std::strerror(errno)};
    temporary_ = snapshots = pattern;
    how.sync = false;
  }
  if (options_.network)
    how.when_damaged = "move '" + snapshots +
                       "' away and start the node again: jobs take what they need from the copies "
                       "that other nodes have; where there are none, their state is lost";
  WEIR_ASSIGN(auto store, snapshot_store::open(snapshots, how));
  config_ = std::make_unique<caf::actor_system_config>();
  config_->add_message_types<caf::id_block::weir>();
  // Sharing wakes a worker at once and sleeps when there is nothing to do; stealing polls.
  config_->set("scheduler.policy", caf::atom("sharing"));
  unsigned threads = options_.scheduler_threads ? options_.scheduler_threads
                                                : std::max(1u, std::thread::hardware_concurrency());
  config_->set("scheduler.max-threads", static_cast<size_t>(threads));
  config_->set("scheduler.max-throughput", max_throughput);
  if (options_.network) {
    config_->load<caf::io::middleman>();
    // A node that is cut off or stopped is noticed after three silent seconds.
    config_->set("middleman.heartbeat-interval", caf::timespan(std::chrono::seconds(1)));
    config_->set("middleman.connection-timeout", caf::timespan(std::chrono::seconds(3)));
    // A message of another layout cannot be read, and its first bytes do not tell: CAF's own
    // handshake refuses who has none of these.
    config_->set("middleman.app-identifiers", application_identifiers(options_.wire));
    if (const auto& tls = options_.peers_tls; !tls.empty()) {
      config_->load<caf::openssl::manager>();
      config_->openssl_certificate = tls.certificate;
      config_->openssl_key = tls.key;
      config_->openssl_cafile = tls.authority;
    }
    data_options rows;
    rows.host = options_.rows_host;
    rows.listen_host = options_.rows_listen_host;
    rows.port = options_.rows_port;
    rows.build = to_string(options_.wire);
    rows.memory = &memory_;
    rows.limits = rows_in_flight(options_.memory_bytes);
    rows.checksum = options_.rows_checksum;
    WEIR_ASSIGN(rows.tls, tls_context::load(options_.peers_tls));
    rows.log = options_.log;
    WEIR_ASSIGN(exchange_, data_exchange::open(std::move(rows)));
    placement_.rows = exchange_->address();
  }
  system_ = std::make_unique<caf::actor_system>(*config_);
  placement_.name = options_.name;
  placement_.store = spawn_store(*system_, std::move(store));
  placement_.node =
      spawn_node(*system_, options_.name, environment(), exchange_.get(), options_.libraries);
  return {};
}

void node_process::close() {
  if (!system_ || !placement_.store) return;
  // A job that has ended stays for questions; timers may still hold it.
  for (const auto& job : jobs_) caf::anon_send_exit(job, caf::exit_reason::kill);
  jobs_.clear();
  caf::scoped_actor self(*system_);
  self->monitor(placement_.store);
  self->send_exit(placement_.node, caf::exit_reason::user_shutdown);
  self->send_exit(placement_.store, caf::exit_reason::user_shutdown);
  placement_ = {};
  self->receive([](const caf::down_msg&) {},
                caf::after(store_close_timeout) >> [] { /* its last write takes its time */ });
}

node_process::~node_process() {
  close();
  system_.reset();  // waits for every actor
  io_.reset();
  remove_temporary();
}

void node_process::remove_temporary() noexcept {
  std::error_code ignored;  // a folder in the temporary directory that cannot be removed is no harm
  if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
}

result<job_actor> node_process::submit(std::string id, physical_plan plan,
                                       const job_options& options,
                                       std::function<void(std::string)> log) {
  job_seed seed;
  seed.id = std::move(id);
  WEIR_ASSIGN(auto graph, build_task_graph(plan));
  seed.window = window_for(options_.memory_bytes, graph.channels.size());
  seed.plan = std::make_shared<const physical_plan>(std::move(plan));
  seed.graph = std::make_shared<const task_graph>(std::move(graph));
  seed.options.interval_us = options.snapshot_interval_us;
  seed.options.restarts_max = options.restarts_max;
  seed.alignment_limit_us = options.alignment_limit_us;
  seed.nodes = [here = placement_] { return std::vector<placement>{here}; };
  seed.home = placement_.store;
  seed.environment = environment();
  seed.log = std::move(log);
  jobs_.push_back(spawn_job(*system_, std::move(seed)));
  return jobs_.back();
}

}  // namespace weir
