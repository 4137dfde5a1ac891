#include "runtime/kafka/protocol/error_code.hpp"

#include <iterator>

namespace weir::kafka {
namespace {

struct row {
  std::string_view name;
  std::string_view message;
};

// In the order of the codes, from -1 on.
constexpr row rows[] = {
    {"UNKNOWN_SERVER_ERROR", "The broker met an unexpected error."},
    {"NONE", "No error."},
    {"OFFSET_OUT_OF_RANGE", "The offset is outside of the range that the partition holds."},
    {"CORRUPT_MESSAGE", "A record batch is damaged: its checksum, its size or its form is wrong."},
    {"UNKNOWN_TOPIC_OR_PARTITION", "This topic or partition does not exist here."},
    {"INVALID_FETCH_SIZE", "The fetch size is not valid."},
    {"LEADER_NOT_AVAILABLE", "The partition has no leader at the moment."},
    {"NOT_LEADER_OR_FOLLOWER",
     "This broker is not the partition's leader, or holds no replica of it."},
    {"REQUEST_TIMED_OUT", "The request timed out."},
    {"BROKER_NOT_AVAILABLE", "The broker is not available."},
    {"REPLICA_NOT_AVAILABLE", "The replica is not available."},
    {"MESSAGE_TOO_LARGE", "A record batch is larger than the topic allows."},
    {"STALE_CONTROLLER_EPOCH", "The controller has moved to another broker."},
    {"OFFSET_METADATA_TOO_LARGE", "The metadata of the committed offset is too large."},
    {"NETWORK_EXCEPTION", "The connection was closed before an answer came."},
    {"COORDINATOR_LOAD_IN_PROGRESS", "The coordinator is still loading."},
    {"COORDINATOR_NOT_AVAILABLE", "The coordinator is not available."},
    {"NOT_COORDINATOR", "This broker is not the coordinator."},
    {"INVALID_TOPIC_EXCEPTION",
     "The topic's name is not valid, or the operation is not allowed on it."},
    {"RECORD_LIST_TOO_LARGE", "The record batches are larger than a segment."},
    {"NOT_ENOUGH_REPLICAS", "Fewer replicas are in sync than the topic requires."},
    {"NOT_ENOUGH_REPLICAS_AFTER_APPEND",
     "The records were written, but to fewer replicas than the topic requires."},
    {"INVALID_REQUIRED_ACKS",
     "The number of required acknowledgements is not valid: use -1, 0 or 1."},
    {"ILLEGAL_GENERATION", "The group's generation is another one."},
    {"INCONSISTENT_GROUP_PROTOCOL",
     "The member's protocols do not fit those of the group's other members."},
    {"INVALID_GROUP_ID", "The group id is not valid."},
    {"UNKNOWN_MEMBER_ID", "The group does not know this member."},
    {"INVALID_SESSION_TIMEOUT", "The session timeout is outside of the allowed range."},
    {"REBALANCE_IN_PROGRESS", "The group is rebalancing: join again."},
    {"INVALID_COMMIT_OFFSET_SIZE", "The committed offset's data is too large."},
    {"TOPIC_AUTHORIZATION_FAILED", "Not authorized to access the topic."},
    {"GROUP_AUTHORIZATION_FAILED", "Not authorized to access the group."},
    {"CLUSTER_AUTHORIZATION_FAILED", "Not authorized to access the cluster."},
    {"INVALID_TIMESTAMP", "A record's timestamp is outside of the allowed range."},
    {"UNSUPPORTED_SASL_MECHANISM", "The broker does not support the requested SASL mechanism."},
    {"ILLEGAL_SASL_STATE", "The request does not fit the state of the SASL handshake."},
    {"UNSUPPORTED_VERSION", "This version of the API is not supported."},
    {"TOPIC_ALREADY_EXISTS", "A topic of this name exists already."},
    {"INVALID_PARTITIONS", "The number of partitions is not valid."},
    {"INVALID_REPLICATION_FACTOR",
     "The replication factor is below 1 or above the number of brokers."},
    {"INVALID_REPLICA_ASSIGNMENT", "The assignment of replicas is not valid."},
    {"INVALID_CONFIG", "A configuration value is not valid."},
    {"NOT_CONTROLLER", "This broker is not the controller."},
    {"INVALID_REQUEST", "The request is malformed or its values contradict each other."},
    {"UNSUPPORTED_FOR_MESSAGE_FORMAT",
     "The format of the stored records does not support the request."},
    {"POLICY_VIOLATION", "The request violates the cluster's policy."},
    {"OUT_OF_ORDER_SEQUENCE_NUMBER", "The producer's sequence number is not the expected one."},
    {"DUPLICATE_SEQUENCE_NUMBER", "The producer's sequence number was seen already."},
    {"INVALID_PRODUCER_EPOCH", "The producer's epoch is old: a newer producer has taken over."},
    {"INVALID_TXN_STATE", "The transaction's state does not allow the operation."},
    {"INVALID_PRODUCER_ID_MAPPING", "The producer id does not belong to this transactional id."},
    {"INVALID_TRANSACTION_TIMEOUT", "The transaction timeout is larger than the broker allows."},
    {"CONCURRENT_TRANSACTIONS", "Another operation on the same transaction is still running."},
    {"TRANSACTION_COORDINATOR_FENCED", "A newer transaction coordinator has taken over."},
    {"TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "Not authorized to use the transactional id."},
    {"SECURITY_DISABLED", "Security is not enabled."},
    {"OPERATION_NOT_ATTEMPTED",
     "The operation was not tried, because another one of the same request failed."},
    {"KAFKA_STORAGE_ERROR", "The disk failed."},
    {"LOG_DIR_NOT_FOUND", "The log directory is not one of the broker's."},
    {"SASL_AUTHENTICATION_FAILED", "SASL authentication failed."},
    {"UNKNOWN_PRODUCER_ID", "The broker has no state of this producer id."},
    {"REASSIGNMENT_IN_PROGRESS", "The partition is being reassigned."},
    {"DELEGATION_TOKEN_AUTH_DISABLED", "Delegation tokens are not enabled."},
    {"DELEGATION_TOKEN_NOT_FOUND", "The delegation token does not exist."},
    {"DELEGATION_TOKEN_OWNER_MISMATCH",
     "The principal is neither owner nor renewer of the delegation token."},
    {"DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",
     "Delegation tokens cannot be requested over this connection."},
    {"DELEGATION_TOKEN_AUTHORIZATION_FAILED", "Not authorized to use the delegation token."},
    {"DELEGATION_TOKEN_EXPIRED", "The delegation token has expired."},
    {"INVALID_PRINCIPAL_TYPE", "The principal's type is not supported."},
    {"NON_EMPTY_GROUP", "The group has members."},
    {"GROUP_ID_NOT_FOUND", "The group does not exist."},
    {"FETCH_SESSION_ID_NOT_FOUND", "The fetch session does not exist."},
    {"INVALID_FETCH_SESSION_EPOCH", "The fetch session's epoch is not the expected one."},
    {"LISTENER_NOT_FOUND",
     "The leader has no listener like the one that the request came through."},
    {"TOPIC_DELETION_DISABLED", "Topics cannot be deleted here."},
    {"FENCED_LEADER_EPOCH", "The request's leader epoch is older than the broker's."},
    {"UNKNOWN_LEADER_EPOCH", "The request's leader epoch is newer than the broker's."},
    {"UNSUPPORTED_COMPRESSION_TYPE", "The client does not support the partition's compression."},
    {"STALE_BROKER_EPOCH", "The broker's epoch has changed."},
    {"OFFSET_NOT_AVAILABLE",
     "The leader was elected just now and does not know its high watermark yet."},
    {"MEMBER_ID_REQUIRED", "Join again with the member id of this answer."},
    {"PREFERRED_LEADER_NOT_AVAILABLE", "The preferred leader is not available."},
    {"GROUP_MAX_SIZE_REACHED", "The group has as many members as are allowed."},
    {"FENCED_INSTANCE_ID", "Another member has registered with the same group.instance.id."},
    {"ELIGIBLE_LEADERS_NOT_AVAILABLE", "No replica that may lead the partition is available."},
    {"ELECTION_NOT_NEEDED", "The partition needs no election."},
    {"NO_REASSIGNMENT_IN_PROGRESS", "The partition is not being reassigned."},
    {"GROUP_SUBSCRIBED_TO_TOPIC", "The group is subscribed to the topic."},
    {"INVALID_RECORD", "A record does not pass the broker's checks."},
    {"UNSTABLE_OFFSET_COMMIT", "Offsets of a running transaction are not decided yet."},
    {"THROTTLING_QUOTA_EXCEEDED", "The quota is exceeded."},
    {"PRODUCER_FENCED", "A newer producer uses the same transactional id."},
    {"RESOURCE_NOT_FOUND", "The resource does not exist."},
    {"DUPLICATE_RESOURCE", "The request names the same resource twice."},
    {"UNACCEPTABLE_CREDENTIAL", "The credential does not meet the requirements."},
    {"INCONSISTENT_VOTER_SET", "Sender or recipient is not one of the expected voters."},
    {"INVALID_UPDATE_VERSION", "The update's version is not valid."},
    {"FEATURE_UPDATE_FAILED", "The features could not be updated."},
    {"PRINCIPAL_DESERIALIZATION_FAILURE", "The forwarded principal could not be read."},
    {"SNAPSHOT_NOT_FOUND", "The snapshot does not exist."},
    {"POSITION_OUT_OF_RANGE", "The position is not within the snapshot."},
    {"UNKNOWN_TOPIC_ID", "No topic has this id here."},
    {"DUPLICATE_BROKER_REGISTRATION", "The broker id is in use already."},
    {"BROKER_ID_NOT_REGISTERED", "The broker id is not registered."},
    {"INCONSISTENT_TOPIC_ID", "The log belongs to another topic id than the request's."},
    {"INCONSISTENT_CLUSTER_ID", "The cluster id is another one."},
    {"TRANSACTIONAL_ID_NOT_FOUND", "The transactional id does not exist."},
    {"FETCH_SESSION_TOPIC_ID_ERROR",
     "The fetch session mixes requests with and without topic ids."},
    {"INELIGIBLE_REPLICA", "A replica may not become part of the in-sync set."},
    {"NEW_LEADER_ELECTED", "The partition's state was changed, and with it its leader."},
    {"OFFSET_MOVED_TO_TIERED_STORAGE", "The offset has moved to tiered storage."},
    {"FENCED_MEMBER_EPOCH", "The member's epoch is fenced: give up all partitions and join again."},
    {"UNRELEASED_INSTANCE_ID", "Another member still holds this instance id."},
    {"UNSUPPORTED_ASSIGNOR", "The group does not support this assignor."},
    {"STALE_MEMBER_EPOCH",
     "The member's epoch is old: take the new one from a heartbeat and try again."},
    {"MISMATCHED_ENDPOINT_TYPE", "The request came to an endpoint of the wrong type."},
    {"UNSUPPORTED_ENDPOINT_TYPE", "This type of endpoint is not supported."},
    {"UNKNOWN_CONTROLLER_ID", "The controller id is not known."},
    {"UNKNOWN_SUBSCRIPTION_ID", "The telemetry subscription is not valid any more."},
    {"TELEMETRY_TOO_LARGE", "The telemetry is larger than the broker accepts."},
    {"INVALID_REGISTRATION", "The broker's registration is not valid."},
    {"TRANSACTION_ABORTABLE",
     "The transaction failed; it can be aborted and the transactional id used on."},
    {"INVALID_RECORD_STATE", "The record's state does not allow the acknowledgement."},
    {"SHARE_SESSION_NOT_FOUND", "The share session does not exist."},
    {"INVALID_SHARE_SESSION_EPOCH", "The share session's epoch is not the expected one."},
    {"FENCED_STATE_EPOCH", "The epoch of the share group's state is another one."},
    {"INVALID_VOTER_KEY", "The voter's key is not that of the receiving replica."},
    {"DUPLICATE_VOTER", "The voter belongs to the set already."},
    {"VOTER_NOT_FOUND", "The voter does not belong to the set."},
    {"INVALID_REGULAR_EXPRESSION", "The regular expression is not valid."},
    {"REBOOTSTRAP_REQUIRED",
     "The client's metadata is outdated: start again from the bootstrap servers."},
    {"STREAMS_INVALID_TOPOLOGY", "The topology is not valid."},
    {"STREAMS_INVALID_TOPOLOGY_EPOCH", "The topology's epoch is not valid."},
    {"STREAMS_TOPOLOGY_FENCED", "The topology's epoch is outdated."},
    {"SHARE_SESSION_LIMIT_REACHED", "There are as many share sessions as are allowed."},
    {"GROUP_DELETION_FAILED", "The group could not be deleted."},
    {"STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED",
     "The description of the topology could not be updated."},
    {"CONTROLLER_ID_NOT_REGISTERED", "The controller id is not registered."},
};
constexpr row unknown{"UNKNOWN_ERROR", "An error that this version of Weir does not know."};

static_assert(std::size(rows) == static_cast<size_t>(error_code::controller_id_not_registered) + 2);

const row& row_of(error_code code) noexcept {
  const int index = static_cast<int>(code) + 1;
  return index >= 0 && index < static_cast<int>(std::size(rows)) ? rows[index] : unknown;
}

}  // namespace

std::string_view to_string(error_code code) noexcept {
  return row_of(code).name;
}

std::string_view message_of(error_code code) noexcept {
  return row_of(code).message;
}

bool is_retriable(error_code code) noexcept {
  switch (code) {
    case error_code::corrupt_message:
    case error_code::unknown_topic_or_partition:
    case error_code::leader_not_available:
    case error_code::not_leader_or_follower:
    case error_code::request_timed_out:
    case error_code::replica_not_available:
    case error_code::network_exception:
    case error_code::coordinator_load_in_progress:
    case error_code::coordinator_not_available:
    case error_code::not_coordinator:
    case error_code::not_enough_replicas:
    case error_code::not_enough_replicas_after_append:
    case error_code::not_controller:
    case error_code::concurrent_transactions:
    case error_code::kafka_storage_error:
    case error_code::fetch_session_id_not_found:
    case error_code::invalid_fetch_session_epoch:
    case error_code::listener_not_found:
    case error_code::fenced_leader_epoch:
    case error_code::unknown_leader_epoch:
    case error_code::offset_not_available:
    case error_code::preferred_leader_not_available:
    case error_code::eligible_leaders_not_available:
    case error_code::election_not_needed:
    case error_code::unstable_offset_commit:
    case error_code::throttling_quota_exceeded:
    case error_code::unknown_topic_id:
    case error_code::inconsistent_topic_id:
    case error_code::fetch_session_topic_id_error:
    case error_code::share_session_not_found:
    case error_code::invalid_share_session_epoch:
      return true;
    default:
      return false;
  }
}

}  // namespace weir::kafka
