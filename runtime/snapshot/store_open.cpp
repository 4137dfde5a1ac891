#include "runtime/snapshot/codec.hpp"
#include "runtime/snapshot/store_impl.hpp"

namespace weir {
namespace {

template <class T>
void append_big_endian(std::string& s, T v) {
  for (int shift = static_cast<int>(sizeof v) * 8 - 8; shift >= 0; shift -= 8)
    s.push_back(static_cast<char>(v >> shift & 0xff));
}

template <class T>
T read_big_endian(std::string_view s) {
  T v = 0;
  for (size_t i = 0; i < sizeof(T); ++i) v = v << 8 | static_cast<unsigned char>(s[i]);
  return v;
}

/// Calls visit(key, value) for all records whose key starts with `prefix`.
template <class Visit>
int each_record(MDB_txn* txn, MDB_dbi database, std::string_view prefix, Visit&& visit) {
  MDB_cursor* cursor = nullptr;
  int rc = mdb_cursor_open(txn, database, &cursor);
  if (rc != 0) return rc;
  MDB_val key = mdb_bytes(prefix), value;
  rc = mdb_cursor_get(cursor, &key, &value, prefix.empty() ? MDB_FIRST : MDB_SET_RANGE);
  while (rc == 0 && text_of(key).substr(0, prefix.size()) == prefix) {
    visit(text_of(key), text_of(value));
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

}  // namespace

std::string job_record_key(uint32_t job) {
  std::string s = "j";
  append_big_endian(s, job);
  return s;
}
std::string state_record_key(uint32_t state) {
  std::string s = "s";
  append_big_endian(s, state);
  return s;
}
std::string manifest_record_key(uint32_t job, uint64_t e) {
  std::string s = "m";
  append_big_endian(s, job);
  append_big_endian(s, e);
  return s;
}
std::string view_record_key(uint32_t job, uint64_t e) {
  std::string s = manifest_record_key(job, e);
  s[0] = 'v';
  return s;
}

int put_text(MDB_txn* txn, MDB_dbi database, std::string_view key, std::string_view value) {
  MDB_val k = mdb_bytes(key), v = mdb_bytes(value);
  return mdb_put(txn, database, &k, &v, 0);
}

int remove_key(MDB_txn* txn, MDB_dbi database, MDB_val key) {
  int rc = mdb_del(txn, database, &key, nullptr);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

int put_view_seals(MDB_txn* txn, MDB_dbi catalog, const job_entry& job) {
  for (const auto& [e, entry] : job.epochs) {
    if (!entry.damage.empty()) continue;  // it would look sound again
    std::string key = view_record_key(job.number, e);
    snapshot_codec::writer w;
    auto s = summarize(job, e);
    w.number(s.chunks);
    w.number(s.digest);
    if (int rc = put_text(txn, catalog, key, std::move(w).seal(key))) return rc;
  }
  return 0;
}

result<std::unique_ptr<snapshot_store>> snapshot_store::open(const std::string& directory,
                                                             snapshot_options options) {
  if (options.keep_epochs == 0)
    return {errc::invalid_argument, "a snapshot store keeps at least one epoch"};
  auto i = std::make_unique<impl>();
  i->options = options;
  environment_options e;
  e.map_bytes = options.map_bytes;
  e.map_growth = options.map_growth;
  e.sync = options.sync;
  e.read_only = options.read_only;
  e.when_damaged = options.when_damaged;
  WEIR_ASSIGN(i->environment, lmdb_environment::open(directory, e));
  WEIR_TRY(i->ensure_format());
  WEIR_TRY(i->load_all_records());
  return std::unique_ptr<snapshot_store>(new snapshot_store(std::move(i)));
}

status snapshot_store::impl::ensure_format() {
  auto& env = *environment;
  MDB_stat catalog{};
  {
    WEIR_ASSIGN(auto l, env.lease());
    if (int rc = mdb_stat(l->txn(), env.catalog, &catalog)) return env.failure(rc, "read");
  }
  if (catalog.ms_entries != 0) return {};
  // New, or its first process was killed at once.
  if (options.read_only) return {errc::not_found, "'" + env.directory() + "' holds no snapshots"};
  return env.write([&env](MDB_txn* txn) {
    snapshot_codec::writer w;
    w.number(store_format);
    w.text("weir snapshots");
    return put_text(txn, env.catalog, format_record_key, std::move(w).seal(format_record_key));
  });
}

status snapshot_store::impl::load_all_records() {
  WEIR_ASSIGN(auto l, environment->lease());
  std::map<uint32_t, job_entry*> job_numbers;
  std::map<uint32_t, state_entry*> state_numbers;
  WEIR_TRY(load_format(l->txn()));
  WEIR_TRY(load_names(l->txn(), job_numbers, state_numbers));
  std::vector<uint64_t> indexed;
  WEIR_TRY(load_index(l->txn(), state_numbers, indexed));
  WEIR_TRY(load_epochs(l->txn(), job_numbers));
  check_views();
  WEIR_TRY(find_orphans(l->txn(), indexed));
  if (options.read_only) pinned = std::move(l);
  return {};
}

status snapshot_store::impl::load_format(MDB_txn* txn) {
  MDB_val key = mdb_bytes(format_record_key), value;
  int rc = mdb_get(txn, environment->catalog, &key, &value);
  const std::string& dir = environment->directory();
  if (rc != 0 && rc != MDB_NOTFOUND) return environment->failure(rc, "read");
  snapshot_codec::reader r(format_record_key, rc == 0 ? text_of(value) : std::string_view());
  auto version = r.number<uint32_t>();
  if (!r.ok())
    return {errc::corrupt, "the snapshot store '" + dir + "' has no sound format record"};
  if (version != store_format)
    return {errc::version_mismatch, "the snapshot store '" + dir + "' has format " +
                                        std::to_string(version) + ", this program uses " +
                                        std::to_string(store_format) +
                                        ": use the program that wrote it"};
  return {};
}

status snapshot_store::impl::load_names(MDB_txn* txn, std::map<uint32_t, job_entry*>& job_numbers,
                                        std::map<uint32_t, state_entry*>& state_numbers) {
  int rc = each_record(txn, environment->catalog, "j", [&](auto key, auto value) {
    snapshot_codec::reader r(key, value);
    snapshot_key k;
    k.job = r.text();
    k.node = r.text();
    if (key.size() != 5 || !r.at_end()) {
      damage.push_back("the name of a job is damaged");
      return;
    }
    job_entry& j = jobs[k];
    j.key = k;
    j.number = read_big_endian<uint32_t>(key.substr(1));
    job_numbers[j.number] = &j;
    next_job = std::max(next_job, j.number + 1);
  });
  if (rc == 0)
    rc = each_record(txn, environment->catalog, "s", [&](auto key, auto value) {
      snapshot_codec::reader r(key, value);
      auto job = job_numbers.find(r.template number<uint32_t>());
      std::string op = r.text(), name = r.text();
      if (key.size() != 5 || !r.at_end() || job == job_numbers.end()) {
        damage.push_back("the name of a state is damaged");
        return;
      }
      state_entry& s = job->second->states[{op, name}];
      s.operator_id = op;
      s.name = name;
      s.number = read_big_endian<uint32_t>(key.substr(1));
      state_numbers[s.number] = &s;
      next_state = std::max(next_state, s.number + 1);
    });
  return rc == 0 ? status() : environment->failure(rc, "read");
}

status snapshot_store::impl::load_index(MDB_txn* txn,
                                        const std::map<uint32_t, state_entry*>& state_numbers,
                                        std::vector<uint64_t>& indexed) {
  int rc = each_record(txn, environment->index, "", [&](auto key, auto value) {
    chunk_entry c;
    uint64_t id = 0;
    if (key.size() == sizeof id) std::memcpy(&id, key.data(), sizeof id);
    indexed.push_back(id);
    next_chunk = std::max(next_chunk, id + 1);
    bool sound = key.size() == sizeof id && value.size() == sizeof c;
    if (sound) std::memcpy(&c, value.data(), sizeof c);
    auto s = state_numbers.find(c.state);
    if (!sound || c.seal != c.compute_seal() || c.id != id || s == state_numbers.end()) {
      damage.push_back("the entry of chunk " + std::to_string(id) + " is damaged");
      return;
    }
    auto kind = static_cast<chunk_kind>(c.kind);
    auto& chain =
        kind == chunk_kind::blob ? s->second->blobs[c.subtask] : s->second->groups[c.key_group];
    chain.push_back(c);
  });
  if (rc != 0) return environment->failure(rc, "read");
  for (auto& [key, job] : jobs)
    each_chain(job, [](state_entry&, chunk_chain& chain, bool) {
      std::sort(chain.begin(), chain.end(), [](const chunk_entry& a, const chunk_entry& b) {
        return std::tie(a.written, a.id) < std::tie(b.written, b.id);
      });
    });
  return {};
}

status snapshot_store::impl::load_epochs(MDB_txn* txn,
                                         const std::map<uint32_t, job_entry*>& job_numbers) {
  int rc = each_record(txn, environment->catalog, "m", [&](auto key, auto value) {
    if (key.size() != 13) return;
    auto job = job_numbers.find(read_big_endian<uint32_t>(key.substr(1)));
    if (job == job_numbers.end()) return;
    auto e = read_big_endian<uint64_t>(key.substr(5));
    epoch_entry entry;
    auto m = decode_manifest(value, key);
    if (m)
      entry.manifest = std::move(*m);
    else
      entry.damage = m.err().message;
    if (m && (entry.manifest.number.value != e || entry.manifest.key != job->second->key))
      entry.damage = "the manifest belongs to another epoch";
    entry.manifest.number = epoch(e);
    entry.manifest.key = job->second->key;
    job->second->epochs.emplace(e, std::move(entry));
  });
  if (rc == 0)
    rc = each_record(txn, environment->catalog, "v", [&](auto key, auto value) {
      if (key.size() != 13) return;
      auto job = job_numbers.find(read_big_endian<uint32_t>(key.substr(1)));
      if (job == job_numbers.end()) return;
      auto it = job->second->epochs.find(read_big_endian<uint64_t>(key.substr(5)));
      if (it == job->second->epochs.end()) return;
      snapshot_codec::reader r(key, value);
      it->second.view_chunks = r.template number<uint64_t>();
      it->second.view_digest = r.template number<uint64_t>();
      if (!r.at_end() && it->second.damage.empty())
        it->second.damage = "the seal of its list of chunks is damaged";
    });
  if (rc != 0) return environment->failure(rc, "read");
  add_lost_epochs();
  return {};
}

/// An epoch's record and its chunks are written in one transaction, so chunks behind the newest
/// epoch belong to one whose record was damaged. Unknown, it would be written again on top of them.
void snapshot_store::impl::add_lost_epochs() {
  for (auto& [key, job] : jobs) {
    const uint64_t newest = job.newest();
    std::set<uint64_t> lost;
    each_chain(job, [&](state_entry&, const chunk_chain& chain, bool) {
      for (auto c = chain.rbegin(); c != chain.rend() && c->written > newest; ++c)
        lost.insert(c->written);
    });
    for (uint64_t e : lost) {
      epoch_entry& entry = job.epochs[e];
      entry.damage = "the record of the epoch is damaged";
      entry.manifest.number = epoch(e);
      entry.manifest.key = key;
    }
  }
}

void snapshot_store::impl::check_views() {
  for (auto& [key, job] : jobs)
    for (auto& [e, entry] : job.epochs) {
      if (!entry.damage.empty()) continue;
      auto s = summarize(job, e);
      if (s.chunks == entry.view_chunks && s.digest == entry.view_digest) continue;
      entry.damage = "its list of chunks is damaged (" + std::to_string(s.chunks) + " of " +
                     std::to_string(entry.view_chunks) + " found)";
      for (const auto& d : damage) entry.damage += "; " + d;
    }
}

/// Chunks of an epoch that the process did not live to commit. Where something is damaged nothing
/// is removed: a chunk may be without its entry for that reason.
status snapshot_store::impl::find_orphans(MDB_txn* txn, const std::vector<uint64_t>& indexed) {
  if (options.read_only) return {};
  auto next = indexed.begin();
  int rc = each_record(txn, environment->chunks, "", [&](auto key, auto) {
    uint64_t id = 0;
    if (key.size() != sizeof id) return;
    std::memcpy(&id, key.data(), sizeof id);
    next_chunk = std::max(next_chunk, id + 1);
    next = std::find_if(next, indexed.end(), [id](uint64_t i) { return i >= id; });
    if (next == indexed.end() || *next != id) orphans.push_back(id);
  });
  if (rc != 0) return environment->failure(rc, "read");
  bool sound = damage.empty();
  for (const auto& [key, job] : jobs)
    for (const auto& [e, entry] : job.epochs) sound = sound && entry.damage.empty();
  if (!sound) orphans.clear();
  return {};
}

}  // namespace weir
