// What the ledger alone says of a job, in the form in which masters report. Pure.
#pragma once

#include "actors/interfaces.hpp"
#include "actors/job_ledger.hpp"

namespace weir {

/// As of the newest complete epoch: what its master would say, if it has one. Of a job that has
/// none of its own yet that is the epoch which it starts from.
job_report report_of(const ledger_job&);

}  // namespace weir
