#include "actors/coordination/groups.hpp"

#include <map>
#include <set>

#include "actors/coordination/group.hpp"
#include "runtime/kafka/groups/records.hpp"
#include "runtime/kafka/transactions/transaction.hpp"

namespace weir {
namespace {

/// The catalog as groups see it.
class catalog_view final : public kafka::topic_view {
 public:
  explicit catalog_view(directory_ptr d) : directory_(std::move(d)) {}
  std::optional<kafka::topic_facts> find(std::string_view name) const override {
    return facts(directory_->catalog().find(name));
  }
  std::optional<kafka::topic_facts> find(const kafka::uuid& id) const override {
    return facts(directory_->catalog().find(id));
  }
  void for_each(const std::function<void(const kafka::topic_facts&)>& visit) const override {
    for (const auto& t : directory_->catalog().sorted()) visit(*facts(t));
  }

 private:
  static std::optional<kafka::topic_facts> facts(const kafka::topic_ptr& t) {
    if (!t) return std::nullopt;
    return kafka::topic_facts{t->name, t->id, static_cast<int32_t>(t->partitions.size()),
                              t->internal};
  }
  directory_ptr directory_;
};

}  // namespace

group_router::group_router(caf::actor_system& system, stream_storage& storage,
                           kafka::node_facts node, const clock& time, kafka::group_options options)
    : system_(system),
      storage_(storage),
      time_(time),
      options_(options),
      offsets_(std::make_shared<state_topic>(storage, std::move(node), time, "__consumer_offsets")),
      alive_(std::make_shared<group_router*>(this)) {
  std::weak_ptr<group_router*> alive = alive_;
  topic_listen_message m{[alive](const kafka::topic_change& c) {
    if (auto r = alive.lock()) (*r)->topics_changed(c);
  }};
  caf::anon_send(storage_.topics(), std::move(m));
}

group_router::~group_router() {
  for (auto& [id, a] : all()) caf::anon_send_exit(a, caf::exit_reason::kill);
}

int32_t group_router::partition_of(const std::string& group) const {
  auto n = offsets_->partitions();
  return n > 0 ? kafka::partition_of_key(group, n) : 0;
}

std::shared_ptr<const kafka::topic_view> group_router::view() const {
  return std::make_shared<catalog_view>(storage_.directory());
}

status group_router::load() {
  auto topics = view();
  std::map<std::string, std::unique_ptr<kafka::group>> restored;
  std::map<std::pair<int32_t, int64_t>, std::set<std::string>> open;  // of transactions
  state_topic::visitor v;
  v.on_record = [&](int32_t partition, const record& r, record_batch_view batch) -> status {
    if (!r.key) return {};
    auto key = kafka::as_string_view(*r.key);
    auto id = kafka::group_of_key(key);
    if (!id && id.err().code == errc::unsupported) return {};  // not of a consumer group
    if (!id) return id.err();
    auto& g = restored[*id];
    if (!g) g = std::make_unique<kafka::group>(*id, options_, topics);
    std::optional<std::string_view> value;
    if (r.value) value = kafka::as_string_view(*r.value);
    auto producer = batch.is_transactional() ? batch.producer_id() : -1;
    if (producer >= 0) open[{partition, producer}].insert(*id);
    return g->restore(key, value, producer);
  };
  v.on_marker = [&](int32_t partition, int64_t producer, bool commit) -> status {
    if (auto it = open.find({partition, producer}); it != open.end()) {
      for (const auto& id : it->second) restored[id]->restore_transaction_end(producer, commit);
      open.erase(it);
    }
    return {};
  };
  WEIR_TRY(offsets_->replay(v));
  {
    std::lock_guard lock(mutex_);
    for (auto& [id, g] : restored) groups_.emplace(id, spawn(id, std::move(g)));
  }
  ready_ = true;
  return {};
}

group_actor group_router::spawn(const std::string& id, std::unique_ptr<kafka::group> restored) {
  if (!restored) restored = std::make_unique<kafka::group>(id, options_, view());
  return spawn_group(system_, {std::move(restored), offsets_, partition_of(id)});
}

void group_router::ask(const std::string& group, group_request_message m,
                       std::function<void(kafka::error_code)> refuse) {
  if (!ready()) return refuse(kafka::error_code::coordinator_load_in_progress);
  if (auto known = find(group)) return caf::anon_send(known, std::move(m));
  auto message = std::make_shared<group_request_message>(std::move(m));
  offsets_->ensure([this, group, message, refuse](const kafka::api_error& e) {
    if (!e.ok()) return refuse(kafka::error_code::coordinator_not_available);
    std::lock_guard lock(mutex_);
    auto& actor = groups_[group];
    if (!actor) actor = spawn(group, nullptr);
    caf::anon_send(actor, std::move(*message));
  });
}

group_actor group_router::find(const std::string& group) const {
  std::lock_guard lock(mutex_);
  auto it = groups_.find(group);
  return it == groups_.end() ? group_actor() : it->second;
}

std::vector<std::pair<std::string, group_actor>> group_router::all() const {
  std::lock_guard lock(mutex_);
  return {groups_.begin(), groups_.end()};
}

void group_router::transaction_ended(int32_t partition, int64_t producer_id, bool commit) {
  for (const auto& [id, actor] : all()) {
    if (partition_of(id) != partition) continue;
    caf::anon_send(actor,
                   group_event_message{[producer_id, commit](auto& g, int64_t now, auto& out) {
                     g.on_transaction_end(producer_id, commit, now, out);
                   }});
  }
}

void group_router::topics_changed(const kafka::topic_change& c) {
  auto now_view = view();
  std::vector<std::string> deleted;
  if (c.before && !c.after) deleted.push_back(c.before->name);
  for (const auto& [id, actor] : all())
    caf::anon_send(actor, group_event_message{[now_view, deleted](auto& g, int64_t now, auto& out) {
                     g.on_topics_changed(now_view, now, out);
                     if (!deleted.empty()) {
                       kafka::group_effects more;
                       g.on_topics_deleted(deleted, now, more);
                       for (auto& r : more.replies) out.replies.push_back(std::move(r));
                       for (auto& w : more.writes) out.writes.push_back(std::move(w));
                       out.next_wake_ms = more.next_wake_ms;
                     }
                   }});
}

}  // namespace weir
