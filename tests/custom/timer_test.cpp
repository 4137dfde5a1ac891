// Timers behind the host: order, clocks, chains, snapshots.
#include "tests/custom/fixture.hpp"

using namespace weir;
using namespace weir::custom_test;

namespace {

schema_ptr commands() {
  return columns("k text,what text,at bigint");
}

}  // namespace

TEST_CASE("event timers fire in order of time when the watermark reaches them") {
  runner r("alarm", commands(), {.keys = {0}});
  r.push("b,event,30|a,event,20|a,event,40|b,event,10|a,event,20|c,event,35|c,delete,35");
  CHECK(r.take() == "");
  r.watermark(30);
  CHECK(r.take() == "b,event,10,1\na,event,20,1\nb,event,30,2\nNULL,watermark,30,NULL\n");
  r.push("d,event,25");  // late: fires when its batch is done
  CHECK(r.take() == "d,event,25,1\n");
  r.watermark(watermark_end);
  CHECK(r.failure == "");
  CHECK(r.take() == "a,event,40,2\nNULL,watermark,9223372036854775807,NULL\n");
}

TEST_CASE("timers that a timer sets fire in the same advance") {
  runner r("alarm", commands(), {.keys = {0}});
  r.push("a,chain,5|b,event,17");
  r.watermark(28);
  CHECK(r.take() ==
        "a,event,5,1\na,event,15,2\nb,event,17,1\na,event,25,3\nNULL,watermark,28,NULL\n");
  r.watermark(watermark_end);
  CHECK(r.take() == "a,event,35,4\na,event,45,5\nNULL,watermark,9223372036854775807,NULL\n");
}

TEST_CASE("processing timers fire when the clock says so") {
  runner r("alarm", commands(), {.keys = {0}});
  r.clock.set(1000);
  r.push("a,after,500|b,processing,1200");
  r.processing_time(1199);
  CHECK(r.take() == "");
  r.processing_time(1200);
  CHECK(r.take() == "b,processing,1200,1\n");
  r.processing_time(5000);
  CHECK(r.failure == "");
  CHECK(r.take() == "a,processing,1500,1\n");
}

TEST_CASE("timers survive snapshots at another parallelism") {
  auto commands_of = [](int n) {
    std::string s;
    for (int i = 0; i < n; ++i)
      s += (i ? "|k" : "k") + std::to_string(i % 40) + (i % 3 ? ",event," : ",processing,") +
           std::to_string(100 + i * 37 % 500);
    return s;
  };
  auto finish = [](runner& r) {
    r.watermark(300);
    r.processing_time(400);
    r.watermark(watermark_end);
    r.processing_time(1000);
    REQUIRE(r.failure == "");
    std::string all;
    // One watermark row per instance: only timers are compared.
    auto& rows = r.out.rows[0];
    std::erase_if(rows, [](const std::string& x) { return x.starts_with("NULL,"); });
    return r.take_sorted();
  };
  runner plain("alarm", commands(), {.keys = {0}});
  plain.push(commands_of(300));
  auto expected = finish(plain);
  REQUIRE(std::count(expected.begin(), expected.end(), '\n') > 200);

  for (uint32_t parallelism : {1u, 2u, 5u}) {
    runner r("alarm", commands(), {.keys = {0}, .parallelism = 3});
    memory_snapshots s;
    r.push(commands_of(300));
    r.snapshot(s);
    r.start(parallelism, &s);
    CHECK(finish(r) == expected);
  }
}

TEST_CASE("many timers at once leave in turns, so that output can flow") {
  runner r("alarm", commands(), {.keys = {0}});
  std::string rows;
  for (int i = 0; i < 20'000; ++i)
    rows += (i ? "|k" : "k") + std::to_string(i) + ",event," + std::to_string(1000 + i);
  r.push(rows);
  r.watermark(50'000);
  CHECK(r.failure == "");
  CHECK(r.drains >= 3);
  REQUIRE(r.out.rows[0].size() == 20'001);
  CHECK(r.out.rows[0][19'999] == "k19999,event,20999,1");
  CHECK(r.out.rows[0][20'000] == "NULL,watermark,50000,NULL");
}

TEST_CASE("what a timer throws fails the operator") {
  runner r("alarm", commands(), {.keys = {0}});
  r.push("a,event,666");
  r.watermark(1000);
  CHECK(r.failure == std::string("operator \"under test\" (alarm of ") + TEST_OPERATORS +
                         "): a timer of the beast (error in user code)");
}
