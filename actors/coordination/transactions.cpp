#include "actors/coordination/transactions.hpp"

#include <optional>

namespace weir {
namespace {

using kafka::error_code;
using marker_results = std::vector<std::pair<kafka::transaction_partition, error_code>>;

struct transactions_state {
  static inline const char* name = "weir.transactions";
  using pointer = transactions_actor::stateful_pointer<transactions_state>;

  pointer self = nullptr;
  transactions_seed seed;
  std::shared_ptr<kafka::transaction_coordinator> coordinator;  // null until loaded
  std::unordered_map<kafka::reply_token, std::function<void(kafka::transaction_response)>> waiting;
  kafka::reply_token next_token = 1;
  std::optional<int64_t> wake_ms;

  void init(pointer p, transactions_seed s) {
    self = p;
    seed = std::move(s);
  }
  int64_t now() const { return seed.state->now_ms(); }

  void loaded(const transactions_loaded_message& m) {
    coordinator = m.restored;
    kafka::transaction_effects out;
    coordinator->loaded(now(), out);
    carry_out(out);
  }
  void request(transaction_request_message& m) {
    if (!coordinator) return m.refuse(error_code::coordinator_load_in_progress);
    if (seed.state->partitions() == 0) return make_topic(m);
    auto token = next_token++;
    waiting.emplace(token, std::move(m.answer));
    kafka::transaction_effects out;
    m.work(*coordinator, token, now(), out);
    carry_out(out);
  }
  /// The first request of all: again when its topic is there.
  void make_topic(transaction_request_message& m) {
    auto me = caf::actor_cast<transactions_actor>(self);
    auto again = std::make_shared<transaction_request_message>(std::move(m));
    seed.state->ensure([me, again](const kafka::api_error& e) {
      if (!e.ok()) return again->refuse(error_code::coordinator_not_available);
      caf::anon_send(me, std::move(*again));
    });
  }
  void written(const transaction_written_message& m) {
    kafka::transaction_effects out;
    coordinator->on_written(m.id, m.error, now(), out);
    carry_out(out);
  }
  void markers_written(const markers_written_message& m) {
    kafka::transaction_effects out;
    coordinator->on_markers_written(m.id, *m.results, now(), out);
    carry_out(out);
  }
  void timer(int64_t at) {
    if (!coordinator || wake_ms != at) return;
    wake_ms.reset();
    kafka::transaction_effects out;
    coordinator->on_timer(now(), out);
    carry_out(out);
  }

  void carry_out(kafka::transaction_effects& out) {
    for (auto& w : out.writes) write(w);
    for (auto& m : out.markers) write_markers(m);
    for (auto& r : out.replies) {
      auto it = waiting.find(r.token);
      weir_assert(it != waiting.end(), "the coordinator answers each request once");
      auto answer = std::move(it->second);
      waiting.erase(it);
      answer(std::move(r.response));
    }
    if (!out.next_wake_ms || out.next_wake_ms == wake_ms) {
      wake_ms = out.next_wake_ms;
      return;
    }
    wake_ms = out.next_wake_ms;
    self->delayed_send(self, std::chrono::milliseconds(std::max<int64_t>(0, *wake_ms - now())),
                       timer_atom::value, int64_t{*wake_ms});
  }
  void write(const kafka::transaction_write& w) {
    record_batch_builder builder;
    std::optional<byte_view> value;
    if (w.value) value = kafka::as_bytes_view(*w.value);
    builder.add(w.timestamp_ms, kafka::as_bytes_view(w.key), value);
    auto me = caf::actor_cast<transactions_actor>(self);
    auto done = [me, id = w.id](append_reply r) {
      caf::anon_send(me, transaction_written_message{id, r.error});
    };
    auto batch = builder.build();
    if (!batch) {
      append_reply refused;
      refused.error = error_code::unknown_server_error;
      return done(refused);
    }
    seed.state->append(w.partition, std::move(*batch), std::move(done));
  }
  void write_markers(const kafka::transaction_markers& m) {
    auto me = caf::actor_cast<transactions_actor>(self);
    auto results = std::make_shared<marker_results>();
    for (const auto& p : m.partitions) results->emplace_back(p, error_code::none);
    for (auto number : m.offsets_partitions)
      results->emplace_back(kafka::transaction_partition{seed.groups->offsets().name(), number},
                            error_code::none);
    auto left = std::make_shared<std::atomic<size_t>>(m.partitions.size() +
                                                      m.offsets_partitions.size() + 1);
    auto done = [me, id = m.id, results, left] {
      if (left->fetch_sub(1) == 1) caf::anon_send(me, markers_written_message{id, results});
    };
    marker_message marker;
    marker.producer_id = m.producer_id;
    marker.producer_epoch = m.producer_epoch;
    marker.commit = m.commit;
    marker.coordinator_epoch = m.coordinator_epoch;
    auto directory = seed.board->get();
    for (size_t i = 0; i < m.partitions.size(); ++i) {
      auto to = directory->partition(m.partitions[i].topic, m.partitions[i].partition);
      send_marker(to, marker, [results, done, i](error_code e) {
        (*results)[i].second = e;
        done();
      });
    }
    auto* groups = seed.groups;
    for (size_t i = 0; i < m.offsets_partitions.size(); ++i) {
      auto number = m.offsets_partitions[i];
      auto to = directory->partition(groups->offsets().name(), number);
      send_marker(to, marker,
                  [groups, number, results, done, at = m.partitions.size() + i,
                   producer = m.producer_id, commit = m.commit](error_code e) {
                    (*results)[at].second = e;
                    if (e == error_code::none) groups->transaction_ended(number, producer, commit);
                    done();
                  });
    }
    done();
  }
  static void send_marker(const partition_actor& to, marker_message marker,
                          std::function<void(error_code)> done) {
    struct waiter final : append_waiter {
      std::function<void(error_code)> done;
      void appended(uint32_t, append_reply r) override { done(r.error); }
    };
    if (!to) return done(error_code::unknown_topic_or_partition);
    auto w = std::make_shared<waiter>();
    w->done = std::move(done);
    marker.waiter = std::move(w);
    caf::anon_send(to, std::move(marker));
  }
};

transactions_actor::behavior_type transactions(
    transactions_actor::stateful_pointer<transactions_state> self, transactions_seed seed) {
  self->state.init(self, std::move(seed));
  auto& s = self->state;
  return {
      [&s](transaction_request_message& m) { s.request(m); },
      [&s](const transaction_visit_message& m) { m.visit(s.coordinator.get(), s.now()); },
      [&s](const transaction_written_message& m) { s.written(m); },
      [&s](const markers_written_message& m) { s.markers_written(m); },
      [&s](const transactions_loaded_message& m) { s.loaded(m); },
      [&s](timer_atom, int64_t at) { s.timer(at); },
  };
}

}  // namespace

transactions_actor spawn_transactions(caf::actor_system& system, transactions_seed seed) {
  return system.spawn(transactions, std::move(seed));
}

status load_transactions(const transactions_seed& seed, const transactions_actor& actor) {
  auto restored = std::make_shared<kafka::transaction_coordinator>(seed.options);
  state_topic::visitor v;
  v.on_record = [&restored](int32_t, const record& r, record_batch_view) -> status {
    if (!r.key) return {};
    std::optional<std::string_view> value;
    if (r.value) value = kafka::as_string_view(*r.value);
    return restored->restore(kafka::as_string_view(*r.key), value);
  };
  v.on_marker = [](int32_t, int64_t, bool) -> status { return {}; };
  WEIR_TRY(seed.state->replay(v));
  caf::anon_send(actor, transactions_loaded_message{std::move(restored)});
  return {};
}

}  // namespace weir
