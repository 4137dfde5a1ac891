// Runs the fuzz target without libFuzzer over logs of made-up groups and damaged forms of them:
// `kafka_groups_fuzz_driver [SEEDS]`; with `--corpus DIR` it writes the logs there instead, as
// libFuzzer's seeds.
#include <cstdio>
#include <fstream>
#include <random>

#include "runtime/kafka/groups/records.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using namespace weir::kafka;
using bytes = std::vector<uint8_t>;

void append(bytes& log, const group_record& r) {
  const auto length = [&](size_t n) {
    log.push_back(static_cast<uint8_t>(n >> 8));
    log.push_back(static_cast<uint8_t>(n));
  };
  length(r.key.size());
  length(r.value ? r.value->size() : 0xffff);
  log.insert(log.end(), r.key.begin(), r.key.end());
  if (r.value) log.insert(log.end(), r.value->begin(), r.value->end());
}

/// Some records of every kind, in any order.
bytes made_up_log(std::mt19937_64& g) {
  using namespace membership;
  bytes log;
  for (uint64_t n = 4 + g() % 20; n > 0; --n) {
    const std::string member = "m" + std::to_string(g() % 3);
    const auto number = static_cast<int32_t>(g() % 5);
    uuid topic;
    topic.bytes[15] = static_cast<uint8_t>(1 + g() % 2);
    consumer_group_member_metadata_value metadata;
    metadata.subscribed_topic_names = {"t"};
    metadata.rebalance_timeout_ms = number;
    if (g() % 2 == 0) metadata.instance_id = "i" + std::to_string(number);
    if (g() % 2 == 0) {
      auto& classic = metadata.classic_member_metadata.emplace();
      classic.supported_protocols.push_back({"range", ""});
    }
    consumer_group_current_member_assignment_value current;
    current.member_epoch = number;
    current.state = static_cast<int8_t>(g() % 3);
    current.assigned_partitions.push_back({topic, {number, number + 1}});
    consumer_group_target_assignment_member_value target;
    target.topic_partitions.push_back({topic, {number}});
    group_metadata_value classic_group;
    classic_group.protocol_type = "consumer";
    classic_group.generation = number;
    classic_group.protocol = "range";
    classic_group.leader = member;
    auto& stored = classic_group.members.emplace_back();
    stored.member_id = member;
    stored.session_timeout = 10'000;
    group_record r;
    switch (g() % 7) {
      case 0:
        r = make_record(offset_commit_key{"g", "t", number}, offset_commit_value{number}, 3);
        break;
      case 1:
        r = make_record(group_metadata_key{"g"}, classic_group, group_metadata_version);
        break;
      case 2:
        r = make_record(consumer_group_metadata_key{"g"}, consumer_group_metadata_value{number}, 0);
        break;
      case 3:
        r = make_record(consumer_group_member_metadata_key{"g", member}, metadata, 0);
        break;
      case 4:
        r = make_record(consumer_group_current_member_assignment_key{"g", member}, current, 0);
        break;
      case 5:
        r = make_record(consumer_group_target_assignment_member_key{"g", member}, target, 0);
        break;
      default:
        r = make_record(consumer_group_target_assignment_metadata_key{"g"},
                        consumer_group_target_assignment_metadata_value{number}, 0);
    }
    if (g() % 6 == 0) r.value.reset();
    append(log, r);
  }
  return log;
}

void damage(std::mt19937_64& g, bytes& input) {
  constexpr uint8_t often[] = {0, 1, 2, 0x7f, 0x80, 0xff};
  for (uint64_t n = 1 + g() % 4; n > 0 && !input.empty(); --n) {
    const size_t at = g() % input.size();
    const auto here = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (g() % 4) {
      case 0:
        input[at] ^= static_cast<uint8_t>(1 << g() % 8);
        break;
      case 1:
        input[at] = often[g() % std::size(often)];
        break;
      case 2:
        input.erase(here);
        break;
      default:
        input.insert(here, often[g() % std::size(often)]);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool write = argc == 3 && std::string(argv[1]) == "--corpus";
  const int seeds = write ? 50 : argc > 1 ? std::atoi(argv[1]) : 1'000;
  size_t inputs = 0;
  std::mt19937_64 g(1);
  for (int seed = 0; seed < seeds; ++seed) {
    const bytes good = made_up_log(g);
    if (write) {
      std::ofstream f(std::string(argv[2]) + "/log" + std::to_string(seed), std::ios::binary);
      f.write(reinterpret_cast<const char*>(good.data()),
              static_cast<std::streamsize>(good.size()));
      continue;
    }
    LLVMFuzzerTestOneInput(good.data(), good.size());
    ++inputs;
    for (int n = 0; n < 10; ++n) {
      bytes bad = good;
      damage(g, bad);
      LLVMFuzzerTestOneInput(bad.data(), bad.size());
      ++inputs;
    }
  }
  std::printf("%zu inputs, seeds 0 to %d\n", inputs, seeds - 1);
  return 0;
}
