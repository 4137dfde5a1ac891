// Brings back the groups of a partition of __consumer_offsets from its records and transaction
// markers, in the order of the log. Used once, by one thread; no I/O.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "runtime/kafka/groups/group.hpp"

namespace weir::kafka {

class group_replay {
 public:
  using restored = std::map<std::string, std::unique_ptr<group>>;

  group_replay(const group_options& options, std::shared_ptr<const topic_view> topics)
      : options_(options), topics_(std::move(topics)) {}

  /// `producer_id`: of a transactional batch, else -1. Records that are none of a consumer group's
  /// are passed over. errc::parse, errc::corrupt.
  status on_record(std::string_view key, const std::optional<std::string_view>& value,
                   int64_t producer_id);
  void on_marker(int64_t producer_id, bool commit);
  /// The groups, to be told loaded() by their owner.
  restored take() { return std::move(groups_); }

 private:
  group_options options_;
  std::shared_ptr<const topic_view> topics_;
  restored groups_;
  std::map<int64_t, std::set<std::string>> open_;  // groups in transactions, by producer
};

}  // namespace weir::kafka
