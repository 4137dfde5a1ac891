#include "runtime/io/directory_lock.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <utility>

#include "runtime/io/file.hpp"

namespace weir {
namespace {

// The holder writes its pid just after it got the lock; who is refused in that moment looks again.
constexpr int pid_tries = 20;
constexpr long pid_wait_ns = 1'000'000;

pid_t read_pid(int fd) {
  char text[32];
  ssize_t n = ::pread(fd, text, sizeof text, 0);
  pid_t pid = 0;
  if (n > 0) std::from_chars(text, text + n, pid);
  return pid;
}

/// A pid that may be holding the lock: 0 when the file has none, or that of a dead process.
pid_t live_pid(int fd) {
  pid_t pid = read_pid(fd);
  return pid > 0 && (::kill(pid, 0) == 0 || errno != ESRCH) ? pid : 0;
}

void wait_a_moment() {
  timespec wait{0, pid_wait_ns};
  ::nanosleep(&wait, nullptr);
}

bool try_lock(int fd, int& error_number) {
  int rc;
  do {
    rc = ::flock(fd, LOCK_EX | LOCK_NB);
  } while (rc != 0 && errno == EINTR);
  error_number = errno;
  return rc == 0;
}

}  // namespace

directory_lock::directory_lock(directory_lock&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}

directory_lock& directory_lock::operator=(directory_lock&& o) noexcept {
  if (this != &o) {
    release();
    fd_ = std::exchange(o.fd_, -1);
  }
  return *this;
}

directory_lock::~directory_lock() {
  release();
}

void directory_lock::release() noexcept {
  if (fd_ < 0) return;
  // The file stays: removing it would let two processes lock two files of the same name.
  if (::ftruncate(fd_, 0) != 0) {
    // A stale pid in it is harmless: only the holder of the lock counts.
  }
  ::close(fd_);
  fd_ = -1;
}

result<directory_lock> directory_lock::acquire(const std::string& directory,
                                               const std::string& name) {
  std::string path = directory + "/" + name;
  directory_lock lock;
  lock.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock.fd_ < 0) return system_error(errno, "open lock file", path);
  int e = 0;
  bool got = try_lock(lock.fd_, e);
  // Held, but by nobody who lives: a holder that has not written its pid yet, or one who looks on.
  for (int i = 0; !got && e == EWOULDBLOCK && live_pid(lock.fd_) == 0 && i < pid_tries; ++i) {
    wait_a_moment();
    got = try_lock(lock.fd_, e);
  }
  if (!got) {
    int fd = std::exchange(lock.fd_, -1);
    pid_t pid = read_pid(fd);
    ::close(fd);
    if (e != EWOULDBLOCK) return system_error(e, "lock", path);
    std::string who = pid == ::getpid() ? "this process" : "another process";
    if (pid > 0) who += " (pid " + std::to_string(pid) + ")";
    return {errc::locked,
            "'" + directory + "' is in use by " + who + ": stop it, or choose another directory"};
  }
  std::string text = std::to_string(::getpid()) + "\n";
  // The lock holds with or without a readable pid, so a full disk does not keep us out.
  if (::ftruncate(lock.fd_, 0) == 0 &&
      ::pwrite(lock.fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    if (::ftruncate(lock.fd_, 0) != 0) return lock;
  }
  return lock;
}

result<pid_t> directory_lock::holder(const std::string& directory, const std::string& name) {
  std::string path = directory + "/" + name;
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return pid_t{0};
    return system_error(errno, "open lock file", path);
  }
  int rc, e;
  do {
    rc = ::flock(fd, LOCK_SH | LOCK_NB);
    e = errno;
  } while (rc != 0 && e == EINTR);
  for (int i = 0; rc != 0 && live_pid(fd) == 0 && i < pid_tries; ++i) wait_a_moment();
  pid_t pid = rc == 0 ? 0 : read_pid(fd);
  ::close(fd);
  if (rc != 0 && e != EWOULDBLOCK) return system_error(e, "lock", path);
  return pid;
}

}  // namespace weir
