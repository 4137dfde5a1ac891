#include "cluster/http/report_json.hpp"

#include "runtime/column/json_text.hpp"

namespace weir::http {
namespace {

/// The states that users of `job describe` know: a restart is a start, a stop under way still runs.
const char* shown_state(job_state s) {
  if (s == job_state::restarting) s = job_state::starting;
  if (s == job_state::stopping) s = job_state::running;
  return to_string(s);
}

std::string number(const char* name, uint64_t v) {
  return std::string(", \"") + name + "\": " + std::to_string(v);
}

std::string to_json(const operator_report& o) {
  return "{\"operator\": " + json_string(o.operator_id) + number("rows_in", o.rows_in) +
         number("rows_out", o.rows_out) + number("bytes_in", o.bytes_in) +
         number("bytes_out", o.bytes_out) + number("busy_ns", o.busy_ns) +
         number("state_bytes", o.state_bytes) + number("errors_skipped", o.errors_skipped) +
         number("dead_letters", o.dead_letters) + number("late_rows", o.late_rows) + "}";
}

std::string to_json(const operator_report&);
std::string to_json(const task_report&);
using http::to_json;

std::string numbers(const std::vector<uint64_t>& items) {
  std::string out = "[";
  for (auto i : items) out += (out.size() > 1 ? ", " : "") + std::to_string(i);
  return out + "]";
}

template <class T>
std::string list(const std::vector<T>& items) {
  std::string out = "[";
  for (const auto& i : items) out += (out.size() > 1 ? ", " : "") + to_json(i);
  return out + "]";
}

std::string to_json(const task_report& t) {
  return "{\"task\": " + std::to_string(t.task) + number("subtask", t.subtask) +
         number("attempt", t.attempt) + ", \"node\": " + json_string(t.node) +
         ", \"placed\": " + json_string(t.placed) + number("busy_ns", t.busy_ns) +
         number("backpressured_ns", t.backpressured_ns) + number("idle_ns", t.idle_ns) +
         ", \"watermark_us\": " +
         (t.watermark == watermark_none || t.watermark == watermark_end
              ? std::string("null")
              : std::to_string(t.watermark)) +
         ", \"operators\": " + list(t.operators) + "}";
}

}  // namespace

std::string to_json(const job_report& j) {
  return "{\"id\": " + json_string(j.id) + ", \"name\": " + json_string(j.name) +
         ", \"state\": " + json_string(shown_state(static_cast<job_state>(j.state))) +
         ", \"error\": " + (j.error.empty() ? "null" : json_string(j.error)) +
         ", \"master\": " + (j.master.empty() ? "null" : json_string(j.master)) +
         ", \"waits_for\": " + (j.waits_for.empty() ? "null" : json_string(j.waits_for)) +
         number("epoch", j.completed_epoch) + number("restarts", j.restarts) +
         ", \"savepoints\": " + numbers(j.savepoints) + ", \"tasks\": " + list(j.tasks) + "}";
}

std::string to_json(const cluster_report& c) {
  return list(c.jobs);
}

}  // namespace weir::http
