#include <unistd.h>

#include <algorithm>

#include "actors/job_keeper_state.hpp"

namespace weir {
namespace {

constexpr auto describe_timeout = std::chrono::seconds(5);
constexpr auto savepoint_timeout = std::chrono::seconds(60);

}  // namespace

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

const ledger_job* job_keeper_state::resolve(const std::string& what) const {
  if (auto it = view_->jobs.find(what); it != view_->jobs.end()) return &it->second;
  const ledger_job* found = nullptr;
  // The one that runs; else the one that ran last, as tenures grow.
  auto rank = [](const ledger_job& j) { return std::pair(!has_ended(j.state), j.token); };
  for (const auto& [id, j] : view_->jobs)
    if (j.name == what && (!found || rank(j) > rank(*found))) found = &j;
  return found;
}

caf::result<job_answer> job_keeper_state::request(const job_request& r) {
  view_ = seed_.ledger->view();
  const auto* job = resolve(r.job);
  // Who was asked on its behalf by a node that knows it has just started and does not know it yet.
  if (!job && r.forwarded) return refused(unreachable(r.job));
  if (!job) return refused({errc::not_found, "there is no job '" + r.job + "'"});
  if (r.what == job_request::verb::examine_savepoint) return examine_savepoint(*job, r.epoch);
  if (r.what == job_request::verb::drop_savepoint) {
    auto promise = self_->make_response_promise<job_answer>();
    seed_.ledger->drop_savepoint(job->id, r.epoch, later([promise](status s) mutable {
                                   promise.deliver(s ? job_answer{} : refused(s.err()));
                                 }));
    return promise;
  }
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

/// A master knows of its job's end a moment before it is agreed on. Until then nobody else can
/// build on it, so it is not told.
void job_keeper_state::as_agreed(job_report& r) const {
  const auto view = seed_.ledger->view();
  auto job = view->jobs.find(r.id);
  if (job != view->jobs.end() && !has_ended(job->second.state) &&
      has_ended(static_cast<job_state>(r.state)))
    r.state = static_cast<uint8_t>(job_state::stopping);
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
              [this, promise, agreed = report_of(job)](job_report& report) mutable {
                job_answer a;
                a.report = std::move(report);
                a.report.savepoints = std::move(agreed.savepoints);
                // One that was cancelled in between may not have heard that its last one counts.
                a.report.completed_epoch =
                    std::max(a.report.completed_epoch, agreed.completed_epoch);
                as_agreed(a.report);
                promise.deliver(std::move(a));
              },
              away);
      return;
    case job_request::verb::logs:
      self_->request(m.handle, describe_timeout, logs_atom::value)
          .then([promise](job_answer& a) mutable { promise.deliver(std::move(a)); }, away);
      return;
    case job_request::verb::savepoint:
      self_->request(m.handle, savepoint_timeout, savepoint_atom::value, true)
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
    case job_request::verb::examine_savepoint:
    case job_request::verb::drop_savepoint:
      promise.deliver(refused({errc::internal, "not a question for a master"}));
      return;
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
      .then(
          [this, promise](job_answer& a) mutable {
            as_agreed(a.report);
            promise.deliver(std::move(a));
          },
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

}  // namespace weir
