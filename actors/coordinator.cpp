#include "actors/coordinator.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>

namespace weir {
namespace {

constexpr auto describe_timeout = std::chrono::seconds(5);
// Characters of a job's name that its id keeps: ids are parts of file names and addresses.
constexpr size_t id_name_max = 100;

std::string id_of(const std::string& name, uint64_t number) {
  std::string id = name.substr(0, id_name_max);
  for (auto& c : id)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') c = '-';
  return (id.empty() ? "job" : id) + "-" + std::to_string(number);
}

/// The number behind the last dash of an id; 0 when there is none.
uint64_t number_of(std::string_view id) {
  uint64_t n = 0;
  id.remove_prefix(id.rfind('-') + 1);
  std::from_chars(id.data(), id.data() + id.size(), n);
  return n;
}

class coordinator_state {
 public:
  static inline const char* name = "weir.coordinator";
  using self_pointer = coordinator_actor::stateful_pointer<coordinator_state>;

  coordinator_actor::behavior_type start(self_pointer self, coordinator_seed seed);

 private:
  struct job {
    job_actor handle;  // none: it had ended before this coordinator started
    catalog_entry entry;
  };
  using report_promise = caf::typed_response_promise<job_report>;

  join_reply join(const join_message&);
  void take_up_jobs();
  submit_reply submit(const submit_message&);
  status run(catalog_entry);
  void ended(job_report);
  caf::result<job_report> describe(const std::string& id);
  operation_reply stop(const std::string& id);
  caf::result<cluster_report> list();
  caf::result<operation_reply> close();
  void end_if_closed();

  self_pointer self_ = nullptr;
  coordinator_seed seed_;
  std::vector<peer_address> addresses_;
  std::map<std::string, job> jobs_;
  uint64_t next_number_ = 1;
  /// The node ends: its jobs take a last snapshot, and go on when it starts again.
  std::optional<caf::typed_response_promise<operation_reply>> closing_;
};

job_report report_of(const catalog_entry& e) {
  job_report r;
  r.id = e.id;
  r.name = e.name;
  r.state = static_cast<uint8_t>(e.state);
  r.error = e.error;
  return r;
}

operation_reply refused(const error& e) {
  return {e.message, static_cast<uint8_t>(e.code)};
}

join_reply coordinator_state::join(const join_message& m) {
  join_reply reply;
  reply.peers = addresses_;
  std::erase_if(addresses_, [&m](const peer_address& p) { return p.name == m.name; });
  addresses_.push_back({m.name, m.host, m.port});
  bool first = seed_.registry->all().empty();
  self_->monitor(m.node);
  seed_.registry->add({m.name, m.node, m.store}, {m.name, m.http, m.kafka, m.pid, true, first});
  if (first) take_up_jobs();
  return reply;
}

void coordinator_state::take_up_jobs() {
  for (auto& entry : std::exchange(seed_.jobs, {})) {
    if (!has_ended(entry.state)) {
      auto again = run(entry);
      if (again) continue;
      entry.state = job_state::failed;
      entry.error = "cannot be taken up again: " + again.err().message;
    }
    auto id = entry.id;
    jobs_[id] = {job_actor(), std::move(entry)};
  }
}

status coordinator_state::run(catalog_entry entry) {
  WEIR_ASSIGN(auto plan, decode_plan(std::as_bytes(std::span(entry.plan))));
  WEIR_ASSIGN(auto graph, build_task_graph(plan));
  job_seed seed;
  seed.window = window_for(seed_.memory_bytes, graph.channels.size());
  seed.id = entry.id;
  seed.plan = std::make_shared<const physical_plan>(std::move(plan));
  seed.graph = std::make_shared<const task_graph>(std::move(graph));
  seed.options.interval_us = entry.snapshot_interval_us;
  seed.nodes = [registry = seed_.registry] { return registry->alive(); };
  seed.home = seed_.home;
  seed.parts = true;
  seed.environment = seed_.environment;
  seed.ended = [to = caf::actor_cast<caf::actor>(self_)](const job_report& r) {
    caf::anon_send(to, ended_atom::value, r);
  };
  jobs_[entry.id] = {spawn_job(self_->system(), std::move(seed)), entry};
  return {};
}

submit_reply coordinator_state::submit(const submit_message& m) {
  submit_reply reply;
  auto refuse = [&reply](const error& e) {
    reply.error = e.message;
    reply.code = static_cast<uint8_t>(e.code);
    return reply;
  };
  if (closing_) return refuse({errc::cancelled, "the coordinating node is stopping"});
  auto plan = decode_plan(std::as_bytes(std::span(m.plan)));
  if (!plan) return refuse(plan.err());
  catalog_entry entry;
  entry.id = id_of(plan->name, next_number_++);
  entry.name = plan->name;
  entry.snapshot_interval_us = m.snapshot_interval_us;
  entry.plan = m.plan;
  // Accepted means that it is on disk.
  if (auto s = seed_.catalog.put(entry); !s) return refuse(s.err());
  reply.id = entry.id;
  if (auto s = run(std::move(entry)); !s) return refuse(s.err());
  return reply;
}

void coordinator_state::ended(job_report r) {
  auto it = jobs_.find(r.id);
  if (it == jobs_.end()) return;
  auto& entry = it->second.entry;
  auto state = static_cast<job_state>(r.state);
  // Stopped because the node ends is not stopped for good.
  if (!(closing_ && state == job_state::stopped && entry.state == job_state::running)) {
    entry.error = r.error;
    entry.state = state;
    // An end that is not on disk is found again: a finished job that is run again only says so.
    (void)seed_.catalog.put(entry);
  }
  if (closing_) {
    it->second.handle = job_actor();
    end_if_closed();
  }
}

caf::result<job_report> coordinator_state::describe(const std::string& id) {
  auto it = jobs_.find(id);
  if (it == jobs_.end()) return caf::sec::invalid_argument;
  if (!it->second.handle) return report_of(it->second.entry);
  auto promise = self_->make_response_promise<job_report>();
  self_->request(it->second.handle, describe_timeout, describe_atom::value)
      .then([promise](job_report& r) mutable { promise.deliver(std::move(r)); },
            [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
  return promise;
}

operation_reply coordinator_state::stop(const std::string& id) {
  auto it = jobs_.find(id);
  if (it == jobs_.end()) return refused({errc::not_found, "there is no job '" + id + "'"});
  if (it->second.handle) self_->send(it->second.handle, stop_atom::value);
  return {};
}

caf::result<cluster_report> coordinator_state::list() {
  auto report = std::make_shared<cluster_report>();
  report->nodes = seed_.registry->all();
  auto left = std::make_shared<size_t>(0);
  for (const auto& [id, j] : jobs_) {
    report->jobs.push_back(report_of(j.entry));
    if (j.handle) ++*left;
  }
  if (*left == 0) return *report;
  auto promise = self_->make_response_promise<cluster_report>();
  auto one_less = [promise, report, left]() mutable {
    if (--*left == 0) promise.deliver(std::move(*report));
  };
  size_t place = 0;
  for (const auto& [id, j] : jobs_) {
    size_t at = place++;
    if (!j.handle) continue;
    self_->request(j.handle, describe_timeout, describe_atom::value)
        .then(
            [report, one_less, at](job_report& r) mutable {
              report->jobs[at] = std::move(r);
              one_less();
            },
            // What the catalog says stands for a job that does not answer.
            [one_less](const caf::error&) mutable { one_less(); });
  }
  return promise;
}

caf::result<operation_reply> coordinator_state::close() {
  closing_ = self_->make_response_promise<operation_reply>();
  for (auto& [id, j] : jobs_) {
    if (!j.handle) continue;
    if (has_ended(j.entry.state))
      j.handle = job_actor();
    else
      self_->send(j.handle, stop_atom::value);
  }
  auto promise = *closing_;
  end_if_closed();
  return promise;
}

void coordinator_state::end_if_closed() {
  bool waits =
      std::any_of(jobs_.begin(), jobs_.end(), [](const auto& j) { return bool{j.second.handle}; });
  if (!waits) closing_->deliver(operation_reply{});
}

coordinator_actor::behavior_type coordinator_state::start(self_pointer self,
                                                          coordinator_seed seed) {
  self_ = self;
  seed_ = std::move(seed);
  self->set_down_handler([this](const caf::down_msg& m) { seed_.registry->remove(m.source); });
  for (const auto& entry : seed_.jobs)
    next_number_ = std::max(next_number_, number_of(entry.id) + 1);
  return {
      [this](const join_message& m) { return join(m); },
      [this](const submit_message& m) { return submit(m); },
      [this](ended_atom, job_report& r) { ended(std::move(r)); },
      [this](describe_atom, const std::string& id) { return describe(id); },
      [this](stop_atom, const std::string& id) { return stop(id); },
      [this](list_atom) { return list(); },
      [this](close_atom) { return close(); },
  };
}

}  // namespace

coordinator_actor spawn_coordinator(caf::actor_system& system, coordinator_seed seed) {
  return system.spawn<caf::detached>(
      [](coordinator_state::self_pointer self, coordinator_seed s) {
        return self->state.start(self, std::move(s));
      },
      std::move(seed));
}

void node_registry::add(placement where, node_report about) {
  std::lock_guard lock(mutex_);
  std::erase_if(members_, [&](const member& m) { return m.about.name == about.name; });
  members_.push_back({std::move(where), std::move(about)});
}

bool node_registry::remove(const caf::actor_addr& address) {
  std::lock_guard lock(mutex_);
  for (auto& m : members_)
    if (m.where.node.address() == address) {
      m.about.alive = false;
      return true;
    }
  return false;
}

std::vector<placement> node_registry::alive() const {
  std::lock_guard lock(mutex_);
  std::vector<placement> list;
  for (const auto& m : members_)
    if (m.about.alive) list.push_back(m.where);
  return list;
}

std::vector<node_report> node_registry::all() const {
  std::lock_guard lock(mutex_);
  std::vector<node_report> list;
  for (const auto& m : members_) list.push_back(m.about);
  return list;
}

}  // namespace weir
