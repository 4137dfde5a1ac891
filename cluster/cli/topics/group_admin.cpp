// weir group ls, describe, seek, delete; weir txn ls, abort: by the node's HTTP API.
#include <cstdio>

#include "cluster/cli/table.hpp"
#include "cluster/cli/topics/node_call.hpp"
#include "cluster/http/json_out.hpp"
#include "cluster/http/target.hpp"
#include "runtime/base/units.hpp"

namespace weir::cli {
namespace {

namespace dom = simdjson::dom;

/// Prints what came when JSON is wanted.
bool printed_json(const stream_options& o, const node_answer& a) {
  if (o.output != "json") return false;
  std::fputs(a.text.c_str(), stdout);
  return true;
}

}  // namespace

int group_ls(const stream_options& o) {
  node_answer a;
  int code = exit_ok;
  if (!call_node(o, "GET", "/groups", "", a, code)) return code;
  if (printed_json(o, a)) return exit_ok;
  dom::array rows;
  if (a.json["groups"].get(rows)) return fail("the node's answer has no groups: " + a.text);
  text_table t({"id", "state", "type"});
  for (auto g : rows) t.add({field_text(g, "id"), field_text(g, "state"), field_text(g, "type")});
  t.print(o.output);
  return exit_ok;
}

int group_describe(const stream_options& o) {
  node_answer a;
  int code = exit_ok;
  if (!call_node(o, "GET", "/groups/" + http::escape(o.name), "", a, code)) return code;
  if (printed_json(o, a)) return exit_ok;
  dom::array members, positions;
  if (a.json["members"].get(members) || a.json["positions"].get(positions))
    return fail("the node's answer is not a group: " + a.text);
  if (!o.quiet) {
    std::fprintf(stderr, "group %s: %s, %s, %zu members, %s records behind\n", o.name.c_str(),
                 field_text(a.json, "state").c_str(), field_text(a.json, "type").c_str(),
                 members.size(), field_text(a.json, "lag").c_str());
  }
  text_table t({"topic", "partition", "committed", "end", "lag", "lag_seconds", "member"});
  for (auto p : positions)
    t.add({field_text(p, "topic"), field_text(p, "partition"), field_text(p, "committed"),
           field_text(p, "end"), field_text(p, "lag"), field_text(p, "lag_seconds"),
           field_text(p, "member")});
  t.print(o.output);
  return exit_ok;
}

int group_seek(const stream_options& o) {
  http::json_object body;
  body.text("topic", o.topic).text("to", o.position);
  if (o.partition) body.number("partition", *o.partition);
  node_answer a;
  int code = exit_ok;
  if (!call_node(o, "POST", "/groups/" + http::escape(o.name) + "/seek", body.str(), a, code))
    return code;
  if (printed_json(o, a)) return exit_ok;
  dom::array rows;
  if (a.json["positions"].get(rows)) return fail("the node's answer has no positions: " + a.text);
  text_table t({"partition", "offset"});
  for (auto p : rows) t.add({field_text(p, "partition"), field_text(p, "offset")});
  t.print(o.output);
  return exit_ok;
}

int group_delete(const stream_options& o) {
  node_answer a;
  int code = exit_ok;
  return call_node(o, "DELETE", "/groups/" + http::escape(o.name), "", a, code) ? exit_ok : code;
}

int txn_ls(const stream_options& o) {
  std::string target = "/transactions";
  if (!o.longer.empty()) target += "?longer=" + http::escape(o.longer);
  node_answer a;
  int code = exit_ok;
  if (!call_node(o, "GET", target, "", a, code)) return code;
  if (printed_json(o, a)) return exit_ok;
  dom::array rows;
  if (a.json["transactions"].get(rows))
    return fail("the node's answer has no transactions: " + a.text);
  text_table t({"id", "state", "producer_id", "epoch", "open", "partitions"});
  for (auto x : rows) {
    int64_t open_ms = 0;
    const bool open = !x["open_ms"].get(open_ms);
    std::string places;
    dom::array partitions;
    if (!x["partitions"].get(partitions))
      for (auto p : partitions)
        places +=
            (places.empty() ? "" : " ") + field_text(p, "topic") + "/" + field_text(p, "partition");
    t.add({field_text(x, "id"), field_text(x, "state"), field_text(x, "producer_id"),
           field_text(x, "epoch"), open ? format_duration_us(open_ms * 1000) : "", places});
  }
  t.print(o.output);
  return exit_ok;
}

int txn_abort(const stream_options& o) {
  node_answer a;
  int code = exit_ok;
  return call_node(o, "POST", "/transactions/" + http::escape(o.name) + "/abort", "", a, code)
             ? exit_ok
             : code;
}

}  // namespace weir::cli
