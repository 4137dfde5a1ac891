#include "runtime/kafka/partition/producer_state.hpp"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::kafka;

namespace {

constexpr int64_t pid = 4000;
constexpr int32_t sequence_last = 2147483647;

batch_facts batch(int64_t offset, int32_t count, int32_t sequence, int16_t epoch = 0,
                  bool transactional = false, int64_t producer = pid) {
  return {producer, epoch, sequence, offset, count - 1, 1000 + offset, transactional};
}

// Checks as a client's batch, then stages.
producer_verdict add(producer_state& state, const batch_facts& facts) {
  producer_verdict verdict = state.check(facts);
  if (verdict.accepted()) state.stage(facts, 50);
  return verdict;
}

producer_state copy(const producer_state& state) {
  const std::string bytes = state.encode();
  auto back = producer_state::decode(std::as_bytes(std::span(bytes)), 50);
  REQUIRE(back.ok());
  return std::move(*back);
}

}  // namespace

TEST_CASE("sequences follow each other within an epoch") {
  producer_state state;
  CHECK(add(state, batch(0, 10, 0)).accepted());
  CHECK(add(state, batch(10, 5, 10)).accepted());
  auto gap = add(state, batch(15, 1, 16));
  CHECK(gap.error == error_code::out_of_order_sequence_number);
  CHECK(gap.message == "producer 4000 with epoch 0 sent sequence 16 where 15 is the next");
  CHECK(add(state, batch(15, 1, 13)).error == error_code::out_of_order_sequence_number);
  CHECK(add(state, batch(15, 1, 15)).accepted());
}

TEST_CASE("a producer that is not known may begin with any sequence") {
  producer_state state;
  CHECK(add(state, batch(100, 3, 77)).accepted());
  CHECK(add(state, batch(103, 1, 80)).accepted());
}

TEST_CASE("the last five batches are recognised, an older one is out of order") {
  producer_state state;
  for (int i = 0; i < 6; ++i) REQUIRE(add(state, batch(i * 10, 2, i * 2)).accepted());
  for (int i = 1; i < 6; ++i) {
    auto again = state.check(batch(60, 2, i * 2));
    REQUIRE(again.duplicate.has_value());
    CHECK(again.duplicate->first_offset() == i * 10);
    CHECK(again.duplicate->last_offset == i * 10 + 1);
  }
  CHECK(state.check(batch(60, 2, 0)).error == error_code::out_of_order_sequence_number);
  // The same first sequence with another length is not the same batch.
  CHECK(state.check(batch(60, 1, 10)).error == error_code::out_of_order_sequence_number);
}

TEST_CASE("sequences wrap around after 2^31 - 1") {
  producer_state state;
  REQUIRE(add(state, batch(0, 3, sequence_last - 1)).accepted());  // ends with sequence 0
  auto again = state.check(batch(3, 3, sequence_last - 1));
  REQUIRE(again.duplicate.has_value());
  CHECK(again.duplicate->first_sequence() == sequence_last - 1);
  CHECK(add(state, batch(3, 1, 1)).accepted());
  producer_state other;
  REQUIRE(add(other, batch(0, 2, sequence_last - 1)).accepted());
  CHECK(add(other, batch(2, 1, 0)).accepted());
}

TEST_CASE("a newer epoch starts at 0 and fences the older one") {
  producer_state state;
  REQUIRE(add(state, batch(0, 10, 0, 3)).accepted());
  CHECK(add(state, batch(10, 1, 10, 4)).error == error_code::out_of_order_sequence_number);
  CHECK(add(state, batch(10, 1, 0, 4)).accepted());
  auto old = add(state, batch(11, 1, 10, 3));
  CHECK(old.error == error_code::invalid_producer_epoch);
  CHECK(old.message == "producer 4000 with epoch 3 was replaced by one with epoch 4");
}

TEST_CASE("a rollback returns to what was committed") {
  producer_state state;
  REQUIRE(add(state, batch(0, 2, 0)).accepted());
  state.committed(2);
  REQUIRE(add(state, batch(2, 2, 2)).accepted());
  REQUIRE(add(state, batch(4, 2, 0, 1)).accepted());
  CHECK(state.has_staged());
  state.roll_back(2);
  CHECK_FALSE(state.has_staged());
  CHECK(state.check(batch(2, 2, 0)).duplicate.has_value());
  CHECK(state.check(batch(2, 2, 2)).accepted());
  CHECK(state.check(batch(2, 2, 4)).error == error_code::out_of_order_sequence_number);

  SUBCASE("a producer that was not known before is held to its first lost batch") {
    REQUIRE(add(state, batch(2, 1, 50, 0, false, 7)).accepted());
    REQUIRE(add(state, batch(3, 1, 51, 0, false, 7)).accepted());
    state.roll_back(2);
    CHECK(state.describe().size() == 1);
    CHECK(copy(state).size() == 1);
    // What was in flight behind the lost ones does not pass them.
    CHECK(state.check(batch(2, 1, 52, 0, false, 7)).error ==
          error_code::out_of_order_sequence_number);
    CHECK(state.check(batch(2, 1, 0, 1, false, 7)).accepted());
    CHECK(add(state, batch(2, 1, 50, 0, false, 7)).accepted());
    CHECK(add(state, batch(3, 1, 51, 0, false, 7)).accepted());
    state.committed(4);
    CHECK(state.describe().size() == 2);
  }
}

TEST_CASE("a part of what is staged is committed, the rest rolled back") {
  producer_state state;
  for (int i = 0; i < 4; ++i) REQUIRE(add(state, batch(i, 1, i)).accepted());
  state.committed(2);
  state.roll_back(2);
  CHECK(state.check(batch(2, 1, 1)).duplicate.has_value());
  CHECK(state.check(batch(2, 1, 2)).accepted());
}

TEST_CASE("an open transaction holds the last stable offset until its marker is committed") {
  producer_state state;
  CHECK_FALSE(state.first_unstable_offset());
  REQUIRE(add(state, batch(5, 2, 0, 0, true)).accepted());
  REQUIRE(add(state, batch(7, 1, 0, 0, true, 9)).accepted());
  state.committed(8);
  CHECK(state.first_unstable_offset() == 5);
  CHECK(state.in_transaction(pid));
  CHECK(add(state, batch(8, 1, 2)).error == error_code::invalid_txn_state);

  state.stage_marker(batch(8, 1, -1), {true, 0}, 60);
  CHECK_FALSE(state.in_transaction(pid));
  CHECK(state.first_unstable_offset() == 5);
  SUBCASE("committed") {
    state.committed(9);
    CHECK(state.first_unstable_offset() == 7);
    CHECK(state.aborted().empty());
    CHECK(add(state, batch(9, 1, 2)).accepted());  // the sequence goes on, also without transaction
  }
  SUBCASE("rolled back") {
    state.roll_back(8);
    CHECK(state.in_transaction(pid));
    CHECK(state.first_unstable_offset() == 5);
    CHECK(state.describe()[1].transaction_first_offset == 5);
  }
}

TEST_CASE("readers get the aborted transactions of their range") {
  producer_state state;
  // 1: [0, 10] aborted; 2: [2, 6] aborted; 3: [4, 12] committed; 4: [20, 30] aborted
  state.stage(batch(0, 1, 0, 0, true, 1), 50);
  state.stage(batch(2, 1, 0, 0, true, 2), 50);
  state.stage(batch(4, 1, 0, 0, true, 3), 50);
  state.stage_marker(batch(6, 1, -1, 0, true, 2), {false, 0}, 50);
  state.stage_marker(batch(10, 1, -1, 0, true, 1), {false, 0}, 50);
  state.stage_marker(batch(12, 1, -1, 0, true, 3), {true, 0}, 50);
  state.stage(batch(20, 1, 0, 0, true, 4), 50);
  state.stage_marker(batch(30, 1, -1, 0, true, 4), {false, 0}, 50);
  CHECK(state.aborted().empty());
  state.committed(31);
  CHECK(state.aborted_in(0, 31) ==
        std::vector<aborted_transaction>{{2, 2, 6, 0}, {1, 0, 10, 4}, {4, 20, 30, 31}});
  CHECK(state.aborted_in(7, 20) == std::vector<aborted_transaction>{{1, 0, 10, 4}});
  CHECK(state.aborted_in(0, 1) == std::vector<aborted_transaction>{{1, 0, 10, 4}});
  CHECK(state.aborted_in(11, 20).empty());
  CHECK(state.aborted_in(25, 28) == std::vector<aborted_transaction>{{4, 20, 30, 31}});
  state.log_start(8);
  CHECK(state.aborted_in(0, 31) ==
        std::vector<aborted_transaction>{{1, 0, 10, 4}, {4, 20, 30, 31}});
}

TEST_CASE("markers of old epochs and old coordinators are refused") {
  producer_state state;
  REQUIRE(add(state, batch(0, 1, 0, 5, true)).accepted());
  CHECK(state.check_marker(pid, 4, {true, 0}).error == error_code::invalid_producer_epoch);
  CHECK(state.check_marker(pid, 5, {true, 3}).accepted());
  state.stage_marker(batch(1, 1, -1, 5), {true, 3}, 50);
  CHECK(state.check_marker(pid, 5, {true, 2}).error == error_code::transaction_coordinator_fenced);
  CHECK(state.check_marker(pid, 5, {true, 3}).accepted());
  CHECK(state.check_marker(77, 0, {false, 0}).accepted());
}

TEST_CASE("a marker with a higher epoch fences the producer and restarts its sequences") {
  producer_state state;
  REQUIRE(add(state, batch(0, 4, 0, 0, true)).accepted());
  state.stage_marker(batch(4, 1, -1, 1), {false, 0}, 50);
  CHECK(add(state, batch(5, 1, 4, 0, true)).error == error_code::invalid_producer_epoch);
  CHECK(add(state, batch(5, 1, 4, 1, true)).error == error_code::out_of_order_sequence_number);
  CHECK(add(state, batch(5, 1, 0, 1, true)).accepted());
}

TEST_CASE("of a producer of which only a marker is left any sequence is taken") {
  producer_state state;
  state.stage_marker(batch(4, 1, -1, 1), {true, 0}, 50);
  state.committed(5);
  CHECK(state.check(batch(5, 1, 9, 0, true)).error == error_code::invalid_producer_epoch);
  producer_state back = copy(state);
  CHECK(back.check(batch(5, 1, 9, 1, true)).accepted());
  CHECK(add(state, batch(5, 1, 9, 1, true)).accepted());
  CHECK(add(state, batch(6, 1, 11, 1, true)).error == error_code::out_of_order_sequence_number);
}

TEST_CASE("offsets of a transaction have no sequences but a transaction") {
  producer_state state;
  const batch_facts offsets{pid, 2, -1, 0, 0, 5, true};
  CHECK(state.check_without_sequence(offsets).accepted());
  state.stage(offsets, 50);
  CHECK(state.first_unstable_offset() == 0);
  CHECK(state.check_without_sequence({pid, 1, -1, 1, 0, 5, true}).error ==
        error_code::invalid_producer_epoch);
  CHECK(state.describe()[0].last_sequence == -1);
}

TEST_CASE("silent producers are forgotten, unless in a transaction or staged") {
  producer_state state;
  state.stage(batch(0, 1, 0, 0, false, 1), 1000);
  state.stage(batch(1, 1, 0, 0, true, 2), 1000);
  state.stage(batch(2, 1, 0, 0, false, 3), 5000);
  state.committed(3);
  state.stage(batch(3, 1, 1, 0, false, 4), 1000);
  CHECK(state.expire(3000, 2000) == 1);
  CHECK(state.size() == 3);
  state.committed(4);
  CHECK(state.expire(3000, 2000) == 1);
  CHECK(state.describe()[0].producer_id == 2);
  CHECK(state.describe()[1].producer_id == 3);
  CHECK(state.has_late_transaction(9000, 2000));
  CHECK_FALSE(state.has_late_transaction(2000, 2000));
}

TEST_CASE("the number of producers is bounded; the longest silent ones go") {
  producer_state state;
  int64_t offset = 0;
  for (size_t i = 0; i < producers_max + 1; ++i) {
    const auto id = static_cast<int64_t>(i);
    state.stage(batch(offset, 1, 0, 0, i == 3, id), static_cast<int64_t>(i));
    state.committed(++offset);
  }
  CHECK(state.size() <= producers_max);
  CHECK(state.size() > producers_max / 10 * 8);
  CHECK(state.in_transaction(3));
  // The first ones are gone (any sequence will do), the last ones are known.
  CHECK(state.check(batch(offset, 1, 500, 0, false, 0)).accepted());
  CHECK(state.check(batch(offset, 1, 500, 0, false, producers_max - 1)).error ==
        error_code::out_of_order_sequence_number);
}

TEST_CASE("the committed state goes through bytes") {
  producer_state state;
  for (int i = 0; i < 7; ++i) REQUIRE(add(state, batch(i * 2, 2, i * 2, 3)).accepted());
  state.stage(batch(14, 1, 0, 0, true, 8), 50);
  state.stage(batch(15, 1, 0, 0, true, 9), 50);
  state.stage_marker(batch(16, 1, -1, 0, true, 9), {false, 4}, 50);
  state.committed(17);
  // Staged, hence not in the bytes: a batch, a new producer, the end of a transaction.
  REQUIRE(add(state, batch(17, 1, 14, 3)).accepted());
  state.stage(batch(18, 1, 0, 0, false, 10), 50);
  state.stage_marker(batch(19, 1, -1, 0, true, 8), {true, 4}, 50);

  producer_state back = copy(state);
  CHECK(back.size() == 3);
  CHECK(back.first_unstable_offset() == 14);
  CHECK(back.aborted() == state.aborted());
  CHECK(back.check(batch(17, 2, 4, 3)).duplicate->first_offset() == 4);
  CHECK(back.check(batch(17, 2, 2, 3)).error == error_code::out_of_order_sequence_number);
  CHECK(back.check(batch(17, 1, 14, 3)).accepted());
  CHECK(back.check_marker(9, 0, {true, 3}).error == error_code::transaction_coordinator_fenced);
}

TEST_CASE("damaged bytes of a state are refused") {
  producer_state state;
  state.stage(batch(0, 2, 0, 3), 50);
  state.stage(batch(2, 1, 0, 0, true, 8), 50);
  state.stage_marker(batch(3, 1, -1, 0, true, 8), {false, 4}, 50);
  state.committed(4);
  const std::string bytes = state.encode();
  for (size_t n = 0; n < bytes.size(); ++n) {
    CHECK_FALSE(producer_state::decode(std::as_bytes(std::span(bytes.data(), n)), 0).ok());
    std::string flipped = bytes;
    flipped[n] =
        static_cast<char>(flipped[n] ^ 0x80);  // must not crash; a checksum stands around it
    (void)producer_state::decode(std::as_bytes(std::span(flipped)), 0);
  }
  const std::string longer = bytes + "x";
  CHECK_FALSE(producer_state::decode(std::as_bytes(std::span(longer)), 0).ok());
}
