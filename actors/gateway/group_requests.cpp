// Requests about consumer groups: membership and offsets go to the group's actor; lists and
// descriptions ask all that are concerned.
#include "actors/gateway/broker.hpp"
#include "runtime/kafka/protocol/messages/groups.hpp"
#include "runtime/kafka/protocol/messages/transactions.hpp"

namespace weir {
namespace {

using kafka::error_code;

group_request_message call_of(const request_ptr& request) {
  group_request_message m;
  m.version = request->version();
  m.client_id = std::string(request->client_id());
  m.client_host = request->from().host();
  return m;
}

/// Sends a request that is answered by one response of the group.
template <class Response, class Body, class Work>
void ask(group_router& groups, const request_ptr& request, const std::shared_ptr<Body>& body,
         const std::string& group, Work work, std::function<void(error_code)> refuse) {
  if (group.empty()) return refuse(error_code::invalid_group_id);
  auto m = call_of(request);
  m.work = [body, work](kafka::group& g, const kafka::group_call& call, kafka::group_effects& out) {
    work(g, call, *body, out);
  };
  m.answer = [request](kafka::group_response r) {
    request->answer(std::get<Response>(std::move(r)));
  };
  m.refuse = std::move(refuse);
  groups.ask(group, std::move(m));
}

/// Where the response has one error code of its own.
template <class Response>
std::function<void(error_code)> refuse_with(const request_ptr& request) {
  return [request](error_code e) {
    Response r;
    r.error_code = e;
    request->answer(r);
  };
}
/// Where each partition has one.
template <class Response, class Body>
std::function<void(error_code)> refuse_partitions(const request_ptr& request,
                                                  const std::shared_ptr<Body>& body) {
  return [request, body](error_code e) {
    Response r;
    for (const auto& t : body->topics) {
      auto& out = r.topics.emplace_back();
      out.name = t.name;
      if constexpr (requires { out.topic_id; }) out.topic_id = t.topic_id;
      for (const auto& p : t.partitions) {
        auto& o = out.partitions.emplace_back();
        o.partition_index = p.partition_index;
        o.error_code = e;
      }
    }
    request->answer(r);
  };
}

}  // namespace

void broker::join_group(const request_ptr& request) {
  auto body = decode_body<kafka::join_group_request>(*request);
  if (!body) return;
  ask<kafka::join_group_response>(
      coordinators_.groups(), request, body, body->group_id,
      [](auto& g, auto& call, auto& b, auto& out) { g.join(call, b, out); },
      refuse_with<kafka::join_group_response>(request));
}

void broker::sync_group(const request_ptr& request) {
  auto body = decode_body<kafka::sync_group_request>(*request);
  if (!body) return;
  ask<kafka::sync_group_response>(
      coordinators_.groups(), request, body, body->group_id,
      [](auto& g, auto& call, auto& b, auto& out) { g.sync(call, b, out); },
      refuse_with<kafka::sync_group_response>(request));
}

void broker::heartbeat(const request_ptr& request) {
  auto body = decode_body<kafka::heartbeat_request>(*request);
  if (!body) return;
  ask<kafka::heartbeat_response>(
      coordinators_.groups(), request, body, body->group_id,
      [](auto& g, auto& call, auto& b, auto& out) { g.heartbeat(call, b, out); },
      refuse_with<kafka::heartbeat_response>(request));
}

void broker::leave_group(const request_ptr& request) {
  auto body = decode_body<kafka::leave_group_request>(*request);
  if (!body) return;
  ask<kafka::leave_group_response>(
      coordinators_.groups(), request, body, body->group_id,
      [](auto& g, auto& call, auto& b, auto& out) { g.leave(call, b, out); },
      refuse_with<kafka::leave_group_response>(request));
}

void broker::consumer_group_heartbeat(const request_ptr& request) {
  auto body = decode_body<kafka::consumer_group_heartbeat_request>(*request);
  if (!body) return;
  ask<kafka::consumer_group_heartbeat_response>(
      coordinators_.groups(), request, body, body->group_id,
      [](auto& g, auto& call, auto& b, auto& out) { g.consumer_heartbeat(call, b, out); },
      refuse_with<kafka::consumer_group_heartbeat_response>(request));
}

void broker::offset_commit(const request_ptr& request) {
  auto body = decode_body<kafka::offset_commit_request>(*request);
  if (!body) return;
  ask<kafka::offset_commit_response>(
      coordinators_.groups(), request, body, body->group_id,
      [](auto& g, auto& call, auto& b, auto& out) { g.commit_offsets(call, b, out); },
      refuse_partitions<kafka::offset_commit_response>(request, body));
}

void broker::txn_offset_commit(const request_ptr& request) {
  auto body = decode_body<kafka::txn_offset_commit_request>(*request);
  if (!body) return;
  ask<kafka::txn_offset_commit_response>(
      coordinators_.groups(), request, body, body->group_id,
      [](auto& g, auto& call, auto& b, auto& out) { g.commit_offsets(call, b, out); },
      refuse_partitions<kafka::txn_offset_commit_response>(request, body));
}

void broker::offset_delete(const request_ptr& request) {
  auto body = decode_body<kafka::offset_delete_request>(*request);
  if (!body) return;
  ask<kafka::offset_delete_response>(
      coordinators_.groups(), request, body, body->group_id,
      [](auto& g, auto& call, auto& b, auto& out) { g.delete_offsets(call, b, out); },
      refuse_with<kafka::offset_delete_response>(request));
}

// ---- Questions to several groups. ----

namespace {

/// Whether a node answers as the home of a group that it takes itself for, or only when it surely
/// is: one that was deposed and does not know it yet has positions of before.
enum class home_is : uint8_t { believed, confirmed };

/// One part of a response for each of `ids`: asked of the group, or made by `absent`.
template <class Part>
struct group_parts {
  std::vector<Part> parts;
  std::shared_ptr<gather> all;
};

/// `visit` fills a part from the group, `absent` from an error (none: there is no such group).
template <class Part>
void ask_all(group_router& groups, home_is home, const std::vector<std::string>& ids,
             std::function<void(const kafka::group&, Part&)> visit,
             std::function<void(const std::string&, error_code, Part&)> absent,
             std::function<void(std::vector<Part>)> finish) {
  auto out = std::make_shared<group_parts<Part>>();
  out->parts.resize(ids.size());
  auto* raw = out.get();
  out->all = std::make_shared<gather>(
      ids.size(), [raw, finish = std::move(finish)] { finish(std::move(raw->parts)); });
  for (size_t i = 0; i < ids.size(); ++i) {
    auto* part = &out->parts[i];
    auto refuse = [absent, id = ids[i], part, out](error_code e) {
      absent(id, e, *part);
      out->all->done();
    };
    auto look = [visit, part, out, refuse](const group_place& found) {
      if (!found.actor) return refuse(found.error);
      caf::anon_send(found.actor, group_visit_message{[visit, part, out](const kafka::group& g) {
                                                        visit(g, *part);
                                                        out->all->done();
                                                      },
                                                      refuse});
    };
    if (home == home_is::confirmed)
      groups.find_surely(ids[i], std::move(look));
    else
      look(groups.find(ids[i]));
  }
  out->all->begun();
}

/// From this version on positions can be waited for until transactions are over.
constexpr int16_t stable_first_version = 7;

/// Beside an error that sends a client to another coordinator: librdkafka before 2.12 asks again
/// only for positions that are not settled, and its consumers stood still for ever. Others look no
/// further than the group's error.
std::vector<kafka::offset_fetch_response::group_topic> unsettled(
    const std::vector<kafka::offset_fetch_request::group_topic>& asked) {
  std::vector<kafka::offset_fetch_response::group_topic> out;
  for (const auto& topic : asked) {
    auto& t = out.emplace_back();
    t.name = topic.name;
    t.topic_id = topic.topic_id;
    for (auto p : topic.partition_indexes)
      t.partitions.push_back({p, -1, -1, "", error_code::unstable_offset_commit});
  }
  return out;
}

}  // namespace

void broker::offset_fetch(const request_ptr& request) {
  auto body = decode_body<kafka::offset_fetch_request>(*request);
  if (!body) return;
  bool batched = request->version() >= 8;
  if (!batched) {  // one group, in the fields of before
    auto& g = body->groups.emplace_back();
    g.group_id = body->group_id;
    if (body->topics) {
      auto& topics = g.topics.emplace();
      for (const auto& t : *body->topics) {
        auto& o = topics.emplace_back();
        o.name = t.name;
        o.partition_indexes = t.partition_indexes;
      }
    }
  }
  std::vector<std::string> ids;
  for (const auto& g : body->groups) ids.push_back(g.group_id);
  using part = kafka::offset_fetch_response::group;
  auto version = request->version();
  auto index = std::make_shared<std::unordered_map<std::string, size_t>>();
  for (size_t i = 0; i < ids.size(); ++i) index->emplace(ids[i], i);
  ask_all<part>(
      coordinators_.groups(), home_is::confirmed, ids,
      [body, version, index](const kafka::group& g, part& out) {
        const auto& q = body->groups[index->at(g.id())];
        out = g.fetch_offsets(q, body->require_stable, version);
      },
      [body, version, index](const std::string& id, error_code e, part& out) {
        out.group_id = id;
        out.error_code = e;
        if (e != error_code::none) {
          const auto& q = body->groups[index->at(id)];
          if (version >= stable_first_version && q.topics) out.topics = unsettled(*q.topics);
          return;
        }
        // Nothing is known of the group: as one that has committed nothing.
        kafka::group nobody(id, {}, nullptr);
        out = nobody.fetch_offsets(body->groups[index->at(id)], body->require_stable, version);
      },
      [request, body, batched](std::vector<part> parts) {
        kafka::offset_fetch_response r;
        if (batched) {
          r.groups = std::move(parts);
          return request->answer(r);
        }
        r.error_code = parts[0].error_code;
        if (request->version() < 2 && body->topics && r.error_code != error_code::none) {
          for (const auto& t : *body->topics) {  // which has one for each partition only
            auto& o = r.topics.emplace_back();
            o.name = t.name;
            for (auto p : t.partition_indexes)
              o.partitions.push_back({p, -1, -1, "", r.error_code});
          }
        }
        for (auto& t : parts[0].topics) {
          auto& o = r.topics.emplace_back();
          o.name = t.name;
          for (auto& p : t.partitions)
            o.partitions.push_back({p.partition_index, p.committed_offset, p.committed_leader_epoch,
                                    p.metadata, p.error_code});
        }
        request->answer(r);
      });
}

void broker::describe_groups(const request_ptr& request) {
  auto body = decode_body<kafka::describe_groups_request>(*request);
  if (!body) return;
  using part = kafka::describe_groups_response::group;
  auto version = request->version();
  ask_all<part>(
      coordinators_.groups(), home_is::believed, body->groups,
      [version](const kafka::group& g, part& out) { out = g.describe(version); },
      [version](const std::string& id, error_code e, part& out) {
        out = kafka::group(id, {}, nullptr).describe(version);
        if (e != error_code::none) out.error_code = e;
      },
      [request](std::vector<part> parts) {
        kafka::describe_groups_response r;
        r.groups = std::move(parts);
        request->answer(r);
      });
}

void broker::consumer_group_describe(const request_ptr& request) {
  auto body = decode_body<kafka::consumer_group_describe_request>(*request);
  if (!body) return;
  using part = kafka::consumer_group_describe_response::group;
  auto version = request->version();
  ask_all<part>(
      coordinators_.groups(), home_is::believed, body->group_ids,
      [version](const kafka::group& g, part& out) { out = g.consumer_describe(version); },
      [version](const std::string& id, error_code e, part& out) {
        out = kafka::group(id, {}, nullptr).consumer_describe(version);
        if (e != error_code::none) out.error_code = e;
      },
      [request](std::vector<part> parts) {
        kafka::consumer_group_describe_response r;
        r.groups = std::move(parts);
        request->answer(r);
      });
}

void broker::list_groups(const request_ptr& request) {
  auto body = decode_body<kafka::list_groups_request>(*request);
  if (!body) return;
  auto& groups = coordinators_.groups();
  if (!groups.ready()) {
    kafka::list_groups_response r;
    r.error_code = error_code::coordinator_load_in_progress;
    return request->answer(r);
  }
  std::vector<std::string> ids;
  for (auto& [id, actor] : groups.all()) ids.push_back(id);
  using part = std::optional<kafka::list_groups_response::group>;
  ask_all<part>(
      groups, home_is::believed, ids, [](const kafka::group& g, part& out) { out = g.listed(); },
      [](const std::string&, error_code, part&) {},
      [request, body](std::vector<part> parts) {
        auto lower = [](std::string s) {
          for (auto& c : s) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
          return s;
        };
        auto passes = [&](const std::vector<std::string>& filter, const std::string& value) {
          return filter.empty() || std::any_of(filter.begin(), filter.end(), [&](const auto& f) {
                   return lower(f) == lower(value);
                 });
        };
        kafka::list_groups_response r;
        for (auto& p : parts)
          if (p && passes(body->states_filter, p->group_state) &&
              passes(body->types_filter, p->group_type))
            r.groups.push_back(std::move(*p));
        request->answer(r);
      });
}

void broker::delete_groups(const request_ptr& request) {
  auto body = decode_body<kafka::delete_groups_request>(*request);
  if (!body) return;
  struct deletion {
    kafka::delete_groups_response response;
    std::shared_ptr<gather> all;
  };
  auto out = std::make_shared<deletion>();
  const auto n = body->groups_names.size();
  out->response.results.resize(n);
  auto* raw = out.get();
  out->all = std::make_shared<gather>(n, [raw, request] { request->answer(raw->response); });
  auto& groups = coordinators_.groups();
  for (size_t i = 0; i < n; ++i) {
    auto* part = &out->response.results[i];
    part->group_id = body->groups_names[i];
    const auto found = groups.find(part->group_id);
    if (!found.actor) {
      part->error_code =
          found.error != error_code::none ? found.error : error_code::group_id_not_found;
      out->all->done();
      continue;
    }
    auto m = call_of(request);
    m.work = [](kafka::group& g, const kafka::group_call& call, kafka::group_effects& effects) {
      g.delete_group(call, effects);
    };
    m.answer = [part, out](kafka::group_response r) {
      auto& results = std::get<kafka::delete_groups_response>(r).results;
      if (!results.empty()) part->error_code = results[0].error_code;
      out->all->done();
    };
    m.refuse = [part, out](error_code e) {
      part->error_code = e;
      out->all->done();
    };
    caf::anon_send(found.actor, std::move(m));
  }
  out->all->begun();
}

}  // namespace weir
