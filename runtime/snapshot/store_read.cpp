#include "runtime/snapshot/checksum.hpp"
#include "runtime/snapshot/store_impl.hpp"

namespace weir {

const job_entry* snapshot_store::impl::find(const snapshot_key& key) const {
  auto it = jobs.find(key);
  return it == jobs.end() ? nullptr : &it->second;
}

result<const epoch_entry*> snapshot_store::impl::find(const snapshot_key& key, epoch e) const {
  const job_entry* job = find(key);
  if (!job || job->epochs.empty())
    return {errc::not_found,
            "no snapshots of job '" + key.text() + "' in '" + environment->directory() + "'"};
  auto it = job->epochs.find(e.value);
  if (it == job->epochs.end())
    return {errc::not_found, "job '" + key.text() + "' has no epoch " + std::to_string(e.value) +
                                 "; it has " + std::to_string(job->oldest_kept()) + " to " +
                                 std::to_string(job->newest())};
  if (!it->second.damage.empty())
    return {errc::corrupt, "epoch " + std::to_string(e.value) + " of job '" + key.text() +
                               "' is damaged: " + it->second.damage};
  return &it->second;
}

result<std::shared_ptr<const read_lease>> snapshot_store::impl::lease() const {
  if (pinned) return pinned;
  if (auto l = current_lease.lock()) return l;
  WEIR_ASSIGN(auto l, environment->lease());
  current_lease = l;
  return l;
}

result<state_chunk> snapshot_store::impl::fetch(const std::shared_ptr<const read_lease>& l,
                                                const state_entry& s, const chunk_entry& e) const {
  state_chunk c = address_of(s, e);
  MDB_val key = mdb_bytes(e.id), value;
  int rc = mdb_get(l->txn(), environment->chunks, &key, &value);
  if (rc == MDB_NOTFOUND || (rc == 0 && value.mv_size != e.bytes))
    return {errc::corrupt, "a chunk is missing or cut short: " + describe(c)};
  if (rc != 0) return environment->failure(rc, "read");
  auto bytes = l->pin(value);
  if (bytes.data()) {
    c.bytes = buffer::wrap(bytes, l);
    return c;
  }
  // Small values lie between others in a page, at any address: they are copied. A large one that
  // cannot be pinned lies outside of the file.
  if (value.mv_size > 4096)
    return {errc::corrupt, "a chunk lies outside of the store's file: " + describe(c)};
  auto copy = std::make_shared<std::vector<uint64_t>>((value.mv_size + 7) / 8);
  if (value.mv_size) std::memcpy(copy->data(), value.mv_data, value.mv_size);
  c.bytes = buffer::wrap(std::as_bytes(std::span(*copy)).first(value.mv_size), copy);
  return c;
}

std::vector<snapshot_key> snapshot_store::jobs() const {
  std::vector<snapshot_key> out;
  for (const auto& [key, job] : impl_->jobs)
    if (!job.epochs.empty()) out.push_back(key);
  return out;
}

std::vector<epoch> snapshot_store::epochs(const snapshot_key& key) const {
  std::vector<epoch> out;
  if (const job_entry* job = impl_->find(key))
    for (const auto& [e, unused] : job->epochs) out.push_back(epoch(e));
  return out;
}

result<snapshot_manifest> snapshot_store::manifest(const snapshot_key& key, epoch e) const {
  WEIR_ASSIGN(const epoch_entry* entry, impl_->find(key, e));
  return entry->manifest;
}

result<std::vector<state_chunk>> snapshot_store::load(const snapshot_key& key, epoch e,
                                                      std::string_view operator_id,
                                                      key_group_range range) const {
  WEIR_TRY(impl_->find(key, e));
  const job_entry& job = *impl_->find(key);
  WEIR_ASSIGN(auto lease, impl_->lease());
  std::vector<state_chunk> out;
  auto add = [&](const state_entry& s, const chunk_chain& chain) -> status {
    auto [begin, end] = view_of(chain, e.value);
    for (size_t i = begin; i < end; ++i) {
      auto c = impl_->fetch(lease, s, chain[i]);
      if (!c) return c.err().at("epoch " + std::to_string(e.value) + " cannot be restored");
      out.push_back(std::move(*c));
    }
    return {};
  };
  for (const auto& [name, s] : job.states) {
    if (!operator_id.empty() && s.operator_id != operator_id) continue;
    for (const auto& [group, chain] : s.groups)
      if (range.contains(group)) WEIR_TRY(add(s, chain));
    for (const auto& [subtask, chain] : s.blobs) WEIR_TRY(add(s, chain));
  }
  return out;
}

result<std::vector<state_chunk>> snapshot_store::load_all(const snapshot_key& key, epoch e) const {
  return load(key, e, {}, {0, no_key_group});
}

result<std::vector<std::string>> snapshot_store::impl::examine(const job_entry& job, uint64_t e,
                                                               bool every_byte, verdicts& checked,
                                                               verify_report* report) const {
  std::vector<std::string> out;
  const epoch_entry& entry = job.epochs.at(e);
  if (!entry.damage.empty()) out.push_back("epoch " + std::to_string(e) + ": " + entry.damage);
  WEIR_ASSIGN(auto l, lease());
  each_chain(job, [&](const state_entry& s, const chunk_chain& chain, bool) {
    auto [begin, end] = view_of(chain, e);
    for (size_t i = begin; i < end; ++i) {
      auto [verdict, fresh] = checked.try_emplace(chain[i].id);
      if (fresh) {
        auto c = fetch(l, s, chain[i]);
        status found = c ? (every_byte ? check_chunk(*c) : status()) : status(c.err());
        if (!found) verdict->second = found.err().message;
        if (report) {
          report->chunks += 1;
          report->bytes += chain[i].bytes;
        }
      }
      if (!verdict->second.empty()) out.push_back(verdict->second);
    }
  });
  return out;
}

result<sound_epoch> snapshot_store::newest_sound(const snapshot_key& key, bool every_byte) const {
  const job_entry* job = impl_->find(key);
  if (!job || job->epochs.empty())
    return {errc::not_found, "no snapshots of job '" + key.text() + "' in '" +
                                 impl_->environment->directory() + "'"};
  sound_epoch out;
  impl::verdicts checked;
  for (auto it = job->epochs.rbegin(); it != job->epochs.rend(); ++it) {
    WEIR_ASSIGN(auto damage, impl_->examine(*job, it->first, every_byte, checked, nullptr));
    if (damage.empty()) {
      out.number = epoch(it->first);
      return out;
    }
    for (auto& d : damage)
      if (std::find(out.damage.begin(), out.damage.end(), d) == out.damage.end())
        out.damage.push_back(std::move(d));
  }
  std::string m = "none of the " + std::to_string(job->epochs.size()) + " snapshots of job '" +
                  key.text() + "' is sound: " + out.damage.front();
  if (out.damage.size() > 1) m += " (and " + std::to_string(out.damage.size() - 1) + " more)";
  return {errc::corrupt,
          m + " (in '" + impl_->environment->directory() + "'); " + impl_->options.when_damaged};
}

result<verify_report> snapshot_store::verify(const snapshot_key& key) const {
  const job_entry* job = impl_->find(key);
  if (!job)
    return {errc::not_found, "no snapshots of job '" + key.text() + "' in '" +
                                 impl_->environment->directory() + "'"};
  verify_report out;
  impl::verdicts checked;
  for (const auto& [e, unused] : job->epochs) {
    WEIR_ASSIGN(auto damage, impl_->examine(*job, e, true, checked, &out));
    out.epochs.push_back({epoch(e), std::move(damage)});
  }
  return out;
}

bool verify_report::sound() const {
  return std::all_of(epochs.begin(), epochs.end(),
                     [](const epoch_verdict& v) { return v.damage.empty(); });
}

std::vector<epoch_info> snapshot_store::inspect(const snapshot_key& key) const {
  std::vector<epoch_info> out;
  const job_entry* job = impl_->find(key);
  if (!job) return out;
  for (const auto& numbered : job->epochs) {
    const uint64_t e = numbered.first;
    const epoch_entry& entry = numbered.second;
    epoch_info info;
    info.number = epoch(e);
    info.started_us = entry.manifest.started_us;
    info.ended_us = entry.manifest.ended_us;
    info.finished = entry.manifest.finished;
    info.damage = entry.damage;
    std::map<std::string_view, epoch_operator_info> operators;
    for (const auto& [name, s] : job->states) {
      epoch_state_info si;
      si.name = s.name;
      auto count = [&](const chunk_chain& chain) {
        auto [begin, end] = view_of(chain, e);
        for (size_t i = begin; i < end; ++i) {
          si.chunks += 1;
          si.bytes += chain[i].bytes;
          si.records += chain[i].records;
        }
      };
      for (const auto& [group, chain] : s.groups) count(chain);
      for (const auto& [subtask, chain] : s.blobs) count(chain);
      auto& op = operators[s.operator_id];
      info.chunks += si.chunks;
      info.bytes += si.bytes;
      op.bytes += si.bytes;
      if (si.chunks) op.states.push_back(std::move(si));
    }
    for (const auto& o : entry.manifest.operators) {
      auto& op = operators[o.id];
      op.id = o.id;
      op.name = o.name;
      op.parallelism = o.parallelism;
      for (const auto& s : o.states) {
        op.bytes_written += s.bytes;
        info.bytes_written += s.bytes;
        for (auto& si : op.states)
          if (si.name == s.name) si.bytes_written = s.bytes;
      }
      info.operators.push_back(std::move(op));
    }
    out.push_back(std::move(info));
  }
  return out;
}

store_usage snapshot_store::usage() const {
  store_usage u;
  u.file_bytes = impl_->environment->file_bytes();
  u.map_bytes = impl_->environment->map_bytes();
  u.orphans = impl_->orphans.size();
  for (const auto& [key, job] : impl_->jobs)
    each_chain(job, [&](const state_entry&, const chunk_chain& chain, bool) {
      for (const auto& c : chain) {
        u.live_chunks += !c.tombstone;
        u.live_bytes += c.bytes;
      }
    });
  return u;
}

result<std::vector<state_chunk>> as_import(std::vector<state_chunk> chunks, epoch target) {
  std::set<std::tuple<std::string_view, std::string_view, uint32_t>> seen;
  for (auto& c : chunks) {
    WEIR_TRY(check_chunk(c));
    c.crc.reset();
    c.written = target;
    if (c.kind == chunk_kind::blob) continue;
    // The first of each key group replaces what the other store has; the rest comes on top.
    c.kind = seen.emplace(c.operator_id, c.state, c.key_group).second ? chunk_kind::full
                                                                      : chunk_kind::delta;
  }
  return chunks;
}

}  // namespace weir
