// A library to preload into `weir`: makes one chosen call on files fail, as a broken or full disk
// would. It counts the calls that change or secure files below one folder, over all threads, and
// lets the k-th and perhaps some after it fail. Reads and files elsewhere are left alone.
//
//   WEIR_FAULT_ROOT   folder whose files count
//   WEIR_FAULT_AT     number of the call that fails, from 1; 0 only counts
//   WEIR_FAULT_KIND   eio, enospc (half of the bytes first, as a filling disk does), short (half of
//                     the bytes and no error, as write(2) may at any time; other calls pass) or
//                     lost (only syncs count: EIO, and what was written since the last sync is what
//                     it was before, as when the system drops pages that it could not write)
//   WEIR_FAULT_STAY   so many calls after it fail too
//   WEIR_FAULT_LOG    file that gets a line per counted call: number, call, path, what happened
//
// Any thread; system calls are made directly, so that nothing has to be looked up.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

namespace {

struct settings {
  const char* root = std::getenv("WEIR_FAULT_ROOT");
  long at = number("WEIR_FAULT_AT");
  long stay = number("WEIR_FAULT_STAY");
  const char* kind = std::getenv("WEIR_FAULT_KIND");
  int log = -1;

  settings() {
    if (const char* path = std::getenv("WEIR_FAULT_LOG"))
      log = static_cast<int>(
          syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  }
  static long number(const char* name) {
    const char* text = std::getenv(name);
    return text ? std::atol(text) : 0;
  }
};

const settings& chosen() {
  static const settings s;
  return s;
}

std::atomic<long> calls{0};

enum class fault { none, eio, enospc, shortened, lost };

bool counts(const char* path) {
  const char* root = chosen().root;
  return root && std::strncmp(path, root, std::strlen(root)) == 0;
}

bool loses() {
  return chosen().kind && std::strcmp(chosen().kind, "lost") == 0;
}

/// Counts the call and says what is to happen to it.
fault next(const char* call, const char* path, bool writes, bool syncs = false) {
  const auto& s = chosen();
  if (loses() && !syncs) return fault::none;
  long n = calls.fetch_add(1) + 1;
  fault f = fault::none;
  if (s.at != 0 && n >= s.at && n <= s.at + s.stay && s.kind) {
    if (std::strcmp(s.kind, "eio") == 0) f = fault::eio;
    if (std::strcmp(s.kind, "enospc") == 0) f = fault::enospc;
    if (std::strcmp(s.kind, "short") == 0 && writes) f = fault::shortened;
    if (loses()) f = fault::lost;
  }
  static const char* const what[] = {"", " EIO", " ENOSPC", " short", " lost"};
  char line[PATH_MAX + 64];
  int length =
      std::snprintf(line, sizeof line, "%ld %s %s%s\n", n, call, path, what[static_cast<int>(f)]);
  if (s.log >= 0) (void)syscall(SYS_write, s.log, line, static_cast<size_t>(length));
  return f;
}

/// The path of a file that counts; empty for others.
std::string path_of(int fd) {
  char link[32], path[PATH_MAX];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int kept = errno;
  ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  errno = kept;
  if (n <= 0) return {};
  path[n] = 0;
  return counts(path) ? path : std::string();
}

fault next(const char* call, int fd, bool writes, bool syncs = false) {
  auto path = path_of(fd);
  return path.empty() ? fault::none : next(call, path.c_str(), writes, syncs);
}

// ---- What is not synced (kind lost). ----

struct overwritten {
  std::string path;
  off_t offset;
  std::vector<char> before;
};
std::mutex unsynced_mutex;
std::vector<overwritten>& unsynced() {
  static auto* list = new std::vector<overwritten>;  // threads outlive static objects
  return *list;
}

/// Before a write: keeps what is there.
void note_write(int fd, size_t bytes, off_t offset, bool at) {
  if (!loses()) return;
  // Such a write is its own sync: LMDB makes its transactions valid by one.
  if ((::fcntl(fd, F_GETFL) & O_DSYNC) != 0) return;
  auto path = path_of(fd);
  if (path.empty()) return;
  if (!at) offset = static_cast<off_t>(syscall(SYS_lseek, fd, 0, SEEK_CUR));
  overwritten o{std::move(path), offset, std::vector<char>(bytes)};
  int own = static_cast<int>(syscall(SYS_openat, AT_FDCWD, o.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (own < 0) return;
  (void)syscall(SYS_pread64, own, o.before.data(), bytes, offset);
  (void)syscall(SYS_close, own);
  std::lock_guard lock(unsynced_mutex);
  unsynced().push_back(std::move(o));
}

/// After a sync of `path`, or of everything: it is there, or it is as it was.
void settle(const std::string& path, bool everything, bool lost) {
  if (!loses()) return;
  std::lock_guard lock(unsynced_mutex);
  auto& list = unsynced();
  std::vector<overwritten> others;
  for (size_t i = list.size(); i-- > 0;) {
    auto& o = list[i];
    if (!everything && o.path != path) {
      others.push_back(std::move(o));
      continue;
    }
    if (!lost) continue;
    int own = static_cast<int>(syscall(SYS_openat, AT_FDCWD, o.path.c_str(), O_WRONLY | O_CLOEXEC));
    if (own < 0) continue;  // removed since
    (void)syscall(SYS_pwrite64, own, o.before.data(), o.before.size(), o.offset);
    (void)syscall(SYS_close, own);
  }
  list.assign(std::make_move_iterator(others.rbegin()), std::make_move_iterator(others.rend()));
}

int refused(fault f) {
  errno = f == fault::enospc ? ENOSPC : EIO;
  return -1;
}

bool refuses(fault f) {
  return f == fault::eio || f == fault::enospc || f == fault::lost;
}

ssize_t write_at(const char* call, int fd, const void* bytes, size_t n, off_t offset, bool at) {
  auto real = [&](size_t count) -> ssize_t {
    return at ? syscall(SYS_pwrite64, fd, bytes, count, offset)
              : syscall(SYS_write, fd, bytes, count);
  };
  note_write(fd, n, offset, at);
  fault f = next(call, fd, true);
  if (f == fault::eio) return refused(f);
  if (f == fault::none || n < 2) return f == fault::enospc ? refused(f) : real(n);
  ssize_t half = real(n / 2);
  return f == fault::enospc ? refused(f) : half;
}

ssize_t writev_at(const char* call, int fd, const iovec* parts, int n, off_t offset, bool at) {
  auto real = [&](int count) -> ssize_t {
    return at ? syscall(SYS_pwritev, fd, parts, count, offset, 0)
              : syscall(SYS_writev, fd, parts, count);
  };
  size_t bytes = 0;
  for (int i = 0; i < n; ++i) bytes += parts[i].iov_len;
  note_write(fd, bytes, offset, at);
  fault f = next(call, fd, true);
  if (f == fault::eio) return refused(f);
  if (f == fault::none) return real(n);
  // Half of the parts, or of the only one.
  ssize_t half = 0;
  if (n >= 2) {
    half = real(n / 2);
  } else if (bytes >= 2) {
    half = at ? syscall(SYS_pwrite64, fd, parts[0].iov_base, bytes / 2, offset)
              : syscall(SYS_write, fd, parts[0].iov_base, bytes / 2);
  } else if (f == fault::shortened) {
    return real(n);
  }
  return f == fault::enospc ? refused(f) : half;
}

int sync_file(const char* call, int fd, long number, bool everything) {
  fault f = next(call, fd, false, true);
  if (refuses(f)) {
    if (f == fault::lost) settle(path_of(fd), everything, true);
    return refused(f);
  }
  int rc = static_cast<int>(syscall(number, fd));
  if (rc == 0) settle(path_of(fd), everything, false);
  return rc;
}

int open_at(const char* call, int folder, const char* path, int flags, mode_t mode) {
  // Only what makes or opens a file for writing.
  if ((flags & (O_CREAT | O_WRONLY | O_RDWR)) != 0 && counts(path))
    if (fault f = next(call, path, false); refuses(f)) return refused(f);
  return static_cast<int>(syscall(SYS_openat, folder, path, flags, mode));
}

mode_t mode_of(int flags, va_list arguments) {
  return flags & O_CREAT ? static_cast<mode_t>(va_arg(arguments, int)) : 0;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_at("open", AT_FDCWD, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_at("open", AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_at("openat", folder, path, flags, mode);
}

ssize_t write(int fd, const void* bytes, size_t n) {
  return write_at("write", fd, bytes, n, 0, false);
}
ssize_t pwrite(int fd, const void* bytes, size_t n, off_t offset) {
  return write_at("pwrite", fd, bytes, n, offset, true);
}
ssize_t pwrite64(int fd, const void* bytes, size_t n, off64_t offset) {
  return write_at("pwrite", fd, bytes, n, offset, true);
}
ssize_t writev(int fd, const iovec* parts, int n) {
  return writev_at("writev", fd, parts, n, 0, false);
}
ssize_t pwritev(int fd, const iovec* parts, int n, off_t offset) {
  return writev_at("pwritev", fd, parts, n, offset, true);
}
ssize_t pwritev64(int fd, const iovec* parts, int n, off64_t offset) {
  return writev_at("pwritev", fd, parts, n, offset, true);
}

int fsync(int fd) {
  return sync_file("fsync", fd, SYS_fsync, false);
}
int fdatasync(int fd) {
  return sync_file("fdatasync", fd, SYS_fdatasync, false);
}
int syncfs(int fd) noexcept {
  return sync_file("syncfs", fd, SYS_syncfs, true);
}
// These two give the error instead of setting it.
int posix_fallocate(int fd, off_t offset, off_t bytes) {
  if (fault f = next("fallocate", fd, false); refuses(f)) return f == fault::enospc ? ENOSPC : EIO;
  return syscall(SYS_fallocate, fd, 0, offset, bytes) == 0 ? 0 : errno;
}
int posix_fallocate64(int fd, off64_t offset, off64_t bytes) {
  return posix_fallocate(fd, offset, bytes);
}
int ftruncate(int fd, off_t bytes) {
  if (fault f = next("ftruncate", fd, false); refuses(f)) return refused(f);
  return static_cast<int>(syscall(SYS_ftruncate, fd, bytes));
}
int ftruncate64(int fd, off64_t bytes) {
  return ftruncate(fd, bytes);
}
int rename(const char* from, const char* to) noexcept {
  if (counts(to))
    if (fault f = next("rename", to, false); refuses(f)) return refused(f);
  return static_cast<int>(syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to));
}
int unlink(const char* path) noexcept {
  if (counts(path))
    if (fault f = next("unlink", path, false); refuses(f)) return refused(f);
  return static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}
int mkdir(const char* path, mode_t mode) noexcept {
  if (counts(path))
    if (fault f = next("mkdir", path, false); refuses(f)) return refused(f);
  return static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

}  // extern "C"
#pragma GCC visibility pop
