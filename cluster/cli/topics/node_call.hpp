// Calls of a node's HTTP API by the verbs topic, group and txn, and the exit codes that come of
// them. One thread.
#pragma once

#include <simdjson.h>

#include <optional>
#include <string>

#include "cluster/cli/run.hpp"
#include "cluster/cli/topics/options.hpp"
#include "cluster/http/server.hpp"
#include "runtime/base/result.hpp"

namespace weir::cli {

/// Prints "weir: MESSAGE"; returns the exit code of what failed.
int fail(const std::string& message);
int fail(const error&);
int wrong_usage(const std::string& message);

/// What a node of the cluster answers; nothing when none did, which was said on stderr, and `code`
/// is what to exit with. Says once when that node hears no coordinator, and how old what it knows
/// is, unless the caller does (`warns`); not of the moment that an election takes.
std::optional<http::http_response> ask_node(const std::string& cluster, const std::string& method,
                                            const std::string& target, const std::string& body,
                                            int& code, bool warns = false);

/// An answer of a node: its text and the parsed form of it.
struct node_answer {
  std::string text;
  simdjson::dom::parser parser;
  simdjson::dom::element json;
};
/// False: it did not work, which was said on stderr, and `code` is what to exit with.
bool call_node(const stream_options&, const std::string& method, const std::string& target,
               const std::string& body, node_answer&, int& code);

/// HOST:PORT of a node's Kafka listener, asked of the node. As call_node.
bool find_kafka(const stream_options&, std::string& address, int& code);

/// A field as text for a table: strings without quotes, null as nothing.
std::string field_text(simdjson::dom::element, std::string_view name);

}  // namespace weir::cli
