// Batches of idempotent producers that this node refused before it had the partition's actor, as
// just after its start: the actor has to know of them when the ones behind come (see
// refused_batches). Thread-safe; costs nothing while there are none.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "runtime/kafka/partition/refused_batches.hpp"

namespace weir {

class early_refusals {
 public:
  using batch = kafka::refused_batches::batch;

  void note(const std::string& topic, int32_t partition, const batch& b) {
    std::lock_guard lock(mutex_);
    const auto now = clock::now();
    if (count_.load() >= batches_max) drop_before(now - remembered);
    if (count_.load() >= batches_max) return;
    refused_[{topic, partition}].push_back({b, now});
    ++count_;
  }
  /// All of the partition, which are forgotten here.
  std::vector<batch> take(const std::string& topic, int32_t partition) {
    if (count_.load(std::memory_order_relaxed) == 0) return {};
    std::lock_guard lock(mutex_);
    auto found = refused_.extract({topic, partition});
    if (found.empty()) return {};
    count_ -= found.mapped().size();
    std::vector<batch> out;
    for (const auto& r : found.mapped())
      if (r.when + remembered > clock::now()) out.push_back(r.what);
    return out;
  }

 private:
  using clock = std::chrono::steady_clock;
  struct refusal {
    batch what;
    clock::time_point when;
  };
  static constexpr size_t batches_max = 10'000;
  static constexpr std::chrono::milliseconds remembered{kafka::refused_batches::remembered_ms};

  void drop_before(clock::time_point t) {
    size_t left = 0;
    for (auto it = refused_.begin(); it != refused_.end();) {
      std::erase_if(it->second, [t](const refusal& r) { return r.when < t; });
      left += it->second.size();
      it = it->second.empty() ? refused_.erase(it) : std::next(it);
    }
    count_ = left;
  }

  std::mutex mutex_;
  std::map<std::pair<std::string, int32_t>, std::vector<refusal>> refused_;
  std::atomic<size_t> count_{0};
};

}  // namespace weir
