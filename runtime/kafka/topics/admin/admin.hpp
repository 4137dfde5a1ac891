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
};

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

/// Kafka's checks of replicas that a client names, on a cluster of this one node. `replicas_before`
/// is the number that the other partitions have, 0 if there is none.
api_error check_replicas(const std::vector<int32_t>& replicas, size_t replicas_before,
                         const node_facts& node);

}  // namespace weir::kafka
