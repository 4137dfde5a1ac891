#include "runtime/snapshot/store.hpp"

#include <cerrno>

#include "runtime/snapshot/checksum.hpp"
#include "runtime/snapshot/codec.hpp"
#include "runtime/snapshot/packed.hpp"
#include "runtime/snapshot/store_impl.hpp"

namespace weir {
namespace {

// LMDB takes values below 4 GiB; a chunk of this size is a mistake long before.
constexpr size_t stored_chunk_bytes_max = size_t{1} << 30;
// Free space that chunks of an epoch under way leave.
constexpr uint64_t spill_room_bytes = uint64_t{256} << 20;
// What a commit may need beside twice its chunks: index, names, manifest, pages of the trees.
constexpr size_t map_reserve_bytes = size_t{1} << 30;

chunk_chain& chain_of(state_entry& s, const chunk_entry& c) {
  return c.kind == static_cast<uint8_t>(chunk_kind::blob) ? s.blobs[c.subtask]
                                                          : s.groups[c.key_group];
}

/// A commit while it is prepared: what goes to disk, and what is already in the index and has to
/// leave it again when the disk refuses.
struct pending_commit {
  struct entry {
    chunk_entry what;
    state_chunk* bytes = nullptr;  // to be written; null: a tombstone, or on the disk already
    bool numbered_before = false;
  };
  std::vector<entry> chunks;
  std::vector<state_entry*> new_states;
  bool new_job = false;
};

}  // namespace

snapshot_store::snapshot_store(std::unique_ptr<impl> i) : impl_(std::move(i)) {}
snapshot_store::~snapshot_store() = default;

status snapshot_store::impl::writable() const {
  if (!options.read_only) return {};
  return {errc::invalid_argument,
          "the snapshot store '" + environment->directory() + "' is open for reading only"};
}

status snapshot_store::impl::apply(const std::function<int(MDB_txn*)>& body) {
  current_lease.reset();
  WEIR_TRY(environment->write([&](MDB_txn* txn) {
    for (uint64_t id : orphans)
      if (int rc = remove_key(txn, environment->chunks, mdb_bytes(id))) return rc;
    return body(txn);
  }));
  orphans.clear();
  return {};
}

void snapshot_store::impl::spill(staged_epoch& e) {
  // Removing orphans takes some space, too: they must not be what fills the disk.
  e.stays = !environment->disk_has(e.bytes + spill_room_bytes);
  if (e.stays) return;
  for (size_t c = e.on_disk; c < e.chunks.size(); ++c) e.chunks[c].entry.id = next_chunk++;
  auto done = apply([&](MDB_txn* txn) {
    for (size_t c = e.on_disk; c < e.chunks.size(); ++c) {
      const auto& waiting = e.chunks[c];
      MDB_val key = mdb_bytes(waiting.entry.id);
      MDB_val value = {waiting.chunk.bytes.size(),
                       const_cast<std::byte*>(waiting.chunk.bytes.data())};
      if (int rc = mdb_put(txn, environment->chunks, &key, &value, MDB_APPEND)) return rc;
    }
    return 0;
  });
  for (size_t c = e.on_disk; c < e.chunks.size(); ++c) {
    if (done)
      e.chunks[c].chunk.bytes = {};
    else
      e.chunks[c].entry.id = 0;
  }
  // The commit tries again, and says what is wrong.
  e.stays = !done;
  if (!done) return;
  e.on_disk = e.chunks.size();
  e.bytes = 0;
}

void snapshot_store::impl::give_up(const staged_epoch& e) {
  for (size_t c = 0; c < e.on_disk; ++c) orphans.push_back(e.chunks[c].entry.id);
}

status snapshot_store::put(const snapshot_key& key, epoch e, state_chunk c) {
  WEIR_TRY(impl_->writable());
  if (c.written.value != 0 && c.written != e)
    return {errc::invalid_argument, "a chunk of another epoch is put into epoch " +
                                        std::to_string(e.value) + ": " + describe(c)};
  if (c.bytes.size() > stored_chunk_bytes_max)
    return {errc::invalid_argument, "a chunk has more than 1 GiB: " + describe(c)};
  if ((c.kind == chunk_kind::blob) != (c.key_group == no_key_group))
    return {errc::invalid_argument, "blobs, and only they, belong to no key group: " + describe(c)};
  c.written = e;
  WEIR_TRY(check_chunk(c));
  if (!c.crc) c.crc = chunk_crc(c);
  chunk_entry entry;
  entry.key_group = c.key_group;
  entry.subtask = c.subtask;
  entry.bytes = static_cast<uint32_t>(c.bytes.size());
  if (c.kind != chunk_kind::blob) entry.count(count_records(c.bytes.bytes()));
  entry.crc = *c.crc;
  entry.kind = static_cast<uint8_t>(c.kind);
  auto& staged = impl_->staged[{key, e.value}];
  staged.bytes += c.bytes.size();
  staged.chunks.push_back({std::move(c), entry});
  if (staged.bytes > impl_->options.staged_bytes_max && !staged.stays) impl_->spill(staged);
  return {};
}

status snapshot_store::put(const snapshot_key& key, epoch e, std::vector<state_chunk> chunks) {
  for (auto& c : chunks) WEIR_TRY(put(key, e, std::move(c)));
  return {};
}

void snapshot_store::abort(const snapshot_key& key, epoch e) {
  const auto it = impl_->staged.find({key, e.value});
  if (it == impl_->staged.end()) return;
  impl_->give_up(it->second);
  impl_->staged.erase(it);
}

namespace {

/// Gives every staged chunk its entry and adds tombstones for what the manifest leaves out.
status prepare(job_entry& job, snapshot_manifest& m, bool anew, std::vector<staged_chunk>& chunks,
               uint64_t& next_chunk, uint32_t& next_state, pending_commit& p) {
  std::map<std::string, manifest_operator*> operators;
  for (auto& o : m.operators) {
    o.states.clear();
    operators[o.id] = &o;
  }
  auto add = [&](chunk_entry c, state_entry& s, state_chunk* bytes) {
    const bool numbered_before = c.id != 0;
    if (!numbered_before) c.id = next_chunk++;
    c.written = m.number.value;
    c.state = s.number;
    c.seal = c.compute_seal();
    chain_of(s, c).push_back(c);
    p.chunks.push_back({c, numbered_before ? nullptr : bytes, numbered_before});
  };
  for (auto& named : job.states) {
    state_entry& s = named.second;
    auto op = operators.find(s.operator_id);
    auto end = [&](const chunk_chain& chain, bool gone) {
      if (chain.empty() || chain.back().tombstone || !gone) return;
      chunk_entry t = chain.back();
      t.id = 0;
      t.tombstone = 1;
      t.bytes = t.records = t.crc = 0;
      add(t, s, nullptr);
    };
    for (auto& [group, chain] : s.groups) end(chain, anew || op == operators.end());
    for (auto& [subtask, chain] : s.blobs)
      end(chain, anew || op == operators.end() || subtask >= op->second->parallelism);
  }
  for (auto& staged : chunks) {
    auto& c = staged.chunk;
    const auto& entry = staged.entry;
    auto op = operators.find(c.operator_id);
    if (op == operators.end())
      return {errc::invalid_argument,
              "the manifest does not list the operator of a chunk: " + describe(c)};
    auto [it, fresh] = job.states.try_emplace({c.operator_id, c.state});
    state_entry& s = it->second;
    if (fresh) {
      s.number = next_state++;
      s.operator_id = c.operator_id;
      s.name = c.state;
      p.new_states.push_back(&s);
    }
    add(entry, s, &c);
    auto& states = op->second->states;
    auto ms = std::find_if(states.begin(), states.end(),
                           [&](const manifest_state& x) { return x.name == c.state; });
    if (ms == states.end()) ms = states.insert(ms, {c.state});
    ms->chunks += 1;
    ms->bytes += entry.bytes;
    ms->records += entry.records;
  }
  return {};
}

/// Takes a commit that failed out of the index again.
void roll_back(job_entry& job, uint64_t e) {
  each_chain(job, [e](state_entry&, chunk_chain& chain, bool) {
    while (!chain.empty() && chain.back().written == e) chain.pop_back();
  });
  job.epochs.erase(e);
}

/// LMDB keeps a copy of all that is written until the transaction ends. With `let_go` chunks are
/// dropped as soon as they are in it, so that memory does not hold an epoch twice; the transaction
/// cannot be repeated then.
int put_chunks(MDB_txn* txn, const lmdb_environment& env, const pending_commit& p, bool let_go) {
  for (const auto& [entry, chunk, numbered_before] : p.chunks) {
    MDB_val key = mdb_bytes(entry.id);
    MDB_val value = {sizeof entry, const_cast<chunk_entry*>(&entry)};
    // Ids only grow, so both trees are filled from left to right; but meanwhile others were named.
    if (int rc = mdb_put(txn, env.index, &key, &value, numbered_before ? 0 : MDB_APPEND)) return rc;
    if (!chunk) continue;
    value = {chunk->bytes.size(), const_cast<std::byte*>(chunk->bytes.data())};
    if (int rc = mdb_put(txn, env.chunks, &key, &value, MDB_APPEND)) return rc;
    if (let_go) chunk->bytes = {};
  }
  return 0;
}

int put_names(MDB_txn* txn, MDB_dbi catalog, const job_entry& job, const pending_commit& p) {
  if (p.new_job) {
    std::string key = job_record_key(job.number);
    snapshot_codec::writer w;
    w.text(job.key.job);
    w.text(job.key.node);
    if (int rc = put_text(txn, catalog, key, std::move(w).seal(key))) return rc;
  }
  for (const state_entry* s : p.new_states) {
    std::string key = state_record_key(s->number);
    snapshot_codec::writer w;
    w.number(job.number);
    w.text(s->operator_id);
    w.text(s->name);
    if (int rc = put_text(txn, catalog, key, std::move(w).seal(key))) return rc;
  }
  return 0;
}

int remove_epoch_records(MDB_txn* txn, MDB_dbi catalog, uint32_t job, uint64_t e) {
  int rc = remove_key(txn, catalog, mdb_bytes(manifest_record_key(job, e)));
  return rc ? rc : remove_key(txn, catalog, mdb_bytes(view_record_key(job, e)));
}

}  // namespace

status snapshot_store::commit(snapshot_manifest m, bool anew) {
  impl& i = *impl_;
  WEIR_TRY(i.writable());
  if (m.number.value == 0) return {errc::invalid_argument, "epochs are counted from 1"};
  auto node = i.staged.extract({m.key, m.number.value});
  staged_epoch none;
  staged_epoch& staged = node ? node.mapped() : none;
  auto& chunks = staged.chunks;
  pending_commit p;
  const auto [found, fresh] = i.jobs.try_emplace(m.key);
  const auto it = found;
  job_entry& job = it->second;
  if (fresh) {
    job.key = m.key;
    job.number = i.next_job++;
    p.new_job = true;
  }
  const uint64_t e = m.number.value;
  auto undo = [&] {
    i.give_up(staged);
    roll_back(job, e);
    for (state_entry* s : p.new_states)
      job.states.erase({std::string(s->operator_id), std::string(s->name)});
    if (p.new_job) i.jobs.erase(it);
  };
  if (e <= job.newest() && !job.epochs.empty()) {
    i.give_up(staged);
    return {errc::invalid_argument, "epoch " + std::to_string(e) + " of job '" + m.key.text() +
                                        "' cannot follow epoch " + std::to_string(job.newest())};
  }
  if (auto s = prepare(job, m, anew, chunks, i.next_chunk, i.next_state, p); !s) {
    undo();
    return s;
  }
  auto& entry = job.epochs[e];
  entry.manifest = std::move(m);
  // Epochs that are no longer kept leave in the same transaction; fold_some() frees their chunks.
  std::map<uint64_t, epoch_entry> outdated;
  while (job.epochs.size() > i.options.keep_epochs)
    outdated.insert(job.epochs.extract(job.epochs.begin()));
  auto& env = *i.environment;
  // Only where the map cannot turn out too small, for which the transaction would be repeated.
  const bool let_go = env.room() / 2 > staged.bytes + map_reserve_bytes;
  bool begun = false;
  status s = i.apply([&](MDB_txn* txn) {
    if (std::exchange(begun, true) && let_go) return ENOMEM;
    if (int rc = put_names(txn, env.catalog, job, p)) return rc;
    if (int rc = put_chunks(txn, env, p, let_go)) return rc;
    for (const auto& [old, unused] : outdated)
      if (int rc = remove_epoch_records(txn, env.catalog, job.number, old)) return rc;
    std::string key = manifest_record_key(job.number, e);
    if (int rc = put_text(txn, env.catalog, key, encode_manifest(entry.manifest, key))) return rc;
    return put_view_seals(txn, env.catalog, job);
  });
  if (s) return s;
  job.epochs.merge(outdated);
  undo();
  return s.err().at("epoch " + std::to_string(e) + " is aborted");
}

status snapshot_store::impl::drop_epochs(job_entry& job, uint64_t after, bool job_too) {
  std::vector<uint64_t> chunk_ids, epochs;
  each_chain(job, [&](state_entry&, chunk_chain& chain, bool) {
    for (const auto& c : chain)
      if (job_too || c.written > after) chunk_ids.push_back(c.id);
  });
  for (const auto& [e, unused] : job.epochs)
    if (job_too || e > after) epochs.push_back(e);
  auto& env = *environment;
  WEIR_TRY(apply([&](MDB_txn* txn) {
    for (uint64_t id : chunk_ids) {
      if (int rc = remove_key(txn, env.index, mdb_bytes(id))) return rc;
      if (int rc = remove_key(txn, env.chunks, mdb_bytes(id))) return rc;
    }
    for (uint64_t e : epochs)
      if (int rc = remove_epoch_records(txn, env.catalog, job.number, e)) return rc;
    if (!job_too) return 0;
    for (const auto& [name, s] : job.states)
      if (int rc = remove_key(txn, env.catalog, mdb_bytes(state_record_key(s.number)))) return rc;
    return remove_key(txn, env.catalog, mdb_bytes(job_record_key(job.number)));
  }));
  if (job_too) {
    jobs.erase(snapshot_key(job.key));
    return {};
  }
  each_chain(job, [after](state_entry&, chunk_chain& chain, bool) {
    while (!chain.empty() && chain.back().written > after) chain.pop_back();
  });
  for (uint64_t e : epochs) job.epochs.erase(e);
  return {};
}

status snapshot_store::rewind(const snapshot_key& key, epoch e) {
  WEIR_TRY(impl_->writable());
  auto it = impl_->jobs.find(key);
  if (it == impl_->jobs.end() || it->second.newest() <= e.value) return {};
  if (!it->second.epochs.contains(e.value))
    return {errc::not_found,
            "job '" + key.text() + "' has no epoch " + std::to_string(e.value) + " to go back to"};
  return impl_->drop_epochs(it->second, e.value, false);
}

status snapshot_store::drop(const snapshot_key& key) {
  WEIR_TRY(impl_->writable());
  for (const auto& [of, what] : impl_->staged)
    if (of.first == key) impl_->give_up(what);
  std::erase_if(impl_->staged, [&](const auto& s) { return s.first.first == key; });
  auto it = impl_->jobs.find(key);
  if (it == impl_->jobs.end()) return {};
  return impl_->drop_epochs(it->second, 0, true);
}

}  // namespace weir
