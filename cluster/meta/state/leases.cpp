// Jobs with their masters' leases, and the homes of groups and transactions.
#include "cluster/meta/state/detail.hpp"
#include "cluster/meta/state/state.hpp"
#include "runtime/base/assert.hpp"

namespace weir::meta {
namespace {

answer no_job(const uuid& id) {
  return refuse(verdict::not_found, "there is no job with the id " + id.to_string());
}

answer check_text(const std::string& s, const char* what) {
  if (s.size() <= text_bytes_max) return done();
  return refuse(verdict::invalid, "a " + std::string(what) + " has at most " +
                                      std::to_string(text_bytes_max) + " bytes");
}

}  // namespace

void cluster_state::grant(lease_record& l, const node_record& n) {
  weir_assert(last_token_ >= l.token.value, "tokens only grow");
  l = {n.id, n.epoch, fencing_token(++last_token_)};
}

answer cluster_state::check_master(const uuid& job, fencing_token token, job_record** out) {
  auto it = jobs_.find(job);
  if (it == jobs_.end()) return no_job(job);
  const lease_record& l = it->second.master;
  if (l.holder == no_node || l.token != token)
    return refuse(verdict::stale, "token " + std::to_string(token.value) +
                                      " does not master the job any more (the last one is " +
                                      std::to_string(l.token.value) + "): stop");
  *out = &it->second;
  return done();
}

answer cluster_state::run(const submit_job& c) {
  if (c.id.is_zero()) return refuse(verdict::invalid, "a job needs an id");
  if (c.name.empty() || c.name.size() > name_bytes_max)
    return refuse(verdict::invalid,
                  "a job's name has 1 to " + std::to_string(name_bytes_max) + " bytes");
  if (answer bad = check_text(c.plan, "plan's reference"); !bad.ok()) return bad;
  if (c.snapshot_interval_us < 0)
    return refuse(verdict::invalid, "the snapshot interval is negative");
  if (jobs_.contains(c.id)) return refuse(verdict::already_exists, "the job was submitted before");
  for (const auto& [id, j] : jobs_)
    if (j.name == c.name && !has_ended(j.phase))
      return refuse(verdict::already_exists, "a job named '" + c.name + "' is running");
  if (jobs_.size() >= limits_.jobs_max)
    return refuse(verdict::limit, "the cluster knows " + std::to_string(jobs_.size()) +
                                      " jobs: delete some that have ended");
  if (c.libraries.size() > libraries_max)
    return refuse(verdict::invalid,
                  "a job has at most " + std::to_string(libraries_max) + " operator libraries");
  for (const auto& l : c.libraries)
    if (l.empty() || l.size() > name_bytes_max)
      return refuse(verdict::invalid, "'" + l + "' names no library");
  if (!c.origin.is_zero()) {
    auto from = jobs_.find(c.origin);
    if (from == jobs_.end()) return no_job(c.origin);
    const job_record& o = from->second;
    const bool last = has_ended(o.phase) && o.newest == c.origin_epoch && o.newest.value != 0;
    if (!last && !o.savepoints.contains(c.origin_epoch))
      return refuse(verdict::not_found, "job '" + o.name + "' has no savepoint " +
                                            std::to_string(c.origin_epoch.value));
  }
  job_record j;
  j.id = c.id;
  j.name = c.name;
  j.plan = c.plan;
  j.snapshot_interval_us = c.snapshot_interval_us;
  j.libraries = c.libraries;
  j.origin = c.origin;
  j.origin_epoch = c.origin_epoch;
  jobs_.emplace(c.id, std::move(j));
  changes_.jobs.push_back(c.id);
  return done();
}

answer cluster_state::run(const acquire_master& c) {
  auto it = jobs_.find(c.job);
  if (it == jobs_.end()) return no_job(c.job);
  job_record& j = it->second;
  if (has_ended(j.phase)) return refuse(verdict::conflict, "job '" + j.name + "' has ended");
  if (answer bad = check_live(c.node, c.epoch, true); !bad.ok()) return bad;
  if (j.master.holder != no_node && j.master.holder != c.node)
    return refuse(verdict::conflict,
                  "job '" + j.name + "' has a master on " + name_of(j.master.holder));
  grant(j.master, nodes_.at(c.node));
  changes_.jobs.push_back(c.job);
  return done(j.master.token.value);
}

answer cluster_state::run(const release_master& c) {
  job_record* j = nullptr;
  if (answer bad = check_master(c.job, c.token, &j); !bad.ok()) return bad;
  j->master.holder = no_node;
  changes_.jobs.push_back(c.job);
  return done();
}

answer cluster_state::run(const complete_epoch& c) {
  job_record* j = nullptr;
  if (answer bad = check_master(c.job, c.token, &j); !bad.ok()) return bad;
  if (answer bad = check_text(c.manifest, "manifest"); !bad.ok()) return bad;
  if (c.number == j->newest && c.manifest == j->manifest && c.number.value != 0) return done();
  if (c.number <= j->newest)
    return refuse(verdict::stale, "epoch " + std::to_string(j->newest.value) +
                                      " is complete already: a later one has to follow");
  j->newest = c.number;
  j->manifest = c.manifest;
  changes_.jobs.push_back(c.job);
  return done();
}

answer cluster_state::run(const end_job& c) {
  auto it = jobs_.find(c.job);
  if (it == jobs_.end()) return no_job(c.job);
  job_record* j = &it->second;
  if (c.phase == job_phase::running || c.phase > job_phase::stopped)
    return refuse(verdict::invalid, "a job ends as finished, failed, cancelled or stopped");
  if (answer bad = check_text(c.error, "job's error"); !bad.ok()) return bad;
  if (has_ended(j->phase)) return refuse(verdict::conflict, "job '" + j->name + "' has ended");
  if (c.token.value != 0)
    if (answer bad = check_master(c.job, c.token, &j); !bad.ok()) return bad;
  j->phase = c.phase;
  j->error = c.error;
  j->master.holder = no_node;
  changes_.jobs.push_back(c.job);
  return done();
}

answer cluster_state::run(const delete_job& c) {
  auto it = jobs_.find(c.job);
  if (it == jobs_.end()) return no_job(c.job);
  if (!has_ended(it->second.phase))
    return refuse(verdict::conflict, "job '" + it->second.name + "' is running: end it first");
  if (const auto* j = starts_from(c.job, std::nullopt))
    return refuse(verdict::conflict, "job '" + j->name +
                                         "' is starting from it: wait until that "
                                         "has a snapshot of its own");
  jobs_.erase(it);
  changes_.jobs.push_back(c.job);
  return done();
}

/// A job that still needs what it starts from.
const job_record* cluster_state::starts_from(const uuid& job, std::optional<epoch> number) const {
  for (const auto& [id, j] : jobs_)
    if (j.origin == job && (!number || j.origin_epoch == *number) && !has_ended(j.phase) &&
        j.newest.value == 0)
      return &j;
  return nullptr;
}

answer cluster_state::run(const keep_savepoint& c) {
  job_record* j = nullptr;
  if (answer bad = check_master(c.job, c.token, &j); !bad.ok()) return bad;
  if (answer bad = check_text(c.manifest, "manifest"); !bad.ok()) return bad;
  if (c.number.value == 0 || c.number > j->newest)
    return refuse(verdict::invalid,
                  "epoch " + std::to_string(c.number.value) + " is not complete yet");
  if (!j->savepoints.contains(c.number) && j->savepoints.size() >= limits_.savepoints_per_job_max)
    return refuse(verdict::limit, "job '" + j->name + "' has " +
                                      std::to_string(j->savepoints.size()) +
                                      " savepoints: remove some");
  j->savepoints.insert_or_assign(c.number, c.manifest);
  changes_.jobs.push_back(c.job);
  return done();
}

answer cluster_state::run(const drop_savepoint& c) {
  auto it = jobs_.find(c.job);
  if (it == jobs_.end()) return no_job(c.job);
  job_record& j = it->second;
  if (!j.savepoints.contains(c.number))
    return refuse(verdict::not_found,
                  "job '" + j.name + "' has no savepoint " + std::to_string(c.number.value));
  if (const auto* user = starts_from(c.job, c.number))
    return refuse(verdict::conflict, "job '" + user->name +
                                         "' is starting from it: wait until "
                                         "that has a snapshot of its own");
  j.savepoints.erase(c.number);
  changes_.jobs.push_back(c.job);
  return done();
}

answer cluster_state::run(const find_home& c) {
  if (c.kind > home_kind::transaction || c.key.empty() || c.key.size() > name_bytes_max)
    return refuse(verdict::invalid, "a group or transactional id has 1 to " +
                                        std::to_string(name_bytes_max) + " bytes");
  home_key key(c.kind, c.key);
  auto it = homes_.find(key);
  if (it != homes_.end() && it->second.holder != no_node)
    return done(static_cast<uint64_t>(it->second.holder.value), it->second.token.value);
  if (it == homes_.end() && homes_.size() >= limits_.homes_max)
    return refuse(verdict::limit, "the cluster has " + std::to_string(homes_.size()) +
                                      " groups and transactional ids: delete some");
  const node_record* best = nullptr;
  auto count = [&](const node_record& n) {
    auto h = homes_of_node_.find(n.id);
    return h == homes_of_node_.end() ? 0u : h->second;
  };
  for (const auto& [id, n] : nodes_) {
    if (n.fenced || n.draining) continue;
    if (!best || count(n) < count(*best)) best = &n;
  }
  if (!best) return refuse(verdict::no_capacity, "no node is alive");
  lease_record& l = homes_[key];
  grant(l, *best);
  ++homes_of_node_[best->id];
  changes_.homes.push_back(std::move(key));
  return done(static_cast<uint64_t>(l.holder.value), l.token.value);
}

answer cluster_state::run(const drop_home& c) {
  auto it = homes_.find(home_key(c.kind, c.key));
  if (it == homes_.end()) return refuse(verdict::not_found, "'" + c.key + "' has no home");
  if (it->second.token != c.token)
    return refuse(verdict::stale, "'" + c.key + "' has another home by now: stop");
  if (it->second.holder != no_node && --homes_of_node_.at(it->second.holder) == 0)
    homes_of_node_.erase(it->second.holder);
  changes_.homes.push_back(it->first);
  homes_.erase(it);
  return done();
}

}  // namespace weir::meta
