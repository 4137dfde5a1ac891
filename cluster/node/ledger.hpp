// The ledger of jobs over the cluster's metadata. Owned by the membership; the observer runs on the
// metadata service's thread.
#pragma once

#include <mutex>

#include "actors/job_ledger.hpp"
#include "cluster/meta/service/service.hpp"
#include "cluster/node/file_store.hpp"

namespace weir {

class metadata_ledger : public job_ledger {
 public:
  void use(meta::metadata_access* s, file_store* f) noexcept {
    service_ = s;
    files_ = f;
  }
  /// The service's observer.
  void observe(const meta::cluster_state&, const meta::change_set&, bool everything);

  std::shared_ptr<const ledger_view> view() const override;
  std::shared_ptr<void> listen(std::function<void()>) override;
  void store_file(std::string content, std::function<void(result<std::string>)>) override;
  void read_file(const std::string& hash, std::function<void(result<std::string>)>) override;
  void local_file(const std::string& hash, std::function<void(result<std::string>)>) override;
  void look_after_files() override;
  void partition_leaders(const std::string& topic,
                         std::function<void(std::vector<int32_t>)>) override;
  void submit_job(ledger_job, ledger_done) override;
  void acquire_master(const std::string& job, std::function<void(result<uint64_t>)>) override;
  void release_master(const std::string& job, uint64_t token, ledger_done) override;
  void complete_epoch(const std::string& job, uint64_t token, uint64_t number, std::string manifest,
                      ledger_done) override;
  void end_job(const std::string& job, uint64_t token, job_state, std::string error,
               ledger_done) override;
  void delete_job(const std::string& job, ledger_done) override;
  void keep_savepoint(const std::string& job, uint64_t token, uint64_t number, std::string manifest,
                      ledger_done) override;
  void drop_savepoint(const std::string& job, uint64_t number, ledger_done) override;

 private:
  void run(meta::command, ledger_done);

  meta::metadata_access* service_ = nullptr;
  file_store* files_ = nullptr;
  mutable std::mutex mutex_;
  std::shared_ptr<const ledger_view> view_ = std::make_shared<const ledger_view>();
  std::vector<std::weak_ptr<std::function<void()>>> listeners_;
};

}  // namespace weir
