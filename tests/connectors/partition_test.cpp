// Sources whose files lie in folders as Hive lays them out.
#include <doctest/doctest.h>

#include "runtime/connectors/file_partitions.hpp"
#include "support.hpp"

using namespace weir;
using namespace weir::test;
using rows = std::vector<std::string>;

namespace {

/// Folders of day and s with a file of numbers each.
struct partitioned_folder {
  temporary_folder dir;
  environment env;
  schema_ptr columns =
      schema_of({{"day", type_id::date}, {"n", type_id::int64}, {"s", type_id::string}});

  void file(const std::string& folder, const std::string& name, std::string_view text) {
    fs::create_directories(dir.path / folder);
    write_file(dir / (folder + "/" + name), text);
  }
  source_spec table(const std::string& path, option_map options = {}) {
    options.emplace("partition_by", "day, s");
    return file_source(dir / path, columns, std::move(options));
  }
  rows read(const source_spec& spec) {
    auto found = read_all(env, spec);
    if (!found) FAIL(found.err().message);
    std::sort(found->begin(), found->end());
    return *found;
  }
  std::string refused(const source_spec& spec) {
    auto found = read_all(env, spec);
    return found ? std::string() : found.err().message;
  }
};

/// `column = value` over the table's columns.
expr::node_ptr condition(const std::string& text, const schema_ptr& columns) {
  auto bound = expr::bind_as(text, *columns, type_id::boolean);
  if (!bound) FAIL(bound.err().message);
  return *bound;
}

}  // namespace

TEST_CASE("partitioned source: columns from the folders' names, wherever they stand") {
  partitioned_folder t;
  t.file("t/day=2026-01-02/s=a%2Fb%3Dc", "x.csv", "1\n2\n");
  t.file("t/day=2026-01-02/s=", "x.csv", "3\n");
  t.file("t/day=__HIVE_DEFAULT_PARTITION__/s=__HIVE_DEFAULT_PARTITION__", "x.csv", "4\n");
  t.file("t/day=2026-01-03/s=100%25%zz", "x.csv", "5\n");
  t.file("t/day=2026-01-03/s=x", "_SUCCESS", "what others leave");
  t.file("t/day=2026-01-03/s=x", ".hidden.csv", "6\n");
  const rows all{"2026-01-02|1|a/b=c", "2026-01-02|2|a/b=c", "2026-01-02|3|",
                 "2026-01-03|5|100%%zz", "NULL|4|NULL"};
  CHECK(t.read(t.table("t")) == all);
  CHECK(t.read(t.table("t/")) == all);
  CHECK(t.read(t.table("t/*/*/*.csv")) == all);
  CHECK(t.read(t.table("t/**/*.csv", {{"partition_by", "s,day"}})) == all);
  CHECK(t.read(t.table("t/day=2026-01-02/s=/x.csv")) == rows{"2026-01-02|3|"});

  // Of columns that a job leaves out nothing is parsed, but the file's fields keep their places.
  auto some = t.table("t");
  some.table_columns = {"day", "n", "s"};
  some.columns = schema_of({{"s", type_id::string}});
  some.physical_columns = 1;
  CHECK(t.read(some) == rows{"", "100%%zz", "NULL", "a/b=c", "a/b=c"});
  some.columns = schema_of({{"n", type_id::int64}});
  CHECK(t.read(some) == rows{"1", "2", "3", "4", "5"});
}

TEST_CASE("partition names: the text that stands for NULL reads back as a text") {
  partitioned_folder t;
  const std::string text = "__HIVE_DEFAULT_PARTITION__";
  CHECK(partition_name("s", {}) == "s=" + text);
  CHECK(partition_name("s", text) == "s=%5F_HIVE_DEFAULT_PARTITION__");
  CHECK(partition_name("s", text + "x") == "s=" + text + "x");
  // A folder's value is read as a cast reads it.
  t.file("t/day=2026-01-02 10:00/" + partition_name("s", text), "x.csv", "1\n");
  t.file("t/day=2026-01-02/" + partition_name("s", {}), "x.csv", "2\n");
  CHECK(t.read(t.table("t")) == rows{"2026-01-02|1|" + text, "2026-01-02|2|NULL"});
}

TEST_CASE("partitioned source: headers, JSON lines, generated columns, many rows") {
  partitioned_folder t;
  t.file("c/day=2026-01-02/s=x", "p.csv", "n\n1\n");
  CHECK(t.read(t.table("c", {{"header", "true"}})) == rows{"2026-01-02|1|x"});
  // A member of a partition's name in the file is not the column.
  t.file("j/day=2026-01-02/s=x", "p.json", "{\"n\":1,\"s\":\"other\"}\n{}\n");
  auto json = t.table("j", {{"format", "json"}});
  CHECK(t.read(json) == rows{"2026-01-02|1|x", "2026-01-02|NULL|x"});
  auto more = std::make_shared<schema>(*json.columns);
  more->fields.push_back({"text", type_id::string, true});
  json.generated = {*expr::bind_as("s || n", *json.columns, type_id::string)};
  json.columns = more;
  CHECK(t.read(json) == rows{"2026-01-02|1|x|x1", "2026-01-02|NULL|x|NULL"});
  std::string numbers;
  rows expected;
  for (int i = 100000; i < 130000; ++i) {
    numbers += std::to_string(i) + '\n';
    expected.push_back("2026-01-02|" + std::to_string(i) + "|x");
  }
  t.file("m/day=2026-01-02/s=x", "p.csv", numbers);
  CHECK(t.read(t.table("m", {{"split_size", "10KiB"}})) == expected);
}

TEST_CASE("partitioned source: what is wrong is named") {
  partitioned_folder t;
  t.file("t/day=2026-01-02", "x.csv", "1\n");
  t.file("bad/day=never/s=x", "x.csv", "1\n");
  CHECK(t.refused(t.table("t/*/*.csv")) == "option partition_by names \"s\", but " +
                                               (t.dir / "t/day=2026-01-02/x.csv") +
                                               " lies in no folder s=...");
  CHECK(t.refused(t.table("bad")) ==
        (t.dir / "bad/day=never/s=x/x.csv") + ": column day: \"never\" is not a valid date");
  CHECK(t.refused(t.table("t")) == "no file matches " + (t.dir / "t/day=*/s=*/[!_]*"));
  option_map options{{"connector", "file"}, {"path", "t"}, {"partition_by", "dya"}};
  auto s = check_source_table("file", "t", *t.columns, options);
  REQUIRE(!s.ok());
  CHECK(
      s.err().message ==
      "option partition_by names \"dya\", which is no column of the table; did you mean \"day\"?");
}

TEST_CASE("partitioned source: files without rows for the job are not read") {
  partitioned_folder t;
  t.file("t/day=2026-01-02/s=x", "x.csv", "1\n");
  t.file("t/day=2026-01-03/s=0", "x.csv", "2\n");
  t.file("t/day=__HIVE_DEFAULT_PARTITION__/s=y", "x.csv", "not a number\n");
  auto spec = t.table("t");
  spec.split_filter = condition("day >= '2026-01-03'", t.columns);
  CHECK(t.read(spec) == rows{"2026-01-03|2|0"});
  // What fails may be true.
  spec.split_filter = condition("day IS NOT NULL AND 1 / length(s) > 0 AND s::int = 0", t.columns);
  CHECK(t.read(spec) == rows{"2026-01-02|1|x", "2026-01-03|2|0"});
  spec.split_filter = condition("day > '2030-01-01'", t.columns);
  CHECK(t.read(spec).empty());
  spec.split_filter = condition("n > 1", t.columns);
  CHECK(t.refused(spec) == "the condition on files reads a column that the files hold");
}

TEST_CASE("partitioned source: folders that come while a job follows") {
  partitioned_folder t;
  t.file("t/day=2026-01-02/s=x", "x.csv", "1\n");
  auto spec = t.table("t", {{"follow", "true"}});
  auto found = *make_enumerator(spec, *t.env.files, 1);
  CHECK(found->discover()->splits.size() == 1);
  t.file("t/day=2026-01-03/s=y", "x.csv", "2\n");
  auto now = found->discover();
  REQUIRE(now->splits.size() == 2);
  auto reader = *make_reader(spec);
  REQUIRE(reader->open(t.env.context()).ok());
  for (auto& s : now->splits) REQUIRE(reader->add_split(s).ok());
  rows got;
  // A tail has nothing at times: ask until both files' rows are there.
  for (int i = 0; i < 100 && got.size() < 2; ++i) REQUIRE(drain(*reader, got, 100, true).ok());
  std::sort(got.begin(), got.end());
  CHECK(got == rows{"2026-01-02|1|x", "2026-01-03|2|y"});
}
