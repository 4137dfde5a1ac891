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
  m.sources = {{"orders", {3, 3}}, {"clicks", {1}}};
  m.tasks = {0, 1, 0, 1, 1, 0};
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
  later[7] = '6';
  CHECK(decode_job_manifest(later).err().code == errc::version_mismatch);
  CHECK(decode_job_manifest(text + "x").err().code == errc::corrupt);
}

TEST_CASE("a job's manifest of a build before does not say who wrote the epoch") {
  auto m = sample();
  m.tenure = 17;
  auto text = encode_job_manifest(m);
  CHECK(decode_job_manifest(text)->epoch_of().tenure == 17);
  std::string number, tenure;
  put_text(number, std::to_string(m.number));
  put_text(tenure, "17");
  REQUIRE(text.compare(8 + number.size(), tenure.size(), tenure) == 0);
  text.erase(8 + number.size(), tenure.size());
  text[7] = '4';
  auto four = decode_job_manifest(text);
  REQUIRE(four.ok());
  m.tenure = 0;
  CHECK(*four == m);
}

/// As builds before wrote it.
std::string old_text(char version) {
  const auto m = sample();
  std::string out = std::string("WEIRMAN") + version;
  auto put = [&out](const auto& x) { put_text(out, std::to_string(x)); };
  for (uint64_t n : {m.number, uint64_t{m.restarts}, uint64_t{1}, m.fingerprint, uint64_t{m.pools}})
    put(n);
  put(3);
  for (const char* name : {"1.0.4-1", "3.0.4-1", "3.17.5-3"}) {
    put_text(out, name);
    put(name[0] - '0');
    put(2);
  }
  put(2);
  for (int n : {1, 3}) put(n);
  if (version == '1') return out;
  put(2);
  put_text(out, "0.4-1");
  put_text(out, "17.5-3");
  put(2);  // runs of regions
  for (int n : {1, 0, 1, 1}) put(n);
  if (version == '2') return out;
  put(1);
  put_text(out, "read");
  put(2);
  for (int n : {3, 3}) put(n);
  return out;
}

TEST_CASE("a job's manifest of a build before says the parts of tasks by their regions") {
  physical_plan plan;
  plan.operators.resize(2);
  plan.operators[0].id = "read";
  plan.operators[1].id = "write";
  task_graph graph;
  for (uint32_t c : {0U, 1U}) {
    graph.chains.push_back({{operator_index{c}}, 2, {}, {}, 2 * c});
    for (uint32_t i : {0U, 1U}) graph.tasks.push_back({task_id{2 * c + i}, c, i, i, {}, {}});
  }
  auto three = decode_job_manifest(old_text('3'));
  REQUIRE(three.ok());
  auto other = graph;
  REQUIRE(tell_tasks(*three, plan, graph).ok());
  CHECK(three->tasks == std::vector<uint32_t>{1, 2, 0, 2});
  CHECK(tell_tasks(*three, plan, graph).ok());
  other.tasks.pop_back();
  CHECK(tell_tasks(*three, plan, other).err().code == errc::corrupt);
  // Without sources of their own places, and without deployments.
  for (char version : {'1', '2'}) {
    auto old = decode_job_manifest(old_text(version));
    REQUIRE(old.ok());
    REQUIRE(tell_tasks(*old, plan, graph).ok());
    CHECK(old->tasks ==
          (version == '1' ? std::vector<uint32_t>{0, 1, 0, 1} : std::vector<uint32_t>{0, 2, 0, 2}));
  }
  other.tasks = graph.tasks;
  other.tasks[0].subtask = 2;
  auto two = decode_job_manifest(old_text('2'));
  CHECK(tell_tasks(*two, plan, other).err().code == errc::corrupt);
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
