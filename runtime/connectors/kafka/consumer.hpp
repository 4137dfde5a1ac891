// Partitions' records as librdkafka fetches them ahead, in one queue whose bytes are bounded
// whatever the number of partitions. A reader's: taking is its task's, which never waits; stopping
// and destroying wait, so they are done on the executor.
#pragma once

#include <map>

#include "runtime/connectors/kafka/kafka_split.hpp"
#include "runtime/connectors/kafka/settings.hpp"

namespace weir {

struct kafka_message_deleter {
  void operator()(rd_kafka_message_t* m) const { rd_kafka_message_destroy(m); }
};
using kafka_message = std::unique_ptr<rd_kafka_message_t, kafka_message_deleter>;

class kafka_consumer {
 public:
  /// `wake` is called from another thread when take() has something again after it had nothing.
  static result<std::shared_ptr<kafka_consumer>> open(const option_map&,
                                                      const kafka_source_settings&,
                                                      std::function<void()> wake);
  ~kafka_consumer();

  status start(const kafka_split&);
  /// Up to `max` records and events that are there now; counts for take() of all partitions.
  result<size_t> take(size_t max, std::vector<kafka_message>& out);
  /// Nothing of the partition is fetched any more. Waits.
  void stop(const kafka_partition&);
  /// Tells the group how far it is: offsets of the next records. Ends later: commit_failed().
  status commit(const std::vector<std::pair<kafka_partition, int64_t>>&);
  /// A commit that no other will make good, since when take() was called last.
  std::optional<error> commit_failed();
  /// Waits a moment for the commits that are under way.
  void finish_commits();
  /// wake() is not called any more.
  void silence();
  const kafka_client& client() const { return *client_; }

 private:
  kafka_consumer() = default;
  rd_kafka_topic_t* topic(const std::string&);

  std::unique_ptr<kafka_client> client_;
  rd_kafka_queue_t* queue_ = nullptr;
  std::mutex m_;  // wake_
  std::function<void()> wake_;
  std::mutex topics_m_;  // topics_, started_: stop() is the executor's
  std::map<std::string, rd_kafka_topic_t*> topics_;
  std::map<std::pair<std::string, int32_t>, bool> started_;
  std::vector<rd_kafka_message_t*> taken_;
  std::string group_;
  size_t commits_under_way_ = 0;  // changed by whoever polls: the task, at last the executor
  std::optional<error> commit_failed_;
};

}  // namespace weir
