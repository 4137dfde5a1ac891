// A small cluster for the tests of admin answers: node 7 with a few topics; ids count up from 100.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "runtime/kafka/protocol/reader.hpp"
#include "runtime/kafka/protocol/writer.hpp"
#include "runtime/kafka/topics/admin/admin.hpp"
#include "runtime/kafka/topics/topic_name.hpp"
#include "tests/kafka/topics/support.hpp"

namespace weir::kafka::testing {

struct cluster {
  topic_catalog catalog;
  node_facts node;
  uint64_t next_id = 100;

  explicit cluster(const config_map& node_values = {}) {
    node.node_id = 7;
    node.cluster_id = "weir-cluster";
    node.host = "broker.example";
    node.port = 9093;
    node.rack = "north";
    auto config = broker_config::make(node_values);
    REQUIRE_MESSAGE(config.ok(), (config.ok() ? "" : config.err().message));
    node.config = std::move(config).value();
    add("orders", 1, 3, {{"retention.ms", "1000"}});
    add("clicks", 2, 1, {});
    add(std::string(consumer_offsets_topic), 3, 2, {{"cleanup.policy", "compact"}});
  }

  void add(std::string name, uint64_t id, int32_t partitions, config_map configs) {
    apply({create_topic_command{std::move(name), id_of(id), partitions, 1, std::move(configs)}});
  }
  void apply(const std::vector<topic_command>& commands) {
    for (const auto& c : commands) {
      apply_result r = catalog.apply(c);
      REQUIRE_MESSAGE(r.ok(), r.problem.message);
    }
  }
  request_facts facts(int16_t version) {
    return {version, 5000, [this] { return id_of(next_id++); }};
  }
};

/// "INVALID_REQUEST: text", "NONE".
template <class Result>
std::string outcome(const Result& r) {
  std::string out(to_string(r.error_code));
  if (r.error_message) out += ": " + *r.error_message;
  return out;
}

/// Every version that the message has takes it, and the newest gives it back unchanged.
template <class Message>
void check_wire(const Message& message) {
  for (int16_t v = Message::info.min_version; v <= Message::info.max_version; ++v) {
    CAPTURE(v);
    writer w;
    encode(w, message, v);
    reader r(w.view());
    Message back;
    status s = decode(r, back, v);
    REQUIRE_MESSAGE(s.ok(), (s.ok() ? "" : s.err().message));
    if (v == Message::info.max_version) CHECK(back == message);
  }
}

}  // namespace weir::kafka::testing
