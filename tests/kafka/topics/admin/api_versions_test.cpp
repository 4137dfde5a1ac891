#include "runtime/kafka/topics/admin/api_versions.hpp"

#include <algorithm>

#include "runtime/kafka/protocol/protocol.hpp"
#include "tests/kafka/topics/admin/fixture.hpp"

using namespace weir;
using namespace weir::kafka;
using namespace weir::kafka::testing;

namespace {

api_versions_request client(std::string name, std::string version) {
  api_versions_request r;
  r.client_software_name = std::move(name);
  r.client_software_version = std::move(version);
  return r;
}

node_facts node() {
  return cluster().node;
}

}  // namespace

TEST_CASE("ApiVersions: what is advertised is what the codec knows") {
  auto all = advertised_apis();
  CHECK(std::is_sorted(all.begin(), all.end(),
                       [](const auto& a, const auto& b) { return a.key < b.key; }));
  for (const auto& r : all) {
    CAPTURE(r.key);
    const api_info* codec = find_api(r.key);
    REQUIRE(codec != nullptr);
    CHECK(codec->has(r.served_min));
    CHECK(codec->has(r.max));
    CHECK(find_advertised(r.key) == &r);
    CHECK(r.serves(r.max));
    CHECK_FALSE(r.serves(static_cast<int16_t>(r.max + 1)));
  }
  const api_range* produce = find_advertised(0);
  CHECK(produce->min == 0);
  CHECK_FALSE(produce->serves(2));
  CHECK(produce->serves(3));
  CHECK(find_advertised(1)->max == 17);
  CHECK(find_advertised(71) == nullptr);
}

TEST_CASE("ApiVersions: the answer by version") {
  auto v4 = answer_api_versions(client("librdkafka", "2.16.0-rc1"), 4, node());
  CHECK(v4.error_code == error_code::none);
  CHECK(v4.api_keys.size() == advertised_apis().size());
  REQUIRE(v4.finalized_features.size() == 1);
  CHECK(v4.finalized_features[0].name == "group.version");
  CHECK(v4.finalized_features[0].max_version_level == 1);
  CHECK(v4.finalized_features_epoch == 0);
  REQUIRE(v4.supported_features.size() == 1);
  CHECK(v4.supported_features[0].min_version == 0);
  check_wire(v4);

  auto v3 = answer_api_versions(client("x", "1"), 3, node());
  CHECK(v3.supported_features.empty());
  CHECK(v3.finalized_features.size() == 1);
  auto v0 = answer_api_versions({}, 0, node());
  CHECK(v0.error_code == error_code::none);
  CHECK(v0.finalized_features.empty());

  // Who says where it wants to be is told when that is elsewhere.
  auto here = client("x", "1");
  CHECK(answer_api_versions(here, 5, node()).error_code == error_code::none);
  here.cluster_id = node().cluster_id;
  here.node_id = node().node_id;
  auto v5 = answer_api_versions(here, 5, node());
  CHECK(v5.error_code == error_code::none);
  CHECK(v5.api_keys.size() == advertised_apis().size());
  here.node_id += 1;
  CHECK(answer_api_versions(here, 5, node()).error_code == error_code::rebootstrap_required);
  CHECK(answer_api_versions(here, 4, node()).error_code == error_code::none);
  here.node_id = -1;
  here.cluster_id = "another";
  CHECK(answer_api_versions(here, 5, node()).error_code == error_code::rebootstrap_required);

  const api_range only[] = {*find_advertised(18)};
  CHECK(answer_api_versions({}, 2, node(), only).api_keys.size() == 1);
}

TEST_CASE("ApiVersions: software names that are none, and versions that are not served") {
  for (auto [name, version] :
       {std::pair{"", "1"}, {"x", ""}, {"-x", "1"}, {"x.", "1"}, {"a b", "1"}, {"x", "1/2"}}) {
    CAPTURE(name);
    auto r = answer_api_versions(client(name, version), 3, node());
    CHECK(r.error_code == error_code::invalid_request);
    CHECK(r.api_keys.empty());
  }
  auto r = refuse_api_versions();
  CHECK(r.error_code == error_code::unsupported_version);
  REQUIRE(r.api_keys.size() == 1);
  CHECK(r.api_keys[0].api_key == 18);
  CHECK(r.api_keys[0].min_version == 0);
  CHECK(r.api_keys[0].max_version == 5);
  writer w;
  encode(w, r, 0);  // int16 error, int32 count, three int16
  CHECK(w.size() == 12);
  CHECK(static_cast<int>(w.view()[1]) == 35);
}
