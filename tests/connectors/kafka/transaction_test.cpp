#include <set>

#include "sinks.hpp"

using namespace weir;
using namespace weir::test;

TEST_CASE("kafka sink: an epoch's rows are written when it is complete, with its mark") {
  small_cluster cluster;
  cluster.create("out", 3);
  running r;
  REQUIRE(r.start(kafka_sink_spec(cluster, {}, two), 1, "a1").ok());
  REQUIRE(r.rows_to(0, 0, 30).ok());
  REQUIRE(r.barrier().ok());
  REQUIRE(r.rows_to(0, 30, 5).ok());
  CHECK(values_of(cluster.read("out", 3)).empty());
  REQUIRE(r.complete().ok());
  auto all = cluster.read("out", 3);
  CHECK(values_of(all) == expected(0, 30));
  // Records without a key take turns.
  for (int p = 0; p < 3; ++p) CHECK(all[p].size() == 10);
  CHECK(cluster.committed("weir-job-sink/out-0", "out", 0) ==
        std::pair(int64_t{1}, std::string("a1 1")));
  REQUIRE(r.barrier().ok());
  REQUIRE(r.complete().ok());
  CHECK(values_of(cluster.read("out", 3)) == expected(0, 35));
  // An epoch without rows needs no transaction.
  REQUIRE(r.barrier().ok());
  REQUIRE(r.complete().ok());
  CHECK(cluster.committed("weir-job-sink/out-0", "out", 0)->first == 2);
  CHECK(r.env.metrics.rows_out == 35);
}

TEST_CASE("kafka sink: what an aborted epoch held is the next one's") {
  small_cluster cluster;
  cluster.create("out", 1);
  running r;
  REQUIRE(r.start(kafka_sink_spec(cluster, {}, two), 1, "a1").ok());
  REQUIRE(r.rows_to(0, 0, 3).ok());
  REQUIRE(r.barrier().ok());
  REQUIRE(r.sinks[0]->on_epoch_aborted(epoch{1}).ok());
  REQUIRE(r.rows_to(0, 3, 3).ok());
  REQUIRE(r.barrier().ok());
  REQUIRE(r.complete().ok());
  CHECK(values_of(cluster.read("out", 1)) == expected(0, 6));
}

TEST_CASE("kafka sink: a crash before the transaction: its rows are written by the next attempt") {
  small_cluster cluster;
  cluster.create("out", 2);
  auto spec = kafka_sink_spec(cluster, {}, two);
  std::shared_ptr<memory_snapshot> complete;
  {
    running r;
    REQUIRE(r.start(spec, 2, "a1").ok());
    REQUIRE(r.rows_to(0, 0, 10).ok());
    REQUIRE(r.rows_to(1, 10, 10).ok());
    complete = *r.barrier();
    REQUIRE(r.rows_to(1, 500, 10).ok());  // of the next epoch, which is lost
  }
  CHECK(values_of(cluster.read("out", 2)).empty());
  SUBCASE("at the same parallelism") {
    running r;
    REQUIRE(r.start(spec, 2, "a2", complete.get()).ok());
    REQUIRE(r.settle().ok());
    CHECK(values_of(cluster.read("out", 2)) == expected(0, 20));
    // The mark is of the run whose epoch it is.
    CHECK(cluster.committed("weir-job-sink/out-1", "out", 0) ==
          std::pair(int64_t{1}, std::string("a1 1")));
  }
  SUBCASE("by fewer tasks") {
    running r;
    REQUIRE(r.start(spec, 1, "a2", complete.get()).ok());
    REQUIRE(r.settle().ok());
    CHECK(values_of(cluster.read("out", 2)) == expected(0, 20));
  }
  SUBCASE("by more tasks") {
    running r;
    REQUIRE(r.start(spec, 3, "a2", complete.get()).ok());
    REQUIRE(r.settle().ok());
    CHECK(values_of(cluster.read("out", 2)) == expected(0, 20));
  }
  SUBCASE("by one that has been asked for less meanwhile") {
    running r;
    REQUIRE(r.start(spec, 2, "a2", complete.get(), false).ok());
    REQUIRE(r.settle().ok());
    CHECK(values_of(cluster.read("out", 2)) == expected(0, 20));
  }
  // Whoever comes next finds the marks, however often.
  for (const char* attempt : {"a3", "a4"}) {
    running r;
    REQUIRE(r.start(spec, 2, attempt, complete.get()).ok());
    REQUIRE(r.settle().ok());
    CHECK(values_of(cluster.read("out", 2)) == expected(0, 20));
  }
}

TEST_CASE("kafka sink: a crash after the transaction: nothing is written twice") {
  small_cluster cluster;
  cluster.create("out", 1);
  auto spec = kafka_sink_spec(cluster, {}, two);
  std::shared_ptr<memory_snapshot> complete;
  {
    running r;
    REQUIRE(r.start(spec, 1, "a1").ok());
    REQUIRE(r.rows_to(0, 0, 10).ok());
    complete = *r.barrier();
    REQUIRE(r.complete().ok());
  }
  running r;
  REQUIRE(r.start(spec, 1, "a2", complete.get()).ok());
  r.number = 1;
  REQUIRE(r.settle().ok());
  CHECK(values_of(cluster.read("out", 1)) == expected(0, 10));
  REQUIRE(r.rows_to(0, 10, 5).ok());
  REQUIRE(r.barrier().ok());
  REQUIRE(r.complete().ok());
  CHECK(values_of(cluster.read("out", 1)) == expected(0, 15));
}

TEST_CASE("kafka sink: a mark of another run, even of later epochs, says nothing") {
  small_cluster cluster;
  cluster.create("out", 1);
  auto spec = kafka_sink_spec(cluster, {}, two);
  {
    running r;
    REQUIRE(r.start(spec, 1, "old-run").ok());
    r.number = 99;
    REQUIRE(r.rows_to(0, 0, 1).ok());
    REQUIRE(r.barrier().ok());
    REQUIRE(r.complete().ok());
  }
  std::shared_ptr<memory_snapshot> complete;
  {
    running r;
    REQUIRE(r.start(spec, 1, "fresh-run").ok());
    REQUIRE(r.rows_to(0, 1, 1).ok());
    complete = *r.barrier();
  }
  running r;
  REQUIRE(r.start(spec, 1, "fresh-run-2", complete.get()).ok());
  REQUIRE(r.settle().ok());
  CHECK(values_of(cluster.read("out", 1)) == expected(0, 2));
}

TEST_CASE(
    "kafka sink: a task that is restored late repeats nothing that a later one went on from") {
  small_cluster cluster;
  cluster.create("out", 1);
  auto spec = kafka_sink_spec(cluster, {}, two);
  std::shared_ptr<memory_snapshot> complete;
  {
    running r;
    REQUIRE(r.start(spec, 1, "some-job-9-4").ok());
    REQUIRE(r.rows_to(0, 0, 10).ok());
    complete = *r.barrier();
  }
  {
    running r;
    REQUIRE(r.start(spec, 1, "some-job-10-1", complete.get()).ok());
    r.number = 1;
    REQUIRE(r.settle().ok());
    REQUIRE(r.rows_to(0, 10, 10).ok());
    REQUIRE(r.barrier().ok());
    REQUIRE(r.complete().ok());
  }
  // Deployed before, by a master that is gone, on a node that was slow to notice.
  running zombie;
  REQUIRE(zombie.start(spec, 1, "some-job-9-5", complete.get()).ok());
  REQUIRE(zombie.settle().ok());
  CHECK(values_of(cluster.read("out", 1)) == expected(0, 20));
  CHECK(cluster.committed("weir-job-sink/out-0", "out", 0) ==
        std::pair(int64_t{2}, std::string("some-job-10-1 1")));
}

TEST_CASE("kafka sink: a task that is thought dead cannot commit any more") {
  small_cluster cluster;
  cluster.create("out", 1);
  auto spec = kafka_sink_spec(cluster, {}, two);
  running zombie;
  REQUIRE(zombie.start(spec, 1, "a1").ok());
  REQUIRE(zombie.rows_to(0, 0, 3).ok());
  auto complete = *zombie.barrier();
  running r;
  REQUIRE(r.start(spec, 1, "a2", complete.get()).ok());
  REQUIRE(r.settle().ok());
  CHECK(values_of(cluster.read("out", 1)) == expected(0, 3));
  auto fenced = zombie.complete();
  REQUIRE(!fenced.ok());
  CHECK(fenced.err().message.find("another task or job has taken over") != std::string::npos);
  CHECK(cluster.committed("weir-job-sink/out-0", "out", 0) ==
        std::pair(int64_t{1}, std::string("a1 1")));
}

TEST_CASE("kafka sink: a transaction that the cluster breaks off is tried again") {
  small_cluster cluster;
  cluster.create("out", 1);
  running r;
  REQUIRE(r.start(kafka_sink_spec(cluster, {}, two), 1, "a1").ok());
  REQUIRE(r.rows_to(0, 0, 3).ok());
  REQUIRE(r.barrier().ok());
  SUBCASE("a partition is refused") {
    cluster.broker.fail_next(small_broker::add_partitions, 29);
  }
  SUBCASE("the mark is refused") {
    cluster.broker.fail_next(small_broker::txn_offset_commit, 30);
  }
  REQUIRE(r.complete().ok());
  CHECK(values_of(cluster.read("out", 1)) == expected(0, 3));
  CHECK(cluster.committed("weir-job-sink/out-0", "out", 0)->first == 1);
  CHECK(cluster.broker.requests(small_broker::end_transaction) == 2);
}

TEST_CASE("kafka sink: a record that is refused is named, and written by the next attempt") {
  small_cluster cluster;
  cluster.create("out", 1);
  auto spec = kafka_sink_spec(cluster, {}, two);
  std::shared_ptr<memory_snapshot> complete;
  {
    running r;
    REQUIRE(r.start(spec, 1, "a1").ok());
    REQUIRE(r.rows_to(0, 0, 3).ok());
    complete = *r.barrier();
    cluster.broker.fail_next(small_broker::produce, 29);  // TOPIC_AUTHORIZATION_FAILED
    auto refused = r.complete();
    REQUIRE(!refused.ok());
    CHECK(refused.err().message.starts_with("topic out: "));
    CHECK(refused.err().message.find("Topic authorization failed") != std::string::npos);
    CHECK(refused.err().code == errc::invalid_argument);
  }
  CHECK(values_of(cluster.read("out", 1)).empty());
  running r;
  REQUIRE(r.start(spec, 1, "a2", complete.get()).ok());
  REQUIRE(r.settle().ok());
  CHECK(values_of(cluster.read("out", 1)) == expected(0, 3));
}

TEST_CASE("kafka sink: answers that are lost change nothing") {
  small_cluster cluster;
  cluster.create("out", 1);
  running r;
  REQUIRE(r.start(kafka_sink_spec(cluster, {}, two), 1, "a1").ok());
  REQUIRE(r.rows_to(0, 0, 3).ok());
  REQUIRE(r.barrier().ok());
  SUBCASE("to records") {
    cluster.broker.drop_next(small_broker::produce);
  }
  SUBCASE("to the mark") {
    cluster.broker.drop_next(small_broker::txn_offset_commit);
  }
  SUBCASE("to the commit") {
    cluster.broker.drop_next(small_broker::end_transaction);
  }
  auto done = r.complete();
  // Kafka refuses to commit twice in old versions of the protocol: then the task fails, and the
  // next attempt finds the mark.
  if (!done.ok()) MESSAGE(done.err().message);
  CHECK(values_of(cluster.read("out", 1)) == expected(0, 3));
  CHECK(cluster.committed("weir-job-sink/out-0", "out", 0)->first == 1);
}

TEST_CASE("kafka sink: a transaction that a dead task left open is aborted by the next one") {
  small_cluster cluster;
  cluster.create("out", 1);
  auto spec = kafka_sink_spec(cluster, {}, two);
  running dead;
  REQUIRE(dead.start(spec, 1, "a1").ok());
  REQUIRE(dead.rows_to(0, 0, 3).ok());
  auto complete = *dead.barrier();
  // The coordinator takes no mark for now: the transaction stays as it is.
  for (int i = 0; i < 500; ++i) cluster.broker.fail_next(small_broker::txn_offset_commit, 14);
  REQUIRE(dead.sinks[0]->on_epoch_complete(epoch{1}).ok());
  for (int i = 0; i < 5000 && cluster.broker.requests(small_broker::txn_offset_commit) == 0; ++i)
    std::this_thread::sleep_for(1ms);
  REQUIRE(cluster.broker.open_transactions() == 1);
  CHECK(values_of(cluster.read("out", 1)).empty());
  cluster.broker.forget_failures();
  running r;
  REQUIRE(r.start(spec, 1, "a2", complete.get()).ok());
  REQUIRE(r.settle().ok());
  CHECK(values_of(cluster.read("out", 1)) == expected(0, 3));
  CHECK(cluster.broker.open_transactions() == 0);
}

TEST_CASE("kafka sink: a task that stops within a transaction aborts it") {
  small_cluster cluster;
  cluster.create("out", 1);
  running r;
  REQUIRE(r.start(kafka_sink_spec(cluster, {}, two), 1, "a1").ok());
  REQUIRE(r.rows_to(0, 0, 3).ok());
  REQUIRE(r.barrier().ok());
  for (int i = 0; i < 500; ++i) cluster.broker.fail_next(small_broker::txn_offset_commit, 14);
  REQUIRE(r.sinks[0]->on_epoch_complete(epoch{1}).ok());
  for (int i = 0; i < 5000 && cluster.broker.requests(small_broker::txn_offset_commit) == 0; ++i)
    std::this_thread::sleep_for(1ms);
  CHECK(cluster.broker.open_transactions() == 1);
  cluster.broker.forget_failures();
  r.stop();
  CHECK(cluster.broker.open_transactions() == 0);
}

TEST_CASE("kafka sink: a large epoch goes in several transactions, each written once") {
  small_cluster cluster;
  cluster.create("out", 1);
  auto spec = kafka_sink_spec(cluster, {{"format", "csv"}}, two);
  constexpr int64_t batches = 40, per_batch = 1000;
  const std::string long_text(1000, 'x');  // 40 pieces of 1 MB
  auto batch_at = [&](memory_pool& pool, int64_t i) {
    std::vector<int64_t> n;
    for (int64_t k = 0; k < per_batch; ++k) n.push_back(i * per_batch + k);
    return batch_of(pool, two,
                    {fixed(pool, type_id::int64, n),
                     texts(pool, std::vector<std::optional<std::string>>(n.size(), long_text))});
  };
  auto count = [&] {
    std::set<std::string> different;
    size_t all = 0;
    const auto records = cluster.read("out", 1);
    for (const auto& r : records.at(0)) {
      ++all;
      different.insert(*r.value);
    }
    CHECK(all == different.size());
    return all;
  };
  std::shared_ptr<memory_snapshot> complete;
  {
    running r;
    REQUIRE(r.start(spec, 1, "a1").ok());
    for (int64_t i = 0; i < batches; ++i)
      REQUIRE(r.sinks[0]->process_batch(0, batch_at(r.env.pool, i), r.out).ok());
    complete = *r.barrier();
    // The second transaction finds no partition to write to.
    REQUIRE(r.sinks[0]->on_epoch_complete(epoch{1}).ok());
    for (int i = 0; i < 20'000 && cluster.broker.requests(small_broker::end_transaction) == 0; ++i)
      std::this_thread::sleep_for(1ms);
    for (int i = 0; i < 20; ++i) cluster.broker.fail_next(small_broker::add_partitions, 29);
    auto cut = r.settle();
    MESSAGE((cut.ok() ? std::string("the second one was faster") : cut.err().message));
  }
  cluster.broker.forget_failures();
  CHECK(count() >= 30'000);
  running r;
  REQUIRE(r.start(spec, 1, "a2", complete.get()).ok());
  REQUIRE(r.settle().ok());
  CHECK(count() == batches * per_batch);
  CHECK(cluster.committed("weir-job-sink/out-0", "out", 0) ==
        std::pair(int64_t{1}, std::string("a1 40")));
}

TEST_CASE("kafka sink: large epochs are kept in pieces, small ones behind them leave none") {
  small_cluster cluster;
  cluster.create("out", 1);
  auto spec = kafka_sink_spec(cluster, {}, two);
  std::shared_ptr<memory_snapshot> complete;
  {
    running r;
    REQUIRE(r.start(spec, 1, "a1").ok());
    REQUIRE(r.rows_to(0, 0, 40'000).ok());
    complete = *r.barrier();
    size_t pieces = 0;
    for (const auto& [state, who, bytes] : complete->kept) pieces += state.starts_with("records.");
    CHECK(pieces == 1);  // one batch is encoded at once
    REQUIRE(r.complete().ok());
    REQUIRE(r.rows_to(0, 40'000, 1).ok());
    REQUIRE(r.barrier().ok());
    REQUIRE(r.complete().ok());
    auto empty = *r.barrier();
    for (const auto& [state, who, bytes] : empty->kept)
      if (state.starts_with("records.")) CHECK(bytes.size() == 0);
  }
  CHECK(values_of(cluster.read("out", 1)) == expected(0, 40'001));
}
