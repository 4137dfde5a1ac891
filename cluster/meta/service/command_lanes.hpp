// The way of this node's commands to the leader. A lane is a client of the metadata: one request
// under way at a time, repeated under its number until it is answered, so that it is applied once.
// Several lanes let commands of different callers overlap. Used on the service's thread.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "cluster/meta/state/command_codec.hpp"

namespace weir::meta {

class command_lanes {
 public:
  using done = std::function<void(result<answer>)>;
  struct attempt {
    size_t lane = 0;
    uint64_t number = 0;  // of the lane's request, to tell late outcomes from current ones
    std::string bytes;
  };

  explicit command_lanes(size_t lanes = 16);

  void submit(command, uint64_t until_ms, done);
  /// What is to be sent (again) now; each is answered by outcome().
  std::vector<attempt> due(uint64_t now_ms);
  /// An answer, or nothing: to be sent again after a moment.
  void outcome(const attempt&, std::optional<result<answer>>, uint64_t now_ms);
  /// Ends everything.
  void stop();
  /// When due() has something again; UINT64_MAX: nothing waits.
  uint64_t next_ms() const;

 private:
  static constexpr uint64_t retry_ms = 50;

  struct waiting {
    command what;
    uint64_t until_ms;
    done finished;
  };
  struct lane {
    kafka::uuid client;
    uint64_t number = 0;
    bool busy = false, sent = false;
    uint64_t next_ms = 0, until_ms = 0;
    std::string bytes;
    done finished;
  };
  void end(lane&, result<answer>);

  std::vector<lane> lanes_;
  std::deque<waiting> queue_;
};

}  // namespace weir::meta
