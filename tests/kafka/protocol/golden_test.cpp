// Bytes written by hand from the Kafka protocol guide (kafka.apache.org/protocol) and KIP-482: each
// must decode to the values beside it, and these must encode to the same bytes.
#include <doctest/doctest.h>

#include "runtime/kafka/protocol/messages/data.hpp"
#include "runtime/kafka/protocol/messages/groups.hpp"
#include "runtime/kafka/protocol/messages/stored.hpp"
#include "runtime/kafka/protocol/messages/topics.hpp"
#include "runtime/kafka/protocol/messages/transactions.hpp"
#include "runtime/kafka/protocol/protocol.hpp"
#include "tests/kafka/protocol/hex.hpp"

namespace weir::kafka::test {
namespace {

/// Both directions.
template <class T>
void check_golden(const T& message, int16_t version, std::string_view text) {
  CAPTURE(T::info.name);
  CAPTURE(version);
  writer w;
  encode(w, message, version);
  CHECK(hex(w.view()) == squeezed(text));
  const auto bytes = unhex(text);
  reader r(bytes);
  T back;
  const auto s = decode(r, back, version);
  REQUIRE_MESSAGE(s.ok(), s.err().text());
  CHECK(r.expect_end().ok());
  CHECK(back == message);
}

uuid ones() {
  uuid u;
  u.bytes.fill(0x11);
  return u;
}

}  // namespace

TEST_CASE("kafka golden: ApiVersions") {
  api_versions_request request;
  check_golden(request, 0, "");
  request.client_software_name = "weir", request.client_software_version = "0.1";
  check_golden(request, 3, "05 77656972 04 302e31 00");
  check_golden(request, 5, "05 77656972 04 302e31 00 ffffffff 00");
  request.cluster_id = "c", request.node_id = 1;
  check_golden(request, 5, "05 77656972 04 302e31 02 63 00000001 00");

  api_versions_response response;
  response.error_code = error_code::unsupported_version;
  response.api_keys.push_back({18, 0, 4});
  check_golden(response, 0, "0023 00000001 0012 0000 0004");
  check_golden(response, 1, "0023 00000001 0012 0000 0004 00000000");
  check_golden(response, 3, "0023 02 0012 0000 0004 00 00000000 00");
  response.finalized_features_epoch = 7;
  response.finalized_features.push_back({"f", 2, 1});
  check_golden(response, 4,
               "0023 02 0012 0000 0004 00 00000000"
               "02 01 08 0000000000000007 02 08 02 02 66 0002 0001 00");

  writer w;
  encode_response(w, 9, response, 0);
  CHECK(hex(w.view()) == squeezed("00000010 00000009 0023 00000001 0012 0000 0004"));
}

TEST_CASE("kafka golden: Metadata request") {
  metadata_request request;
  request.topics.emplace().emplace_back().name = "a";
  check_golden(request, 0, "00000001 0001 61");
  check_golden(request, 4, "00000001 0001 61 01");
  check_golden(request, 9, "02 02 61 00 01 00 00 00");
  request.topics->front().topic_id = ones();
  request.topics->front().name.reset();
  check_golden(request, 12, "02 11111111111111111111111111111111 00 00 01 00 00");
  request.topics.reset();
  check_golden(request, 1, "ffffffff");
  check_golden(request, 9, "00 01 00 00 00");
}

TEST_CASE("kafka golden: Metadata response") {
  metadata_response m;
  m.brokers.push_back({1, "h", 9092, std::nullopt});
  m.controller_id = 1;
  auto& t = m.topics.emplace_back();
  t.name = "t";
  auto& p = t.partitions.emplace_back();
  p.leader_id = 1;
  p.replica_nodes = p.isr_nodes = {1};
  check_golden(m, 1,
               "00000001 00000001 0001 68 00002384 ffff  00000001"
               "00000001 0000 0001 74 00  00000001 0000 00000000 00000001"
               "00000001 00000001  00000001 00000001");
  m.cluster_id = "c";
  p.leader_epoch = 5;
  check_golden(m, 9,
               "00000000  02 00000001 02 68 00002384 00 00  02 63  00000001"
               "02 0000 02 74 00  02 0000 00000000 00000001 00000005"
               "02 00000001 02 00000001 01 00  80000000 00  80000000 00");
  t.topic_id = ones();
  check_golden(m, 12,
               "00000000  02 00000001 02 68 00002384 00 00  02 63  00000001"
               "02 0000 02 74 11111111111111111111111111111111 00"
               "02 0000 00000000 00000001 00000005"
               "02 00000001 02 00000001 01 00  80000000 00  00");
  m.error_code = error_code::rebootstrap_required;
  t.name.reset();
  check_golden(m, 13,
               "00000000  02 00000001 02 68 00002384 00 00  02 63  00000001"
               "02 0000 00 11111111111111111111111111111111 00"
               "02 0000 00000000 00000001 00000005"
               "02 00000001 02 00000001 01 00  80000000 00  0081 00");
}

TEST_CASE("kafka golden: Produce") {
  const auto records = unhex("deadbeef");
  produce_request m;
  m.acks = -1, m.timeout_ms = 30000;
  auto& t = m.topic_data.emplace_back();
  t.name = "t";
  t.partition_data.push_back({2, record_bytes(records)});
  check_golden(m, 3, "ffff ffff 00007530 00000001 0001 74 00000001 00000002 00000004 deadbeef");
  check_golden(m, 9, "00 ffff 00007530 02 02 74 02 00000002 05 deadbeef 00 00 00");
  t.name.clear();
  t.topic_id = ones();
  check_golden(m, 13,
               "00 ffff 00007530 02 11111111111111111111111111111111"
               "02 00000002 05 deadbeef 00 00 00");

  produce_response r;
  auto& p = r.responses.emplace_back();
  p.name = "t";
  auto& answer = p.partition_responses.emplace_back();
  answer.index = 2, answer.base_offset = 10, answer.log_start_offset = 0;
  check_golden(r, 5,
               "00000001 0001 74 00000001 00000002 0000 000000000000000a ffffffffffffffff"
               "0000000000000000 00000000");
  answer.current_leader = {3, 4};
  check_golden(r, 10,
               "02 02 74 02 00000002 0000 000000000000000a ffffffffffffffff 0000000000000000"
               "01 00 01 00 09 00000003 00000004 00  00 00000000 00");
}

TEST_CASE("kafka golden: Fetch") {
  fetch_request m;
  m.max_wait_ms = 500, m.min_bytes = 1, m.max_bytes = 1024, m.isolation_level = 1;
  auto& t = m.topics.emplace_back();
  t.topic = "t";
  auto& p = t.partitions.emplace_back();
  p.partition = 1, p.fetch_offset = 9, p.partition_max_bytes = 512;
  check_golden(m, 4,
               "ffffffff 000001f4 00000001 00000400 01"
               "00000001 0001 74 00000001 00000001 0000000000000009 00000200");
  check_golden(m, 12,
               "ffffffff 000001f4 00000001 00000400 01 00000000 ffffffff"
               "02 02 74 02 00000001 ffffffff 0000000000000009 ffffffff ffffffffffffffff 00000200"
               "00 00 01 01 00");

  fetch_response r;
  auto& answer = r.responses.emplace_back();
  answer.topic = "t";
  auto& data = answer.partitions.emplace_back();
  data.high_watermark = 3, data.last_stable_offset = 3, data.log_start_offset = 0;
  const auto records = unhex("0102");
  data.records = record_bytes(records);
  check_golden(r, 11,
               "00000000 0000 00000000 00000001 0001 74 00000001 00000000 0000 0000000000000003"
               "0000000000000003 0000000000000000 ffffffff ffffffff 00000002 0102");
  data.aborted_transactions = {{7, 2}};
  data.diverging_epoch = {1, 2};
  check_golden(r, 12,
               "00000000 0000 00000000 02 02 74 02 00000000 0000 0000000000000003"
               "0000000000000003 0000000000000000"
               "02 0000000000000007 0000000000000002 00 ffffffff 03 0102"
               "01 00 0d 00000001 0000000000000002 00  00 00");
}

TEST_CASE("kafka golden: groups") {
  join_group_request m;
  m.group_id = "g", m.session_timeout_ms = 10000, m.rebalance_timeout_ms = 300000;
  m.protocol_type = "consumer";
  m.protocols.push_back({"range", std::string("\0\1", 2)});
  check_golden(m, 5,
               "0001 67 00002710 000493e0 0000 ffff 0008 636f6e73756d6572"
               "00000001 0005 72616e6765 00000002 0001");
  m.reason = "";
  check_golden(m, 8,
               "02 67 00002710 000493e0 01 00 09 636f6e73756d6572"
               "02 06 72616e6765 03 0001 00 01 00");

  consumer_group_heartbeat_response h;
  h.member_id = "m", h.member_epoch = 1, h.heartbeat_interval_ms = 5000;
  check_golden(h, 0, "00000000 0000 00 02 6d 00000001 00001388 ff 00");
  h.assignment.emplace().topic_partitions.push_back({ones(), {0, 1}});
  check_golden(h, 1,
               "00000000 0000 00 02 6d 00000001 00001388"
               "01 02 11111111111111111111111111111111 03 00000000 00000001 00 00 00");

  offset_fetch_request f;
  auto& g = f.groups.emplace_back();
  g.group_id = "g";
  check_golden(f, 8, "02 02 67 00 00 00 00");
  check_golden(f, 9, "02 02 67 00 ffffffff 00 00 00 00");
}

TEST_CASE("kafka golden: topics and transactions") {
  create_topics_response c;
  auto& t = c.topics.emplace_back();
  t.name = "t", t.topic_id = ones(), t.num_partitions = 3, t.replication_factor = 1;
  t.topic_config_error_code = error_code::topic_authorization_failed;
  check_golden(c, 7,
               "00000000 02 02 74 11111111111111111111111111111111 0000 00 00000003 0001 00"
               "01 00 02 001d 00");

  end_txn_request e;
  e.transactional_id = "x", e.producer_id = 5, e.producer_epoch = 1, e.committed = true;
  check_golden(e, 1, "0001 78 0000000000000005 0001 01");
  check_golden(e, 3, "02 78 0000000000000005 0001 01 00");

  transaction_log_value v;
  v.producer_id = 5, v.producer_epoch = 1, v.transaction_timeout_ms = 60000;
  v.transaction_status = 1;
  v.transaction_partitions.emplace().push_back({"t", {0}});
  v.transaction_last_update_timestamp_ms = 2, v.transaction_start_timestamp_ms = 1;
  check_golden(v, 0,
               "0000000000000005 0001 0000ea60 01 00000001 0001 74 00000001 00000000"
               "0000000000000002 0000000000000001");
  v.next_producer_id = 6;
  check_golden(v, 1,
               "0000000000000005 0001 0000ea60 01 02 02 74 02 00000000 00"
               "0000000000000002 0000000000000001 01 01 08 0000000000000006");

  control_record_key k;
  k.type = 1;
  check_golden(k, 0, "0001");
}

}  // namespace weir::kafka::test
