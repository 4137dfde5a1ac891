// A simulated cluster around the coordinators: logs that are replicated (an append counts when it
// is committed; a change of leader keeps a part of what was not), nodes that hear of changes late
// and so go on in tenures that are over, crash, and read their state anew; requests that are lost
// both ways. The state machines are the real ones: tenures, groups, transaction coordinators, the
// replay, batches of markers. Everything follows from one seed.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "runtime/kafka/coordination/batches.hpp"
#include "runtime/kafka/coordination/tenures.hpp"
#include "runtime/kafka/groups/replay.hpp"
#include "runtime/kafka/transactions/coordinator.hpp"
#include "runtime/kafka/transactions/producer_id_pool.hpp"
#include "tests/kafka/groups/harness.hpp"

namespace weir::kafka::sim {

inline constexpr int node_count = 4;
inline constexpr int32_t homes_count = 3;    // partitions of each of the internal topics
inline constexpr int32_t data_count = 4;     // partitions of the topic "t"
inline constexpr int application_count = 5;  // that commit positions of "s", each of its own
inline constexpr int64_t request_timeout_ms = 1'500;

enum class kind : uint8_t { offsets, states, data };
struct log_name {
  kind what = kind::data;
  int32_t number = 0;
  auto operator<=>(const log_name&) const = default;
};

struct log_entry {
  std::string key;
  std::optional<std::string> value;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  bool marker = false, commit = false;
  int32_t coordinator_epoch = -1;
  bool last = true;     // of its batch, which survives as a whole or not at all
  int transaction = 0;  // of a batch in a data partition: which one it is, for the checks
};
using append_done = std::function<void(error_code)>;

struct leader_view {
  int leader = -1;
  int32_t epoch = 0;
};
/// Of appends that are not of a tenure: whoever leads in whatever epoch.
inline constexpr int32_t any_epoch = -1;

/// A partition as it really is; nodes may think otherwise for a while.
struct sim_log {
  leader_view now;
  std::vector<log_entry> entries;
  size_t committed = 0;
  int64_t changed_ms = 0;
  struct waiting {
    int node;
    uint64_t life;
    int32_t epoch;
    size_t end;
    append_done done;
  };
  std::deque<waiting> waits;  // of the current epoch
  std::deque<waiting> limbo;  // of deposed leaders that do not know it yet
  struct producer {
    int16_t epoch = -1;
    int32_t coordinator_epoch = -1;
  };
  std::map<int64_t, producer> producers;
  error_code check(const log_entry&) const;
  void note(const log_entry&);
};

struct group_home {
  tenure of;
  std::map<std::string, std::unique_ptr<group>> groups;
  std::vector<std::pair<int64_t, bool>> ended;  // transactions, while it is read
  std::map<reply_token, std::pair<std::function<void(group_response)>, append_done>> waiting;
  std::map<std::string, uint64_t> wakes;
};
struct state_home {
  tenure of;
  std::unique_ptr<transaction_coordinator> coordinator;
  std::map<reply_token, std::pair<std::function<void(transaction_response)>, append_done>> waiting;
  uint64_t wakes = 0;
};

struct node {
  bool up = true;
  uint64_t life = 0;
  std::map<log_name, leader_view> view;
  tenures groups_here, states_here;
  std::map<int32_t, group_home> groups;
  std::map<int32_t, state_home> states;
  producer_id_pool ids;
};

/// What a wrong implementation would do: the checks have to find it.
struct mistakes {
  bool serve_uncommitted = false;      // a tenure serves before its log is committed
  bool forget_markers = false;         // that come while groups are read
  bool one_coordinator_epoch = false;  // for all tenures
  bool write_in_any_epoch = false;     // appends do not name their tenure's epoch
};

class cluster {
 public:
  explicit cluster(uint64_t seed, mistakes = {});

  int64_t now() const { return now_; }
  size_t draw(size_t n) { return static_cast<size_t>(random_() % n); }
  bool chance(double p) { return static_cast<double>(random_() >> 11) * 0x1p-53 < p; }
  void at(int64_t ms, std::function<void()> f) { events_.push({ms, ++sequence_, std::move(f)}); }
  void after(int64_t ms, std::function<void()> f) { at(now_ + ms, std::move(f)); }
  void run_until(int64_t ms);
  void calm() { calm_ = true; }

  /// Where somebody who asks around is sent to: what a random node thinks. -1: nobody.
  int ask_around(const log_name&);
  static log_name home_of_group(const std::string& id);
  static log_name home_of_transaction(const std::string& id);

  using group_work = std::function<void(group&, const group_call&, group_effects&)>;
  using state_work =
      std::function<void(transaction_coordinator&, reply_token, transaction_effects&)>;
  /// A request over the network to a node. Exactly one of the two is called within
  /// request_timeout_ms: `refused` with REQUEST_TIMED_OUT when there was no answer.
  void to_group(int to, const std::string& id, int16_t version, group_work,
                std::function<void(group_response)> answered, append_done refused);
  void to_coordinator(int to, const std::string& id, state_work,
                      std::function<void(transaction_response)> answered, append_done refused);
  void to_partition(int to, const log_name&, log_entry, append_done);

  // Mischief.
  void move_leader();
  void crash();

  const sim_log& log(const log_name& n) const { return logs_.at(n); }
  /// The group in its rightful home, if that serves.
  const group* find_group(const std::string& id);
  transaction_coordinator* find_coordinator(int32_t partition);
  const std::shared_ptr<fake_topics>& topics() const { return topics_; }

  /// Notes what must not be.
  void expect(bool holds, const std::string& what) {
    if (!holds) violations.insert(what);
  }
  std::set<std::string> violations;
  size_t moves = 0, crashes = 0, loads = 0, lost_entries = 0, refused_deposed = 0, markers = 0;

 private:
  struct event {
    int64_t ms;
    uint64_t sequence;
    std::function<void()> run;
    friend bool operator<(const event& a, const event& b) {
      return a.ms != b.ms ? a.ms > b.ms : a.sequence > b.sequence;
    }
  };
  bool lose() { return !calm_ && chance(0.02); }
  int64_t delay() { return static_cast<int64_t>(draw(30)); }

  void change_leader(const log_name&, int to);
  void tell(int n, const log_name&, leader_view);
  void follow(int n, kind);
  /// A message to the partition's actor: from one tenure they arrive in their order.
  void append(int n, const log_name&, int32_t epoch, std::vector<log_entry>, append_done);
  void arrive(int n, const log_name&, int32_t epoch, std::vector<log_entry>, append_done);
  void commit(const log_name&, size_t end, int32_t epoch);
  void load_groups(int n, uint64_t life, tenure, size_t end);
  void load_states(int n, uint64_t life, tenure, size_t end);
  void end_groups(int n, const tenure&);
  void end_states(int n, const tenure&);
  group_home* serving_groups(int n, uint64_t life, const tenure&);
  state_home* serving_states(int n, uint64_t life, const tenure&);
  void take(int n, const tenure&, const std::string& id, group_effects&&);
  void take(int n, const tenure&, transaction_effects&&);
  void write_markers(int n, const tenure&, const transaction_markers&);
  void handle_markers(int n, const write_txn_markers_request&,
                      std::function<void(write_txn_markers_response)>);
  void transaction_ended(int n, int32_t partition, int64_t producer, bool commit);
  void give_ids(int n, const tenure&, int64_t count);
  /// No two nodes may speak for a partition in one epoch.
  void spoke(int n, kind, const tenure&);

  std::mt19937_64 random_;
  mistakes mistakes_;
  int64_t now_ = 1'000'000;
  uint64_t sequence_ = 0;
  bool calm_ = false;
  std::priority_queue<event> events_;
  std::map<log_name, sim_log> logs_;
  std::vector<node> nodes_;
  std::shared_ptr<fake_topics> topics_;
  group_options group_options_;
  std::map<std::tuple<kind, int32_t, int32_t>, int> speakers_;
  std::map<std::tuple<int, log_name, int32_t>, int64_t> arrivals_;  // the last of each tenure
  reply_token next_token_ = 1;
  int64_t next_block_ = 0;
};

}  // namespace weir::kafka::sim
