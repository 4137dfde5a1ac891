#include "cluster/http/groups_api.hpp"

#include <simdjson.h>

#include "cluster/http/json_out.hpp"
#include "cluster/streams/groups.hpp"
#include "cluster/streams/start_position.hpp"
#include "runtime/base/units.hpp"

namespace weir::http {
namespace {

namespace dom = simdjson::dom;

result<http_response> list(streams::brokers& b) {
  WEIR_ASSIGN(auto all, streams::groups(b));
  return json_answer(json_object()
                         .raw("groups", json_list(all,
                                                  [](const auto& g) {
                                                    return json_object()
                                                        .text("id", g.id)
                                                        .text("state", g.state)
                                                        .text("type", g.type)
                                                        .text("protocol_type", g.protocol_type)
                                                        .str();
                                                  }))
                         .str());
}

std::string position_json(const streams::group_position& p) {
  json_object o;
  o.text("topic", p.topic)
      .number("partition", p.partition)
      .known("committed", p.committed)
      .known("end", p.end)
      .known("lag", p.end < 0 ? -1 : p.lag());
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.3f", static_cast<double>(p.lag_ms) / 1000);
  o.raw("lag_seconds", p.lag_ms < 0 ? "null" : seconds);
  if (p.member.empty())
    o.raw("member", "null");
  else
    o.text("member", p.member);
  return o.text("metadata", p.metadata).str();
}

std::string member_json(const streams::group_member& m) {
  return json_object()
      .text("id", m.id)
      .text("instance_id", m.instance_id)
      .text("client_id", m.client_id)
      .text("host", m.host)
      .raw("partitions",
           json_list(
               m.partitions,
               [](const auto& p) {
                 return json_object().text("topic", p.first).number("partition", p.second).str();
               }))
      .str();
}

result<http_response> describe(streams::brokers& b, const std::string& id) {
  WEIR_ASSIGN(auto g, streams::describe_group(b, id, now_ms()));
  int64_t lag = 0;
  for (const auto& p : g.positions) lag += p.lag();
  return json_answer(json_object()
                         .text("id", g.id)
                         .text("state", g.state)
                         .text("type", g.type)
                         .text("assignor", g.assignor)
                         .number("lag", lag)
                         .raw("members", json_list(g.members, member_json))
                         .raw("positions", json_list(g.positions, position_json))
                         .str());
}

result<http_response> seek(streams::brokers& b, const std::string& id, const http_request& r) {
  dom::parser parser;
  dom::object body;
  if (parser.parse(r.body).get(body)) return error{errc::parse, "the body has to be a JSON object"};
  std::string topic;
  std::optional<int32_t> partition;
  std::optional<streams::start_position> to;
  for (auto [key, value] : body) {
    int64_t n = 0;
    std::string_view text;
    if (key == "topic" && !value.get(text)) {
      topic = text;
    } else if (key == "partition" && !value.get(n) && n >= 0 && n <= INT32_MAX) {
      partition = static_cast<int32_t>(n);
    } else if (key == "to" && !value.get(text)) {
      WEIR_ASSIGN(to, streams::parse_start_position(std::string(text), now_ms()));
    } else {
      return error{errc::invalid_argument, "'" + std::string(key) +
                                               "': a seek has topic, to (a position) and partition "
                                               "(a number; without it: all)"};
    }
  }
  if (topic.empty() || !to) return error{errc::invalid_argument, "a seek needs topic and to"};
  WEIR_ASSIGN(auto t, b.topic(topic));
  const auto partitions = partition ? std::vector{*partition} : all_partitions(t);
  WEIR_ASSIGN(auto offsets, streams::resolve(b, t, partitions, *to, true));
  WEIR_TRY(streams::seek_group(b, id, topic, offsets));
  return json_answer(json_object()
                         .raw("positions", json_list(offsets,
                                                     [](const auto& o) {
                                                       return json_object()
                                                           .number("partition", o.first)
                                                           .number("offset", o.second)
                                                           .str();
                                                     }))
                         .str());
}

result<http_response> list_transactions(streams::brokers& b, const target& t) {
  WEIR_TRY(t.only({"longer"}));
  int64_t longer_ms = -1;
  if (auto text = t.parameter("longer")) {
    WEIR_ASSIGN(const auto us, parse_duration_us(*text, "longer"));
    longer_ms = us / 1000;
  }
  WEIR_ASSIGN(auto all, streams::transactions(b, longer_ms));
  const auto now = now_ms();
  return json_answer(
      json_object()
          .raw("transactions",
               json_list(all,
                         [now](const streams::transaction_facts& x) {
                           return json_object()
                               .text("id", x.id)
                               .text("state", x.state)
                               .number("producer_id", x.producer_id)
                               .number("epoch", x.epoch)
                               .number("timeout_ms", x.timeout_ms)
                               .known("open_ms", x.started_ms < 0 ? -1 : now - x.started_ms)
                               .raw("partitions", json_list(x.partitions,
                                                            [](const auto& p) {
                                                              return json_object()
                                                                  .text("topic", p.first)
                                                                  .number("partition", p.second)
                                                                  .str();
                                                            }))
                               .str();
                         }))
          .str());
}

}  // namespace

http_response answer_groups(broker_pool& pool, const http_request& r, const target& t) {
  const auto& path = t.path;
  const auto& m = r.method;
  return pool.run([&](streams::brokers& b) -> result<http_response> {
    WEIR_TRY(t.only({}));
    if (path.size() == 1 && m == "GET") return list(b);
    if (path.size() == 2 && m == "GET") return describe(b, path[1]);
    if (path.size() == 2 && m == "DELETE") {
      WEIR_TRY(streams::delete_group(b, path[1]));
      return json_answer("{}");
    }
    if (path.size() == 3 && path[2] == "seek" && m == "POST") return seek(b, path[1], r);
    if (path.size() > 2 && path[2] != "seek")
      return problem(404, "there is no such thing below /groups/ID: seek is");
    return problem(405, m + " is not for this path");
  });
}

http_response answer_transactions(broker_pool& pool, const http_request& r, const target& t) {
  const auto& path = t.path;
  const auto& m = r.method;
  return pool.run([&](streams::brokers& b) -> result<http_response> {
    if (path.size() == 1 && m == "GET") return list_transactions(b, t);
    WEIR_TRY(t.only({}));
    if (path.size() == 3 && path[2] == "abort" && m == "POST") {
      WEIR_TRY(streams::abort_transaction(b, path[1]));
      return json_answer("{}");
    }
    if (path.size() > 1 && (path.size() != 3 || path[2] != "abort"))
      return problem(404, "there is no such thing below /transactions: /transactions/ID/abort is");
    return problem(405, m + " is not for this path");
  });
}

}  // namespace weir::http
