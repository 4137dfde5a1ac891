#include "cluster/node/ledger.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace weir {
namespace {

// A file of a job has to outlive the loss of a node.
constexpr size_t copies_wanted = 3;
constexpr size_t copies_needed = 2;

job_state state_of(meta::job_phase p) {
  switch (p) {
    case meta::job_phase::running:
      return job_state::running;
    case meta::job_phase::finished:
      return job_state::finished;
    case meta::job_phase::failed:
      return job_state::failed;
    case meta::job_phase::cancelled:
    case meta::job_phase::stopped:
      return job_state::stopped;
  }
  return job_state::failed;
}
/// Of a state that is an end.
std::optional<meta::job_phase> phase_of(job_state s) {
  switch (s) {
    case job_state::finished:
      return meta::job_phase::finished;
    case job_state::failed:
      return meta::job_phase::failed;
    case job_state::stopped:
      return meta::job_phase::stopped;
    default:
      return std::nullopt;
  }
}

/// Where the other nodes that live take files and questions.
std::vector<std::string> others(const meta::cluster_state* s, meta::node_id self) {
  std::vector<std::string> nodes;
  if (s)
    for (const auto& [id, n] : s->nodes())
      if (id != self && !n.fenced) nodes.push_back(meta::address_of(n, "peers"));
  return nodes;
}

/// Whether this node is one of those that are to have the file: the same for all nodes that ask.
bool is_one_to_have(const ledger_view& v, const std::string& hash) {
  std::vector<std::tuple<bool, uint32_t, int32_t>> order;
  for (const auto& [id, n] : v.nodes)
    if (n.alive) order.emplace_back(n.draining, turn_of(hash, id), id);
  std::sort(order.begin(), order.end());
  order.resize(std::min(order.size(), copies_needed));
  return std::any_of(order.begin(), order.end(),
                     [&v](const auto& n) { return std::get<2>(n) == v.self; });
}

ledger_node node_of(const meta::node_record& n) {
  ledger_node o;
  o.id = n.id.value;
  o.epoch = n.epoch.value;
  o.name = n.name;
  o.rack = n.rack;
  o.actors = meta::address_of(n, "actors");
  o.http = meta::address_of(n, "http");
  o.kafka = meta::address_of(n, "kafka");
  o.alive = !n.fenced;
  o.draining = n.draining;
  return o;
}

ledger_job job_of(const meta::job_record& j) {
  ledger_job o;
  o.id = job_id_text(j.id);
  o.name = j.name;
  o.plan = j.plan;
  o.snapshot_interval_us = j.snapshot_interval_us;
  o.state = state_of(j.phase);
  o.error = j.error;
  o.newest = j.newest.value;
  o.manifest = j.manifest;
  o.master = j.master.holder.value;
  o.master_epoch = j.master.holder_epoch.value;
  o.token = j.master.token.value;
  o.libraries = j.libraries;
  if (!j.origin.is_zero()) o.origin = job_id_text(j.origin);
  o.origin_epoch = j.origin_epoch.value;
  for (const auto& [number, manifest] : j.savepoints) o.savepoints[number.value] = manifest;
  return o;
}

error no_such_job(const std::string& id) {
  return {errc::not_found, "there is no job " + id};
}

/// What a refusal means to a master.
error refusal_of(const meta::answer& a) {
  using meta::verdict;
  switch (a.code) {
    case verdict::not_found:
      return {errc::not_found, a.text};
    case verdict::already_exists:
      return {errc::already_exists, a.text};
    case verdict::invalid:
    case verdict::limit:
      return {errc::invalid_argument, a.text};
    default:
      return {errc::cancelled, a.text};
  }
}

}  // namespace

void metadata_ledger::observe(const meta::cluster_state& s, const meta::change_set& c,
                              bool everything) {
  const auto here = service_->stand();
  if (!everything && c.nodes.empty() && c.jobs.empty()) return;
  auto next = std::make_shared<ledger_view>(*view());
  next->self = here.node.value;
  next->self_epoch = here.epoch.value;
  next->leads = here.leads;
  if (everything || !c.nodes.empty()) {
    next->nodes.clear();
    for (const auto& [id, n] : s.nodes()) next->nodes.emplace(id.value, node_of(n));
  }
  if (everything) {
    next->jobs.clear();
    for (const auto& [id, j] : s.jobs()) next->jobs.emplace(job_id_text(id), job_of(j));
  } else {
    for (const auto& id : c.jobs) {
      if (const auto* j = s.find_job(id))
        next->jobs.insert_or_assign(job_id_text(id), job_of(*j));
      else
        next->jobs.erase(job_id_text(id));
    }
  }
  std::vector<std::shared_ptr<std::function<void()>>> told;
  {
    std::lock_guard lock(mutex_);
    view_ = std::move(next);
    std::erase_if(listeners_, [](const auto& l) { return l.expired(); });
    for (const auto& l : listeners_)
      if (auto f = l.lock()) told.push_back(std::move(f));
  }
  for (const auto& f : told) (*f)();
}

std::shared_ptr<const ledger_view> metadata_ledger::view() const {
  std::lock_guard lock(mutex_);
  return view_;
}

std::shared_ptr<void> metadata_ledger::listen(std::function<void()> f) {
  auto kept = std::make_shared<std::function<void()>>(std::move(f));
  std::lock_guard lock(mutex_);
  listeners_.push_back(kept);
  return kept;
}

void metadata_ledger::store_file(std::string content,
                                 std::function<void(result<std::string>)> done) {
  const auto self = service_->stand().node;
  service_->ask([this, self, content = std::move(content),
                 done = std::move(done)](const meta::cluster_state* s) mutable {
    auto nodes = others(s, self);
    nodes.resize(std::min(nodes.size(), copies_wanted - 1));
    const auto copies = std::min(nodes.size() + 1, copies_needed);
    files_->store(std::move(content), std::move(nodes), copies, std::move(done));
  });
}

void metadata_ledger::read_file(const std::string& hash,
                                std::function<void(result<std::string>)> done) {
  const auto self = service_->stand().node;
  service_->ask([this, self, hash, done = std::move(done)](const meta::cluster_state* s) mutable {
    files_->read(hash, others(s, self), std::move(done));
  });
}

void metadata_ledger::local_file(const std::string& hash,
                                 std::function<void(result<std::string>)> done) {
  const auto self = service_->stand().node;
  service_->ask([this, self, hash, done = std::move(done)](const meta::cluster_state* s) mutable {
    files_->locate(hash, others(s, self), std::move(done));
  });
}

void metadata_ledger::partition_leaders(const std::string& topic,
                                        std::function<void(std::vector<int32_t>)> done) {
  service_->ask([topic, done = std::move(done)](const meta::cluster_state* s) {
    std::vector<int32_t> leaders;
    if (const auto* t = s ? s->find_topic(topic) : nullptr)
      for (const auto& p : t->partitions) leaders.push_back(p.leader.value);
    done(std::move(leaders));
  });
}

void metadata_ledger::look_after_files() {
  const auto here = view();
  // Before the first news nothing is known of the jobs there are.
  if (here->self_epoch == 0) return;
  std::set<std::string> needed;
  for (const auto& [id, j] : here->jobs) {
    needed.insert(j.plan);
    if (!has_ended(j.state)) needed.insert(j.libraries.begin(), j.libraries.end());
  }
  std::vector<std::string> here_too;
  for (const auto& hash : needed)
    if (is_one_to_have(*here, hash)) here_too.push_back(hash);
  const auto self = service_->stand().node;
  service_->ask([this, self, needed = std::move(needed),
                 here_too = std::move(here_too)](const meta::cluster_state* s) mutable {
    files_->look_after(std::move(needed), std::move(here_too), others(s, self));
  });
}

void metadata_ledger::run(meta::command c, ledger_done done) {
  service_->submit(std::move(c), [done = std::move(done)](result<meta::answer> a) {
    if (!a) return done(a.err());
    if (!a->ok()) return done(refusal_of(*a));
    done({});
  });
}

void metadata_ledger::submit_job(ledger_job j, ledger_done done) {
  const auto id = parse_job_id(j.id);
  if (!id) return done(error{errc::invalid_argument, "'" + j.id + "' is not an id"});
  meta::submit_job c{*id, j.name, j.plan, j.snapshot_interval_us, j.libraries};
  if (!j.origin.empty()) {
    const auto origin = parse_job_id(j.origin);
    if (!origin) return done(no_such_job(j.origin));
    c.origin = *origin;
    c.origin_epoch = epoch{j.origin_epoch};
  }
  run(std::move(c), std::move(done));
}

void metadata_ledger::acquire_master(const std::string& job,
                                     std::function<void(result<uint64_t>)> done) {
  const auto id = parse_job_id(job);
  if (!id) return done(no_such_job(job));
  const auto here = service_->stand();
  service_->submit(meta::acquire_master{*id, here.node, here.epoch},
                   [done = std::move(done)](result<meta::answer> a) {
                     if (!a) return done(a.err());
                     if (!a->ok()) return done(refusal_of(*a));
                     done(a->number);
                   });
}

void metadata_ledger::release_master(const std::string& job, uint64_t token, ledger_done done) {
  const auto id = parse_job_id(job);
  if (!id) return done(no_such_job(job));
  run(meta::release_master{*id, meta::fencing_token{token}}, std::move(done));
}

void metadata_ledger::complete_epoch(const std::string& job, uint64_t token, uint64_t number,
                                     std::string manifest, ledger_done done) {
  const auto id = parse_job_id(job);
  if (!id) return done(no_such_job(job));
  run(meta::complete_epoch{*id, meta::fencing_token{token}, epoch{number}, std::move(manifest)},
      std::move(done));
}

void metadata_ledger::end_job(const std::string& job, uint64_t token, job_state how,
                              std::string why, ledger_done done) {
  const auto id = parse_job_id(job);
  if (!id) return done(no_such_job(job));
  const auto phase = phase_of(how);
  if (!phase) return done(error{errc::invalid_argument, "a job does not end like that"});
  run(meta::end_job{*id, meta::fencing_token{token}, *phase, std::move(why)}, std::move(done));
}

void metadata_ledger::delete_job(const std::string& job, ledger_done done) {
  const auto id = parse_job_id(job);
  if (!id) return done(no_such_job(job));
  run(meta::delete_job{*id}, std::move(done));
}

void metadata_ledger::keep_savepoint(const std::string& job, uint64_t token, uint64_t number,
                                     std::string manifest, ledger_done done) {
  const auto id = parse_job_id(job);
  if (!id) return done(no_such_job(job));
  run(meta::keep_savepoint{*id, meta::fencing_token{token}, epoch{number}, std::move(manifest)},
      std::move(done));
}

void metadata_ledger::drop_savepoint(const std::string& job, uint64_t number, ledger_done done) {
  const auto id = parse_job_id(job);
  if (!id) return done(no_such_job(job));
  run(meta::drop_savepoint{*id, epoch{number}}, std::move(done));
}

}  // namespace weir
