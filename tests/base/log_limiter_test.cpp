#include <doctest/doctest.h>

#include "runtime/base/log_limiter.hpp"

using weir::log_limiter;

TEST_CASE("log limiter: one line of a cause in ten seconds, with the number of those left out") {
  log_limiter l;
  CHECK(l.say("a", "a is down", 0) == "a is down");
  // Two causes that take turns, as two peers that are down do.
  CHECK(l.say("b", "b is down", 100) == "b is down");
  for (uint64_t now = 200; now < 10'000; now += 200) {
    CHECK_FALSE(l.say("a", "a is down", now));
    CHECK_FALSE(l.say("b", "b is down", now + 99));
  }
  CHECK(l.say("a", "a refuses", 10'000) == "a refuses (and 49 more like it before this)");
  CHECK_FALSE(l.say("a", "a refuses", 10'001));
  CHECK(l.say("b", "b is down", 60'000) == "b is down (and 49 more like it before this)");
  CHECK(l.say("b", "b is down", 70'000) == "b is down");
}

TEST_CASE("log limiter: it remembers so many causes and no more") {
  log_limiter l;
  for (size_t i = 0; i <= log_limiter::causes_max; ++i)
    CHECK(l.say(std::to_string(i), "x", i) == "x");
  CHECK(l.say("0", "x", 2'000) == "x");  // forgotten
  CHECK_FALSE(l.say(std::to_string(log_limiter::causes_max), "x", 2'000));
}
