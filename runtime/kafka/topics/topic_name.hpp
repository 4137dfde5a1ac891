// Names of topics, by Kafka's rules (org.apache.kafka.common.internals.Topic): what is valid, what
// is internal. Pure functions; safe on any thread.
#pragma once

#include <string>
#include <string_view>

namespace weir::kafka {

inline constexpr std::string_view consumer_offsets_topic = "__consumer_offsets";
inline constexpr std::string_view transaction_state_topic = "__transaction_state";
/// Kafka's log of metadata; here a name that is reserved.
inline constexpr std::string_view cluster_metadata_topic = "__cluster_metadata";

inline constexpr size_t topic_name_bytes_max = 249;

/// Empty if the name is valid, else Kafka's text: "Topic name is invalid: '..' is not allowed".
std::string topic_name_problem(std::string_view name);

/// Topics that the broker itself writes; clients can neither create nor delete them.
bool is_internal_topic(std::string_view name) noexcept;

}  // namespace weir::kafka
