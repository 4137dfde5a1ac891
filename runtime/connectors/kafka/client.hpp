// librdkafka's handles, owned: configuration with its errors in words, and the questions that wait
// for an answer (metadata, offsets). Who asks waits on a thread where that is allowed (an
// enumerator's, a producer's). A client is one owner's; its callbacks come from whoever polls it.
#pragma once

#include <librdkafka/rdkafka.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"

namespace weir {

struct kafka_partition {
  std::string topic;
  int32_t partition = 0;
};
std::string to_string(const kafka_partition&);  // "topic/partition"

class kafka_client {
 public:
  enum class role : uint8_t { consumer, producer };
  struct options {
    role as = role::consumer;
    std::string bootstrap;
    std::vector<std::pair<std::string, std::string>> defaults;  // the user's options win
    std::vector<std::pair<std::string, std::string>> library;   // the user's
    std::vector<std::pair<std::string, std::string>> fixed;     // nobody changes them
    /// Consumers: an asynchronous commit of offsets has ended.
    std::function<void(rd_kafka_resp_err_t)> committed;
    /// Producers: a record could not be delivered.
    std::function<void(const rd_kafka_message_t&)> undelivered;
  };
  static result<std::unique_ptr<kafka_client>> open(options);
  ~kafka_client();
  kafka_client(const kafka_client&) = delete;
  kafka_client& operator=(const kafka_client&) = delete;

  rd_kafka_t* get() const { return rk_; }
  const std::string& bootstrap() const { return options_.bootstrap; }
  /// The last thing that went wrong with a broker, for messages; "" = nothing so far.
  std::string last_trouble() const;
  /// What no waiting heals: wrong credentials, a fenced producer.
  std::optional<error> fatal() const;
  /// "bootstrap: WHAT: librdkafka's words (and the last trouble)", errc::io or what fits better.
  error failure(std::string_view what, rd_kafka_resp_err_t) const;

  /// All topics and their numbers of partitions. Waits up to `timeout_ms`.
  result<std::vector<std::pair<std::string, int32_t>>> topics(int timeout_ms) const;
  /// Number of partitions; errc::not_found when there is no such topic.
  result<int32_t> partitions(const std::string& topic, int timeout_ms) const;
  struct bounds {
    int64_t low = 0, high = 0;  // the first record's, and one behind the last (stable) one's
  };
  result<bounds> offsets(const kafka_partition&, int timeout_ms) const;
  /// The first record at or after `ms`; nothing = there is none.
  result<std::optional<int64_t>> offset_at(const kafka_partition&, int64_t ms,
                                           int timeout_ms) const;
  struct commitment {
    int64_t offset = 0;
    std::string metadata;
  };
  /// What the client's group has committed (fixed option group.id).
  result<std::optional<commitment>> committed(const kafka_partition&, int timeout_ms) const;

 private:
  explicit kafka_client(options o) : options_(std::move(o)) {}
  void trouble(rd_kafka_resp_err_t, const char* reason);

  options options_;
  rd_kafka_t* rk_ = nullptr;
  mutable std::mutex m_;
  std::string last_trouble_;
  std::optional<error> fatal_;
};

/// Names and values of librdkafka's options, for check_options().
status check_library_configuration(const std::vector<std::pair<std::string, std::string>>&,
                                   bool producer);

}  // namespace weir
