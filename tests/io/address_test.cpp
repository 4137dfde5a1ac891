// HOST:PORT: what is taken apart and put together, and which names can be listened on.
#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "runtime/io/address.hpp"

using namespace weir;

namespace {

/// The text of the address that it listens on, which ends; or the error's text.
std::string listens(const host_port& where, uint16_t* port = nullptr) {
  auto s = listen_on(where);
  if (!s) return s.err().message;
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  REQUIRE(::getsockname(s->fd, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  char host[NI_MAXHOST] = {}, service[NI_MAXSERV] = {};
  REQUIRE(::getnameinfo(reinterpret_cast<sockaddr*>(&at), size, host, sizeof host, service,
                        sizeof service, NI_NUMERICHOST | NI_NUMERICSERV) == 0);
  CHECK(std::to_string(s->port) == service);
  CHECK(s->v6 == (at.ss_family == AF_INET6));
  if (port) *port = s->port;
  ::close(s->fd);
  return host;
}

/// Whether this machine has IPv6 on its loopback.
bool has_ipv6() {
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in6 at{};
  at.sin6_family = AF_INET6;
  at.sin6_addr = in6addr_loopback;
  const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0;
  ::close(fd);
  return bound;
}

}  // namespace

TEST_CASE("addresses are taken apart and put together") {
  auto shown = [](const std::string& text) {
    auto a = split_listener(text);
    return a ? a->host + " " + std::to_string(a->port) : a.err().message;
  };
  CHECK(shown("node-1.weir.svc:9092") == "node-1.weir.svc 9092");
  CHECK(shown("[::1]:0") == "::1 0");
  CHECK(shown("[::]:9092") == ":: 9092");
  for (const char* wrong : {"", "a", "a:", ":1", "a:x", "a:65536", "a:-1", "a:1 "})
    CHECK(shown(wrong) == "'" + std::string(wrong) + "' is not HOST:PORT");
  CHECK(split_address("a:0").err().message == "'a:0' is not HOST:PORT");
  for (const char* text : {"a:1", "10.0.0.1:65535", "[fd00::7]:9092"}) {
    auto a = split_address(text);
    REQUIRE(a.ok());
    CHECK(join_address(a->host, a->port) == text);
  }
  CHECK(is_any_host("0.0.0.0"));
  CHECK(is_any_host("::"));
  CHECK(!is_any_host("127.0.0.1"));
}

TEST_CASE("listening on addresses and names") {
  CHECK(listens({"127.0.0.1", 0}) == "127.0.0.1");
  CHECK(listens({"0.0.0.0", 0}) == "0.0.0.0");
  // Also where the name has ::1 first.
  CHECK(listens({"localhost", 0}) == "127.0.0.1");
  if (has_ipv6()) {
    CHECK(listens({"::1", 0}) == "::1");
    CHECK(listens({"::", 0}) == "::");
  } else {
    MESSAGE("skipped: this machine has no IPv6");
  }
}

TEST_CASE("listening on the machine's own name") {
  char name[256] = {};
  REQUIRE(::gethostname(name, sizeof name - 1) == 0);
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(name, nullptr, &hints, &found) != 0) {
    MESSAGE("skipped: this machine's name, " << name << ", does not resolve");
    return;
  }
  ::freeaddrinfo(found);
  uint16_t port = 0;
  const auto host = listens({name, 0}, &port);
  unsigned char bytes[16];
  CHECK_MESSAGE((::inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
                 ::inet_pton(AF_INET6, host.c_str(), bytes) == 1),
                host);
  CHECK(port != 0);
}

TEST_CASE("what can't be listened on says the name and why") {
  const auto unknown = listens({"no-such-host.invalid", 9092});
  CHECK_MESSAGE(unknown.starts_with("cannot listen on no-such-host.invalid:9092: the name "
                                    "'no-such-host.invalid' gives no address: "),
                unknown);
  // For documentation (RFC 5737): nobody has it.
  CHECK(
      listens({"198.51.100.7", 9092}) ==
      "cannot listen on 198.51.100.7:9092: Cannot assign requested address (this machine does not "
      "have that address)");
  const auto first = listen_on({"127.0.0.1", 0});
  REQUIRE(first.ok());
  const auto port = std::to_string(first->port);
  CHECK(listens({"127.0.0.1", first->port}) ==
        "cannot listen on 127.0.0.1:" + port + ": Address already in use");
  CHECK(listens({"localhost", first->port}) ==
        "cannot listen on localhost:" + port + ": 127.0.0.1: Address already in use");
  ::close(first->fd);
}
