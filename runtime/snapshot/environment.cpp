#include "runtime/snapshot/environment.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/io/file.hpp"

namespace weir {
namespace {

// Loads of several operators share one lease per state of the store; old ones live until their
// chunks are dropped.
constexpr unsigned readers_max = 1024;
constexpr unsigned databases_max = 8;
constexpr size_t page_header_bytes = 16;  // of LMDB's overflow pages: the value follows
constexpr size_t map_bytes_min = size_t{1} << 20;
// Below this much free space a write that came up short is blamed on the full disk.
constexpr uint64_t nearly_full_bytes = 1 << 20;

}  // namespace

read_lease::~read_lease() {
  if (txn_) mdb_txn_abort(txn_);
  if (map_) ::munmap(const_cast<std::byte*>(map_), map_bytes_);
}

std::span<const std::byte> read_lease::pin(const MDB_val& value) const noexcept {
  // A large value lies in a run of pages of its own; the first starts with its page number, which
  // gives its place in the file.
  const auto* p = static_cast<const std::byte*>(value.mv_data);
  if (!map_ || reinterpret_cast<uintptr_t>(p) % page_bytes_ != page_header_bytes) return {};
  uint64_t page;
  std::memcpy(&page, p - page_header_bytes, sizeof page);
  if (page >= map_bytes_ / page_bytes_) return {};
  size_t offset = page * page_bytes_ + page_header_bytes;
  if (value.mv_size > map_bytes_ - offset) return {};
  return {map_ + offset, value.mv_size};
}

lmdb_environment::~lmdb_environment() {
  if (env_) mdb_env_close(env_);
}

result<std::shared_ptr<lmdb_environment>> lmdb_environment::open(
    const std::string& directory, const environment_options& options) {
  std::shared_ptr<lmdb_environment> e(new lmdb_environment());
  e->directory_ = directory;
  e->options_ = options;
  if (options.read_only) {
    WEIR_ASSIGN(pid_t holder, directory_lock::holder(directory));
    // LMDB's own locks do not survive a second environment in the same process.
    if (holder == ::getpid())
      return {errc::invalid_argument,
              "'" + directory + "' is open in this process: ask that store instead"};
  } else {
    auto files = make_posix_file_system();
    WEIR_TRY(files->create_directories(directory));
    WEIR_ASSIGN(e->lock_, directory_lock::acquire(directory));
  }
  WEIR_TRY(e->set_up());
  return e;
}

status lmdb_environment::set_up() {
  std::string path = directory_ + "/data.mdb";
  struct stat st;
  bool is_new = ::stat(path.c_str(), &st) != 0 || st.st_size == 0;
  if (is_new && options_.read_only)
    return {errc::not_found, "'" + directory_ + "' holds no snapshots"};
  if (is_new) WEIR_TRY(create(path));
  // While another process holds the store its pages change under us; it has checked them itself.
  bool live = false;
  if (options_.read_only) {
    WEIR_ASSIGN(pid_t holder, directory_lock::holder(directory_));
    live = holder != 0;
  }
  if (!live)
    if (auto sound = check_lmdb_file(path, options_.what); !sound)
      return {sound.err().code, sound.err().message + (sound.err().code != errc::corrupt ||
                                                               options_.when_damaged.empty()
                                                           ? ""
                                                           : "; " + options_.when_damaged)};
  // WRITEMAP is not used: a full disk would end the process by SIGBUS instead of failing one epoch,
  // stray writes could reach the file, and with durable commits the disk sets the pace anyway.
  unsigned flags = MDB_NOTLS | MDB_NOMEMINIT;
  if (!options_.sync) flags |= MDB_NOSYNC;
  if (options_.read_only) flags |= MDB_RDONLY;
  // The map is address space, not memory or disk. A limit on address space makes it smaller.
  for (;; options_.map_bytes /= 2) {
    int rc = mdb_env_create(&env_);
    if (rc != 0) return failure(rc, "open");
    mdb_env_set_maxdbs(env_, databases_max);
    mdb_env_set_maxreaders(env_, readers_max);
    mdb_env_set_mapsize(env_, options_.map_bytes);
    rc = mdb_env_open(env_, directory_.c_str(), flags, 0644);
    if (rc == 0) break;
    mdb_env_close(std::exchange(env_, nullptr));
    if (options_.read_only && !live && (rc == EACCES || rc == EROFS) && !(flags & MDB_NOLOCK)) {
      flags |= MDB_NOLOCK;  // a copy that may only be read: nobody writes to it
      options_.map_bytes *= 2;
      continue;
    }
    if (rc != ENOMEM || options_.map_bytes < 2 * map_bytes_min) return failure(rc, "open");
  }
  MDB_envinfo info;
  mdb_env_info(env_, &info);
  options_.map_bytes = info.me_mapsize;
  int dead = 0;
  mdb_reader_check(env_, &dead);  // slots of readers that were killed would pin old pages
  MDB_txn* txn = nullptr;
  int rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn);
  if (rc != 0) return failure(rc, "read");
  status s = open_databases(txn, 0);
  // Committing a read transaction keeps the database handles.
  if (s)
    mdb_txn_commit(txn);
  else
    mdb_txn_abort(txn);
  return s;
}

status lmdb_environment::create(const std::string& path) {
  // Made under another name and renamed when it is complete: LMDB could not open what a full disk
  // or a crash leaves of a new file, and such a file must not look like a damaged store.
  auto files = make_posix_file_system();
  std::string temporary = path + ".new";
  WEIR_TRY(files->remove(temporary));
  MDB_env* made = nullptr;
  MDB_txn* txn = nullptr;
  int rc = mdb_env_create(&made);
  if (rc != 0) return failure(rc, "create");
  mdb_env_set_maxdbs(made, databases_max);
  mdb_env_set_mapsize(made, map_bytes_min);
  // Nobody else knows the file yet, so it needs no lock file.
  rc = mdb_env_open(made, temporary.c_str(), MDB_NOSUBDIR | MDB_NOLOCK, 0644);
  if (rc == 0) rc = mdb_txn_begin(made, nullptr, 0, &txn);
  status opened;
  if (rc == 0) {
    opened = open_databases(txn, MDB_CREATE);
    if (opened)
      rc = mdb_txn_commit(txn);
    else
      mdb_txn_abort(txn);
  }
  mdb_env_close(made);
  status s = rc == 0 ? std::move(opened) : status(failure(rc, "create"));
  if (s) s = files->rename(temporary, path);
  if (s) return files->sync_directory(directory_);
  // The first failure is what matters; the next try removes what is left.
  (void)files->remove(temporary);
  return s;
}

status lmdb_environment::open_databases(MDB_txn* txn, unsigned flags) {
  MDB_dbi* handles[] = {&catalog, &index, &chunks};
  for (size_t i = 0; i < std::size(handles); ++i) {
    const auto& d = lmdb_databases[i];
    int rc = mdb_dbi_open(txn, d.name, d.flags | flags, handles[i]);
    if (rc == MDB_NOTFOUND) return {errc::not_found, "'" + directory_ + "' holds no snapshots"};
    if (rc != 0) return failure(rc, "open");
  }
  return {};
}

int lmdb_environment::grow() {
  size_t larger = options_.map_bytes + std::max(options_.map_growth, options_.map_bytes / 4);
  larger = (larger + map_bytes_min - 1) / map_bytes_min * map_bytes_min;
  // Leases keep working: they read through mappings of their own.
  int rc = mdb_env_set_mapsize(env_, larger);
  if (rc == 0) options_.map_bytes = larger;
  return rc;
}

status lmdb_environment::write(const std::function<int(MDB_txn*)>& body) {
  for (;;) {
    MDB_txn* txn = nullptr;
    int rc = mdb_txn_begin(env_, nullptr, 0, &txn);
    if (rc == 0) {
      rc = body(txn);
      if (rc == 0)
        rc = mdb_txn_commit(txn);
      else
        mdb_txn_abort(txn);
    }
    if (rc == 0) return {};
    if (rc == MDB_MAP_FULL) {
      int grown = grow();
      if (grown == 0) continue;
      return failure(grown, "grow the map of");
    }
    return failure(rc, "write to");
  }
}

result<std::shared_ptr<const read_lease>> lmdb_environment::lease() {
  std::shared_ptr<read_lease> l(new read_lease());
  int rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &l->txn_);
  if (rc == MDB_MAP_RESIZED) {  // another process wrote with a larger map
    rc = mdb_env_set_mapsize(env_, 0);
    if (rc == 0) rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &l->txn_);
  }
  if (rc != 0) return failure(rc, "read");
  l->environment_ = shared_from_this();
  MDB_stat stat;
  mdb_env_stat(env_, &stat);
  l->page_bytes_ = stat.ms_psize;
  uint64_t size = file_bytes() / stat.ms_psize * stat.ms_psize;
  int fd = -1;
  mdb_env_get_fd(env_, &fd);
  void* p = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) return system_error(errno, "map", directory_ + "/data.mdb");
  l->map_ = static_cast<const std::byte*>(p);
  l->map_bytes_ = size;
  return std::shared_ptr<const read_lease>(std::move(l));
}

uint64_t lmdb_environment::file_bytes() const {
  int fd = -1;
  struct stat st;
  if (mdb_env_get_fd(env_, &fd) != 0 || ::fstat(fd, &st) != 0) return 0;
  return static_cast<uint64_t>(st.st_size);
}

size_t lmdb_environment::room() const {
  MDB_envinfo info;
  MDB_stat stat;
  if (mdb_env_info(env_, &info) != 0 || mdb_env_stat(env_, &stat) != 0) return 0;
  const size_t used = (info.me_last_pgno + 1) * stat.ms_psize;
  return info.me_mapsize > used ? info.me_mapsize - used : 0;
}

bool lmdb_environment::disk_has(uint64_t bytes) const {
  struct statvfs v;
  if (::statvfs(directory_.c_str(), &v) == 0 && uint64_t{v.f_bavail} * v.f_frsize < bytes)
    return false;
  rlimit limit;
  return ::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
         file_bytes() + bytes <= limit.rlim_cur;
}

error lmdb_environment::failure(int rc, std::string_view what) const {
  std::string m = "cannot " + std::string(what) + " " + options_.what + " '" + directory_ + "': ";
  bool full = rc == ENOSPC || rc == EDQUOT || rc == EFBIG;
  // LMDB reports a write that came up short as EIO.
  if (rc == EIO && !disk_has(nearly_full_bytes)) full = true;
  if (full)
    return {errc::no_space,
            m + "no space left; free space on its file system (" + options_.when_full + ")"};
  switch (rc) {
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
      return {errc::corrupt, m + mdb_strerror(rc)};
    case MDB_VERSION_MISMATCH:
      return {errc::version_mismatch, m + mdb_strerror(rc)};
    case MDB_PANIC:
      return {errc::io, m + "an earlier write failed half-way; open the store again"};
    default:
      break;
  }
  errc code = rc == ENOENT ? errc::not_found : errc::io;
  return {code, m + mdb_strerror(rc)};
}

}  // namespace weir
