// Boost.Asio's acceptors on what address.hpp listens on.
#pragma once

#include <unistd.h>

#include <boost/system/error_code.hpp>

#include "runtime/io/address.hpp"

namespace weir {

/// Has a closed acceptor of TCP listen; the port that it got. Errors as listen_on().
template <class Acceptor>
result<uint16_t> listen_with(Acceptor& acceptor, const host_port& where) {
  using protocol = typename Acceptor::protocol_type;
  WEIR_ASSIGN(const auto socket, listen_on(where));
  boost::system::error_code e;
  acceptor.assign(socket.v6 ? protocol::v6() : protocol::v4(), socket.fd, e);
  if (!e) return socket.port;
  ::close(socket.fd);
  return error{errc::io,
               "cannot listen on " + join_address(where.host, where.port) + ": " + e.message()};
}

}  // namespace weir
