#include "actors/storage/topics.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "runtime/kafka/topics/topic_config.hpp"

namespace weir {
namespace {

// Each partition is looked after once in this time, or as often as its retention is to be checked;
// some at a time, so that no burst disturbs others.
constexpr auto upkeep_interval_max = std::chrono::milliseconds(10'000);
constexpr auto upkeep_step = std::chrono::milliseconds(100);
// For partitions that take their last writes and say how they stand.
constexpr auto close_logs_timeout = std::chrono::seconds(20);
// How long partitions that were removed still answer, for requests that have found them before.
constexpr auto leaving_time = std::chrono::seconds(30);
constexpr std::string_view retention_check = "log.retention.check.interval.ms";

std::optional<compression_type> codec_of(kafka::topic_compression c) {
  using kind = kafka::topic_compression;
  switch (c) {
    case kind::producer:
      return std::nullopt;
    case kind::uncompressed:
      return compression_type::none;
    case kind::gzip:
      return compression_type::gzip;
    case kind::snappy:
      return compression_type::snappy;
    case kind::lz4:
      return compression_type::lz4;
    case kind::zstd:
      return compression_type::zstd;
  }
  return std::nullopt;
}

class topics_state {
 public:
  static inline const char* name = "weir.topics";
  using pointer = topics_actor::stateful_pointer<topics_state>;

  void init(pointer self, topics_seed seed) {
    self_ = self;
    seed_ = std::move(seed);
    const auto check = std::chrono::milliseconds(seed_.config->number(retention_check));
    upkeep_interval_ = std::clamp(check, upkeep_step, upkeep_interval_max);
    for (auto& c : seed_.clean) clean_.emplace(c.id, std::move(c));
    seed_.clean.clear();
    self_->delayed_send(self_, upkeep_step, tick_atom::value);
  }

  void change(topic_change_message& m) {
    auto done = m.done ? std::move(m.done) : [](const kafka::api_error&) {};
    if (m.commands.empty()) return done({});
    seed_.metadata->change(std::move(m.commands), m.limit, std::move(done));
  }

  /// Follows the metadata.
  void follow(const topic_news_message& m) {
    directory_.set_self(m.self);
    if (m.self_epoch >= 0 && seed_.partition.replicas)
      seed_.partition.replicas->registered(m.self_epoch);
    const bool moved = m.nodes && *m.nodes != *directory_.nodes();
    if (m.nodes) directory_.set_nodes(m.nodes);
    std::vector<kafka::topic_change> changes;
    auto follow_one = [&](const kafka::uuid& id, kafka::topic_ptr after) {
      auto before = directory_.catalog().find(id);
      if (before == after || (before && after && *before == *after)) return;
      changes.push_back(directory_.catalog().follow(id, std::move(after)));
      carry_out(changes.back());
    };
    if (m.everything) {
      std::set<kafka::uuid> named;
      for (const auto& t : m.topics) named.insert(t->id);
      for (const auto& t : directory_.catalog().sorted())
        if (!named.contains(t->id)) follow_one(t->id, nullptr);
    }
    for (const auto& id : m.deleted) follow_one(id, nullptr);
    for (const auto& t : m.topics) follow_one(t->id, t);
    // Where leaders are reached is a part of the roles.
    if (moved)
      for (const auto& t : directory_.catalog().sorted()) tell_roles(*t, nullptr);
    if (m.everything) clean_.clear();
    publish();
    if (m.published) m.published();
    for (const auto& l : listeners_)
      for (const auto& c : changes) l(c);
  }
  void listen(const topic_listen_message& m) { listeners_.push_back(m.listener); }

  void tick() {
    const auto rounds = static_cast<size_t>(upkeep_interval_ / upkeep_step);
    auto share = (all_.size() + rounds - 1) / rounds;
    for (size_t i = 0; i < share && !all_.empty(); ++i) {
      upkeep_ = (upkeep_ + 1) % all_.size();
      caf::anon_send(all_[upkeep_], tick_atom::value);
    }
    const auto now = std::chrono::steady_clock::now();
    for (; !leaving_.empty() && leaving_.front().first <= now; leaving_.pop_front())
      caf::anon_send(leaving_.front().second, close_atom::value);
    self_->delayed_send(self_, upkeep_step, tick_atom::value);
  }

  clean_partitions close() {
    caf::scoped_actor waiter(self_->system());
    auto records = std::make_shared<std::vector<clean_partition>>();
    for (const auto& actor : all_) waiter->send(actor, close_atom::value);
    for (const auto& [until, actor] : leaving_) caf::anon_send(actor, close_atom::value);
    leaving_.clear();
    auto until = std::chrono::steady_clock::now() + close_logs_timeout;
    bool late = false;
    for (size_t i = 0; i < all_.size() && !late; ++i) {
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          until - std::chrono::steady_clock::now());
      waiter->receive(
          [&](clean_partition& r) {
            if (!r.summary.empty()) records->push_back(std::move(r));
          },
          caf::after(std::max(left, std::chrono::milliseconds(0))) >> [&] { late = true; });
    }
    all_.clear();
    self_->quit();
    return late ? nullptr : records;
  }

 private:
  void publish() { seed_.board->set(std::make_shared<const topic_directory>(directory_)); }

  void carry_out(const kafka::topic_change& c) {
    if (!c.after) return remove(*c.before);
    const auto& t = *c.after;
    auto list = std::make_shared<std::vector<partition_actor>>();
    if (auto old = directory_.partitions(t.id)) *list = *old;
    list->resize(t.partitions.size());
    const auto min_in_sync = min_in_sync_of(t);
    bool made = false;
    for (size_t i = 0; i < t.partitions.size(); ++i) {
      auto& actor = (*list)[i];
      const bool here = has_replica(t.partitions[i]);
      if (here && !actor) {
        actor = make_partition(t, static_cast<int32_t>(i), min_in_sync);
        made = true;
      } else if (!here && actor) {
        drop_partition({t.id.bytes, static_cast<int32_t>(i)}, actor);
        actor = partition_actor();
        made = true;
      }
    }
    if (made || !c.before || c.before->partitions.size() != t.partitions.size())
      directory_.set_partitions(t.id, list);
    if (!c.before) return;
    if (c.before->configs != t.configs)
      for (size_t i = 0; i < t.partitions.size(); ++i)
        if (const auto& p = (*list)[i])
          caf::anon_send(p, config_atom::value,
                         settings_of(t, static_cast<int32_t>(i), *seed_.config));
    tell_roles(t, c.before->configs == t.configs ? c.before.get() : nullptr);
  }
  bool has_replica(const kafka::partition_info& p) const {
    return std::find(p.replicas.begin(), p.replicas.end(), directory_.self()) != p.replicas.end();
  }
  int32_t min_in_sync_of(const kafka::topic_info& t) const {
    return kafka::resolve_topic_settings(t.configs, *seed_.config).min_insync_replicas;
  }
  kafka::partition_role role_of(const kafka::topic_info& t, size_t i, int32_t min_in_sync) const {
    const auto& p = t.partitions[i];
    kafka::partition_role r;
    r.self = directory_.self();
    r.leader = p.leader;
    r.leader_epoch = p.leader_epoch;
    r.version = p.version;
    r.replicas = p.replicas;
    r.in_sync = p.in_sync;
    r.min_in_sync = min_in_sync;
    // Internal topics are made before there are as many nodes as their default asks for.
    if (t.internal)
      r.min_in_sync = std::min(r.min_in_sync, static_cast<int32_t>(p.replicas.size()));
    if (const auto* n = directory_.node(p.leader); n && !r.leads()) r.leader_address = n->peers;
    return r;
  }
  /// To partitions whose place changed since `before`; null: to all.
  void tell_roles(const kafka::topic_info& t, const kafka::topic_info* before) {
    auto list = directory_.partitions(t.id);
    if (!list) return;
    const auto min_in_sync = min_in_sync_of(t);
    for (size_t i = 0; i < list->size(); ++i) {
      if (!(*list)[i]) continue;
      if (before && i < before->partitions.size() &&
          before->partitions[i].version == t.partitions[i].version)
        continue;
      caf::anon_send((*list)[i], role_of(t, i, min_in_sync));
    }
  }
  partition_actor make_partition(const kafka::topic_info& t, int32_t i, int32_t min_in_sync) {
    auto s = seed_.partition;
    s.id = {t.id.bytes, i};
    s.folder = seed_.folder + "/" + t.name + "." + t.id.to_string() + "/" + std::to_string(i);
    s.settings = settings_of(t, i, *seed_.config);
    s.role = role_of(t, static_cast<size_t>(i), min_in_sync);
    s.cluster = seed_.metadata;
    s.owner = seed_.registry->add();
    s.gauges = seed_.gauges->add(s.id);
    if (auto it = clean_.find(s.id); it != clean_.end()) s.clean = std::move(it->second);
    s.committed = seed_.commits->point(s.id);
    s.registry = seed_.registry;
    all_.push_back(spawn_partition(self_->system(), std::move(s)));
    return all_.back();
  }
  void drop_partition(const log_id& id, const partition_actor& p) {
    seed_.gauges->remove(id);
    auto it = std::find(all_.begin(), all_.end(), p);
    if (it != all_.end()) {
      *it = std::move(all_.back());
      all_.pop_back();
    }
    caf::anon_send(p, remove_atom::value);
    leaving_.emplace_back(std::chrono::steady_clock::now() + leaving_time, p);
  }
  void remove(const kafka::topic_info& t) {
    auto list = directory_.partitions(t.id);
    directory_.set_partitions(t.id, nullptr);
    if (!list) return;
    for (size_t i = 0; i < list->size(); ++i)
      if ((*list)[i]) drop_partition({t.id.bytes, static_cast<int32_t>(i)}, (*list)[i]);
  }

  pointer self_ = nullptr;
  topics_seed seed_;
  topic_directory directory_;
  std::map<log_id, clean_partition> clean_;  // until their partitions are made
  std::vector<partition_actor> all_;
  /// Removed ones, in order, and when they may go.
  std::deque<std::pair<std::chrono::steady_clock::time_point, partition_actor>> leaving_;
  std::vector<topic_listener> listeners_;
  size_t upkeep_ = 0;
  std::chrono::milliseconds upkeep_interval_ = upkeep_interval_max;
};

topics_actor::behavior_type topics(topics_actor::stateful_pointer<topics_state> self,
                                   topics_seed seed) {
  self->state.init(self, std::move(seed));
  auto& s = self->state;
  return {
      [&s](topic_change_message& m) { s.change(m); },
      [&s](const topic_news_message& m) { s.follow(m); },
      [&s](const topic_listen_message& m) { s.listen(m); },
      [&s](tick_atom) { s.tick(); },
      [&s](close_atom) { return s.close(); },
  };
}

}  // namespace

topics_actor spawn_topics(caf::actor_system& system, topics_seed seed) {
  return system.spawn<caf::detached>(topics, std::move(seed));
}

partition_settings settings_of(const kafka::topic_info& t, int32_t partition,
                               const kafka::broker_config& config) {
  auto s = kafka::resolve_topic_settings(t.configs, config);
  partition_settings out;
  auto& l = out.log;
  l.segment_bytes =
      std::clamp(static_cast<uint64_t>(s.segment_bytes), segment_bytes_min, segment_bytes_max);
  l.segment_ms = s.segment_ms;
  l.retention_bytes = s.retention_bytes;
  l.retention_ms = s.retention_ms;
  l.cleanup_delete = s.remove;
  l.cleanup_compact = s.compact;
  l.delete_retention_ms = s.delete_retention_ms;
  l.min_compaction_lag_ms = s.min_compaction_lag_ms;
  l.min_cleanable_dirty_ratio = s.min_cleanable_dirty_ratio;
  l.index_interval_bytes = static_cast<uint64_t>(s.index_interval_bytes);
  l.sync = s.durability == kafka::topic_durability::fsync;
  auto& p = out.partition;
  p.name = t.name + "-" + std::to_string(partition);
  p.message_bytes_max = static_cast<uint64_t>(s.max_message_bytes);
  p.timestamps = s.timestamps == kafka::topic_timestamps::log_append_time
                     ? timestamp_type::log_append_time
                     : timestamp_type::create_time;
  p.timestamp_before_max_ms = s.timestamp_before_max_ms;
  p.timestamp_after_max_ms = s.timestamp_after_max_ms;
  out.codec = codec_of(s.compression);
  out.retention_check_ms = config.number(retention_check);
  p.verify_transactions = config.flag("transaction.partition.verification.enable");
  p.producer_expiration_ms = config.number("producer.id.expiration.ms");
  p.replica_lag_ms_max = config.number("replica.lag.time.max.ms");
  return out;
}

}  // namespace weir
