#include "cluster/cli/inspect.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "cluster/cli/continuation.hpp"
#include "cluster/cli/job_file.hpp"
#include "cluster/cli/table.hpp"
#include "jobs/plan/explain.hpp"
#include "jobs/yaml/job.hpp"
#include "runtime/base/units.hpp"
#include "runtime/snapshot/store.hpp"

namespace weir::cli {
namespace {

jobs::job_settings settings_of(const inspect_options& o) {
  jobs::job_settings s;
  s.set = o.set;
  s.parallelism = o.parallelism;
  s.default_parallelism = std::max(1u, std::thread::hardware_concurrency());
  return s;
}

int fail(const error& e) {
  std::fprintf(stderr, "weir: %s\n", e.message.c_str());
  return exit_failed;
}

/// A data directory or the folder of the store itself.
result<std::unique_ptr<snapshot_store>> open_store(const std::string& directory) {
  std::string inner = directory + "/snapshots";
  snapshot_options how;
  how.read_only = true;
  std::error_code ignored;  // what is not there is reported by open()
  return snapshot_store::open(std::filesystem::is_directory(inner, ignored) ? inner : directory,
                              how);
}

}  // namespace

int lint_job(const inspect_options& o) {
  if (o.schema) {
    std::printf("%s\n", jobs::job_schema().c_str());
    return exit_ok;
  }
  auto found = lint(o.file, settings_of(o));
  if (!found.empty()) std::fprintf(stderr, "%s\n", jobs::to_text(found).c_str());
  bool errors =
      std::any_of(found.begin(), found.end(), [](const jobs::diagnostic& d) { return !d.warning; });
  if (!errors) std::fprintf(stderr, "%s: ok\n", o.file.c_str());
  return errors ? exit_usage : exit_ok;
}

int plan_job(const inspect_options& o) {
  auto job = load_job(o.file, settings_of(o));
  if (!job) {
    std::fprintf(stderr, "%s\n", job.err().message.c_str());
    return exit_usage;
  }
  if (job->plan.operators.empty()) {  // a script of EXPLAIN says which plans it wants to see
    for (const auto& text : job->explained) std::fputs(text.c_str(), stdout);
    return exit_ok;
  }
  auto text = o.dot                ? planner::explain_dot(job->plan)
              : o.output == "json" ? planner::explain_json(job->plan)
                                   : planner::explain_text(job->plan);
  std::fputs(text.c_str(), stdout);
  if (!text.ends_with('\n')) std::fputc('\n', stdout);
  if (o.directory.empty()) return exit_ok;
  // A dry check: nothing runs. Beside JSON it goes to stderr, as everything that is not data.
  auto from = find_continuation(o.directory, job->plan);
  if (!from) return fail(from.err());
  auto* to = o.output == "json" || o.dot ? stderr : stdout;
  if (from->epoch == 0)
    std::fprintf(to, "\n%s has no epoch of this job: it starts afresh\n", o.directory.c_str());
  else
    std::fprintf(to, "\ncontinues from epoch %llu of %s: %s\n",
                 static_cast<unsigned long long>(from->epoch), o.directory.c_str(),
                 from->finished          ? "the job had finished"
                 : from->changes.empty() ? "all state is kept"
                                         : ("the job has changed\n" + from->changes).c_str());
  return exit_ok;
}

int snapshot_ls(const inspect_options& o) {
  auto store = open_store(o.directory);
  if (!store) return fail(store.err());
  text_table t({"job", "epoch", "started", "duration_ms", "state_bytes", "written_bytes",
                "finished", "operator", "parallelism", "operator_bytes", "damage"});
  for (const auto& key : (*store)->jobs())
    for (const auto& e : (*store)->inspect(key)) {
      auto row = [&](const std::string& id, uint32_t parallelism, uint64_t bytes) {
        t.add({key.text(), std::to_string(e.number.value), format_timestamp_utc(e.started_us),
               std::to_string((e.ended_us - e.started_us) / 1000), std::to_string(e.bytes),
               std::to_string(e.bytes_written), e.finished ? "true" : "false", id,
               std::to_string(parallelism), std::to_string(bytes), e.damage});
      };
      for (const auto& op : e.operators) row(op.id, op.parallelism, op.bytes);
      if (e.operators.empty()) row("", 0, 0);
    }
  t.print(o.output);
  return exit_ok;
}

int snapshot_verify(const inspect_options& o) {
  auto store = open_store(o.directory);
  if (!store) return fail(store.err());
  bool sound = true;
  uint64_t chunks = 0, bytes = 0, epochs = 0;
  for (const auto& key : (*store)->jobs()) {
    auto report = (*store)->verify(key);
    if (!report) return fail(report.err().at(key.text()));
    chunks += report->chunks;
    bytes += report->bytes;
    for (const auto& e : report->epochs) {
      ++epochs;
      std::printf("%s epoch %llu: %s\n", key.text().c_str(),
                  static_cast<unsigned long long>(e.number.value),
                  e.damage.empty() ? "sound" : "DAMAGED");
      for (const auto& d : e.damage) std::printf("  %s\n", d.c_str());
      sound &= e.damage.empty();
    }
  }
  std::fprintf(stderr, "%llu epochs, %llu chunks, %s read: %s\n",
               static_cast<unsigned long long>(epochs), static_cast<unsigned long long>(chunks),
               format_size(bytes).c_str(), sound ? "all sound" : "damage found");
  return sound ? exit_ok : exit_failed;
}

}  // namespace weir::cli
