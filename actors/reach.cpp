#include "actors/reach.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace weir {
namespace {

/// 0, or why it cannot be reached.
int connect_within(const addrinfo& a, std::chrono::milliseconds limit) {
  int fd = ::socket(a.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  int why = ::connect(fd, a.ai_addr, a.ai_addrlen) == 0 ? 0 : errno;
  if (why == EINPROGRESS) {
    pollfd p{fd, POLLOUT, 0};
    int ready = ::poll(&p, 1, static_cast<int>(limit.count()));
    socklen_t size = sizeof why;
    if (ready == 0)
      why = ETIMEDOUT;
    else if (ready < 0 || ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) != 0)
      why = errno;
  }
  ::close(fd);
  return why;
}

}  // namespace

result<host_port> split_address(const std::string& text) {
  host_port out;
  auto at = text.rfind(':');
  const error wrong{errc::invalid_argument, "'" + text + "' is not HOST:PORT"};
  if (at == std::string::npos || at == 0) return wrong;
  const char* end = text.data() + text.size();
  auto parsed = std::from_chars(text.data() + at + 1, end, out.port);
  if (parsed.ec != std::errc() || parsed.ptr != end || out.port == 0) return wrong;
  out.host = text.substr(0, at);
  if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']')
    out.host = out.host.substr(1, out.host.size() - 2);
  return out;
}

status probe(const host_port& where, std::chrono::milliseconds limit) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int failed =
      ::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found);
  if (failed) return error{errc::io, where.host + ": " + ::gai_strerror(failed)};
  int why = EHOSTUNREACH;
  for (auto* a = found; a && why != 0; a = a->ai_next) why = connect_within(*a, limit);
  ::freeaddrinfo(found);
  if (why == 0) return {};
  return error{errc::io, where.host + ":" + std::to_string(where.port) + ": " + std::strerror(why)};
}

}  // namespace weir
