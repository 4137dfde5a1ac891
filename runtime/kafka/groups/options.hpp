// Settings of consumer groups, with Kafka's names and defaults where Kafka has them. Plain values;
// the driver fills them from the node's and the group's configuration.
#pragma once

#include <cstdint>
#include <string>

namespace weir::kafka {

struct group_options {
  // Classic protocol.
  /// group.initial.rebalance.delay.ms: how long an empty group waits for more members before its
  /// first rebalance. Kafka waits 3 s; 100 ms gather members that start together all the same, and
  /// a lone consumer starts at once. 0 = no wait.
  int32_t initial_rebalance_delay_ms = 100;
  int32_t min_session_timeout_ms = 6'000;      // group.min.session.timeout.ms
  int32_t max_session_timeout_ms = 1'800'000;  // group.max.session.timeout.ms
  /// A member that joins a rebalance may be silent for so long, whatever its session timeout.
  int32_t new_member_join_timeout_ms = 300'000;

  // Consumer protocol (KIP-848).
  bool consumer_protocol = true;                   // group.coordinator.rebalance.protocols
  int32_t consumer_session_timeout_ms = 45'000;    // group.consumer.session.timeout.ms
  int32_t consumer_heartbeat_interval_ms = 5'000;  // group.consumer.heartbeat.interval.ms
  std::string default_assignor = "uniform";        // "uniform" or "range"
  /// group.consumer.migration.policy: a classic group becomes a consumer group when its first
  /// KIP-848 member joins, and a classic one again when the last of them leaves.
  bool online_upgrade = true;
  bool online_downgrade = true;

  // Both.
  /// group.max.size. Kafka sets no limit; a group's memory is bounded by this one.
  int32_t max_members = 10'000;

  // Offsets.
  int32_t offset_metadata_max_bytes = 4'096;                  // offset.metadata.max.bytes
  int64_t offsets_retention_ms = 7LL * 24 * 60 * 60 * 1'000;  // offsets.retention.minutes
  int64_t offsets_retention_check_interval_ms = 10 * 60 * 1'000;
};

}  // namespace weir::kafka
