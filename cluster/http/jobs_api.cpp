#include "cluster/http/jobs_api.hpp"

#include "cluster/http/cluster_api.hpp"
#include "cluster/http/report_json.hpp"
#include "cluster/http/savepoints.hpp"
#include "runtime/column/json_text.hpp"
#include "runtime/column/text.hpp"

namespace weir::http {
namespace {

// Longer than the keeper's own limits: it knows more about what went wrong.
constexpr auto request_timeout = std::chrono::seconds(70);

std::string unreachable(const caf::error& e) {
  return "the node does not answer: " + caf::to_string(e);
}

http_response problem_of(uint8_t code, const std::string& text) {
  switch (static_cast<errc>(code)) {
    case errc::timeout:
      return problem(503, text);
    case errc::not_found:
      return problem(404, text);
    case errc::cancelled:
    case errc::already_exists:
      return problem(409, text);
    default:
      return problem(400, text);
  }
}

http_response list(cluster_node& node, membership& members) {
  caf::scoped_actor self(node.system());
  http_response out;
  self->request(node.keeper(), request_timeout, list_atom::value)
      .receive(
          [&](const cluster_report& c) {
            out.body = "{" + cluster_json(members) + ", \"jobs\": " + to_json(c) + "}\n";
          },
          [&](const caf::error& e) { out = problem(503, unreachable(e)); });
  return out;
}

http_response submit(cluster_node& node, const http_request& r, const target& t) {
  submit_message m;
  m.plan.assign(r.body.begin(), r.body.end());
  constexpr int64_t interval_min_us = 100'000, interval_max_us = int64_t{1} << 50;
  auto interval = t.number("interval_us", m.snapshot_interval_us, interval_min_us, interval_max_us);
  if (!interval) return problem(interval.err());
  m.snapshot_interval_us = *interval;
  if (auto from = t.parameter("from")) {
    auto number = t.number("epoch", 0, 0, INT64_MAX);
    if (!number) return problem(number.err());
    auto plan = decode_plan(std::as_bytes(std::span(m.plan)));
    if (!plan) return problem(400, plan.err().message);
    auto start = find_start(node, *from, static_cast<uint64_t>(*number), *plan,
                            t.parameter("drop_state") == "true");
    if (!start) return problem_of(static_cast<uint8_t>(start.err().code), start.err().message);
    m.origin = start->job;
    m.origin_epoch = start->epoch;
  }
  caf::scoped_actor self(node.system());
  http_response out;
  self->request(node.keeper(), request_timeout, m)
      .receive(
          [&](const submit_reply& reply) {
            if (reply.error.empty())
              out.body = "{\"id\": " + json_string(reply.id) + "}\n";
            else
              out = problem_of(reply.code, reply.error);
          },
          [&](const caf::error& e) { out = problem(503, unreachable(e)); });
  return out;
}

std::string lines_json(const std::vector<std::string>& lines) {
  std::string out = "{\"lines\": [";
  for (const auto& l : lines)
    out += (l.data() == lines.front().data() ? "" : ", ") + json_string(l);
  return out + "]}\n";
}

http_response ask(cluster_node& node, job_request::verb what, const std::string& job,
                  uint64_t epoch = 0) {
  caf::scoped_actor self(node.system());
  http_response out;
  self->request(node.keeper(), request_timeout, job_request{what, job, false, epoch})
      .receive(
          [&](const job_answer& a) {
            if (!a.error.empty()) {
              out = problem_of(a.code, a.error);
              return;
            }
            switch (what) {
              case job_request::verb::describe:
                out.body = to_json(a.report) + "\n";
                return;
              case job_request::verb::logs:
                out.body = lines_json(a.lines);
                return;
              case job_request::verb::savepoint:
                out.body = "{\"epoch\": " + std::to_string(a.epoch) + "}\n";
                return;
              default:
                out.body = "{}\n";
            }
          },
          [&](const caf::error& e) { out = problem(503, unreachable(e)); });
  return out;
}

/// The whole cluster is about to stop.
http_response quiesce(cluster_node& node) {
  caf::scoped_actor self(node.system());
  http_response out;
  self->request(node.keeper(), request_timeout, quiesce_atom::value, false)
      .receive([&](const operation_reply&) { out.body = "{}\n"; },
               [&](const caf::error& e) { out = problem(503, unreachable(e)); });
  return out;
}

std::optional<job_request::verb> verb_of(const std::string& method, const std::string& name) {
  using verb = job_request::verb;
  if (method == "GET" && name == "logs") return verb::logs;
  if (method != "POST") return std::nullopt;
  if (name == "stop") return verb::stop;
  if (name == "cancel") return verb::cancel;
  if (name == "savepoint") return verb::savepoint;
  return std::nullopt;
}

}  // namespace

http_response answer_jobs(cluster_node& node, membership& members, const http_request& r,
                          const target& t) {
  const auto& path = t.path;
  if (path.size() == 1 && r.method == "GET") return list(node, members);
  if (path[0] == "cluster" && path.size() == 2 && path[1] == "quiesce" && r.method == "POST")
    return quiesce(node);
  if (path[0] == "jobs") {
    if (path.size() == 1 && r.method == "POST") return submit(node, r, t);
    if (path.size() == 2 && r.method == "GET")
      return ask(node, job_request::verb::describe, path[1]);
    if (path.size() == 2 && r.method == "DELETE")
      return ask(node, job_request::verb::remove, path[1]);
    if (path.size() == 4 && path[2] == "savepoints" && r.method == "DELETE") {
      auto number = parse_int64(path[3]);
      if (!number || *number < 1)
        return problem(400, "'" + path[3] + "' is not a savepoint's epoch");
      return ask(node, job_request::verb::drop_savepoint, path[1], static_cast<uint64_t>(*number));
    }
    if (path.size() == 3)
      if (auto what = verb_of(r.method, path[2])) return ask(node, *what, path[1]);
  }
  return problem(405, r.method + " is not for this path");
}

}  // namespace weir::http
