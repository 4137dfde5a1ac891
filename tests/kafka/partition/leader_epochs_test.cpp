#include "runtime/kafka/partition/leader_epochs.hpp"

#include <doctest/doctest.h>
#include "runtime/kafka/partition/snapshot.hpp"

using namespace weir;
using namespace weir::kafka;

namespace {

leader_epochs example() {
  leader_epochs epochs;
  epochs.assign(2, 100);
  epochs.assign(2, 150);
  epochs.assign(1, 160);  // not newer
  epochs.assign(5, 200);
  epochs.assign(6, 300);
  return epochs;
}

}  // namespace

TEST_CASE("an epoch ends where the next begins, the latest at the log's end") {
  const leader_epochs epochs = example();
  CHECK(epochs.end_of(6, 400) == epoch_end{6, 400});
  CHECK(epochs.end_of(5, 400) == epoch_end{5, 300});
  CHECK(epochs.end_of(3, 400) == epoch_end{2, 200});
  CHECK(epochs.end_of(2, 400) == epoch_end{2, 200});
  CHECK(epochs.end_of(0, 400) == epoch_end{0, 100});
  CHECK(epochs.end_of(7, 400) == epoch_end{});
  CHECK(epochs.end_of(-1, 400) == epoch_end{});
  CHECK(leader_epochs().end_of(0, 0) == epoch_end{});
}

TEST_CASE("every offset has the epoch that wrote it") {
  const leader_epochs epochs = example();
  CHECK(epochs.epoch_at(99) == -1);
  CHECK(epochs.epoch_at(100) == 2);
  CHECK(epochs.epoch_at(299) == 5);
  CHECK(epochs.epoch_at(1000) == 6);
}

TEST_CASE("epochs follow truncation and deletion") {
  leader_epochs epochs = example();
  epochs.truncate(300);
  CHECK(epochs.latest() == 5);
  epochs.truncate(201);
  CHECK(epochs.latest() == 5);
  epochs.log_start(230);
  REQUIRE(epochs.entries().size() == 1);
  CHECK(epochs.entries()[0] == leader_epochs::entry{5, 230});
  epochs.log_start(10);
  CHECK(epochs.entries()[0] == leader_epochs::entry{5, 230});
}

TEST_CASE("an epoch that wrote nothing leaves no trace") {
  leader_epochs epochs;
  epochs.assign(1, 10);
  epochs.assign(2, 10);
  REQUIRE(epochs.entries().size() == 1);
  CHECK(epochs.entries()[0] == leader_epochs::entry{2, 10});
}

TEST_CASE("a snapshot is refused unless it is whole and of this partition") {
  log_id id;
  id.topic[3] = 9;
  id.partition = 4;
  producer_state producers;
  producers.stage({7, 0, 0, 310, 4, 1, false}, 5);
  producers.committed(315);
  const std::string bytes = encode_snapshot(id, 315, 100, example(), producers);
  auto back = decode_snapshot(id, std::as_bytes(std::span(bytes)), 5);
  REQUIRE(back.ok());
  CHECK(back->offset == 315);
  CHECK(back->log_start == 100);
  CHECK(back->epochs.end_of(5, 315) == epoch_end{5, 300});
  CHECK(back->producers.size() == 1);

  log_id other = id;
  other.partition = 5;
  auto foreign = decode_snapshot(other, std::as_bytes(std::span(bytes)), 5);
  REQUIRE_FALSE(foreign.ok());
  CHECK(foreign.err().message == "it belongs to another partition");
  for (size_t n = 0; n < bytes.size(); ++n) {
    CHECK_FALSE(decode_snapshot(id, std::as_bytes(std::span(bytes.data(), n)), 5).ok());
    std::string flipped = bytes;
    flipped[n] = static_cast<char>(flipped[n] ^ 1);
    CHECK_FALSE(decode_snapshot(id, std::as_bytes(std::span(flipped)), 5).ok());
  }
}
