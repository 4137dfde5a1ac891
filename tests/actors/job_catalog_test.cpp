#include "actors/job_catalog.hpp"

#include <doctest/doctest.h>

#include "tests/io/scratch.hpp"

namespace weir {
namespace {

catalog_entry sample() {
  catalog_entry e;
  e.id = "carriers-7";
  e.name = "carriers, of \"January\"";
  e.snapshot_interval_us = 250'000;
  e.plan = {'\0', 'p', '\n', '\xff'};
  return e;
}

TEST_CASE("a catalog remembers jobs and how they ended") {
  test::scratch_folder dir;
  auto files = make_posix_file_system();
  job_catalog catalog(*files, dir / "jobs");
  REQUIRE(catalog.load()->empty());
  auto first = sample(), second = sample();
  second.id = "wordcount-8";
  REQUIRE(catalog.put(first).ok());
  REQUIRE(catalog.put(second).ok());
  second.state = job_state::failed;
  second.error = "the disk is gone";
  REQUIRE(catalog.put(second).ok());

  auto loaded = job_catalog(*files, dir / "jobs").load();
  REQUIRE(loaded.ok());
  REQUIRE(loaded->size() == 2);
  const auto& a = (*loaded)[0];
  CHECK(a.id == first.id);
  CHECK(a.name == first.name);
  CHECK(a.snapshot_interval_us == 250'000);
  CHECK(a.state == job_state::running);
  CHECK(a.plan == first.plan);
  CHECK((*loaded)[1].state == job_state::failed);
  CHECK((*loaded)[1].error == "the disk is gone");
}

TEST_CASE("a damaged entry is named, never taken for another") {
  auto bytes = encode_catalog_entry(sample());
  REQUIRE(decode_catalog_entry(bytes, "x.job").ok());
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    auto r = decode_catalog_entry(std::string_view(bytes).substr(0, cut), "x.job");
    REQUIRE(!r);
    CHECK(r.err().message.find("x.job is damaged") == 0);
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    auto flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    CHECK(!decode_catalog_entry(flipped, "x.job").ok());
  }
}

TEST_CASE("a job that cannot be written is not accepted") {
  test::scratch_folder dir;
  auto files = make_posix_file_system();
  REQUIRE(atomic_write_file(*files, dir / "jobs", "in the way").ok());
  job_catalog catalog(*files, dir / "jobs");
  CHECK(!catalog.put(sample()).ok());
}

}  // namespace
}  // namespace weir
