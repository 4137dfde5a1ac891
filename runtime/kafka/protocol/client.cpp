#include "runtime/kafka/protocol/client.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <system_error>

#include "runtime/kafka/protocol/messages/data.hpp"

namespace weir::kafka {
namespace {

using steady = std::chrono::steady_clock;

// Waits until the socket can be read or written. 0, or an errno (ETIMEDOUT, ECANCELED).
int wait_for(int socket, short events, steady::time_point deadline, int cancel) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady::now()).count();
    pollfd p[2] = {{socket, events, 0}, {cancel, POLLIN, 0}};
    const int n = ::poll(p, 2, static_cast<int>(std::max<int64_t>(left, 0)));
    if (n > 0) return p[1].revents != 0 ? ECANCELED : 0;
    if (n == 0) return ETIMEDOUT;
    if (errno != EINTR) return errno;
  }
}

// 0, or an errno.
int connect_within(int socket, const addrinfo& to, steady::time_point deadline, int cancel) {
  if (::connect(socket, to.ai_addr, to.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (const int e = wait_for(socket, POLLOUT, deadline, cancel)) return e;
  int e = 0;
  socklen_t size = sizeof e;
  if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &e, &size) != 0) return errno;
  return e;
}

error failure(const std::string& address, const char* what, int error_number) {
  return error(error_number == ETIMEDOUT ? errc::timeout : errc::io,
               address + ": " + what + ": " + std::generic_category().message(error_number));
}

}  // namespace

result<client> client::connect(const std::string& host, uint16_t port, client_options options) {
  const std::string address = host + ":" + std::to_string(port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int e = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found))
    return error(errc::io, address + ": cannot resolve: " + ::gai_strerror(e));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
  const auto deadline = steady::now() + std::chrono::milliseconds(options.connect_timeout_ms);
  int last = ECONNREFUSED;
  for (const addrinfo* a = found; a; a = a->ai_next) {
    const int s =
        ::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (s < 0) {
      last = errno;
      continue;
    }
    last = connect_within(s, *a, deadline, options.cancel_fd);
    if (last == 0) {
      // Without it, small requests wait for the acknowledgement of the one before. A socket that
      // refuses it still works.
      const int on = 1;
      (void)::setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      client made(s, address, std::move(options));
      WEIR_TRY(made.shake_hands());
      return made;
    }
    ::close(s);
  }
  return failure(address, "cannot connect", last);
}

client::client(client&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      channel_(std::move(other.channel_)),
      address_(std::move(other.address_)),
      options_(std::move(other.options_)),
      last_id_(other.last_id_),
      out_(std::move(other.out_)),
      in_(std::move(other.in_)),
      broker_(std::move(other.broker_)) {}

client& client::operator=(client&& other) noexcept {
  if (this == &other) return *this;
  close();
  socket_ = std::exchange(other.socket_, -1);
  channel_ = std::move(other.channel_);
  address_ = std::move(other.address_);
  options_ = std::move(other.options_);
  last_id_ = other.last_id_;
  out_ = std::move(other.out_);
  in_ = std::move(other.in_);
  broker_ = std::move(other.broker_);
  return *this;
}

client::~client() {
  close();
}

void client::close() noexcept {
  channel_ = {};
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

error client::failed(const char* what, int error_number) {
  const auto problem = channel_.problem();
  close();
  if (!problem.empty()) return error(errc::io, address_ + ": " + what + ": " + problem);
  return failure(address_, what, error_number);
}

status client::shake_hands() {
  const auto deadline = steady::now() + std::chrono::milliseconds(options_.connect_timeout_ms);
  while (channel_.handshake() < 0) {
    int e = errno;
    if (e == EAGAIN) e = wait_for(socket_, channel_.waits_for(), deadline, options_.cancel_fd);
    if (e != 0 && e != EINTR) return failed("cannot connect", e);
  }
  return {};
}

status client::send_bytes(bytes_view bytes) {
  const auto deadline = steady::now() + std::chrono::milliseconds(options_.timeout_ms);
  while (!bytes.empty()) {
    const ssize_t n = channel_.write(bytes);
    if (n >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      if (const int e = wait_for(socket_, channel_.waits_for(), deadline, options_.cancel_fd))
        return failed("cannot send", e);
    } else if (errno != EINTR) {
      return failed("cannot send", errno);
    }
  }
  return {};
}

status client::receive_exactly(std::byte* to, size_t size) {
  const auto deadline = steady::now() + std::chrono::milliseconds(options_.timeout_ms);
  while (size > 0) {
    const ssize_t n = channel_.read({to, size});
    if (n > 0) {
      to += n, size -= static_cast<size_t>(n);
    } else if (n == 0) {
      close();
      return error(errc::io, address_ + ": the broker closed the connection");
    } else if (errno == EAGAIN) {
      if (const int e = wait_for(socket_, channel_.waits_for(), deadline, options_.cancel_fd))
        return failed("cannot receive", e);
    } else if (errno != EINTR) {
      return failed("cannot receive", errno);
    }
  }
  return {};
}

status client::receive_frame() {
  std::array<std::byte, 4> head;
  WEIR_TRY(receive_exactly(head.data(), head.size()));
  reader r(head);
  const int32_t size = r.int32("length");
  if (size < 0 || static_cast<size_t>(size) > options_.response_bytes_max) {
    close();
    return error(errc::parse,
                 address_ + ": an answer of " + std::to_string(size) + " bytes is refused");
  }
  in_.resize(static_cast<size_t>(size));
  return receive_exactly(in_.data(), in_.size());
}

result<bytes_view> client::receive_bytes() {
  WEIR_TRY(receive_frame());
  return bytes_view(in_);
}

status client::read_header(reader& r, int16_t key, int16_t version, int32_t correlation_id) {
  WEIR_ASSIGN(const int32_t id, decode_response_header(r, *find_api(key), version));
  if (id == correlation_id) return {};
  close();
  return error(errc::parse, address_ + ": an answer to request " + std::to_string(id) +
                                " where the one to " + std::to_string(correlation_id) +
                                " was expected");
}

result<int16_t> client::version_of(api_key key) {
  if (!broker_) {
    // Version 0 is the one that every broker can read and answer.
    WEIR_ASSIGN(const auto answer, request(api_versions_request{}, 0));
    if (answer.error_code != error_code::none)
      return error(errc::unsupported,
                   address_ + ": ApiVersions: " + std::string(message_of(answer.error_code)));
    broker_.emplace();
    for (const auto& a : answer.api_keys)
      broker_->push_back({a.api_key, a.min_version, a.max_version});
  }
  const auto* ours = find_api(static_cast<int16_t>(key));
  weir_assert(ours != nullptr, "a key of no API");
  for (const auto& theirs : *broker_) {
    if (theirs.key != static_cast<int16_t>(key)) continue;
    const int16_t version = std::min(theirs.max, ours->max_version);
    if (version >= std::max(theirs.min, ours->min_version)) return version;
    return error(errc::unsupported, address_ + ": " + ours->name + ": the broker has versions " +
                                        std::to_string(theirs.min) + " to " +
                                        std::to_string(theirs.max) + ", we have " +
                                        std::to_string(ours->min_version) + " to " +
                                        std::to_string(ours->max_version));
  }
  return error(errc::unsupported, address_ + ": the broker does not have " + ours->name);
}

}  // namespace weir::kafka
