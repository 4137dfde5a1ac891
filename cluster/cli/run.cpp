#include "cluster/cli/run.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "actors/node.hpp"
#include "cluster/cli/continuation.hpp"
#include "cluster/cli/job_file.hpp"
#include "cluster/cli/progress.hpp"
#include "cluster/cli/signals.hpp"
#include "jobs/plan/explain.hpp"
#include "runtime/connectors/source.hpp"
#include "runtime/snapshot/store.hpp"

namespace weir::cli {
namespace {

constexpr int64_t progress_interval_ms = 200;
constexpr auto describe_timeout = std::chrono::seconds(2);

size_t terminal_width() {
  winsize w{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 100;
}

/// The one line on a terminal that is written over and over.
class progress_display {
 public:
  explicit progress_display(bool on) : on_(on) {}
  void show(const std::string& line) {
    if (!on_) return;
    std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
    std::fflush(stderr);
    shown_ = true;
  }
  /// A line of its own above the progress.
  void print(const std::string& line) {
    if (std::exchange(shown_, false)) std::fprintf(stderr, "\r\x1b[K");
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  bool on() const { return on_; }

 private:
  bool on_;
  bool shown_ = false;
};

int fail(const error& e) {
  std::fprintf(stderr, "weir: %s\n", e.message.c_str());
  return exit_failed;
}

/// -o, or what suits a terminal, for the sinks on stdout whose table does not say it.
void choose_stdout_format(physical_plan& plan, const std::string& wanted) {
  std::string format = !wanted.empty() ? wanted : ::isatty(STDOUT_FILENO) != 0 ? "table" : "csv";
  for (auto& op : plan.operators)
    if (auto* sink = std::get_if<sink_spec>(&op.spec); sink && sink->connector == "stdout")
      sink->options.try_emplace("format", format);
}

/// What a changed job keeps of the snapshot, said before it runs.
status check_snapshot(const run_options& o, const physical_plan& plan, progress_display& out,
                      bool& finished_before) {
  if (o.fresh) {
    std::string dir = o.data_dir + "/snapshots";
    if (o.data_dir.empty() || ::access(dir.c_str(), F_OK) != 0) return {};
    WEIR_ASSIGN(auto store, snapshot_store::open(dir, snapshot_options()));
    return store->drop({plan.name, ""});
  }
  WEIR_ASSIGN(auto from, find_continuation(o.data_dir, plan));
  finished_before = from.finished;
  if (from.changes.empty()) return {};
  out.print("the job has changed since epoch " + std::to_string(from.epoch) + ":");
  out.print(from.changes);
  return {};
}

}  // namespace

int run_job(const run_options& o) {
  signal_waiter signals;
  progress_display out(!o.quiet && ::isatty(STDERR_FILENO) != 0);
  jobs::job_settings settings;
  settings.set = o.set;
  settings.parallelism = o.parallelism;
  settings.default_parallelism = std::max(1u, std::thread::hardware_concurrency());
  settings.mode = o.mode;
  settings.final_output = o.final_only;
  auto job = load_job(o.file, settings);
  if (!job) {
    std::fprintf(stderr, "%s\n", job.err().message.c_str());
    return exit_usage;
  }
  for (const auto& w : job->warnings) out.print(jobs::to_text(w));
  for (const auto& text : job->explained) std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
  if (job->plan.operators.empty()) return exit_ok;
  physical_plan plan = job->plan;
  choose_stdout_format(plan, o.output);
  bool finished_before = false;
  if (auto s = check_snapshot(o, plan, out, finished_before); !s) return fail(s.err());
  if (!o.quiet) out.print(planner::guarantee_text(plan));

  node_options node;
  node.data_dir = o.data_dir;
  node.memory_bytes = o.memory_bytes;
  auto process = node_process::start(node);
  if (!process) return fail(process.err());
  job_options options;
  options.snapshot_interval_us = o.snapshot_interval_us.value_or(
      job->snapshot_interval_us.value_or(default_snapshot_interval_us));
  auto handle = (*process)->submit(plan.name, plan, options, [&o](std::string line) {
    if (!o.quiet) std::fprintf(stderr, "weir: %s\n", line.c_str());
  });
  if (!handle) return fail(handle.err());

  job_report last;
  std::thread waiter([&] {
    caf::scoped_actor self((*process)->system());
    self->request(*handle, caf::infinite, wait_atom::value)
        .receive([&](job_report& r) { last = std::move(r); },
                 [&](const caf::error& e) {
                   last.state = static_cast<uint8_t>(job_state::failed);
                   last.error = "the job master is gone: " + caf::to_string(e);
                 });
    signals.notify();
  });

  int stopped_by = 0;
  std::optional<job_report> before;
  caf::scoped_actor self((*process)->system());
  for (;;) {
    int s = signals.wait(progress_interval_ms);
    if (s == -1) break;
    if (s > 0) {
      if (stopped_by != 0) ::_exit(exit_interrupted);
      stopped_by = s;
      if (!o.quiet) out.print("stopping: last snapshot and commit (again to stop at once)");
      caf::anon_send(*handle, stop_atom::value);
    }
    if (!out.on()) continue;
    self->request(*handle, describe_timeout, describe_atom::value)
        .receive(
            [&](job_report& r) {
              out.show(progress_line(r, plan, before ? &*before : nullptr, terminal_width() - 1));
              before = std::move(r);
            },
            [](const caf::error&) { /* the next tick shows more */ });
  }
  waiter.join();
  auto state = static_cast<job_state>(last.state);
  if (state == job_state::failed) {
    out.print("weir: job " + plan.name + " failed: " + last.error);
    return exit_failed;
  }
  if (!o.quiet) {
    if (finished_before && totals_of(last, plan).rows_in == 0) {
      out.print("job " + plan.name + " had finished already (epoch " +
                std::to_string(last.completed_epoch) + "); --fresh starts over");
    } else {
      if (out.on()) out.print(operator_table(last, plan));
      out.print(summary_line(last, plan));
    }
    if (state == job_state::stopped && !o.data_dir.empty())
      out.print("the same command continues from epoch " + std::to_string(last.completed_epoch));
  }
  return stopped_by == SIGINT ? exit_interrupted : exit_ok;
}

}  // namespace weir::cli
