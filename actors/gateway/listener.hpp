// Where clients connect: one thread that owns all of their sockets, reads requests and sends
// answers. Started and ended by one thread; the handler is called on the listener's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "actors/gateway/connection.hpp"

namespace weir {

struct listener_options {
  std::string address = "127.0.0.1:9092";  // HOST:PORT; port 0: a free one
  size_t connections_max = 10'000;
  size_t connections_per_host_max = SIZE_MAX;
  size_t request_memory_bytes = 256u << 20;  // of all requests that are not yet answered
  connection_limits limits;
  tls_context_ptr tls;  // null: in the clear
};

class listener {
 public:
  /// Listens; connections are taken from start() on.
  static result<std::unique_ptr<listener>> open(listener_options);
  ~listener();
  void start(request_handler&);
  /// Ends all connections and the thread.
  void stop();

  const std::string& host() const noexcept;
  /// What others are told: the machine's name where it listens on all addresses.
  std::string reachable_host() const;
  uint16_t port() const noexcept;
  boost::asio::io_context& context() noexcept;
  size_t connections() const noexcept;

 private:
  struct impl;
  explicit listener(std::unique_ptr<impl>);
  std::unique_ptr<impl> impl_;
};

}  // namespace weir
