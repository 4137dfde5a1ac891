#include "actors/storage/topics.hpp"

#include <algorithm>
#include <map>

#include "runtime/kafka/topics/topic_config.hpp"

namespace weir {
namespace {

// Each partition is looked after once in this time, or as often as its retention is to be checked;
// some at a time, so that no burst disturbs others.
constexpr auto upkeep_interval_max = std::chrono::milliseconds(10'000);
constexpr auto upkeep_step = std::chrono::milliseconds(100);
// For partitions that take their last writes and say how they stand.
constexpr auto close_timeout = std::chrono::seconds(20);
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
    directory_.catalog() = seed_.catalog;
    for (const auto& t : directory_.catalog().sorted()) make_partitions(*t, 0);
    publish();
    seed_.published();
    clean_.clear();
    self_->delayed_send(self_, upkeep_step, tick_atom::value);
  }

  void change(const topic_change_message& m) {
    auto copy = directory_.catalog();
    std::vector<kafka::topic_change> changes;
    kafka::api_error problem;
    for (const auto& c : m.commands) {
      auto applied = copy.apply(c);
      problem = std::move(applied.problem);
      if (!problem.ok()) break;
      changes.push_back(std::move(applied.change));
    }
    if (problem.ok())
      if (auto s = seed_.store->write(changes); !s)
        problem = {kafka::error_code::kafka_storage_error, s.err().message};
    if (problem.ok()) {
      directory_.catalog() = std::move(copy);
      for (const auto& c : changes) carry_out(c);
      publish();
    }
    if (m.done) m.done(problem);
    if (!problem.ok()) return;
    for (const auto& l : listeners_)
      for (const auto& c : changes) l(c);
  }
  void listen(const topic_listen_message& m) { listeners_.push_back(m.listener); }

  void tick() {
    const auto rounds = static_cast<size_t>(upkeep_interval_ / upkeep_step);
    auto share = (all_.size() + rounds - 1) / rounds;
    for (size_t i = 0; i < share && !all_.empty(); ++i) {
      upkeep_ = (upkeep_ + 1) % all_.size();
      caf::anon_send(all_[upkeep_].second, tick_atom::value);
    }
    self_->delayed_send(self_, upkeep_step, tick_atom::value);
  }

  clean_partitions close() {
    caf::scoped_actor waiter(self_->system());
    auto records = std::make_shared<std::vector<clean_partition>>();
    for (const auto& [id, actor] : all_) waiter->send(actor, close_atom::value);
    auto until = std::chrono::steady_clock::now() + close_timeout;
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
    auto had = c.before ? c.before->partitions.size() : 0;
    if (c.before)
      for (size_t i = 0; i < had; ++i)
        caf::anon_send(directory_.partition(c.after->id, static_cast<int32_t>(i)),
                       config_atom::value,
                       settings_of(*c.after, static_cast<int32_t>(i), *seed_.config));
    if (c.after->partitions.size() > had) make_partitions(*c.after, had);
  }
  void make_partitions(const kafka::topic_info& t, size_t from) {
    auto list = std::make_shared<std::vector<partition_actor>>();
    if (auto old = directory_.partitions(t.id)) *list = *old;
    for (auto i = from; i < t.partitions.size(); ++i) {
      auto s = seed_.partition;
      s.id = {t.id.bytes, static_cast<int32_t>(i)};
      s.folder = seed_.folder + "/" + t.name + "." + t.id.to_string() + "/" + std::to_string(i);
      s.settings = settings_of(t, static_cast<int32_t>(i), *seed_.config);
      s.role.leader_epoch = t.partitions[i].leader_epoch;
      s.owner = seed_.registry->add();
      s.gauges = seed_.gauges->add(s.id);
      if (auto it = clean_.find(s.id); it != clean_.end()) s.clean = std::move(it->second);
      if (from == 0) s.committed = seed_.commits->point(s.id);
      auto owner = s.owner;
      auto actor = spawn_partition(self_->system(), std::move(s));
      seed_.registry->bind(owner, actor);
      all_.emplace_back(owner, actor);
      list->push_back(std::move(actor));
    }
    directory_.set_partitions(t.id, std::move(list));
  }
  void remove(const kafka::topic_info& t) {
    auto list = directory_.partitions(t.id);
    directory_.set_partitions(t.id, nullptr);
    if (!list) return;
    for (size_t i = 0; i < list->size(); ++i)
      seed_.gauges->remove({t.id.bytes, static_cast<int32_t>(i)});
    for (const auto& p : *list) {
      auto it =
          std::find_if(all_.begin(), all_.end(), [&](const auto& e) { return e.second == p; });
      if (it != all_.end()) {
        seed_.registry->remove(it->first);
        *it = std::move(all_.back());
        all_.pop_back();
      }
      caf::anon_send(p, remove_atom::value);
    }
  }

  pointer self_ = nullptr;
  topics_seed seed_;
  topic_directory directory_;
  std::map<log_id, clean_partition> clean_;  // until their partitions are made
  std::vector<std::pair<uint64_t, partition_actor>> all_;
  std::vector<topic_listener> listeners_;
  size_t upkeep_ = 0;
  std::chrono::milliseconds upkeep_interval_ = upkeep_interval_max;
};

topics_actor::behavior_type topics(topics_actor::stateful_pointer<topics_state> self,
                                   topics_seed seed) {
  self->state.init(self, std::move(seed));
  auto& s = self->state;
  return {
      [&s](const topic_change_message& m) { s.change(m); },
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
  p.producer_expiration_ms = config.number("producer.id.expiration.ms");
  return out;
}

}  // namespace weir
