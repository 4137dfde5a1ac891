// A partition's log with its committer in a folder of the test's own, driven as the actors drive
// it.
#pragma once

#include <optional>

#include "runtime/log/group_commit.hpp"
#include "runtime/log/partition_log.hpp"
#include "tests/io/scratch.hpp"
#include "tests/log/samples.hpp"

namespace weir::test {

class log_fixture {
 public:
  /// On the disk, or on another file system that the test owns.
  explicit log_fixture(log_config config = {}, file_system* files = nullptr) : config_(config) {
    if (!files) real_ = make_posix_file_system();
    base_ = files ? files : real_.get();
    faulty_ = make_faulty_file_system(*base_, [this](file_op op, const std::string& p, uint64_t) {
      ++calls;
      return fault ? fault(op, p) : file_fault::none;
    });
    REQUIRE(start().ok());
  }

  /// As a new process after a crash of the old one: nothing was said to the old objects.
  status restart(uint64_t verify_bytes = UINT64_MAX, const std::string& summary = "") {
    log_.reset();
    committer_.reset();
    cache_.reset();
    return start(verify_bytes, summary);
  }
  status start(uint64_t verify_bytes = UINT64_MAX, const std::string& summary = "") {
    cache_ = std::make_unique<file_cache>(*faulty_);
    WEIR_ASSIGN(committer_, group_commit::open(*cache_, {dir_.path(), nullptr}));
    log_open_options o;
    o.committed = committer_->point(id_);
    o.clean_summary = summary;
    o.verify_bytes = verify_bytes;
    o.end_at_damage = end_at_damage;
    WEIR_ASSIGN(log_, partition_log::open(*cache_, id_, folder(), config_, o));
    return {};
  }

  /// Stages, commits and applies the outcome; the base offset or why it failed.
  result<int64_t> append_bytes(std::vector<std::byte> batches, int64_t now_ms = 1000) {
    auto bytes = std::make_shared<std::vector<std::byte>>(std::move(batches));
    WEIR_ASSIGN(auto staged, log_->stage(*bytes, bytes, 3, now_ms));
    WEIR_TRY(commit({staged.write}));
    return staged.base_offset;
  }
  result<int64_t> append(const std::vector<std::string>& records, int64_t timestamp_ms = 1000) {
    return append_bytes(batch_of(records, timestamp_ms), timestamp_ms);
  }
  staged_batches stage(const std::vector<std::string>& records, int64_t timestamp_ms = 1000) {
    auto bytes = std::make_shared<std::vector<std::byte>>(batch_of(records, timestamp_ms));
    auto staged = log_->stage(*bytes, bytes, 3, timestamp_ms);
    REQUIRE(staged.ok());
    return *staged;
  }
  status commit(std::vector<log_write> writes) {
    std::vector<commit_outcome> outcomes;
    committer_->commit(std::move(writes), outcomes);
    status s;
    for (const auto& o : outcomes) {
      if (o.committed_end) log_->committed(*o.committed_end);
      if (!o.failed) continue;
      log_->rollback();
      s = *o.failed;
    }
    return s;
  }
  status run_chores() {
    status s;
    for (auto& chore : log_->take_chores())
      if (auto done = chore(); !done) s = done;
    return s;
  }

  std::vector<std::byte> bytes_of_slices(const log_read& r) {
    std::vector<std::byte> out;
    for (const auto& slice : r.slices) {
      auto f = slice.file->open();
      REQUIRE(f.ok());
      const size_t at = out.size();
      out.resize(at + slice.bytes);
      REQUIRE(*(*f)->read(slice.position, std::span(out).subspan(at)) == slice.bytes);
    }
    return out;
  }
  /// All records from an offset on: reads until the end of the log is reached.
  result<std::vector<std::string>> records(int64_t from = 0, uint64_t bytes_max = 1000) {
    std::vector<std::string> out;
    from = std::max(from, log_->log_start_offset());
    while (from < log_->log_end_offset()) {
      WEIR_ASSIGN(auto r, log_->read({from, bytes_max}));
      if (r.next_offset <= from) return error{errc::internal, "a read does not move on"};
      WEIR_ASSIGN(auto some, records_of(bytes_of_slices(r)));
      for (auto& x : some)
        if (std::stoll(x) >= from) out.push_back(std::move(x));
      from = r.next_offset;
    }
    return out;
  }

  std::string folder() const { return dir_ / "topic-0"; }
  std::string segment(int64_t base) const {
    std::string digits = std::to_string(base);
    return folder() + "/" + std::string(20 - digits.size(), '0') + digits + ".log";
  }
  partition_log& log() { return *log_; }
  group_commit& committer() { return *committer_; }
  file_system& files() { return *base_; }
  file_cache& cache() { return *cache_; }
  const std::string& dir() const { return dir_.path(); }
  void set_config(const log_config& c) { config_ = c; }

  std::function<file_fault(file_op, const std::string&)> fault;
  uint64_t calls = 0;
  bool end_at_damage = false;  // log_open_options

 private:
  scratch_folder dir_;
  std::unique_ptr<file_system> real_, faulty_;
  file_system* base_ = nullptr;
  log_id id_{{1, 2, 3}, 0};
  log_config config_;
  std::unique_ptr<file_cache> cache_;
  std::unique_ptr<group_commit> committer_;
  std::unique_ptr<partition_log> log_;
};

}  // namespace weir::test
