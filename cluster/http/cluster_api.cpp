#include "cluster/http/cluster_api.hpp"

#include <future>

#include "cluster/meta/service/identity.hpp"
#include "cluster/meta/state/placement.hpp"
#include "runtime/column/json_text.hpp"

namespace weir::http {
namespace {

constexpr auto answer_limit = std::chrono::seconds(20);

std::string text_field(const char* name, const std::string& value) {
  return ", \"" + std::string(name) + "\": " + (value.empty() ? "null" : json_string(value));
}
std::string field(const char* name, bool value) {
  return ", \"" + std::string(name) + "\": " + (value ? "true" : "false");
}
std::string field(const char* name, uint64_t value) {
  return ", \"" + std::string(name) + "\": " + std::to_string(value);
}

/// The living node that has taken the name of one that is gone.
const meta::node_record* heir_of(const meta::cluster_state& s, const meta::node_record& gone) {
  if (!gone.fenced) return nullptr;
  for (const auto& [id, n] : s.nodes())
    if (!n.fenced && n.name == gone.name) return &n;
  return nullptr;
}

std::string state_json(const meta::cluster_state& s, const meta::standing& here) {
  const auto* leader = s.find_node(here.leader_node);
  // Nobody leads without a majority of the voters; a moment of it is an election.
  std::string out =
      "\"cluster\": " + json_string(here.cluster.to_string()) +
      text_field("coordinator", leader ? leader->name : "") + field("majority", here.leader != 0) +
      field("view_age_ms", static_cast<uint64_t>(here.leaderless.count())) + ", \"nodes\": [";
  bool first = true;
  for (const auto& [id, n] : s.nodes()) {
    const auto server = meta::server_of(n.identity);
    bool votes = false;
    for (const auto& m : here.members)
      votes = votes || (m.id == server && m.role == meta::server_role::voter);
    const auto load = s.burden_of(id);
    out += std::string(first ? "" : ", ") + "{\"id\": " + json_string(n.name) +
           field("node", static_cast<uint64_t>(id.value)) + text_field("rack", n.rack) +
           text_field("http", meta::address_of(n, "http")) +
           text_field("kafka", meta::address_of(n, "kafka")) +
           text_field("peers", meta::address_of(n, "peers")) + field("alive", !n.fenced) +
           field("draining", n.draining) + field("votes", votes) +
           field("coordinates", server == here.leader) +
           field("replicas", uint64_t{load.replicas}) + field("leaders", uint64_t{load.leaders}) +
           field("masters", uint64_t{load.masters});
    const auto* heir = heir_of(s, n);
    out += ", \"replaced_by\": " + (heir ? std::to_string(heir->id.value) : "null") + "}";
    first = false;
  }
  const auto p = count_partitions(s);
  return out + "], \"partitions\": {\"count\": " + std::to_string(p.all) +
         field("leaderless", p.leaderless) + field("under_replicated", p.under_replicated) +
         field("moving", p.moving) + "}";
}

/// The node that a path names, by its number or its name. Several have a name when one has taken it
/// from another that is gone: `gone` says which is meant.
result<meta::node_id> find(const meta::cluster_state& s, const std::string& name, bool gone) {
  std::vector<meta::node_id> named, fitting;
  for (const auto& [id, n] : s.nodes()) {
    if (std::to_string(id.value) == name) return id;
    if (n.name != name) continue;
    named.push_back(id);
    if (n.fenced == gone) fitting.push_back(id);
  }
  if (named.size() == 1) return named.front();
  if (fitting.size() == 1) return fitting.front();
  if (named.empty()) return error{errc::not_found, "there is no node '" + name + "'"};
  std::string numbers;
  for (auto id : named) numbers += (numbers.empty() ? "" : ", ") + std::to_string(id.value);
  return error{errc::invalid_argument, "several nodes have the name '" + name +
                                           "': say which by its number (" + numbers + ")"};
}

/// What `question` makes of this node's state of the cluster (null: it has none yet), on the thread
/// of the metadata. Nothing: they do not answer in time.
template <class Question>
auto ask(membership& m, std::chrono::milliseconds limit, Question question) {
  using reply = decltype(question(static_cast<const meta::cluster_state*>(nullptr)));
  auto answered = std::make_shared<std::promise<reply>>();
  auto coming = answered->get_future();
  m.metadata().ask([answered, question = std::move(question)](const meta::cluster_state* s) {
    answered->set_value(question(s));
  });
  if (coming.wait_for(limit) != std::future_status::ready) return std::optional<reply>();
  return std::optional<reply>(coming.get());
}

result<meta::node_id> number_of(membership& m, const std::string& name, bool gone) {
  auto found =
      ask(m, answer_limit, [name, gone](const meta::cluster_state* s) -> result<meta::node_id> {
        if (s) return find(*s, name, gone);
        return error{errc::not_found, "this node has no state of the cluster yet"};
      });
  if (!found) return error{errc::timeout, "the node's metadata do not answer"};
  return std::move(*found);
}

http_response run(membership& m, meta::node_id node, meta::command c) {
  auto answered = std::make_shared<std::promise<result<meta::answer>>>();
  auto coming = answered->get_future();
  m.metadata().submit(
      std::move(c), [answered](result<meta::answer> a) { answered->set_value(std::move(a)); },
      answer_limit);
  auto a = coming.get();
  if (!a) return problem(503, a.err().message);
  if (!a->ok()) return problem(a->code == meta::verdict::not_found ? 404 : 409, a->text);
  return {200, "{\"moving\": " + std::to_string(a->number) + ", \"stuck\": " +
                   std::to_string(a->second) + ", \"node\": " + std::to_string(node.value) + "}\n"};
}

/// Replicas of the node that are not in sync.
uint64_t behind(const meta::cluster_state& s, meta::node_id node) {
  uint64_t n = 0;
  for (const auto& [id, t] : s.topics())
    for (const auto& p : t.partitions)
      n += meta::contains(p.replicas, node) && !meta::contains(p.in_sync, node) ? 1 : 0;
  return n;
}

cluster_counts count(const meta::cluster_state& s, const meta::standing& here) {
  cluster_counts c;
  for (const auto& [id, n] : s.nodes()) ++(n.fenced ? c.fenced : n.draining ? c.draining : c.alive);
  c.partitions = count_partitions(s);
  c.majority = here.leader != 0;
  c.coordinates = here.leads;
  const auto load = s.burden_of(here.node);
  c.led = load.leaders;
  c.replicas = load.replicas;
  return c;
}

}  // namespace

partition_counts count_partitions(const meta::cluster_state& s) {
  partition_counts c;
  for (const auto& [id, t] : s.topics())
    for (const auto& p : t.partitions) {
      ++c.all;
      c.leaderless += p.leader == meta::no_node ? 1 : 0;
      c.under_replicated += p.in_sync.size() < p.replicas.size() ? 1 : 0;
      c.moving += p.reassigning() ? 1 : 0;
    }
  return c;
}

std::optional<cluster_counts> count_cluster(membership& m, std::chrono::milliseconds limit) {
  return ask(m, limit,
             [here = m.stand()](const meta::cluster_state* s) {
               return s ? std::optional(count(*s, here)) : std::nullopt;
             })
      .value_or(std::nullopt);
}

http_response answer_in_sync(membership& m) {
  const auto here = m.stand();
  std::optional<uint64_t> n;
  if (here.registered)
    n = ask(m, answer_limit, [node = here.node](const meta::cluster_state* s) {
      return s ? behind(*s, node) : UINT64_MAX;
    });
  if (!n) return {503, "the node is not in its cluster\n", "text/plain"};
  if (*n == 0) return {200, "ok\n", "text/plain"};
  return {503, std::to_string(*n) + " replicas of this node are not in sync\n", "text/plain"};
}

std::string cluster_json(membership& m) {
  const std::string unknown = "\"nodes\": []";
  return ask(m, answer_limit,
             [unknown, here = m.stand()](const meta::cluster_state* s) {
               return s ? state_json(*s, here) : unknown;
             })
      .value_or(unknown);
}

http_response answer_cluster(membership& m, const http_request& r, const target& t) {
  const auto& path = t.path;
  if (path.size() < 3 || path[1] != "nodes")
    return problem(405, r.method + " is not for this path");
  const auto node = number_of(m, path[2], r.method == "DELETE");
  if (!node)
    return problem(node.err().code == errc::not_found ? 404
                   : node.err().code == errc::timeout ? 503
                                                      : 409,
                   node.err().message);
  if (path.size() == 4 && path[3] == "drain" && r.method == "POST")
    return run(m, *node, meta::drain_node{*node, t.parameter("undo") != "true"});
  if (path.size() == 3 && r.method == "DELETE") return run(m, *node, meta::remove_node{*node});
  return problem(405, r.method + " is not for this path");
}

}  // namespace weir::http
