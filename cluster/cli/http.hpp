// HTTP of a node: a listener that answers requests one connection at a time per thread, and a
// client for the verbs that talk to a cluster. Boost.Beast does the protocol; bodies are bounded.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "runtime/base/result.hpp"

namespace weir::cli {

struct http_request {
  std::string method, target, body;
};
struct http_response {
  int status = 200;
  std::string body;
  std::string type = "application/json";
};

class http_server {
 public:
  using handler = std::function<http_response(const http_request&)>;
  /// Listens on HOST:PORT (port 0: a free one).
  static result<std::unique_ptr<http_server>> start(const std::string& address, handler);
  ~http_server();
  /// HOST:PORT that it listens on.
  const std::string& address() const;

 private:
  struct impl;
  explicit http_server(std::unique_ptr<impl>);
  std::unique_ptr<impl> impl_;
};

/// `address`: HOST:PORT. Errors of the transport; what the server says is in the response.
result<http_response> http_call(const std::string& address, const std::string& method,
                                const std::string& target, const std::string& body = "");

/// A request larger than this is refused before its body is read: plans are small.
inline constexpr uint64_t http_body_max = 16u << 20;

}  // namespace weir::cli
