// Between the cluster's metadata and what a node does with them: tells stream storage what changed,
// carries its wishes as commands. Owned by the membership; the observer runs on the metadata
// service's thread, the port's calls come from any.
#pragma once

#include <functional>
#include <set>

#include "actors/storage/topics.hpp"
#include "cluster/meta/service/service.hpp"

namespace weir {

/// A topic of the metadata as stream storage knows it.
kafka::topic_ptr topic_of(const meta::topic_record&);
/// All registered nodes.
node_list nodes_of(const meta::cluster_state&);

class metadata_bridge final : public metadata_port {
 public:
  /// The service is set before anything else is called; it may be started with observe().
  void use(meta::metadata_service* s) noexcept { service_ = s; }

  /// Storage is told from now on; returns when it has everything, false when that takes longer
  /// than `limit`.
  bool attach(const topics_actor&, std::chrono::milliseconds limit);
  /// No more news.
  void detach();

  /// The service's observer.
  void observe(const meta::cluster_state&, const meta::change_set&, bool everything);

  void change(std::vector<kafka::topic_command>, std::chrono::milliseconds limit,
              std::function<void(const kafka::api_error&)> done) override;
  void confirm_leader(const log_id&, int32_t leader_epoch,
                      std::function<void(kafka::error_code)> done) override;
  void hand_over(const log_id&, int32_t to) override;
  void alter_in_sync(const log_id&, const kafka::in_sync_proposal&,
                     std::function<void(kafka::error_code)> done) override;
  void allocate_producer_ids(uint32_t count, std::function<void(result<int64_t>)> done) override;
  void alter_quotas(std::string change, std::function<void(const kafka::api_error&)> done) override;
  void watch_quotas(std::function<void(const kafka::quota_map&)>) override;

 private:
  using done_callback = std::function<void(const kafka::api_error&)>;
  struct chain;

  void step(std::shared_ptr<chain>);
  void told(done_callback);
  void tell(topic_news_message);

  meta::metadata_service* service_ = nullptr;
  // On the service's thread.
  topics_actor topics_;
  std::function<void(const kafka::quota_map&)> quotas_;
};

}  // namespace weir
