// Damaged scripts: pieces of the cases' scripts cut, doubled, swapped and mixed. Whatever comes of
// it is a plan or errors with their place; never a crash, and never a statement that the reader has
// no words for.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "jobs/sql/job.hpp"

using namespace weir;
using namespace weir::jobs;

namespace {

std::vector<std::string> tokens_of(const std::string& text) {
  std::vector<std::string> out;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    auto word = [&text](size_t k) {
      return k < text.size() && (isalnum(static_cast<unsigned char>(text[k])) || text[k] == '_');
    };
    if (word(i))
      while (word(end)) ++end;
    else if (text[i] == '\'')
      end = std::min(text.find('\'', end), text.size() - 1) + 1;
    out.push_back(text.substr(i, end - i));
    i = end;
  }
  return out;
}

/// The tokens of all scripts of the cases, in order.
std::vector<std::string> material() {
  std::vector<std::string> out;
  for (const auto& entry :
       std::filesystem::directory_iterator(WEIR_SOURCE_DIR "/tests/sql/cases")) {
    std::ifstream in(entry.path());
    bool script = false;
    for (std::string line; std::getline(in, line);) {
      if (line.rfind("-- ", 0) == 0) {
        script = line.rfind("-- CASE", 0) == 0;
        if (script) out.emplace_back(";\n");
      } else if (script) {
        for (auto& t : tokens_of(line)) out.push_back(std::move(t));
      }
    }
  }
  return out;
}

}  // namespace

TEST_CASE("damaged scripts give errors with their place, never a crash") {
  const auto tokens = material();
  REQUIRE(tokens.size() > 1000);
  const char* given = std::getenv("WEIR_SEED");
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : 1;
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  auto below = [&random](size_t n) { return static_cast<size_t>(random() % n); };
  const std::string tables =
      "CREATE TABLE t (k text, v int, d numeric(10,2), j json, ts timestamp) WITH (connector = "
      "'file', path = 't.csv', format = 'csv', event_time = 'ts');\n"
      "CREATE TABLE o (k text, n bigint) WITH (connector = 'blackhole');\n";
  for (int round = 0; round < 1500; ++round) {
    const size_t begin = below(tokens.size());
    std::vector<std::string> some(
        tokens.begin() + static_cast<ptrdiff_t>(begin),
        tokens.begin() + static_cast<ptrdiff_t>(std::min(tokens.size(), begin + 20 + below(120))));
    for (size_t k = below(6); k > 0; --k) {
      auto at = some.begin() + static_cast<ptrdiff_t>(below(some.size()));
      switch (below(4)) {
        case 0:
          some.erase(at);
          break;
        case 1:
          some.insert(at, *at);
          break;
        case 2:
          *at = tokens[below(tokens.size())];
          break;
        default:
          std::swap(*at, some[below(some.size())]);
      }
      if (some.empty()) break;
    }
    std::string script = tables;
    for (const auto& t : some) script += t;
    CAPTURE(script);
    std::vector<diagnostic> found;
    auto job = read_sql(script, "m.sql", "/jobs", {}, found);
    const auto messages = to_text(found);
    REQUIRE(job.has_value() != (messages.find(": error: ") != std::string::npos));
    REQUIRE_MESSAGE(messages.find("cannot be read") == std::string::npos, messages);
    if (job) REQUIRE(validate(job->plan).ok());
  }
}
