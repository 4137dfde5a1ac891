#include "runtime/kafka/topics/topic_store.hpp"

#include <doctest/doctest.h>

#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <random>

#include "runtime/kafka/topics/broker_config.hpp"
#include "runtime/kafka/topics/topic_config.hpp"
#include "tests/kafka/topics/support.hpp"

using namespace weir;
using namespace weir::kafka;
using namespace weir::kafka::testing;

namespace {

topic_store open_store(const std::string& path) {
  auto s = topic_store::open(path);
  REQUIRE_MESSAGE(s.ok(), (s.ok() ? "" : s.err().message));
  return std::move(s).value();
}

std::vector<topic_info> topics_of(const topic_catalog& c) {
  std::vector<topic_info> out;
  for (const auto& t : c.sorted()) out.push_back(*t);
  return out;
}

}  // namespace

TEST_CASE("topic store: what was written is there when it is opened again") {
  temporary_folder folder;
  const std::string path = folder.path("topics");
  topic_catalog catalog;
  std::mt19937 random(7);
  for (int round = 0; round < 6; ++round) {
    CAPTURE(round);
    topic_store store = open_store(path);
    auto loaded = store.load();
    REQUIRE(loaded.ok());
    CHECK(topics_of(*loaded) == topics_of(catalog));
    for (int step = 0; step < 20; ++step) {
      std::vector<topic_change> changes;
      for (int i = 0; i < 3; ++i) {
        const uint64_t n = random() % 30 + 1;
        topic_command command = delete_topic_command{id_of(n)};
        if (!catalog.find(id_of(n)))
          command = create_topic_command{"topic-" + std::to_string(n),
                                         id_of(n),
                                         1 + i,
                                         step,
                                         {{"retention.ms", std::to_string(step)}}};
        else if (random() % 2)
          command = alter_topic_command{id_of(n), {{"segment.ms", std::to_string(step + 1)}}};
        auto applied = catalog.apply(command);
        REQUIRE(applied.ok());
        changes.push_back(applied.change);
      }
      REQUIRE(store.write(changes).ok());
    }
  }
  CHECK(catalog.topic_count() > 0);
}

TEST_CASE("topic store: a second owner is told who has it; damage is named") {
  temporary_folder folder;
  const std::string path = folder.path("topics");
  {
    topic_store store = open_store(path);
    auto second = topic_store::open(path);
    REQUIRE_FALSE(second.ok());
    CHECK(second.err().code == errc::locked);
    topic_catalog c;
    auto made = c.apply(create_topic_command{"a-topic-to-damage", id_of(1), 1, 0, {}});
    REQUIRE(store.write({&made.change, 1}).ok());
  }
  std::fstream file(path + "/data.mdb", std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  for (size_t at = bytes.find("to-damage"); at != bytes.npos;
       at = bytes.find("to-damage", at + 1)) {
    file.clear();
    file.seekp(static_cast<std::streamoff>(at));
    file.write("TO", 2);
  }
  file.close();
  auto loaded = open_store(path).load();
  REQUIRE_FALSE(loaded.ok());
  CHECK(loaded.err().code == errc::corrupt);
  CHECK(loaded.err().message == "'" + path + "': a topic's record does not match its checksum");
}

TEST_CASE("topic store: a write that the disk has no room for leaves no trace") {
  temporary_folder folder;
  const std::string path = folder.path("topics");
  topic_store store = open_store(path);
  topic_catalog catalog;
  auto first = catalog.apply(create_topic_command{"first", id_of(1), 1, 0, {}});
  REQUIRE(store.write({&first.change, 1}).ok());

  topic_catalog ahead = catalog;
  std::vector<topic_change> many;
  for (uint64_t i = 2; i < 40; ++i) {
    auto r = ahead.apply(create_topic_command{"t" + std::to_string(i), id_of(i), 1000, 0, {}});
    REQUIRE(r.ok());
    many.push_back(r.change);
  }
  rlimit before;
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit tight = before;
  tight.rlim_cur = std::filesystem::file_size(path + "/data.mdb");
  auto* old_handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
  status failed = store.write(many);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, old_handler);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.err().code == errc::no_space);
  CHECK(failed.err().message == "cannot write to the topic catalog '" + path +
                                    "': no space left; free space on its file system (then the "
                                    "topic can be made or changed)");
  CHECK(topics_of(*store.load()) == topics_of(catalog));
  REQUIRE(store.write(many).ok());
  CHECK(topics_of(*store.load()) == topics_of(ahead));
}

// Not a check but a measurement: test_kafka_topics --no-skip "-tc=topics*measured*"
TEST_CASE("topics, measured: 10,000 of them" * doctest::skip()) {
  using clock = std::chrono::steady_clock;
  temporary_folder folder;
  topic_store store = open_store(folder.path("topics"));
  topic_catalog catalog;
  auto us_since = [](clock::time_point start) {
    return std::chrono::duration<double, std::micro>(clock::now() - start).count();
  };
  constexpr int count = 10'000;
  std::vector<topic_change> batch;
  double apply_us = 0;
  for (uint64_t i = 1; i <= count; ++i) {
    topic_command command = create_topic_command{
        "topic-" + std::to_string(i), id_of(i), 1, 0, {{"retention.ms", std::to_string(i)}}};
    auto start = clock::now();
    auto r = catalog.apply(command);
    apply_us += us_since(start);
    REQUIRE(r.ok());
    batch.push_back(r.change);
  }
  auto start = clock::now();
  REQUIRE(store.write(batch).ok());
  const double batch_us = us_since(start);
  start = clock::now();
  constexpr int single = 200;
  for (uint64_t i = 1; i <= single; ++i) {
    auto r = catalog.apply(
        create_topic_command{"more-" + std::to_string(i), id_of(count + i), 1, 0, {}});
    REQUIRE(store.write({&r.change, 1}).ok());
  }
  const double single_us = us_since(start) / single;
  start = clock::now();
  auto loaded = store.load();
  REQUIRE(loaded.ok());
  const double load_us = us_since(start);
  start = clock::now();
  size_t found = 0;
  for (uint64_t i = 1; i <= count; ++i)
    found += loaded->find("topic-" + std::to_string(i)) != nullptr;
  const double find_us = us_since(start) / count;
  CHECK(found == count);
  start = clock::now();
  CHECK(loaded->sorted().size() == count + single);
  const double sorted_us = us_since(start);
  broker_config node;
  start = clock::now();
  int64_t sum = 0;
  for (const auto& t : loaded->sorted())
    sum += resolve_topic_settings(t->configs, node).retention_ms;
  const double settings_us = us_since(start) / count;
  CHECK(sum > 0);
  MESSAGE("apply ", apply_us / count, " us, one durable create ", single_us, " us, 10,000 in one ",
          batch_us / 1000, " ms, load ", load_us / 1000, " ms, find ", find_us, " us, sorted ",
          sorted_us / 1000, " ms, settings ", settings_us, " us a topic");
}
