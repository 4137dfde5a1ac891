// Replicas and their disks: DescribeLogDirs 1-4, AlterReplicaLogDirs 1-2, ElectLeaders 0-2,
// AlterPartitionReassignments 0-1, ListPartitionReassignments 0. Functions as described in
// admin.hpp.
#pragma once

#include "runtime/kafka/protocol/messages/topics.hpp"
#include "runtime/kafka/topics/admin/admin.hpp"

namespace weir::kafka {

/// The folder of all partitions, at the moment of the request.
struct log_dir_facts {
  std::string path;
  int64_t total_bytes = -1;   // of its file system; -1: unknown
  int64_t usable_bytes = -1;  //
  /// A partition's bytes on disk; nothing if it is not here (yet).
  std::function<std::optional<int64_t>(const topic_info&, int32_t partition)> bytes_of;
};

describe_log_dirs_response answer_describe_log_dirs(const describe_log_dirs_request&,
                                                    const topic_catalog&, const log_dir_facts&);
alter_replica_log_dirs_response answer_alter_replica_log_dirs(const alter_replica_log_dirs_request&,
                                                              const topic_catalog&,
                                                              const std::string& folder);
admin_answer<elect_leaders_response> answer_elect_leaders(const elect_leaders_request&,
                                                          const topic_catalog&,
                                                          const request_facts&);
admin_answer<alter_partition_reassignments_response> answer_alter_partition_reassignments(
    const alter_partition_reassignments_request&, const topic_catalog&, const node_facts&,
    const request_facts&);
list_partition_reassignments_response answer_list_partition_reassignments(
    const list_partition_reassignments_request&, const topic_catalog&);

/// The answer when the commands could not be made durable.
void fail_all(elect_leaders_response&, const api_error& why);
void fail_all(alter_partition_reassignments_response&, const api_error& why);

}  // namespace weir::kafka
