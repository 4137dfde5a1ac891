#include "runtime/kafka/topics/topic_catalog.hpp"

#include <algorithm>
#include <utility>

#include "runtime/base/assert.hpp"
#include "runtime/kafka/topics/topic_config.hpp"
#include "runtime/kafka/topics/topic_name.hpp"

namespace weir::kafka {
namespace {

constexpr uint64_t key_space = uint64_t{1} << 32;

constexpr char folded(char c) {
  return c == '.' ? '_' : c;
}

// FNV-1a over the collision key: gateways look names up for every request, so no copy is made.
size_t hash_of(std::string_view name) {
  uint64_t h = 0xcbf29ce484222325;
  for (char c : name) h = (h ^ static_cast<unsigned char>(folded(c))) * 0x100000001b3;
  return h;
}

bool collide(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return folded(x) == folded(y); });
}

// Every configuration of a command is known and canonical: whoever made it has seen to that.
api_error check_configs(const config_map& configs) {
  for (const auto& [name, value] : configs) {
    auto canonical = canonical_topic_value(name, value);
    if (!canonical) return {error_code::invalid_config, canonical.err().message};
    if (*canonical != value)
      return {error_code::invalid_config, "Invalid value " + value + " for configuration " + name +
                                              ": not in canonical form, which is " + *canonical};
  }
  return {};
}

api_error unknown_id(const uuid& id) {
  return {error_code::unknown_topic_id,
          "This server does not host this topic ID: " + id.to_string()};
}

uint32_t newest_generation(const std::vector<partition_info>& partitions) {
  uint32_t newest = 0;
  for (const auto& p : partitions) newest = std::max(newest, p.generation);
  return newest;
}

// Widens the newest generation to `n` partitions in all, and cuts its key space anew.
void widen(std::vector<partition_info>& partitions, int32_t n) {
  const uint32_t newest = newest_generation(partitions);
  partition_info fresh;
  fresh.generation = newest;
  partitions.resize(static_cast<size_t>(n), fresh);
  std::vector<partition_info*> current;
  for (auto& p : partitions)
    if (p.generation == newest) current.push_back(&p);
  auto ranges = even_key_ranges(static_cast<int32_t>(current.size()));
  for (size_t i = 0; i < current.size(); ++i) current[i]->keys = ranges[i];
}

}  // namespace

std::vector<key_range> even_key_ranges(int32_t n) {
  weir_assert(n > 0, "a topic has a partition");
  std::vector<key_range> out;
  out.reserve(static_cast<size_t>(n));
  const auto count = static_cast<uint64_t>(n);
  for (uint64_t i = 0; i < count; ++i)
    out.push_back({static_cast<uint32_t>(i * key_space / count),
                   static_cast<uint32_t>((i + 1) * key_space / count - 1)});
  return out;
}

topic_catalog::topic_catalog(catalog_limits limits) : limits_(limits) {
  auto empty = std::make_shared<shard>();
  auto all = std::make_shared<shards>();
  all->fill(empty);
  by_name_ = by_id_ = std::move(all);
}

topic_ptr topic_catalog::find(std::string_view name) const {
  for (const auto& t : *(*by_name_)[hash_of(name) % shard_count])
    if (t->name == name) return t;
  return nullptr;
}

topic_ptr topic_catalog::find(const uuid& id) const {
  for (const auto& t : *(*by_id_)[std::hash<uuid>{}(id) % shard_count])
    if (t->id == id) return t;
  return nullptr;
}

topic_ptr topic_catalog::find_colliding(std::string_view name) const {
  for (const auto& t : *(*by_name_)[hash_of(name) % shard_count])
    if (t->name != name && collide(t->name, name)) return t;
  return nullptr;
}

std::vector<topic_ptr> topic_catalog::sorted() const {
  std::vector<topic_ptr> all;
  all.reserve(topics_);
  for (const auto& s : *by_name_) all.insert(all.end(), s->begin(), s->end());
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->name < b->name; });
  return all;
}

api_error topic_catalog::check_new_name(const std::string& name) const {
  if (std::string problem = topic_name_problem(name); !problem.empty())
    return {error_code::invalid_topic_exception, std::move(problem)};
  if (find(name)) return {error_code::topic_already_exists, "Topic '" + name + "' already exists."};
  if (topic_ptr other = find_colliding(name))
    return {error_code::invalid_topic_exception,
            "Topic '" + name + "' collides with existing topic: " + other->name};
  return {};
}

api_error topic_catalog::check_one(const create_topic_command& c) const {
  if (api_error bad = check_new_name(c.name); !bad.ok()) return bad;
  if (c.partitions < 1)
    return {error_code::invalid_partitions,
            "Number of partitions was set to an invalid non-positive value."};
  if (c.partitions > limits_.partitions_per_topic_max)
    return {error_code::invalid_partitions, "Topic '" + c.name + "' with " +
                                                std::to_string(c.partitions) +
                                                " partitions is over the limit of " +
                                                std::to_string(limits_.partitions_per_topic_max) +
                                                " for one topic: ask for fewer."};
  if (partitions_ + c.partitions > limits_.partitions_max)
    return {error_code::policy_violation,
            "Topic '" + c.name + "' with " + std::to_string(c.partitions) +
                " partition(s) would bring this node to " +
                std::to_string(partitions_ + c.partitions) + ", over its limit of " +
                std::to_string(limits_.partitions_max) + ": delete topics or ask for fewer."};
  if (c.id.is_zero() || find(c.id))
    return {error_code::unknown_server_error,
            "Topic id " + c.id.to_string() + " cannot be given to '" + c.name + "': it is taken."};
  return check_configs(c.configs);
}

api_error topic_catalog::check_one(const delete_topic_command& c) const {
  return find(c.id) ? api_error{} : unknown_id(c.id);
}

api_error topic_catalog::check_one(const alter_topic_command& c) const {
  return find(c.id) ? check_configs(c.configs) : unknown_id(c.id);
}

api_error topic_catalog::check_one(const add_partitions_command& c) const {
  topic_ptr t = find(c.id);
  if (!t) return unknown_id(c.id);
  const auto now = static_cast<int64_t>(t->partitions.size());
  if (c.partitions == now)
    return {error_code::invalid_partitions,
            "Topic already has " + std::to_string(now) + " partition(s)."};
  if (c.partitions < now)
    return {error_code::invalid_partitions,
            "The topic " + t->name + " currently has " + std::to_string(now) + " partition(s); " +
                std::to_string(c.partitions) + " would not be an increase."};
  if (c.partitions > limits_.partitions_per_topic_max)
    return {error_code::invalid_partitions, "Topic '" + t->name + "' with " +
                                                std::to_string(c.partitions) +
                                                " partitions is over the limit of " +
                                                std::to_string(limits_.partitions_per_topic_max) +
                                                " for one topic: ask for fewer."};
  if (partitions_ + c.partitions - now > limits_.partitions_max)
    return {error_code::policy_violation,
            std::to_string(c.partitions - now) + " more partition(s) of '" + t->name +
                "' would bring this node to " + std::to_string(partitions_ + c.partitions - now) +
                ", over its limit of " + std::to_string(limits_.partitions_max) +
                ": delete topics or ask for fewer."};
  return {};
}

api_error topic_catalog::check_one(const reassign_partition_command& c) const {
  return find(c.id) ? api_error() : unknown_id(c.id);
}

api_error topic_catalog::check_one(const elect_leader_command& c) const {
  return find(c.id) ? api_error() : unknown_id(c.id);
}

api_error topic_catalog::check(const topic_command& command) const {
  return std::visit([this](const auto& c) { return check_one(c); }, command);
}

topic_change topic_catalog::change_of(const create_topic_command& c) const {
  auto t = std::make_shared<topic_info>();
  t->name = c.name;
  t->id = c.id;
  t->created_ms = c.created_ms;
  t->internal = is_internal_topic(c.name);
  t->configs = c.configs;
  widen(t->partitions, c.partitions);
  return {nullptr, std::move(t)};
}

topic_change topic_catalog::change_of(const delete_topic_command& c) const {
  return {find(c.id), nullptr};
}

topic_change topic_catalog::change_of(const alter_topic_command& c) const {
  topic_ptr before = find(c.id);
  auto t = std::make_shared<topic_info>(*before);
  t->configs = c.configs;
  return {std::move(before), std::move(t)};
}

topic_change topic_catalog::change_of(const add_partitions_command& c) const {
  topic_ptr before = find(c.id);
  auto t = std::make_shared<topic_info>(*before);
  widen(t->partitions, c.partitions);
  return {std::move(before), std::move(t)};
}

topic_change topic_catalog::change_of(const reassign_partition_command& c) const {
  return {find(c.id), find(c.id)};
}

topic_change topic_catalog::change_of(const elect_leader_command& c) const {
  return {find(c.id), find(c.id)};
}

topic_change topic_catalog::follow(const uuid& id, topic_ptr after) {
  topic_change change{find(id), std::move(after)};
  if (change.before) drop(*change.before);
  if (change.after) put(change.after);
  return change;
}

apply_result topic_catalog::apply(const topic_command& command) {
  apply_result out;
  out.problem = check(command);
  if (!out.ok()) return out;
  out.change = std::visit([this](const auto& c) { return change_of(c); }, command);
  if (out.change.before) drop(*out.change.before);
  if (out.change.after) put(out.change.after);
  return out;
}

void topic_catalog::count(const topic_info& topic, int sign) {
  topics_ += static_cast<size_t>(sign);
  partitions_ += sign * static_cast<int64_t>(topic.partitions.size());
}

void topic_catalog::put(const topic_ptr& topic) {
  auto insert = [&](std::shared_ptr<shards>& where, size_t hash) {
    auto changed = std::make_shared<shards>(*where);
    auto& slot = (*changed)[hash % shard_count];
    auto wider = std::make_shared<shard>();
    wider->reserve(slot->size() + 1);
    wider->assign(slot->begin(), slot->end());
    wider->push_back(topic);
    slot = std::move(wider);
    where = std::move(changed);
  };
  insert(by_name_, hash_of(topic->name));
  insert(by_id_, std::hash<uuid>{}(topic->id));
  count(*topic, 1);
}

void topic_catalog::drop(const topic_info& topic) {
  auto remove = [&](std::shared_ptr<shards>& where, size_t hash) {
    auto changed = std::make_shared<shards>(*where);
    auto& slot = (*changed)[hash % shard_count];
    auto narrower = std::make_shared<shard>(*slot);
    std::erase_if(*narrower, [&](const topic_ptr& t) { return t->id == topic.id; });
    slot = std::move(narrower);
    where = std::move(changed);
  };
  remove(by_name_, hash_of(topic.name));
  remove(by_id_, std::hash<uuid>{}(topic.id));
  count(topic, -1);
}

}  // namespace weir::kafka
