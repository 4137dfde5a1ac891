// Dead letters for a topic: what their records hold, and that each is written once.
#include "runtime/connectors/kafka/dead_letter_topic.hpp"

#include "runtime/connectors/kafka/records.hpp"
#include "sinks.hpp"

using namespace weir;
using namespace weir::test;

namespace {

option_map table(const kafka_tools& cluster) {
  return {{"connector", "file"}, {"bootstrap", cluster.bootstrap()}, {"dead_letter_topic", "dead"}};
}

// What several subtasks of one operator write, driven as a task does.
struct writers {
  environment env;
  std::vector<std::unique_ptr<dead_letter_topic>> all;
  uint64_t number = 0;

  writers(const option_map& options, uint32_t parallelism, const std::string& attempt,
          const memory_snapshot* from = nullptr, bool exactly_once = true) {
    for (uint32_t i = 0; i < parallelism; ++i) {
      auto t = dead_letter_topic::of(options);
      REQUIRE(t.ok());
      auto c = env.context(i, parallelism);
      c.attempt = attempt;
      c.job = "job";
      c.operator_id = "source/t";
      c.exactly_once = exactly_once;
      c.wake = [] {};
      (*t)->open(c);
      if (from) REQUIRE((*t)->restore(*from).ok());
      all.push_back(std::move(*t));
    }
  }
  ~writers() {
    for (auto& t : all) t->close();
  }
  void add(size_t i, const dead_letters::letter& l) {
    std::string records;
    all[i]->append(records, l);
    REQUIRE(all[i]->add(records).ok());
  }
  void add(size_t i, std::string_view raw) {
    dead_letters::letter l;
    l.position = "t/0:1";
    l.cause = "no number";
    l.raw = raw;
    add(i, l);
  }
  std::shared_ptr<memory_snapshot> barrier() {
    auto s = std::make_shared<memory_snapshot>();
    s->at = epoch{++number};
    for (uint32_t i = 0; i < all.size(); ++i) {
      s->subtask = i;
      all[i]->snapshot_begin(*s);
      wait([&] { return all[i]->snapshot_continue(*s); });
    }
    for (auto& [state, who, bytes] : s->kept) bytes = buffer::copy(s->pool, bytes.bytes());
    return s;
  }
  void complete() {
    for (auto& t : all) REQUIRE(t->on_epoch_complete(epoch{number}).ok());
    settle();
  }
  void settle() {
    for (auto& t : all) wait([&] { return t->committed(); });
  }
  template <class Ask>
  static void wait(Ask ask) {
    for (auto until = std::chrono::steady_clock::now() + 60s;;) {
      auto done = ask();
      REQUIRE_MESSAGE(done.ok(), (done.ok() ? "" : done.err().message));
      if (*done) return;
      REQUIRE(std::chrono::steady_clock::now() < until);
      std::this_thread::sleep_for(1ms);
    }
  }
};

std::string header_of(const kafka_record& r, std::string_view name) {
  for (const auto& [n, value] : r.headers)
    if (n == name) return value.value_or("(null)");
  return "(none)";
}

}  // namespace

TEST_CASE("dead letter topic: the record as it came, and why it is there") {
  small_cluster cluster;
  cluster.create("dead", 1);
  writers w(table(cluster), 1, "a1");
  w.env.time.set(1'700'000'000'000'000);
  std::string trace;
  append_header(trace, {"trace", "t1"});
  append_header(trace, {"trace", std::nullopt});
  dead_letters::letter l;
  l.position = "in/2:17";
  l.cause = "column n: 'x' is no integer";
  l.raw = std::string_view("\x00\xff", 2);
  l.key = "k";
  l.headers = trace;
  l.row = R"({"n":1})";
  l.weight = -1;
  w.add(0, l);
  dead_letters::letter row;  // behind an aggregate: no record is known
  row.cause = "division by zero";
  row.row = R"({"n":2})";
  w.add(0, row);
  w.barrier();
  CHECK(cluster.read("dead", 1)[0].empty());
  w.complete();
  auto all = cluster.read("dead", 1)[0];
  REQUIRE(all.size() == 2);
  CHECK(all[0].value == std::string("\x00\xff", 2));
  CHECK(all[0].key == "k");
  CHECK(all[0].timestamp_ms == 1'700'000'000'000);
  REQUIRE(all[0].headers.size() == 9);
  CHECK(all[0].headers[0] == std::pair(std::string("trace"), std::optional<std::string>("t1")));
  CHECK(!all[0].headers[1].second);
  CHECK(header_of(all[0], "weir.cause") == "column n: 'x' is no integer");
  CHECK(header_of(all[0], "weir.position") == "in/2:17");
  CHECK(header_of(all[0], "weir.operator") == "source/t");
  CHECK(header_of(all[0], "weir.job") == "job");
  CHECK(header_of(all[0], "weir.time") == "2023-11-14 22:13:20");
  CHECK(header_of(all[0], "weir.row") == R"({"n":1})");
  CHECK(header_of(all[0], "weir.weight") == "-1");
  CHECK(all[1].value == R"({"n":2})");
  CHECK(!all[1].key);
  CHECK(header_of(all[1], "weir.position") == "(none)");
  CHECK(header_of(all[1], "weir.row") == "(none)");
}

TEST_CASE("dead letter topic: what is too large is cut, and says so") {
  small_cluster cluster;
  cluster.create("dead", 1);
  writers w(table(cluster), 1, "a1");
  const std::string large(2'000'000, 'v'), key(100'000, 'k'), cause(10'000, 'c');
  dead_letters::letter l;
  l.position = "f.csv:2";
  l.cause = cause;
  l.raw = large;
  l.key = key;
  l.row = large;
  w.add(0, l);
  w.barrier();
  w.complete();
  auto all = cluster.read("dead", 1)[0];
  REQUIRE(all.size() == 1);
  CHECK(all[0].value->size() > 800'000);
  CHECK(all[0].value->size() < 1'000'000);
  CHECK(!all[0].key);
  CHECK(header_of(all[0], "weir.cause").size() == 4096);
  CHECK(header_of(all[0], "weir.cut") == "key, row, value of 2000000 bytes");
}

TEST_CASE("dead letter topic: without letters nobody connects") {
  writers w({{"connector", "file"}, {"bootstrap", "127.0.0.1:1"}, {"dead_letter_topic", "dead"}}, 2,
            "a1");
  auto s = w.barrier();
  w.complete();
  writers again(
      {{"connector", "file"}, {"bootstrap", "127.0.0.1:1"}, {"dead_letter_topic", "dead"}}, 1, "a2",
      s.get());
  again.barrier();
  again.complete();
}

TEST_CASE("dead letter topic: a crash between an epoch and its letters, at any parallelism") {
  small_cluster cluster;
  cluster.create("dead", 2);
  std::shared_ptr<memory_snapshot> complete;
  {
    writers w(table(cluster), 2, "a1");
    w.add(0, "one");
    w.add(1, "two");
    complete = w.barrier();
    w.add(1, "of the next epoch, which is lost");
  }
  CHECK(values_of(cluster.read("dead", 2)).empty());
  for (uint32_t parallelism : {1, 2, 3}) {
    writers w(table(cluster), parallelism, "a" + std::to_string(parallelism + 1), complete.get());
    w.settle();
    CHECK(values_of(cluster.read("dead", 2)) == rows{"one", "two"});
  }
  writers w(table(cluster), 2, "a5", complete.get());
  w.add(0, "three");
  w.number = 1;
  w.barrier();
  w.complete();
  CHECK(values_of(cluster.read("dead", 2)) == rows{"one", "three", "two"});
}

TEST_CASE(
    "dead letter topic: an aborted epoch's letters are the next one's; at least once at once") {
  small_cluster cluster;
  cluster.create("dead", 1);
  writers w(table(cluster), 1, "a1");
  w.add(0, "one");
  w.barrier();
  w.all[0]->on_epoch_aborted();
  w.add(0, "two");
  w.barrier();
  w.complete();
  CHECK(values_of(cluster.read("dead", 1)) == rows{"one", "two"});
  writers now(table(cluster), 1, "b1", nullptr, false);
  now.add(0, "three");
  now.barrier();  // waits until it is acknowledged
  CHECK(values_of(cluster.read("dead", 1)) == rows{"one", "three", "two"});
}

TEST_CASE("dead letter topic: options") {
  const option_map kafka{
      {"connector", "kafka"}, {"bootstrap", "b:1"}, {"topic", "in"}, {"dead_letter_topic", "dead"}};
  CHECK(check_options("kafka", kafka, false).ok());
  option_map file{{"connector", "file"}, {"path", "x"}, {"dead_letter_topic", "dead"}};
  CHECK(check_options("file", file, false).ok());
  file["bootstrap"] = "b:1";
  file["kafka.security.protocol"] = "ssl";
  CHECK(check_options("file", file, false).ok());
  file["kafka.group.id"] = "x";
  CHECK(check_options("file", file, false).err().message.find("Weir's own to set") !=
        std::string::npos);
  file.erase("kafka.group.id");
  file["dead_letter_topic"] = "a b";
  CHECK(check_options("file", file, false)
            .err()
            .message.starts_with("option dead_letter_topic = 'a b': expected names of letters"));
  file.erase("dead_letter_topic");
  CHECK(check_options("file", file, false).err().code == errc::unknown_name);
}
