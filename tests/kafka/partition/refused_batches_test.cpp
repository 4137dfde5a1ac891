#include "runtime/kafka/partition/refused_batches.hpp"

#include <doctest/doctest.h>

using namespace weir::kafka;

namespace {

constexpr auto none = error_code::none;
constexpr auto elsewhere = error_code::not_leader_or_follower;
constexpr auto too_few = error_code::not_enough_replicas;
constexpr auto disorder = error_code::out_of_order_sequence_number;
constexpr int64_t pid = 7;

refused_batches::batch at(int32_t sequence, int16_t epoch = 0, int64_t producer = pid) {
  return {producer, epoch, sequence};
}

}  // namespace

TEST_CASE("batches behind a refused one are refused like it until it comes again") {
  refused_batches r;
  CHECK(r.behind(at(5), {}, 0) == none);
  r.note(at(5), elsewhere, 0);
  CHECK(r.behind(at(5), {}, 1) == none);
  CHECK(r.behind(at(4), {}, 1) == none);
  CHECK(r.behind(at(8), {}, 1) == elsewhere);
  CHECK(r.behind(at(8, 0, 99), {}, 1) == none);
  r.note(at(8), elsewhere, 1);  // refused as well: the lowest counts
  r.note(at(5), none, 2);
  CHECK(r.behind(at(8), {}, 2) == none);
  CHECK(r.size() == 0);
}

TEST_CASE("the reason that is told is the newest, the place the lowest") {
  refused_batches r;
  r.note(at(10), elsewhere, 0);
  r.note(at(6), too_few, 0);
  CHECK(r.behind(at(8), {}, 0) == too_few);
  r.note(at(3), none, 0);  // a repetition of what was accepted long ago
  CHECK(r.behind(at(8), {}, 0) == too_few);
  r.note(at(6), none, 0);
  CHECK(r.behind(at(8), {}, 0) == none);
}

TEST_CASE("a write that failed is a reason: there may be room for the next one") {
  refused_batches r;
  constexpr auto full = error_code::kafka_storage_error;
  r.note(at(5), full, 0);
  CHECK(r.behind(at(8), 4, 1) == full);
  CHECK(r.behind(at(5), 4, 1) == none);
  r.note(at(5), none, 2);
  CHECK(r.behind(at(8), 7, 2) == none);
}

TEST_CASE("what is wrong by itself is no reason") {
  refused_batches r;
  r.note(at(5), disorder, 0);
  r.note(at(5), error_code::corrupt_message, 0);
  CHECK(r.size() == 0);
  r.note(at(5), elsewhere, 0);
  r.note(at(5), disorder, 0);
  CHECK(r.behind(at(6), {}, 0) == elsewhere);
  // Refused for good: those behind it are looked at.
  r.note(at(6), error_code::invalid_txn_state, 0);
  CHECK(r.behind(at(6), {}, 0) == elsewhere);
  r.note(at(5), error_code::invalid_txn_state, 0);
  CHECK(r.behind(at(6), {}, 0) == none);
}

TEST_CASE("a new epoch begins anew, an old one changes nothing") {
  refused_batches r;
  r.note(at(5), elsewhere, 0);
  CHECK(r.behind(at(0, 1), {}, 0) == none);
  CHECK(r.behind(at(9, 1), {}, 0) == none);
  r.note(at(0, 1), none, 0);
  CHECK(r.behind(at(9), {}, 0) == none);
  r.note(at(5, 1), elsewhere, 0);
  r.note(at(700, 2), elsewhere, 0);
  CHECK(r.behind(at(600, 2), {}, 0) == none);
  CHECK(r.behind(at(701, 2), {}, 0) == elsewhere);
  r.note(at(3, 1), none, 0);
  CHECK(r.behind(at(701, 2), {}, 0) == elsewhere);
}

TEST_CASE("sequences go round") {
  refused_batches r;
  r.note(at(2147483640), elsewhere, 0);
  CHECK(r.behind(at(2147483647), {}, 0) == elsewhere);
  CHECK(r.behind(at(3), {}, 0) == elsewhere);
  CHECK(r.behind(at(2147483600), {}, 0) == none);
}

TEST_CASE("nothing is remembered for ever") {
  refused_batches r;
  const auto over = refused_batches::remembered_ms;
  r.note(at(5), elsewhere, 0);
  CHECK(r.behind(at(8), {}, over) == elsewhere);
  CHECK(r.behind(at(8), {}, over + 1) == none);
  r.note(at(8), elsewhere, over + 1);  // and then only this
  CHECK(r.behind(at(7), {}, over + 1) == none);
  CHECK(r.behind(at(9), {}, over + 1) == elsewhere);

  refused_batches many;
  for (int64_t p = 0; p < 20'000; ++p) many.note(at(1, 0, p), elsewhere, 0);
  CHECK(many.size() == refused_batches::remembered_max);
  CHECK(many.behind(at(2, 0, 9'999), {}, 0) == elsewhere);
  CHECK(many.behind(at(2, 0, 10'000), {}, 0) == none);
  many.note(at(1, 0, 10'000), elsewhere, over + 1);
  CHECK(many.size() == 1);
}

TEST_CASE("what another leader has taken meanwhile is not waited for") {
  refused_batches r;
  r.note(at(100), elsewhere, 0);  // it went to that leader then, and came back from it as a copy
  CHECK(r.behind(at(150), {}, 1) == elsewhere);
  CHECK(r.behind(at(150), 99, 1) == elsewhere);  // all in front of it: it is still to come
  CHECK(r.behind(at(150), 149, 1) == none);
  CHECK(r.behind(at(150), 159, 1) == none);  // a repetition
  // That leader has taken a part of what was sent: the rest was refused here, too.
  CHECK(r.behind(at(150), 120, 1) == elsewhere);
  refused_batches round;
  round.note(at(2147483640), elsewhere, 0);
  CHECK(round.behind(at(7), 2147483639, 1) == elsewhere);
  CHECK(round.behind(at(7), 6, 1) == none);
}
