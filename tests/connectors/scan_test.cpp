#include <doctest/doctest.h>
#include <fcntl.h>

#include "runtime/connectors/csv_scan.hpp"
#include "runtime/connectors/stdin_blocks.hpp"
#include "support.hpp"

using namespace weir;
using namespace weir::test;

TEST_CASE("the CSV scan in both instruction sets equals a plain loop") {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 r(seed);
    size_t n = r() % 700;
    std::string s(n + 64, '\n');
    const char* letters = seed % 3 ? "ab,\n\"x;" : "abc,\nd;";
    for (size_t i = 0; i < n; ++i) s[i] = letters[r() % 7];
    bool quoted = seed % 2;
    size_t words = (n + 63) / 64;
    std::vector<uint64_t> lines(words), commas(words), l2(words), d2(words), plain(words),
        only(words);
    bool in = quoted, any = false;
    for (size_t i = 0; i < n; ++i) {
      uint64_t bit = 1ull << (i & 63);
      if (s[i] == '"') in = !in, any = true;
      if (s[i] == '\n') only[i / 64] |= bit;
      if (s[i] == '\n' && !in) lines[i / 64] |= bit;
      if (s[i] == ',' && !in) commas[i / 64] |= bit;
    }
    for (auto scan : {scan_csv, scan_csv_avx2}) {
      auto got = scan(s.data(), n, ',', quoted, l2.data(), d2.data());
      CHECK(got.in_quotes == in);
      CHECK(got.any_quote == any);
      CHECK(l2 == lines);
      CHECK(d2 == commas);
    }
    scan_lines(s.data(), n, plain.data());
    CHECK(plain == only);
    CHECK(count_bytes(s.data(), n, '"') ==
          static_cast<uint64_t>(std::count(s.begin(), s.begin() + static_cast<ptrdiff_t>(n), '"')));
  }
}

TEST_CASE("standard input: rows as they come, the end, and leaving while it waits") {
  environment env;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  int saved = ::dup(0);
  REQUIRE(::dup2(ends[0], 0) == 0);
  std::atomic<int> wakes{0};
  auto context = env.context();
  context.wake = [&] { ++wakes; };
  source_spec spec;
  spec.connector = "stdin";
  spec.options = {{"header", "true"}};
  spec.columns = schema_of({{"n", type_id::int32}});
  spec.physical_columns = 1;
  auto put = [&](std::string_view s) {
    CHECK(::write(ends[1], s.data(), s.size()) == static_cast<ssize_t>(s.size()));
  };
  std::vector<std::string> got;
  auto read_until = [&](source_reader& reader, size_t rows) {
    bool finished = false;
    while (got.size() < rows || (rows == 0 && !finished)) {
      auto p = reader.poll(100);
      if (!p) FAIL(p.err().message);
      if (p->rows) append_rows(got, *p->rows);
      finished = p->what == polled::state::finished;
      std::this_thread::yield();
    }
  };
  {
    auto reader = *make_reader(spec);
    REQUIRE(reader->open(context).ok());
    REQUIRE(
        reader->add_split((*make_enumerator(spec, *env.files, 1))->discover()->splits.at(0)).ok());
    put("x,n\n0,1\n0,");
    read_until(*reader, 1);
    CHECK(got == std::vector<std::string>{"1"});
    put("2\n");
    read_until(*reader, 2);
    CHECK(got.back() == "2");
    CHECK(reader->position() == "stdin:3");
  }  // its thread waits for more: it ends all the same
  auto reader = *make_reader(spec);
  REQUIRE(reader->open(context).ok());
  REQUIRE(
      reader->add_split((*make_enumerator(spec, *env.files, 1))->discover()->splits.at(0)).ok());
  put("n\n7");
  ::close(ends[1]);
  got.clear();
  read_until(*reader, 0);
  CHECK(got == std::vector<std::string>{"7"});
  ::dup2(saved, 0);
  ::close(saved);
  ::close(ends[0]);
}
