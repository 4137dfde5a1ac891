// Where things are: Metadata 0-13, DescribeTopicPartitions 0, DescribeCluster 0-2, DescribeQuorum
// 0-2, FindCoordinator 0-6. Functions as described in admin.hpp.
#pragma once

#include "runtime/kafka/protocol/messages/configs.hpp"
#include "runtime/kafka/protocol/messages/data.hpp"
#include "runtime/kafka/protocol/messages/groups.hpp"
#include "runtime/kafka/protocol/messages/topics.hpp"
#include "runtime/kafka/topics/admin/admin.hpp"

namespace weir::kafka {

/// The commands make the topics that are asked for, do not exist, and may be made. The response
/// says UNKNOWN_TOPIC_OR_PARTITION for them, as Kafka does, and clients ask again. Who has applied
/// the commands may rather call this once more with the new catalog and spare them the second
/// request.
admin_answer<metadata_response> answer_metadata(const metadata_request&, const topic_catalog&,
                                                const node_facts&, const request_facts&);

/// A page of at most max.request.partition.size.limit partitions and a cursor to the next. For a
/// cursor that is not valid, each topic of the request has INVALID_REQUEST: the response has no
/// other place.
describe_topic_partitions_response answer_describe_topic_partitions(
    const describe_topic_partitions_request&, const topic_catalog&, const node_facts&,
    const request_facts&);

describe_cluster_response answer_describe_cluster(const describe_cluster_request&,
                                                  const node_facts&, const request_facts&);
/// This node alone decides about metadata. They are kept in a store, not in a log: offsets are 0.
describe_quorum_response answer_describe_quorum(const describe_quorum_request&, const node_facts&,
                                                const request_facts&);

/// Where the coordinator of a key is; a problem: what the client is told instead.
struct coordinator_place {
  api_error problem;
  int32_t node_id = -1;
  std::string host;
  int32_t port = -1;
};
/// `place` is asked for each key of a type that there is (groups or transactions).
find_coordinator_response answer_find_coordinator(
    const find_coordinator_request&,
    const std::function<coordinator_place(std::string_view key)>& place, const request_facts&);

}  // namespace weir::kafka
