#include "cluster/http/topics_api.hpp"

#include <simdjson.h>

#include <future>

#include "actors/gateway/partition_questions.hpp"
#include "actors/storage/storage.hpp"
#include "cluster/http/json_out.hpp"
#include "cluster/streams/admin.hpp"
#include "cluster/streams/start_position.hpp"
#include "runtime/column/text.hpp"

namespace weir::http {
namespace {

namespace dom = simdjson::dom;
using streams::topic_facts;

// Partitions that are being opened after a crash may take longer; then their segments are not told.
constexpr auto visit_limit = std::chrono::seconds(5);

std::string int_list(const std::vector<int32_t>& l) {
  return json_list(l, [](int32_t i) { return std::to_string(i); });
}

size_t replicas_of(const topic_facts& t) {
  return t.partitions.empty() ? 0 : t.partitions.front().replicas.size();
}

/// Body of a request, an object. The parser owns what it points to.
result<dom::object> read_object(dom::parser& parser, const std::string& body) {
  dom::element e;
  dom::object o;
  if (parser.parse(body).get(e) || e.get(o))
    return error{errc::parse, "the body has to be a JSON object"};
  return o;
}

/// {"retention.ms": 1000} as texts, for numbers and booleans are written bare too.
status read_map(dom::element e, const char* name, std::map<std::string, std::string>& out) {
  dom::object o;
  if (e.get(o)) return error{errc::parse, std::string(name) + ": an object is expected"};
  for (auto [key, value] : o) {
    std::string_view text;
    out[std::string(key)] = value.get(text) ? simdjson::minify(value) : std::string(text);
  }
  return {};
}

result<http_response> list(streams::brokers& b, const target& t) {
  WEIR_TRY(t.only({"internal", "sizes"}));
  WEIR_ASSIGN(auto all, b.topics());
  if (t.parameter("internal") != "true")
    std::erase_if(all, [](const topic_facts& f) { return f.internal; });
  const bool sizes = t.parameter("sizes") == "true";
  std::vector<std::string> items;
  for (const auto& f : all) {
    json_object o;
    o.text("name", f.name)
        .number("partitions", static_cast<int64_t>(f.partitions.size()))
        .number("replicas", static_cast<int64_t>(replicas_of(f)))
        .flag("internal", f.internal);
    if (sizes) {
      const auto partitions = led_partitions(f);
      WEIR_ASSIGN(auto bytes, streams::sizes_of(b, f, partitions));
      WEIR_ASSIGN(auto ends, offsets_at(b, f, partitions, streams::at_latest));
      WEIR_ASSIGN(auto starts, offsets_at(b, f, partitions, streams::at_earliest));
      int64_t records = 0, total = 0;
      for (size_t i = 0; i < ends.size(); ++i) records += ends[i].offset - starts[i].offset;
      for (auto [p, size] : bytes) total += size;
      o.number("records", records).number("bytes", total);
    }
    items.push_back(o.str());
  }
  return json_answer(
      json_object().raw("topics", json_list(items, [](const auto& i) { return i; })).str());
}

result<http_response> create(streams::brokers& b, const http_request& r) {
  dom::parser parser;
  WEIR_ASSIGN(auto body, read_object(parser, r.body));
  streams::new_topic t;
  for (auto [name, value] : body) {
    int64_t n = 0;
    std::string_view text;
    if (name == "name" && !value.get(text)) {
      t.name = text;
    } else if (name == "partitions" && !value.get(n) && n > 0 && n <= INT32_MAX) {
      t.partitions = static_cast<int32_t>(n);
    } else if (name == "replication" && !value.get(n) && n > 0 && n <= INT16_MAX) {
      t.replication = static_cast<int16_t>(n);
    } else if (name == "configs") {
      WEIR_TRY(read_map(value, "configs", t.configs));
    } else {
      return error{errc::invalid_argument,
                   "'" + std::string(name) +
                       "': a topic has name (text), partitions and replication (numbers) and "
                       "configs (an object)"};
    }
  }
  if (t.name.empty()) return error{errc::invalid_argument, "the topic needs a name"};
  WEIR_TRY(create_topic(b, t));
  WEIR_ASSIGN(auto made, b.topic(t.name));
  return json_answer(json_object()
                         .text("name", made.name)
                         .text("id", made.id.to_string())
                         .number("partitions", static_cast<int64_t>(made.partitions.size()))
                         .number("replicas", static_cast<int64_t>(replicas_of(made)))
                         .str(),
                     201);
}

/// Segments of the topic's partitions on this node; nothing for others.
std::map<int32_t, size_t> segments_of(stream_storage* storage, const topic_facts& t) {
  if (!storage) return {};
  struct found {
    std::mutex mutex;
    std::map<int32_t, size_t> segments;
    std::promise<void> all;
  };
  auto f = std::make_shared<found>();
  auto waits = f->all.get_future();
  auto directory = storage->directory();
  auto left = std::make_shared<gather>(t.partitions.size(), [f] { f->all.set_value(); });
  for (const auto& p : t.partitions)
    visit_partition(
        directory->partition(t.id, p.index),
        [f, left, index = p.index](kafka::partition& open) {
          {
            std::lock_guard lock(f->mutex);
            f->segments[index] = open.log().segment_count();
          }
          left->done();
        },
        [left](kafka::error_code) { left->done(); });
  left->begun();
  (void)waits.wait_for(visit_limit);  // what is not there by then is not told
  std::lock_guard lock(f->mutex);
  return f->segments;
}

result<http_response> describe(streams::brokers& b, stream_storage* storage,
                               const std::string& name) {
  WEIR_ASSIGN(auto t, b.topic(name));
  // Of partitions without a leader only the metadata is known.
  const auto partitions = led_partitions(t);
  WEIR_ASSIGN(auto starts, offsets_at(b, t, partitions, streams::at_earliest));
  WEIR_ASSIGN(auto ends, offsets_at(b, t, partitions, streams::at_latest));
  WEIR_ASSIGN(auto stable, offsets_at(b, t, partitions, streams::at_latest, true));
  WEIR_ASSIGN(auto sizes, streams::sizes_of(b, t, partitions));
  WEIR_ASSIGN(auto producers, streams::producers_of(b, t, partitions));
  WEIR_ASSIGN(auto configs, streams::topic_configs(b, name));
  const auto segments = segments_of(storage, t);
  int64_t records = 0, bytes = 0;
  std::vector<std::string> rows;
  size_t led = 0;
  for (const auto& p : t.partitions) {
    int64_t known = 0, open = 0;
    for (const auto& x : producers)
      if (x.partition == p.index) ++known, open += x.transaction_start >= 0;
    int64_t start = -1, end = -1, last_stable = -1, size = -1;
    if (p.leader >= 0) {
      start = starts[led].offset, end = ends[led].offset, last_stable = stable[led].offset;
      size = sizes[p.index];
      records += end - start;
      bytes += size;
      ++led;
    }
    auto s = segments.find(p.index);
    rows.push_back(
        json_object()
            .number("partition", p.index)
            .known("leader", p.leader)
            .raw("replicas", int_list(p.replicas))
            .raw("in_sync", int_list(p.in_sync))
            .known("start", start)
            .known("end", end)
            .known("stable", last_stable)
            .known("bytes", size)
            .known("segments", s == segments.end() ? -1 : static_cast<int64_t>(s->second))
            .number("producers", known)
            .number("open_transactions", open)
            .str());
  }
  json_object set, all;
  std::string durability;
  for (const auto& c : configs) {
    all.text(c.name, c.value);
    if (!c.is_default) set.text(c.name, c.value);
    if (c.name == "durability") durability = c.value;
  }
  auto producer_rows = json_list(producers, [](const streams::producer_facts& x) {
    return json_object()
        .number("partition", x.partition)
        .number("producer_id", x.producer_id)
        .number("epoch", x.epoch)
        .known("last_sequence", x.last_sequence)
        .number("last_timestamp_ms", x.last_timestamp_ms)
        .known("transaction_start", x.transaction_start)
        .str();
  });
  return json_answer(json_object()
                         .text("name", t.name)
                         .text("id", t.id.to_string())
                         .flag("internal", t.internal)
                         .number("replicas", static_cast<int64_t>(replicas_of(t)))
                         .number("records", records)
                         .number("bytes", bytes)
                         .text("durability", durability)
                         .raw("partitions", json_list(rows, [](const auto& r) { return r; }))
                         .raw("producers", producer_rows)
                         .raw("set", set.str())
                         .raw("configs", all.str())
                         .str());
}

result<http_response> change(streams::brokers& b, const std::string& name, const http_request& r) {
  dom::parser parser;
  WEIR_ASSIGN(auto body, read_object(parser, r.body));
  std::optional<int32_t> partitions;
  std::map<std::string, std::string> set;
  std::vector<std::string> unset;
  for (auto [key, value] : body) {
    int64_t n = 0;
    dom::array list;
    if (key == "partitions" && !value.get(n) && n > 0 && n <= INT32_MAX) {
      partitions = static_cast<int32_t>(n);
    } else if (key == "set") {
      WEIR_TRY(read_map(value, "set", set));
    } else if (key == "unset" && !value.get(list)) {
      for (auto item : list) {
        std::string_view text;
        if (item.get(text)) return error{errc::parse, "unset: a list of names is expected"};
        unset.emplace_back(text);
      }
    } else {
      return error{errc::invalid_argument, "'" + std::string(key) +
                                               "': a change has partitions (a number), set (an "
                                               "object) and unset (a list of names)"};
    }
  }
  if (!set.empty() || !unset.empty()) WEIR_TRY(streams::alter_configs(b, name, set, unset));
  if (partitions) WEIR_TRY(streams::widen_topic(b, name, *partitions));
  return json_answer("{}");
}

result<http_response> trim(streams::brokers& b, const std::string& name, const http_request& r) {
  dom::parser parser;
  WEIR_ASSIGN(auto body, read_object(parser, r.body));
  std::optional<int32_t> partition;
  std::optional<streams::start_position> before;
  for (auto [key, value] : body) {
    int64_t n = 0;
    std::string_view text;
    if (key == "partition" && !value.get(n) && n >= 0 && n <= INT32_MAX) {
      partition = static_cast<int32_t>(n);
    } else if (key == "before" && !value.get(text)) {
      WEIR_ASSIGN(before, streams::parse_start_position(std::string(text), now_ms()));
    } else {
      return error{errc::invalid_argument, "'" + std::string(key) +
                                               "': a trim has before (a position) and partition "
                                               "(a number; without it: all)"};
    }
  }
  if (!before) return error{errc::invalid_argument, "before: up to which position?"};
  WEIR_ASSIGN(auto t, b.topic(name));
  const auto partitions = partition ? std::vector{*partition} : all_partitions(t);
  WEIR_ASSIGN(auto offsets, streams::resolve(b, t, partitions, *before, !partition));
  WEIR_ASSIGN(auto starts, streams::trim_topic(b, t, offsets));
  return json_answer(json_object()
                         .raw("partitions", json_list(starts,
                                                      [](const auto& s) {
                                                        return json_object()
                                                            .number("partition", s.first)
                                                            .number("start", s.second)
                                                            .str();
                                                      }))
                         .str());
}

}  // namespace

http_response answer_topics(broker_pool& pool, stream_storage* storage, const http_request& r,
                            const target& t) {
  const auto& path = t.path;
  const auto& m = r.method;
  return pool.run([&](streams::brokers& b) -> result<http_response> {
    if (path.size() == 1 && m == "GET") return list(b, t);
    WEIR_TRY(t.only({}));
    if (path.size() == 1 && m == "POST") return create(b, r);
    if (path.size() == 2 && m == "GET") return describe(b, storage, path[1]);
    if (path.size() == 2 && m == "PATCH") return change(b, path[1], r);
    if (path.size() == 2 && m == "DELETE") {
      WEIR_TRY(streams::delete_topic(b, path[1]));
      return json_answer("{}");
    }
    if (path.size() == 3 && path[2] == "trim" && m == "POST") return trim(b, path[1], r);
    if (path.size() > 3 || (path.size() == 3 && path[2] != "trim"))
      return problem(404, "there is no such thing below /topics/NAME: records and trim are");
    return problem(405, m + " is not for this path");
  });
}

}  // namespace weir::http
