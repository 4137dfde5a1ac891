#include <doctest/doctest.h>

#include "support.hpp"

using namespace weir;
using namespace weir::test;

namespace {

using rng = std::mt19937_64;

std::string random_field(rng& r) {
  static const char* pieces[] = {"a",    "bc",  ",", "\n",         "\r\n",
                                 "\"\"", "xyz", " ", "0123456789", "\xC3\xA9"};
  std::string s;
  bool quoted = r() % 3 == 0;
  size_t n = r() % 100 == 0 ? 3000 : r() % 5;
  for (size_t i = 0; i < n; ++i) {
    std::string p = pieces[r() % 10];
    if (!quoted && p.find_first_of(",\n\r\"") != std::string::npos) p = "q";
    s += p;
  }
  return quoted ? "\"" + s + "\"" : s;
}

std::string random_csv(rng& r, size_t rows, bool header) {
  std::string s = header ? "a,\"b\nb\",c\n" : "";
  for (size_t i = 0; i < rows; ++i) {
    s += std::to_string(i) + "," + random_field(r) + "," + random_field(r);
    if (i + 1 < rows || r() % 2) s += r() % 4 ? "\n" : "\r\n";
  }
  return s;
}

// Files whose reads return random shorter counts are refused by the interface ("fewer only at the
// end"), so chunks vary through split sizes, poll sizes and restores.
struct reading {
  environment env;
  source_spec spec;
  std::vector<source_split> todo;
  std::map<std::string, std::vector<std::string>> rows;  // by split
};

void read_randomly(reading& x, rng& r) {
  std::vector<source_split> todo = x.todo;
  while (!todo.empty()) {
    auto reader = *make_reader(x.spec);
    REQUIRE(reader->open(x.env.context()).ok());
    size_t give = 1 + r() % todo.size();
    for (size_t i = 0; i < give; ++i) REQUIRE(reader->add_split(todo[i]).ok());
    todo.erase(todo.begin(), todo.begin() + static_cast<ptrdiff_t>(give));
    size_t polls = r() % 20;
    bool finished = false;
    for (size_t i = 0; i < polls && !finished; ++i) {
      auto p = reader->poll(static_cast<uint32_t>(1 + r() % 40));
      if (!p) FAIL(p.err().message);
      if (p->rows) append_rows(x.rows[std::string(p->split_id)], *p->rows);
      finished = p->what == polled::state::finished;
    }
    // A crash: what the snapshot names is read again, by whoever gets it.
    for (auto& s : reader->snapshot()) todo.push_back(std::move(s));
    std::shuffle(todo.begin(), todo.end(), r);
  }
}

}  // namespace

TEST_CASE("a byte order mark does not hide the first record from a tiny first range") {
  temporary_folder dir;
  environment env;
  write_file(dir / "t.csv",
             "\xEF\xBB\xBF"
             "1\n2\n");
  auto columns = schema_of({{"n", type_id::int32}});
  for (auto size : {"1", "2", "3", "4", "100"}) {
    CAPTURE(std::string(size));
    auto spec = file_source(dir / "t.csv", columns, {{"split_size", size}});
    CHECK(*read_all(env, spec) == std::vector<std::string>{"1", "2"});
  }
}

TEST_CASE("any cut, poll size and restore point reads the same records") {
  uint64_t seeds = std::getenv("WEIR_LONG") ? 2000 : 150;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    rng r(seed);
    temporary_folder dir;
    reading x;
    bool header = r() % 2;
    auto text = random_csv(r, r() % 300, header);
    write_file(dir / "t.csv", text);
    x.spec = file_source(dir / "t.csv",
                         schema_of({{"a", type_id::int64},
                                    {header ? "b\nb" : "b", type_id::string},
                                    {"c", type_id::string}}),
                         {{"header", header ? "true" : "false"}});
    auto plain = read_all(x.env, x.spec);
    if (!plain) FAIL(plain.err().message);
    x.spec.options["split_size"] =
        std::to_string(1 + text.size() / 150 + r() % (r() % 2 ? 40 : 4000));
    auto enumerator = *make_enumerator(x.spec, *x.env.files, 3);
    auto found = enumerator->discover();
    REQUIRE(found.ok());
    x.todo = found->splits;
    read_randomly(x, r);
    std::vector<std::string> all;
    for (const auto& s : found->splits)
      for (auto& row : x.rows[s.id]) all.push_back(row);
    REQUIRE(all == *plain);
    // A job that continues cuts a file that has grown at the same places.
    append_to(dir / "t.csv", "\n1,x,y\n");
    std::vector<std::string> ids;
    for (const auto& s : found->splits) ids.push_back(s.id);
    auto again = *make_enumerator(x.spec, *x.env.files, 7);
    again->restore(ids);
    auto seen = again->discover();
    REQUIRE(seen.ok());
    REQUIRE(seen->splits.size() == ids.size());
    for (size_t i = 0; i < ids.size(); ++i) CHECK(seen->splits[i].id == ids[i]);
  }
}

TEST_CASE("a large file: many blocks, long records, an executor with threads") {
  temporary_folder dir;
  environment env;
  env.io = make_thread_executor(2);
  std::string text, expected_last;
  for (int i = 0; i < 60000; ++i) {
    std::string filler(static_cast<size_t>(i % 97), 'x');
    if (i % 20000 == 19999) filler = std::string(700000, 'y') + "\n";
    text += std::to_string(i) + ",\"" + filler + "\"\n";
  }
  write_file(dir / "big.csv", text);
  auto spec =
      file_source(dir / "big.csv", schema_of({{"n", type_id::int64}, {"s", type_id::string}}));
  auto enumerator = *make_enumerator(spec, *env.files, 4);
  auto found = *enumerator->discover();
  CHECK(found.splits.size() > 4);
  auto reader = *make_reader(spec);
  REQUIRE(reader->open(env.context()).ok());
  uint64_t weight = 0;
  for (auto& s : found.splits) {
    weight += s.weight;
    REQUIRE(reader->add_split(s).ok());
  }
  CHECK(weight == text.size());
  int64_t rows = 0, sum = 0;
  for (;;) {
    auto p = reader->poll(8192);
    if (!p) FAIL(p.err().message);
    if (p->rows)
      for (uint32_t i = 0; i < p->rows->rows; ++i, ++rows)
        sum += p->rows->columns[0]->data<int64_t>()[i];
    if (p->what == polled::state::finished) break;
    if (p->what == polled::state::pending) std::this_thread::yield();
  }
  CHECK(rows == 60000);
  CHECK(sum == int64_t{59999} * 60000 / 2);
  CHECK(env.metrics.bytes_in == text.size());
}
