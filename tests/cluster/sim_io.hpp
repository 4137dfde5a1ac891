// A process's disk threads in simulated time: what is submitted runs a while later, in the order of
// its lane; not at all once the process is gone.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "runtime/io/executor.hpp"
#include "tests/cluster/sim_metadata.hpp"

namespace weir::sim {

class sim_io final : public io_executor {
 public:
  /// `stalled`: the process gets no turn.
  sim_io(agenda& a, random_source& r, std::function<bool()> stalled)
      : agenda_(a), random_(r), stalled_(std::move(stalled)) {}

  void submit(uint64_t lane, std::function<void()> work) override {
    auto& queue = (*lanes_)[lane];
    queue.push_back(std::move(work));
    if (queue.size() == 1) soon(lane);
  }
  uint64_t new_lane() override { return ++last_lane_; }
  /// The process is gone.
  void end() { lanes_.reset(); }

 private:
  static constexpr timestamp_us delay_max = 4'000, slow_max = 150'000;
  static constexpr int slow_in = 50;

  void soon(uint64_t lane) {
    const auto delay = random_.between(1, random_.one_in(slow_in) ? slow_max : delay_max);
    agenda_.after(delay, [this, lane, alive = std::weak_ptr(lanes_)] {
      const auto lanes = alive.lock();
      if (!lanes) return;
      if (stalled_()) return soon(lane);
      auto& queue = (*lanes)[lane];
      queue.front()();  // it may submit more to the lane, or to another
      queue.pop_front();
      if (!queue.empty()) soon(lane);
    });
  }

  agenda& agenda_;
  random_source& random_;
  std::function<bool()> stalled_;
  std::shared_ptr<std::map<uint64_t, std::deque<std::function<void()>>>> lanes_ =
      std::make_shared<std::map<uint64_t, std::deque<std::function<void()>>>>();
  uint64_t last_lane_ = 0;
};

}  // namespace weir::sim
