#include "runtime/snapshot/checksum.hpp"
#include "runtime/snapshot/fold.hpp"
#include "runtime/snapshot/packed.hpp"
#include "runtime/snapshot/store_impl.hpp"

namespace weir {
namespace {

// One step is one transaction with its fsync: garbage beyond this many chunks waits for the next.
constexpr size_t removals_per_step_max = 4096;

/// One chain's change: `removed` entries leave its front, `folded` chunks take their place.
struct chain_step {
  chunk_chain* chain = nullptr;
  size_t removed = 0;
  std::vector<std::pair<chunk_entry, buffer_ref>> folded;
  chunk_chain before;  // to go back to when the transaction fails
};

int write_step(MDB_txn* txn, const lmdb_environment& env, const std::vector<chain_step>& steps) {
  for (const auto& step : steps)
    for (size_t k = 0; k < step.removed; ++k) {
      MDB_val id = mdb_bytes(step.before[k].id);
      if (int rc = remove_key(txn, env.index, id)) return rc;
      if (int rc = remove_key(txn, env.chunks, id)) return rc;  // a tombstone has none
    }
  for (const auto& step : steps)
    for (const auto& [e, buffer] : step.folded) {
      MDB_val id = mdb_bytes(e.id);
      MDB_val value = {sizeof e, const_cast<chunk_entry*>(&e)};
      if (int rc = mdb_put(txn, env.index, &id, &value, MDB_APPEND)) return rc;
      value = {buffer.size(), const_cast<std::byte*>(buffer.data())};
      if (int rc = mdb_put(txn, env.chunks, &id, &value, MDB_APPEND)) return rc;
    }
  return 0;
}

}  // namespace

/// One call of fold_some(): collects the chains to change, then writes them together.
struct snapshot_store::impl::fold_pass {
  impl& store;
  size_t budget;
  size_t bytes = 0, removals = 0;
  bool more = false;  // the budget ended before the work did
  std::vector<chain_step> steps;
  std::set<const job_entry*> touched;
  std::shared_ptr<const read_lease> lease;

  void look_at(job_entry& job, state_entry& s, chunk_chain& chain, bool is_blob) {
    const uint64_t oldest = job.oldest_kept();
    chain_step step;
    step.chain = &chain;
    step.removed = garbage_of(chain, oldest);
    fold_estimate estimate;
    if (!is_blob)
      estimate =
          estimate_fold(chain, oldest, store.options.fold_ratio, store.options.fold_bytes_min);
    uint64_t first = estimate.worth ? chain[view_of(chain, oldest).first].id : 0;
    if (store.unfoldable.contains(first)) estimate.worth = false;
    if (!estimate.worth && step.removed == 0) return;
    if (bytes >= budget || removals >= removals_per_step_max) {
      more = true;
      return;
    }
    if (estimate.worth) {
      bytes += estimate.bytes;
      if (!fold(s, oldest, step)) {
        // Damaged or opaque chunks stay as they are; restoring names the damage.
        step.folded.clear();
        store.unfoldable.insert(first);
        if (step.removed == 0) return;
      }
    }
    removals += step.removed;
    touched.insert(&job);
    steps.push_back(std::move(step));
  }

  /// What the oldest kept epoch sees of the chain becomes full chunks.
  status fold(const state_entry& s, uint64_t oldest, chain_step& step) {
    const chunk_chain& chain = *step.chain;
    auto [begin, end] = view_of(chain, oldest);
    std::vector<state_chunk> sources;  // keep the bytes alive
    std::vector<std::span<const std::byte>> spans;
    for (size_t k = begin; k < end; ++k) {
      WEIR_ASSIGN(auto c, store.fetch(lease, s, chain[k]));
      WEIR_TRY(check_chunk(c));
      spans.push_back(c.bytes.bytes());
      sources.push_back(std::move(c));
    }
    chunk_entry entry = chain[end - 1];  // the newest epoch that is in it
    entry.kind = static_cast<uint8_t>(chunk_kind::full);
    entry.subtask = 0;
    state_chunk address = address_of(s, entry);
    WEIR_TRY(fold_chunks(spans, store.pool(), [&](buffer_ref b) {
      address.bytes = b;
      entry.id = store.next_chunk++;
      entry.bytes = static_cast<uint32_t>(b.size());
      entry.count(count_records(b.bytes()));
      entry.crc = chunk_crc(address);
      entry.seal = entry.compute_seal();
      step.folded.emplace_back(entry, std::move(b));
    }));
    step.removed = end;
    return {};
  }

  status write() {
    lease.reset();  // its pages may be used again
    for (auto& step : steps) {
      step.before = std::move(*step.chain);
      step.chain->clear();
      for (const auto& [e, unused] : step.folded) step.chain->push_back(e);
      step.chain->insert(step.chain->end(),
                         step.before.begin() + static_cast<ptrdiff_t>(step.removed),
                         step.before.end());
    }
    const auto& env = *store.environment;
    status s = store.apply([&](MDB_txn* txn) {
      if (int rc = write_step(txn, env, steps)) return rc;
      for (const job_entry* job : touched)
        if (int rc = put_view_seals(txn, env.catalog, *job)) return rc;
      return 0;
    });
    if (s) return s;
    for (auto& step : steps) *step.chain = std::move(step.before);
    return s.err().at("folding is put off");
  }
};

result<bool> snapshot_store::fold_some(size_t bytes_budget) {
  WEIR_TRY(impl_->writable());
  impl::fold_pass pass{*impl_, std::max<size_t>(bytes_budget, 1)};
  for (auto& keyed : impl_->jobs) {
    job_entry& job = keyed.second;
    if (job.epochs.empty()) continue;
    if (!pass.lease) {
      WEIR_ASSIGN(pass.lease, impl_->lease());
    }
    each_chain(job, [&](state_entry& s, chunk_chain& chain, bool is_blob) {
      if (!chain.empty()) pass.look_at(job, s, chain, is_blob);
    });
  }
  if (!pass.steps.empty()) WEIR_TRY(pass.write());
  return pass.more;
}

}  // namespace weir
