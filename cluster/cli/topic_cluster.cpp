#include "cluster/cli/topic_cluster.hpp"

#include <simdjson.h>

#include <cstdlib>

#include "cluster/http/server.hpp"
#include "runtime/connectors/kafka/kafka.hpp"

namespace weir::cli {
namespace {

/// The Kafka listeners of a cluster, as its GET /cluster says.
result<std::string> ask_cluster(const std::string& address) {
  WEIR_ASSIGN(auto answer, http::http_call(address, "GET", "/cluster"));
  simdjson::dom::parser parser;
  simdjson::dom::element e;
  simdjson::dom::array nodes;
  if (answer.status != 200 || parser.parse(answer.body).get(e) || e["nodes"].get(nodes))
    return error{errc::io, address + " is no HTTP listener of a Weir node"};
  std::string listeners;
  for (auto n : nodes) {
    std::string_view kafka;
    if (!n["kafka"].get(kafka) && !kafka.empty())
      listeners += (listeners.empty() ? "" : ",") + std::string(kafka);
  }
  if (listeners.empty())
    return error{errc::not_found,
                 "the cluster at " + address + " has no Kafka listener: start a node with --kafka"};
  return listeners;
}

}  // namespace

void use_topic_cluster(std::string own) {
  set_topic_bootstrap([own = std::move(own)](const option_map& options) -> result<std::string> {
    if (auto it = options.find("cluster"); it != options.end()) return ask_cluster(it->second);
    if (!own.empty()) return own;
    if (const char* address = std::getenv("WEIR_CLUSTER"); address && *address)
      return ask_cluster(address);
    return error{
        errc::invalid_argument,
        "which cluster has the topic? Set WEIR_CLUSTER=HOST:PORT (a node's HTTP listener), "
        "or the table's option cluster, or bootstrap (a Kafka listener)"};
  });
}

}  // namespace weir::cli
