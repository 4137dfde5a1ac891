#include <doctest/doctest.h>

#include "actors/job_manifest.hpp"
#include "actors/reach.hpp"
#include "runtime/flow/split_list.hpp"

namespace weir {
namespace {

job_manifest sample() {
  job_manifest m;
  m.number = 17;
  m.restarts = 3;
  m.finished = true;
  m.fingerprint = UINT64_MAX;
  m.pools = checksum_of_pools({{"source", "bounded"}});
  m.parts = {{"1.0.4-1", 1, 2}, {"3.0.4-1", 3, -1}};
  m.slots = {1, 3, 1};
  m.deployments = {"0.4-1", "17.5-3"};
  m.regions = {0, 0, 0, 1, 0};
  m.sources = {{"orders", {3, 3}}, {"clicks", {1}}};
  return m;
}

TEST_CASE("a job's manifest comes back as it was, and what is cut short is refused") {
  auto text = encode_job_manifest(sample());
  auto back = decode_job_manifest(text);
  REQUIRE(back.ok());
  CHECK(*back == sample());
  // A cluster of a thousand nodes stays far below the ledger's limit.
  CHECK(text.size() < 300);
  for (size_t n = 0; n < text.size(); ++n) {
    auto cut = decode_job_manifest(std::string_view(text).substr(0, n));
    REQUIRE(!cut.ok());
    CHECK(cut.err().code == errc::corrupt);
  }
  auto later = text;
  later[7] = '4';
  CHECK(decode_job_manifest(later).err().code == errc::version_mismatch);
  CHECK(decode_job_manifest(text + "x").err().code == errc::corrupt);
}

TEST_CASE("a job's manifest says which deployment a region and a part belong to") {
  auto m = sample();
  CHECK(deployment_of_part("3.0.4-1") == "0.4-1");
  CHECK(deployment_of_region(m, 2) == "0.4-1");
  CHECK(deployment_of_region(m, 3) == "17.5-3");
  // As it was written before there were several: without the two lists, which are empty here.
  m.sources.clear();
  std::string none;
  put_text(none, "0");
  auto two = encode_job_manifest(m);
  REQUIRE(two.ends_with(none));
  two.resize(two.size() - none.size());
  two[7] = '2';
  auto without_sources = decode_job_manifest(two);
  REQUIRE(without_sources.ok());
  CHECK(*without_sources == m);
  m.deployments.clear();
  m.regions.clear();
  auto before = encode_job_manifest(m);
  REQUIRE(before.ends_with(none + none + none));
  before.resize(before.size() - 3 * none.size());
  before[7] = '1';
  auto back = decode_job_manifest(before);
  REQUIRE(back.ok());
  CHECK(*back == m);
  CHECK(deployment_of_region(*back, 3) == "0.4-1");
}

TEST_CASE("the pools' checksum tells names and texts apart") {
  CHECK(checksum_of_pools({{"ab", "c"}}) != checksum_of_pools({{"a", "bc"}}));
  CHECK(checksum_of_pools({}) != checksum_of_pools({{"", ""}}));
}

TEST_CASE("addresses") {
  auto a = split_address("127.0.0.1:80");
  REQUIRE(a.ok());
  CHECK(a->host == "127.0.0.1");
  CHECK(a->port == 80);
  auto six = split_address("[::1]:65535");
  REQUIRE(six.ok());
  CHECK(six->host == "::1");
  CHECK(six->port == 65535);
  for (const char* wrong : {"", ":80", "host", "host:", "host:0", "host:65536", "host:8x"})
    CHECK(!split_address(wrong).ok());
}

}  // namespace
}  // namespace weir
