#include "runtime/base/units.hpp"

#include <doctest/doctest.h>

using namespace weir;

TEST_CASE("durations are read") {
  struct {
    const char* text;
    int64_t us;
  } cases[] = {{"100ms", 100'000},     {"1s", 1'000'000},      {"5m", 300'000'000},
               {"1h", 3'600'000'000},  {"250us", 250},         {"1.5s", 1'500'000},
               {"2 min", 120'000'000}, {"1d", 86'400'000'000}, {"0", 0},
               {" 10S ", 10'000'000}};
  for (auto& c : cases) {
    CAPTURE(c.text);
    auto r = parse_duration_us(c.text);
    REQUIRE(r.ok());
    CHECK(*r == c.us);
  }
}

TEST_CASE("what is no duration is refused by name") {
  for (const char* text :
       {"", "s", "-1s", "1..5s", "5 fortnights", "10", "1e3s", "99999999999999999d"}) {
    CAPTURE(text);
    auto r = parse_duration_us(text, "--snapshot-interval");
    REQUIRE(!r.ok());
    CHECK(r.err().code == errc::invalid_argument);
    CHECK(r.err().message.find("--snapshot-interval '" + std::string(text) + "'") == 0);
  }
  CHECK(parse_duration_us("10").err().message.find("unit is missing") != std::string::npos);
}

TEST_CASE("sizes are read") {
  struct {
    const char* text;
    uint64_t bytes;
  } cases[] = {{"64KiB", 65536},
               {"2GiB", 2147483648},
               {"123", 123},
               {"1.5 MiB", 1572864},
               {"10kB", 10'000},
               {"3gib", 3221225472},
               {"1TiB", 1099511627776},
               {"0", 0},
               {"18000000000000000000", 18000000000000000000u}};
  for (auto& c : cases) {
    CAPTURE(c.text);
    auto r = parse_size(c.text);
    REQUIRE(r.ok());
    CHECK(*r == c.bytes);
  }
  for (const char* text : {"", "GiB", "-5", "5 parsecs", "64K", "99999999TiB"}) {
    CAPTURE(text);
    CHECK(!parse_size(text, "--memory").ok());
  }
}

TEST_CASE("quantities are written for people") {
  CHECK(format_duration_us(0) == "0s");
  CHECK(format_duration_us(250) == "250us");
  CHECK(format_duration_us(1500) == "1.5ms");
  CHECK(format_duration_us(12'340'000) == "12.3s");
  CHECK(format_duration_us(59'999'999) == "1m 00s");
  CHECK(format_duration_us(312'000'000) == "5m 12s");
  CHECK(format_duration_us(11'220'000'000) == "3h 07m");
  CHECK(format_duration_us(187'200'000'000) == "2d 04h");
  CHECK(format_duration_us(-1500) == "-1.5ms");
  CHECK(format_size(0) == "0 B");
  CHECK(format_size(1023) == "1023 B");
  CHECK(format_size(1536) == "1.5 KiB");
  CHECK(format_size(64u << 20) == "64 MiB");
  CHECK(format_size(1'300'000'000) == "1.21 GiB");
  CHECK(format_count(950) == "950");
  CHECK(format_count(12'345) == "12.3 k");
  CHECK(format_count(4'560'000) == "4.56 M");
  CHECK(format_grouped(1'234'567) == "1,234,567");
  CHECK(format_grouped(12) == "12");
}
