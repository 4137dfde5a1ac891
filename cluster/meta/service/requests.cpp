// What other nodes ask of the metadata service.
#include "cluster/meta/service/service_impl.hpp"

#include "cluster/meta/service/identity.hpp"
#include "cluster/meta/state/command_codec.hpp"

namespace weir::meta {

template <class Request>
std::string metadata_service::impl::refusal(const Request& q, const std::string& what) {
  const auto other = version_of(q.wire);
  if (understand_each_other(options_.wire, other)) return {};
  // By node: of two with one build both are named.
  complain_of("build " + to_string(other) + " of " + what,
              "refused " + what + ": " + refusal_of(options_.wire, other));
  return refusal_of(options_.wire, other);
}

void metadata_service::impl::message(
    const kafka::node_message_request& q,
    const std::function<void(kafka::node_message_response)>& reply) {
  kafka::node_message_response out;
  if (auto why = refusal(q, "a message of a node"); !why.empty()) {
    out.error_code = error_code::unsupported_version;
    out.error_message = std::move(why);
    return reply(out);
  }
  reply(out);
  const auto& payload = q.payload;
  if (!node_) return;
  // Where servers are now: who starts again may listen elsewhere.
  constexpr size_t small = 16 * 1024;
  if (payload.size() <= small)
    if (auto m = decode_message(payload); m && m->cluster == cluster_ && m->to == self_)
      learn(m->from, m->address);
  node_->deliver(payload);
}

void metadata_service::impl::command_of(
    const kafka::node_command_request& q,
    const std::function<void(kafka::node_command_response)>& reply) {
  kafka::node_command_response out;
  auto refuse = [&](error_code e, std::string text) {
    out.error_code = e;
    if (!text.empty()) out.error_message = std::move(text);
    reply(out);
  };
  if (auto why = refusal(q, "a command of a node"); !why.empty())
    return refuse(error_code::unsupported_version, std::move(why));
  if (q.cluster != cluster_)
    return refuse(error_code::inconsistent_cluster_id, "it is a node of another cluster");
  if (!node_ || !node_->leads()) {
    out.leader = address_of_leader();
    return refuse(error_code::not_controller, "");
  }
  // What the log takes stops every server that does not know it.
  if (auto readable = decode_request(q.command); !readable)
    return refuse(error_code::invalid_request, readable.err().message);
  const auto t = next_ticket_++;
  switch (node_->propose(t, q.command)) {
    case admission::accepted:
      proposals_[t] = [this, reply](const proposal_reply& r) {
        kafka::node_command_response a;
        a.index = node_ ? static_cast<int64_t>(node_->applied_index()) : 0;
        if (r.outcome == proposal_outcome::done)
          a.answer = r.reply;
        else
          a.error_code = error_code::request_timed_out;
        reply(a);
      };
      return;
    case admission::invalid:
      return refuse(error_code::invalid_request, "the command is too large");
    default:
      return refuse(error_code::request_timed_out, "");
  }
}

void metadata_service::impl::join_of(kafka::node_join_request q,
                                     const std::function<void(kafka::node_join_response)>& reply) {
  kafka::node_join_response out;
  out.server = static_cast<int64_t>(self_);
  const auto who = static_cast<server_id>(q.server);
  auto refuse = [&](error_code e, std::string text) {
    out.error_code = e;
    if (!text.empty()) out.error_message = std::move(text);
    reply(out);
  };
  if (q.wire.format == 0) {  // a build from before
    q.wire.format = q.format;
    q.wire.build = q.build;
  }
  if (auto why = refusal(q, "node " + q.name + " at " + q.address); !why.empty())
    return refuse(error_code::unsupported_version, std::move(why));
  if (!q.cluster.is_zero() && !cluster_.is_zero() && q.cluster != cluster_)
    return refuse(error_code::inconsistent_cluster_id, "the node belongs to cluster " +
                                                           q.cluster.to_string() + ", this is " +
                                                           cluster_.to_string());
  if (who == 0 || who == self_)
    return refuse(error_code::invalid_request, "a node cannot join itself");
  learn(who, q.address);
  // It waits for a cluster as well.
  if (cluster_.is_zero()) return refuse(error_code::coordinator_not_available, "");
  if (!node_ || !node_->leads()) {
    out.leader = address_of_leader();
    return refuse(error_code::not_controller, "");
  }
  // A node that is lost leaves its name when it is given up, some seconds later.
  for (const auto& [id, n] : machine_->state().nodes())
    if (n.name == q.name && server_of(n.identity) != who && !n.fenced)
      return refuse(error_code::duplicate_resource,
                    "a node of the name '" + q.name + "' is alive (number " +
                        std::to_string(id.value) + ", " + address_of(n, "peers") +
                        "): give this one another --name, or stop that one");
  out.cluster = cluster_;
  watch_.heard(who, now_ms());
  const auto* known = member(who);
  if (known && known->role != server_role::spare) return reply(out);
  if (!known) changes_.push_back({who, q.address, server_role::spare, false, true});
  changes_.push_back({who, q.address, server_role::learner, false, false});
  change_members();
  // It asks again; by then it is one.
  refuse(error_code::request_timed_out, "");
}

void metadata_service::impl::heartbeat_of(
    const kafka::node_heartbeat_request& q,
    const std::function<void(kafka::node_heartbeat_response)>& reply) {
  kafka::node_heartbeat_response out;
  if (auto why = refusal(q, "a sign of life of node " + std::to_string(q.node)); !why.empty()) {
    out.error_code = error_code::unsupported_version;
    out.error_message = std::move(why);
  } else if (q.cluster != cluster_) {
    out.error_code = error_code::inconsistent_cluster_id;
  } else if (!node_ || !node_->leads()) {
    out.error_code = error_code::not_controller;
    out.leader = address_of_leader();
  } else {
    const auto* n = machine_->state().find_node(node_id{q.node});
    const bool current = n && !n->fenced && n->epoch.value == static_cast<uint64_t>(q.epoch) &&
                         server_of(n->identity) == static_cast<server_id>(q.server);
    // Of a process that is over: it does not keep the newer one alive.
    if (current || !n) watch_.heard(static_cast<server_id>(q.server), now_ms());
    if (!current) out.error_code = error_code::stale_broker_epoch;
  }
  reply(out);
}

}  // namespace weir::meta
