// What the coordinators of groups and of transactions have in common: this node is the home of what
// lives in the partitions of a state topic that it leads. Follows the metadata, has the state of
// new tenures read on a thread of its own, one after the other, and drops that of ended ones at
// once. Thread-safe; made and ended by the node's main thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "actors/coordination/guard.hpp"
#include "actors/coordination/state_topic.hpp"

namespace weir {

class state_homes {
 public:
  state_homes(const state_homes&) = delete;
  state_homes& operator=(const state_homes&) = delete;

  /// Looks at the metadata for the first time, and from then on at each change.
  void start();
  /// Looks at the newest directory: for what changes there without a change of the topic, as this
  /// node's own id.
  void follow();
  /// Whether nothing is left to be read.
  bool ready() const;
  /// The partition in which an id lives; 0 while the topic does not exist.
  int32_t partition_of(std::string_view id) const;
  /// As what this node may speak for an id: NONE, COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR.
  /// NONE as well while the topic does not exist: nothing has a home yet.
  kafka::error_code check(std::string_view id) const;
  /// The same, but makes the topic if it is absent, and waits then until this node serves its part
  /// of it. COORDINATOR_NOT_AVAILABLE: it cannot be made. May call at once.
  void reach(const std::string& id, std::function<void(kafka::error_code)> then);
  /// The same for the whole topic. COORDINATOR_LOAD_IN_PROGRESS: some of it is still read.
  void reach_all(std::function<void(kafka::error_code)> then);
  /// Makes the topic if it is absent, and waits until all of it is read that is led here.
  void when_read(std::function<void(kafka::error_code)> then);
  /// Calls when all of these partitions have a leader that lives, or the limit is over; at once if
  /// they have.
  void when_led(std::vector<int32_t> partitions, std::chrono::milliseconds limit,
                std::function<void()> then);
  /// Of a partition that is served here.
  std::optional<kafka::tenure> tenure_of(int32_t partition) const;
  state_topic& topic() const noexcept { return *topic_; }
  /// For callbacks of other threads; see guard.
  const std::shared_ptr<guard<state_homes>>& guarded() const noexcept { return guard_; }
  const std::shared_ptr<state_topic>& topic_ptr() const noexcept { return topic_; }

 protected:
  state_homes(std::shared_ptr<state_topic>, std::function<void(std::string)> log);
  ~state_homes();
  /// First thing in the destructors of those who inherit: no call of theirs comes after it.
  void stop();

  // Under mutex(): a tenure begins (not loaded yet), or is over.
  virtual void begun(const kafka::tenure&) = 0;
  virtual void ended(const kafka::tenure&) = 0;
  /// On the loader's thread: reads the state (state_topic::replay), and ends with activate().
  virtual result<bool> load(const kafka::tenure&, int64_t& end) = 0;
  /// Any topic changed; on the topics' thread.
  virtual void topics_changed(const kafka::topic_change&) {}

  /// The state is there: `take` gets it under mutex(), unless the tenure has ended meanwhile.
  void activate(const kafka::tenure&, const std::function<void()>& take);
  std::mutex& mutex() const noexcept { return mutex_; }
  /// Under mutex().
  kafka::error_code check_partition(int32_t partition) const { return tenures_.check(partition); }
  const std::atomic<bool>& stopping() const noexcept { return stopping_; }
  const std::function<void(std::string)>& log() const noexcept { return log_; }

 private:
  using clock_type = std::chrono::steady_clock;
  struct job {
    kafka::tenure of;
    int64_t end = -1;  // see state_topic::replay
    clock_type::time_point due;
    std::string said;  // the last problem, which is not said again
  };

  void run();  // the loader
  void attempt(job);
  void tell_waiting();
  struct leader_wait {
    std::vector<int32_t> partitions;
    clock_type::time_point until;
    std::function<void()> then;
  };
  bool are_led(const std::vector<int32_t>&) const;
  /// Under the lock: those that have waited for leaders long enough, or have them.
  std::vector<std::function<void()>> take_led();
  /// Of one partition, or of all of them.
  using scope = std::optional<int32_t>;
  bool loads(scope) const;  // under the lock
  void when_settled(scope, std::function<void()>);
  /// Makes the topic; then calls with NONE when what `of` names is read, or with an error.
  void make_topic(std::function<scope()> of, std::function<void(kafka::error_code)> then);

  std::shared_ptr<state_topic> topic_;
  std::function<void(std::string)> log_;
  std::shared_ptr<guard<state_homes>> guard_;
  mutable std::mutex mutex_;
  kafka::tenures tenures_;
  kafka::uuid topic_id_;
  std::deque<job> jobs_;
  std::condition_variable work_;
  std::vector<std::pair<scope, std::function<void()>>> waiting_;
  std::vector<leader_wait> leaderless_;
  std::atomic<bool> stopping_{false};
  std::thread loader_;
};

}  // namespace weir
