#include "cluster/http/api.hpp"

#include "cluster/http/broker_pool.hpp"
#include "cluster/http/cluster_api.hpp"
#include "cluster/http/groups_api.hpp"
#include "cluster/http/jobs_api.hpp"
#include "cluster/http/libraries_api.hpp"
#include "cluster/http/metrics.hpp"
#include "cluster/http/records_api.hpp"
#include "cluster/http/topics_api.hpp"

namespace weir::http {

struct api::impl {
  impl(cluster_node& n, kafka_endpoint& k, membership& m, api_options o)
      : node(n), kafka(k), members(m), options(o), pool(k.listening()), records(pool) {}

  http_response ready_answer() const {
    if (!ready) return {503, "starting\n", "text/plain"};
    if (!kafka.coordination().groups().ready())
      return {503, "reading consumer groups\n", "text/plain"};
    return {200, "ok\n", "text/plain"};
  }

  http_response answer(const http_request&);

  cluster_node& node;
  kafka_endpoint& kafka;
  membership& members;
  api_options options;
  broker_pool pool;
  records_api records;
  std::atomic<bool> ready{false};
};

api::api(cluster_node& node, kafka_endpoint& kafka, membership& members, api_options options)
    : impl_(std::make_unique<impl>(node, kafka, members, options)) {}
api::~api() = default;

void api::set_ready() {
  impl_->ready = true;
}

std::optional<http_response> api::at_once(const http_request& r) {
  if (r.method != "GET" && r.method != "HEAD") return std::nullopt;
  if (r.target == "/healthz") return http_response{200, "ok\n", "text/plain"};
  if (r.target == "/readyz") return impl_->ready_answer();
  return std::nullopt;
}

http_response api::impl::answer(const http_request& r) {
  auto t = parse_target(r.target);
  if (!t) return problem(t.err());
  if (!ready) {
    const auto why = members.stand().problem;
    return problem(503, "the node is not ready: it waits for its cluster" +
                            (why.empty() ? std::string() : "; " + why));
  }
  const std::string first = t->path.empty() ? "" : t->path[0];
  if (first == "readyz" && t->path.size() == 1 && r.method == "GET") {
    auto is_ready = ready_answer();
    if (is_ready.status != 200 || t->parameter("in_sync") != "true") return is_ready;
    return answer_in_sync(members);
  }
  const bool stops = first == "cluster" && t->path.size() == 2 && t->path[1] == "quiesce";
  if (first == "cluster" && !stops && (t->path.size() > 1 || r.method != "GET"))
    return answer_cluster(members, r, *t);
  if (first == "cluster" || first == "jobs") return answer_jobs(node, members, r, *t);
  if (first == "libraries") return answer_libraries(members, r, *t);
  if (first == "topics") {
    if (t->path.size() == 3 && t->path[2] == "records") {
      if (r.method == "POST") return records.append(t->path[1], r, *t);
      if (r.method == "GET") return records.read(t->path[1], *t);
      return problem(405, r.method + " is not for this path");
    }
    return answer_topics(pool, &kafka.storage(), r, *t);
  }
  if (first == "groups") return answer_groups(pool, r, *t);
  if (first == "transactions") return answer_transactions(pool, r, *t);
  if (first == "metrics" && t->path.size() == 1) {
    if (r.method != "GET") return problem(405, r.method + " is not for this path");
    return {200, metrics_text(kafka, node.exchange(), members, options),
            "text/plain; version=0.0.4; charset=utf-8"};
  }
  return problem(
      404,
      "there is no /" + first +
          "; there are /cluster, /jobs, /libraries, /topics, /groups, /transactions, /metrics, "
          "/healthz and /readyz");
}

http_response api::answer(const http_request& r) {
  auto out = impl_->answer(r);
  if (impl_->ready)
    if (const auto here = impl_->members.stand(); here.leader == 0)
      out.view_age_ms = static_cast<uint64_t>(here.leaderless.count());
  return out;
}

}  // namespace weir::http
