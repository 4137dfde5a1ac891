#include <doctest/doctest.h>

#include "runtime/connectors/sinks.hpp"
#include "support.hpp"

using namespace weir;
using namespace weir::test;
using rows = std::vector<std::string>;

namespace {

const auto two = schema_of({{"n", type_id::int64}, {"s", type_id::string}});

// Rows n = first ... first + count - 1 with s = "r<n>".
batch_ptr numbers(memory_pool& pool, int64_t first, uint32_t count, int32_t weight = 1) {
  auto b = std::make_shared<batch>();
  b->type = two;
  b->rows = b->physical_rows = count;
  auto n = std::make_shared<column>();
  n->type = type_id::int64;
  n->length = count;
  n->values = buffer::allocate(pool, count * 8);
  auto s = std::make_shared<column>();
  s->type = type_id::string;
  s->length = count;
  s->offsets = buffer::allocate(pool, (count + 1) * 4);
  std::string text;
  s->offsets.mutable_as<uint32_t>()[0] = 0;
  for (uint32_t i = 0; i < count; ++i) {
    n->values.mutable_as<int64_t>()[i] = first + i;
    text += "r" + std::to_string(first + i);
    s->offsets.mutable_as<uint32_t>()[i + 1] = static_cast<uint32_t>(text.size());
  }
  s->values = buffer::copy(pool, std::as_bytes(std::span(text)));
  b->columns = {n, s};
  if (weight != 1) {
    b->weights = buffer::allocate(pool, count * 4);
    for (uint32_t i = 0; i < count; ++i) b->weights.mutable_as<int32_t>()[i] = weight;
  }
  return b;
}

sink_spec file_sink_spec(const std::string& path, option_map options = {}) {
  sink_spec s;
  s.connector = "file";
  s.options = std::move(options);
  s.options["path"] = path;
  s.columns = two;
  return s;
}

// The lines of all files that a reader's glob finds, sorted; those in partitions behind "FOLDER:".
rows visible(const std::string& folder) {
  rows out;
  if (!fs::exists(folder)) return out;
  for (const auto& e : fs::recursive_directory_iterator(folder)) {
    auto name = e.path().filename().string();
    if (name[0] == '.' || (e.path().extension() != ".csv" && e.path().extension() != ".json"))
      continue;
    auto partition = fs::relative(e.path().parent_path(), folder).string();
    std::istringstream in(read_file(e.path().string()));
    for (std::string line; std::getline(in, line);)
      out.push_back(partition == "." ? line : partition + ":" + line);
  }
  std::sort(out.begin(), out.end());
  return out;
}
size_t files_in(const std::string& folder) {
  size_t n = 0;
  if (fs::exists(folder))
    for ([[maybe_unused]] const auto& e : fs::directory_iterator(folder)) ++n;
  return n;
}
rows expected_rows(int64_t count, bool partitioned = false) {
  rows out;
  for (int64_t i = 0; i < count; ++i)
    out.push_back(partitioned ? "s=r" + std::to_string(i) + ":" + std::to_string(i)
                              : std::to_string(i) + ",r" + std::to_string(i));
  std::sort(out.begin(), out.end());
  return out;
}

// A job of one source (numbers from 0) and `parallelism` sinks, as a master would drive it: an
// epoch's snapshot counts once all subtasks wrote it, and then, and only then, it is restored.
struct tiny_job {
  struct complete {
    int64_t next_row = 0;
    std::shared_ptr<memory_snapshot> blobs;
    uint64_t number = 0;
  };
  environment env;
  sink_spec spec;
  complete last;
  int64_t next_row = 0;
  uint64_t attempt = 0;
  std::vector<std::unique_ptr<stream_operator>> sinks;
  no_output out;

  status start(uint32_t parallelism) {
    sinks.clear();
    ++attempt;
    next_row = last.next_row;
    for (uint32_t i = 0; i < parallelism; ++i) {
      WEIR_ASSIGN(auto sink, make_sink(spec));
      auto c = env.context(i, parallelism);
      c.attempt = "attempt" + std::to_string(attempt);
      WEIR_TRY(sink->open(c));
      sinks.push_back(std::move(sink));
    }
    if (last.blobs)
      for (auto& s : sinks) WEIR_TRY(s->restore(*last.blobs));
    return {};
  }
  status rows_to(size_t sink, uint32_t count) {
    auto b = numbers(env.pool, next_row, count);
    WEIR_TRY(sinks[sink]->process_batch(0, b, out));
    next_row += count;
    return {};
  }
  status barrier() {
    auto snapshot = std::make_shared<memory_snapshot>();
    snapshot->at = epoch{last.number + 1};
    for (uint32_t i = 0; i < sinks.size(); ++i) {
      snapshot->subtask = i;
      WEIR_TRY(sinks[i]->snapshot_begin(*snapshot));
      WEIR_ASSIGN(bool done, sinks[i]->snapshot_continue(*snapshot, 1 << 20));
      if (!done) return {errc::timeout, "an inline executor leaves nothing open"};
    }
    last = {next_row, snapshot, snapshot->at.value};
    return {};
  }
  status commit() {
    for (auto& s : sinks) {
      WEIR_TRY(s->on_epoch_complete(epoch{last.number}));
      WEIR_TRY([&]() -> status {
        auto more = s->drain(out);
        return more ? status() : status(std::move(more).err());
      }());
      if (!s->committed()) return {errc::timeout, "not committed"};
    }
    return {};
  }
  // Continues from the last complete epoch until `total` rows are out.
  status run(int64_t total, uint32_t parallelism) {
    WEIR_TRY(start(parallelism));
    while (next_row < total) {
      for (size_t i = 0; i < sinks.size(); ++i) WEIR_TRY(rows_to(i, 7));
      WEIR_TRY(barrier());
      WEIR_TRY(commit());
    }
    for (auto& s : sinks) WEIR_TRY(s->on_watermark(watermark_end, out));
    WEIR_TRY(barrier());
    return commit();
  }
};

}  // namespace

TEST_CASE("file sink: rows appear with their epoch, nothing before") {
  temporary_folder dir;
  tiny_job job;
  job.spec = file_sink_spec(dir / "out");
  REQUIRE(job.start(2).ok());
  REQUIRE(job.rows_to(0, 5).ok());
  REQUIRE(job.rows_to(1, 5).ok());
  CHECK(visible(dir / "out").empty());
  REQUIRE(job.barrier().ok());
  CHECK(visible(dir / "out").empty());
  REQUIRE(job.commit().ok());
  CHECK(visible(dir / "out") == expected_rows(10));
  REQUIRE(job.rows_to(0, 5).ok());
  REQUIRE(job.barrier().ok());
  // An aborted epoch's rows belong to the next one.
  for (auto& s : job.sinks) REQUIRE(s->on_epoch_aborted(epoch{2}).ok());
  REQUIRE(job.barrier().ok());
  CHECK(visible(dir / "out") == expected_rows(10));
  REQUIRE(job.commit().ok());
  CHECK(visible(dir / "out") == expected_rows(15));
  CHECK(files_in(dir / "out") == 3);
  // Epochs without rows make no files.
  REQUIRE(job.barrier().ok());
  REQUIRE(job.commit().ok());
  CHECK(files_in(dir / "out") == 3);
  CHECK(job.env.metrics.rows_out == 15);
}

TEST_CASE("file sink: every failing call, at every moment, leaves the folder exactly once") {
  for (bool partitioned : {false, true})
    for (bool stays_open : {false, true}) {
      uint64_t calls = 1;
      for (uint64_t failing = 0; failing < calls; ++failing) {
        for (auto fault : {file_fault::eio, file_fault::short_write, file_fault::enospc}) {
          CAPTURE(stays_open);
          CAPTURE(failing);
          temporary_folder dir;
          tiny_job job;
          job.spec = file_sink_spec(dir / "out");
          if (stays_open) job.spec.options["roll_size"] = partitioned ? "3" : "150";
          if (partitioned) job.spec.options["partition_by"] = "s";
          if (partitioned) job.spec.options["partitions_open"] = "3";
          auto posix = std::move(job.env.files);
          uint64_t seen = 0;
          job.env.files =
              make_faulty_file_system(*posix, [&](file_op, const std::string&, uint64_t) {
                return seen++ == failing ? fault : file_fault::none;
              });
          auto first = job.run(60, 2);
          if (first.ok()) {
            calls = std::max(calls, std::min<uint64_t>(seen, 500));
          } else {
            if (fault == file_fault::enospc && first.err().code == errc::no_space)
              CHECK(first.err().message.find("out") != std::string::npos);
            // Whatever shows was committed: no row twice, none half written.
            auto so_far = visible(dir / "out");
            CHECK(std::adjacent_find(so_far.begin(), so_far.end()) == so_far.end());
            calls = std::max(calls, failing + 2);
            uint32_t parallelism = 1 + failing % 3;
            auto again = job.run(60, parallelism);
            if (!again) FAIL(again.err().message);
          }
          job.sinks.clear();
          REQUIRE(visible(dir / "out") == expected_rows(job.next_row, partitioned));
          size_t hidden = 0;
          for (const auto& e : fs::recursive_directory_iterator(dir / "out"))
            hidden += e.path().filename().string()[0] == '.';
          CHECK(hidden == 0);
        }
      }
      CHECK(calls > 20);
    }
}

TEST_CASE("file sink: random kills, other parallelism, aborted and damaged epochs") {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 r(seed);
    temporary_folder dir;
    tiny_job job;
    job.spec = file_sink_spec(dir / "out");
    if (r() % 2) job.spec.options["roll_size"] = std::to_string(40 + r() % 200);
    const bool partitioned = r() % 2;
    if (partitioned) {
      job.spec.options["partition_by"] = "s";
      if (r() % 2) job.spec.options["roll_size"] = "3";
      if (r() % 2) job.spec.options["partitions_open"] = std::to_string(1 + r() % 5);
    }
    std::vector<tiny_job::complete> history{job.last};
    for (int life = 0; life < 6; ++life) {
      auto s = job.start(static_cast<uint32_t>(1 + r() % 3));
      if (!s) FAIL(s.err().message);
      for (uint64_t step = r() % 25; step > 0; --step) {
        switch (r() % 4) {
          case 0:
            s = job.barrier();
            history.push_back(job.last);
            if (s && r() % 3) s = job.commit();
            break;
          default:
            s = job.rows_to(r() % job.sinks.size(), static_cast<uint32_t>(1 + r() % 9));
        }
        if (!s) FAIL(s.err().message);
      }
      // Killed here. Now and then the newest epoch turns out damaged and the one before is used.
      job.sinks.clear();
      if (history.size() > 2 && r() % 4 == 0 && history[history.size() - 2].blobs) {
        history.pop_back();
        job.last = history.back();
      }
    }
    auto s = job.run(job.last.next_row + 20, static_cast<uint32_t>(1 + r() % 3));
    if (!s) FAIL(s.err().message);
    REQUIRE(visible(dir / "out") == expected_rows(job.next_row, partitioned));
  }
}

TEST_CASE("file sink: an attempt that another one has overtaken takes nothing of it away") {
  for (const std::string roll : {"", "30", "1000"})
    for (bool partitioned : {false, true})
      for (bool fresh : {false, true}) {
        CAPTURE(roll);
        CAPTURE(partitioned);
        CAPTURE(fresh);
        temporary_folder dir;
        tiny_job job;
        job.spec = file_sink_spec(dir / "out");
        if (!roll.empty()) job.spec.options["roll_size"] = roll;
        if (partitioned) job.spec.options["partition_by"] = "s";
        tiny_job late;  // its master was cut off before it heard of what follows
        late.spec = job.spec;
        late.attempt = 100;
        if (!fresh) {
          REQUIRE(job.start(2).ok());
          REQUIRE(job.rows_to(0, 9).ok());
          REQUIRE(job.barrier().ok());
          REQUIRE(job.commit().ok());
          late.last = job.last;
        }
        REQUIRE(job.start(3).ok());
        for (int i = 0; i < 3; ++i) {
          for (size_t sink = 0; sink < 3; ++sink) REQUIRE(job.rows_to(sink, 5).ok());
          REQUIRE(job.barrier().ok());
          REQUIRE(job.commit().ok());
        }
        REQUIRE(job.rows_to(1, 4).ok());
        const auto before = visible(dir / "out");
        REQUIRE(late.start(2).ok());
        REQUIRE(late.rows_to(0, 3).ok());
        REQUIRE(late.barrier().ok());
        CHECK(visible(dir / "out") == before);
        REQUIRE(job.rows_to(2, 4).ok());
        for (auto& s : job.sinks) REQUIRE(s->on_watermark(watermark_end, job.out).ok());
        REQUIRE(job.barrier().ok());
        REQUIRE(job.commit().ok());
        REQUIRE(visible(dir / "out") == expected_rows(job.next_row, partitioned));
        // Nor does it stand in the way of an attempt that goes on.
        late.sinks.clear();
        REQUIRE(job.run(job.next_row + 10, 1).ok());
        REQUIRE(visible(dir / "out") == expected_rows(job.next_row, partitioned));
        for (const auto& e : fs::recursive_directory_iterator(dir / "out"))
          CHECK(e.path().filename().string()[0] != '.');
      }
}

TEST_CASE("file sink: partitions are folders as Hive lays them out") {
  temporary_folder dir;
  tiny_job job;
  job.spec = file_sink_spec(dir / "out", {{"partition_by", "day, s"}, {"header", "true"}});
  job.spec.columns =
      schema_of({{"s", type_id::string}, {"n", type_id::int64}, {"day", type_id::date}});
  write_file(dir / "in.csv",
             "a/b=c,1,2026-01-02\n10:00,2,2026-01-02\n,3,\n\"\",4,\n10:00,5,2026-01-02\n");
  auto in = file_source(dir / "in.csv", job.spec.columns, {});
  auto reader = *make_reader(in);
  REQUIRE(reader->open(job.env.context()).ok());
  REQUIRE(reader->add_split((*make_enumerator(in, *job.env.files, 1))->discover()->splits[0]).ok());
  auto b = reader->poll(100)->rows;
  REQUIRE(job.start(1).ok());
  REQUIRE(job.sinks[0]->process_batch(0, b, job.out).ok());
  REQUIRE(job.barrier().ok());
  REQUIRE(job.commit().ok());
  CHECK(visible(dir / "out") ==
        rows{"day=2026-01-02/s=10%3A00:2", "day=2026-01-02/s=10%3A00:5",
             "day=2026-01-02/s=10%3A00:n", "day=2026-01-02/s=a%2Fb%3Dc:1",
             "day=2026-01-02/s=a%2Fb%3Dc:n", "day=__HIVE_DEFAULT_PARTITION__/s=:4",
             "day=__HIVE_DEFAULT_PARTITION__/s=:n",
             "day=__HIVE_DEFAULT_PARTITION__/s=__HIVE_DEFAULT_PARTITION__:3",
             "day=__HIVE_DEFAULT_PARTITION__/s=__HIVE_DEFAULT_PARTITION__:n"});
  // A fresh start replaces what is there, in all partitions, with its first epoch.
  tiny_job again;
  again.spec = job.spec;
  again.attempt = 10;
  REQUIRE(again.start(1).ok());
  REQUIRE(again.barrier().ok());
  CHECK(visible(dir / "out").size() == 9);
  REQUIRE(again.commit().ok());
  CHECK(visible(dir / "out").empty());
}

TEST_CASE("file sink: partition_by is checked with the table") {
  auto columns = schema_of({{"day", type_id::date}, {"n", type_id::int64}});
  auto message = [&](option_map options) {
    auto s = check_sink_table("file", "t", *columns, options);
    return s ? std::string() : s.err().message;
  };
  CHECK(message({{"partition_by", "day"}}) == "");
  CHECK(
      message({{"partition_by", "dya"}}) ==
      "option partition_by names \"dya\", which is no column of the table; did you mean \"day\"?");
  CHECK(message({{"partition_by", "day,day"}}) == "option partition_by names \"day\" twice");
  CHECK(message({{"partition_by", "n,day"}}) ==
        "option partition_by names all columns: nothing is left for the files");
  CHECK(message({{"partition_by", "day"}, {"format", "debezium_json"}}) ==
        "option partition_by cannot split changes: format debezium_json");
  CHECK(message({{"partitions_open", "7"}}) == "option partitions_open needs partition_by");
}

TEST_CASE("file sink: a commit that fails is heard of without further input") {
  temporary_folder dir;
  tiny_job job;
  job.spec = file_sink_spec(dir / "out");
  auto posix = std::move(job.env.files);
  job.env.files = make_faulty_file_system(*posix, [](file_op op, const std::string&, uint64_t) {
    return op == file_op::rename ? file_fault::eio : file_fault::none;
  });
  auto sink = *make_sink(job.spec);
  auto c = job.env.context();
  int timers = 0;
  c.set_processing_timer = [&](timestamp_us) { ++timers; };
  REQUIRE(sink->open(c).ok());
  REQUIRE(sink->process_batch(0, numbers(job.env.pool, 0, 3), job.out).ok());
  memory_snapshot snapshot;
  REQUIRE(sink->snapshot_begin(snapshot).ok());
  CHECK(*sink->snapshot_continue(snapshot, 1));
  CHECK(timers == 0);
  auto s = sink->on_epoch_complete(epoch{1});
  CHECK_FALSE(sink->committed());
  CHECK(timers == 1);
  s = sink->on_processing_time(0, job.out);
  REQUIRE_FALSE(s.ok());
  CHECK(s.err().code == errc::io);
  CHECK(visible(dir / "out").empty());
  sink.reset();
}

TEST_CASE("file sink: header, formats, quoting, existing parts, changes") {
  temporary_folder dir;
  auto run = [&](option_map options, std::vector<batch_ptr> batches, schema_ptr type = two) {
    tiny_job job;
    job.spec = file_sink_spec(dir / "out", std::move(options));
    job.spec.columns = std::move(type);
    auto s = job.start(1);
    for (auto& b : batches)
      if (s) s = job.sinks[0]->process_batch(0, b, job.out);
    if (s) s = job.barrier();
    if (s) s = job.commit();
    return s ? std::string() : s.err().message;
  };
  memory_pool pool;
  CHECK(run({{"header", "true"}}, {numbers(pool, 1, 1)}) == "");
  CHECK(visible(dir / "out") == rows{"1,r1", "n,s"});
  CHECK(run({{"format", "json"}}, {numbers(pool, 1, 2)}) == "");
  CHECK(visible(dir / "out") == rows{"{\"n\":1,\"s\":\"r1\"}", "{\"n\":2,\"s\":\"r2\"}"});
  CHECK(run({{"existing", "fail"}}, {}).find("holds 1 parts of an earlier run") !=
        std::string::npos);
  CHECK(run({{"existing", "keep"}}, {numbers(pool, 5, 1)}) == "");
  CHECK(visible(dir / "out").size() == 3);
  CHECK(run({}, {numbers(pool, 3, 2, 2)}) == "");
  CHECK(visible(dir / "out") == rows{"3,r3", "3,r3", "4,r4", "4,r4"});
  CHECK(run({}, {numbers(pool, 3, 1, -1)}).find("can only append") != std::string::npos);
  CHECK(run({{"delimiter", "r"}}, {numbers(pool, 3, 1)}) == "");
  CHECK(visible(dir / "out") == rows{"3r\"r3\""});
}

TEST_CASE("file sink: what it writes, the file source reads back the same") {
  temporary_folder dir;
  environment env;
  std::string tricky =
      "a,b\n\"x,y\",\"say \"\"hi\"\"\"\n,\"\"\n\"two\nlines\",\" blanks \"\nNA,\"N\r\nA\"\n";
  write_file(dir / "in.csv", tricky);
  auto type = schema_of({{"a", type_id::string}, {"b", type_id::string}});
  auto in = file_source(dir / "in.csv", type, {{"header", "true"}});
  auto original = *read_all(env, in);
  CHECK(original[1] == "NULL|");
  for (std::string format : {"csv", "json"}) {
    tiny_job job;
    job.spec = file_sink_spec(dir / ("out_" + format), {{"format", format}});
    job.spec.columns = type;
    REQUIRE(job.start(1).ok());
    auto reader = *make_reader(in);
    REQUIRE(reader->open(env.context()).ok());
    REQUIRE(reader->add_split((*make_enumerator(in, *env.files, 1))->discover()->splits[0]).ok());
    auto p = *reader->poll(100);
    REQUIRE(job.sinks[0]->process_batch(0, p.rows, job.out).ok());
    REQUIRE(job.barrier().ok());
    REQUIRE(job.commit().ok());
    auto back = file_source(dir / ("out_" + format + "/*." + format), type, {{"format", format}});
    CHECK(*read_all(env, back) == original);
  }
}

TEST_CASE("stdout: changes, tables and the final table") {
  memory_pool pool;
  environment env;
  no_output none;
  auto run = [&](option_map options, bool changes, bool final_only,
                 std::vector<batch_ptr> batches) {
    sink_spec spec;
    spec.connector = "stdout";
    spec.options = std::move(options);
    spec.columns = two;
    spec.with_changes = changes;
    spec.final_only = final_only;
    std::string printed;
    auto sink = *make_stdout_sink(spec, [&](std::string_view s) {
      printed += s;
      return status();
    });
    CHECK(sink->open(env.context()).ok());
    memory_snapshot snapshot;
    for (auto& b : batches) CHECK(sink->process_batch(0, b, none).ok());
    CHECK(sink->snapshot_begin(snapshot).ok());
    if (final_only) {  // the table survives a restart
      sink = *make_stdout_sink(spec, [&](std::string_view s) {
        printed += s;
        return status();
      });
      CHECK(sink->open(env.context()).ok());
      CHECK(sink->restore(snapshot).ok());
    }
    CHECK(sink->on_watermark(watermark_end, none).ok());
    CHECK(sink->committed());
    return printed;
  };
  auto plus = numbers(pool, 9, 2), minus = numbers(pool, 9, 1, -1);
  CHECK(run({}, false, false, {plus}) == "n,s\n9,r9\n10,r10\n");
  CHECK(run({}, false, false, {}) == "n,s\n");
  CHECK(run({}, true, false, {plus, minus}) == "op,n,s\n+,9,r9\n+,10,r10\n-,9,r9\n");
  CHECK(run({{"format", "json"}}, true, false, {minus}) == "{\"op\":\"-\",\"n\":9,\"s\":\"r9\"}\n");
  CHECK(run({}, true, true, {plus, minus, plus}) == "n,s\n10,r10\n10,r10\n9,r9\n");
  CHECK(run({{"format", "table"}}, true, false, {plus, minus}) ==
        "op  n   s\n--  --  ---\n+   9   r9\n+   10  r10\n-   9   r9\n");
  CHECK(run({{"format", "table"}}, true, true, {plus, minus}) == "n   s\n--  ---\n10  r10\n");
}
