// The table of APIs and the error codes.
#include <doctest/doctest.h>

#include "runtime/kafka/protocol/protocol.hpp"

namespace weir::kafka {

TEST_CASE("kafka apis: sorted, named, found by key") {
  int16_t last = -1;
  for (const auto& a : apis()) {
    CHECK(static_cast<int16_t>(a.key) > last);
    last = static_cast<int16_t>(a.key);
    CHECK(find_api(last) == &a);
    CHECK(a.min_version <= a.max_version);
  }
  CHECK(find_api(-1) == nullptr);
  CHECK(find_api(4) == nullptr);
  CHECK(find_api(999) == nullptr);
  CHECK(std::string_view(find_api(11)->name) == "JoinGroup");
}

TEST_CASE("kafka apis: the versions that the codec can do") {
  struct row {
    api_key key;
    int16_t number, min, max, flexible;
  };
  const row rows[] = {
      {api_key::produce, 0, 3, 13, 9},
      {api_key::fetch, 1, 4, 18, 12},
      {api_key::list_offsets, 2, 1, 11, 6},
      {api_key::metadata, 3, 0, 13, 9},
      {api_key::offset_commit, 8, 2, 10, 8},
      {api_key::offset_fetch, 9, 1, 10, 6},
      {api_key::find_coordinator, 10, 0, 6, 3},
      {api_key::join_group, 11, 0, 9, 6},
      {api_key::heartbeat, 12, 0, 4, 4},
      {api_key::leave_group, 13, 0, 5, 4},
      {api_key::sync_group, 14, 0, 5, 4},
      {api_key::describe_groups, 15, 0, 6, 5},
      {api_key::list_groups, 16, 0, 5, 3},
      {api_key::sasl_handshake, 17, 0, 1, no_version},
      {api_key::api_versions, 18, 0, 5, 3},
      {api_key::create_topics, 19, 2, 7, 5},
      {api_key::delete_topics, 20, 1, 6, 4},
      {api_key::delete_records, 21, 0, 2, 2},
      {api_key::init_producer_id, 22, 0, 5, 2},
      {api_key::offset_for_leader_epoch, 23, 2, 4, 4},
      {api_key::add_partitions_to_txn, 24, 0, 5, 3},
      {api_key::add_offsets_to_txn, 25, 0, 4, 3},
      {api_key::end_txn, 26, 0, 5, 3},
      {api_key::write_txn_markers, 27, 0, 1, 1},
      {api_key::txn_offset_commit, 28, 0, 5, 3},
      {api_key::describe_acls, 29, 1, 3, 2},
      {api_key::create_acls, 30, 1, 3, 2},
      {api_key::delete_acls, 31, 1, 3, 2},
      {api_key::describe_configs, 32, 1, 4, 4},
      {api_key::alter_configs, 33, 0, 2, 2},
      {api_key::alter_replica_log_dirs, 34, 1, 2, 2},
      {api_key::describe_log_dirs, 35, 1, 4, 2},
      {api_key::sasl_authenticate, 36, 0, 2, 2},
      {api_key::create_partitions, 37, 0, 3, 2},
      {api_key::delete_groups, 42, 0, 2, 2},
      {api_key::elect_leaders, 43, 0, 2, 2},
      {api_key::incremental_alter_configs, 44, 0, 1, 1},
      {api_key::alter_partition_reassignments, 45, 0, 1, 0},
      {api_key::list_partition_reassignments, 46, 0, 0, 0},
      {api_key::offset_delete, 47, 0, 0, no_version},
      {api_key::describe_client_quotas, 48, 0, 1, 1},
      {api_key::alter_client_quotas, 49, 0, 1, 1},
      {api_key::describe_user_scram_credentials, 50, 0, 0, 0},
      {api_key::alter_user_scram_credentials, 51, 0, 0, 0},
      {api_key::describe_quorum, 55, 0, 2, 0},
      {api_key::describe_cluster, 60, 0, 2, 0},
      {api_key::describe_producers, 61, 0, 0, 0},
      {api_key::describe_transactions, 65, 0, 0, 0},
      {api_key::list_transactions, 66, 0, 2, 0},
      {api_key::consumer_group_heartbeat, 68, 0, 1, 0},
      {api_key::consumer_group_describe, 69, 0, 1, 0},
      {api_key::list_config_resources, 74, 0, 1, 0},
      {api_key::describe_topic_partitions, 75, 0, 0, 0},
      {api_key::node_message, 20000, 0, 0, 0},
      {api_key::node_command, 20001, 0, 0, 0},
      {api_key::node_join, 20002, 0, 0, 0},
      {api_key::node_heartbeat, 20003, 0, 0, 0},
      {api_key::node_file, 20004, 0, 0, 0},
      {api_key::node_store_file, 20005, 0, 0, 0},
  };
  CHECK(apis().size() == std::size(rows));
  for (const auto& r : rows) {
    CAPTURE(r.number);
    const auto* a = find_api(r.number);
    REQUIRE(a != nullptr);
    CHECK(a->key == r.key);
    CHECK(a->min_version == r.min);
    CHECK(a->max_version == r.max);
    CHECK(a->first_flexible == r.flexible);
  }
}

TEST_CASE("kafka error codes: names, texts, and what clients try again") {
  CHECK(to_string(error_code::none) == "NONE");
  CHECK(to_string(error_code::unknown_server_error) == "UNKNOWN_SERVER_ERROR");
  CHECK(to_string(error_code::unsupported_version) == "UNSUPPORTED_VERSION");
  CHECK(static_cast<int>(error_code::unsupported_version) == 35);
  CHECK(to_string(error_code::unknown_topic_id) == "UNKNOWN_TOPIC_ID");
  CHECK(static_cast<int>(error_code::unknown_topic_id) == 100);
  CHECK(to_string(error_code::share_session_limit_reached) == "SHARE_SESSION_LIMIT_REACHED");
  CHECK(to_string(error_code::controller_id_not_registered) == "CONTROLLER_ID_NOT_REGISTERED");
  CHECK(static_cast<int>(error_code::controller_id_not_registered) == 136);
  CHECK(to_string(static_cast<error_code>(5000)) == "UNKNOWN_ERROR");
  CHECK(to_string(static_cast<error_code>(-2)) == "UNKNOWN_ERROR");
  CHECK(message_of(error_code::topic_already_exists) == "A topic of this name exists already.");
  CHECK(is_retriable(error_code::not_leader_or_follower));
  CHECK(!is_retriable(error_code::topic_already_exists));
  CHECK(!is_retriable(error_code::none));
}

}  // namespace weir::kafka
