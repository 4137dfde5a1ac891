#include "runtime/kafka/transactions/coordinator.hpp"

#include <doctest/doctest.h>

#include "runtime/kafka/transactions/transaction.hpp"
#include "tests/kafka/transactions/desk.hpp"

using namespace weir;
using namespace weir::kafka;
using weir::kafka::test::desk;

namespace {

const std::vector<transaction_partition> two = {{"orders", 0}, {"orders", 1}};

// An id, its first epoch, and an open transaction.
int64_t begin(desk& d, const std::string& id = "pay") {
  const auto r = d.init(id);
  REQUIRE(r.error_code == error_code::none);
  REQUIRE(d.add(id, r.producer_id, r.producer_epoch, two) == error_code::none);
  return r.producer_id;
}

}  // namespace

TEST_CASE("a transactional id gets a producer id of its own, and keeps it across restarts") {
  desk d;
  const auto a = d.init("a");
  CHECK(a.error_code == error_code::none);
  CHECK(a.producer_id == 0);
  CHECK(a.producer_epoch == 0);
  CHECK(d.init("b").producer_id == 1);
  CHECK(d.coordinator.producer_ids_taken_below() == 0);  // nothing was replayed
  d.restart();
  CHECK(d.coordinator.producer_ids_taken_below() == 2);
  CHECK(d.init("a").producer_id == 0);
  CHECK(d.init("c").producer_id == 2);
}

TEST_CASE("a record of an older node's blocks says which producer ids are taken") {
  desk d;
  d.log.push_back({encode_producer_ids_key(), encode_producer_ids_value(3000)});
  d.restart();
  CHECK(d.restore_failures == 0);
  CHECK(d.coordinator.producer_ids_taken_below() == 3000);
}

TEST_CASE("requests wait for producer ids, which are asked for together") {
  desk d;
  d.hold_ids = true;
  const auto first = d.ask_init("pay"), second = d.ask_init("ship"), third = d.ask_init("pay");
  CHECK(d.replies.empty());
  CHECK(d.writes.empty());
  CHECK(d.ids_wanted == 1);
  SUBCASE("they come") {
    d.give_ids(1);
    CHECK(d.ids_wanted == 1);  // for the other id; "pay" has one now
    REQUIRE(d.writes.size() == 1);
    CHECK(d.answer<init_producer_id_response>(third)->error_code ==
          error_code::concurrent_transactions);
    d.give_ids(1);
    d.pump();
    CHECK(d.answer<init_producer_id_response>(first)->producer_id == 0);
    CHECK(d.answer<init_producer_id_response>(second)->producer_id == 1);
  }
  SUBCASE("there are none now: clients come again") {
    d.give_ids(0);
    for (auto token : {first, second, third})
      CHECK(d.answer<init_producer_id_response>(token)->error_code ==
            error_code::coordinator_load_in_progress);
    d.hold_ids = false;
    CHECK(d.init("pay").producer_id == 0);
  }
}

TEST_CASE("InitProducerId refuses what makes no sense") {
  desk d;
  CHECK(d.init("").error_code == error_code::invalid_request);
  CHECK(d.init(std::nullopt).error_code == error_code::invalid_request);
  CHECK(d.init("pay", -1, -1, 0).error_code == error_code::invalid_transaction_timeout);
  CHECK(d.init("pay", -1, -1, 900'001).error_code == error_code::invalid_transaction_timeout);
  CHECK(d.init("pay", 5, -1).error_code == error_code::invalid_request);
  CHECK(d.init("pay", -1, 5).error_code == error_code::invalid_request);
}

TEST_CASE("before the replay is done everybody is told to come again") {
  transaction_coordinator c({});
  transaction_effects out;
  init_producer_id_request init;
  c.init_producer_id(init, 4, 1, 0, out);
  end_txn_request end;
  end.transactional_id = "pay";
  c.end_transaction(end, 3, 2, 0, out);
  REQUIRE(out.replies.size() == 2);
  CHECK(std::get<init_producer_id_response>(out.replies[0].response).error_code ==
        error_code::coordinator_load_in_progress);
  CHECK(std::get<end_txn_response>(out.replies[1].response).error_code ==
        error_code::coordinator_load_in_progress);
  CHECK(c.list({}, 0).error_code == error_code::coordinator_load_in_progress);
  CHECK_FALSE(out.next_wake_ms);
}

TEST_CASE("a commit: prepare, markers, complete") {
  desk d;
  const int64_t pid = begin(d);
  CHECK(d.state_of("pay") == "Ongoing");
  const auto token = d.ask_end("pay", pid, 0, true);
  CHECK(d.replies.empty());
  CHECK(d.markers.empty());
  d.write_one();
  CHECK(d.answer<end_txn_response>(token)->error_code == error_code::none);
  CHECK(d.state_of("pay") == "PrepareCommit");
  REQUIRE(d.markers.size() == 1);
  CHECK(d.markers[0].commit);
  CHECK(d.markers[0].producer_id == pid);
  CHECK(d.markers[0].producer_epoch == 0);
  CHECK(d.markers[0].partitions == two);
  // The next transaction has to wait.
  CHECK(d.answer<add_partitions_to_txn_response>(d.ask_add("pay", pid, 0, two))
            ->results_by_topic_v3_and_below[0]
            .results_by_partition[0]
            .partition_error_code == error_code::concurrent_transactions);
  CHECK(d.answer<end_txn_response>(d.ask_end("pay", pid, 0, true))->error_code ==
        error_code::concurrent_transactions);
  CHECK(d.answer<init_producer_id_response>(d.ask_init("pay"))->error_code ==
        error_code::concurrent_transactions);
  d.mark_one();
  CHECK(d.state_of("pay") == "PrepareCommit");
  d.write_one();
  CHECK(d.state_of("pay") == "CompleteCommit");
  // Repeated: the same answer, and nothing is written. The other way round it is refused.
  CHECK(d.end("pay", pid, 0, true).error_code == error_code::none);
  CHECK(d.end("pay", pid, 0, false).error_code == error_code::invalid_txn_state);
  CHECK(d.marked.size() == 1);
  CHECK(d.add("pay", pid, 0, {{"a", 3}}) == error_code::none);
  CHECK(d.end("pay", pid, 0, false).error_code == error_code::none);
  CHECK(d.state_of("pay") == "CompleteAbort");
  CHECK_FALSE(d.marked.at(1).commit);
}

TEST_CASE("producers are told who they are not") {
  desk d;
  const int64_t pid = begin(d);
  CHECK(d.add("other", pid, 0, two) == error_code::invalid_producer_id_mapping);
  CHECK(d.add("pay", pid + 1, 0, two) == error_code::invalid_producer_id_mapping);
  CHECK(d.add("pay", pid, 1, two) == error_code::producer_fenced);
  CHECK(d.add("", pid, 1, two) == error_code::invalid_request);
  CHECK(d.end("pay", pid + 1, 0, true).error_code == error_code::invalid_producer_id_mapping);
  CHECK(d.end("pay", pid, 1, true).error_code == error_code::producer_fenced);
  // Clients before these versions know an older error only.
  CHECK(d.end("pay", pid, 1, true, 1).error_code == error_code::invalid_producer_epoch);
  const auto token = d.ask_add("pay", pid, 1, two, 1);
  d.pump();
  const auto told = d.answer<add_partitions_to_txn_response>(token);
  REQUIRE(told->results_by_topic_v3_and_below.size() == 1);
  CHECK(told->results_by_topic_v3_and_below[0].results_by_partition.size() == 2);
  CHECK(told->results_by_topic_v3_and_below[0].results_by_partition[1].partition_error_code ==
        error_code::invalid_producer_epoch);
  const auto fresh = d.init("empty");
  CHECK(d.end("empty", fresh.producer_id, 0, true).error_code == error_code::invalid_txn_state);
}

// A coordinator that was deposed, and does not know it, has the state of before: what it writes
// does not count, so nothing that rests on that state may be said without a record.
TEST_CASE("an answer without a record of its own leaves when what stands is written once more") {
  desk d;
  const int64_t pid = begin(d);
  REQUIRE(d.end("pay", pid, 0, true).error_code == error_code::none);
  REQUIRE(d.add("pay", pid, 0, two) == error_code::none);
  const auto before = d.log.size();
  const auto add_error = [&d](reply_token t) {
    return d.answer<add_partitions_to_txn_response>(t)
        ->results_by_topic_v3_and_below[0]
        .results_by_partition[0]
        .partition_error_code;
  };
  SUBCASE("partitions that are known already") {
    const auto token = d.ask_add("pay", pid, 0, {{"orders", 1}});
    CHECK(d.replies.empty());
    SUBCASE("confirmed") {
      d.write_one();
      CHECK(add_error(token) == error_code::none);
      CHECK(d.log.size() == before + 1);
    }
    SUBCASE("deposed") {
      d.write_one(error_code::not_leader_or_follower);
      CHECK(add_error(token) == error_code::not_coordinator);
    }
    CHECK(d.state_of("pay") == "Ongoing");
    CHECK(d.end("pay", pid, 0, true).error_code == error_code::none);
  }
  SUBCASE("an end of before, repeated") {
    REQUIRE(d.end("pay", pid, 0, true).error_code == error_code::none);
    const auto token = d.ask_end("pay", pid, 0, true);
    CHECK(d.replies.empty());
    SUBCASE("confirmed") {
      d.write_one();
      CHECK(d.answer<end_txn_response>(token)->error_code == error_code::none);
    }
    SUBCASE("deposed") {
      d.write_one(error_code::not_leader_or_follower);
      CHECK(d.answer<end_txn_response>(token)->error_code == error_code::not_coordinator);
    }
    CHECK(d.state_of("pay") == "CompleteCommit");
    CHECK(d.markers.empty());
  }
  SUBCASE("an epoch that is not known yet") {
    const auto token = d.ask_add("pay", pid, 1, two);
    CHECK(d.replies.empty());
    d.write_one(error_code::not_leader_or_follower);
    CHECK(add_error(token) == error_code::not_coordinator);
  }
  SUBCASE("an id that is not known, here or at all") {
    const auto token = d.ask_add("nobody", pid, 0, two);
    CHECK(d.replies.empty());
    CHECK(d.state_of("nobody") == "TRANSACTIONAL_ID_NOT_FOUND");
    SUBCASE("confirmed") {
      d.write_one();
      CHECK(add_error(token) == error_code::invalid_producer_id_mapping);
    }
    SUBCASE("deposed") {
      d.write_one(error_code::not_leader_or_follower);
      CHECK(add_error(token) == error_code::not_coordinator);
    }
    CHECK(d.coordinator.size() == 1);
    // Somebody who begins it meanwhile is not overtaken.
    const auto late = d.ask_add("nobody", pid, 0, two);
    const auto begun = d.ask_init("nobody");
    d.pump();
    CHECK(add_error(late) == error_code::invalid_producer_id_mapping);
    CHECK(d.answer<init_producer_id_response>(begun)->error_code == error_code::none);
    d.restart();
    CHECK(d.state_of("nobody") == "Empty");
  }
  SUBCASE("an older epoch is fenced at once: epochs only grow") {
    const auto abort = d.init("pay");
    CHECK(abort.error_code == error_code::concurrent_transactions);
    REQUIRE(d.init("pay").producer_epoch == 2);
    CHECK(add_error(d.ask_add("pay", pid, 0, two)) == error_code::producer_fenced);
    CHECK(d.writes.empty());
  }
}

TEST_CASE("a new incarnation aborts the transaction of the old one and fences it") {
  desk d;
  const int64_t pid = begin(d);
  const auto again = d.init("pay");
  CHECK(again.error_code == error_code::concurrent_transactions);
  CHECK(again.producer_id == -1);
  REQUIRE(d.marked.size() == 1);
  CHECK_FALSE(d.marked[0].commit);
  CHECK(d.marked[0].producer_epoch == 1);  // fences the old one in the partitions too
  CHECK(d.end("pay", pid, 0, true).error_code == error_code::producer_fenced);
  const auto third = d.init("pay");
  CHECK(third.error_code == error_code::none);
  CHECK(third.producer_id == pid);
  CHECK(third.producer_epoch == 2);
}

TEST_CASE("a producer may bump its own epoch after an error; a replaced one may not") {
  desk d;
  const auto first = d.init("pay");
  const auto bumped = d.init("pay", first.producer_id, 0);
  CHECK(bumped.producer_epoch == 1);
  // The answer was lost: the same request gets the same epoch.
  CHECK(d.init("pay", first.producer_id, 0).producer_epoch == 1);
  CHECK(d.init("pay", first.producer_id + 7, 0).error_code == error_code::producer_fenced);
  const auto other = d.init("pay");
  CHECK(other.producer_epoch == 2);
  CHECK(d.init("pay", first.producer_id, 1).error_code == error_code::producer_fenced);
  const auto token = d.ask_init("pay", first.producer_id, 1, 60'000, 3);
  CHECK(d.answer<init_producer_id_response>(token)->error_code ==
        error_code::invalid_producer_epoch);
}

TEST_CASE("used up epochs bring a new producer id") {
  desk d;
  const auto first = d.init("pay");
  int16_t epoch = 0;
  while (epoch < epoch_last - 1) epoch = d.init("pay").producer_epoch;
  SUBCASE("for a new incarnation") {
    const auto next = d.init("pay");
    CHECK(next.producer_id != first.producer_id);
    CHECK(next.producer_epoch == 0);
  }
  SUBCASE("for the same producer, also when it has to ask twice") {
    const auto next = d.init("pay", first.producer_id, epoch);
    CHECK(next.producer_id != first.producer_id);
    CHECK(next.producer_epoch == 0);
    const auto again = d.init("pay", first.producer_id, epoch);
    CHECK(again.producer_id == next.producer_id);
    CHECK(again.producer_epoch == 0);
  }
  SUBCASE("the last epoch is left for fencing") {
    REQUIRE(d.add("pay", first.producer_id, epoch, two) == error_code::none);
    CHECK(d.init("pay").error_code == error_code::concurrent_transactions);
    CHECK(d.marked.at(0).producer_epoch == epoch_last);
    const auto next = d.init("pay");
    CHECK(next.producer_id != first.producer_id);
    CHECK(next.producer_epoch == 0);
  }
}

TEST_CASE("an open transaction is aborted after its timeout") {
  desk d;
  const int64_t pid = begin(d);
  CHECK(*d.wake_ms == d.now_ms + 60'001);
  d.advance(30'000);
  CHECK(d.add("pay", pid, 0, {{"late", 0}}) == error_code::none);  // does not begin it anew
  d.advance(30'000);
  CHECK(d.state_of("pay") == "Ongoing");
  d.advance(1);
  CHECK(d.state_of("pay") == "CompleteAbort");
  REQUIRE(d.marked.size() == 1);
  CHECK(d.marked[0].producer_epoch == 1);
  CHECK(d.marked[0].partitions.size() == 3);
  CHECK(d.end("pay", pid, 0, true).error_code == error_code::producer_fenced);
  CHECK(d.replies.empty());
}

TEST_CASE("an abort that cannot be written is tried again") {
  desk d;
  begin(d);
  d.advance(60'001, false);
  REQUIRE(d.writes.size() == 1);
  d.write_one(error_code::kafka_storage_error);
  CHECK(d.state_of("pay") == "Ongoing");
  CHECK(*d.wake_ms == d.now_ms + int64_t{100});
  d.advance(1000);
  CHECK(d.state_of("pay") == "CompleteAbort");
  CHECK(d.marked.at(0).producer_epoch == 1);
}

TEST_CASE("a failed record changes nothing, and the client may repeat") {
  desk d;
  const auto first = d.ask_init("pay");
  d.write_one(error_code::kafka_storage_error);
  CHECK(d.answer<init_producer_id_response>(first)->error_code == error_code::not_coordinator);
  CHECK(d.coordinator.size() == 0);
  const int64_t pid = begin(d);
  const auto end = d.ask_end("pay", pid, 0, true);
  d.write_one(error_code::not_enough_replicas);
  CHECK(d.answer<end_txn_response>(end)->error_code == error_code::coordinator_not_available);
  CHECK(d.state_of("pay") == "Ongoing");
  CHECK(d.end("pay", pid, 0, true).error_code == error_code::none);
  CHECK(d.state_of("pay") == "CompleteCommit");
}

TEST_CASE("markers are asked for until each partition has one") {
  desk d;
  const int64_t pid = begin(d);
  d.ask_end("pay", pid, 0, true);
  d.write_one();
  transaction_effects out;
  const auto id = d.markers[0].id;
  d.markers.clear();
  const std::vector<std::pair<transaction_partition, error_code>> results = {
      {{"orders", 0}, error_code::none}, {{"orders", 1}, error_code::kafka_storage_error}};
  d.coordinator.on_markers_written(id, results, d.now_ms, out);
  d.take(out);
  CHECK(d.markers.empty());
  d.advance(int64_t{100}, false);
  REQUIRE(d.markers.size() == 1);
  CHECK(d.markers[0].partitions == std::vector<transaction_partition>{{"orders", 1}});
  // A deleted topic needs none.
  d.mark_one(error_code::unknown_topic_or_partition);
  d.write_one();
  CHECK(d.state_of("pay") == "CompleteCommit");
}

TEST_CASE("a COMPLETE record that cannot be written is repeated") {
  desk d;
  const int64_t pid = begin(d);
  d.ask_end("pay", pid, 0, true);
  d.write_one();
  d.mark_one();
  d.write_one(error_code::kafka_storage_error);
  CHECK(d.answer<init_producer_id_response>(d.ask_init("pay"))->error_code ==
        error_code::concurrent_transactions);
  d.advance(1000);
  CHECK(d.state_of("pay") == "CompleteCommit");
  CHECK(d.marked.size() == 1);
}

TEST_CASE("a restart goes on where the records end") {
  desk d;
  const int64_t pid = begin(d);
  SUBCASE("open: its timeout still counts") {
    d.restart();
    CHECK(d.state_of("pay") == "Ongoing");
    d.advance(60'001);
    CHECK(d.state_of("pay") == "CompleteAbort");
  }
  SUBCASE("prepared: markers are written again") {
    d.ask_end("pay", pid, 0, true);
    d.write_one();
    d.mark_one();  // the COMPLETE record is lost
    d.restart();
    REQUIRE(d.markers.size() == 1);
    CHECK(d.markers[0].commit);
    CHECK(d.markers[0].partitions == two);
    d.pump();
    CHECK(d.state_of("pay") == "CompleteCommit");
  }
  SUBCASE("complete: the same answers as before") {
    d.end("pay", pid, 0, true);
    d.restart();
    CHECK(d.end("pay", pid, 0, true).error_code == error_code::none);
    CHECK(d.init("pay").producer_epoch == 1);
    CHECK(d.init("new").producer_id == 1);
  }
  CHECK(d.restore_failures == 0);
}

TEST_CASE("a group's offsets take part as a partition of __consumer_offsets") {
  desk d;
  const auto r = d.init("pay");
  add_offsets_to_txn_request add;
  add.transactional_id = "pay";
  add.producer_id = r.producer_id;
  add.producer_epoch = 0;
  add.group_id = "readers";
  transaction_effects out;
  d.coordinator.add_offsets(add, 3, 77, d.now_ms, out);
  d.take(out);
  d.pump();
  CHECK(d.answer<add_offsets_to_txn_response>(77)->error_code == error_code::none);
  d.ask_end("pay", r.producer_id, 0, true);
  d.write_one();
  REQUIRE(d.markers.size() == 1);
  CHECK(d.markers[0].partitions.empty());
  CHECK(d.markers[0].offsets_partitions ==
        std::vector<int32_t>{d.coordinator.offsets_partition_for("readers")});
  d.pump();
  CHECK(d.state_of("pay") == "CompleteCommit");
}

TEST_CASE("the produce path asks whether a partition takes part") {
  desk d;
  const int64_t pid = begin(d);
  const auto check = [&d](int64_t producer, int16_t epoch, bool add) {
    transaction_effects out;
    d.coordinator.check_partitions("pay", producer, epoch, {{"orders", 1}, {"x", 0}}, add,
                                   ++d.last_token, d.now_ms, out);
    d.take(out);
    d.pump();
    return d.answer<partition_check_response>(d.last_token).value().partitions;
  };
  auto told = check(pid, 0, false);
  CHECK(told[0].second == error_code::none);
  CHECK(told[1].second == error_code::transaction_abortable);
  CHECK(check(pid, 4, false)[0].second == error_code::producer_fenced);
  CHECK(check(pid + 1, 0, false)[1].second == error_code::invalid_producer_id_mapping);
  told = check(pid, 0, true);
  CHECK(told[1].second == error_code::none);
  CHECK(check(pid, 0, false)[1].second == error_code::none);
}

TEST_CASE("an operator may end a transaction that hangs") {
  desk d;
  const int64_t pid = begin(d);
  const auto abort = [&d](const std::string& id) {
    transaction_effects out;
    d.coordinator.force_abort(id, ++d.last_token, d.now_ms, out);
    d.take(out);
    d.pump();
    return d.answer<force_abort_response>(d.last_token).value();
  };
  CHECK(abort("nobody").error == error_code::transactional_id_not_found);
  const auto done = abort("pay");
  CHECK(done.error == error_code::none);
  CHECK(done.producer_epoch == 1);
  CHECK(d.state_of("pay") == "CompleteAbort");
  CHECK(d.end("pay", pid, 0, true).error_code == error_code::producer_fenced);
  CHECK(abort("pay").error == error_code::invalid_txn_state);
}

TEST_CASE("ids that were not used for a week are forgotten") {
  desk d;
  const int64_t pid = begin(d);
  d.end("pay", pid, 0, true);
  d.init("idle");
  REQUIRE(d.coordinator.size() == 2);
  d.advance(d.options.id_expiration_ms - 1);
  CHECK(d.coordinator.size() == 2);
  d.advance(d.options.expiration_interval_ms);
  CHECK(d.coordinator.size() == 0);
  CHECK(d.state_of("pay") == "TRANSACTIONAL_ID_NOT_FOUND");
  CHECK_FALSE(d.log.back().value.has_value());
  d.restart();
  CHECK(d.coordinator.size() == 0);
  CHECK(d.end("pay", pid, 0, true).error_code == error_code::invalid_producer_id_mapping);
}

TEST_CASE("describe and list tell what stands") {
  desk d;
  const int64_t pid = begin(d, "b-pay");
  d.now_ms += 500;
  d.init("a-idle");
  describe_transactions_request ask;
  ask.transactional_ids = {"b-pay", "", "nobody"};
  const auto told = d.coordinator.describe(ask).transaction_states;
  REQUIRE(told.size() == 3);
  CHECK(told[0].producer_id == pid);
  CHECK(told[0].transaction_timeout_ms == 60'000);
  CHECK(told[0].transaction_start_time_ms == 1'000'000);
  REQUIRE(told[0].topics.size() == 1);
  CHECK(told[0].topics[0].partitions == std::vector<int32_t>{0, 1});
  CHECK(told[1].error_code == error_code::invalid_request);
  CHECK(told[2].error_code == error_code::transactional_id_not_found);

  list_transactions_request list;
  const auto ids = [&] {
    std::string out;
    for (const auto& t : d.coordinator.list(list, d.now_ms).transaction_states)
      out += t.transactional_id + " " + t.transaction_state + ";";
    return out;
  };
  CHECK(ids() == "a-idle Empty;b-pay Ongoing;");
  list.state_filters = {"Ongoing", "Dead", "Nonsense"};
  CHECK(ids() == "b-pay Ongoing;");
  CHECK(d.coordinator.list(list, 0).unknown_state_filters == std::vector<std::string>{"Nonsense"});
  list.state_filters = {"Nonsense"};
  CHECK(ids().empty());
  list.state_filters.clear();
  list.producer_id_filters = {pid + 1};
  CHECK(ids() == "a-idle Empty;");
  list.producer_id_filters.clear();
  list.duration_filter = 500;
  list.transactional_id_pattern = "b.*";
  CHECK(ids().empty());
  list.duration_filter = 499;
  CHECK(ids() == "b-pay Ongoing;");
  list.transactional_id_pattern = "(";
  CHECK(d.coordinator.list(list, 0).error_code == error_code::invalid_regular_expression);
}
