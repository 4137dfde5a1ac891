// What a process has taken in from others and not yet worked on: bytes per connection and in all.
// Channels have windows of their own, which bound each of them; this bounds their sum. Over a
// limit, the credit of a channel is held back until the sum is below it again, or until nothing of
// the channel is left here: so each goes on, a window at a time, and no task waits for a channel
// that cannot be sent on. A state machine without threads or sockets: the exchange drives it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <unordered_map>
#include <vector>

#include "runtime/flow/message.hpp"

namespace weir {

class credit_budget {
 public:
  struct limits {
    uint64_t node_bytes = UINT64_MAX;
    uint64_t connection_bytes = UINT64_MAX;
  };
  /// A channel's receiving end: the task's number here, and the channel.
  struct end {
    uint64_t task = 0;
    uint32_t channel = 0;
    friend auto operator<=>(const end&, const end&) = default;
  };
  /// Credit that goes back over a connection now.
  struct grant {
    uint64_t connection = 0;
    end of;
    uint64_t sender = 0;  // the task there that may send more
    credit amount;
  };

  explicit credit_budget(limits l) : limits_(l) {}

  void arrived(uint64_t connection, end, uint64_t bytes);
  /// The task has taken so much of a channel, which task `sender` sends to. Gives what may be
  /// granted: of this channel and of others that were held back. Of a channel that was forgotten:
  /// nothing.
  std::vector<grant> consumed(uint64_t connection, end, uint64_t sender, credit);
  /// The task is over, or the connection: what it had counts no more.
  std::vector<grant> forget_task(uint64_t task);
  std::vector<grant> forget_connection(uint64_t connection);

  uint64_t in_flight() const noexcept { return in_flight_; }
  uint64_t in_flight(uint64_t connection) const;
  /// Channels whose credit is held back.
  size_t held_back() const noexcept { return held_.size(); }

 private:
  struct channel {
    uint64_t connection = 0, sender = 0;
    uint64_t bytes = 0;  // arrived and not taken
    credit held;
  };
  bool over(uint64_t connection) const;
  void subtract(channel&, uint64_t bytes);
  void release(std::vector<grant>&);
  template <class F>
  std::vector<grant> forget(F which);

  limits limits_;
  std::map<end, channel> channels_;
  std::unordered_map<uint64_t, uint64_t> connections_;
  std::deque<end> held_;  // oldest first
  uint64_t in_flight_ = 0;
};

}  // namespace weir
