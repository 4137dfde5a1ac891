#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "cluster/cli/job_file.hpp"
#include "cluster/cli/jobs/call.hpp"
#include "cluster/cli/jobs/libraries.hpp"
#include "cluster/cli/table.hpp"
#include "cluster/cli/topics/node_call.hpp"
#include "cluster/http/server.hpp"
#include "cluster/http/target.hpp"
#include "runtime/column/text.hpp"

namespace weir::cli {
namespace {

constexpr auto stop_interval = std::chrono::milliseconds(100);
constexpr auto stop_again_interval = std::chrono::seconds(1);
// For another node that takes a job's master over.
constexpr auto away_limit = std::chrono::seconds(60);

/// A task of every operator on every node, unless the job or the user says otherwise.
uint32_t nodes_alive(const std::string& json) {
  simdjson::dom::parser parser;
  simdjson::dom::array nodes;
  uint32_t n = 0;
  auto parsed = parser.parse(json);
  if (!parsed.error() && !parsed["nodes"].get(nodes))
    for (auto node : nodes) n += text_of(node["alive"]) == "true" ? 1 : 0;
  return std::max(1u, n);
}

int print_epoch(const cluster_verb_options& o, uint64_t epoch) {
  std::printf(o.output == "json" ? "{\"epoch\": %" PRIu64 "}\n" : "%" PRIu64 "\n", epoch);
  return exit_ok;
}

/// JOB or JOB:EPOCH; 0: the newest.
std::pair<std::string, uint64_t> split_savepoint(const std::string& text) {
  auto at = text.rfind(':');
  if (at != std::string::npos)
    if (auto number = parse_int64(std::string_view(text).substr(at + 1)); number && *number > 0)
      return {text.substr(0, at), static_cast<uint64_t>(*number)};
  return {text, 0};
}

}  // namespace

int job_submit(const cluster_verb_options& o) {
  jobs::job_settings settings;
  settings.set = o.set;
  settings.parallelism = o.parallelism;
  std::string members;
  if (int code = call(o, "GET", "/cluster", "", members)) return code;
  settings.default_parallelism = nodes_alive(members);
  auto job = load_job(std::filesystem::absolute(o.file).string(), settings);
  if (!job) {
    std::fprintf(stderr, "%s\n", job.err().message.c_str());
    return exit_usage;
  }
  if (job->plan.operators.empty()) {
    std::fprintf(stderr, "weir: %s only explains: weir run and weir plan show its plans\n",
                 o.file.c_str());
    return exit_usage;
  }
  if (int code = ship_libraries(o, job->plan)) return code;
  auto bytes = encode_plan(job->plan);
  std::string body(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::string answer;
  const auto interval_us = o.snapshot_interval_us.value_or(
      job->snapshot_interval_us.value_or(default_snapshot_interval_us));
  auto target = "/jobs?interval_us=" + std::to_string(interval_us);
  if (!o.from_savepoint.empty()) {
    auto [from, number] = split_savepoint(o.from_savepoint);
    target += "&from=" + http::escape(from) + "&epoch=" + std::to_string(number);
    if (o.drop_state) target += "&drop_state=true";
  } else if (o.drop_state) {
    return wrong_usage("--drop-state is about the state of --from-savepoint");
  }
  if (int code = call(o, "POST", target, body, answer)) return code;
  if (o.output == "json") {
    std::fputs(answer.c_str(), stdout);
    return exit_ok;
  }
  simdjson::dom::parser parser;
  std::string_view id;
  auto parsed = parser.parse(answer);
  if (parsed.error() || parsed["id"].get(id)) return fail("the node's answer has no id: " + answer);
  std::printf("%.*s\n", static_cast<int>(id.size()), id.data());
  return exit_ok;
}

int job_ls(const cluster_verb_options& o) {
  std::string answer;
  if (int code = call(o, "GET", "/cluster", "", answer)) return code;
  print_jobs(answer, o.output);
  return exit_ok;
}

namespace {

/// A field that may be null or missing; empty then.
std::string shown(simdjson::dom::element of, std::string_view name) {
  simdjson::dom::element e;
  return of[name].get(e) || e.is_null() ? std::string() : text_of(e);
}

/// The job, and below it its tasks: what each does, where and since when, and how busy it is.
void print_job(const std::string& json, const std::string& format) {
  simdjson::dom::parser parser;
  simdjson::dom::element job;
  if (parser.parse(json).get(job)) return;
  text_table head(
      {"id", "name", "state", "epoch", "restarts", "master", "waits_for", "savepoints", "error"});
  simdjson::dom::array list;
  std::string savepoints;
  if (!job["savepoints"].get(list))
    for (auto e : list) savepoints += (savepoints.empty() ? "" : " ") + text_of(e);
  head.add({shown(job, "id"), shown(job, "name"), shown(job, "state"), shown(job, "epoch"),
            shown(job, "restarts"), shown(job, "master"), shown(job, "waits_for"), savepoints,
            shown(job, "error")});
  head.print(format);
  std::printf("\n");
  text_table tasks({"task", "subtask", "node", "attempt", "operators", "rows_in", "rows_out",
                    "state_bytes", "placed"});
  if (!job["tasks"].get(list))
    for (auto t : list) {
      simdjson::dom::array operators;
      std::string names, in, out;
      uint64_t state = 0;
      if (!t["operators"].get(operators))
        for (auto o : operators) {
          if (names.empty()) in = shown(o, "rows_in");
          names += (names.empty() ? "" : " > ") + shown(o, "operator");
          out = shown(o, "rows_out");
          uint64_t bytes = 0;
          if (!o["state_bytes"].get(bytes)) state += bytes;
        }
      tasks.add({shown(t, "task"), shown(t, "subtask"), shown(t, "node"), shown(t, "attempt"),
                 names, in, out, std::to_string(state), shown(t, "placed")});
    }
  tasks.print(format);
}

}  // namespace

int job_describe(const cluster_verb_options& o) {
  std::string answer;
  if (int code = call(o, "GET", "/jobs/" + http::escape(o.id), "", answer)) return code;
  if (o.output == "json")
    std::fputs(answer.c_str(), stdout);
  else
    print_job(answer, o.output);
  return exit_ok;
}

int job_stop(const cluster_verb_options& o) {
  std::string answer;
  const auto target = "/jobs/" + http::escape(o.id);
  if (!o.savepoint) return call(o, "POST", target + "/stop", "", answer);
  // By its id: another job may have its name by the time that it has ended.
  simdjson::dom::parser parser;
  std::string_view id, state;
  if (int code = call(o, "GET", target, "", answer)) return code;
  if (parser.parse(answer)["id"].get(id)) return fail("not an answer: " + answer);
  const auto by_id = "/jobs/" + std::string(id);
  auto heard = std::chrono::steady_clock::now();
  auto told = heard - stop_again_interval;
  for (;; std::this_thread::sleep_for(stop_interval)) {
    auto r = http::http_call(o.cluster, "GET", by_id);
    // Its master may be moving to another node.
    if (!r || r->status == 503) {
      if (std::chrono::steady_clock::now() - heard > away_limit)
        return fail("the job has not ended: " + (r ? r->body : r.err().message));
      continue;
    }
    heard = std::chrono::steady_clock::now();
    answer = std::move(r->body);
    uint64_t epoch = 0;
    auto parsed = parser.parse(answer);
    if (r->status != 200 || parsed["state"].get(state) || parsed["epoch"].get(epoch))
      return fail("not an answer: " + answer);
    if (state == "failed") return fail("the job has failed: " + text_of(parsed["error"]));
    if (state == "stopped" || state == "finished")
      return epoch != 0 ? print_epoch(o, epoch)
                        : fail("the job has ended before its first snapshot");
    // A master that is lost takes what it was told along: the one after it is told again.
    if (heard - told < stop_again_interval) continue;
    told = heard;
    (void)http::http_call(o.cluster, "POST", by_id + "/stop");
  }
}

int job_delete(const cluster_verb_options& o) {
  std::string answer;
  return call(o, "DELETE", "/jobs/" + http::escape(o.id), "", answer);
}

int job_cancel(const cluster_verb_options& o) {
  std::string answer;
  return call(o, "POST", "/jobs/" + http::escape(o.id) + "/cancel", "", answer);
}

int job_savepoint(const cluster_verb_options& o) {
  std::string answer;
  if (o.remove)
    return call(o, "DELETE",
                "/jobs/" + http::escape(o.id) + "/savepoints/" + std::to_string(*o.remove), "",
                answer);
  if (int code = call(o, "POST", "/jobs/" + http::escape(o.id) + "/savepoint", "", answer))
    return code;
  simdjson::dom::parser parser;
  uint64_t epoch = 0;
  if (parser.parse(answer)["epoch"].get(epoch)) return fail("not an answer: " + answer);
  return print_epoch(o, epoch);
}

int job_logs(const cluster_verb_options& o) {
  std::string answer;
  if (int code = call(o, "GET", "/jobs/" + http::escape(o.id) + "/logs", "", answer)) return code;
  if (o.output == "json") {
    std::fputs(answer.c_str(), stdout);
    return exit_ok;
  }
  simdjson::dom::parser parser;
  simdjson::dom::array lines;
  if (parser.parse(answer)["lines"].get(lines)) return fail("not an answer: " + answer);
  for (auto l : lines) std::printf("%s\n", text_of(l).c_str());
  return exit_ok;
}

}  // namespace weir::cli
