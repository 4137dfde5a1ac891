#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <weir/harness.hpp>

using weir::harness;
using weir::rows;

namespace {

weir::harness_options departures(std::map<std::string, std::string> parameters,
                                 uint32_t parallelism = 1) {
  return {.input = "origin text, window_start timestamp, n bigint",
          .parameters = std::move(parameters),
          .key = {"origin"},
          .parallelism = parallelism,
          .event_time = "window_start"};
}

constexpr int64_t hour = 3'600'000'000;

/// Counts that vary a little by hour, with an outlier now and then.
rows many_counts() {
  rows r;
  uint64_t x = 42;
  for (int64_t w = 0; w < 24 * 60; ++w)
    for (const char* origin : {"EWR", "JFK", "LGA"}) {
      x = x * 6364136223846793005 + 1442695040888963407;
      auto n = static_cast<int64_t>(20 + w % 24 + (x >> 60));
      r.push_back({origin, w * hour, x % 97 == 0 ? n * 3 : n});
    }
  return r;
}

}  // namespace

TEST_CASE("a count far from the mean is reported with mean and score") {
  harness h(WEIR_OPERATOR_LIBRARY, "anomaly_detector",
            departures({{"min_samples", "4"}, {"by_hour", "false"}, {"threshold", "2.5"}}));
  int64_t w = 0;
  for (int n : {10, 12, 14, 12}) h.push_rows({{"JFK", hour * w++, n}});
  h.push_rows({{"JFK", hour * w++, 17}});  // (17 - 12) / sqrt(8 / 3) = 3.06
  h.push_rows({{"JFK", hour * w++, 13}});
  h.finish();
  CHECK(h.take() == rows{{"JFK", "1970-01-01 04:00:00", 17, 12.0, 5 / std::sqrt(8.0 / 3.0)}});
  CHECK(h.metric("windows") == 6);
  CHECK(h.metric("anomalies") == 1);
}

TEST_CASE("hours of the day are judged apart, keys too") {
  harness h(WEIR_OPERATOR_LIBRARY, "anomaly_detector", departures({{"min_samples", "3"}}));
  // 2 flights at night and 50 by day are both usual.
  for (int day = 0; day < 4; ++day)
    h.push_rows({{"EWR", hour * (24 * day + 3), 2}, {"EWR", hour * (24 * day + 8), 50}});
  h.finish();
  CHECK(h.take().empty());

  harness busy_night(WEIR_OPERATOR_LIBRARY, "anomaly_detector", departures({{"min_samples", "3"}}));
  for (int day = 0; day < 4; ++day)
    busy_night.push_rows(
        {{"EWR", hour * (24 * day + 3), day == 3 ? 50 : 2}, {"LGA", hour * (24 * day + 3), 50}});
  busy_night.finish();
  CHECK(busy_night.take() == rows{{"EWR", "1970-01-04 03:00:00", 50, 2.0, 48.0}});
}

TEST_CASE("windows are judged in order of time however they arrive") {
  auto all = many_counts();
  auto run = [&all](uint32_t batch_rows, bool backwards, uint32_t parallelism) {
    auto o = departures({}, parallelism);
    o.batch_rows = batch_rows;
    harness h(WEIR_OPERATOR_LIBRARY, "anomaly_detector", o);
    rows r;
    for (size_t i = 0; i < all.size(); ++i) r.push_back(all[backwards ? all.size() - 1 - i : i]);
    h.push_rows(r);
    h.finish();
    return h.take().sorted();
  };
  auto expected = run(8192, false, 1);
  REQUIRE(expected.size() > 10);
  CHECK(run(1, false, 1) == expected);
  CHECK(run(7, true, 1) == expected);
  CHECK(run(100, true, 3) == expected);
}

TEST_CASE("a job that continues from snapshots finds the same anomalies") {
  auto all = many_counts();
  harness plain(WEIR_OPERATOR_LIBRARY, "anomaly_detector", departures({}));
  plain.push_rows(all);
  plain.finish();
  auto expected = plain.take().sorted();

  harness h(WEIR_OPERATOR_LIBRARY, "anomaly_detector", departures({}));
  uint32_t parallelism = 1;
  for (size_t i = 0; i < all.size(); ++i) {
    h.push_rows({all[i]});
    if (i % 3 == 2) h.watermark(static_cast<int64_t>(i / 3) * hour);
    if (i % 500 == 499) h.restore(h.snapshot(), parallelism = parallelism % 4 + 1);
  }
  h.finish();
  CHECK(h.take().sorted() == expected);
}

TEST_CASE("a count that is taken back before its window ends does not matter") {
  harness h(WEIR_OPERATOR_LIBRARY, "anomaly_detector",
            departures({{"min_samples", "2"}, {"by_hour", "false"}}));
  h.push_rows({{"JFK", 0, 10}, {"JFK", hour, 10}, {"JFK", 2 * hour, 99}});
  h.push_rows({weir::row{"JFK", 2 * hour, 99} * -1, weir::row{"JFK", 2 * hour, 11}});
  h.finish();
  CHECK(h.take().empty());
  CHECK(h.metric("windows") == 3);
}

TEST_CASE("the detector refuses other keys and columns") {
  auto o = departures({});
  o.key = {"window_start"};
  CHECK(weir::error_of([&] { harness h(WEIR_OPERATOR_LIBRARY, "anomaly_detector", o); }) ==
        "operator 'anomaly_detector': the key must be origin");
  o.input = "origin text, window_start timestamp, n int";
  CHECK(weir::error_of([&] { harness h(WEIR_OPERATOR_LIBRARY, "anomaly_detector", o); }) ==
        "operator 'anomaly_detector': column 'n' is int: use int32_t");
}
