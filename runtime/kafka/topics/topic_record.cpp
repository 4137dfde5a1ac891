#include "runtime/kafka/topics/topic_record.hpp"

#include "runtime/kafka/protocol/reader.hpp"
#include "runtime/kafka/protocol/writer.hpp"

namespace weir::kafka {
namespace {

constexpr int8_t flag_internal = 1;
constexpr const char* record_name = "topic record";

// The least bytes of one element on the wire: two empty strings; four numbers and an empty list.
constexpr size_t config_bytes_min = 2;
constexpr size_t partition_bytes_min = 14;

void read_configs(reader& r, config_map& configs) {
  const int32_t n = r.filled_array("configs", config_bytes_min, sizeof(config_map::value_type) * 2);
  for (int32_t i = 0; i < n && r.ok(); ++i) {
    std::string name = r.string("configs.name");
    std::string value = r.string("configs.value");
    if (!configs.emplace(std::move(name), std::move(value)).second)
      r.fail("configs.name", "twice the same configuration");
  }
}

void read_partitions(reader& r, std::vector<partition_info>& partitions) {
  const int32_t n = r.filled_array("partitions", partition_bytes_min, sizeof(partition_info));
  for (int32_t i = 0; i < n && r.ok(); ++i) {
    partition_info p;
    p.generation = r.unsigned_varint("partitions.generation");
    p.leader_epoch = r.int32("partitions.leader_epoch");
    p.keys.first = static_cast<uint32_t>(r.int32("partitions.first"));
    p.keys.last = static_cast<uint32_t>(r.int32("partitions.last"));
    r.int32_array("partitions.parents", p.parents);
    partitions.push_back(std::move(p));
  }
}

}  // namespace

std::string encode_topic(const topic_info& t) {
  writer w;
  w.int16(topic_record_version);
  w.begin_message(true);
  w.string(t.name);
  w.uuid_value(t.id);
  w.int64(t.created_ms);
  w.int8(t.internal ? flag_internal : 0);
  w.array(t.configs.size());
  for (const auto& [name, value] : t.configs) {
    w.string(name);
    w.string(value);
  }
  w.array(t.partitions.size());
  for (const auto& p : t.partitions) {
    w.unsigned_varint(p.generation);
    w.int32(p.leader_epoch);
    w.int32(static_cast<int32_t>(p.keys.first));
    w.int32(static_cast<int32_t>(p.keys.last));
    w.int32_array(p.parents);
  }
  return std::string(as_string_view(w.view()));
}

result<topic_info> decode_topic(std::string_view bytes) {
  reader r(as_bytes_view(bytes));
  r.begin_message(record_name, topic_record_version, true);
  const int16_t version = r.int16("version");
  if (r.ok() && version > topic_record_version)
    return {errc::version_mismatch, "a topic record has version " + std::to_string(version) +
                                        ", this program reads up to " +
                                        std::to_string(topic_record_version) +
                                        ": start a newer one"};
  if (r.ok() && version < 1) r.fail("version", "not a version");
  topic_info t;
  t.name = r.string("name");
  t.id = r.uuid_value("id");
  t.created_ms = r.int64("created_ms");
  const int8_t flags = r.int8("flags");
  if (r.ok() && (flags & ~flag_internal) != 0) r.fail("flags", "unknown flags");
  t.internal = (flags & flag_internal) != 0;
  read_configs(r, t.configs);
  read_partitions(r, t.partitions);
  status s = r.ok() ? r.expect_end() : r.state();
  if (!s) return {errc::corrupt, s.err().message};
  return t;
}

}  // namespace weir::kafka
