// The LMDB environment behind a snapshot store: opening, transactions that retry with a larger map,
// and leases: a read transaction plus a mapping of its own, through which chunks are read without a
// copy. Internal to runtime/snapshot; used from the store's thread, except that a lease may be
// dropped anywhere.
#pragma once

#include <lmdb.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "runtime/base/result.hpp"
#include "runtime/io/directory_lock.hpp"

namespace weir {

struct environment_options {
  size_t map_bytes = 0;
  size_t map_growth = 0;
  bool sync = true;
  bool read_only = false;
  // For error texts: what is kept here, and what happens once there is space again.
  std::string what = "the snapshot store";
  std::string when_full = "the next epoch then includes what this one could not write";
  std::string when_damaged;  // what to do then; empty: the caller says it
};

inline MDB_val mdb_bytes(std::string_view s) {
  return {s.size(), const_cast<char*>(s.data())};
}
inline MDB_val mdb_bytes(const uint64_t& v) {
  return {sizeof v, const_cast<uint64_t*>(&v)};
}
inline std::string_view text_of(const MDB_val& v) {
  return {static_cast<const char*>(v.mv_data), v.mv_size};
}

/// The databases of every environment, and how LMDB keeps their keys.
inline constexpr struct {
  const char* name;
  unsigned flags;
} lmdb_databases[] = {{"catalog", 0}, {"index", MDB_INTEGERKEY}, {"chunks", MDB_INTEGERKEY}};

class lmdb_environment;

/// A state of the store that stays readable, and its pages unused, for as long as the lease lives.
class read_lease {
 public:
  ~read_lease();
  read_lease(const read_lease&) = delete;
  read_lease& operator=(const read_lease&) = delete;
  MDB_txn* txn() const noexcept { return txn_; }
  /// The bytes that LMDB gave for a large value, in this lease's own mapping: they stay valid when
  /// LMDB moves its map to grow it. Empty when they do not lie within the file.
  std::span<const std::byte> pin(const MDB_val& value) const noexcept;

 private:
  friend class lmdb_environment;
  read_lease() = default;
  std::shared_ptr<lmdb_environment> environment_;
  MDB_txn* txn_ = nullptr;
  const std::byte* map_ = nullptr;
  size_t map_bytes_ = 0;
  size_t page_bytes_ = 0;
};

class lmdb_environment : public std::enable_shared_from_this<lmdb_environment> {
 public:
  static result<std::shared_ptr<lmdb_environment>> open(const std::string& directory,
                                                        const environment_options&);
  ~lmdb_environment();

  /// Runs `body` in a write transaction and commits: all of it is durable, or nothing happened. A
  /// full map is grown and the body run again, so it must have no side effects before it returns.
  status write(const std::function<int(MDB_txn*)>& body);
  result<std::shared_ptr<const read_lease>> lease();
  /// LMDB's code as an error of `what`.
  error failure(int rc, std::string_view what) const;

  MDB_dbi catalog = 0;  // text -> sealed record
  MDB_dbi index = 0;    // chunk id (u64) -> chunk_entry
  MDB_dbi chunks = 0;   // chunk id (u64) -> bytes
  const std::string& directory() const noexcept { return directory_; }
  uint64_t file_bytes() const;
  /// Bytes of the map behind the last page that was ever used.
  size_t room() const;
  uint64_t map_bytes() const noexcept { return options_.map_bytes; }
  /// Whether the file may grow by as much, as far as its file system and limits say.
  bool disk_has(uint64_t bytes) const;

 private:
  lmdb_environment() = default;
  status set_up();
  status create(const std::string& path);
  status open_databases(MDB_txn*, unsigned flags);
  int grow();

  std::string directory_;
  environment_options options_;
  directory_lock lock_;
  MDB_env* env_ = nullptr;
};

/// Walks all B-tree pages of a data file before LMDB trusts them (it does not check their bounds).
/// errc::corrupt names the page and `what` is kept in it. An empty or absent file is sound.
status check_lmdb_file(const std::string& path, const std::string& what);

}  // namespace weir
