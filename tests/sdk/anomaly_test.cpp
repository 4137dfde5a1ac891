// The anomaly detector over January's real flights against anomaly_reference.py, which computes the
// same from the raw file: equal to the last bit, whatever the parallelism and batch size.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cstdio>

#include <weir/harness.hpp>

namespace {

/// Rows that the script prints, without the header. Columns: text, text, integer, doubles...
weir::rows reference(const std::string& arguments) {
  std::string command =
      std::string("python3 " TEST_FOLDER "/anomaly_reference.py ") + arguments + " " + FLIGHTS_FILE;
  FILE* p = popen(command.c_str(), "r");
  REQUIRE(p != nullptr);
  weir::rows r;
  char line[512];
  for (bool header = true; std::fgets(line, sizeof line, p); header = false) {
    if (header) continue;
    weir::row cells;
    std::string cell;
    for (const char* c = line; *c; ++c) {
      if (*c != ',' && *c != '\n') {
        cell += *c;
        continue;
      }
      size_t i = cells.cells.size();
      if (i < 2)
        cells.cells.emplace_back(cell);
      else if (i == 2)
        cells.cells.emplace_back(std::stoll(cell));
      else
        cells.cells.emplace_back(std::stod(cell));
      cell.clear();
    }
    r.push_back(cells);
  }
  REQUIRE(pclose(p) == 0);
  return r;
}

weir::rows detected(const weir::rows& counts, std::map<std::string, std::string> parameters,
                    uint32_t parallelism, uint32_t batch_rows) {
  weir::harness h(WEIR_OPERATOR_LIBRARY, "anomaly_detector",
                  {.input = "origin text, window_start timestamp, n bigint",
                   .parameters = std::move(parameters),
                   .key = {"origin"},
                   .parallelism = parallelism,
                   .batch_rows = batch_rows});
  h.push_rows(counts);
  h.finish();
  // By text, since timestamps of the detector are no texts.
  weir::rows r;
  for (const auto& x : h.take()) r.push_back({x[0], x[1].text(), x[2], x[3], x[4]});
  return r.sorted();
}

}  // namespace

TEST_CASE("the detector agrees with an independent computation") {
  auto counts = reference("--counts");
  REQUIRE(counts.size() > 1000);
  auto expected = reference("");
  REQUIRE(expected.size() == 23);
  CHECK(detected(counts, {}, 1, 8192) == expected.sorted());
  CHECK(detected(counts, {}, 3, 100) == expected.sorted());
  auto sensitive = reference("--threshold 2 --min-samples 3 --min-deviation 0.5");
  CHECK(sensitive.size() > expected.size());
  CHECK(detected(counts, {{"threshold", "2"}, {"min_samples", "3"}, {"min_deviation", "0.5"}}, 2,
                 1000) == sensitive.sorted());
}
