// replication_simulation [--seeds N] [--first S] [--deletions 1] [--seed S]: runs seeds; a broken
// one is named and ends the process. --seed tells what happens.
#include <csignal>
#include <cstring>

#include "sim.hpp"

namespace {

volatile uint64_t running = 0;

void name_seed(int) {
  std::fprintf(stderr, "seed %llu fails; replay it with --seed %llu\n",
               static_cast<unsigned long long>(running), static_cast<unsigned long long>(running));
  std::_Exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t seeds = 100, first = 1;
  bool tell = false, deletes = false;
  for (int i = 1; i + 1 < argc; i += 2) {
    const auto n = std::strtoull(argv[i + 1], nullptr, 10);
    if (!std::strcmp(argv[i], "--seeds"))
      seeds = n;
    else if (!std::strcmp(argv[i], "--first"))
      first = n;
    else if (!std::strcmp(argv[i], "--seed"))
      first = n, seeds = 1, tell = true;
    else if (!std::strcmp(argv[i], "--deletions"))
      deletes = n != 0;
    else
      return std::fprintf(stderr, "unknown option %s\n", argv[i]), 2;
  }
  std::signal(SIGABRT, name_seed);
  size_t acknowledged = 0;
  int elections = 0, crashes = 0, cuts = 0, failures = 0, losses = 0, deletions = 0;
  for (uint64_t s = first; s < first + seeds; ++s) {
    running = s;
    weir::kafka::sim::cluster world(s, tell, deletes);
    world.run();
    acknowledged += world.acknowledged_batches;
    elections += world.elections;
    crashes += world.crashes;
    cuts += world.cuts_of_logs;
    failures += world.failed_disks;
    losses += world.losses;
    deletions += world.deletions;
  }
  std::printf(
      "%llu seeds: %zu batches acknowledged, %d elections, %d crashes, %d logs cut, %d disk "
      "failures, %d losses, %d deletions\n",
      static_cast<unsigned long long>(seeds), acknowledged, elections, crashes, cuts, failures,
      losses, deletions);
  // A simulation in which nothing happens proves nothing.
  if (seeds >= 100 && (elections == 0 || crashes == 0 || cuts == 0 || acknowledged == 0 ||
                       losses == 0 || (deletes && deletions == 0)))
    return 1;
  return 0;
}
