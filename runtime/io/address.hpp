// HOST:PORT: taken apart and put together, and listened on. Hosts are names or IP addresses; IPv6
// addresses stand in brackets in such a text ([::1]:9092) and without them everywhere else. Free
// functions, for any thread; listen_on() may ask a name server and so takes its time.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/result.hpp"

namespace weir {

struct host_port {
  std::string host;
  uint16_t port = 0;
};
/// errc::invalid_argument when it is not HOST:PORT or [HOST]:PORT.
result<host_port> split_address(const std::string& text);
/// As above, for a listener: port 0 is a free one.
result<host_port> split_listener(const std::string& text);
/// What split_address() takes apart.
std::string join_address(const std::string& host, uint16_t port);
/// 0.0.0.0 or ::, which others can't connect to.
bool is_any_host(const std::string& host);

/// A socket that listens; whoever asked for it closes it.
struct listening_socket {
  int fd = -1;
  bool v6 = false;
  uint16_t port = 0;
};
/// Of a name's addresses the first that is one of this machine; IPv4 before IPv6, so that
/// `localhost` is 127.0.0.1 for those that connect to that. errc::io, which says the name and why,
/// when the name is unknown, none of its addresses is this machine's, or the port is taken.
result<listening_socket> listen_on(const host_port&);

}  // namespace weir
