#include <atomic>
#include <cerrno>
#include <optional>

#include "runtime/io/file.hpp"

namespace weir {
namespace {

class fault_source {
 public:
  explicit fault_source(fault_plan plan) : plan_(std::move(plan)) {}
  file_fault next(file_op op, const std::string& path) const {
    return plan_(op, path, calls_.fetch_add(1, std::memory_order_relaxed));
  }
  /// The error of this call, if it is to fail as a whole.
  status check(file_op op, const std::string& path, const char* verb) const {
    return to_status(next(op, path), path, verb);
  }
  static status to_status(file_fault f, const std::string& path, const char* verb) {
    if (f == file_fault::eio) return system_error(EIO, verb, path);
    if (f == file_fault::enospc) return system_error(ENOSPC, verb, path);
    return {};
  }

 private:
  fault_plan plan_;
  mutable std::atomic<uint64_t> calls_{0};
};
using faults_ptr = std::shared_ptr<const fault_source>;

class faulty_random_file final : public random_file {
 public:
  faulty_random_file(std::unique_ptr<random_file> base, std::string path, faults_ptr faults)
      : base_(std::move(base)), path_(std::move(path)), faults_(std::move(faults)) {}
  result<size_t> read(uint64_t offset, std::span<std::byte> out) const override {
    WEIR_TRY(faults_->check(file_op::read, path_, "read"));
    return base_->read(offset, out);
  }
  result<uint64_t> size() const override { return base_->size(); }
  result<std::pair<uint64_t, uint64_t>> identity() const override { return base_->identity(); }

 private:
  std::unique_ptr<random_file> base_;
  std::string path_;
  faults_ptr faults_;
};

class faulty_append_file final : public append_file {
 public:
  faulty_append_file(std::unique_ptr<append_file> base, std::string path, faults_ptr faults)
      : base_(std::move(base)), path_(std::move(path)), faults_(std::move(faults)) {}

  status append(std::span<const std::byte> bytes) override {
    file_fault f = faults_->next(file_op::write, path_);
    if (f == file_fault::none) return base_->append(bytes);
    if (f != file_fault::eio) WEIR_TRY(base_->append(bytes.first(bytes.size() / 2)));
    if (f == file_fault::short_write) f = file_fault::eio;
    return fault_source::to_status(f, path_, "write to");
  }
  status sync() override {
    if (failed_) return *failed_;
    status s = faults_->check(file_op::sync, path_, "sync");
    if (!s) {
      failed_ = s.err();
      return s;
    }
    return base_->sync();
  }
  status truncate(uint64_t bytes) override {
    WEIR_TRY(faults_->check(file_op::truncate, path_, "truncate"));
    return base_->truncate(bytes);
  }
  status close() override { return base_->close(); }
  uint64_t size() const override { return base_->size(); }

 private:
  std::unique_ptr<append_file> base_;
  std::string path_;
  faults_ptr faults_;
  std::optional<error> failed_;
};

class faulty_positional_file final : public positional_file {
 public:
  faulty_positional_file(std::unique_ptr<positional_file> base, std::string path, faults_ptr faults)
      : base_(std::move(base)), path_(std::move(path)), faults_(std::move(faults)) {}

  status write(uint64_t position, std::span<const std::span<const std::byte>> pieces) override {
    file_fault f = faults_->next(file_op::write, path_);
    if (f == file_fault::none) return base_->write(position, pieces);
    // A part: the first half of the pieces, or half of the only one.
    if (f != file_fault::eio && pieces.size() == 1)
      WEIR_TRY(base_->write(position, pieces[0].first(pieces[0].size() / 2)));
    else if (f != file_fault::eio)
      WEIR_TRY(base_->write(position, pieces.first(pieces.size() / 2)));
    if (f == file_fault::short_write) f = file_fault::eio;
    return fault_source::to_status(f, path_, "write to");
  }
  result<size_t> read(uint64_t position, std::span<std::byte> out) const override {
    WEIR_TRY(faults_->check(file_op::read, path_, "read"));
    return base_->read(position, out);
  }
  status sync() override {
    if (failed_) return *failed_;
    status s = faults_->check(file_op::sync, path_, "sync");
    if (!s) {
      failed_ = s.err();
      return s;
    }
    return base_->sync();
  }
  status allocate(uint64_t bytes) override {
    WEIR_TRY(faults_->check(file_op::allocate, path_, "reserve space for"));
    return base_->allocate(bytes);
  }
  status truncate(uint64_t bytes) override {
    WEIR_TRY(faults_->check(file_op::truncate, path_, "truncate"));
    return base_->truncate(bytes);
  }
  result<uint64_t> size() const override { return base_->size(); }
  uint64_t identity() const override { return base_->identity(); }
  int descriptor() const override { return base_->descriptor(); }

 private:
  std::unique_ptr<positional_file> base_;
  std::string path_;
  faults_ptr faults_;
  std::optional<error> failed_;
};

class faulty_file_system final : public file_system {
 public:
  faulty_file_system(file_system& base, fault_plan plan)
      : base_(base), faults_(std::make_shared<fault_source>(std::move(plan))) {}

  result<std::unique_ptr<random_file>> open_read(const std::string& path) override {
    WEIR_TRY(faults_->check(file_op::open, path, "open"));
    WEIR_ASSIGN(auto file, base_.open_read(path));
    return std::unique_ptr<random_file>(
        std::make_unique<faulty_random_file>(std::move(file), path, faults_));
  }
  result<std::unique_ptr<append_file>> open_append(const std::string& path) override {
    WEIR_TRY(faults_->check(file_op::open, path, "open"));
    WEIR_ASSIGN(auto file, base_.open_append(path));
    return std::unique_ptr<append_file>(
        std::make_unique<faulty_append_file>(std::move(file), path, faults_));
  }
  result<std::unique_ptr<positional_file>> open_positional(const std::string& path,
                                                           bool create) override {
    WEIR_TRY(faults_->check(file_op::open, path, "open"));
    WEIR_ASSIGN(auto file, base_.open_positional(path, create));
    return std::unique_ptr<positional_file>(
        std::make_unique<faulty_positional_file>(std::move(file), path, faults_));
  }
  status sync_file_system(const std::string& path) override {
    WEIR_TRY(faults_->check(file_op::sync, path, "sync the file system of"));
    return base_.sync_file_system(path);
  }
  status create_directories(const std::string& path) override {
    WEIR_TRY(faults_->check(file_op::open, path, "create folder"));
    return base_.create_directories(path);
  }
  status rename(const std::string& from, const std::string& to) override {
    WEIR_TRY(faults_->check(file_op::rename, from, "rename"));
    return base_.rename(from, to);
  }
  status remove(const std::string& path) override {
    WEIR_TRY(faults_->check(file_op::remove, path, "remove"));
    return base_.remove(path);
  }
  status sync_directory(const std::string& path) override {
    WEIR_TRY(faults_->check(file_op::sync_directory, path, "sync folder"));
    return base_.sync_directory(path);
  }
  result<file_info> stat(const std::string& path) override { return base_.stat(path); }
  result<std::vector<file_info>> list(const std::string& directory) override {
    return base_.list(directory);
  }
  result<std::vector<std::string>> folders(const std::string& directory) override {
    return base_.folders(directory);
  }
  result<std::vector<std::string>> glob(const std::string& pattern) override {
    return base_.glob(pattern);
  }

 private:
  file_system& base_;
  faults_ptr faults_;
};

}  // namespace

std::unique_ptr<file_system> make_faulty_file_system(file_system& base, fault_plan plan) {
  return std::make_unique<faulty_file_system>(base, std::move(plan));
}

}  // namespace weir
