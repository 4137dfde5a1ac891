// Where a job's tasks go: pure functions of what is known of the nodes. The same input gives the
// same answer. What the last placement had stays as long as it is about as good: a task that moves
// costs a restart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace weir::placing {

struct node {
  int32_t id = -1;
  bool usable = true;   // takes new tasks
  uint32_t cpus = 0;    // threads that run tasks; 0: unknown, as many as anywhere
  uint64_t memory = 0;  // what tasks may hold there, bytes; 0: unknown
  uint32_t tasks = 0;   // of other jobs there
};

enum class reason : uint8_t {
  stays,    // it was there
  copy,     // the copy of its state is there
  leaders,  // partitions that it reads are led there
  load      // that node has the least, for what it can do
};
const char* to_string(reason) noexcept;

struct choice {
  size_t node = 0;  // index
  reason why = reason::load;
};

/// What each node can do in thousandths of the strongest one: the lesser of its share of CPUs and
/// of memory, at least 1. 0: not usable.
std::vector<uint32_t> capacities(const std::vector<node>&);

/// Nodes for `count` slots (sets of subtasks of one number), evenly for what the nodes can do;
/// where that leaves a choice, those that have the fewest tasks of other jobs. `before`: by slot,
/// id of the node that had it (-1: none); may be longer or shorter. `copies`: nodes that keep
/// copies of another's state, (writer, holder). `first` tells jobs apart that are otherwise placed
/// alike. Empty: no node is usable.
std::vector<choice> place_slots(const std::vector<node>&, uint32_t count,
                                const std::vector<int32_t>& before,
                                const std::vector<std::pair<int32_t, int32_t>>& copies,
                                size_t first);

/// Nodes for the `count` tasks of a source of partitions: beside these, as many on each node as it
/// leads of them, in proportion. `leaders`: by partition, id of the node (-1: nobody, or a node
/// elsewhere). Tasks beyond the number of partitions, and those of partitions that no usable node
/// leads, go where the load is least. `before`, by task: stays unless a tenth of the partitions
/// more would be read where they are led. Empty: no node is usable.
std::vector<choice> place_beside(const std::vector<node>&, uint32_t count,
                                 const std::vector<int32_t>& leaders,
                                 const std::vector<int32_t>& before);

/// How many partitions tasks there can read where they are led, each task reading its share.
uint32_t read_locally(const std::vector<node>&, const std::vector<size_t>& tasks,
                      const std::vector<int32_t>& leaders);

}  // namespace weir::placing
