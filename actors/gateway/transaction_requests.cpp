// Requests of transactional producers, and about transactions.
#include "actors/gateway/broker.hpp"
#include "runtime/kafka/protocol/messages/transactions.hpp"

namespace weir {
namespace {

using kafka::error_code;

/// `work` gets (coordinator, body, token, now, effects); `refuse` makes the answer of an error.
template <class Response, class Body, class Work, class Refuse>
void ask(const transactions_actor& to, const request_ptr& request,
         const std::shared_ptr<Body>& body, Work work, Refuse refuse) {
  transaction_request_message m;
  m.work = [body, work](kafka::transaction_coordinator& c, kafka::reply_token token, int64_t now,
                        kafka::transaction_effects& out) { work(c, *body, token, now, out); };
  m.answer = [request](kafka::transaction_response r) {
    request->answer(std::get<Response>(std::move(r)));
  };
  m.refuse = [request, body, refuse](error_code e) { request->answer(refuse(*body, e)); };
  caf::anon_send(to, std::move(m));
}

template <class Response>
auto with_code() {
  return [](const auto&, error_code e) {
    Response r;
    r.error_code = e;
    return r;
  };
}

}  // namespace

void broker::init_producer_id(const request_ptr& request) {
  auto body = decode_body<kafka::init_producer_id_request>(*request);
  if (!body) return;
  ask<kafka::init_producer_id_response>(
      coordinators_.transactions(), request, body,
      [version = request->version()](auto& c, auto& b, auto token, auto now, auto& out) {
        c.init_producer_id(b, version, token, now, out);
      },
      with_code<kafka::init_producer_id_response>());
}

void broker::add_partitions_to_txn(const request_ptr& request) {
  auto body = decode_body<kafka::add_partitions_to_txn_request>(*request);
  if (!body) return;
  // Unknown partitions are refused here: the coordinator knows no topics. One of them refuses all.
  auto directory = storage_.directory();
  auto refuse = [directory](const kafka::add_partitions_to_txn_request& b, error_code e) {
    kafka::add_partitions_to_txn_response r;
    for (const auto& t : b.v3_and_below_topics) {
      auto& out = r.results_by_topic_v3_and_below.emplace_back();
      out.name = t.name;
      for (auto p : t.partitions) {
        auto known = directory->partition(t.name, p);
        auto code = e != error_code::none ? e
                    : known               ? error_code::operation_not_attempted
                                          : error_code::unknown_topic_or_partition;
        out.results_by_partition.push_back({p, code});
      }
    }
    return r;
  };
  for (const auto& t : body->v3_and_below_topics)
    for (auto p : t.partitions)
      if (!directory->partition(t.name, p)) return request->answer(refuse(*body, error_code::none));
  ask<kafka::add_partitions_to_txn_response>(
      coordinators_.transactions(), request, body,
      [version = request->version()](auto& c, auto& b, auto token, auto now, auto& out) {
        c.add_partitions(b, version, token, now, out);
      },
      refuse);
}

void broker::add_offsets_to_txn(const request_ptr& request) {
  auto body = decode_body<kafka::add_offsets_to_txn_request>(*request);
  if (!body) return;
  // The group's partition of __consumer_offsets becomes a part of the transaction: it has to exist.
  auto refuse = with_code<kafka::add_offsets_to_txn_response>();
  auto to = coordinators_.transactions();
  coordinators_.groups().offsets().ensure([request, body, refuse, to](const kafka::api_error& e) {
    if (!e.ok()) return request->answer(refuse(*body, error_code::coordinator_not_available));
    ask<kafka::add_offsets_to_txn_response>(
        to, request, body,
        [version = request->version()](auto& c, auto& b, auto token, auto now, auto& out) {
          c.add_offsets(b, version, token, now, out);
        },
        refuse);
  });
}

void broker::end_txn(const request_ptr& request) {
  auto body = decode_body<kafka::end_txn_request>(*request);
  if (!body) return;
  ask<kafka::end_txn_response>(
      coordinators_.transactions(), request, body,
      [version = request->version()](auto& c, auto& b, auto token, auto now, auto& out) {
        c.end_transaction(b, version, token, now, out);
      },
      with_code<kafka::end_txn_response>());
}

void broker::describe_transactions(const request_ptr& request) {
  auto body = decode_body<kafka::describe_transactions_request>(*request);
  if (!body) return;
  caf::anon_send(coordinators_.transactions(),
                 transaction_visit_message{[request, body](const auto* c, int64_t) {
                   if (c) return request->answer(c->describe(*body));
                   kafka::describe_transactions_response r;
                   for (const auto& id : body->transactional_ids) {
                     auto& t = r.transaction_states.emplace_back();
                     t.transactional_id = id;
                     t.error_code = error_code::coordinator_load_in_progress;
                   }
                   request->answer(r);
                 }});
}

void broker::list_transactions(const request_ptr& request) {
  auto body = decode_body<kafka::list_transactions_request>(*request);
  if (!body) return;
  caf::anon_send(coordinators_.transactions(),
                 transaction_visit_message{[request, body](const auto* c, int64_t now) {
                   if (c) return request->answer(c->list(*body, now));
                   kafka::list_transactions_response r;
                   r.error_code = error_code::coordinator_load_in_progress;
                   request->answer(r);
                 }});
}

}  // namespace weir
