#include "cluster/cli/jobs/call.hpp"

#include "cluster/cli/table.hpp"
#include "cluster/cli/topics/node_call.hpp"

namespace weir::cli {

int call(const cluster_verb_options& o, const std::string& method, const std::string& target,
         const std::string& body, std::string& answer, bool warns) {
  int code = exit_ok;
  auto r = ask_node(o.cluster, method, target, body, code, warns);
  if (!r) return code;
  answer = std::move(r->body);
  if (r->status == 200) return exit_ok;
  simdjson::dom::parser parser;
  std::string_view text;
  auto parsed = parser.parse(answer);
  if (!parsed.error() && !parsed["error"].get(text)) return fail(std::string(text));
  return fail("the node answers " + std::to_string(r->status) + ": " + answer);
}

std::string text_of(simdjson::dom::element e) {
  if (e.is_string()) return std::string(std::string_view(e));
  return simdjson::minify(e);
}

void print_jobs(const std::string& json, const std::string& format) {
  simdjson::dom::parser parser;
  simdjson::dom::array jobs;
  text_table t({"id", "name", "state", "epoch", "restarts", "tasks", "error"});
  auto parsed = parser.parse(json);
  if (!parsed.error() && !parsed["jobs"].get(jobs))
    for (auto j : jobs) {
      simdjson::dom::element problem;
      simdjson::dom::array tasks;
      const auto count = j["tasks"].get(tasks) ? 0 : tasks.size();
      const bool none = j["error"].get(problem) || problem.is_null();
      t.add({text_of(j["id"]), text_of(j["name"]), text_of(j["state"]), text_of(j["epoch"]),
             text_of(j["restarts"]), std::to_string(count), none ? "" : text_of(problem)});
    }
  t.print(format);
}

}  // namespace weir::cli
