// Whole clusters of one partition from a seed: 3 to 5 nodes with the real partition, log, committer
// and fetch plan on disks that lose at a crash what was not synced, over a network that loses,
// delays and doubles messages and is cut, with clocks that run apart; metadata that fences nodes,
// rightly and wrongly, and elects from the in-sync set; producers that repeat what was not
// answered. Some worlds restart nodes without the metadata's notice, in some disks damage what was
// durable, and in some nothing is synced (life). One thread; a seed replays exactly. What must hold
// is checked where it happens (sim_cluster.cpp, judge) and at the end.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "runtime/kafka/partition/partition.hpp"
#include "runtime/kafka/replication/fetch_plan.hpp"
#include "runtime/log/group_commit.hpp"
#include "runtime/log/record_batch_builder.hpp"
#include "runtime/log/record_reader.hpp"
#include "tests/log/crash_files.hpp"

namespace weir::kafka::sim {

[[noreturn]] void broken(const std::string& what);
#define SIM_CHECK(cond, what)  \
  do {                         \
    if (!(cond)) broken(what); \
  } while (false)

using weir::test::crash_files;
class cluster;

/// What kind of a world a seed makes.
enum class life : uint8_t {
  unnoticed,  // who restarts soon is as in sync as before: its disk has kept all that it said
  damaged,    // who starts is registered, and its disk may have damaged what it had
  unsynced,   // durability = 'os': who crashes has lost any part of what it had. One at a time
};

/// What a produce or a marker came to.
struct verdict {
  error_code error = error_code::none;
  int64_t base_offset = -1;
};
using answer_to = std::function<void(verdict)>;

class node {
 public:
  node(cluster& world, int32_t id, uint64_t seed);

  void start();
  void crash();
  bool up() const { return p_ != nullptr; }
  int32_t id() const { return id_; }
  uint64_t incarnation() const { return incarnation_; }
  partition* held() { return p_.get(); }

  void take_role(const partition_role&);
  void produce(std::vector<std::byte> batch, int8_t acks, answer_to);
  void mark(int64_t pid, int16_t epoch, bool commit, answer_to);
  /// The answer's bytes are in `bytes`.
  fetch_response serve(const fetch_request&, std::vector<std::byte>& bytes);
  void alter_answered(uint64_t proposal, error_code);
  /// Kafka's DeleteRecords; the cluster is told when it is answered.
  void delete_records(int64_t offset);
  /// Once in a while, by its own clock.
  void tick();
  /// A bit of an acknowledged batch turns over, while it is down.
  void damage_disk();
  int64_t now_ms() const;

  crash_files files;
  int64_t skew_ms = 0;

 private:
  struct waiter {
    int64_t end_offset;
    int64_t base_offset;
    int8_t acks;
    int64_t deadline_ms;
    answer_to to;
  };
  void settle(produce_outcome, int8_t acks, answer_to);
  void commit_soon();
  void commit();
  void moved();
  void propose();
  void follow(bool later);
  void fetch();
  void take_answer(const fetch_plan::planned&, const fetch_response&);
  void take_news(const fetched_partition&);
  void cut(const truncation&);
  bool under_way() const { return p_->log().staged_end_offset() > p_->log_end_offset(); }
  void refuse_all(error_code);
  void do_chores();

  cluster& world_;
  const int32_t id_;
  uint64_t incarnation_ = 0;
  std::mt19937_64 random_;
  std::unique_ptr<file_cache> cache_;
  std::unique_ptr<group_commit> committer_;
  std::unique_ptr<partition> p_;
  std::unique_ptr<fetch_plan> plan_;
  bool asked_ = false;  // a fetch is under way
  uint64_t ask_ = 0;
  std::vector<log_write> writes_;
  bool commit_due_ = false;
  std::deque<waiter> waiting_;
  std::vector<int64_t> deleting_;  // deletions that are not everywhere yet
  int64_t told_start_ = 0;
  partition_role role_;
  int64_t judged_ = 0;  // high watermark that was compared
};

/// A producer with sequences, or of transactions.
struct client {
  int64_t pid = 0;
  bool transactional = false;
  int8_t acks = -1;
  struct sent {
    int32_t sequence = 0;
    int records = 1;
    std::string value;  // of the first record; others have a suffix
    bool answered = false;
  };
  std::deque<sent> open;  // not answered, in order
  int32_t next_sequence = 0;
  int16_t epoch = 0;
  int out_of_order = 0;  // answers so to the first that is open
  int made = 0;
  int32_t believes = 0;  // who leads
  uint64_t attempt = 0;
  int in_transaction = 0;  // batches of the open one
  std::optional<bool> ending;
  bool marking = false;
};

class cluster {
  static constexpr int out_of_order_max = 8;

 public:
  cluster(uint64_t seed, bool tell, bool deletes);
  void run();

  // What nodes and clients use.
  int64_t now_us() const { return now_; }
  void after(int64_t us, std::function<void()>);
  /// Over the network: lost, doubled, late, or not at all while the link is cut.
  void send(int32_t from, int32_t to, std::function<void()>);
  node& at(int32_t id) { return *nodes_[static_cast<size_t>(id)]; }
  size_t size() const { return nodes_.size(); }
  void alter(int32_t from, uint64_t incarnation, in_sync_proposal);
  /// A node starts, or comes back after it was given up. What the metadata says from then on.
  partition_role registered(int32_t node);
  life kind() const { return life_; }
  bool may_lose() const { return life_ != life::unnoticed; }
  /// Batches of a node below its high watermark, each once; compared with what others had there.
  void judge(int32_t node, record_batch_view batch);
  void acknowledged(const client&, const client::sent&, verdict);
  /// Answered: nothing below comes back.
  void deleted(int64_t offset) { deleted_ = std::max(deleted_, offset), ++deletions; }
  int64_t deleted() const { return deleted_; }
  void say(const std::string&);
  uint64_t roll(uint64_t n) { return random_() % n; }
  bool quiet() const { return quiet_; }

  int elections = 0, crashes = 0, cuts_of_logs = 0, failed_disks = 0, losses = 0, deletions = 0;
  size_t acknowledged_batches = 0;

 private:
  struct event {
    int64_t at;
    uint64_t number;
    std::function<void()> run;
    bool operator<(const event& o) const { return at != o.at ? at > o.at : number > o.number; }
  };
  struct seen_batch {
    std::string what;  // all of it but nothing that may differ
  };

  bool whole() const;
  void trouble();
  void beat();
  void elect();
  void change(partition_role next);
  void tell_roles();
  void step(client&);
  void send_open(client&);
  void begin_epoch(client&);
  void send_marker(client&);
  void check_end();

  std::mt19937_64 random_;
  const life life_;
  const int late_;  // of 1000: proposals that the metadata takes long for
  bool tell_;
  const bool deletes_;  // records are deleted, too
  int64_t now_ = 0;
  uint64_t next_event_ = 0;
  std::priority_queue<event> events_;
  std::vector<std::unique_ptr<node>> nodes_;
  std::set<std::pair<int32_t, int32_t>> cut_;  // from, to
  bool quiet_ = false;                         // the end: everything heals
  int loss_ = 0, doubled_ = 0;                 // of 1000
  int64_t delay_max_us_ = 2000;
  // The metadata.
  partition_role meta_;  // self is nobody
  std::set<int32_t> fenced_;
  std::vector<std::unique_ptr<client>> clients_;
  // The truth: what was below somebody's high watermark, by base offset.
  std::map<int64_t, seen_batch> truth_;
  std::map<std::string, int64_t> acknowledged_;  // value: offset
  int64_t deleted_ = 0;
  std::map<int64_t, int64_t> last_of_;  // of producers with sequences, acknowledged
};

}  // namespace weir::kafka::sim
