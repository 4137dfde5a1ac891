// Keyed state behind the host: all kinds, time to live, snapshots at another parallelism.
#include "tests/custom/fixture.hpp"

using namespace weir;
using namespace weir::custom_test;

namespace {

std::string text_of(const std::string& failure) {
  auto at = failure.find("): ");
  return at == failure.npos ? failure : failure.substr(at + 3);
}

}  // namespace

TEST_CASE("every kind of state belongs to the row's key") {
  runner r("keeper", columns("k text,n bigint"), {.keys = {0}});
  r.push("a,1|b,2|a,5|a,3");
  r.push("b,8|NULL,4|a,7|,9");
  CHECK(r.failure == "");
  CHECK(r.take() ==
        "a,1/1,1 ,1:1 ,1,n1 \n"
        "b,1/1,2 ,2:1 ,2,n2 \n"
        "a,2/2,1 5 ,1:1 2:1 ,6,n1 n5 \n"
        "a,3/3,1 5 3 ,0:1 1:1 2:1 ,9,n1 n5 n3 \n"
        "b,2/2,2 8 ,2:2 ,10,n2 n8 \n"
        "NULL,1/1,4 ,1:1 ,4,n4 \n"
        "a,4/4,1 5 3 7 ,0:1 1:2 ,16,n1 n5 n3 n7 \n"
        ",1/1,9 ,0:1 ,9,n9 \n");
  r.push("a,0|a,1");
  CHECK(r.take() == "a,-,,,NULL,\na,1/1,1 ,1:1 ,1,n1 \n");
}

TEST_CASE("state survives snapshots and moves with its key at any parallelism") {
  auto rows = [](int from, int to) {
    std::string s;
    for (int i = from; i < to; ++i)
      s += (i > from ? "|" : "") + ("key" + std::to_string(i * 31 % 97)) + "," +
           std::to_string(i % 11);
    return s;
  };
  runner plain("keeper", columns("k text,n bigint"), {.keys = {0}});
  for (int i = 0; i < 1000; i += 50) plain.push(rows(i, i + 50));
  auto expected = plain.take_sorted();

  runner r("keeper", columns("k text,n bigint"), {.keys = {0}, .parallelism = 2});
  memory_snapshots s;
  std::string got;
  uint32_t parallelism[] = {3, 1, 7, 2};
  for (int i = 0; i < 1000; i += 50) {
    r.push(rows(i, i + 50));
    r.snapshot(s);
    if (i % 250 == 200) {
      auto taken = s;  // what follows is lost, and repeated after the restore
      auto kept = r.out.rows;
      r.push(rows(i + 50, i + 80));
      r.out.rows = kept;
      r.start(parallelism[i / 250], &taken);
    }
  }
  REQUIRE(r.failure == "");
  CHECK(r.take_sorted() == expected);
}

TEST_CASE("entries expire by event time") {
  runner r("memory", columns("k bigint,n bigint,t timestamp", 2),
           {.parameters = {{"ttl", "10s"}}, .keys = {0}});
  r.push("1,5,1970-01-01 00:01:40|2,6,1970-01-01 00:01:41|1,7,1970-01-01 00:01:42");
  CHECK(r.take() == "1,NULL,0,0\n2,NULL,0,0\n1,5,1,1\n");
  r.watermark(105'000'000);
  r.push("2,8,1970-01-01 00:01:46");
  CHECK(r.take() == "2,6,1,1\n");
  r.watermark(112'000'000);
  r.push("1,1,1970-01-01 00:01:53|2,1,1970-01-01 00:01:53");
  CHECK(r.failure == "");
  // Key 1's were written before 105 s, key 2's second ones at 105 s.
  CHECK(r.take() == "1,NULL,0,0\n2,8,1,1\n");
}

TEST_CASE("entries expire by processing time") {
  runner r("memory", columns("k bigint,n bigint"),
           {.parameters = {{"ttl", "10s"}, {"clock", "processing"}}, .keys = {0}});
  r.clock.set(1'000'000);
  r.push("1,5");
  r.clock.set(10'999'999);
  r.push("1,6");
  r.clock.set(20'000'000);
  r.push("1,7");
  r.clock.set(40'000'000);
  r.push("1,8");
  CHECK(r.failure == "");
  CHECK(r.take() == "1,NULL,0,0\n1,5,1,1\n1,6,1,1\n1,NULL,0,0\n");
}

TEST_CASE("two clocks in one operator are refused") {
  runner r("memory", columns("k bigint,n bigint"),
           {.parameters = {{"mixed", "true"}}, .keys = {0}});
  CHECK(text_of(r.failure) ==
        "state 'entries': all states of an operator measure their ttl by one clock (unsupported)");
}

TEST_CASE("state needs a row's key") {
  runner r("keyless", columns("k bigint"), {.keys = {0}});
  r.push("1");
  CHECK(text_of(r.failure) ==
        "state 'n': there is no current key: iterate the rows with context::rows (error in user "
        "code)");
}

TEST_CASE("keys of all types come back as they went in") {
  auto s = std::make_shared<schema>();
  s->fields = {{"b", type_id::boolean},
               {"i", type_id::int32},
               {"n", type_id::int64},
               {"d", type_id::float64},
               {"m", data_type(type_id::decimal, 2)},
               {"t", type_id::string},
               {"e", type_id::date},
               {"s", type_id::timestamp},
               {"v", type_id::interval}};
  runner r("key_echo", s, {.keys = {0, 1, 2, 3, 4, 5, 6, 7, 8}, .parallelism = 2});
  std::string row = "true,-5,-6,0.5,-1.25,x y,2013-01-01,1969-12-31 23:00:00,1 mon 2 days 00:00:03";
  std::string nulls = "NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL";
  r.push(row + "|" + nulls);
  r.push(row);
  r.push(nulls);
  CHECK(r.failure == "");
  auto sorted = [](std::vector<std::string> v) {
    std::sort(v.begin(), v.end());
    std::string all;
    for (const auto& x : v) all += x + "\n";
    return all;
  };
  CHECK(r.take_sorted() == sorted({row + ",1,0", nulls + ",1,0", row + ",2,0", nulls + ",2,0"}));
}

TEST_CASE("equal numbers are one key: zeros and NaN") {
  runner r("key_echo", columns("d double precision"), {.keys = {0}});
  r.push("0|-0|NaN|NaN");
  CHECK(r.failure == "");
  CHECK(r.take() == "0,1,0\n0,2,0\nNaN,1,0\nNaN,2,0\n");
}

TEST_CASE("several inputs share the keys of the first") {
  runner r("key_echo", columns("k text,n bigint"),
           {.keys = {0}, .parallelism = 3, .more_inputs = {columns("x int,k text")}});
  r.push("a,1|b,2");
  r.push("7,a|8,c", 1);
  CHECK(r.failure == "");
  CHECK(r.take_sorted() == "a,1,0\na,2,1\nb,1,0\nc,1,1\n");
  runner wrong("key_echo", columns("k text,n bigint"),
               {.keys = {0}, .more_inputs = {columns("x int,k bigint")}});
  CHECK(wrong.failure == std::string("key_echo of ") + TEST_OPERATORS +
                             ": input 2 has no key column \"k\" of type text (invalid argument)");
}
