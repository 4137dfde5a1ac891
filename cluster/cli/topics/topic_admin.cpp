// weir topic create, ls, describe, alter, delete, trim: by the node's HTTP API.
#include <cstdio>

#include "cluster/cli/table.hpp"
#include "cluster/cli/topics/node_call.hpp"
#include "cluster/http/json_out.hpp"
#include "cluster/http/target.hpp"
#include "runtime/base/units.hpp"

namespace weir::cli {
namespace {

namespace dom = simdjson::dom;
using http::json_object;

std::string topic_path(const stream_options& o) {
  return "/topics/" + http::escape(o.name);
}

std::string texts(const std::map<std::string, std::string>& m) {
  json_object out;
  for (const auto& [key, value] : m) out.text(key, value);
  return out.str();
}

/// `columns` of each object in a list, as a table.
void print_rows(dom::array rows, std::initializer_list<const char*> columns,
                const std::string& format) {
  text_table t({columns.begin(), columns.end()});
  for (auto r : rows) {
    std::vector<std::string> cells;
    for (const auto* c : columns) cells.push_back(field_text(r, c));
    t.add(std::move(cells));
  }
  t.print(format);
}

}  // namespace

int topic_create(const stream_options& o) {
  json_object body;
  body.text("name", o.name);
  if (o.partitions > 0) body.number("partitions", o.partitions);
  if (o.replication > 0) body.number("replication", o.replication);
  if (!o.set.empty()) body.raw("configs", texts(o.set));
  node_answer a;
  int code = exit_ok;
  if (!call_node(o, "POST", "/topics", body.str(), a, code)) return code;
  if (o.output == "json")
    std::fputs(a.text.c_str(), stdout);
  else if (!o.quiet)
    std::fprintf(stderr, "topic %s: %s partitions\n", o.name.c_str(),
                 field_text(a.json, "partitions").c_str());
  return exit_ok;
}

int topic_ls(const stream_options& o) {
  std::string target = "/topics?sizes=" + std::string(o.sizes ? "true" : "false") +
                       "&internal=" + (o.internal ? "true" : "false");
  node_answer a;
  int code = exit_ok;
  if (!call_node(o, "GET", target, "", a, code)) return code;
  if (o.output == "json") {
    std::fputs(a.text.c_str(), stdout);
    return exit_ok;
  }
  dom::array rows;
  if (a.json["topics"].get(rows)) return fail("the node's answer has no topics: " + a.text);
  if (o.sizes)
    print_rows(rows, {"name", "partitions", "replicas", "records", "bytes"}, o.output);
  else
    print_rows(rows, {"name", "partitions", "replicas"}, o.output);
  return exit_ok;
}

int topic_describe(const stream_options& o) {
  node_answer a;
  int code = exit_ok;
  if (!call_node(o, "GET", topic_path(o), "", a, code)) return code;
  if (o.output == "json") {
    std::fputs(a.text.c_str(), stdout);
    return exit_ok;
  }
  dom::array partitions, producers;
  dom::object set;
  if (a.json["partitions"].get(partitions) || a.json["producers"].get(producers) ||
      a.json[o.configs ? "configs" : "set"].get(set))
    return fail("the node's answer is not a topic: " + a.text);
  uint64_t bytes = 0;
  if (a.json["bytes"].get(bytes)) bytes = 0;  // an older node may not say it
  // What is not the table goes to stderr, so that csv stays csv.
  if (!o.quiet) {
    std::fprintf(stderr, "topic %s (%s): %s records, %s, durability %s\n", o.name.c_str(),
                 field_text(a.json, "id").c_str(), field_text(a.json, "records").c_str(),
                 format_size(bytes).c_str(), field_text(a.json, "durability").c_str());
    for (auto [name, value] : set)
      std::fprintf(stderr, "  %s = %s\n", std::string(name).c_str(),
                   std::string(std::string_view(value)).c_str());
  }
  print_rows(partitions,
             {"partition", "leader", "replicas", "in_sync", "start", "end", "stable", "bytes",
              "segments", "producers", "open_transactions"},
             o.output);
  if (o.quiet) return exit_ok;
  for (auto p : producers)
    if (auto start = field_text(p, "transaction_start"); !start.empty())
      std::fprintf(stderr,
                   "partition %s: a transaction of producer %s is open from offset %s on; readers "
                   "with read_committed wait there\n",
                   field_text(p, "partition").c_str(), field_text(p, "producer_id").c_str(),
                   start.c_str());
  return exit_ok;
}

int topic_alter(const stream_options& o) {
  if (o.partitions <= 0 && o.set.empty() && o.unset.empty())
    return wrong_usage("what is to change? --set NAME=VALUE, --unset NAME or --partitions N");
  json_object body;
  if (o.partitions > 0) body.number("partitions", o.partitions);
  if (!o.set.empty()) body.raw("set", texts(o.set));
  if (!o.unset.empty())
    body.raw("unset", http::json_list(o.unset, [](const auto& name) { return json_string(name); }));
  node_answer a;
  int code = exit_ok;
  return call_node(o, "PATCH", topic_path(o), body.str(), a, code) ? exit_ok : code;
}

int topic_delete(const stream_options& o) {
  node_answer a;
  int code = exit_ok;
  return call_node(o, "DELETE", topic_path(o), "", a, code) ? exit_ok : code;
}

int topic_trim(const stream_options& o) {
  json_object body;
  body.text("before", o.position);
  if (o.partition) body.number("partition", *o.partition);
  node_answer a;
  int code = exit_ok;
  if (!call_node(o, "POST", topic_path(o) + "/trim", body.str(), a, code)) return code;
  if (o.output == "json") {
    std::fputs(a.text.c_str(), stdout);
    return exit_ok;
  }
  dom::array rows;
  if (a.json["partitions"].get(rows)) return fail("the node's answer has no partitions: " + a.text);
  print_rows(rows, {"partition", "start"}, o.output);
  return exit_ok;
}

}  // namespace weir::cli
