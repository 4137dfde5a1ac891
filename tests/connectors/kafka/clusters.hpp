// Clusters for tests, with what tests ask of them: topics, records in and out. librdkafka's own
// mock cluster has no isolation (records show before their transaction is committed, and stay when
// it is not) and loses offsets in transactions; the small broker has what transactions need.
#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "small_broker.hpp"

namespace weir::test {

struct kafka_record {
  std::optional<std::string> key, value;
  int32_t partition = 0;
  int64_t timestamp_ms = 0;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers = {};
};

/// A client of some cluster.
class kafka_tools {
 public:
  explicit kafka_tools(std::string bootstrap = {}) { connect(std::move(bootstrap)); }
  ~kafka_tools() {
    if (writer_) rd_kafka_destroy(writer_);
  }
  kafka_tools(const kafka_tools&) = delete;
  kafka_tools& operator=(const kafka_tools&) = delete;
  const std::string& bootstrap() const { return bootstrap_; }

  /// Waits until all are there.
  void write(const std::string& topic, const std::vector<kafka_record>& records) {
    for (const auto& r : records) {
      auto* headers = rd_kafka_headers_new(1);
      for (const auto& [name, value] : r.headers)
        rd_kafka_header_add(headers, name.c_str(), -1, value ? value->data() : nullptr,
                            value ? static_cast<ssize_t>(value->size()) : 0);
      void* value = r.value ? const_cast<char*>(r.value->data()) : nullptr;
      const void* key = r.key ? r.key->data() : nullptr;
      const size_t value_bytes = r.value ? r.value->size() : 0;
      const size_t key_bytes = r.key ? r.key->size() : 0;
      auto e = rd_kafka_producev(
          writer_, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(r.partition),
          RD_KAFKA_V_VALUE(value, value_bytes), RD_KAFKA_V_KEY(key, key_bytes),
          RD_KAFKA_V_TIMESTAMP(r.timestamp_ms), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
      REQUIRE(e == RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    REQUIRE(rd_kafka_flush(writer_, 60'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void write_values(const std::string& topic, int32_t partition,
                    const std::vector<std::string>& values) {
    std::vector<kafka_record> records;
    for (const auto& v : values) records.push_back({std::nullopt, v, partition});
    write(topic, records);
  }

  /// What is in the topic now, by partition.
  std::map<int32_t, std::vector<kafka_record>> read(const std::string& topic, int partitions) {
    auto* conf = rd_kafka_conf_new();
    set(conf, "enable.partition.eof", "true");
    set(conf, "fetch.wait.max.ms", "10");
    auto* reader = make(RD_KAFKA_CONSUMER, conf, bootstrap_);
    auto* handle = rd_kafka_topic_new(reader, topic.c_str(), nullptr);
    std::map<int32_t, std::vector<kafka_record>> out;
    for (int32_t p = 0; p < partitions; ++p) {
      REQUIRE(rd_kafka_consume_start(handle, p, RD_KAFKA_OFFSET_BEGINNING) == 0);
      while (auto* m = rd_kafka_consume(handle, p, 60'000)) {
        auto err = m->err;
        if (!err) out[p].push_back(record_of(*m));
        rd_kafka_message_destroy(m);
        if (err) break;
      }
      rd_kafka_consume_stop(handle, p);
    }
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(reader);
    return out;
  }

  /// The offset and metadata that a group has committed in a partition.
  std::optional<std::pair<int64_t, std::string>> committed(const std::string& group,
                                                           const std::string& topic,
                                                           int32_t partition) {
    auto* conf = rd_kafka_conf_new();
    set(conf, "group.id", group);
    auto* reader = make(RD_KAFKA_CONSUMER, conf, bootstrap_);
    auto* list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic.c_str(), partition);
    REQUIRE(rd_kafka_committed(reader, list, 60'000) == 0);
    std::optional<std::pair<int64_t, std::string>> out;
    const auto& e = list->elems[0];
    if (e.offset >= 0)
      out.emplace(e.offset, std::string(static_cast<const char*>(e.metadata), e.metadata_size));
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(reader);
    return out;
  }

 protected:
  void connect(std::string bootstrap) {
    if (bootstrap.empty()) return;
    bootstrap_ = std::move(bootstrap);
    writer_ = make(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), bootstrap_);
  }
  static void set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
    char text[200];
    REQUIRE(rd_kafka_conf_set(conf, name, value.c_str(), text, sizeof text) == RD_KAFKA_CONF_OK);
  }
  static rd_kafka_t* make(rd_kafka_type_t type, rd_kafka_conf_t* conf,
                          const std::string& bootstrap) {
    if (!bootstrap.empty()) set(conf, "bootstrap.servers", bootstrap);
    rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int, const char*, const char*) {});
    char text[200];
    auto* rk = rd_kafka_new(type, conf, text, sizeof text);
    REQUIRE(rk);
    return rk;
  }

 private:
  static kafka_record record_of(const rd_kafka_message_t& m) {
    kafka_record r;
    if (m.key) r.key.emplace(static_cast<const char*>(m.key), m.key_len);
    if (m.payload) r.value.emplace(static_cast<const char*>(m.payload), m.len);
    r.partition = m.partition;
    rd_kafka_timestamp_type_t type;
    r.timestamp_ms = rd_kafka_message_timestamp(&m, &type);
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&m, &headers) == 0) {
      const char* name;
      const void* value;
      size_t size;
      for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == 0; ++i)
        r.headers.emplace_back(
            name, value ? std::optional(std::string(static_cast<const char*>(value), size))
                        : std::nullopt);
    }
    return r;
  }

  rd_kafka_t* writer_ = nullptr;
  std::string bootstrap_;
};

class mock_cluster : public kafka_tools {
 public:
  explicit mock_cluster(int brokers = 1) {
    // Not started for its own sake: it only lends the cluster its thread.
    host_ = make(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), "");
    cluster_ = rd_kafka_mock_cluster_new(host_, brokers);
    REQUIRE(cluster_);
    connect(rd_kafka_mock_cluster_bootstraps(cluster_));
  }
  ~mock_cluster() {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(host_);
  }
  rd_kafka_mock_cluster_t* get() const { return cluster_; }
  void create(const std::string& topic, int partitions) {
    REQUIRE(rd_kafka_mock_topic_create(cluster_, topic.c_str(), partitions, 1) == 0);
  }

 private:
  rd_kafka_t* host_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

class small_cluster : public kafka_tools {
 public:
  small_cluster() { connect(broker.bootstrap()); }
  void create(const std::string& topic, int partitions) { broker.create(topic, partitions); }
  small_broker broker;
};

}  // namespace weir::test
