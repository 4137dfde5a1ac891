#include "cluster/cli/signals.hpp"

#include <pthread.h>

#include <ctime>

namespace weir::cli {

signal_waiter::signal_waiter() : main_thread_(pthread_self()) {
  sigemptyset(&set_);
  sigaddset(&set_, SIGINT);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  // A reader that goes away (weir run ... | head) is an error of write(), not the end of us.
  std::signal(SIGPIPE, SIG_IGN);
}

int signal_waiter::wait(int64_t timeout_ms) {
  timespec limit{timeout_ms / 1000, (timeout_ms % 1000) * 1'000'000};
  int s = sigtimedwait(&set_, nullptr, &limit);
  if (s == SIGUSR1) return -1;
  return s > 0 ? s : 0;
}

void signal_waiter::notify() {
  pthread_kill(main_thread_, SIGUSR1);
}

}  // namespace weir::cli
