#include "runtime/snapshot/checksum.hpp"
#include "runtime/snapshot/fold.hpp"
#include "runtime/snapshot/records.hpp"
#include "runtime/snapshot/store_impl.hpp"

namespace weir {
namespace {

// One step is one transaction with its fsync: it takes at least this many removals, so that blobs
// of a fast job do not need one each.
constexpr size_t removals_per_step_max = 4096;

/// One chain's change: `removed` entries leave its front, `folded` chunks take their place.
struct chain_step {
  state_entry* state = nullptr;
  chunk_chain* chain = nullptr;
  size_t removed = 0;
  std::vector<std::pair<chunk_entry, buffer_ref>> folded;
  chunk_chain before;  // to go back to when the transaction fails
};

}  // namespace

result<bool> snapshot_store::fold_some(size_t budget) {
  impl& i = *impl_;
  WEIR_TRY(i.writable());
  std::vector<chain_step> steps;
  std::set<const job_entry*> touched;
  size_t bytes = 0, removals = 0;
  bool more = false;
  std::shared_ptr<const read_lease> lease;

  auto fold = [&](state_entry& s, chunk_chain& chain, uint64_t oldest, chain_step& step) -> status {
    auto [begin, end] = view_of(chain, oldest);
    std::vector<state_chunk> sources;
    std::vector<std::span<const std::byte>> spans;
    for (size_t k = begin; k < end; ++k) {
      WEIR_ASSIGN(auto c, i.fetch(lease, s, chain[k]));
      WEIR_TRY(check_chunk(c));
      spans.push_back(c.bytes.bytes());
      sources.push_back(std::move(c));
    }
    state_chunk address = address_of(s, chain[end - 1]);
    address.kind = chunk_kind::full;
    address.subtask = 0;
    WEIR_TRY(fold_chunks(spans, i.pool(), [&](buffer_ref b) {
      address.bytes = b;
      chunk_entry e = chain[end - 1];
      e.id = i.next_chunk++;
      e.kind = static_cast<uint8_t>(chunk_kind::full);
      e.subtask = 0;
      e.bytes = static_cast<uint32_t>(b.size());
      e.records = record_reader::open(b.bytes())->upserts();
      e.crc = chunk_crc(address);
      e.seal = e.compute_seal();
      step.folded.emplace_back(e, std::move(b));
    }));
    step.removed = end;
    return {};
  };

  for (auto& [key, job] : i.jobs) {
    const uint64_t oldest = job.oldest_kept();
    if (oldest == 0) continue;
    status failed;
    each_chain(job, [&](state_entry& s, chunk_chain& chain, bool is_blob) {
      if (!failed || chain.empty()) return;
      chain_step step;
      step.state = &s;
      step.chain = &chain;
      step.removed = garbage_of(chain, oldest);
      fold_estimate estimate;
      if (!is_blob)
        estimate = estimate_fold(chain, oldest, i.options.fold_ratio, i.options.fold_bytes_min);
      if (estimate.worth && i.unfoldable.contains(chain[view_of(chain, oldest).first].id))
        estimate.worth = false;
      if (!estimate.worth && step.removed == 0) return;
      if (bytes >= budget || removals >= removals_per_step_max) {
        more = true;
        return;
      }
      if (estimate.worth) {
        if (!lease) {
          auto l = i.lease();
          if (!l) {
            failed = l.err();
            return;
          }
          lease = std::move(*l);
        }
        bytes += estimate.bytes;
        if (auto f = fold(s, chain, oldest, step); !f) {
          // Damaged or opaque chunks stay as they are; restoring names the damage.
          step.folded.clear();
          i.unfoldable.insert(chain[view_of(chain, oldest).first].id);
          if (step.removed == 0) return;
        }
      }
      removals += step.removed;
      touched.insert(&job);
      steps.push_back(std::move(step));
    });
    if (!failed) return failed.err();
  }
  lease.reset();
  if (steps.empty()) return more;

  for (auto& step : steps) {
    step.before = *step.chain;
    chunk_chain after;
    for (const auto& [e, unused] : step.folded) after.push_back(e);
    after.insert(after.end(), step.chain->begin() + static_cast<ptrdiff_t>(step.removed),
                 step.chain->end());
    *step.chain = std::move(after);
  }
  auto& env = *i.environment;
  status s = i.apply([&](MDB_txn* txn) {
    for (const auto& step : steps) {
      for (size_t k = 0; k < step.removed; ++k) {
        MDB_val id = mdb_bytes(step.before[k].id);
        if (int rc = remove_key(txn, env.index, id)) return rc;
        if (step.before[k].tombstone) continue;
        if (int rc = remove_key(txn, env.chunks, id)) return rc;
      }
    }
    for (const auto& step : steps)
      for (const auto& [e, buffer] : step.folded) {
        MDB_val id = mdb_bytes(e.id);
        MDB_val value = {sizeof e, const_cast<chunk_entry*>(&e)};
        if (int rc = mdb_put(txn, env.index, &id, &value, MDB_APPEND)) return rc;
        value = {buffer.size(), const_cast<std::byte*>(buffer.data())};
        if (int rc = mdb_put(txn, env.chunks, &id, &value, MDB_APPEND)) return rc;
      }
    for (const job_entry* job : touched)
      if (int rc = put_view_seals(txn, env.catalog, *job)) return rc;
    return 0;
  });
  if (!s) {
    for (auto& step : steps) *step.chain = std::move(step.before);
    return s.err().at("folding is put off");
  }
  return more;
}

}  // namespace weir
