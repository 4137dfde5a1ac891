// HTTP of a node: a listener whose requests are answered by a few threads of their own, so that
// answers may take a while, and a client for the verbs that talk to a cluster. Boost.Beast does the
// protocol. Bounded: bodies, connections' idle time, threads, requests that wait for one; what is
// over the bounds is told to come again (413, 503).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/result.hpp"

namespace weir::http {

struct http_request {
  std::string method, target, body;
  std::string type;  // Content-Type
};
struct http_response {
  int status = 200;
  std::string body;
  std::string type = "application/json";
  /// Where a node answers that hears no coordinator: how old what it knows of the cluster may be
  /// (the header Weir-View-Age-Ms).
  std::optional<uint64_t> view_age_ms = std::nullopt;
};

/// {"error": TEXT}.
http_response problem(int status, const std::string& text);

class http_server {
 public:
  using handler = std::function<http_response(const http_request&)>;
  /// Answers on the listener's thread what must not wait behind others (health); nothing: `later`.
  using quick_handler = std::function<std::optional<http_response>(const http_request&)>;
  /// Listens on HOST:PORT (port 0: a free one). `later` may block and is called on several threads.
  static result<std::unique_ptr<http_server>> start(const std::string& address, handler later,
                                                    quick_handler at_once = {});
  /// Waits for handlers that run.
  ~http_server();
  /// HOST:PORT that it listens on.
  const std::string& address() const;

 private:
  struct impl;
  explicit http_server(std::unique_ptr<impl>);
  std::unique_ptr<impl> impl_;
};

/// `addresses`: HOST:PORT[,HOST:PORT...], of which the first that can be connected to is asked.
/// Errors of the transport; what the server says is in the response. The answer has to come within
/// the limit.
result<http_response> http_call(const std::string& addresses, const std::string& method,
                                const std::string& target, const std::string& body = "",
                                std::chrono::seconds limit = std::chrono::seconds(60));

/// A request larger than this is refused before its body is read: plans and records of a POST are
/// smaller, and more records go by the Kafka protocol.
inline constexpr uint64_t http_body_max = 16u << 20;
/// Handlers that run at the same time: they mostly wait for disks.
inline constexpr size_t http_threads = 16;
/// Requests that wait for one of the threads; above, 503.
inline constexpr size_t http_waiting_max = 256;
/// Open connections; above, new ones are closed at once.
inline constexpr size_t http_connections_max = 1'000;

}  // namespace weir::http
