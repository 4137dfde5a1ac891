// A folder that all nodes share, as one life of a node's process sees it. When that life ends, what
// it had not synced may be lost: bytes at the end of files, names of files, renames. What is lost
// follows from the seed. Nothing that is asked of it afterwards has an effect.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/io/file.hpp"
#include "tests/flow/sim_rows.hpp"

namespace weir::sim {

class sim_files;
/// Where the folder is. What one process syncs of its names is durable for all.
struct shared_folder {
  file_system& files;
  std::vector<sim_files*> seen_by;
};

class sim_files final : public file_system {
 public:
  explicit sim_files(shared_folder& s) : folder_(s), shared_(s.files) { s.seen_by.push_back(this); }
  ~sim_files() override { std::erase(folder_.seen_by, this); }

  /// The process is gone.
  void end(random_source&);
  /// What was lost so far, by one life of a process: files that became shorter or that have their
  /// old name, or none, again.
  uint64_t lost() const { return lost_; }

  result<std::unique_ptr<random_file>> open_read(const std::string& path) override;
  result<std::unique_ptr<append_file>> open_append(const std::string& path) override;
  status create_directories(const std::string& path) override;
  status rename(const std::string& from, const std::string& to) override;
  status remove(const std::string& path) override;
  status sync_directory(const std::string& path) override;
  result<file_info> stat(const std::string& path) override;
  result<std::vector<file_info>> list(const std::string& directory) override;
  result<std::vector<std::string>> glob(const std::string& pattern) override;

 private:
  struct written {
    uint64_t durable = 0;  // bytes
    bool named = false;    // its name is durable
  };
  struct appending;
  struct renaming {
    std::string from, to;
  };
  status check() const;
  void names_are_durable(const std::string& directory);

  shared_folder& folder_;
  file_system& shared_;
  bool over_ = false;
  uint64_t lost_ = 0;
  std::map<std::string, std::shared_ptr<written>> written_;  // by path, since it was opened
  std::vector<renaming> renamed_;                            // not durable; oldest first
};

}  // namespace weir::sim
