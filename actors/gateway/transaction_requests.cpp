// Requests of transactional producers, and about transactions.
#include <algorithm>

#include "actors/gateway/broker.hpp"
#include "actors/gateway/partition_questions.hpp"
#include "runtime/kafka/protocol/messages/transactions.hpp"

namespace weir {
namespace {

using kafka::error_code;

// Versions of AddPartitionsToTxn from here on carry several transactions.
constexpr int16_t batched_since = 4;

bool exists(const topic_directory& d, const std::string& topic, int32_t partition) {
  auto t = d.catalog().find(topic);
  return t && partition >= 0 && static_cast<size_t>(partition) < t->partitions.size();
}

/// `work` gets (coordinator, body, token, now, effects); `refuse` makes the answer of an error.
template <class Response, class Body, class Work, class Refuse>
void ask(transaction_router& to, const std::string& id, const request_ptr& request,
         const std::shared_ptr<Body>& body, Work work, Refuse refuse) {
  transaction_request_message m;
  m.work = [body, work](kafka::transaction_coordinator& c, kafka::reply_token token, int64_t now,
                        kafka::transaction_effects& out) { work(c, *body, token, now, out); };
  m.answer = [request](kafka::transaction_response r) {
    request->answer(std::get<Response>(std::move(r)));
  };
  m.refuse = [request, body, refuse](error_code e) { request->answer(refuse(*body, e)); };
  to.ask(id, std::move(m));
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
  if (!body->transactional_id) return fresh_producer_id(request, *body);
  ask<kafka::init_producer_id_response>(
      coordinators_.transactions(), *body->transactional_id, request, body,
      [version = request->version()](auto& c, auto& b, auto token, auto now, auto& out) {
        c.init_producer_id(b, version, token, now, out);
      },
      with_code<kafka::init_producer_id_response>());
}

/// Of a producer that is idempotent only: any node gives it an id, and keeps nothing of it.
void broker::fresh_producer_id(const request_ptr& request,
                               const kafka::init_producer_id_request& body) {
  if ((body.producer_id == -1) != (body.producer_epoch == -1)) {
    kafka::init_producer_id_response r;
    r.error_code = error_code::invalid_request;
    r.producer_id = r.producer_epoch = -1;
    return request->answer(r);
  }
  coordinators_.transactions().ids().take([request](error_code e, int64_t id) {
    kafka::init_producer_id_response r;
    r.error_code = e;
    r.producer_id = id;
    r.producer_epoch = e == error_code::none ? int16_t{0} : int16_t{-1};
    request->answer(r);
  });
}

void broker::add_partitions_to_txn(const request_ptr& request) {
  auto body = decode_body<kafka::add_partitions_to_txn_request>(*request);
  if (!body) return;
  if (request->version() >= batched_since) return check_partitions_of_txns(request, body);
  // Unknown partitions are refused here: the coordinator knows no topics. One of them refuses all.
  auto directory = storage_.directory();
  auto refuse = [directory](const kafka::add_partitions_to_txn_request& b, error_code e) {
    kafka::add_partitions_to_txn_response r;
    for (const auto& t : b.v3_and_below_topics) {
      auto& out = r.results_by_topic_v3_and_below.emplace_back();
      out.name = t.name;
      for (auto p : t.partitions) {
        auto known = exists(*directory, t.name, p);
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
      if (!exists(*directory, t.name, p)) return request->answer(refuse(*body, error_code::none));
  ask<kafka::add_partitions_to_txn_response>(
      coordinators_.transactions(), body->v3_and_below_transactional_id, request, body,
      [version = request->version()](auto& c, auto& b, auto token, auto now, auto& out) {
        c.add_partitions(b, version, token, now, out);
      },
      refuse);
}

/// Versions 4 and 5, of other nodes (KIP-890): whether these partitions take part in these
/// transactions, or that they shall.
void broker::check_partitions_of_txns(
    const request_ptr& request, const std::shared_ptr<kafka::add_partitions_to_txn_request>& body) {
  const auto n = body->transactions.size();
  auto out = partition_answer<kafka::add_partitions_to_txn_response>::make(request, n);
  out->response.results_by_transaction.resize(n);
  for (size_t i = 0; i < n; ++i) {
    const auto& t = body->transactions[i];
    auto* part = &out->response.results_by_transaction[i];
    part->transactional_id = t.transactional_id;
    std::vector<kafka::transaction_partition> partitions;
    for (const auto& topic : t.topics)
      for (auto p : topic.partitions) partitions.push_back({topic.name, p});
    const auto tell = [part, out](const kafka::transaction_partition& p, error_code e) {
      auto& topics = part->topic_results;
      if (topics.empty() || topics.back().name != p.topic) topics.push_back({p.topic, {}});
      topics.back().results_by_partition.push_back({p.partition, e});
    };
    transaction_request_message m;
    m.work = [body, i, partitions](kafka::transaction_coordinator& c, kafka::reply_token token,
                                   int64_t now, kafka::transaction_effects& effects) {
      const auto& q = body->transactions[i];
      c.check_partitions(q.transactional_id, q.producer_id, q.producer_epoch, partitions,
                         !q.verify_only, token, now, effects);
    };
    m.answer = [tell, out](const kafka::transaction_response& r) {
      for (const auto& [p, e] : std::get<kafka::partition_check_response>(r).partitions) tell(p, e);
      out->parts->done();
    };
    m.refuse = [tell, out, partitions](error_code e) {
      for (const auto& p : partitions) tell(p, e);
      out->parts->done();
    };
    coordinators_.transactions().ask(t.transactional_id, std::move(m));
  }
  out->parts->begun();
}

void broker::write_txn_markers(const request_ptr& request) {
  auto body = decode_body<kafka::write_txn_markers_request>(*request);
  if (!body) return;
  // The coordinator's word, which no client can have.
  if (!request->from_node()) return request->hang_up();
  size_t n = 0;
  for (const auto& m : body->markers)
    for (const auto& t : m.topics) n += t.partition_indexes.size();
  auto out = partition_answer<kafka::write_txn_markers_response>::make(request, n);
  auto& markers = out->response.markers;
  for (const auto& m : body->markers) {
    auto& marker = markers.emplace_back();
    marker.producer_id = m.producer_id;
    for (const auto& t : m.topics) {
      auto& topic = marker.topics.emplace_back();
      topic.name = t.name;
      for (auto p : t.partition_indexes)
        topic.partitions.push_back({p, error_code::unknown_server_error});
    }
  }
  // The response has its final shape: its parts stay where they are.
  for (size_t i = 0; i < body->markers.size(); ++i) {
    const auto& m = body->markers[i];
    kafka::marker_item item;
    item.producer_id = m.producer_id;
    item.producer_epoch = m.producer_epoch;
    item.commit = m.transaction_result;
    item.coordinator_epoch = m.coordinator_epoch;
    for (auto& t : markers[i].topics) {
      item.topic = t.name;
      for (auto& p : t.partitions) {
        item.partition = p.partition_index;
        coordinators_.markers().write_here(item, [out, code = &p.error_code](error_code e) {
          *code = e;
          out->parts->done();
        });
      }
    }
  }
  out->parts->begun();
}

void broker::add_offsets_to_txn(const request_ptr& request) {
  auto body = decode_body<kafka::add_offsets_to_txn_request>(*request);
  if (!body) return;
  // The group's partition of __consumer_offsets becomes a part of the transaction: it has to exist.
  auto refuse = with_code<kafka::add_offsets_to_txn_response>();
  auto* to = &coordinators_.transactions();
  coordinators_.groups().topic().ensure([request, body, refuse, to](const kafka::api_error& e) {
    if (!e.ok()) return request->answer(refuse(*body, error_code::coordinator_not_available));
    ask<kafka::add_offsets_to_txn_response>(
        *to, body->transactional_id, request, body,
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
      coordinators_.transactions(), body->transactional_id, request, body,
      [version = request->version()](auto& c, auto& b, auto token, auto now, auto& out) {
        c.end_transaction(b, version, token, now, out);
      },
      with_code<kafka::end_txn_response>());
}

void broker::describe_transactions(const request_ptr& request) {
  auto body = decode_body<kafka::describe_transactions_request>(*request);
  if (!body) return;
  const auto n = body->transactional_ids.size();
  auto out = partition_answer<kafka::describe_transactions_response>::make(request, n);
  out->response.transaction_states.resize(n);
  for (size_t i = 0; i < n; ++i) {
    const auto& id = body->transactional_ids[i];
    auto* part = &out->response.transaction_states[i];
    part->transactional_id = id;
    auto [error, actor] = coordinators_.transactions().find(id);
    if (!actor) {
      part->error_code = error != error_code::none ? error
                         : id.empty()              ? error_code::invalid_request
                                                   : error_code::transactional_id_not_found;
      out->parts->done();
      continue;
    }
    caf::anon_send(actor, transaction_visit_message{[out, part, id](const auto* c, int64_t) {
                     if (c) {
                       kafka::describe_transactions_request one;
                       one.transactional_ids = {id};
                       *part = std::move(c->describe(one).transaction_states.front());
                     } else {
                       part->error_code = error_code::not_coordinator;
                     }
                     out->parts->done();
                   }});
  }
  out->parts->begun();
}

void broker::list_transactions(const request_ptr& request) {
  auto body = decode_body<kafka::list_transactions_request>(*request);
  if (!body) return;
  auto& homes = coordinators_.transactions();
  if (!homes.ready()) {
    kafka::list_transactions_response r;
    r.error_code = error_code::coordinator_load_in_progress;
    return request->answer(r);
  }
  struct listing {
    std::vector<kafka::list_transactions_response> parts;
    std::shared_ptr<gather> all;
  };
  auto out = std::make_shared<listing>();
  auto actors = homes.all();
  // One more without transactions says what is wrong with the filters, whoever lives here.
  out->parts.resize(actors.size() + 1);
  kafka::transaction_coordinator nobody({});
  kafka::transaction_effects nothing;
  nobody.loaded(0, nothing);
  out->parts.back() = nobody.list(*body, 0);
  auto* raw = out.get();
  out->all = std::make_shared<gather>(actors.size(), [raw, request] {
    kafka::list_transactions_response r = std::move(raw->parts.back());
    raw->parts.pop_back();
    for (auto& p : raw->parts)
      for (auto& t : p.transaction_states) r.transaction_states.push_back(std::move(t));
    std::sort(r.transaction_states.begin(), r.transaction_states.end(),
              [](const auto& a, const auto& b) { return a.transactional_id < b.transactional_id; });
    request->answer(r);
  });
  for (size_t i = 0; i < actors.size(); ++i)
    caf::anon_send(actors[i], transaction_visit_message{
                                  [out, body, part = &out->parts[i]](const auto* c, int64_t now) {
                                    if (c) *part = c->list(*body, now);
                                    out->all->done();
                                  }});
  out->all->begun();
}

}  // namespace weir
