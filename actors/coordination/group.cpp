// The actor of one group: drives its state machine.
#include "actors/coordination/group.hpp"

namespace weir {
namespace {

struct group_state {
  static inline const char* name = "weir.group";
  using pointer = group_actor::stateful_pointer<group_state>;

  pointer self = nullptr;
  group_seed seed;
  struct asker {
    std::function<void(kafka::group_response)> answer;
    std::function<void(kafka::error_code)> refuse;
  };
  std::unordered_map<kafka::reply_token, asker> waiting;
  kafka::reply_token next_token = 1;
  int64_t wake_ms = kafka::group_effects::no_wake;
  bool over = false;  // the tenure: nothing is carried out any more

  kafka::group& group() { return *seed.group; }
  int64_t now() const { return seed.offsets->now_ms(); }

  void init(pointer p, group_seed s) {
    self = p;
    seed = std::move(s);
    kafka::group_effects out;
    group().loaded(now(), out);
    carry_out(out);
  }
  void request(group_request_message& m) {
    if (over) return m.refuse(kafka::error_code::not_coordinator);
    kafka::group_call call;
    call.token = next_token++;
    call.version = m.version;
    call.client_id = m.client_id;
    call.client_host = m.client_host;
    call.now_ms = now();
    call.fresh_id = kafka::random_uuid();
    waiting.emplace(call.token, asker{std::move(m.answer), std::move(m.refuse)});
    kafka::group_effects out;
    m.work(group(), call, out);
    carry_out(out);
  }
  void visit(const group_visit_message& m) {
    if (over && m.refuse) return m.refuse(kafka::error_code::not_coordinator);
    m.visit(group());
  }
  void event(const group_event_message& m) {
    if (over) return;
    kafka::group_effects out;
    m.event(group(), now(), out);
    carry_out(out);
  }
  void written(const group_written_message& m) {
    if (over) return;  // the log tells the next home
    kafka::group_effects out;
    group().on_written(m.id, m.error, now(), out);
    carry_out(out);
  }
  void timer(int64_t at) {
    if (over || at != wake_ms) return;  // another time was asked for meanwhile
    wake_ms = kafka::group_effects::no_wake;
    kafka::group_effects out;
    group().on_timer(now(), out);
    carry_out(out);
  }
  void end() {
    over = true;
    wake_ms = kafka::group_effects::no_wake;
    for (auto& [token, a] : std::exchange(waiting, {}))
      a.refuse(kafka::error_code::not_coordinator);
  }
  void carry_out(kafka::group_effects& out) {
    for (auto& w : out.writes) write(w);
    for (auto& r : out.replies) {
      auto it = waiting.find(r.token);
      weir_assert(it != waiting.end(), "a group answers each request once");
      auto answer = std::move(it->second.answer);
      waiting.erase(it);
      answer(std::move(r.body));
    }
    if (out.next_wake_ms == wake_ms || out.next_wake_ms == kafka::group_effects::no_wake) {
      wake_ms = out.next_wake_ms;
      return;
    }
    wake_ms = out.next_wake_ms;
    self->delayed_send(self, std::chrono::milliseconds(std::max<int64_t>(0, wake_ms - now())),
                       timer_atom::value, int64_t{wake_ms});
  }
  void write(const kafka::group_write& w) {
    record_batch_options options;
    options.producer_id = w.producer_id;
    options.producer_epoch = w.producer_epoch;
    options.transactional = w.producer_id >= 0;
    record_batch_builder builder(options);
    for (const auto& r : w.records) {
      std::optional<byte_view> value;
      if (r.value) value = kafka::as_bytes_view(*r.value);
      builder.add(now(), kafka::as_bytes_view(r.key), value);
    }
    auto me = caf::actor_cast<group_actor>(self);
    auto done = [me, id = w.id](append_reply r) {
      caf::anon_send(me, group_written_message{id, r.error});
    };
    auto batch = builder.build();
    if (!batch) {
      append_reply refused;
      refused.error = kafka::error_code::unknown_server_error;
      return done(refused);
    }
    seed.offsets->append(seed.tenure, std::move(*batch), std::move(done));
  }
};

group_actor::behavior_type group_behavior(group_actor::stateful_pointer<group_state> self,
                                          group_seed seed) {
  self->state.init(self, std::move(seed));
  auto& s = self->state;
  return {
      [&s](group_request_message& m) { s.request(m); },
      [&s](const group_visit_message& m) { s.visit(m); },
      [&s](const group_event_message& m) { s.event(m); },
      [&s](const group_ended_message&) { s.end(); },
      [&s](const group_written_message& m) { s.written(m); },
      [&s](timer_atom, int64_t at) { s.timer(at); },
  };
}

}  // namespace

group_actor spawn_group(caf::actor_system& system, group_seed seed) {
  return system.spawn(group_behavior, std::move(seed));
}

}  // namespace weir
