// KIP-890, part 2: with transaction.version 2 and EndTxn v5 every end of a transaction bumps the
// epoch.
#include <doctest/doctest.h>

#include "runtime/kafka/transactions/transaction.hpp"
#include "tests/kafka/transactions/desk.hpp"

using namespace weir;
using namespace weir::kafka;
using weir::kafka::test::desk;

namespace {

const std::vector<transaction_partition> two = {{"orders", 0}, {"orders", 1}};

transaction_options version_2() {
  transaction_options o;
  o.transaction_version = 2;
  return o;
}

}  // namespace

TEST_CASE("each end gives the producer its next epoch") {
  desk d(version_2());
  const int64_t pid = d.init("pay").producer_id;
  REQUIRE(d.add("pay", pid, 0, two) == error_code::none);
  const auto done = d.end("pay", pid, 0, true, 5);
  CHECK(done.error_code == error_code::none);
  CHECK(done.producer_id == pid);
  CHECK(done.producer_epoch == 1);
  CHECK(d.marked.at(0).producer_epoch == 1);
  CHECK(d.add("pay", pid, 0, two) == error_code::producer_fenced);
  CHECK(d.add("pay", pid, 1, two) == error_code::none);
  CHECK(d.end("pay", pid, 1, false, 5).producer_epoch == 2);
}

TEST_CASE("a repeated end is told apart from the next one by its epoch") {
  desk d(version_2());
  const int64_t pid = d.init("pay").producer_id;
  REQUIRE(d.add("pay", pid, 0, two) == error_code::none);
  d.ask_end("pay", pid, 0, true, 5);
  d.write_one();
  // Its answer was lost while the markers are under way.
  CHECK(d.answer<end_txn_response>(d.ask_end("pay", pid, 0, true, 5))->error_code ==
        error_code::concurrent_transactions);
  // Nor is the next one ended before this one is.
  CHECK(d.answer<end_txn_response>(d.ask_end("pay", pid, 1, true, 5))->error_code ==
        error_code::concurrent_transactions);
  d.pump();
  const auto again = d.end("pay", pid, 0, true, 5);
  CHECK(again.error_code == error_code::none);
  CHECK(again.producer_epoch == 1);
  CHECK(d.end("pay", pid, 0, false, 5).error_code == error_code::invalid_txn_state);
  CHECK(d.end("pay", pid, 2, false, 5).error_code == error_code::producer_fenced);
  CHECK(d.marked.size() == 1);
}

TEST_CASE("an abort is taken also when no partition was added; a commit is not") {
  desk d(version_2());
  const int64_t pid = d.init("pay").producer_id;
  CHECK(d.end("pay", pid, 0, true, 5).error_code == error_code::invalid_txn_state);
  const auto first = d.end("pay", pid, 0, false, 5);
  CHECK(first.error_code == error_code::none);
  CHECK(first.producer_epoch == 1);
  CHECK(d.state_of("pay") == "CompleteAbort");
  CHECK(d.marked.empty());
  CHECK(d.end("pay", pid, 1, true, 5).error_code == error_code::invalid_txn_state);
  CHECK(d.end("pay", pid, 1, false, 5).producer_epoch == 2);
}

TEST_CASE("the last epoch hands over to a new producer id") {
  desk d(version_2());
  const int64_t pid = d.init("pay").producer_id;
  int16_t epoch = 0;
  while (epoch < epoch_last - 1) epoch = d.init("pay").producer_epoch;
  REQUIRE(d.add("pay", pid, epoch, two) == error_code::none);
  const auto token = d.ask_end("pay", pid, epoch, true, 5);
  d.write_one();
  const auto done = d.answer<end_txn_response>(token).value();
  CHECK(done.error_code == error_code::none);
  CHECK(done.producer_id != pid);
  CHECK(done.producer_epoch == 0);
  CHECK(d.markers.at(0).producer_id == pid);
  CHECK(d.markers.at(0).producer_epoch == epoch_last);
  d.restart();  // what was promised stands in the PREPARE record
  d.pump();
  const auto again = d.end("pay", pid, epoch, true, 5);
  CHECK(again.error_code == error_code::none);
  CHECK(again.producer_id == done.producer_id);
  CHECK(again.producer_epoch == 0);
  CHECK(d.add("pay", done.producer_id, 0, two) == error_code::none);
}

TEST_CASE("fencing bumps the epoch once") {
  desk d(version_2());
  const int64_t pid = d.init("pay").producer_id;
  REQUIRE(d.add("pay", pid, 0, two) == error_code::none);
  CHECK(d.init("pay").error_code == error_code::concurrent_transactions);
  CHECK(d.marked.at(0).producer_epoch == 1);
  CHECK(d.end("pay", pid, 0, true, 5).error_code == error_code::producer_fenced);
  CHECK(d.end("pay", pid, 0, false, 5).error_code == error_code::producer_fenced);
  CHECK(d.init("pay").producer_epoch == 2);
}

TEST_CASE("older clients and a broker without the feature keep the epoch") {
  desk d(version_2());
  const int64_t pid = d.init("pay").producer_id;
  REQUIRE(d.add("pay", pid, 0, two) == error_code::none);
  d.end("pay", pid, 0, true, 4);
  CHECK(d.add("pay", pid, 0, two) == error_code::none);

  desk plain;
  const int64_t other = plain.init("pay").producer_id;
  REQUIRE(plain.add("pay", other, 0, two) == error_code::none);
  const auto done = plain.end("pay", other, 0, true, 5);
  CHECK(done.producer_id == other);
  CHECK(done.producer_epoch == 0);
}
