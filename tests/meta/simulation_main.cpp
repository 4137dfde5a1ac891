// meta_simulation: runs seeds of the simulated cluster (sim_world.hpp).
//   meta_simulation --seeds N [--first K]   seeds K to K+N-1; the first that fails is printed
//   meta_simulation --seed N                one, with what happens in it
//   --lying-disks      disks lose what they said was durable
//   --expect-failure   succeeds if some seed fails: the checks can
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "tests/meta/sim_world.hpp"

using namespace weir::meta;

namespace {

thread_local volatile uint64_t current_seed = 0;

// An assertion of ours ends the process: say where.
void on_abort(int) {
  char text[96];
  int n = std::snprintf(text, sizeof text, "seed %llu ended the process: run with --seed\n",
                        static_cast<unsigned long long>(current_seed));
  if (n > 0) std::fwrite(text, 1, static_cast<size_t>(n), stderr);
}

sim_outcome run(sim_options o) {
  current_seed = o.seed;
  return sim_world(o).run();
}

}  // namespace

int main(int argc, char** argv) {
  sim_options o;
  uint64_t seeds = 0, first = 1;
  bool expect_failure = false;
  for (int i = 1; i < argc; ++i) {
    auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
    if (std::strcmp(argv[i], "--seeds") == 0) {
      seeds = number();
    } else if (std::strcmp(argv[i], "--first") == 0) {
      first = number();
    } else if (std::strcmp(argv[i], "--seed") == 0) {
      first = number();
      seeds = 1;
      o.verbose = true;
    } else if (std::strcmp(argv[i], "--lying-disks") == 0) {
      o.lying_disks = true;
    } else if (std::strcmp(argv[i], "--expect-failure") == 0) {
      expect_failure = true;
    } else {
      std::fprintf(stderr, "meta_simulation: unknown argument '%s'\n", argv[i]);
      return 2;
    }
  }
  if (seeds == 0) {
    std::fprintf(stderr, "meta_simulation --seeds N [--first K] | --seed N\n");
    return 2;
  }
  std::signal(SIGABRT, on_abort);
  sim_outcome sum;
  for (uint64_t s = first; s < first + seeds; ++s) {
    o.seed = s;
    sim_outcome out = run(o);
    if (!out.failure.empty()) {
      if (expect_failure) {
        std::printf("seed %llu fails, as it should: %s\n", static_cast<unsigned long long>(s),
                    out.failure.c_str());
        return 0;
      }
      std::fprintf(stderr, "seed %llu: %s\nreplay: meta_simulation --seed %llu\n",
                   static_cast<unsigned long long>(s), out.failure.c_str(),
                   static_cast<unsigned long long>(s));
      return 1;
    }
    // The same again is the same: now and then, as it doubles the time.
    if (s % 100 == 1 && !o.verbose && run(o).trace != out.trace) {
      std::fprintf(stderr, "seed %llu runs another way the second time\n",
                   static_cast<unsigned long long>(s));
      return 1;
    }
    sum.acknowledged += out.acknowledged;
    sum.entries += out.entries;
    sum.crashes += out.crashes;
    sum.leaders += out.leaders;
    sum.snapshots += out.snapshots;
    sum.changes += out.changes;
  }
  std::printf(
      "%llu seeds: %llu requests acknowledged, %llu commands in logs, %llu crashes, "
      "%llu leaders, %llu snapshots, %llu changes of membership\n",
      static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(sum.acknowledged),
      static_cast<unsigned long long>(sum.entries), static_cast<unsigned long long>(sum.crashes),
      static_cast<unsigned long long>(sum.leaders), static_cast<unsigned long long>(sum.snapshots),
      static_cast<unsigned long long>(sum.changes));
  return expect_failure ? 1 : 0;
}
