// The simulated outside of a job - what sources hold, what sinks have published - and the source
// reader, operators and sink that the simulation puts into real tasks. The outside outlives
// crashes.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "runtime/connectors/source.hpp"
#include "tests/flow/sim_rows.hpp"

namespace weir::sim {

struct source_content {
  struct split {
    std::string id;
    std::string ordered_by;
    std::vector<row> rows;
    int wave = 0;  // found by the discovery of that number
  };
  std::vector<split> splits;
  int waves = 1;        // discoveries until all is found; then the source is bounded
  int waves_found = 0;  // of this incarnation's enumerator
};

/// What is true outside of the job's processes.
struct outside {
  explicit outside(uint64_t seed) : random(seed) {}
  random_source random;
  std::map<std::string, source_content> sources;  // by operator id
  /// Published transactions by sink, so that publishing twice is noticed by its name.
  std::map<std::string, std::map<std::string, std::vector<row>>> published;
  bool slow_sinks = false, slow_commits = false;
  bool never_late = true;  // no row may come behind its watermark
  /// Counting operators that see the rows of each split and key in the split's order.
  std::set<std::string> ordered;
  /// The split that row `number` is from: numbers rise within one, and are not shared.
  int64_t split_of(int64_t number) const;
  std::vector<std::string> violations;
  /// Set by the world: runs something at now + delay, unless all processes have crashed by then.
  std::function<void(int64_t delay, std::function<void()>)> later;
};

std::unique_ptr<source_reader> make_sim_reader(outside&, const std::string& operator_id);
/// pass: hands on, some rows only before a barrier or when idle. count: numbers the rows of each
/// key. sort: keeps rows until the watermark has passed them and emits them by drain().
enum class part_kind { pass, count, sort };
std::unique_ptr<stream_operator> make_sim_operator(outside&, part_kind);
std::unique_ptr<stream_operator> make_sim_sink(outside&, const std::string& operator_id);

}  // namespace weir::sim
