// Which coordinators of transactions live on this node.
#include "actors/coordination/transactions.hpp"
#include "runtime/kafka/transactions/transaction.hpp"

namespace weir {

using kafka::error_code;

/// Blocks of ids as records of partition 0: durable before any id is used. For a node that has all
/// partitions of __transaction_state, and so knows from them which ids are taken.
class recorded_producer_ids final : public producer_id_source {
 public:
  explicit recorded_producer_ids(std::shared_ptr<guard<state_homes>> g) : guard_(std::move(g)) {}

  void taken_below(int64_t next) override {
    std::lock_guard lock(mutex_);
    next_ = std::max(next_, next);
  }
  void allocate(int64_t count, std::function<void(error_code, int64_t)> done) override {
    const bool there = guard_->enter([&](state_homes& h) {
      h.reach_all([this_ptr = this, g = guard_, count, done](error_code e) {
        if (e != error_code::none) return done(e, -1);
        const bool still =
            g->enter([&](state_homes& homes) { this_ptr->record(homes, count, done); });
        if (!still) done(error_code::not_coordinator, -1);
      });
    });
    if (!there) done(error_code::not_coordinator, -1);
  }

 private:
  void record(state_homes& homes, int64_t count,
              const std::function<void(error_code, int64_t)>& done) {
    const auto t = homes.tenure_of(0);
    if (!t) return done(error_code::coordinator_load_in_progress, -1);
    int64_t first = 0;
    {
      std::lock_guard lock(mutex_);
      first = next_;
      next_ += count;  // what is asked for at the same time gets other ids, also if this fails
    }
    record_batch_builder builder;
    const auto key = kafka::encode_producer_ids_key();
    const auto value = kafka::encode_producer_ids_value(first + count);
    builder.add(homes.topic().now_ms(), kafka::as_bytes_view(key), kafka::as_bytes_view(value));
    auto batch = builder.build();
    if (!batch) return done(error_code::unknown_server_error, -1);
    homes.topic().append(*t, std::move(*batch), [first, done](append_reply r) {
      done(r.error == error_code::none ? r.error : error_code::coordinator_load_in_progress, first);
    });
  }

  std::shared_ptr<guard<state_homes>> guard_;
  std::mutex mutex_;
  int64_t next_ = 0;
};

transaction_router::transaction_router(caf::actor_system& system,
                                       std::shared_ptr<state_topic> state,
                                       std::shared_ptr<const marker_desk> markers,
                                       std::shared_ptr<producer_id_source> ids,
                                       kafka::transaction_options options,
                                       std::function<void(std::string)> log)
    : state_homes(std::move(state), std::move(log)),
      system_(system),
      markers_(std::move(markers)),
      options_(options) {
  if (!ids) ids = std::make_shared<recorded_producer_ids>(guarded());
  ids_ = std::make_shared<producer_id_desk>(std::move(ids));
}

transaction_router::~transaction_router() {
  stop();
  for (const auto& a : all()) caf::anon_send_exit(a, caf::exit_reason::kill);
}

// ---- Tenures. ----

void transaction_router::begun(const kafka::tenure&) {}

void transaction_router::ended(const kafka::tenure& t) {
  auto it = actors_.find(t.partition);
  if (it == actors_.end()) return;  // it was not loaded yet
  caf::anon_send(it->second, transactions_ended_message{});
  actors_.erase(it);
}

result<bool> transaction_router::load(const kafka::tenure& t, int64_t& end) {
  auto options = options_;
  options.coordinator_epoch = t.epoch;
  const auto catalog = topic().directory()->catalog();
  if (auto states = catalog.find(topic().name()))
    options.state_partitions = static_cast<int32_t>(states->partitions.size());
  if (auto offsets = catalog.find(markers_->offsets_topic()))
    options.offsets_partitions = static_cast<int32_t>(offsets->partitions.size());
  auto restored = std::make_shared<kafka::transaction_coordinator>(options);
  state_topic::visitor v;
  v.on_record = [&restored](const record& r, record_batch_view) -> status {
    if (!r.key) return {};
    std::optional<std::string_view> value;
    if (r.value) value = kafka::as_string_view(*r.value);
    return restored->restore(kafka::as_string_view(*r.key), value);
  };
  v.on_marker = [](int64_t, bool) -> status { return {}; };
  WEIR_ASSIGN(auto complete, topic().replay(t, end, v, stopping()));
  if (!complete) return false;
  ids_->taken_below(restored->producer_ids_taken_below());
  activate(t, [&] {
    actors_[t.partition] =
        spawn_transactions(system_, {std::move(restored), topic_ptr(), t, markers_, ids_});
  });
  return true;
}

// ---- Requests. ----

void transaction_router::ask(const std::string& id, transaction_request_message m) {
  if (topic().partitions() > 0) {
    auto [e, to] = find(id);
    if (!to) return m.refuse(e);
    return caf::anon_send(to, std::move(m));
  }
  auto message = std::make_shared<transaction_request_message>(std::move(m));
  reach(id, [this, id, message](error_code e) {
    if (e != error_code::none) return message->refuse(e);
    ask(id, std::move(*message));
  });
}

std::pair<error_code, transactions_actor> transaction_router::find(const std::string& id) const {
  if (topic().partitions() == 0) return {error_code::none, {}};
  const auto partition = partition_of(id);
  std::lock_guard lock(mutex());
  if (auto e = check_partition(partition); e != error_code::none) return {e, {}};
  return {error_code::none, actors_.at(partition)};
}

std::vector<transactions_actor> transaction_router::all() const {
  std::lock_guard lock(mutex());
  std::vector<transactions_actor> out;
  for (const auto& [partition, actor] : actors_) out.push_back(actor);
  return out;
}

}  // namespace weir
