#include "cluster/cli/execute.hpp"

#include <unistd.h>

#include <mutex>
#include <thread>

#include "cluster/cli/run.hpp"

namespace weir::cli {
namespace {

constexpr auto describe_timeout = std::chrono::seconds(2);

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
  std::thread waiter([&] {
    caf::scoped_actor self(process->system());
    self->request(handle, caf::infinite, wait_atom::value)
        .receive([&](job_report& r) { out.report = std::move(r); },
                 [&](const caf::error& e) {
                   out.report.state = static_cast<uint8_t>(job_state::failed);
                   out.report.error = "the job master is gone: " + caf::to_string(e);
                 });
    signals.notify();
  });
  caf::scoped_actor self(process->system());
  for (;;) {
    const int s = signals.wait(display.interval_ms());
    said->show_on(display);
    if (s == -1) break;
    if (s > 0 && out.stopped_by != 0) {
      if (how.second_signal_exits) {
        display.abandon();
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
  said->show_on(display);
  display.end(out.state() == job_state::finished);
  return out;
}

}  // namespace weir::cli
