#include "actors/reach.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
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
  return error{errc::io, join_address(where.host, where.port) + ": " + std::strerror(why)};
}

}  // namespace weir
