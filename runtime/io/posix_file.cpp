#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "runtime/io/file.hpp"
#include "runtime/io/glob.hpp"

namespace weir {

error system_error(int error_number, std::string_view verb, std::string_view path) {
  errc code = errc::io;
  const char* hint = "";
  switch (error_number) {
    case ENOENT:
      code = errc::not_found;
      break;
    case EEXIST:
      code = errc::already_exists;
      break;
    case EISDIR:
    case ENOTDIR:
    case EACCES:
    case EROFS:
    case ENAMETOOLONG:
    case ELOOP:
      code = errc::invalid_argument;  // the path is not what it is taken for
      break;
    case ENOSPC:
    case EDQUOT:
      code = errc::no_space;
      hint = "; free space on this file system";
      break;
    case EFBIG:
      code = errc::no_space;
      hint = "; raise the limit on file sizes (ulimit -f)";
      break;
    default:
      break;
  }
  std::string m = "cannot " + std::string(verb) + " '" + std::string(path) +
                  "': " + std::generic_category().message(error_number) + hint;
  return {code, std::move(m)};
}

result<std::unique_ptr<positional_file>> file_system::open_positional(const std::string& path,
                                                                      bool) {
  return {errc::unsupported,
          "this file system has no files for positional writing: '" + path + "'"};
}

status file_system::sync_file_system(const std::string& path) {
  return {errc::unsupported, "this file system cannot be synced as a whole: '" + path + "'"};
}

result<std::vector<std::string>> file_system::folders(const std::string& path) {
  return {errc::unsupported, "this file system has no folders to list: '" + path + "'"};
}

namespace {

class descriptor {
 public:
  explicit descriptor(int fd) : fd_(fd) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

int open_retry(const char* path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = ::open(path, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

result<size_t> read_all(int fd, const std::string& path, uint64_t offset,
                        std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    ssize_t n =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error(errno, "read", path);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

result<uint64_t> size_of(int fd, const std::string& path) {
  struct stat st;
  if (::fstat(fd, &st) != 0) return system_error(errno, "stat", path);
  return static_cast<uint64_t>(st.st_size);
}

status truncate_to(int fd, const std::string& path, uint64_t bytes) {
  int rc;
  do {
    rc = ::ftruncate(fd, static_cast<off_t>(bytes));
  } while (rc != 0 && errno == EINTR);
  if (rc != 0) return system_error(errno, "truncate", path);
  return {};
}

class posix_random_file final : public random_file {
 public:
  posix_random_file(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  result<size_t> read(uint64_t offset, std::span<std::byte> out) const override {
    return read_all(fd_.get(), path_, offset, out);
  }

  result<uint64_t> size() const override { return size_of(fd_.get(), path_); }

  result<std::pair<uint64_t, uint64_t>> identity() const override {
    struct stat st;
    if (::fstat(fd_.get(), &st) != 0) return system_error(errno, "stat", path_);
    return std::pair<uint64_t, uint64_t>(st.st_dev, st.st_ino);
  }

 private:
  std::string path_;
  descriptor fd_;
};

class posix_append_file final : public append_file {
 public:
  posix_append_file(std::string path, int fd, uint64_t size)
      : path_(std::move(path)), fd_(fd), size_(size) {}

  status append(std::span<const std::byte> bytes) override {
    WEIR_TRY(usable());
    while (!bytes.empty()) {
      // pwrite at our own end: a part that a failed write left behind is overwritten, not kept.
      ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_error(errno, "write to", path_);
      if (n == 0) return system_error(ENOSPC, "write to", path_);
      size_ += static_cast<uint64_t>(n);
      bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return {};
  }

  status sync() override {
    WEIR_TRY(usable());
    int rc;
    do {
      rc = ::fdatasync(fd_.get());
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) return {};
    failed_ = system_error(errno, "sync", path_);
    return *failed_;
  }

  status truncate(uint64_t bytes) override {
    WEIR_TRY(usable());
    WEIR_TRY(truncate_to(fd_.get(), path_, bytes));
    size_ = bytes;
    return {};
  }

  status close() override {
    int fd = fd_.release();
    // EINTR: Linux has closed it nevertheless.
    if (fd >= 0 && ::close(fd) != 0 && errno != EINTR) return system_error(errno, "close", path_);
    return {};
  }

  uint64_t size() const override { return size_; }

 private:
  status usable() const {
    if (failed_) return *failed_;
    if (fd_.get() < 0) return {errc::invalid_argument, "'" + path_ + "' is closed"};
    return {};
  }

  std::string path_;
  descriptor fd_;
  uint64_t size_;
  std::optional<error> failed_;
};

class posix_positional_file final : public positional_file {
 public:
  posix_positional_file(std::string path, int fd, uint64_t inode)
      : path_(std::move(path)), fd_(fd), inode_(inode) {}

  status write(uint64_t position, std::span<const std::span<const std::byte>> pieces) override {
    WEIR_TRY(usable());
    std::array<iovec, pieces_per_call> vectors;
    size_t skip = 0;  // bytes of the first piece that are written
    while (!pieces.empty()) {
      size_t count = 0;
      for (; count < std::min(pieces.size(), pieces_per_call); ++count) {
        auto bytes = pieces[count].subspan(count == 0 ? skip : 0);
        vectors[count] = {const_cast<std::byte*>(bytes.data()), bytes.size()};
      }
      ssize_t n = ::pwritev(fd_.get(), vectors.data(), static_cast<int>(count),
                            static_cast<off_t>(position));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_error(errno, "write to", path_);
      position += static_cast<uint64_t>(n);
      auto left = static_cast<size_t>(n);
      size_t done = 0;
      while (done < count && left >= vectors[done].iov_len) left -= vectors[done++].iov_len;
      if (n == 0 && done == 0) return system_error(ENOSPC, "write to", path_);
      skip = done == 0 ? skip + left : left;
      pieces = pieces.subspan(done);
    }
    return {};
  }

  result<size_t> read(uint64_t position, std::span<std::byte> out) const override {
    return read_all(fd_.get(), path_, position, out);
  }

  status sync() override {
    WEIR_TRY(usable());
    int rc;
    do {
      rc = ::fdatasync(fd_.get());
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) return {};
    failed_ = system_error(errno, "sync", path_);
    return *failed_;
  }

  status allocate(uint64_t bytes) override {
    WEIR_TRY(usable());
    int rc;
    do {
      rc = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(bytes));
    } while (rc == EINTR);
    if (rc != 0) return system_error(rc, "reserve space for", path_);
    return {};
  }

  status truncate(uint64_t bytes) override {
    WEIR_TRY(usable());
    return truncate_to(fd_.get(), path_, bytes);
  }
  result<uint64_t> size() const override { return size_of(fd_.get(), path_); }
  uint64_t identity() const override { return inode_; }
  int descriptor() const override { return fd_.get(); }

 private:
  static constexpr size_t pieces_per_call = 64;  // far below IOV_MAX; more does not help
  status usable() const { return failed_ ? status(*failed_) : status(); }

  std::string path_;
  class descriptor fd_;
  uint64_t inode_;
  std::optional<error> failed_;
};

file_info info_of(std::string path, const struct stat& st) {
  file_info i;
  i.path = std::move(path);
  i.size = static_cast<uint64_t>(st.st_size);
  i.modified_us = int64_t{st.st_mtim.tv_sec} * 1'000'000 + st.st_mtim.tv_nsec / 1000;
  i.device = st.st_dev;
  i.inode = st.st_ino;
  return i;
}

class posix_file_system final : public file_system {
 public:
  result<std::unique_ptr<random_file>> open_read(const std::string& path) override {
    int fd = open_retry(path.c_str(), O_RDONLY);
    if (fd < 0) return system_error(errno, "open", path);
    auto file = std::make_unique<posix_random_file>(path, fd);
    struct stat st;
    if (::fstat(fd, &st) != 0) return system_error(errno, "stat", path);
    if (S_ISDIR(st.st_mode)) return system_error(EISDIR, "read", path);
    return std::unique_ptr<random_file>(std::move(file));
  }

  result<std::unique_ptr<append_file>> open_append(const std::string& path) override {
    descriptor fd(open_retry(path.c_str(), O_WRONLY | O_CREAT, 0644));
    if (fd.get() < 0) return system_error(errno, "open", path);
    struct stat st;
    if (::fstat(fd.get(), &st) != 0) return system_error(errno, "stat", path);
    return std::unique_ptr<append_file>(
        std::make_unique<posix_append_file>(path, fd.release(), static_cast<uint64_t>(st.st_size)));
  }

  result<std::unique_ptr<positional_file>> open_positional(const std::string& path,
                                                           bool create) override {
    descriptor fd(open_retry(path.c_str(), O_RDWR | (create ? O_CREAT : 0), 0644));
    if (fd.get() < 0) return system_error(errno, "open", path);
    struct stat st;
    if (::fstat(fd.get(), &st) != 0) return system_error(errno, "stat", path);
    return std::unique_ptr<positional_file>(
        std::make_unique<posix_positional_file>(path, fd.release(), st.st_ino));
  }

  status sync_file_system(const std::string& path) override {
    descriptor fd(open_retry(path.c_str(), O_RDONLY));
    if (fd.get() < 0) return system_error(errno, "open", path);
    int rc;
    do {
      rc = ::syncfs(fd.get());
    } while (rc != 0 && errno == EINTR);
    if (rc != 0) return system_error(errno, "sync the file system of", path);
    return {};
  }

  status create_directories(const std::string& path) override {
    for (size_t i = 1; i <= path.size(); ++i) {
      if (i < path.size() && path[i] != '/') continue;
      std::string part = path.substr(0, i);
      if (::mkdir(part.c_str(), 0755) == 0) continue;
      int e = errno;
      struct stat st;
      if (::stat(part.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) continue;
      return system_error(e == EEXIST ? ENOTDIR : e, "create folder", part);
    }
    return {};
  }

  status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return system_error(errno, "rename to '" + to + "' from", from);
  }

  status remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
    return system_error(errno, "remove", path);
  }

  status sync_directory(const std::string& path) override {
    descriptor fd(open_retry(path.c_str(), O_RDONLY | O_DIRECTORY));
    if (fd.get() < 0) return system_error(errno, "open folder", path);
    int rc;
    do {
      rc = ::fsync(fd.get());
    } while (rc != 0 && errno == EINTR);
    if (rc != 0) return system_error(errno, "sync folder", path);
    return {};
  }

  result<file_info> stat(const std::string& path) override {
    struct stat st;
    if (::stat(path.c_str(), &st) != 0) return system_error(errno, "stat", path);
    return info_of(path, st);
  }

  result<std::vector<file_info>> list(const std::string& directory) override {
    WEIR_ASSIGN(auto entries, list_entries(directory));
    std::vector<file_info> out;
    for (auto& e : entries) {
      std::string path = join_path(directory, e.name);
      struct stat st;
      if (::stat(path.c_str(), &st) != 0) {
        if (errno == ENOENT) continue;  // gone since, or a dangling link
        return system_error(errno, "stat", path);
      }
      if (!S_ISDIR(st.st_mode)) out.push_back(info_of(std::move(path), st));
    }
    return out;
  }

  result<std::vector<std::string>> folders(const std::string& directory) override {
    WEIR_ASSIGN(auto entries, list_entries(directory));
    std::vector<std::string> names;
    for (auto& e : entries)
      if (e.is_directory) names.push_back(std::move(e.name));
    return names;
  }

  result<std::vector<std::string>> glob(const std::string& pattern) override {
    return glob_files(pattern);
  }
};

}  // namespace

std::unique_ptr<file_system> make_posix_file_system() {
  return std::make_unique<posix_file_system>();
}

}  // namespace weir
