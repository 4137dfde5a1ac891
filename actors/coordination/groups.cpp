#include "actors/coordination/groups.hpp"

#include "actors/coordination/group.hpp"
#include "runtime/kafka/groups/replay.hpp"

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

group_event_message end_of_transaction(int64_t producer_id, bool commit) {
  return {[producer_id, commit](auto& g, int64_t now, auto& out) {
    g.on_transaction_end(producer_id, commit, now, out);
  }};
}
group_event_message end_of_topics(std::vector<std::string> names) {
  return {[names = std::move(names)](auto& g, int64_t now, auto& out) {
    g.on_topics_deleted(names, now, out);
  }};
}
group_event_message change_of_topics(std::shared_ptr<const kafka::topic_view> view) {
  return {[view = std::move(view)](auto& g, int64_t now, auto& out) {
    g.on_topics_changed(view, now, out);
  }};
}

}  // namespace

group_router::group_router(caf::actor_system& system, std::shared_ptr<state_topic> offsets,
                           kafka::group_options options, std::function<void(std::string)> log)
    : state_homes(std::move(offsets), std::move(log)), system_(system), options_(options) {}

group_router::~group_router() {
  stop();
  for (auto& [id, a] : all()) caf::anon_send_exit(a, caf::exit_reason::kill);
}

std::shared_ptr<const kafka::topic_view> group_router::view() const {
  return std::make_shared<catalog_view>(topic().directory());
}

group_actor group_router::spawn(const kafka::tenure& t, std::unique_ptr<kafka::group> g) {
  return spawn_group(system_, {std::move(g), topic_ptr(), t});
}

// ---- Tenures. ----

void group_router::begun(const kafka::tenure& t) {
  homes_[t.partition] = home{t, {}, {}, {}};
}

void group_router::ended(const kafka::tenure& t) {
  auto it = homes_.find(t.partition);
  weir_assert(it != homes_.end() && it->second.of == t, "a tenure that ends has begun");
  for (const auto& [id, actor] : it->second.groups) caf::anon_send(actor, group_ended_message{});
  homes_.erase(it);
}

result<bool> group_router::load(const kafka::tenure& t, int64_t& end) {
  kafka::group_replay replay(options_, view());
  state_topic::visitor v;
  v.on_record = [&replay](const record& r, record_batch_view batch) -> status {
    if (!r.key) return {};
    std::optional<std::string_view> value;
    if (r.value) value = kafka::as_string_view(*r.value);
    return replay.on_record(kafka::as_string_view(*r.key), value,
                            batch.is_transactional() ? batch.producer_id() : -1);
  };
  v.on_marker = [&replay](int64_t producer, bool commit) -> status {
    replay.on_marker(producer, commit);
    return {};
  };
  WEIR_ASSIGN(auto complete, topic().replay(t, end, v, stopping()));
  if (!complete) return false;
  activate(t, [&] {
    auto& h = homes_.at(t.partition);
    for (auto& [id, g] : replay.take()) h.groups.emplace(id, spawn(t, std::move(g)));
    const auto now_view = view();  // topics may have changed since the replay began
    for (const auto& [id, actor] : h.groups) {
      // Their markers are behind everything that was read, or among it: then this does nothing.
      for (auto [producer, commit] : h.ended_transactions)
        caf::anon_send(actor, end_of_transaction(producer, commit));
      caf::anon_send(actor, change_of_topics(now_view));
      if (!h.deleted_topics.empty()) caf::anon_send(actor, end_of_topics(h.deleted_topics));
    }
    h.ended_transactions.clear();
    h.deleted_topics.clear();
  });
  return true;
}

// ---- Requests and events. ----

void group_router::ask(const std::string& group, group_request_message m) {
  const auto partition = partition_of(group);
  if (topic().partitions() > 0) {
    group_actor to;
    auto e = kafka::error_code::none;
    {
      std::lock_guard lock(mutex());
      e = check_partition(partition);
      if (e == kafka::error_code::none) {
        auto& h = homes_.at(partition);
        auto& actor = h.groups[group];
        if (!actor) actor = spawn(h.of, std::make_unique<kafka::group>(group, options_, view()));
        to = actor;
      }
    }
    if (!to) return m.refuse(e);
    return caf::anon_send(to, std::move(m));
  }
  auto message = std::make_shared<group_request_message>(std::move(m));
  reach(group, [this, group, message](kafka::error_code e) {
    if (e != kafka::error_code::none) return message->refuse(e);
    ask(group, std::move(*message));
  });
}

group_place group_router::find(const std::string& group) const {
  if (topic().partitions() == 0) return {};
  const auto partition = partition_of(group);
  std::lock_guard lock(mutex());
  return place_of(partition, group);
}

group_place group_router::place_of(int32_t partition, const std::string& group) const {
  const auto e = check_partition(partition);
  if (e != kafka::error_code::none) return {e, {}};
  const auto& h = homes_.at(partition);
  auto it = h.groups.find(group);
  return {e, it == h.groups.end() ? group_actor() : it->second};
}

void group_router::find_surely(const std::string& group, std::function<void(group_place)> done) {
  reach(group, [this, group, done = std::move(done)](kafka::error_code e) {
    if (e != kafka::error_code::none) return done({e, {}});
    const auto partition = partition_of(group);
    group_place place;
    kafka::tenure of;
    {
      std::lock_guard lock(mutex());
      place = place_of(partition, group);
      if (place.error == kafka::error_code::none) of = homes_.at(partition).of;
    }
    if (place.error != kafka::error_code::none) return done(place);
    topic().confirm(of, [done, actor = place.actor](kafka::error_code sure) {
      using kafka::error_code;
      if (sure == error_code::none) return done({sure, actor});
      done({sure == error_code::request_timed_out ? error_code::coordinator_not_available
                                                  : error_code::not_coordinator,
            {}});
    });
  });
}

std::vector<std::pair<std::string, group_actor>> group_router::all() const {
  std::lock_guard lock(mutex());
  std::vector<std::pair<std::string, group_actor>> out;
  for (const auto& [partition, h] : homes_) out.insert(out.end(), h.groups.begin(), h.groups.end());
  return out;
}

void group_router::transaction_ended(int32_t partition, int64_t producer_id, bool commit) {
  std::lock_guard lock(mutex());
  auto h = homes_.find(partition);
  if (h == homes_.end()) return;  // who becomes its home reads the marker
  if (check_partition(partition) != kafka::error_code::none)
    h->second.ended_transactions.emplace_back(producer_id, commit);
  for (const auto& [id, actor] : h->second.groups)
    caf::anon_send(actor, end_of_transaction(producer_id, commit));
}

std::function<void(int32_t, int64_t, bool)> group_router::transaction_listener() {
  return [g = guarded()](int32_t partition, int64_t producer_id, bool commit) {
    g->enter([&](state_homes& h) {
      static_cast<group_router&>(h).transaction_ended(partition, producer_id, commit);
    });
  };
}

void group_router::topics_changed(const kafka::topic_change& c) {
  std::lock_guard lock(mutex());
  const auto now_view = view();
  const bool deleted = c.before && !c.after;
  for (auto& [partition, h] : homes_) {
    if (deleted && check_partition(partition) != kafka::error_code::none)
      h.deleted_topics.push_back(c.before->name);
    for (const auto& [id, actor] : h.groups) {
      caf::anon_send(actor, change_of_topics(now_view));
      if (deleted) caf::anon_send(actor, end_of_topics({c.before->name}));
    }
  }
}

}  // namespace weir
