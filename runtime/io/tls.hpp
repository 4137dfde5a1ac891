// TLS between the nodes of a cluster. Both ends show a certificate of one authority, which signs
// for this cluster and nothing else: who has such a certificate is a member, whatever its address
// (names in certificates are not compared). TLS 1.3 only. Contexts are shared by threads; a channel
// belongs to the one that owns its socket.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "runtime/base/result.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace weir {

/// Paths of PEM files. All empty: no TLS.
struct tls_files {
  std::string certificate;  // of this node, with what is between it and the authority behind it
  std::string key;          // of the certificate, without a passphrase
  std::string authority;    // whose certificates are taken
  bool empty() const { return certificate.empty() && key.empty() && authority.empty(); }
  /// All of them or none; errc::invalid_argument.
  status check_complete() const;
};

class tls_context {
 public:
  /// Null for no files. errc::invalid_argument when one of them is missing in the settings,
  /// errc::io (with the file and OpenSSL's reason) when it cannot be used, or the certificate is
  /// none of the authority.
  static result<std::shared_ptr<const tls_context>> load(const tls_files&);
  ~tls_context();
  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;

  const tls_files& files() const noexcept { return files_; }
  ssl_ctx_st* native() const noexcept { return context_; }

 private:
  explicit tls_context(tls_files f) : files_(std::move(f)) {}
  status open();

  tls_files files_;
  ssl_ctx_st* context_ = nullptr;
};
using tls_context_ptr = std::shared_ptr<const tls_context>;

/// The bytes of a non-blocking socket, which it does not own, as they are or under TLS.
class byte_channel {
 public:
  enum class role { client, server };
  byte_channel() = default;
  byte_channel(int socket, const tls_context_ptr&, role);
  byte_channel(byte_channel&&) noexcept;
  byte_channel& operator=(byte_channel&&) noexcept;
  ~byte_channel();

  /// As recv(2), send(2) (`more`: MSG_MORE) and sendfile(2): bytes; 0 at the other side's end; or
  /// -1 with errno. After EAGAIN the call is repeated with the same bytes when the socket is ready
  /// for waits_for(). A failure of TLS itself is EPROTO, and problem() says what.
  ssize_t read(std::span<std::byte>);
  ssize_t write(std::span<const std::byte>, bool more = false);
  ssize_t write_file(int file, uint64_t offset, size_t bytes);
  /// Agrees with the other side (without TLS there is nothing to agree on): 1, or -1 with errno.
  /// Reading and writing do it by themselves.
  int handshake();

  /// POLLIN or POLLOUT: what the last call that ended with EAGAIN needs.
  short waits_for() const noexcept { return waits_for_; }
  /// Bytes are here that the socket does not show: read() again before waiting for it.
  bool pending() const noexcept;
  /// Of EPROTO; else empty.
  const std::string& problem() const noexcept { return problem_; }

 private:
  ssize_t outcome(int returned);

  int socket_ = -1;
  ssl_st* session_ = nullptr;
  short waits_for_ = 0;
  std::string problem_;
};

}  // namespace weir
