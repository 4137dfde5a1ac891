#include "runtime/kafka/topics/topic_store.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <random>

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
