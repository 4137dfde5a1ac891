// Which partitions of an internal topic a node is the home of, and in which term: the leader of a
// partition of __consumer_offsets coordinates the groups that live in it, that of
// __transaction_state the transactional ids. A tenure begins when the node becomes leader, serves
// when its state is read, and ends with the leadership or with a newer epoch. A value machine: no
// thread, no I/O; the owner locks it.
// Invariants: a partition has at most one tenure; epochs of a partition's tenures only rise; what
// was begun for a tenure that has ended is never taken for that of another.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "runtime/kafka/protocol/error_code.hpp"

namespace weir::kafka {

struct tenure {
  int32_t partition = 0;
  int32_t epoch = 0;  // the partition's leader epoch
  friend auto operator<=>(const tenure&, const tenure&) = default;
};

/// What the metadata says of one partition, in the view of one node.
struct leadership {
  bool leads = false;
  int32_t epoch = 0;
};

class tenures {
 public:
  struct changes {
    std::vector<tenure> ended;  // drop what belongs to them; first
    std::vector<tenure> begun;  // load these
  };
  /// The newest metadata, by partition number; partitions beyond its end are gone. An epoch that is
  /// older than one that was seen is stale news and changes nothing.
  changes update(const std::vector<leadership>&);
  /// Ends all of them, and forgets which epochs there were: the topic is another one.
  changes reset();

  /// The state of a tenure is read. False: it has ended meanwhile, drop what was read.
  bool loaded(const tenure&);
  /// Whether this tenure still lasts, loaded or not.
  bool lasts(const tenure&) const;
  /// NONE, COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR.
  error_code check(int32_t partition) const;
  /// The tenure of a partition that is served.
  std::optional<tenure> serving(int32_t partition) const;
  /// Whether any tenure still loads.
  bool loading() const noexcept { return loading_ > 0; }
  /// How many partitions the node is the home of.
  size_t size() const noexcept { return current_.size(); }

 private:
  struct entry {
    int32_t epoch = 0;
    bool loaded = false;
  };
  void end(std::map<int32_t, entry>::iterator, changes&);

  std::map<int32_t, entry> current_;
  std::map<int32_t, int32_t> newest_;  // epochs that were seen
  size_t loading_ = 0;
};

}  // namespace weir::kafka
