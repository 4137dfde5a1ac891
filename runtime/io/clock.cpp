#include "runtime/io/clock.hpp"

#include <chrono>

namespace weir {

timestamp_us system_clock::now() const {
  using namespace std::chrono;
  return duration_cast<microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

int64_t system_clock::monotonic_ns() const {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace weir
