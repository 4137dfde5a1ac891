#include "cluster/meta/raft/lmdb_store.hpp"

#include "runtime/base/assert.hpp"
#include "runtime/snapshot/codec.hpp"
#include "runtime/snapshot/environment.hpp"

namespace weir::meta {
namespace {

constexpr size_t map_bytes = size_t{256} << 20;  // address space; grown when it is used up
constexpr uint16_t format_version = 1;
constexpr std::string_view vote_key = "vote";
constexpr std::string_view snapshot_key = "snapshot";

std::string entry_seal(log_index i) {
  return "entry " + std::to_string(i);
}

std::string encode(const put_vote& v) {
  snapshot_codec::writer w;
  w.number(format_version);
  w.number(v.term);
  w.number(v.voted_for);
  return std::move(w).seal(vote_key);
}
std::string encode(log_index i, const log_entry& e) {
  snapshot_codec::writer w;
  w.number(e.term);
  w.number(static_cast<uint8_t>(e.type));
  w.text(e.data);
  return std::move(w).seal(entry_seal(i));
}
std::string encode(const snapshot_record& s) {
  snapshot_codec::writer w;
  w.number(format_version);
  w.number(s.index);
  w.number(s.term);
  w.number(static_cast<uint32_t>(s.servers.size()));
  for (const auto& m : s.servers) {
    w.number(m.id);
    w.text(m.address);
    w.number(static_cast<uint8_t>(m.role));
  }
  w.number(s.servers_index);
  w.text(s.data);
  return std::move(w).seal(snapshot_key);
}

bool decode(std::string_view bytes, snapshot_record& s) {
  snapshot_codec::reader r(snapshot_key, bytes);
  if (r.number<uint16_t>() != format_version) return false;
  s.index = r.number<log_index>();
  s.term = r.number<log_term>();
  constexpr size_t server_bytes_min = 13;
  size_t n = r.count(server_bytes_min);
  for (size_t i = 0; i < n; ++i) {
    server m;
    m.id = r.number<server_id>();
    m.address = r.text();
    m.role = static_cast<server_role>(r.number<uint8_t>());
    s.servers.push_back(std::move(m));
  }
  s.servers_index = r.number<log_index>();
  s.data = r.text();
  return r.at_end() && s.index > 0 && s.term > 0;
}

// Deletes the entries of [first, last].
int erase_entries(MDB_txn* txn, MDB_dbi db, log_index first, log_index last) {
  MDB_cursor* cursor = nullptr;
  int rc = mdb_cursor_open(txn, db, &cursor);
  if (rc != 0) return rc;
  MDB_val key = mdb_bytes(first), value;
  rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  while (rc == 0) {
    uint64_t at;
    std::memcpy(&at, key.mv_data, sizeof at);
    if (at > last) break;
    rc = mdb_cursor_del(cursor, 0);
    if (rc == 0) rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

struct writer_of_steps {
  MDB_txn* txn;
  const lmdb_environment& e;

  int put_record(std::string_view key, const std::string& bytes) {
    MDB_val k = mdb_bytes(key), v = mdb_bytes(std::string_view(bytes));
    return mdb_put(txn, e.catalog, &k, &v, 0);
  }
  int operator()(const put_vote& v) { return put_record(vote_key, encode(v)); }
  int operator()(const put_entries& p) {
    for (size_t i = 0; i < p.entries.size(); ++i) {
      const log_index at = p.first + i;
      std::string bytes = encode(at, p.entries[i]);
      MDB_val k = mdb_bytes(at), v = mdb_bytes(std::string_view(bytes));
      // An entry that is there was to be dropped first: two logs must never be mixed.
      if (int rc = mdb_put(txn, e.chunks, &k, &v, MDB_NOOVERWRITE | MDB_APPEND); rc != 0) return rc;
    }
    return 0;
  }
  int operator()(const drop_from& d) { return erase_entries(txn, e.chunks, d.first, UINT64_MAX); }
  int operator()(const put_snapshot& s) {
    if (int rc = put_record(snapshot_key, encode(s.snapshot)); rc != 0) return rc;
    return erase_entries(txn, e.chunks, 0, s.keep_from == 0 ? UINT64_MAX : s.keep_from - 1);
  }
};

}  // namespace

lmdb_store::lmdb_store(std::shared_ptr<lmdb_environment> e) : environment_(std::move(e)) {}
lmdb_store::~lmdb_store() = default;

result<std::unique_ptr<lmdb_store>> lmdb_store::open(const std::string& directory) {
  environment_options options;
  options.map_bytes = map_bytes;
  options.map_growth = map_bytes;
  options.what = "the log of the cluster's metadata";
  options.when_full = "this node takes no part in the metadata until it is started again";
  WEIR_ASSIGN(auto e, lmdb_environment::open(directory, options));
  return std::unique_ptr<lmdb_store>(new lmdb_store(std::move(e)));
}

error lmdb_store::damaged(const std::string& what) const {
  return {errc::corrupt, "the log of the cluster's metadata in '" + environment_->directory() +
                             "' is damaged: " + what};
}

status lmdb_store::write(const write_batch& batch) {
  return environment_->write([&](MDB_txn* txn) {
    for (const auto& step : batch)
      if (int rc = std::visit(writer_of_steps{txn, *environment_}, step); rc != 0) return rc;
    return 0;
  });
}

result<snapshot_record> lmdb_store::snapshot() {
  WEIR_ASSIGN(auto lease, environment_->lease());
  MDB_val k = mdb_bytes(snapshot_key), v;
  int rc = mdb_get(lease->txn(), environment_->catalog, &k, &v);
  if (rc == MDB_NOTFOUND) return {errc::not_found, "there is no snapshot of the metadata yet"};
  if (rc != 0) return environment_->failure(rc, "read");
  snapshot_record s;
  if (!decode(text_of(v), s)) return damaged("its snapshot does not match its checksum or format");
  return s;
}

result<stored_log> lmdb_store::load() {
  stored_log out;
  auto newest = snapshot();
  if (newest)
    out.snapshot = std::move(*newest);
  else if (newest.err().code != errc::not_found)
    return std::move(newest).err();
  WEIR_ASSIGN(auto lease, environment_->lease());
  MDB_val k = mdb_bytes(vote_key), v;
  int rc = mdb_get(lease->txn(), environment_->catalog, &k, &v);
  if (rc == 0) {
    snapshot_codec::reader r(vote_key, text_of(v));
    auto version = r.number<uint16_t>();
    out.term = r.number<log_term>();
    out.voted_for = r.number<server_id>();
    if (!r.at_end() || version != format_version)
      return damaged("its vote does not match its checksum or format");
  } else if (rc != MDB_NOTFOUND) {
    return environment_->failure(rc, "read");
  }
  MDB_cursor* cursor = nullptr;
  rc = mdb_cursor_open(lease->txn(), environment_->chunks, &cursor);
  if (rc != 0) return environment_->failure(rc, "read");
  std::string problem;
  while (problem.empty() && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
    uint64_t at;
    std::memcpy(&at, k.mv_data, sizeof at);
    if (out.entries.empty()) out.first = at;
    snapshot_codec::reader r(entry_seal(at), text_of(v));
    log_entry e;
    e.term = r.number<log_term>();
    auto type = r.number<uint8_t>();
    e.type = static_cast<entry_type>(type);
    e.data = r.text();
    if (!r.at_end() || type < 1 || type > 3)
      problem = entry_seal(at) + " does not match its checksum";
    else if (at != out.first + out.entries.size())
      problem = entry_seal(out.first + out.entries.size()) + " is missing";
    out.entries.push_back(std::move(e));
  }
  mdb_cursor_close(cursor);
  if (problem.empty() && rc != MDB_NOTFOUND) return environment_->failure(rc, "read");
  const log_index covered = out.snapshot ? out.snapshot->index : 0;
  if (out.entries.empty()) out.first = covered + 1;
  if (problem.empty() && out.first > covered + 1) problem = entry_seal(covered + 1) + " is missing";
  if (problem.empty() && out.term == 0 && (covered > 0 || !out.entries.empty()))
    problem = "its vote is missing";
  if (!problem.empty()) return damaged(problem);
  return out;
}

}  // namespace weir::meta
