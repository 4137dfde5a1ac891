// Byte rates of clients: which quota holds for a user and client id, and how long a client that
// exceeded it has to wait. As Kafka's: quotas are set for users, client ids or pairs of them, by
// name or by default; the most specific one holds. Thread-safe: requests are charged on the
// listener's and partitions' threads. What always holds: no more than buckets_max clients are
// remembered, however many ids there are.
//
// A quota is a bucket that fills with `rate` bytes a second, up to one second's worth. A request
// takes its bytes even if it empties the bucket below zero, and its client then waits until the
// bucket is at zero again: over time it gets what the quota says, whatever its requests' sizes.
#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/kafka/protocol/messages/quotas.hpp"

namespace weir::kafka {

enum class quota_kind : uint8_t { produce, fetch };

/// Whom a quota is for: by name, by default (any name without a quota of its own), or not by this.
struct quota_name {
  enum class form : uint8_t { absent, by_default, named };
  form is = form::absent;
  std::string name;
  friend auto operator<=>(const quota_name&, const quota_name&) = default;
};
struct quota_entity {
  quota_name user, client_id;
  friend auto operator<=>(const quota_entity&, const quota_entity&) = default;
};
/// Bytes per second; nothing: not set here.
struct quota_rates {
  std::optional<double> produce, fetch;
  friend bool operator==(const quota_rates&, const quota_rates&) = default;
};
using quota_map = std::map<quota_entity, quota_rates>;

class client_quotas {
 public:
  /// Of clients and users that no quota is set for; nothing: unlimited.
  explicit client_quotas(quota_rates otherwise = {}) : otherwise_(otherwise) {
    limited_.store(otherwise.produce || otherwise.fetch);
  }

  void set(quota_map);
  quota_map get() const;

  /// Takes a request's bytes from its client's bucket; how many milliseconds the client has to wait
  /// before its next request, 0 mostly.
  int32_t charge(quota_kind, std::string_view user, std::string_view client_id, uint64_t bytes,
                 int64_t now_us);

  static constexpr size_t buckets_max = 10'000;
  /// What one request may make its client wait for. Kafka's: eleven windows of a second.
  static constexpr int32_t throttle_ms_max = 11'000;

 private:
  struct bucket {
    double balance = 0;  // bytes; negative: to be waited for
    int64_t at_us = 0;
  };
  struct found {
    double rate;
    std::string key;  // of the bucket
  };
  std::optional<found> find(quota_kind, std::string_view user, std::string_view client_id) const;
  void forget_full(int64_t now_us);

  std::atomic<bool> limited_{false};  // there is any quota
  mutable std::mutex mutex_;
  const quota_rates otherwise_;
  quota_map quotas_;
  std::unordered_map<std::string, bucket> buckets_;
};

// ---- Requests about quotas. ----

/// The response, and the quotas as they are to be once they are durable: nothing when none changes.
struct quota_change {
  alter_client_quotas_response response;
  std::optional<quota_map> after;
};
quota_change alter_quotas(const quota_map&, const alter_client_quotas_request&);
describe_client_quotas_response describe_quotas(const quota_map&,
                                                const describe_client_quotas_request&);

/// An alteration as bytes with a checksum, and back. errc::corrupt.
std::string encode_alteration(const alter_client_quotas_request&);
result<alter_client_quotas_request> decode_alteration(std::string_view);
/// All quotas as the alteration that makes them of none, and back. Equal ones give equal bytes.
/// errc::corrupt.
std::string encode_quotas(const quota_map&);
result<quota_map> decode_quotas(std::string_view);

}  // namespace weir::kafka
