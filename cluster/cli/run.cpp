#include "cluster/cli/run.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "cluster/cli/continuation.hpp"
#include "cluster/cli/execute.hpp"
#include "cluster/cli/job_file.hpp"
#include "cluster/cli/live/live_display.hpp"
#include "cluster/cli/live/live_sink.hpp"
#include "cluster/cli/progress.hpp"
#include "cluster/cli/signals.hpp"
#include "jobs/plan/explain.hpp"
#include "runtime/connectors/source.hpp"
#include "runtime/snapshot/store.hpp"

namespace weir::cli {
namespace {

constexpr int64_t progress_interval_ms = 200;

size_t terminal_width() {
  winsize w{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 100;
}

/// The one line on a terminal that is written over and over.
class progress_display final : public run_display {
 public:
  progress_display(bool on, bool quiet, const physical_plan& plan)
      : on_(on), quiet_(quiet), plan_(plan) {}
  void print(const std::string& line) override {
    if (std::exchange(shown_, false)) std::fprintf(stderr, "\r\x1b[K");
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  int64_t interval_ms() const override { return progress_interval_ms; }
  bool wants_report() override { return on_; }
  void show(const job_report* report) override {
    if (!report) return;
    std::fprintf(
        stderr, "\r\x1b[K%s",
        progress_line(*report, plan_, before_ ? &*before_ : nullptr, terminal_width() - 1).c_str());
    std::fflush(stderr);
    shown_ = true;
    before_ = *report;
  }
  void stopping() override {
    if (!quiet_) print("stopping: last snapshot and commit (again to stop at once)");
  }
  void end(bool) override {}
  void summarize(const job_report& last) override {
    if (quiet_) return;
    if (on_) print(operator_table(last, plan_));
    print(summary_line(last, plan_));
  }

 private:
  bool on_, quiet_, shown_ = false;
  const physical_plan& plan_;
  std::optional<job_report> before_;
};

int fail(const error& e) {
  std::fprintf(stderr, "weir: %s\n", e.message.c_str());
  return exit_failed;
}

}  // namespace

void choose_stdout_format(physical_plan& plan, const std::string& wanted) {
  std::string format = !wanted.empty() ? wanted : ::isatty(STDOUT_FILENO) != 0 ? "table" : "csv";
  for (auto& op : plan.operators)
    if (auto* sink = std::get_if<sink_spec>(&op.spec); sink && sink->connector == "stdout")
      sink->options.try_emplace("format", format);
}

namespace {

/// What a changed job keeps of the snapshot, said before it runs.
status check_snapshot(const run_options& o, const physical_plan& plan, run_display& out,
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

std::unique_ptr<run_display> plain_display(const physical_plan& plan, bool quiet) {
  return std::make_unique<progress_display>(!quiet && ::isatty(STDERR_FILENO) != 0, quiet, plan);
}

int run_job(const run_options& o) {
  signal_waiter signals;
  jobs::job_settings settings;
  settings.set = o.set;
  settings.parallelism = o.parallelism;
  settings.default_parallelism = std::max(1u, std::thread::hardware_concurrency());
  settings.mode = o.mode;
  settings.final_output = o.final_only;
  settings.ordered_output = !o.final_only && may_be_live(o.output);
  auto job = load_job(o.file, settings);
  auto live = job ? live_run_of(job->plan, o.output, o.quiet) : std::nullopt;
  if (!live && std::exchange(settings.ordered_output, false)) job = load_job(o.file, settings);
  if (!job) {
    std::fprintf(stderr, "%s\n", job.err().message.c_str());
    return exit_usage;
  }
  for (const auto& w : job->warnings)
    if (!w.advice) std::fprintf(stderr, "%s\n", jobs::to_text(w).c_str());
  for (const auto& text : job->explained) std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
  if (job->plan.operators.empty()) return exit_ok;
  physical_plan plan = job->plan;
  choose_stdout_format(plan, o.output);
  auto display = live ? std::move(live->display) : plain_display(plan, o.quiet);
  std::optional<live_connector> terminal;
  if (live) terminal.emplace(live->rows);
  bool finished_before = false;
  if (auto s = check_snapshot(o, plan, *display, finished_before); !s) return fail(s.err());
  if (!o.quiet && !live) display->print(planner::guarantee_text(plan));

  execution how;
  how.node.data_dir = o.data_dir;
  how.node.memory_bytes = o.memory_bytes;
  how.job.snapshot_interval_us = o.snapshot_interval_us.value_or(
      job->snapshot_interval_us.value_or(default_snapshot_interval_us));
  how.quiet = o.quiet;
  auto done = execute(plan, how, *display, signals);
  if (!done) return fail(done.err());
  const auto& last = done->report;
  if (done->state() == job_state::failed) {
    display->print("weir: job " + plan.name + " failed: " + last.error);
    return exit_failed;
  }
  if (finished_before && totals_of(last, plan).rows_in == 0) {
    if (!o.quiet)
      display->print("job " + plan.name + " had finished already (epoch " +
                     std::to_string(last.completed_epoch) + "); --fresh starts over");
  } else {
    display->summarize(last);
  }
  if (!o.quiet && done->state() == job_state::stopped && !o.data_dir.empty())
    display->print("the same command continues from epoch " + std::to_string(last.completed_epoch));
  return done->stopped_by == SIGINT ? exit_interrupted : exit_ok;
}

}  // namespace weir::cli
