#include "actors/job_keeper_state.hpp"

namespace weir {
namespace {

void refuse(caf::typed_response_promise<submit_reply> promise, const error& e) {
  submit_reply r;
  r.error = e.message;
  r.code = static_cast<uint8_t>(e.code);
  promise.deliver(std::move(r));
}

/// Rows for standard output would end in the log of whichever node runs the sink.
status check_sinks(const physical_plan& plan) {
  for (const auto& n : plan.operators)
    if (const auto* s = std::get_if<sink_spec>(&n.spec); s && s->connector == "stdout")
      return error{errc::invalid_argument,
                   "the job writes to standard output (" + n.id +
                       "), which a job on a cluster does not have: give the rows a table, with "
                       "INSERT INTO in SQL, into: in YAML. weir run prints them"};
  return {};
}

}  // namespace

caf::result<submit_reply> job_keeper_state::submit(const submit_message& m) {
  auto promise = self_->make_response_promise<submit_reply>();
  auto plan = decode_plan(std::as_bytes(std::span(m.plan)));
  auto graph = plan ? build_task_graph(*plan) : result<task_graph>(plan.err());
  if (!graph) {
    refuse(promise, graph.err());
    return promise;
  }
  if (auto s = check_sinks(*plan); !s) {
    refuse(promise, s.err());
    return promise;
  }
  if (stops()) {
    refuse(promise, {errc::cancelled, "the cluster is about to stop"});
    return promise;
  }
  auto job = std::make_shared<ledger_job>();
  job->id = job_id_text(kafka::random_uuid());
  job->name = plan->name;
  job->snapshot_interval_us = m.snapshot_interval_us;
  job->origin = m.origin;
  job->origin_epoch = m.origin_epoch;
  std::map<std::string, std::string> libraries;  // names by content
  for (const auto& n : plan->operators)
    if (const auto* c = std::get_if<custom_spec>(&n.spec); c && !c->content.empty())
      libraries.emplace(c->content, c->library);
  for (const auto& entry : libraries) job->libraries.push_back(entry.first);
  need_libraries(std::move(libraries), [this, promise, job, plan = m.plan](status s) mutable {
    if (!s) return refuse(promise, s.err());
    store_and_submit(std::move(plan), *job, promise);
  });
  return promise;
}

/// They have to be in the cluster before the job is: once it is, they are kept.
void job_keeper_state::need_libraries(std::map<std::string, std::string> libraries,
                                      std::function<void(status)> done) {
  if (libraries.empty()) return done({});
  auto [content, library] = *libraries.begin();
  libraries.erase(libraries.begin());
  seed_.ledger->local_file(
      content, later([this, content = content, library = library, libraries,
                      done](const result<std::string>& path) mutable {
        if (!path)
          return done(
              error{path.err().code == errc::not_found ? errc::invalid_argument : path.err().code,
                    "the cluster does not have operator library " + library + " (" + content +
                        "): " + path.err().message + "; submit the job again, which brings it"});
        need_libraries(std::move(libraries), std::move(done));
      }));
}

void job_keeper_state::store_and_submit(std::vector<char> plan, ledger_job job,
                                        caf::typed_response_promise<submit_reply> promise) {
  seed_.ledger->store_file(
      {plan.begin(), plan.end()}, later([this, promise, job](result<std::string> hash) mutable {
        if (!hash) return refuse(promise, hash.err());
        job.plan = *hash;
        seed_.ledger->submit_job(job, later([promise, id = job.id](status s) mutable {
                                   if (!s) return refuse(promise, s.err());
                                   submit_reply r;
                                   r.id = id;
                                   promise.deliver(std::move(r));
                                 }));
      }));
}

}  // namespace weir
