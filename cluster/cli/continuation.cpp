#include "cluster/cli/continuation.hpp"

#include <unistd.h>

#include <map>

#include "jobs/plan/explain.hpp"
#include "runtime/snapshot/store.hpp"

namespace weir::cli {

result<continuation> find_continuation(const std::string& data_dir, const physical_plan& plan) {
  continuation none;
  std::string dir = data_dir + "/snapshots";
  if (data_dir.empty() || ::access(dir.c_str(), F_OK) != 0) return none;
  snapshot_options how;
  how.read_only = true;
  auto opened = snapshot_store::open(dir, how);
  // A process that died while it made the store left a folder without one.
  if (!opened && opened.err().code == errc::not_found) return none;
  WEIR_ASSIGN(auto store, std::move(opened));
  auto newest = store->newest_sound({plan.name, ""}, false);
  if (!newest) return none;  // nothing to continue from, or damage that the run itself reports
  WEIR_ASSIGN(auto manifest, store->manifest({plan.name, ""}, newest->number));
  continuation c;
  c.epoch = newest->number.value;
  c.finished = manifest.finished;
  if (manifest.fingerprint == fingerprint(plan)) return c;
  auto before = decode_plan(std::as_bytes(std::span(manifest.plan)));
  if (!before) return before.err().at("the snapshot's plan");
  c.finished = false;
  std::map<std::string, uint64_t> recorded;
  for (const auto& o : manifest.operators) recorded[o.id] = o.state_fingerprint;
  c.changes = planner::to_text(planner::compare_state(*before, plan, recorded));
  return c;
}

}  // namespace weir::cli
