#include "cluster/node/ledger.hpp"

namespace weir {
namespace {

// A file of a job has to outlive the loss of a node.
constexpr size_t copies_wanted = 3;

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

/// Jobs' ids in the usual form of UUIDs, 8-4-4-4-12 hexadecimal digits: they are typed by people.
std::string id_text(const kafka::uuid& id) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < id.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += digits[id.bytes[i] >> 4];
    out += digits[id.bytes[i] & 15];
  }
  return out;
}
std::optional<kafka::uuid> parse_id(std::string_view text) {
  kafka::uuid id;
  size_t digit = 0;
  for (char c : text) {
    if (c == '-') continue;
    int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (v < 0 || digit == 2 * id.bytes.size()) return std::nullopt;
    auto& b = id.bytes[digit / 2];
    b = static_cast<uint8_t>(digit % 2 ? b | v : v << 4);
    ++digit;
  }
  if (digit != 2 * id.bytes.size() || id_text(id) != text) return std::nullopt;
  return id;
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
  o.id = id_text(j.id);
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
    for (const auto& [id, j] : s.jobs()) next->jobs.emplace(id_text(id), job_of(j));
  } else {
    for (const auto& id : c.jobs) {
      if (const auto* j = s.find_job(id))
        next->jobs.insert_or_assign(id_text(id), job_of(*j));
      else
        next->jobs.erase(id_text(id));
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
    std::vector<std::string> nodes;
    if (s)
      for (const auto& [id, n] : s->nodes())
        if (id != self && !n.fenced && nodes.size() + 1 < copies_wanted)
          nodes.push_back(meta::address_of(n, "peers"));
    const auto copies = std::min(nodes.size() + 1, size_t{2});
    files_->store(std::move(content), std::move(nodes), copies, std::move(done));
  });
}

void metadata_ledger::read_file(const std::string& hash,
                                std::function<void(result<std::string>)> done) {
  const auto self = service_->stand().node;
  service_->ask([this, self, hash, done = std::move(done)](const meta::cluster_state* s) mutable {
    std::vector<std::string> nodes;
    if (s)
      for (const auto& [id, n] : s->nodes())
        if (id != self && !n.fenced) nodes.push_back(meta::address_of(n, "peers"));
    files_->read(hash, std::move(nodes), std::move(done));
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
  const auto id = parse_id(j.id);
  if (!id) return done(error{errc::invalid_argument, "'" + j.id + "' is not an id"});
  run(meta::submit_job{*id, j.name, j.plan, j.snapshot_interval_us}, std::move(done));
}

void metadata_ledger::acquire_master(const std::string& job,
                                     std::function<void(result<uint64_t>)> done) {
  const auto id = parse_id(job);
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
  const auto id = parse_id(job);
  if (!id) return done(no_such_job(job));
  run(meta::release_master{*id, meta::fencing_token{token}}, std::move(done));
}

void metadata_ledger::complete_epoch(const std::string& job, uint64_t token, uint64_t number,
                                     std::string manifest, ledger_done done) {
  const auto id = parse_id(job);
  if (!id) return done(no_such_job(job));
  run(meta::complete_epoch{*id, meta::fencing_token{token}, epoch{number}, std::move(manifest)},
      std::move(done));
}

void metadata_ledger::end_job(const std::string& job, uint64_t token, job_state how,
                              std::string why, ledger_done done) {
  const auto id = parse_id(job);
  if (!id) return done(no_such_job(job));
  const auto phase = phase_of(how);
  if (!phase) return done(error{errc::invalid_argument, "a job does not end like that"});
  run(meta::end_job{*id, meta::fencing_token{token}, *phase, std::move(why)}, std::move(done));
}

void metadata_ledger::delete_job(const std::string& job, ledger_done done) {
  const auto id = parse_id(job);
  if (!id) return done(no_such_job(job));
  run(meta::delete_job{*id}, std::move(done));
}

}  // namespace weir
