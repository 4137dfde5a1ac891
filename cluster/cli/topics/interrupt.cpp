#include "cluster/cli/topics/interrupt.hpp"

#include <unistd.h>

#include "cluster/cli/run.hpp"

namespace weir::cli {
namespace {

constexpr int64_t look_ms = 50;

}  // namespace

void interrupt_watch::watch() {
  while (!done_) {
    const int s = signals_.wait(look_ms);
    if (s <= 0) continue;
    if (signal_ != 0) ::_exit(s == SIGINT ? exit_interrupted : exit_failed);
    signal_ = s;
  }
}

interrupt_watch::~interrupt_watch() {
  done_ = true;
  thread_.join();
}

}  // namespace weir::cli
