#include "actors/ledger_report.hpp"

#include <doctest/doctest.h>

#include "actors/job_manifest.hpp"

namespace weir {
namespace {

TEST_CASE("the ledger alone tells a job's state, its newest epoch and its restarts until then") {
  job_manifest m;
  m.number = 17;
  m.restarts = 3;
  ledger_job j;
  j.id = "id";
  j.name = "sums";
  j.state = job_state::failed;
  j.error = "why";
  j.newest = 17;
  j.manifest = encode_job_manifest(m);
  j.savepoints[5] = j.manifest;
  const auto r = report_of(j);
  CHECK(r.id == "id");
  CHECK(r.name == "sums");
  CHECK(r.state == static_cast<uint8_t>(job_state::failed));
  CHECK(r.error == "why");
  CHECK(r.completed_epoch == 17);
  CHECK(r.restarts == 3);
  CHECK(r.savepoints == std::vector<uint64_t>{5});
}

TEST_CASE("before its own first epoch a job is at the one that it starts from") {
  ledger_job j;
  CHECK(report_of(j).completed_epoch == 0);
  j.origin = "another";
  j.origin_epoch = 16;
  CHECK(report_of(j).completed_epoch == 16);
  CHECK(report_of(j).restarts == 0);
  j.newest = 17;
  CHECK(report_of(j).completed_epoch == 17);
}

}  // namespace
}  // namespace weir
