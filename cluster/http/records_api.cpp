#include "cluster/http/records_api.hpp"

#include <simdjson.h>

#include <algorithm>

#include "cluster/http/json_out.hpp"
#include "cluster/streams/record_json.hpp"
#include "cluster/streams/start_position.hpp"
#include "cluster/streams/topic_reader.hpp"
#include "cluster/streams/topic_writer.hpp"

namespace weir::http {
namespace {

namespace dom = simdjson::dom;
using streams::new_record;

/// How a body is cut into records.
enum class body_form : uint8_t {
  list,       // a JSON array of records, or {"records": [...]}
  documents,  // JSON lines: each is a value
  records,    // JSON lines: each is a record
  lines,      // each line is a value
};

result<body_form> form_of(const http_request& r, const target& t) {
  if (auto name = t.parameter("format")) {
    if (*name == "list") return body_form::list;
    if (*name == "json") return body_form::documents;
    if (*name == "records") return body_form::records;
    if (*name == "lines") return body_form::lines;
    return error{errc::invalid_argument, "format=" + *name + ": list, json, records or lines"};
  }
  const auto type = r.type.substr(0, r.type.find(';'));
  if (type == "application/x-ndjson" || type == "application/jsonl") return body_form::documents;
  if (type == "text/plain") return body_form::lines;
  const auto first = r.body.find_first_not_of(" \t\r\n");
  const bool json = first != std::string::npos && (r.body[first] == '[' || r.body[first] == '{');
  return json || type == "application/json" ? body_form::list : body_form::lines;
}

/// Calls `f` with each line (without its end) that is not empty, and its number.
template <class F>
status for_each_line(std::string_view body, F f) {
  size_t number = 0;
  while (!body.empty()) {
    const auto end = body.find('\n');
    auto line = body.substr(0, end);
    body = end == std::string_view::npos ? std::string_view() : body.substr(end + 1);
    ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) continue;
    if (auto s = f(line); !s) return s.err().at("line " + std::to_string(number));
  }
  return {};
}

result<std::vector<new_record>> read_list(const std::string& body) {
  dom::parser parser;
  dom::element e;
  dom::array list;
  std::vector<new_record> out;
  if (auto why = parser.parse(body).get(e))
    return error{errc::parse, std::string("the body is no JSON: ") + simdjson::error_message(why)};
  dom::object o;
  if (!e.get(o)) {
    if (o["records"].get(list)) {  // one record alone
      WEIR_ASSIGN(auto one, streams::parse_record_json(e, now_ms()));
      out.push_back(std::move(one));
      return out;
    }
  } else if (e.get(list)) {
    return error{errc::parse, "the body has to be a list of records"};
  }
  size_t number = 0;
  for (auto item : list) {
    auto one = streams::parse_record_json(item, now_ms());
    if (!one) return one.err().at("record " + std::to_string(number));
    out.push_back(std::move(*one));
    ++number;
  }
  return out;
}

result<std::vector<new_record>> read_lines(const std::string& body, body_form form,
                                           const target& t) {
  std::vector<new_record> out;
  dom::parser parser;
  const auto key = t.parameter("key");
  const auto separator = t.parameter("key_separator");
  if (separator && (form != body_form::lines || separator->empty()))
    return error{errc::invalid_argument, "key_separator splits lines: it needs format=lines"};
  if (key && form != body_form::documents)
    return error{errc::invalid_argument, "key names a field of documents: it needs format=json"};
  auto taken = for_each_line(body, [&](std::string_view line) -> status {
    dom::element e;
    if (form != body_form::lines)
      if (auto why = parser.parse(line.data(), line.size()).get(e))
        return error{errc::parse, std::string("no JSON: ") + simdjson::error_message(why)};
    if (form == body_form::records) {
      WEIR_ASSIGN(auto one, streams::parse_record_json(e, now_ms()));
      out.push_back(std::move(one));
      return {};
    }
    auto& one = out.emplace_back();
    if (key) {
      WEIR_ASSIGN(one.key, streams::key_of_json(e, *key));
    }
    const auto at = separator ? line.find(*separator) : std::string_view::npos;
    if (at != std::string_view::npos) {
      one.key = std::string(line.substr(0, at));
      line.remove_prefix(at + separator->size());
    }
    one.value = std::string(line);
    return {};
  });
  WEIR_TRY(taken);
  return out;
}

std::optional<byte_view> bytes_of(const std::optional<std::string>& s) {
  return s ? std::optional(std::as_bytes(std::span(*s))) : std::nullopt;
}

result<http_response> write(streams::brokers& b, const std::string& name,
                            const std::vector<new_record>& records,
                            std::optional<int32_t> partition, uint32_t turn) {
  WEIR_ASSIGN(auto topic, b.topic(name));
  // Answers name the records in their order: those of a partition are acknowledged in theirs.
  std::vector<std::pair<int32_t, int64_t>> places(records.size(), {-1, -1});
  std::vector<std::vector<size_t>> order(topic.partitions.size());
  std::vector<size_t> told(topic.partitions.size());
  streams::topic_writer_options o;
  // Each request by itself: a producer to remember for each would cost brokers more than it gives.
  o.idempotent = false;
  o.first_partition = turn;
  WEIR_ASSIGN(auto writer, streams::topic_writer::open(b, std::move(topic), o));
  writer.on_acknowledged([&](int32_t p, int64_t base, uint32_t n) {
    for (uint32_t i = 0; i < n; ++i)
      places[order[static_cast<size_t>(p)][told[static_cast<size_t>(p)]++]] = {p, base + i};
  });
  const int64_t now = now_ms();
  std::vector<record_header> headers;
  for (size_t i = 0; i < records.size(); ++i) {
    const auto& r = records[i];
    headers.clear();
    for (const auto& [key, value] : r.headers) headers.push_back({key, bytes_of(value)});
    const auto wanted = r.partition ? r.partition : partition;
    if (auto there = writer.partition_for(wanted, bytes_of(r.key)); !there)
      return there.err().at("record " + std::to_string(i));
    WEIR_ASSIGN(const int32_t to, writer.add(wanted, r.timestamp_ms.value_or(now), bytes_of(r.key),
                                             bytes_of(r.value), headers));
    order[static_cast<size_t>(to)].push_back(i);
  }
  if (auto s = writer.flush(); !s)
    return s.err().at(std::to_string(writer.records_acknowledged()) + " of " +
                      std::to_string(records.size()) + " records are stored, then");
  return json_answer(json_object()
                         .number("records", static_cast<int64_t>(records.size()))
                         .raw("offsets", json_list(places,
                                                   [](const auto& p) {
                                                     return json_object()
                                                         .number("partition", p.first)
                                                         .number("offset", p.second)
                                                         .str();
                                                   }))
                         .str());
}

/// What a GET asks for.
struct question {
  std::optional<int32_t> partition;
  streams::start_position from;
  int64_t max = 100, wait_ms = 0;
  streams::topic_reader_options reader;
  streams::record_json_options json;
};

result<question> read_question(const target& t) {
  WEIR_TRY(
      t.only({"partition", "offset", "from", "time", "max", "wait_ms", "isolation", "values"}));
  question q;
  if (t.parameter("partition")) {
    WEIR_ASSIGN(const auto n, t.number("partition", 0, 0, INT32_MAX));
    q.partition = static_cast<int32_t>(n);
  }
  std::string from = t.parameter("from").value_or("earliest");
  if (auto n = t.parameter("offset")) from = "offset:" + *n;
  if (auto at = t.parameter("time")) from = "time:" + *at;
  WEIR_ASSIGN(q.from, streams::parse_start_position(from, now_ms()));
  WEIR_ASSIGN(q.max, t.number("max", q.max, 1, records_max));
  WEIR_ASSIGN(q.wait_ms, t.number("wait_ms", 0, 0, wait_ms_max));
  const auto isolation = t.parameter("isolation").value_or("read_committed");
  if (isolation != "read_committed" && isolation != "read_uncommitted")
    return error{errc::invalid_argument,
                 "isolation=" + isolation + ": read_committed or read_uncommitted"};
  q.reader.read_committed = isolation == "read_committed";
  // Enough for one answer, and no more than is sent.
  q.reader.fetch_bytes_max = static_cast<int32_t>(answer_bytes);
  q.reader.partition_bytes_max = 1 << 20;
  const auto values = t.parameter("values").value_or("text");
  if (values != "text" && values != "json")
    return error{errc::invalid_argument, "values=" + values + ": text or json"};
  q.json.embed_json = values == "json";
  return q;
}

result<http_response> read_records(streams::brokers& b, const std::string& name,
                                   const question& q) {
  WEIR_ASSIGN(auto topic, b.topic(name));
  const auto partitions = q.partition ? std::vector{*q.partition} : all_partitions(topic);
  WEIR_ASSIGN(auto from, streams::resolve(b, topic, partitions, q.from, !q.partition));
  streams::topic_reader reader(b, std::move(topic), q.reader);
  for (auto [p, offset] : from) reader.add(p, offset);
  std::string records = "[";
  int64_t n = 0;
  const auto take = [&](int32_t p, const record& r) {
    records += n++ ? ",\n " : "";
    append_record_json(records, p, r, q.json);
    return n < q.max && records.size() < answer_bytes;
  };
  // What is there comes at once; only an empty answer waits.
  const auto deadline = now_ms() + q.wait_ms;
  for (;;) {
    const auto before = n;
    const auto wait = n > 0 ? 0 : std::max<int64_t>(0, deadline - now_ms());
    WEIR_ASSIGN(const bool more, reader.poll(static_cast<int32_t>(wait), take));
    if (!more || (n > 0 && n == before) || (n == 0 && now_ms() >= deadline)) break;
  }
  if (n == 0) WEIR_TRY(reader.away());
  const auto next = json_list(reader.positions(), [](const auto& p) {
    return json_object().number("partition", p.first).number("offset", p.second).str();
  });
  return json_answer(json_object().raw("records", records + "]").raw("next", next).str());
}

}  // namespace

http_response records_api::append(const std::string& topic, const http_request& r,
                                  const target& t) {
  return pool_.run([&](streams::brokers& b) -> result<http_response> {
    WEIR_TRY(t.only({"format", "key", "key_separator", "partition"}));
    WEIR_ASSIGN(const auto form, form_of(r, t));
    std::optional<int32_t> partition;
    if (t.parameter("partition")) {
      WEIR_ASSIGN(const auto n, t.number("partition", 0, 0, INT32_MAX));
      partition = static_cast<int32_t>(n);
    }
    auto records = form == body_form::list ? read_list(r.body) : read_lines(r.body, form, t);
    if (!records) return records.err();
    return write(b, topic, *records, partition, turn_.fetch_add(1));
  });
}

http_response records_api::read(const std::string& topic, const target& t) {
  auto q = read_question(t);
  if (!q) return problem(q.err());
  struct counted {
    std::atomic<size_t>& n;
    size_t before;
    explicit counted(std::atomic<size_t>& c) : n(c), before(c.fetch_add(1)) {}
    ~counted() { --n; }
  };
  std::optional<counted> place;
  if (q->wait_ms > 0) {
    place.emplace(waiting_);
    if (place->before >= waiting_reads_max)
      return problem(503, "too many requests wait for records; come again in a moment");
  }
  return pool_.run([&](streams::brokers& b) { return read_records(b, topic, *q); });
}

}  // namespace weir::http
