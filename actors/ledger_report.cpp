#include "actors/ledger_report.hpp"

#include "actors/job_manifest.hpp"

namespace weir {

job_report report_of(const ledger_job& j) {
  job_report r;
  r.id = j.id;
  r.name = j.name;
  r.state = static_cast<uint8_t>(j.state);
  r.error = j.error;
  r.completed_epoch = j.newest != 0 ? j.newest : j.origin_epoch;
  if (j.newest != 0)
    if (const auto m = decode_job_manifest(j.manifest)) r.restarts = m->restarts;
  for (const auto& entry : j.savepoints) r.savepoints.push_back(entry.first);
  return r;
}

}  // namespace weir
