// /topics/NAME/records: POST appends, GET reads. Handlers block, reads at most as long as asked
// for; any thread.
#pragma once

#include <atomic>
#include <random>

#include "cluster/http/broker_pool.hpp"

namespace weir::http {

/// Bounds of one request.
inline constexpr int64_t records_max = 10'000;
inline constexpr int64_t wait_ms_max = 30'000;
/// An answer ends behind the record that reaches it.
inline constexpr size_t answer_bytes = 8u << 20;
/// Reads that wait for records at the same time: each holds one of the server's threads.
inline constexpr size_t waiting_reads_max = http_threads / 2;

class records_api {
 public:
  explicit records_api(broker_pool& pool) : pool_(pool) {}
  http_response append(const std::string& topic, const http_request&, const target&);
  http_response read(const std::string& topic, const target&);

 private:
  broker_pool& pool_;
  std::atomic<size_t> waiting_{0};
  // Of partitions, for records without key: each request begins with the next one. The nodes of a
  // cluster begin apart.
  std::atomic<uint32_t> turn_{std::random_device()()};
};

}  // namespace weir::http
