// Items on their way to other nodes: one request a node is under way, what comes meanwhile goes
// with the next. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/kafka/protocol/error_code.hpp"

namespace weir {

template <class Item>
class outbox : public std::enable_shared_from_this<outbox<Item>> {
 public:
  using done = std::function<void(kafka::error_code)>;
  /// Of all items, in their order.
  using answered = std::function<void(std::vector<kafka::error_code>)>;
  /// Carries items to a node; calls once, on any thread, perhaps at once.
  using carrier = std::function<void(int32_t node, const std::vector<Item>&, answered)>;
  /// Of one request: some 100 KiB.
  static constexpr size_t items_max = 2'000;

  explicit outbox(carrier c) : carry_(std::move(c)) {}

  void send(int32_t node, Item item, done d) {
    {
      std::lock_guard lock(mutex_);
      lanes_[node].queue.emplace_back(std::move(item), std::move(d));
    }
    go(node);
  }

 private:
  struct lane {
    std::deque<std::pair<Item, done>> queue;
    bool busy = false;
  };

  void go(int32_t node) {
    auto items = std::make_shared<std::vector<Item>>();
    auto dones = std::make_shared<std::vector<done>>();
    {
      std::lock_guard lock(mutex_);
      auto& l = lanes_[node];
      if (l.busy || l.queue.empty()) return;
      l.busy = true;
      while (!l.queue.empty() && items->size() < items_max) {
        items->push_back(std::move(l.queue.front().first));
        dones->push_back(std::move(l.queue.front().second));
        l.queue.pop_front();
      }
    }
    carry_(node, *items,
           [self = this->shared_from_this(), node, items,
            dones](std::vector<kafka::error_code> codes) {
             for (size_t i = 0; i < dones->size(); ++i) (*dones)[i](codes[i]);
             {
               std::lock_guard lock(self->mutex_);
               self->lanes_[node].busy = false;
             }
             self->go(node);
           });
  }

  carrier carry_;
  std::mutex mutex_;
  std::map<int32_t, lane> lanes_;
};

}  // namespace weir
