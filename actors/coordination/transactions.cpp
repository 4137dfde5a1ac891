// One coordinator of transactions as an actor: drives its state machine.
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
  struct asker {
    std::function<void(kafka::transaction_response)> answer;
    std::function<void(error_code)> refuse;
  };
  std::unordered_map<kafka::reply_token, asker> waiting;
  kafka::reply_token next_token = 1;
  std::optional<int64_t> wake_ms;
  bool over = false;  // the tenure: nothing is carried out any more

  kafka::transaction_coordinator& coordinator() { return *seed.restored; }
  int64_t now() const { return seed.state->now_ms(); }

  void init(pointer p, transactions_seed s) {
    self = p;
    seed = std::move(s);
    kafka::transaction_effects out;
    coordinator().loaded(now(), out);
    carry_out(out);
  }
  void request(transaction_request_message& m) {
    if (over) return m.refuse(error_code::not_coordinator);
    auto token = next_token++;
    waiting.emplace(token, asker{std::move(m.answer), std::move(m.refuse)});
    kafka::transaction_effects out;
    m.work(coordinator(), token, now(), out);
    carry_out(out);
  }
  void visit(const transaction_visit_message& m) {
    m.visit(over ? nullptr : seed.restored.get(), now());
  }
  void end() {
    over = true;
    wake_ms.reset();
    for (auto& [token, a] : std::exchange(waiting, {})) a.refuse(error_code::not_coordinator);
  }
  void written(const transaction_written_message& m) {
    if (over) return;  // the log tells the next home
    kafka::transaction_effects out;
    coordinator().on_written(m.id, m.error, now(), out);
    carry_out(out);
  }
  void markers_written(const markers_written_message& m) {
    if (over) return;
    kafka::transaction_effects out;
    coordinator().on_markers_written(m.id, *m.results, now(), out);
    carry_out(out);
  }
  void got_ids(const producer_ids_message& m) {
    if (over) return;
    kafka::transaction_effects out;
    coordinator().on_producer_ids(*m.ids, now(), out);
    carry_out(out);
  }
  void timer(int64_t at) {
    if (over || wake_ms != at) return;
    wake_ms.reset();
    kafka::transaction_effects out;
    coordinator().on_timer(now(), out);
    carry_out(out);
  }

  void carry_out(kafka::transaction_effects& out) {
    for (auto& w : out.writes) write(w);
    for (auto& m : out.markers) write_markers(m);
    for (auto& r : out.replies) {
      auto it = waiting.find(r.token);
      weir_assert(it != waiting.end(), "the coordinator answers each request once");
      auto answer = std::move(it->second.answer);
      waiting.erase(it);
      answer(std::move(r.response));
    }
    if (out.producer_ids_wanted > 0) get_ids(out.producer_ids_wanted);
    if (!out.next_wake_ms || out.next_wake_ms == wake_ms) {
      wake_ms = out.next_wake_ms;
      return;
    }
    wake_ms = out.next_wake_ms;
    self->delayed_send(self, std::chrono::milliseconds(std::max<int64_t>(0, *wake_ms - now())),
                       timer_atom::value, int64_t{*wake_ms});
  }
  void get_ids(int64_t count) {
    auto me = caf::actor_cast<transactions_actor>(self);
    seed.ids->take(count, [me](std::vector<int64_t> ids) {
      caf::anon_send(me,
                     producer_ids_message{std::make_shared<std::vector<int64_t>>(std::move(ids))});
    });
  }
  void write(const kafka::transaction_write& w) {
    weir_assert(w.partition == seed.tenure.partition, "an id's records are where it lives");
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
    seed.state->append(seed.tenure, std::move(*batch), std::move(done));
  }
  void write_markers(const kafka::transaction_markers& m) {
    auto me = caf::actor_cast<transactions_actor>(self);
    auto results = std::make_shared<marker_results>();
    for (const auto& p : m.partitions) results->emplace_back(p, error_code::none);
    for (auto number : m.offsets_partitions)
      results->emplace_back(kafka::transaction_partition{seed.markers->offsets_topic(), number},
                            error_code::none);
    auto left = std::make_shared<std::atomic<size_t>>(results->size() + 1);
    auto done = [me, id = m.id, results, left] {
      if (left->fetch_sub(1) == 1) caf::anon_send(me, markers_written_message{id, results});
    };
    kafka::marker_item item;
    item.producer_id = m.producer_id;
    item.producer_epoch = m.producer_epoch;
    item.commit = m.commit;
    item.coordinator_epoch = m.coordinator_epoch;
    for (size_t i = 0; i < results->size(); ++i) {
      item.topic = (*results)[i].first.topic;
      item.partition = (*results)[i].first.partition;
      seed.markers->write(item, [results, done, i](error_code e) {
        (*results)[i].second = e;
        done();
      });
    }
    done();
  }
};

transactions_actor::behavior_type transactions(
    transactions_actor::stateful_pointer<transactions_state> self, transactions_seed seed) {
  self->state.init(self, std::move(seed));
  auto& s = self->state;
  return {
      [&s](transaction_request_message& m) { s.request(m); },
      [&s](const transaction_visit_message& m) { s.visit(m); },
      [&s](const transactions_ended_message&) { s.end(); },
      [&s](const transaction_written_message& m) { s.written(m); },
      [&s](const markers_written_message& m) { s.markers_written(m); },
      [&s](const producer_ids_message& m) { s.got_ids(m); },
      [&s](timer_atom, int64_t at) { s.timer(at); },
  };
}

}  // namespace

transactions_actor spawn_transactions(caf::actor_system& system, transactions_seed seed) {
  return system.spawn(transactions, std::move(seed));
}

}  // namespace weir
