#include "cluster/cli/topics/node_call.hpp"

#include <cinttypes>
#include <cstdio>
#include <utility>

namespace weir::cli {

namespace dom = simdjson::dom;

namespace {

// Longer than an election takes.
constexpr uint64_t old_view_ms = 2'000;

void warn_of_old_view(const http::http_response& r) {
  static bool said = false;  // verbs that wait ask again and again
  if (!r.view_age_ms || *r.view_age_ms < old_view_ms || std::exchange(said, true)) return;
  std::fprintf(stderr,
               "weir: nobody coordinates: the node that was asked hears no majority of those that "
               "vote. What it says is as of %" PRIu64 ".%" PRIu64
               " s ago; see weir cluster status\n",
               *r.view_age_ms / 1'000, *r.view_age_ms % 1'000 / 100);
}

}  // namespace

int fail(const std::string& message) {
  std::fprintf(stderr, "weir: %s\n", message.c_str());
  return exit_failed;
}
int fail(const error& e) {
  return fail(e.message);
}
int wrong_usage(const std::string& message) {
  std::fprintf(stderr, "weir: %s\n", message.c_str());
  return exit_usage;
}

std::optional<http::http_response> ask_node(const std::string& cluster, const std::string& method,
                                            const std::string& target, const std::string& body,
                                            int& code, bool warns) {
  if (cluster.empty()) {
    code = wrong_usage(
        "which cluster? --cluster HOST:PORT or WEIR_CLUSTER names the HTTP address of any node, "
        "as weir up prints it (ready ... http=HOST:PORT)");
    return std::nullopt;
  }
  auto r = http::http_call(cluster, method, target, body);
  if (!r) {
    code = r.err().code == errc::invalid_argument
               ? wrong_usage("--cluster: " + r.err().message)
               : fail(r.err().message + "; is the node up, and is this its HTTP address?");
    return std::nullopt;
  }
  if (!warns) warn_of_old_view(*r);
  return std::move(*r);
}

bool call_node(const stream_options& o, const std::string& method, const std::string& target,
               const std::string& body, node_answer& out, int& code) {
  auto r = ask_node(o.cluster, method, target, body, code);
  if (!r) return false;
  out.text = std::move(r->body);
  const bool parsed = !out.parser.parse(out.text).get(out.json);
  if (r->status >= 200 && r->status < 300 && parsed) return true;
  std::string_view why;
  if (parsed && !out.json["error"].get(why))
    code = fail(std::string(why));
  else
    code = fail(o.cluster + " answers " + std::to_string(r->status) + " to " + method + " " +
                target + ": " + out.text);
  return false;
}

bool find_kafka(const stream_options& o, std::string& address, int& code) {
  node_answer a;
  if (!call_node(o, "GET", "/cluster", "", a, code)) return false;
  dom::array nodes;
  std::string_view best;
  int best_rank = -1;  // one that is alive, and of those the one that was asked
  if (!a.json["nodes"].get(nodes))
    for (auto n : nodes) {
      std::string_view kafka, http;
      bool alive = false;
      if (n["kafka"].get(kafka)) continue;
      const bool asked =
          !n["http"].get(http) &&
          ("," + o.cluster + ",").find("," + std::string(http) + ",") != std::string::npos;
      const int rank = (!n["alive"].get(alive) && alive ? 2 : 0) + (asked ? 1 : 0);
      if (rank > best_rank) best_rank = rank, best = kafka;
    }
  if (best.empty()) {
    code = fail(
        "no node of this cluster has a Kafka listener, so it has no topics: weir up has "
        "one, weir node with --kafka HOST:PORT");
    return false;
  }
  address = std::string(best);
  return true;
}

std::string field_text(dom::element e, std::string_view name) {
  dom::element f;
  if (e[name].get(f) || f.is_null()) return "";
  std::string_view text;
  if (!f.get(text)) return std::string(text);
  return simdjson::minify(f);
}

}  // namespace weir::cli
