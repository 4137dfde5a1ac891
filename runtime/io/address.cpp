#include "runtime/io/address.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace weir {
namespace {

std::string numeric_text(const addrinfo& a) {
  char text[NI_MAXHOST] = {};
  const int e =
      ::getnameinfo(a.ai_addr, a.ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  return e == 0 ? text : "?";
}

/// 0, or errno.
int listen_at(const addrinfo& a, listening_socket& out) {
  const int fd = ::socket(a.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const int on = 1;
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(fd, a.ai_addr, a.ai_addrlen) != 0 || ::listen(fd, SOMAXCONN) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    const int why = errno;
    ::close(fd);
    return why;
  }
  out.fd = fd;
  out.v6 = bound.ss_family == AF_INET6;
  out.port = ntohs(out.v6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                          : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
  return 0;
}

}  // namespace

result<host_port> split_listener(const std::string& text) {
  host_port out;
  const auto at = text.rfind(':');
  const error wrong{errc::invalid_argument, "'" + text + "' is not HOST:PORT"};
  if (at == std::string::npos || at == 0) return wrong;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + at + 1, end, out.port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return wrong;
  out.host = text.substr(0, at);
  if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']')
    out.host = out.host.substr(1, out.host.size() - 2);
  return out;
}

result<host_port> split_address(const std::string& text) {
  auto out = split_listener(text);
  if (out && out->port == 0)
    return error{errc::invalid_argument, "'" + text + "' is not HOST:PORT"};
  return out;
}

std::string join_address(const std::string& host, uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool is_any_host(const std::string& host) {
  return host == "0.0.0.0" || host == "::";
}

result<listening_socket> listen_on(const host_port& where) {
  const auto failed = [&where](const std::string& why) {
    return error{errc::io, "cannot listen on " + join_address(where.host, where.port) + ": " + why};
  };
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int e =
          ::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found))
    return failed("the name '" + where.host + "' gives no address: " +
                  (e == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(e)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
  listening_socket out;
  std::string foreign;
  for (const bool v6 : {false, true})
    for (const addrinfo* a = found; a; a = a->ai_next) {
      if ((a->ai_family == AF_INET6) != v6) continue;
      const int why = listen_at(*a, out);
      if (why == 0) return out;
      const auto text = numeric_text(*a);
      const auto named = text == where.host ? "" : text + ": ";
      // Another address would not be where it is looked for: only what can't be this machine's is
      // passed over.
      if (why != EADDRNOTAVAIL && why != EAFNOSUPPORT) return failed(named + std::strerror(why));
      foreign += (foreign.empty() ? "" : "; ") + named + std::strerror(why) +
                 (why == EADDRNOTAVAIL ? " (this machine does not have that address)" : "");
    }
  return failed(foreign);
}

}  // namespace weir
