// Seeded simulation of one partition: idempotent and transactional producers that repeat what was
// not answered, a disk that fails, crashes, clean stops, snapshots, deletions. Must hold: each
// batch stands in the log at most once and in the producer's order; what was answered stays where
// the answer said; the last stable offset never passes an open transaction; a read_committed reader
// sees what is plain or committed and nothing else.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "tests/kafka/partition/shelf.hpp"

using namespace weir;
using namespace weir::kafka;
using weir::kafka::test::batch_of;
using weir::kafka::test::by;
using weir::kafka::test::shelf;
using kind = produce_outcome::kind;

namespace {

constexpr size_t in_flight_max = 5;

struct sent_batch {
  int32_t sequence = 0;
  std::vector<std::string> values;
  int transaction = 0;
  int64_t waits_for = -1;  // the committed end that answers it; -1: not under way
  int64_t base_offset = -1;
};

struct producer {
  int64_t pid = 0;
  int16_t epoch = 0;
  bool transactional = false;
  int32_t next_sequence = 0;
  int transaction = 0;  // the open one
  std::deque<sent_batch> unanswered;
  std::optional<bool> ending;  // commit? A marker has to be written
  bool fencing = false;        // with the next epoch
  int64_t marker_waits_for = -1;
  bool reconnected = false;  // then the unanswered come first, in order
};

struct transaction_fate {
  std::optional<bool> committed;
  int64_t first_offset = -1;  // of an answered batch
};

class world {
 public:
  explicit world(uint32_t seed) : random_(seed) {
    s_.log_options.sync = seed % 4 == 0;  // the others are quick
    faulty_ = make_faulty_file_system(*s_.posix, [this](file_op op, const std::string&, uint64_t) {
      const bool writes = op == file_op::write || op == file_op::sync;
      if (!armed_ || !writes || roll(3) != 0) return file_fault::none;
      return op == file_op::write && roll(2) == 0 ? file_fault::short_write : file_fault::eio;
    });
    s_.files = faulty_.get();
    s_.log_options.segment_bytes = 4000;
    s_.log_options.segment_ms = 5000;
    s_.open();
    for (int i = 0; i < 5; ++i) {
      producer p;
      p.pid = 10 + i;
      p.transactional = i >= 2;
      producers_.push_back(p);
    }
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      if (i % 100 == 99) check_view();
    }
    for (int i = 0; i < 60; ++i) {  // everybody comes to an end
      for (producer& p : producers_) {
        repeat(p);
        if (p.transaction != 0 && p.unanswered.empty() && !p.ending) p.ending = true;
        end(p);
      }
      commit(s_.waiting.size());
    }
    for (const producer& p : producers_) CHECK(p.unanswered.empty());
    CHECK(s_.p->last_stable_offset() == s_.p->high_watermark());
    check_view();
  }
  int crashes = 0, disk_failures = 0, duplicates = 0, aborted = 0;

 private:
  int roll(size_t n) { return static_cast<int>(random_() % n); }

  void step() {
    const int what = roll(100);
    producer& p = producers_[static_cast<size_t>(roll(producers_.size()))];
    s_.now_ms += roll(40);
    if (what < 40) {
      send_new(p);
    } else if (what < 55) {
      repeat(p);
    } else if (what < 58) {
      // Its connection breaks: answers are lost, what was sent is not.
      for (sent_batch& b : p.unanswered) b.waits_for = -1;
      p.reconnected = true;
    } else if (what < 68) {
      if (p.transaction != 0 && p.unanswered.empty() && !p.ending) {
        p.ending = roll(3) > 0;
        p.fencing = !*p.ending && roll(3) == 0;
      }
      end(p);
    } else if (what < 90) {
      armed_ = roll(9) == 0;
      commit(1 + static_cast<size_t>(roll(s_.waiting.size() + 1)));
      armed_ = false;
    } else if (what < 93) {
      for (auto& chore : s_.p->take_chores()) CHECK(chore().ok());
    } else if (what < 95) {
      if (roll(4) == 0) (void)s_.p->delete_records(roll(static_cast<size_t>(stable_start()) + 1));
    } else if (what < 97) {
      restart();
    } else {
      lose();
      s_.crash();
      for (producer& each : producers_) each.reconnected = true;
      ++crashes;
    }
    check_stable();
  }

  // Nothing below is needed by an open transaction.
  int64_t stable_start() { return s_.p->last_stable_offset(); }

  void send_new(producer& p) {
    if (p.unanswered.size() >= in_flight_max || p.ending) return;
    if (p.reconnected) return repeat(p);
    if (p.transactional && p.transaction == 0) p.transaction = ++transactions_;
    sent_batch b;
    b.sequence = p.next_sequence;
    b.transaction = p.transaction;
    const int count = 1 + roll(3);
    for (int i = 0; i < count; ++i)
      b.values.push_back(std::to_string(p.pid) + "/" + std::to_string(p.epoch) + "/" +
                         std::to_string(p.next_sequence++));
    p.unanswered.push_back(std::move(b));
    transmit(p, p.unanswered.back());
  }
  void repeat(producer& p) {
    p.reconnected = false;
    for (sent_batch& b : p.unanswered) transmit(p, b);
    answer(s_.p->high_watermark());
  }

  void transmit(producer& p, sent_batch& b) {
    const auto out = s_.send(b.values, by(p.pid, b.sequence, p.epoch, p.transactional));
    switch (out.what) {
      case kind::staged:
        // Once more only when the first copy is lost.
        CHECK(b.waits_for == -1);
        b.waits_for = out.end_offset;
        b.base_offset = out.base_offset;
        break;
      case kind::pending_duplicate:
      case kind::duplicate:
        if (b.waits_for != -1) CHECK(b.base_offset == out.base_offset);
        b.waits_for = out.end_offset;
        b.base_offset = out.base_offset;
        ++duplicates;
        break;
      default:
        // One before it is missing.
        CHECK(out.error == error_code::out_of_order_sequence_number);
        CHECK(&b != &p.unanswered.front());
        break;
    }
  }

  void end(producer& p) {
    if (!p.ending || p.marker_waits_for != -1) return;
    const auto epoch = static_cast<int16_t>(p.epoch + (p.fencing ? 1 : 0));
    const auto out = s_.mark(p.pid, epoch, *p.ending);
    REQUIRE(out.what == kind::staged);
    p.marker_waits_for = out.end_offset;
  }

  void commit(size_t count) {
    // The committer takes what waits, in order; the rest comes later.
    std::deque<log_write> rest;
    while (s_.waiting.size() > count) {
      rest.push_front(std::move(s_.waiting.back()));
      s_.waiting.pop_back();
    }
    const int before = s_.failures;
    s_.commit();
    s_.waiting = std::move(rest);
    answer(s_.p->high_watermark());
    if (s_.failures != before) {
      ++disk_failures;
      lose();
    }
  }

  void answer(int64_t end) {
    for (producer& p : producers_) {
      while (!p.unanswered.empty() && p.unanswered.front().waits_for != -1 &&
             p.unanswered.front().waits_for <= end)
        settle(p);
      if (p.marker_waits_for == -1 || p.marker_waits_for > end) continue;
      fates_[p.transaction].committed = *p.ending;
      if (!*p.ending) ++aborted;
      if (p.fencing) {
        ++p.epoch;
        p.next_sequence = 0;
      }
      p.marker_waits_for = -1;
      p.ending.reset();
      p.fencing = false;
      p.transaction = 0;
    }
  }
  void settle(producer& p) {
    const sent_batch& b = p.unanswered.front();
    for (size_t i = 0; i < b.values.size(); ++i) {
      answered_[b.values[i]] = b.base_offset + static_cast<int64_t>(i);
      transaction_of_[b.values[i]] = b.transaction;
    }
    if (b.transaction != 0 && fates_[b.transaction].first_offset < 0)
      fates_[b.transaction].first_offset = b.base_offset;
    p.unanswered.pop_front();
  }
  // No answer will come for what is under way.
  void lose() {
    for (producer& p : producers_) {
      for (sent_batch& b : p.unanswered) b.waits_for = -1;
      p.marker_waits_for = -1;
    }
  }
  void restart() {
    commit(s_.waiting.size());
    s_.restart();
    for (producer& each : producers_) each.reconnected = true;
    CHECK(s_.p->recovery().clean);
  }

  void check_stable() {
    CHECK(s_.p->last_stable_offset() <= s_.p->high_watermark());
    for (const producer& p : producers_) {
      if (p.transaction == 0 || p.marker_waits_for != -1) continue;
      const auto& fate = fates_[p.transaction];
      // A marker whose answer was lost may be there all the same.
      if (p.ending || fate.first_offset < 0) continue;
      CHECK(s_.p->last_stable_offset() <= fate.first_offset);
    }
  }

  void check_view() {
    const int64_t start = s_.p->log_start_offset();
    std::map<std::string, int64_t> seen;
    std::map<std::string, int32_t> last;  // by producer and epoch
    for (const std::string& r : s_.read(isolation::read_uncommitted, -1, 1 + random_() % 2000)) {
      const size_t colon = r.find(':');
      const std::string value = r.substr(colon + 1);
      CHECK(seen.emplace(value, std::stoll(r.substr(0, colon))).second);
      const size_t slash = value.rfind('/');
      auto [at, fresh] = last.try_emplace(value.substr(0, slash), -1);
      const int32_t sequence = std::stoi(value.substr(slash + 1));
      if (!fresh) CHECK(sequence == at->second + 1);
      at->second = sequence;
    }
    for (const auto& [value, offset] : answered_) {
      if (offset < start) continue;
      auto found = seen.find(value);
      REQUIRE(found != seen.end());
      CHECK(found->second == offset);
    }
    const int64_t stable = s_.p->last_stable_offset();
    std::map<std::string, int64_t> expected;
    for (const auto& [value, offset] : seen) {
      if (offset >= stable) continue;
      const auto t = transaction_of_.find(value);
      if (t == transaction_of_.end()) continue;  // not answered yet: see below
      const auto& fate = fates_[t->second];
      if (t->second == 0 || (fate.committed && *fate.committed)) expected.emplace(value, offset);
    }
    for (const std::string& r : s_.read(isolation::read_committed, -1, 1 + random_() % 2000)) {
      const size_t colon = r.find(':');
      const std::string value = r.substr(colon + 1);
      const auto t = transaction_of_.find(value);
      if (t == transaction_of_.end()) {
        // Unanswered but there: never of a transaction that is not ended.
        const int64_t pid = std::stoll(value);
        CHECK_FALSE(producers_[static_cast<size_t>(pid - 10)].transactional);
        continue;
      }
      const auto& fate = fates_[t->second];
      if (t->second != 0 &&
          !fate.committed) {  // its marker's answer was lost: it may count already
        const producer& p = producers_[static_cast<size_t>(std::stoll(value) - 10)];
        CHECK((p.transaction == t->second && p.ending && *p.ending));
        continue;
      }
      CHECK(expected.erase(value) == 1);
    }
    CHECK(expected.empty());
  }

  std::mt19937 random_;
  shelf s_;
  std::unique_ptr<file_system> faulty_;
  bool armed_ = false;
  std::vector<producer> producers_;
  std::map<std::string, int64_t> answered_;
  std::map<std::string, int> transaction_of_;
  std::map<int, transaction_fate> fates_;
  int transactions_ = 0;
};

}  // namespace

// WEIR_SEED runs one seed, WEIR_TRIALS another number of them. Most of the time is the disk's.
TEST_CASE("a partition keeps its promises whatever fails") {
  const char* one = std::getenv("WEIR_SEED");
  const char* many = std::getenv("WEIR_TRIALS");
  const uint32_t first = one ? static_cast<uint32_t>(std::stoul(one)) : 1;
  const uint32_t last = one ? first : many ? static_cast<uint32_t>(std::stoul(many)) : 10;
  int crashes = 0, failures = 0, duplicates = 0, aborted = 0;
  for (uint32_t seed = first; seed <= last; ++seed) {
    CAPTURE(seed);
    world w(seed);
    w.run(1200);
    crashes += w.crashes;
    failures += w.disk_failures;
    duplicates += w.duplicates;
    aborted += w.aborted;
  }
  if (one) return;
  // The simulation does what it is for.
  CHECK(crashes > 50);
  CHECK(failures > 50);
  CHECK(duplicates > 100);
  CHECK(aborted > 50);
}
