#include "actors/job_keeper_state.hpp"
#include "runtime/flow/task_snapshot.hpp"

namespace weir {
namespace {

// A store that answers no sooner is out of reach.
constexpr auto examine_timeout = std::chrono::seconds(5);

}  // namespace

/// What a job that starts from this one's savepoint finds there. 0: the newest; of a job that has
/// ended, its last epoch.
caf::result<job_answer> job_keeper_state::examine_savepoint(const ledger_job& job,
                                                            uint64_t number) {
  const bool ended = has_ended(job.state);
  if (number == 0 && ended) number = job.newest;
  if (number == 0 && !job.savepoints.empty()) number = job.savepoints.rbegin()->first;
  if (number == 0)
    return refused({errc::not_found, "job " + job.name +
                                         (ended ? " has ended before its first snapshot"
                                                : " has no savepoint: take one with weir job "
                                                  "savepoint, or stop it")});
  auto kept = job.savepoints.find(number);
  const bool last = ended && number == job.newest;
  if (kept == job.savepoints.end() && !last) {
    std::string there;
    for (const auto& entry : job.savepoints) there += " " + std::to_string(entry.first);
    if (ended && job.newest != 0) there += " " + std::to_string(job.newest);
    return refused({errc::not_found, "job " + job.name + " has no savepoint " +
                                         std::to_string(number) +
                                         (there.empty() ? "" : "; it has" + there)});
  }
  auto manifest = decode_job_manifest(kept == job.savepoints.end() ? job.manifest : kept->second);
  if (!manifest) return refused(manifest.err());
  auto e = std::make_shared<examination>();
  e->store_job = kept == job.savepoints.end() ? job.id : savepoint_job(job.id, number);
  e->manifest = std::move(*manifest);
  e->answer = std::make_shared<job_answer>();
  e->answer->report = report_of(job);
  e->answer->epoch = number;
  e->promise = self_->make_response_promise<job_answer>();
  examine_part(e, 0, 0);
  return e->promise;
}

/// One part after the other, each from the first store that has it.
void job_keeper_state::examine_part(const std::shared_ptr<examination>& e, size_t part,
                                    size_t from) {
  auto deliver = [e](job_answer a) { e->promise.deliver(std::move(a)); };
  if (part == e->manifest.parts.size()) return deliver(std::move(*e->answer));
  const auto& p = e->manifest.parts[part];
  const auto stores = stores_for(p.writer, p.copy);
  if (from >= stores.size())
    return deliver(
        refused({errc::timeout, "no node that is up has part " + p.name + " of epoch " +
                                    std::to_string(e->manifest.number) +
                                    ", or its copy: start the nodes that had it, and try again"}));
  load_message m;
  m.job = e->store_job + "@" + p.name;
  m.number = e->manifest.epoch_of();
  m.about = e->edges.empty();
  if (!m.about) m.tasks.push_back({0, e->edges, 0, e->key_groups});
  self_->request(stores[from].store, examine_timeout, std::move(m))
      .then(
          [this, e, part, from, deliver](load_reply& r) {
            if (!r.error.empty()) return examine_part(e, part, from + 1);
            if (e->edges.empty()) {
              auto plan = decode_plan(std::as_bytes(std::span(r.about.plan)));
              if (!plan) return deliver(refused(plan.err()));
              e->answer->plan = std::move(r.about.plan);
              e->key_groups = plan->key_groups;
              for (const auto& k : edge_keys(*plan)) e->edges.push_back(edge_state_id(k));
              // Now that its edges are known: what was on its way over them.
              return e->edges.empty() ? examine_part(e, e->manifest.parts.size(), 0)
                                      : examine_part(e, part, from);
            }
            for (const auto& chunk : r.chunks.front())
              if (chunk.written == epoch{e->manifest.number})
                e->answer->in_flight.push_back(chunk.operator_id);
            examine_part(e, part + 1, 0);
          },
          [this, e, part, from](const caf::error&) { examine_part(e, part, from + 1); });
}

}  // namespace weir
