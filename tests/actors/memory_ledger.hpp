// The ledger of jobs in memory, for nodes that are all in one process: what the replicated metadata
// decides, decided at once under a lock. Answers and changes come on a thread of its own, as they
// do from the metadata, and can be held back. Any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "actors/job_ledger.hpp"

namespace weir::test {

class ledger_world {
 public:
  ledger_world();
  ~ledger_world();

  /// The node `id` (re)starts or comes back after it was given up; gives its ledger.
  std::shared_ptr<job_ledger> start_node(int32_t id, const std::string& rack = {});
  /// Where the node's keeper is.
  void set_address(int32_t id, const std::string& actors);
  void give_up(int32_t id);
  /// It is gone for good, and no member any more.
  void remove(int32_t id);
  void drain(int32_t id, bool on);
  /// While on: what changes can be seen, but nobody is told.
  void hold_news(bool on);
  /// Who leads the topic's partitions.
  void lead(const std::string& topic, std::vector<int32_t> leaders);
  std::shared_ptr<const ledger_view> view(int32_t self = -1) const;
  /// A complete_epoch() that is refused since its token was over.
  size_t refused() const;
  /// Of each job: the epochs that were completed, in this order.
  std::vector<uint64_t> completed(const std::string& job) const;

 private:
  class facade;
  struct state {
    std::map<int32_t, ledger_node> nodes;
    std::map<std::string, ledger_job> jobs;
  };
  void changed();
  void later(std::function<void()>);

  mutable std::mutex mutex_;
  state state_;
  std::map<std::string, std::string> files_;
  std::map<std::string, std::vector<int32_t>> leaders_;
  std::map<std::string, std::vector<uint64_t>> completed_;
  size_t refused_ = 0;
  uint64_t next_epoch_ = 1;
  bool news_held_ = false, news_due_ = false;
  /// Keepers may end after this world.
  struct listeners {
    std::mutex mutex;
    std::map<uint64_t, std::function<void()>> all;
    uint64_t next = 1;
  };
  std::shared_ptr<listeners> listeners_ = std::make_shared<listeners>();
  std::deque<std::function<void()>> queue_;
  std::condition_variable wake_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace weir::test
