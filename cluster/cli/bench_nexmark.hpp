// weir bench nexmark: Nexmark's queries over generated events, and the events as files.
// docs/nexmark.md says what is measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/plan/plan.hpp"

namespace weir::cli {

struct nexmark_options {
  std::vector<std::string> queries;  // "q0"; empty: all that this version runs
  uint64_t events = 0;               // 0 = 100 M; for files 200 000
  uint64_t event_rate = 0;           // per second of event time; 0 = 100 000; for files 10 000
  int64_t seed = 1;
  uint32_t parallelism = 0;  // 0 = cores
  int64_t snapshot_interval_us = 1'000'000;
  bool full_events = false;
  bool in_memory = false;
  bool csv = false;
  uint64_t rate = 1'000'000;  // events/s offered while latency is measured
  double seconds = 3;         // of measuring latency; 0 = not at all
  uint32_t runs = 1;
  std::string dump;  // write the events as files into this folder instead
};

/// Returns the process's exit code.
int bench_nexmark(const nexmark_options&);

/// person, auction and bid as FOLDER/NAME.csv (with a header) and FOLDER/NAME.jsonl.
status dump_nexmark(const nexmark_options&, std::string& summary);

}  // namespace weir::cli
