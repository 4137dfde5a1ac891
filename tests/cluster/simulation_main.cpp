// jobs_simulation [--first N] [--seeds N] [--no-faults] [--keep-disks] [--mistake NAME]
//                 [--expect-failure] [--twice] [--loud] [--trace-seeds]
// Runs seeds; names those that fail. --twice: each two times, and both have to do the same.
// --expect-failure: until one fails; --trace-seeds: says which one begins.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/cluster/sim_cluster.hpp"

namespace {

weir::sim::mistake mistake_of(const std::string& name) {
  using weir::sim::mistake;
  if (name == "old_tokens_count") return mistake::old_tokens_count;
  if (name == "older_epoch") return mistake::older_epoch;
  if (name == "ledger_not_asked") return mistake::ledger_not_asked;
  if (name == "copies_unwritten") return mistake::copies_unwritten;
  std::fprintf(stderr, "no such mistake: %s\n", name.c_str());
  std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace weir::sim;
  uint64_t first = 1, seeds = 100;
  bool expect_failure = false, twice = false, tell = false;
  run_options o;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
    if (arg == "--first")
      first = number();
    else if (arg == "--seeds")
      seeds = number();
    else if (arg == "--mistake")
      o.made = mistake_of(i + 1 < argc ? argv[++i] : "");
    else if (arg == "--no-faults")
      o.faults = false;
    else if (arg == "--expect-failure")
      expect_failure = true;
    else if (arg == "--keep-disks")
      o.lose_disks = false;
    else if (arg == "--loud")
      o.loud = true;
    else if (arg == "--trace-seeds")
      tell = true;
    else if (arg == "--twice")
      twice = true;
    else
      return std::fprintf(stderr, "unknown: %s\n", arg.c_str()), 2;
  }
  run_result sum;
  uint64_t failed = 0;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    o.seed = seed;
    if (tell) std::fprintf(stderr, "at %llu\n", static_cast<unsigned long long>(seed));
    auto r = run_cluster(o);
    if (twice && run_cluster(o).trace != r.trace)
      r.problems.push_back("a second run of this seed was another one");
    sum.steps += r.steps;
    sum.epochs += r.epochs;
    sum.tenures += r.tenures;
    sum.refused += r.refused;
    sum.crashes += r.crashes;
    sum.stalls += r.stalls;
    sum.cuts += r.cuts;
    sum.disks_lost += r.disks_lost;
    sum.writes_lost += r.writes_lost;
    sum.messages_lost += r.messages_lost;
    sum.stood_still = std::max(sum.stood_still, r.stood_still);
    if (r.problems.empty()) continue;
    ++failed;
    for (const auto& p : r.problems)
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), p.c_str());
    if (expect_failure) break;
  }
  auto n = [](uint64_t x) { return static_cast<unsigned long long>(x); };
  std::printf(
      "%llu seeds, %llu failed; %llu steps, %llu epochs, %llu tenures, %llu refused, %llu "
      "crashes, %llu stalls, %llu cuts, %llu disks, %llu writes and %llu messages lost, at most "
      "%.1f s "
      "from the last fault to the end\n",
      n(seeds), n(failed), n(sum.steps), n(sum.epochs), n(sum.tenures), n(sum.refused),
      n(sum.crashes), n(sum.stalls), n(sum.cuts), n(sum.disks_lost), n(sum.writes_lost),
      n(sum.messages_lost), static_cast<double>(sum.stood_still) / 1e6);
  return (failed != 0) == expect_failure ? 0 : 1;
}
