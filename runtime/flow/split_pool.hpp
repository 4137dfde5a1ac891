// The splits of one source operator that no task reads yet: handed out on request while the source
// is bounded, pushed to the task with the fewest while it is not or its splits are side by side.
// Part of the coordinator; its content as of a barrier belongs to the epoch.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/flow/standing.hpp"

namespace weir {

class split_pool {
 public:
  struct assignment {
    uint32_t subtask = 0;
    std::vector<source_split> splits;
    bool last = false;  // never more for this task
    bool hold = false;  // the watermark has to stand still
  };

  explicit split_pool(uint32_t parallelism) : readers_(parallelism) {}

  /// What discover() found; splits that are known already are ignored.
  void discovered(discovery);
  /// A task has read what it had.
  void request(uint32_t subtask);
  /// Whether a task is where a split lies.
  using nearness = std::function<bool(uint32_t subtask, const source_split&)>;
  /// What to send to tasks now; call after every change. Of splits that are handed out at once each
  /// goes to a task that is near, unless that would have more than its share of all.
  std::vector<assignment> assign(const nearness& near = {});
  /// What a task that failed has to read again once it is back: `begun`, the splits that it had in
  /// the newest complete epoch, and what it was handed since. Nothing to send: nullopt, it will
  /// ask.
  std::optional<assignment> hand_again(uint32_t subtask, std::vector<source_split> begun);
  /// The task is gone and gets nothing until hand_again().
  void reader_lost(uint32_t subtask);

  /// Of a job that goes on under another coordinator, after decode() without the splits that tasks
  /// had begun. First for each reader one of these: the task goes on, or it is gone and had begun
  /// these splits in the epoch.
  void take_over(uint32_t subtask, const source_standing&);
  void take_over_lost(uint32_t subtask, const std::vector<source_split>& begun);
  /// Then: what was handed out since the epoch and did not arrive, or arrived at a task that is
  /// gone, must not go to tasks whose event time may have passed it. Gives what to send to tasks
  /// that wait for such splits; nullopt: it cannot be told who they were meant for.
  /// `released`: event time moves at some of the tasks.
  std::optional<std::vector<assignment>> settle(bool released);

  /// An epoch's barrier leaves; it became complete; it was given up.
  void epoch_triggered();
  void epoch_complete();
  void epoch_aborted();
  /// True once when the watermark, which was held, is free to move: tell all tasks.
  bool released();

  /// Persistent form: known ids and splits nobody reads.
  std::string encode() const;
  /// From encode() and the splits that tasks had begun when the epoch's barrier passed.
  static result<split_pool> decode(std::string_view, std::vector<source_split> begun,
                                   uint32_t parallelism);

  /// Ids of all splits that were ever found.
  std::vector<std::string> known() const { return {known_.begin(), known_.end()}; }
  bool ready() const noexcept { return discovered_; }
  bool bounded() const noexcept { return bounded_; }
  uint64_t weight_total() const noexcept { return weight_total_; }

 private:
  struct reader {
    bool waiting = false;
    bool told_last = false;
    bool told_nothing = false;
    bool reads = false;
    std::string stream;  // `ordered_by` of what it was handed last
    size_t splits = 0;
    bool lost = false;                // its task has failed and is not back yet
    std::vector<source_split> given;  // since the newest complete epoch
    size_t given_before_barrier = 0;  // of these: before the epoch that is under way
    uint64_t newest_order = 0;        // take_over(): of the splits that it was handed
  };
  bool must_hold() const;

  std::vector<reader> readers_;
  std::deque<source_split> unread_;
  std::set<std::string> known_;
  bool discovered_ = false;
  bool bounded_ = true;
  bool side_by_side_ = false;  // bounded, but all splits are handed out at once
  bool held_ = true;
  uint64_t weight_total_ = 0;
};

}  // namespace weir
