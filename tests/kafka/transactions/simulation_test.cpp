// Seeded simulation: producers with transactional ids and their zombies, partitions that fence by
// epoch and end transactions by markers, records and markers that fail, restarts at any moment,
// timeouts. Must hold: a producer id and epoch is given out once; a transaction ends the same way
// in all of its partitions, and as its producer was told; in the end nothing is left open.
#include <doctest/doctest.h>

#include <random>
#include <set>

#include "runtime/kafka/transactions/transaction.hpp"
#include "tests/kafka/transactions/desk.hpp"

using namespace weir;
using namespace weir::kafka;
using weir::kafka::test::desk;

namespace {

constexpr int application_count = 4;
constexpr int partition_count = 3;
constexpr size_t producers_at_most = 14;

enum class ask : uint8_t { init, add, commit, abort };

struct producer {  // one incarnation of an application
  std::string id;
  int64_t pid = -1;
  int16_t epoch = -1;
  int transaction = 0;  // 0: none open
  ask kind = ask::init;
  transaction_partition adding;
  std::optional<reply_token> waits;
  bool repeat = false;  // no answer, or one that says "again": the same request once more
};

struct fate {
  std::optional<bool> promised;
  std::map<transaction_partition, bool> ended;  // commit?
  std::set<transaction_partition> written;
};

/// A partition as far as it matters: the newest epoch of each producer, its open transaction.
struct ledger {
  struct entry {
    int16_t epoch = -1;
    int open = 0;
  };
  std::map<int64_t, entry> producers;
};

class world {
 public:
  world(uint32_t seed, int16_t version) : random_(seed), d_(options_of(version)) {
    end_version_ = version >= 2 ? 5 : 3;
    for (int i = 0; i < application_count; ++i)
      producers_.push_back({.id = "app-" + std::to_string(i)});
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      collect();
    }
    settle();
  }
  int committed = 0, aborted = 0, restarts = 0;

 private:
  static transaction_options options_of(int16_t version) {
    transaction_options o;
    o.transaction_version = version;
    return o;
  }
  int roll(size_t n) { return static_cast<int>(random_() % n); }

  void step() {
    const int what = roll(100);
    if (what < 45) {
      act(producers_[static_cast<size_t>(roll(producers_.size()))]);
    } else if (what < 72) {
      if (!d_.writes.empty())
        d_.write_one(roll(8) == 0 ? error_code::kafka_storage_error : error_code::none);
    } else if (what < 88) {
      if (!d_.markers.empty()) mark(roll(5));
    } else if (what < 96) {
      d_.advance(roll(30) == 0 ? 61'000 : roll(500), false);
    } else if (what < 97) {
      // Another incarnation of the same application; the old one lives on as a zombie.
      if (producers_.size() < producers_at_most)
        producers_.push_back({.id = "app-" + std::to_string(roll(application_count))});
    } else {
      restart();
    }
  }

  void restart() {
    for (producer& p : producers_)
      if (std::exchange(p.waits, std::nullopt)) p.repeat = true;
    d_.replies.clear();
    d_.restart();
    REQUIRE(d_.restore_failures == 0);
    ++restarts;
  }

  void act(producer& p) {
    if (p.waits) return;
    if (!std::exchange(p.repeat, false)) {
      p.adding = {"t", roll(partition_count)};
      p.kind = p.pid < 0                           ? ask::init
               : p.transaction == 0 || roll(3) > 0 ? ask::add
               : roll(3) > 0                       ? ask::commit
                                                   : ask::abort;
    }
    switch (p.kind) {
      case ask::init:
        p.waits = d_.ask_init(p.id);
        break;
      case ask::add:
        p.waits = d_.ask_add(p.id, p.pid, p.epoch, {p.adding});
        break;
      default:
        p.waits = d_.ask_end(p.id, p.pid, p.epoch, p.kind == ask::commit, end_version_);
        break;
    }
  }

  void collect() {
    for (producer& p : producers_) {
      if (!p.waits || !d_.replies.contains(*p.waits)) continue;
      const reply_token token = *std::exchange(p.waits, std::nullopt);
      if (p.kind == ask::init) {
        const auto r = *d_.answer<init_producer_id_response>(token);
        if (again(p, r.error_code)) continue;
        REQUIRE(r.error_code == error_code::none);
        become(p, r.producer_id, r.producer_epoch);
      } else if (p.kind == ask::add) {
        const auto r = *d_.answer<add_partitions_to_txn_response>(token);
        added(p, r.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code);
      } else {
        ended(p, *d_.answer<end_txn_response>(token));
      }
    }
    REQUIRE(d_.repeated_replies == 0);
  }

  bool again(producer& p, error_code code) {
    p.repeat = code == error_code::concurrent_transactions || code == error_code::not_coordinator ||
               code == error_code::coordinator_load_in_progress;
    return p.repeat;
  }
  void become(producer& p, int64_t pid, int16_t epoch) {
    REQUIRE(given_.emplace(pid, epoch).second);
    p.pid = pid;
    p.epoch = epoch;
    p.transaction = 0;
  }
  void lost(producer& p, error_code code) {  // replaced, or timed out: the application begins anew
    REQUIRE(
        (code == error_code::producer_fenced || code == error_code::invalid_producer_id_mapping));
    p.pid = -1;
    p.transaction = 0;
  }

  void added(producer& p, error_code code) {
    if (again(p, code)) return;
    if (code != error_code::none) return lost(p, code);
    if (p.transaction == 0) p.transaction = ++transactions_;
    ledger::entry& here = ledgers_[p.adding].producers[p.pid];
    if (p.epoch < here.epoch) return;  // the partition refuses the batch
    REQUIRE((here.open == 0 || here.open == p.transaction));
    here = {p.epoch, p.transaction};
    fates_[p.transaction].written.insert(p.adding);
  }

  void ended(producer& p, const end_txn_response& r) {
    if (again(p, r.error_code)) return;
    if (r.error_code != error_code::none) return lost(p, r.error_code);
    fates_[p.transaction].promised = p.kind == ask::commit;
    p.transaction = 0;
    if (end_version_ >= 5) become(p, r.producer_id, r.producer_epoch);
  }

  // 0: nothing is written; 1: written, but not reported; else written and reported.
  void mark(int luck) {
    const transaction_markers m = d_.markers.front();
    for (const transaction_partition& partition : m.partitions) {
      ledger::entry& here = ledgers_[partition].producers[m.producer_id];
      if (luck == 0 || m.producer_epoch < here.epoch) continue;
      here.epoch = m.producer_epoch;
      if (here.open == 0) continue;
      fates_[std::exchange(here.open, 0)].ended[partition] = m.commit;
    }
    d_.mark_one(luck <= 1 ? error_code::kafka_storage_error : error_code::none);
  }

  void settle() {
    restart();
    for (int i = 0; i < 10; ++i) {
      while (!d_.writes.empty() || !d_.markers.empty())
        if (!d_.writes.empty())
          d_.write_one();
        else
          mark(4);
      d_.advance(61'000, false);
    }
    for (const auto& t : d_.coordinator.list({}, d_.now_ms).transaction_states)
      CHECK((t.transaction_state == "Empty" || t.transaction_state.starts_with("Complete")));
    for (const auto& [partition, l] : ledgers_)
      for (const auto& [pid, entry] : l.producers) CHECK(entry.open == 0);
    for (const auto& [number, f] : fates_) {
      CHECK(f.ended.size() == f.written.size());
      std::set<bool> ways;
      for (const auto& [partition, commit] : f.ended) ways.insert(commit);
      CHECK(ways.size() <= 1);
      if (f.promised && !ways.empty()) CHECK(*ways.begin() == *f.promised);
      if (!ways.empty()) ++(*ways.begin() ? committed : aborted);
    }
  }

  std::mt19937 random_;
  desk d_;
  int16_t end_version_;
  std::vector<producer> producers_;
  std::set<std::pair<int64_t, int16_t>> given_;
  std::map<transaction_partition, ledger> ledgers_;
  std::map<int, fate> fates_;
  int transactions_ = 0;
};

}  // namespace

TEST_CASE("transactions are atomic whatever fails and whoever comes back") {
  for (int16_t version : {0, 1, 2}) {
    int committed = 0, aborted = 0;
    for (uint32_t seed = 1; seed <= 60; ++seed) {
      CAPTURE(version);
      CAPTURE(seed);
      world w(seed, version);
      w.run(3000);
      committed += w.committed;
      aborted += w.aborted;
    }
    CHECK(committed > 600);  // the simulation does what it is for
    CHECK(aborted > 600);
  }
}
