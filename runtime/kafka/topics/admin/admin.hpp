// What the answers to admin requests have in common: the node, the request's circumstances, and the
// pair of response and commands. The answers are functions without state, clock or randomness: time
// and new ids are passed in. They read one catalog (a value) and may run on any thread; commands go
// to the catalog's owner, who applies and persists them before the response is sent.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/kafka/topics/broker_config.hpp"
#include "runtime/kafka/topics/node_entry.hpp"
#include "runtime/kafka/topics/topic_catalog.hpp"

namespace weir::kafka {

/// This node, as the clients of one listener see it.
struct node_facts {
  int32_t node_id = 0;
  std::string cluster_id;
  std::string host;
  int32_t port = 9092;
  std::optional<std::string> rack;
  broker_config config;
};

struct request_facts {
  int16_t version = 0;           // of the request; it was checked against what is served
  int64_t now_ms = 0;            // wall clock
  std::function<uuid()> new_id;  // a fresh random id; asked only by requests that may make topics
  node_list nodes;               // of the cluster; null: the one that answers is all there is
  int32_t controller = -1;       // who leads the metadata; -1: not known
};

/// The nodes of the cluster: those of the request, or the one that answers.
node_list nodes_of(const node_facts&, const request_facts&);
/// Where a partition is: as the catalog says, or on the one node.
struct placement_facts {
  int32_t leader = -1;
  std::vector<int32_t> replicas, in_sync, offline;
};
placement_facts placement_of(const partition_info&, const node_facts&, const request_facts&);

/// A response to be sent once `commands` (in this order) are applied and durable. Each of them
/// passes topic_catalog::check on the catalog that the answer was made from, with its predecessors
/// applied.
template <class Response>
struct admin_answer {
  Response response;
  std::vector<topic_command> commands;
};

/// The text that Kafka's clients know for a topic or partition that does not exist.
inline constexpr std::string_view unknown_topic_text =
    "This server does not host this topic-partition.";

/// Puts code and text into the two fields that most results have; no text is a null one.
template <class Result>
void set_error(Result& result, const api_error& e) {
  result.error_code = e.code;
  if (e.message.empty())
    result.error_message.reset();
  else
    result.error_message = e.message;
}

/// Kafka's checks of replicas that a client names. `replicas_before` is the number that the other
/// partitions have, 0 if there is none.
api_error check_replicas(const std::vector<int32_t>& replicas, size_t replicas_before,
                         const std::vector<node_entry>& nodes);
/// How many replicas a partition gets when nobody says it: the setting `name` if the node has it,
/// else three, and never more than there are live nodes.
int16_t default_replication(std::string_view name, const node_facts&, const request_facts&);

}  // namespace weir::kafka
