#include "runtime/kafka/peers/peer_client.hpp"

#include <netinet/tcp.h>

#include <utility>  // Boost.Asio 1.74 needs it and does not say so

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <thread>

namespace weir::kafka {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using steady = std::chrono::steady_clock;

constexpr size_t length_bytes = 4;

struct pending {
  std::vector<std::byte> frame;
  size_t size = 0;  // of the frame, which is given back when it is sent
  steady::time_point until;
  std::function<void(result<bytes_view>)> done;  // null: its time is over, the answer is dropped
};

/// One connection. Operations under way hold it, so that it outlives its being given up.
struct wire {
  explicit wire(asio::io_context& io) : socket(io) {}
  void secure(const tls_context_ptr& c) {
    SSL_CTX_up_ref(c->native());  // for the next, which owns what it is given
    context.emplace(c->native());
    stream.emplace(socket, *context);
  }
  template <class F>
  void with_stream(F f) {
    if (stream)
      f(*stream);
    else
      f(socket);
  }

  tcp::socket socket;
  std::optional<asio::ssl::context> context;
  std::optional<asio::ssl::stream<tcp::socket&>> stream;
};

/// What a connection that ends before anything was said may come from.
std::string different_security(bool secure) {
  return secure ? " (does that node speak TLS to other nodes? All nodes of a cluster do, or none)"
                : " before it has answered anything (does that node take TLS only? All nodes of a "
                  "cluster speak it to each other, or none)";
}

/// One address. Lives on the client's thread.
class link : public std::enable_shared_from_this<link> {
 public:
  link(asio::io_context& io, std::string address, const peer_client_options& options)
      : io_(io), options_(options), address_(std::move(address)), timer_(io) {}

  void send(pending p) {
    if (waiting_bytes_ + p.size > options_.waiting_bytes_max)
      return p.done(error{errc::io, "too much waits for " + address_});
    if (state_ == state::idle && steady::now() < refused_until_)
      return p.done(error{errc::io, "no connection to " + address_ + ": " + reason_});
    waiting_bytes_ += p.size;
    queue_.push_back(std::move(p));
    if (state_ == state::idle) connect();
    if (state_ == state::open) write();
    watch();
  }
  void stop() { fail(errc::cancelled, "the node stops"); }

 private:
  enum class state { idle, connecting, open };

  void connect() {
    state_ = state::connecting;
    wire_ = std::make_shared<wire>(io_);
    const auto tenure = ++tenure_;
    auto at = address_.rfind(':');
    if (at == std::string::npos) return fail(errc::io, "'" + address_ + "' is not HOST:PORT");
    auto host = address_.substr(0, at);
    if (host.size() > 1 && host.front() == '[') host = host.substr(1, host.size() - 2);
    connect_until_ = steady::now() + options_.connect_timeout;
    auto resolver = std::make_shared<tcp::resolver>(io_);
    auto self = shared_from_this();
    resolver->async_resolve(
        host, address_.substr(at + 1),
        [this, self, resolver, tenure](boost::system::error_code e, tcp::resolver::results_type r) {
          if (tenure != tenure_) return;
          if (e) return fail(errc::io, e.message());
          asio::async_connect(
              wire_->socket, r,
              [this, self, w = wire_, tenure](boost::system::error_code f, const auto&) {
                if (tenure != tenure_) return;
                if (f) return fail(errc::io, f.message());
                connected();
              });
        });
  }
  void connected() {
    auto& socket = wire_->socket;
    boost::system::error_code
        ignored;  // these make it quicker or notice more, nothing rests on them
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    const auto silence = static_cast<int>(options_.silence_max.count());
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, sizeof silence);
    if (!options_.tls) return opened();
    wire_->secure(options_.tls);
    wire_->stream->async_handshake(
        asio::ssl::stream_base::client, [this, self = shared_from_this(), w = wire_,
                                         tenure = tenure_](boost::system::error_code e) {
          if (tenure != tenure_) return;
          if (e) return fail(errc::io, "TLS: " + e.message() + different_security(true));
          opened();
        });
  }
  void opened() {
    state_ = state::open;
    answered_ = false;
    write();
    read_length();
  }
  void write() {
    if (writing_ || queue_.empty()) return;
    writing_ = true;
    // All that waits goes in one call; sent requests keep their place in the order of answers.
    auto batch = std::make_shared<std::vector<std::vector<std::byte>>>();
    std::vector<asio::const_buffer> buffers;
    while (!queue_.empty() && batch->size() < 64) {
      auto& p = queue_.front();
      batch->push_back(std::move(p.frame));
      p.frame = {};
      sent_.push_back(std::move(p));
      queue_.pop_front();
    }
    for (const auto& f : *batch) buffers.emplace_back(f.data(), f.size());
    auto self = shared_from_this();
    auto written = [this, self, w = wire_, batch, tenure = tenure_](boost::system::error_code e,
                                                                    size_t) {
      if (tenure != tenure_) return;
      writing_ = false;
      if (e) return fail(errc::io, e.message());
      write();
    };
    wire_->with_stream([&](auto& stream) { asio::async_write(stream, buffers, written); });
  }
  void read_length() {
    read(asio::buffer(length_), [this] {
      size_t n = 0;
      for (auto b : length_) n = n << 8 | std::to_integer<size_t>(b);
      if (n > options_.response_bytes_max)
        return fail(errc::corrupt, "an answer of " + std::to_string(n) + " bytes");
      read_body(n);
    });
  }
  void read_body(size_t n) {
    body_.resize(n);
    read(asio::buffer(body_), [this] {
      if (sent_.empty()) return fail(errc::corrupt, "an answer to nothing");
      const auto tenure = tenure_;
      auto p = std::move(sent_.front());
      sent_.pop_front();
      waiting_bytes_ -= p.size;
      answered_ = true;
      if (p.done) p.done(bytes_view(body_));
      if (tenure == tenure_) read_length();
    });
  }
  /// All of `into`, then `next`.
  template <class Next>
  void read(asio::mutable_buffer into, Next next) {
    auto done = [this, self = shared_from_this(), w = wire_, tenure = tenure_, next](
                    boost::system::error_code e, size_t) {
      if (tenure != tenure_) return;
      if (e)
        return fail(errc::io,
                    e.message() + (answered_ || options_.tls ? "" : different_security(false)));
      next();
    };
    wire_->with_stream([&](auto& stream) { asio::async_read(stream, into, done); });
  }

  /// One timer for all requests: it looks again when the first of them may be late.
  void watch() {
    if (watching_) return;
    watching_ = true;
    timer_.expires_after(std::chrono::milliseconds(20));
    timer_.async_wait([this, self = shared_from_this()](boost::system::error_code e) {
      watching_ = false;
      if (!e) expire();
    });
  }
  void expire() {
    const auto now = steady::now();
    if (state_ == state::connecting && now >= connect_until_)
      return fail(errc::timeout, "no connection in time");
    for (auto* list : {&sent_, &queue_})
      for (auto& p : *list)
        if (p.done && now >= p.until)
          std::exchange(p.done, nullptr)(error{errc::timeout, address_ + " does not answer"});
    while (!queue_.empty() && !queue_.front().done) {
      waiting_bytes_ -= queue_.front().size;
      queue_.pop_front();
    }
    // Whoever does not answer at all for so long behind the time of a request is not there.
    if (!sent_.empty() && now >= sent_.front().until + options_.silence_max)
      return fail(errc::timeout, "no answer in time");
    if (!sent_.empty() || !queue_.empty()) watch();
  }
  void fail(errc code, const std::string& why) {
    ++tenure_;
    boost::system::error_code ignored;  // of a socket that is given up
    if (wire_) wire_->socket.close(ignored);
    wire_.reset();
    state_ = state::idle;
    writing_ = false;
    waiting_bytes_ = 0;
    reason_ = why;
    refused_until_ = steady::now() + options_.backoff;
    auto sent = std::exchange(sent_, {});
    auto queue = std::exchange(queue_, {});
    for (auto* list : {&sent, &queue})
      for (auto& p : *list)
        if (p.done) p.done(error{code, address_ + ": " + why});
  }

  asio::io_context& io_;
  const peer_client_options& options_;
  std::string address_;
  std::shared_ptr<wire> wire_;
  asio::steady_timer timer_;
  state state_ = state::idle;
  uint64_t tenure_ = 0;  // of the connection: what older operations say is ignored
  bool writing_ = false, watching_ = false;
  bool answered_ = false;  // anything, on this connection
  steady::time_point connect_until_, refused_until_;
  std::string reason_;
  size_t waiting_bytes_ = 0;
  std::deque<pending> queue_, sent_;
  std::array<std::byte, length_bytes> length_{};
  std::vector<std::byte> body_;
};

}  // namespace

struct peer_client::impl {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::atomic<int32_t> id{0};
  std::map<std::string, std::shared_ptr<link>> links;
  bool stopped = false;  // on the thread
  std::thread thread;
};

peer_client::peer_client(peer_client_options o)
    : options_(std::move(o)), impl_(std::make_unique<impl>()) {
  impl_->thread = std::thread([this] { impl_->io.run(); });
}

peer_client::~peer_client() {
  asio::post(impl_->io, [this] {
    impl_->stopped = true;
    for (auto& [address, l] : impl_->links) l->stop();
    impl_->io.stop();
  });
  impl_->thread.join();
}

int32_t peer_client::next_id() {
  return impl_->id.fetch_add(1, std::memory_order_relaxed) & INT32_MAX;
}

void peer_client::send(const std::string& address, std::vector<std::byte> frame,
                       std::chrono::milliseconds timeout, frame_callback done) {
  asio::post(impl_->io,
             [this, address, timeout, frame = std::move(frame), done = std::move(done)]() mutable {
               if (impl_->stopped) return done(error{errc::cancelled, "the node stops"});
               auto& l = impl_->links[address];
               if (!l) l = std::make_shared<link>(impl_->io, address, options_);
               const auto size = frame.size();
               l->send({std::move(frame), size, steady::now() + timeout, std::move(done)});
             });
}

}  // namespace weir::kafka
