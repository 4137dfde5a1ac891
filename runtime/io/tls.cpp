#include "runtime/io/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace weir {
namespace {

// A record of TLS holds no more.
constexpr size_t file_chunk_bytes = size_t{16} << 10;

/// The oldest of this thread's errors, which is the cause of the others; they are forgotten.
std::string last_reason() {
  const auto code = ERR_get_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return reason ? reason : "unknown";
}

error unusable(const std::string& what, const std::string& path) {
  return error{errc::io, "cannot use " + what + " " + path + ": " + last_reason()};
}

/// OpenSSL's reasons do not tell that a file is missing.
status check_readable(const std::string& what, const std::string& path) {
  if (::access(path.c_str(), R_OK) == 0) return {};
  return error{errc::io, "cannot read " + what + " " + path + ": " + std::strerror(errno)};
}

/// Whether the context's certificate is one that its authority has signed: others refuse it, which
/// is better said here and now.
status check_signature(SSL_CTX* context, const tls_files& files) {
  std::unique_ptr<X509_STORE_CTX, void (*)(X509_STORE_CTX*)> check(X509_STORE_CTX_new(),
                                                                   X509_STORE_CTX_free);
  STACK_OF(X509)* between = nullptr;
  SSL_CTX_get0_chain_certs(context, &between);
  if (!check || X509_STORE_CTX_init(check.get(), SSL_CTX_get_cert_store(context),
                                    SSL_CTX_get0_certificate(context), between) != 1)
    return unusable("the certificate", files.certificate);
  if (X509_verify_cert(check.get()) == 1) return {};
  const auto why = X509_STORE_CTX_get_error(check.get());
  ERR_clear_error();
  return error{errc::io, "the certificate " + files.certificate + " is none of the authority " +
                             files.authority + ": " + X509_verify_cert_error_string(why)};
}

}  // namespace

status tls_files::check_complete() const {
  if (empty() || (!certificate.empty() && !key.empty() && !authority.empty())) return {};
  return error{errc::invalid_argument,
               "TLS between nodes needs all three: certificate, key and authority"};
}

result<tls_context_ptr> tls_context::load(const tls_files& files) {
  if (files.empty()) return tls_context_ptr();
  WEIR_TRY(files.check_complete());
  std::shared_ptr<tls_context> c(new tls_context(files));
  WEIR_TRY(c->open());
  return tls_context_ptr(std::move(c));
}

status tls_context::open() {
  WEIR_TRY(check_readable("the certificate", files_.certificate));
  WEIR_TRY(check_readable("the key", files_.key));
  WEIR_TRY(check_readable("the authority", files_.authority));
  ERR_clear_error();
  context_ = SSL_CTX_new(TLS_method());
  if (!context_) return error{errc::io, "no TLS: " + last_reason()};
  SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION);
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // Connections of nodes last: nothing is resumed.
  SSL_CTX_set_num_tickets(context_, 0);
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
  // An end without a word, as of a process that was killed, is an end.
  SSL_CTX_set_options(context_, SSL_OP_IGNORE_UNEXPECTED_EOF);
  if (SSL_CTX_use_certificate_chain_file(context_, files_.certificate.c_str()) != 1)
    return unusable("the certificate", files_.certificate);
  if (SSL_CTX_use_PrivateKey_file(context_, files_.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return unusable("the key", files_.key);
  if (SSL_CTX_check_private_key(context_) != 1)
    return unusable("the key of " + files_.certificate + " in", files_.key);
  if (SSL_CTX_load_verify_locations(context_, files_.authority.c_str(), nullptr) != 1)
    return unusable("the authority", files_.authority);
  return check_signature(context_, files_);
}

tls_context::~tls_context() {
  SSL_CTX_free(context_);
}

byte_channel::byte_channel(int socket, const tls_context_ptr& context, role r) : socket_(socket) {
  if (!context) return;
  session_ = SSL_new(context->native());
  if (!session_ || SSL_set_fd(session_, socket) != 1) {
    problem_ = last_reason();
    SSL_free(session_);
    session_ = nullptr;
    socket_ = -1;  // never in the clear
    return;
  }
  if (r == role::client)
    SSL_set_connect_state(session_);
  else
    SSL_set_accept_state(session_);
}

byte_channel::byte_channel(byte_channel&& o) noexcept
    : socket_(std::exchange(o.socket_, -1)),
      session_(std::exchange(o.session_, nullptr)),
      waits_for_(o.waits_for_),
      problem_(std::move(o.problem_)) {}

byte_channel& byte_channel::operator=(byte_channel&& o) noexcept {
  std::swap(socket_, o.socket_);
  std::swap(session_, o.session_);
  std::swap(waits_for_, o.waits_for_);
  std::swap(problem_, o.problem_);
  return *this;
}

byte_channel::~byte_channel() {
  SSL_free(session_);
}

ssize_t byte_channel::outcome(int returned) {
  if (returned > 0) return returned;
  const int system = errno;
  switch (SSL_get_error(session_, returned)) {
    case SSL_ERROR_WANT_READ:
      waits_for_ = POLLIN;
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_WANT_WRITE:
      waits_for_ = POLLOUT;
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    case SSL_ERROR_SYSCALL:
      ERR_clear_error();
      errno = system == 0 ? ECONNRESET : system;
      return -1;
    default:
      problem_ = "TLS: " + last_reason();
      errno = EPROTO;
      return -1;
  }
}

ssize_t byte_channel::read(std::span<std::byte> into) {
  if (!session_) {
    waits_for_ = POLLIN;
    return ::recv(socket_, into.data(), into.size(), 0);
  }
  ERR_clear_error();
  errno = 0;
  return outcome(
      SSL_read(session_, into.data(), static_cast<int>(std::min<size_t>(into.size(), INT_MAX))));
}

ssize_t byte_channel::write(std::span<const std::byte> bytes, bool more) {
  if (!session_) {
    waits_for_ = POLLOUT;
    return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | (more ? MSG_MORE : 0));
  }
  ERR_clear_error();
  errno = 0;
  return outcome(
      SSL_write(session_, bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), INT_MAX))));
}

ssize_t byte_channel::write_file(int file, uint64_t offset, size_t bytes) {
  if (!session_) {
    waits_for_ = POLLOUT;
    auto at = static_cast<off_t>(offset);
    return ::sendfile(socket_, file, &at, bytes);
  }
  thread_local std::byte chunk[file_chunk_bytes];
  const auto n =
      ::pread(file, chunk, std::min(bytes, file_chunk_bytes), static_cast<off_t>(offset));
  return n <= 0 ? n : write({chunk, static_cast<size_t>(n)});
}

int byte_channel::handshake() {
  if (!session_) return socket_ >= 0 ? 1 : (errno = EPROTO, -1);
  ERR_clear_error();
  errno = 0;
  const auto n = outcome(SSL_do_handshake(session_));
  if (n == 0) errno = ECONNRESET;
  return n > 0 ? 1 : -1;
}

bool byte_channel::pending() const noexcept {
  return session_ && SSL_pending(session_) > 0;
}

}  // namespace weir
