#include "cluster/cli/live/live_display.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>

#include "cluster/cli/live/live_sink.hpp"
#include "cluster/cli/progress.hpp"
#include "runtime/base/units.hpp"
#include "runtime/column/text.hpp"

namespace weir::cli {
namespace {

using std::chrono::milliseconds;
constexpr auto painting_interval = milliseconds(100);
constexpr int64_t rate_over_us = 500'000;  // a rate over less is noise
constexpr size_t rows_of_a_flood = 1024;   // taken at once: more will wait already
// What stands at the end is printed whole up to here; beyond it nobody reads it on a terminal.
constexpr size_t final_rows_max = 1000;

/// How far event time has come where the rows are shown; nothing: it has none, or it has ended.
std::optional<int64_t> watermark_of(const job_report& r, const std::string& sink) {
  for (const auto& t : r.tasks)
    for (const auto& o : t.operators)
      if (o.operator_id == sink && t.watermark != watermark_none && t.watermark != watermark_end)
        return t.watermark;
  return {};
}

std::string time_text(int64_t us) {
  char buffer[fixed_chars_max];
  return {buffer, format_timestamp(buffer, us)};
}

/// Set when the process goes on after it was stopped (Ctrl-Z and fg).
std::atomic<bool> resumed{false};

bool reads_terminal(const physical_plan& plan) {
  return ::isatty(STDIN_FILENO) != 0 &&
         std::any_of(plan.operators.begin(), plan.operators.end(), [](const operator_node& n) {
           const auto* s = std::get_if<source_spec>(&n.spec);
           return s && s->connector == "stdin";
         });
}

}  // namespace

live_display::live_display(std::shared_ptr<live_rows> rows, const physical_plan& plan,
                           std::string sink, bool quiet)
    : rows_(std::move(rows)),
      plan_(plan),
      sink_(std::move(sink)),
      quiet_(quiet),
      layout_{rows_->names(), rows_->numbers(), wants_colour()},
      text_(layout_),
      painter_(STDOUT_FILENO),
      echo_(STDOUT_FILENO) {
  std::signal(SIGCONT, [](int) { resumed = true; });
}

live_display::~live_display() {
  abandon();
}

void live_display::print(const std::string& line) {
  painter_.erase();
  painted_.clear();
  std::fprintf(stderr, "%s\n", line.c_str());
}

bool live_display::wants_report() {
  const auto now = std::chrono::steady_clock::now();
  if (now - reported_ < painting_interval / 2) return false;  // a flood's ticks are more
  reported_ = now;
  return true;
}

int64_t live_display::interval_ms() const {
  return behind_ ? 1 : painting_interval.count();
}

bool live_display::has_terminal() {
  const bool has = is_foreground(STDOUT_FILENO);
  if (resumed.exchange(false) || (has && !had_terminal_)) {
    painter_.forget();
    painted_.clear();
    if (has) echo_.again();
  }
  had_terminal_ = has;
  return has;
}

std::string live_display::footer() const {
  if (stopping_) return "stopping (Ctrl-C again to stop at once)";
  if (quiet_ || !report_) return "";
  const auto t = totals_of(*report_, plan_);
  auto line = rows_text(rows_->is_table() ? rows_->first(0).total : printed_) + " · " +
              format_count(static_cast<double>(t.rows_in)) + " in";
  if (!rate_.empty()) line += ", " + rate_;
  // It is the last instant that is complete; people count to its end.
  if (auto w = watermark_of(*report_, sink_)) line += " · watermark " + time_text(*w + 1);
  line += " · " + format_duration_us(std::max<int64_t>(0, report_->now - report_->started_at));
  if (report_->restarts)
    line += " · " + std::to_string(report_->restarts) +
            (report_->restarts == 1 ? " restart" : " restarts");
  return line;
}

void live_display::show(const job_report* report) {
  if (report) {
    report_ = *report;
    measure_rate();
  }
  if (!has_terminal()) return;
  if (rows_->is_table())
    show_table();
  else
    show_appended();
}

void live_display::measure_rate() {
  const auto rows = totals_of(*report_, plan_).rows_in;
  const auto us = report_->now - measured_at_;
  if (measured_at_ != 0 && us < rate_over_us) return;
  if (measured_at_ != 0 && rows >= measured_rows_)
    rate_ =
        format_count(static_cast<double>(rows - measured_rows_) * 1e6 / static_cast<double>(us)) +
        "/s";
  measured_at_ = report_->now;
  measured_rows_ = rows;
}

void live_display::show_table() {
  const auto screen = screen_size_of(STDOUT_FILENO);
  const auto lines = live_lines(layout_, rows_->first(live_rows_max(screen)), footer(), screen);
  if (lines == painted_ && screen.width == painted_on_.width && screen.height == painted_on_.height)
    return;
  painter_.paint(lines, screen);
  painted_ = lines;
  painted_on_ = screen;
}

void live_display::show_appended() {
  const auto screen = screen_size_of(STDOUT_FILENO);
  const auto rows = rows_->take();
  std::string text;
  if (!rows.empty()) {
    if (!std::exchange(head_printed_, true)) {
      text_.fit(rows);
      for (const auto& line : text_.head(0)) text += line + "\n";
    }
    for (const auto& row : rows) text += text_.line(row, 0) + "\n";
    printed_ += rows.size();
  }
  const auto now = std::chrono::steady_clock::now();
  if (rows.size() >= rows_of_a_flood) flooded_ = now;
  behind_ = now - flooded_ < painting_interval;
  if (behind_ && now - footer_painted_ < painting_interval) {
    if (text.empty()) return;
    painter_.print_above(text);
    painted_.clear();
    return;
  }
  footer_painted_ = now;
  const auto last = footer();
  std::vector<std::string> lines;
  if (!last.empty())
    lines = {dim(fitted(last, std::max<size_t>(screen.width, 2) - 1), layout_.colour)};
  if (text.empty() && lines == painted_) return;
  if (!text.empty()) painter_.print_above(text);
  painter_.paint(lines, screen);
  painted_ = lines;
}

void live_display::print_table(bool whole) {
  const auto screen = screen_size_of(STDOUT_FILENO);
  const auto s = rows_->first(whole ? final_rows_max : live_rows_max(screen));
  text_.fit(s.rows);
  std::string out;
  for (const auto& line : text_.head(0)) out += line + "\n";
  for (const auto& row : s.rows) out += text_.line(row, 0) + "\n";
  if (s.total > s.rows.size())
    out += "… " + rows_text(s.total - s.rows.size()) + " more" +
           (whole ? "; --final or a pipe shows all" : "") + "\n";
  out += "(" + rows_text(s.total) + ")\n";
  painter_.print_above(out);
}

void live_display::end(bool whole) {
  if (rows_->is_table()) {
    print_table(whole);
  } else {
    for (;;) {  // the sink's last rows
      const auto before = printed_;
      show_appended();
      if (printed_ == before) break;
    }
    if (!std::exchange(head_printed_, true)) {  // an empty result has its names too
      text_.fit({});
      std::string out;
      for (const auto& line : text_.head(0)) out += line + "\n";
      painter_.print_above(out);
    }
    painter_.print_above("(" + rows_text(printed_) + ")\n");
  }
  painted_.clear();
  echo_.restore();
}

void live_display::summarize(const job_report& last) {
  if (!quiet_) print(dim(summary_line(last, plan_), layout_.colour && ::isatty(STDERR_FILENO)));
}

void live_display::abandon() {
  if (!painted_.empty()) painter_.keep();
  painted_.clear();
  echo_.restore();
}

bool may_be_live(const std::string& format) {
  return (format.empty() || format == "table") && can_repaint(STDOUT_FILENO);
}

std::optional<live_run> live_run_of(const physical_plan& plan, const std::string& format,
                                    bool quiet) {
  if (!may_be_live(format) || reads_terminal(plan)) return {};
  const auto* sink = live_sink_of(plan);
  if (!sink) return {};
  std::string id;
  for (const auto& n : plan.operators)
    if (std::get_if<sink_spec>(&n.spec) == sink) id = n.id;
  live_run run;
  run.rows = std::make_shared<live_rows>(*sink);
  run.display = std::make_unique<live_display>(run.rows, plan, id, quiet);
  return run;
}

}  // namespace weir::cli
