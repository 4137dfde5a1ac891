#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

#include <set>

#include "runtime/connectors/dead_letters.hpp"
#include "runtime/connectors/memory_source.hpp"
#include "runtime/connectors/options.hpp"
#include "runtime/expr/expr.hpp"
#include "support.hpp"

using namespace weir;
using namespace weir::test;
using rows = std::vector<std::string>;

namespace {

const auto line = schema_of({{"line", type_id::string}});
const option_map raw{{"format", "raw"}};

std::string gzip(std::string_view s) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, s.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(s.data()));
  z.avail_in = static_cast<uInt>(s.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}
std::string zstd(std::string_view s) {
  std::string out(ZSTD_compressBound(s.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), s.data(), s.size(), 3));
  return out;
}
std::string many_lines(int n) {
  std::string s;
  for (int i = 0; i < n; ++i) s += "line " + std::to_string(i) + "\n";
  return s;
}
std::string message_of(const status& s) {
  return s ? std::string() : s.err().message;
}

// A reader of one tailed path.
struct tail {
  environment& env;
  source_spec spec;
  std::unique_ptr<source_reader> reader;
  explicit tail(environment& e, source_spec s) : env(e), spec(std::move(s)) {}
  void start(std::vector<source_split> splits) {
    reader = *make_reader(spec);
    REQUIRE(reader->open(env.context()).ok());
    for (auto& s : splits) REQUIRE(reader->add_split(std::move(s)).ok());
  }
  void start() {
    auto found = *(*make_enumerator(spec, *env.files, 1))->discover();
    CHECK_FALSE(found.bounded);
    start(std::move(found.splits));
  }
  rows read() {
    rows out;
    auto s = drain(*reader, out, 100, true);
    if (!s) FAIL(s.err().message);
    return out;
  }
};

}  // namespace

TEST_CASE("gz and zst, several members and frames, and positions in them") {
  temporary_folder dir;
  environment env;
  auto a = many_lines(30000), b = many_lines(5);
  write_file(dir / "t.gz", gzip(a) + gzip(b));
  write_file(dir / "t.zst", zstd(a) + zstd(b));
  write_file(dir / "t.txt", a + b);
  auto expected = *read_all(env, file_source(dir / "t.txt", line, raw));
  CHECK(expected.size() == 30005);
  for (std::string name : {"t.gz", "t.zst"}) {
    auto spec = file_source(dir / name, line, raw);
    CHECK(*read_all(env, spec) == expected);
    auto found = *(*make_enumerator(spec, *env.files, 4))->discover();
    REQUIRE(found.splits.size() == 1);
    rows got;
    auto splits = found.splits;
    for (int life = 0; life < 5; ++life) {
      auto reader = *make_reader(spec);
      REQUIRE(reader->open(env.context()).ok());
      for (auto& s : splits) REQUIRE(reader->add_split(s).ok());
      for (int i = 0; i < 3; ++i) {
        auto p = *reader->poll(2500);
        if (p.rows) append_rows(got, *p.rows);
      }
      splits = reader->snapshot();
    }
    CHECK(got == expected);
    CHECK(splits.empty());
    auto bytes = read_file(dir / name);
    write_file(dir / name, bytes.substr(0, bytes.size() - 9));
    auto cut = read_all(env, spec);
    REQUIRE_FALSE(cut.ok());
    CHECK(cut.err().code == errc::corrupt);
  }
}

TEST_CASE("globs are sorted; no match is an error") {
  temporary_folder dir;
  environment env;
  write_file(dir / "b.txt", "b\n");
  write_file(dir / "a.txt", "a");
  write_file(dir / "c.log", "c\n");
  CHECK(*read_all(env, file_source(dir / "*.txt", line, raw)) == rows{"a", "b"});
  auto none = read_all(env, file_source(dir / "*.csv", line, raw));
  REQUIRE_FALSE(none.ok());
  CHECK(none.err().message == "no file matches " + (dir / "*.csv"));
}

TEST_CASE("JSON: what has no number of its own, and Debezium's encodings") {
  temporary_folder dir;
  environment env;
  const auto path = dir / "t.json";
  const auto columns = schema_of({{"f", type_id::float64},
                                  {"n", type_id::decimal},
                                  {"d", type_id::date},
                                  {"t", type_id::timestamp}});
  auto nested = std::make_shared<schema>();
  nested->fields.push_back({"f", *parse_type("double precision[]"), true});
  nested->fields.push_back(
      {"s", *parse_type("struct(n numeric(10, 2), d date, t timestamp)"), true});
  auto read = [&](std::string text, option_map options, schema_ptr type) {
    if (options["format"] == "debezium_json") text = "{\"after\":" + text + ",\"op\":\"c\"}";
    write_file(path, text);
    auto found = read_all(env, file_source(path, type, std::move(options)));
    return found ? found->at(0) : found.err().message.substr(path.size() + 4);
  };
  const option_map json{{"format", "json"}}, debezium{{"format", "debezium_json"}};
  const auto with = [](option_map options, const std::string& unit) {
    options["timestamp_unit"] = unit;
    return options;
  };
  for (const auto& format : {json, debezium}) {
    CHECK(read(R"({"f":"NaN"})", format, columns) == "NaN|NULL|NULL|NULL");
    CHECK(read(R"({"f":"Infinity"})", format, columns) == "Infinity|NULL|NULL|NULL");
    CHECK(read(R"({"f":"-Infinity"})", format, columns) == "-Infinity|NULL|NULL|NULL");
    CHECK(read(R"({"f":["NaN",1.5,"-Infinity"]})", format, nested) == "{NaN,1.5,-Infinity}|NULL");
    for (auto text : {"1.5", "nan", "inf", ""})
      CHECK(read("{\"f\":\"" + std::string(text) + "\"}", format, columns) ==
            "column f: a string where double precision is expected");
    CHECK(read(R"({"t":1704067200000})", format, columns) ==
          "column t: a number where timestamp is expected; the option timestamp_unit "
          "(milliseconds, microseconds) says what it counts");
    CHECK(read(R"({"t":1704067200123})", with(format, "milliseconds"), columns) ==
          "NULL|NULL|NULL|2024-01-01 00:00:00.123");
    CHECK(read(R"({"t":-1})", with(format, "microseconds"), columns) ==
          "NULL|NULL|NULL|1969-12-31 23:59:59.999999");
    CHECK(read(R"({"t":"2024-01-01T00:00:00Z"})", with(format, "microseconds"), columns) ==
          "NULL|NULL|NULL|2024-01-01 00:00:00");
    for (auto number : {"9223372036854775807", "1.5", "1e3"})
      CHECK(read("{\"t\":" + std::string(number) + "}", with(format, "milliseconds"), columns) ==
            "column t: '" + std::string(number) + "' is not a valid timestamp");
  }
  CHECK(read(R"({"n":"12.50"})", json, columns) ==
        "column n: a string where decimal(38,2) is expected");
  CHECK(read(R"({"d":19723})", json, columns) == "column d: a number where date is expected");
  CHECK(read(R"({"n":"12.50","d":19723})", debezium, columns) == "NULL|12.50|2024-01-01|NULL");
  CHECK(read(R"({"n":"-0.005","d":-1})", debezium, columns) == "NULL|-0.01|1969-12-31|NULL");
  CHECK(read(R"({"n":"BOI="})", debezium, columns) ==
        "column n: 'BOI=' is not a valid decimal(38,2)");
  CHECK(read(R"({"d":2147483648})", debezium, columns) ==
        "column d: '2147483648' is not a valid date");
  CHECK(read(R"({"s":{"n":"7.1","d":0,"t":1}})", with(debezium, "milliseconds"), nested) ==
        R"(NULL|(7.10,1970-01-01,"1970-01-01 00:00:00.001"))");
  CHECK(read(R"({"s":{"t":1}})", debezium, nested)
            .find("column s.t: a number where timestamp is expected; the option") == 0);
  CHECK(check_options("file", {{"path", "x"}, {"timestamp_unit", "milliseconds"}}, false)
            .err()
            .message == "option timestamp_unit belongs to formats of JSON, but the format is csv");
}

TEST_CASE("upserts: a key and its row, or none, file after file") {
  temporary_folder dir;
  environment env;
  auto columns = std::make_shared<schema>(
      *schema_of({{"k", type_id::string}, {"n", type_id::int64}, {"v", type_id::string}}));
  columns->fields[0].nullable = columns->fields[1].nullable = false;  // the PRIMARY KEY
  // The parts would be read side by side if their lines meant something by themselves.
  const option_map upserts{{"format", "upsert_json"}, {"split_size", "64"}};
  auto read = [&](const std::vector<std::string>& files) {
    for (size_t i = 0; i < files.size(); ++i)
      write_file(dir / ("u" + std::to_string(i) + ".json"), files[i]);
    auto spec = file_source(dir / "u*.json", columns, upserts);
    rows out;
    auto e = *make_enumerator(spec, *env.files, 1);
    auto reader = *make_reader(spec);
    REQUIRE(reader->open(env.context()).ok());
    const auto found = *e->discover();
    CHECK(found.splits.size() == files.size());
    for (const auto& s : found.splits) REQUIRE(reader->add_split(s).ok());
    for (;;) {
      auto p = reader->poll(3);
      if (!p) return rows{p.err().message.substr(p.err().message.find(": ") + 2)};
      if (p->rows) {
        append_rows(out, *p->rows);
        for (uint32_t i = 0; i < p->rows->rows; ++i)
          out[out.size() - p->rows->rows + i] += p->rows->weight(i) > 0 ? "+" : "-";
      }
      if (p->what == polled::state::finished) return out;
    }
  };
  CHECK(read({R"({"key":{"k":"a","n":1},"value":{"k":"a","n":1,"v":"x"}})"
              "\n"
              R"({"key":{"n":2,"k":"b"},"value":{"v":"y"}})"
              "\n"
              R"({"value":null,"key":{"k":"a","n":1}})"
              "\n",
              R"({"value":{"v":"z","k":"other","more":[1,{}]},"key":{"k":"b","n":2},"at":5})"
              "\n"
              R"({"key":{"k":null,"n":3},"value":{}})"}) ==
        rows{"a|1|x+", "b|2|y+", "a|1|NULL-", "b|2|z+", "NULL|3|NULL+"});
  fs::remove(dir / "u1.json");
  auto refused = [&](const std::string& text) { return read({text}).at(0); };
  CHECK(refused(R"({"key":{"k":"a"},"value":{"n":1}})") ==
        "the key has no member \"n\" of the PRIMARY KEY");
  CHECK(refused(R"({"key":{"k":"a","n":1}})") == "no member \"value\": not an upsert");
  CHECK(refused(R"({"value":{"k":"a","n":1}})") == "no member \"key\": not an upsert");
  CHECK(refused(R"({"key":{"k":"a","n":1},"key":{},"value":null})") ==
        "member \"key\" occurs more than once");
  CHECK(refused(R"({"key":7,"value":null})") == "member \"key\" is a number, not an object");
  CHECK(refused(R"({"key":null,"value":null})") == "member \"key\" is null, not an object");
  CHECK(refused(R"({"key":{"k":"a","n":1},"value":{"v":"x","v":"y"}})") ==
        "member \"v\" occurs more than once");
  CHECK(refused(R"({"key":{"k":"a","n":1},"value":{"v":5}})") ==
        "column v: a number where text is expected");
  CHECK(refused(R"({"key":{"k":"a","n":1},"value":null} more)").find("not a valid JSON") == 0);
  CHECK(refused(R"({"key":{"k":"a","n":1,"value":null})").find("not a valid JSON object") == 0);
}

TEST_CASE("a folder that a sink wrote: its parts by run, epoch, task and number") {
  temporary_folder dir;
  environment env;
  const auto path = dir / "t";
  auto refused = [&](const std::string& which) {
    auto found = read_all(env, file_source(which, line, raw));
    return found ? std::string() : found.err().message;
  };
  CHECK(refused(path) == "no file matches " + path);
  fs::create_directories(path);
  CHECK(*read_all(env, file_source(path, line, raw)) == rows{});
  auto part = [&path](const std::string& name, const std::string& text, int hours_ago) {
    write_file(path + "/" + name, text);
    fs::last_write_time(path + "/" + name,
                        fs::file_time_type::clock::now() - std::chrono::hours(hours_ago));
  };
  part("part-a2-0-10-3.csv", "3\n", 1);
  part("part-a2-0-9-2.csv", "1\n", 3);
  part("part-a2-1-9-0.csv", "2\n", 3);
  part("part-b1-0-12-0.csv", "0\n", 5);  // an earlier run
  part(".part-a2-0-4.x.inprogress", "unfinished\n", 0);
  part("_SUCCESS", "of others\n", 0);
  part("more.csv", "4\n", 9);
  fs::create_directories(path + "/.git");
  CHECK(*read_all(env, file_source(path, line, raw)) == rows{"0", "1", "2", "3", "4"});
  CHECK(*read_all(env, file_source(path + "/", line, raw)) == rows{"0", "1", "2", "3", "4"});
  CHECK(*read_all(env, file_source(path + "/part-b*", line, raw)) == rows{"0"});

  // Rows below it are not left out silently.
  fs::create_directories(path + "/k=1");
  CHECK(refused(path) == path +
                             " has folders (k=1), whose files are not read; name the columns "
                             "that they stand for in partition_by, or the files by a pattern (" +
                             path + "/*/*)");
  fs::create_directories(dir / "u/x");
  CHECK(refused(dir / "u").find("has folders (x)") != std::string::npos);
}

TEST_CASE("follow: growth, rotation by rename, truncation, restarts") {
  temporary_folder dir;
  environment env;
  auto path = dir / "app.log";
  tail t(env, file_source(path, line, {{"format", "raw"}, {"follow", "true"}}));
  t.start();
  CHECK(t.read().empty());  // the file may come later
  write_file(path, "one\ntw");
  CHECK(t.read() == rows{"one"});
  append_to(path, "o\n");
  CHECK(t.read() == rows{"two"});
  append_to(path, "three\nopen end");
  fs::rename(path, dir / "app.log.1");
  write_file(path, "");
  CHECK(t.read() == rows{"three"});
  append_to(dir / "app.log.1", "ing");  // the writer has not moved on yet
  CHECK(t.read().empty());
  write_file(path, "four\n");
  CHECK(t.read() == rows{"open ending", "four"});
  write_file(path, "");
  CHECK(t.read().empty());
  append_to(path, "5\n");
  CHECK(t.read() == rows{"5"});
  CHECK(t.reader->position() == path + ":1");
  // Rotated while nobody reads: the rest of the old file is found by its inode.
  auto splits = t.reader->snapshot();
  REQUIRE(splits.size() == 1);
  append_to(path, "six\n");
  fs::rename(path, dir / "app.log.2");
  write_file(path, "seven\n");
  t.start(splits);
  CHECK(t.read() == rows{"six", "seven"});
  t.start(splits);
  CHECK(t.read() == rows{"six", "seven"});
  auto p = *t.reader->poll(10);
  CHECK(p.what == polled::state::pending);
  CHECK(p.wake_at == env.time.now() + 50'000);
}

TEST_CASE("follow: files that were rotated faster than they were looked at") {
  // Names after `n` rotations: by counter, by date, and with the counter within the name.
  auto counter = [](int n) { return "app.log." + std::to_string(n); };
  auto date = [](int n) { return "app.log-2024013" + std::to_string(9 - n); };
  auto within = [](int n) { return "app." + std::to_string(n) + ".log"; };
  for (const auto& name : {std::function<std::string(int)>(counter), {date}, {within}}) {
    for (bool restarted : {false, true}) {
      CAPTURE(name(1));
      CAPTURE(restarted);
      temporary_folder dir;
      environment env;
      auto path = dir / "app.log";
      int64_t tick = 0;  // a clock that ticks at every write, whatever the file system's is like
      auto write = [&](const std::string& text) {
        append_to(path, text);
        fs::last_write_time(path, fs::file_time_type(std::chrono::seconds(++tick)));
      };
      auto rotate = [&](const std::string& text) {
        for (int n = 9; n > 0; --n)
          if (fs::exists(dir / name(n))) fs::rename(dir / name(n), dir / name(n + 1));
        fs::rename(path, dir / name(1));
        write(text);
      };
      write("old\n");
      rotate("one\ntwo");  // what was rotated before the tail began is none of its business
      tail t(env, file_source(path, line, {{"format", "raw"}, {"follow", "true"}}));
      t.start();
      CHECK(t.read() == rows{"one"});
      auto splits = t.reader->snapshot();
      write("!\nthree\n");
      rotate("four\n");
      rotate("five\nsix\n");
      rotate("");
      write_file(dir / "app.log.1.gz", "not read");
      write_file(dir / "app.log.bak", "not read\n");
      write_file(dir / "other.log.1", "not read\n");
      if (restarted) t.start(splits);
      CHECK(t.read() == rows{"two!", "three", "four", "five", "six"});
      splits = t.reader->snapshot();
      write("seven\n");
      if (restarted) t.start(splits);
      CHECK(t.read() == rows{"seven"});
      // The oldest goes while its reader is behind: the rest is still read.
      write("eight\n");
      if (restarted) continue;
      rotate("nine\n");
      rotate("ten\n");
      CHECK(t.read() == rows{"eight", "nine", "ten"});
      rotate("eleven\n");
      rotate("twelve\n");
      fs::remove(dir / name(2));
      CHECK(t.read() == rows{"eleven", "twelve"});
    }
  }
}

TEST_CASE("follow: a writer that writes in pieces, and truncates in place") {
  temporary_folder dir;
  environment env;
  auto path = dir / "app.log";
  write_file(path, "k,v\n");
  tail t(env, file_source(path, schema_of({{"k", type_id::string}, {"v", type_id::int32}}),
                          {{"follow", "true"}, {"header", "true"}}));
  t.start();
  const std::string text = "a,1\n\"b\nc\",22\r\n\"d \"\"e\"\"\",3\n";
  rows got;
  for (char c : text) {
    append_to(path, std::string_view(&c, 1));
    for (auto& r : t.read()) got.push_back(r);
    t.start(t.reader->snapshot());  // wherever it stands, a restart loses and repeats nothing
  }
  CHECK(got == rows{"a|1", "b\nc|22", "d \"e\"|3"});
  // The header comes again; what had no end before the truncation is gone with its line.
  write_file(path, "v,k\n7,x\n");
  CHECK(t.read().empty());  // what was read ahead before
  CHECK(t.read() == rows{"x|7"});
  auto splits = t.reader->snapshot();
  write_file(path, "k,v\n");
  t.start(splits);  // truncated while nobody reads
  CHECK(t.read().empty());
  append_to(path, "y,8\n");
  CHECK(t.read() == rows{"y|8"});
}

TEST_CASE("follow over a glob: each file by its inode; a CSV header in each") {
  temporary_folder dir;
  environment env;
  write_file(dir / "a.csv", "n,x\n1,0\n");
  tail t(env, file_source(dir / "*.csv", schema_of({{"n", type_id::int32}}),
                          {{"follow", "true"}, {"header", "true"}}));
  auto enumerator = *make_enumerator(t.spec, *env.files, 1);
  auto first = *enumerator->discover();
  t.start(first.splits);
  CHECK(t.read() == rows{"1"});
  fs::rename(dir / "a.csv", dir / "b.csv");
  write_file(dir / "a.csv", "x,n\n0,7\n");
  append_to(dir / "b.csv", "2,0\n");
  auto second = *enumerator->discover();
  REQUIRE(second.splits.size() == 2);
  int fresh = 0;
  for (auto& s : second.splits)
    if (s.id != first.splits[0].id) {
      ++fresh;
      REQUIRE(t.reader->add_split(s).ok());
    }
  CHECK(fresh == 1);
  auto got = t.read();
  std::sort(got.begin(), got.end());
  CHECK(got == rows{"2", "7"});
}

TEST_CASE("on_error: fail, skip, dead_letter over restarts; generated columns too") {
  temporary_folder dir;
  environment env;
  std::string text = "n,d\n";
  for (int i = 0; i < 40; ++i)
    text += (i % 10 == 3 ? "x" + std::to_string(i) + "\"\n\"" : std::to_string(i)) + "," +
            std::to_string(i % 8) + "\n";
  text += "7\n\xFF,1\n";
  write_file(dir / "t.csv", text);
  auto columns = schema_of({{"n", type_id::int32}, {"d", type_id::int32}, {"q", type_id::int32}});
  auto spec = file_source(dir / "t.csv", columns, {{"header", "true"}});
  spec.physical_columns = 2;
  schema physical;
  physical.fields.assign(columns->fields.begin(), columns->fields.begin() + 2);
  auto q = expr::bind("n / d", physical);
  REQUIRE(q.ok());
  spec.generated = {*q};
  auto failed = read_all(env, spec, 3);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.err().message.find("t.csv:2: division by zero") != std::string::npos);

  rows expected;
  for (int i = 0; i < 40; ++i)
    if (i % 10 != 3 && i % 8 != 0)
      expected.push_back(std::to_string(i) + "|" + std::to_string(i % 8) + "|" +
                         std::to_string(i / (i % 8)));
  spec.on_error = error_policy::skip;
  auto kept = read_all(env, spec);
  REQUIRE(kept.ok());
  CHECK(*kept == expected);
  CHECK(env.metrics.errors_skipped == 4 + 5 + 2);

  spec.on_error = error_policy::dead_letter;
  spec.dead_letter_path = dir / "dead";
  std::string whole;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 r(seed);
    auto splits = (*(*make_enumerator(spec, *env.files, 1))->discover()).splits;
    rows got;
    while (!splits.empty()) {
      auto reader = *make_reader(spec);
      REQUIRE(reader->open(env.context()).ok());
      for (auto& s : splits) REQUIRE(reader->add_split(s).ok());
      auto last = reader->snapshot();
      auto durable = got;
      for (uint64_t i = r() % 12; i > 0; --i) {
        auto p = reader->poll(1 + r() % 6);
        if (!p) FAIL(p.err().message);
        if (p->rows) append_rows(got, *p->rows);
        if (r() % 2) last = reader->snapshot(), durable = got;
      }
      splits = last;  // a crash: what came after the last snapshot is lost
      got = durable;
    }
    CHECK(got == expected);
    std::string letters;
    size_t files = 0;
    for (const auto& e : fs::directory_iterator(dir / "dead"))
      ++files, letters += read_file(e.path().string());
    CHECK(files == 1);
    CHECK(std::count(letters.begin(), letters.end(), '\n') == 11);
    if (whole.empty()) whole = letters;
    CHECK(std::is_permutation(letters.begin(), letters.end(), whole.begin(), whole.end()));
    CHECK(letters.find("t.csv:2\",\"cause\":\"division by zero in (n / d)\",\"raw\":\"0,0\"}") !=
          std::string::npos);
    CHECK(letters.find("t.csv:5\",\"cause\":\"column n: 'x3\\n' is not a valid "
                       "int\",\"raw\":\"x3\\\"\\n\\\",3\"}") != std::string::npos);
    CHECK(letters.find("expected 2 fields, found 1") != std::string::npos);
    CHECK(letters.find("\"raw_base64\":\"/ywx\"") != std::string::npos);
  }
}

TEST_CASE("on_error: a quote that is never closed, and records that are too long") {
  temporary_folder dir;
  environment env;
  auto columns = schema_of({{"k", type_id::string}, {"v", type_id::int32}});
  option_map options{{"header", "true"}, {"record_size_max", "400KiB"}};
  const std::string huge(3u << 20, 'x');
  struct example {
    std::string text;
    rows good, causes;
  };
  const std::vector<example> examples = {
      {"a,1\n\"b,2\nc,3\n", {"a|1", "c|3"}, {"t.csv:3: a quoted field is not closed; "}},
      {"a,1\nb,\"2", {"a|1"}, {"t.csv:3: a quoted field is not closed; "}},
      {"a,1\n" + huge + ",2\nc,3\n", {"a|1", "c|3"}, {"t.csv:3: the record is longer than "}},
      {"a,1\n" + huge, {"a|1"}, {"t.csv:3: the record is longer than "}},
      {huge + "\n" + huge + "\nc,3", {"c|3"}, {"t.csv:2: the record is", "t.csv:3: the record is"}},
      {"a,1\n\"b,2\n\"" + huge + "\",2\n\"c\nd\",4\n",
       {"a|1", "c\nd|4"},
       {"t.csv:3: the record is longer", "t.csv:4: a quoted field is not closed within"}},
  };
  for (const auto& e : examples) {
    CAPTURE(e.causes[0]);
    write_file(dir / "t.csv", "k,v\n" + e.text);
    // Where ranges begin depends on the quotes before them, so with one too many there is one
    // range.
    if (e.causes.size() == 2) options["split_size"] = "64MiB";
    auto spec = file_source(dir / "t.csv", columns, options);
    auto failed = read_all(env, spec);
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.err().code == errc::parse);
    CHECK(failed.err().message.find(e.causes[0]) != std::string::npos);
    spec.on_error = error_policy::dead_letter;
    spec.dead_letter_path = dir / "dead";
    fs::remove_all(dir / "dead");
    auto splits = (*(*make_enumerator(spec, *env.files, 1))->discover()).splits;
    rows got;
    for (int life = 0; life < 200 && !splits.empty(); ++life) {  // restarted at every step
      auto reader = *make_reader(spec);
      REQUIRE(reader->open(env.context()).ok());
      for (auto& s : splits) REQUIRE(reader->add_split(s).ok());
      for (int i = 0; i < 8; ++i) {
        auto p = reader->poll(1);
        if (!p) FAIL(p.err().message);
        if (p->rows) append_rows(got, *p->rows);
      }
      splits = reader->snapshot();
    }
    CHECK(got == e.good);
    std::string letters;
    for (const auto& f : fs::directory_iterator(dir / "dead"))
      letters += read_file(f.path().string());
    CHECK(static_cast<size_t>(std::count(letters.begin(), letters.end(), '\n')) == e.causes.size());
    for (const auto& cause : e.causes)
      CHECK(letters.find(cause.substr(0, cause.find(':', 6))) != std::string::npos);
  }
}

TEST_CASE("sequence: order, splits, restarts, rate") {
  environment env;
  source_spec spec;
  spec.connector = "sequence";
  spec.columns = schema_of({{"n", type_id::int64}});
  spec.physical_columns = 1;
  spec.options = {{"start", "-3"}, {"end", "100000"}};
  auto all = *read_all(env, spec);
  REQUIRE(all.size() == 100004);
  bool ordered = true;
  for (size_t i = 0; i < all.size(); ++i)
    ordered &= all[i] == std::to_string(static_cast<int64_t>(i) - 3);
  CHECK(ordered);
  auto found = *(*make_enumerator(spec, *env.files, 3))->discover();
  CHECK(found.splits.size() == 8);
  uint64_t weight = 0;
  for (auto& s : found.splits) weight += s.weight;
  CHECK(weight == 100004);

  spec.options = {{"rate", "1000"}};
  env.time.set(5'000'000);
  auto reader = *make_reader(spec);
  REQUIRE(reader->open(env.context()).ok());
  REQUIRE(
      reader->add_split((*make_enumerator(spec, *env.files, 3))->discover()->splits.at(0)).ok());
  auto p = *reader->poll(100);
  CHECK(p.what == polled::state::pending);
  CHECK(p.wake_at == 5'001'000);
  env.time.set(5'010'500);
  rows got;
  REQUIRE(drain(*reader, got, 100, true).ok());
  CHECK(got == rows{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"});
  auto splits = reader->snapshot();
  reader = *make_reader(spec);
  REQUIRE(reader->open(env.context()).ok());
  REQUIRE(reader->add_split(splits[0]).ok());
  got.clear();
  REQUIRE(drain(*reader, got, 100, true).ok());
  env.time.advance(2'000);
  REQUIRE(drain(*reader, got, 100, true).ok());
  CHECK(got == rows{"11", "12"});
}

TEST_CASE("memory: generated and registered tables") {
  environment env;
  source_spec spec;
  spec.connector = "memory";
  spec.columns = schema_of({{"k", type_id::int32}, {"v", type_id::int64}});
  spec.physical_columns = 2;
  spec.options = {{"rows", "20001"}, {"keys", "10"}, {"batch_rows", "1000"}, {"batches", "4"}};
  auto all = *read_all(env, spec);
  CHECK(all.size() == 20001);
  std::set<std::string> keys;
  for (auto& s : all) keys.insert(s.substr(0, s.find('|')));
  CHECK(keys.size() == 10);
  CHECK(*read_all(env, spec) == all);
  spec.options = {{"name", "t"}};
  CHECK(make_reader(spec).err().message == "no table is registered in memory as t");
}

TEST_CASE("options: nearest names, values and combinations") {
  auto check = [](std::string_view c, option_map o, bool sink = false) {
    return message_of(check_options(c, o, sink));
  };
  CHECK(check("file", {{"connector", "file"}, {"path", "x"}, {"header", "true"}}) == "");
  CHECK(check("file", {{"path", "x"}, {"heder", "true"}}).find("did you mean \"header\"?") !=
        std::string::npos);
  CHECK(check("fiel", {}).find("did you mean \"file\"?") != std::string::npos);
  CHECK(check("kafka", {{"topic", "t"}}).find("needs the option bootstrap") != std::string::npos);
  CHECK(check("file", {}) == "connector file needs the option path");
  CHECK(check("file", {{"path", "x"}, {"header", "maybe"}}) ==
        "option header = 'maybe': expected true or false");
  CHECK(check("file", {{"path", "x"}, {"delimiter", "ab"}}).find("one ASCII character") !=
        std::string::npos);
  CHECK(check("file", {{"path", "x"}, {"format", "cvs"}}).find("did you mean \"csv\"?") !=
        std::string::npos);
  CHECK(check("file", {{"path", "x"}, {"roll_size", "1MiB"}}).find("has no meaning") !=
        std::string::npos);
  CHECK(check("file", {{"path", "x"}, {"roll_size", "1MiB"}, {"roll_interval", "5m"}}, true) == "");
  CHECK(check("file", {{"path", "x"}, {"format", "json"}, {"header", "true"}})
            .find("belongs to format csv") != std::string::npos);
  CHECK(check("stdin", {}, true) == "connector stdin cannot be used as a sink");
  CHECK(check("sequence", {{"rate", "-1"}}).find("above 0") != std::string::npos);
  CHECK(traits_of("file")->commits == connector_traits::commit::rename);
  CHECK_FALSE(traits_of("stdin")->replayable);
}

TEST_CASE("real input: flights and airports") {
  environment env;
  std::string folder = std::string(WEIR_SOURCE_DIR) + "/jobs/examples/flights/data";
  if (!fs::exists(folder + "/flights_2013_01.csv")) return;
  auto spec = file_source(folder + "/flights_2013_01.csv",
                          schema_of({{"dep_delay", type_id::int32},
                                     {"carrier", type_id::string},
                                     {"time_hour", type_id::timestamp}}),
                          {{"header", "true"}, {"null_text", "NA"}});
  auto all = *read_all(env, spec);
  CHECK(all.size() == 27004);
  CHECK(all[0] == "2|UA|2013-01-01 10:00:00");
  CHECK(std::count_if(all.begin(), all.end(), [](auto& s) { return s.starts_with("NULL|"); }) ==
        521);
}
