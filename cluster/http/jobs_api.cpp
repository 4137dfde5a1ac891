#include "cluster/http/jobs_api.hpp"

#include "cluster/http/cluster_api.hpp"
#include "cluster/http/report_json.hpp"
#include "runtime/column/json_text.hpp"

namespace weir::http {
namespace {

constexpr auto request_timeout = std::chrono::seconds(10);

std::string unreachable(const caf::error& e) {
  return "the coordinator does not answer: " + caf::to_string(e);
}

http_response list(cluster_node& node, membership& members) {
  caf::scoped_actor self(node.system());
  http_response out;
  self->request(node.coordinator(), request_timeout, list_atom::value)
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
  caf::scoped_actor self(node.system());
  http_response out;
  self->request(node.coordinator(), request_timeout, m)
      .receive(
          [&](const submit_reply& reply) {
            if (reply.error.empty())
              out.body = "{\"id\": " + json_string(reply.id) + "}\n";
            else
              out = problem(400, reply.error);
          },
          [&](const caf::error& e) { out = problem(503, unreachable(e)); });
  return out;
}

http_response describe(cluster_node& node, const std::string& id) {
  caf::scoped_actor self(node.system());
  http_response out;
  self->request(node.coordinator(), request_timeout, describe_atom::value, id)
      .receive([&](const job_report& j) { out.body = to_json(j) + "\n"; },
               [&](const caf::error& e) {
                 out = e == caf::sec::invalid_argument ? problem(404, "there is no job " + id)
                                                       : problem(503, unreachable(e));
               });
  return out;
}

http_response stop(cluster_node& node, const std::string& id) {
  caf::scoped_actor self(node.system());
  http_response out;
  self->request(node.coordinator(), request_timeout, stop_atom::value, id)
      .receive(
          [&](const operation_reply& reply) {
            out = reply.error.empty() ? http_response{200, "{}\n", "application/json"}
                                      : problem(404, reply.error);
          },
          [&](const caf::error& e) { out = problem(503, unreachable(e)); });
  return out;
}

}  // namespace

http_response answer_jobs(cluster_node& node, membership& members, const http_request& r,
                          const target& t) {
  const auto& path = t.path;
  if (path.size() == 1 && r.method == "GET") return list(node, members);
  if (path[0] == "jobs") {
    if (path.size() == 1 && r.method == "POST") return submit(node, r, t);
    if (path.size() == 2 && r.method == "GET") return describe(node, path[1]);
    if (path.size() == 3 && path[2] == "stop" && r.method == "POST") return stop(node, path[1]);
  }
  return problem(405, r.method + " is not for this path");
}

}  // namespace weir::http
