#include "cluster/cli/execute.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "cluster/cli/run.hpp"

namespace weir::cli {
namespace {

constexpr auto describe_timeout = std::chrono::seconds(2);
constexpr int64_t reader_check_ms = 200;  // how soon it is seen that nobody reads the output

/// Lines that actors say while a display has the terminal.
class said_lines {
 public:
  void add(std::string line) {
    std::lock_guard lock(m_);
    lines_.push_back(std::move(line));
  }
  void show_on(run_display& display) {
    std::vector<std::string> lines;
    {
      std::lock_guard lock(m_);
      lines.swap(lines_);
    }
    for (const auto& line : lines) display.print("weir: " + line);
  }

 private:
  std::mutex m_;
  std::vector<std::string> lines_;
};

/// Whether a sink is on standard output, or (`elsewhere`) on anything else.
bool writes_stdout(const physical_plan& plan, bool elsewhere = false) {
  return std::any_of(plan.operators.begin(), plan.operators.end(), [&](const operator_node& n) {
    const auto* s = std::get_if<sink_spec>(&n.spec);
    return s && (s->connector == "stdout") != elsewhere;
  });
}

/// Whether the other end of standard output, a pipe or socket, is closed. It stays so, and each
/// write fails.
bool reader_is_gone() {
  pollfd output{STDOUT_FILENO, 0, 0};
  return ::poll(&output, 1, 0) > 0 && (output.revents & (POLLERR | POLLHUP)) != 0;
}

/// As other tools end by SIGPIPE; who reads what the job writes elsewhere is told.
[[noreturn]] void leave_without_reader(const physical_plan& plan, run_display& display,
                                       node_process& process) {
  display.abandon();
  process.remove_temporary();
  if (writes_stdout(plan, true))
    display.print("weir: job " + plan.name +
                  " ended before its input: nobody reads standard output any more");
  ::_exit(exit_reader_gone);
}

}  // namespace

result<outcome> execute(const physical_plan& plan, const execution& how, run_display& display,
                        signal_waiter& signals) {
  auto said = std::make_shared<said_lines>();
  WEIR_ASSIGN(auto process, node_process::start(how.node));
  WEIR_ASSIGN(auto handle, process->submit(plan.name, plan, how.job,
                                           [said, quiet = how.quiet](std::string line) {
                                             if (!quiet) said->add(std::move(line));
                                           }));
  outcome out;
  std::atomic<bool> ended = false;
  const bool to_reader = writes_stdout(plan);
  std::thread waiter([&] {
    caf::scoped_actor self(process->system());
    self->request(handle, caf::infinite, wait_atom::value)
        .receive([&](job_report& r) { out.report = std::move(r); },
                 [&](const caf::error& e) {
                   out.report.state = static_cast<uint8_t>(job_state::failed);
                   out.report.error = "the job master is gone: " + caf::to_string(e);
                 });
    ended = true;
    signals.notify();
  });
  caf::scoped_actor self(process->system());
  for (;;) {
    const auto interval = display.interval_ms();
    const int s = signals.wait(to_reader ? std::min(interval, reader_check_ms) : interval);
    // Before what the job says of it: to its tasks it is a failure, and they would be restarted.
    if (to_reader && !ended && reader_is_gone()) leave_without_reader(plan, display, *process);
    said->show_on(display);
    if (ended) break;
    if (s > 0 && out.stopped_by != 0) {
      if (how.second_signal_exits) {
        display.abandon();
        process->remove_temporary();
        ::_exit(exit_interrupted);
      }
      caf::anon_send_exit(handle, caf::exit_reason::kill);
    } else if (s > 0) {
      out.stopped_by = s;
      display.stopping();
      caf::anon_send(handle, stop_atom::value);
    }
    if (!display.wants_report()) {
      display.show(nullptr);
      continue;
    }
    self->request(handle, describe_timeout, describe_atom::value)
        .receive([&](job_report& r) { display.show(&r); },
                 [&](const caf::error&) {
                   display.show(nullptr); /* the next one tells more */
                 });
  }
  waiter.join();
  // The last rows were what nobody read.
  if (to_reader && out.state() == job_state::failed && reader_is_gone())
    leave_without_reader(plan, display, *process);
  said->show_on(display);
  display.end(out.state() == job_state::finished);
  return out;
}

}  // namespace weir::cli
