#include "actors/gateway/listener.hpp"

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <unordered_map>

#include "runtime/io/acceptor.hpp"

namespace weir {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

constexpr auto idle_look_interval = std::chrono::seconds(10);
// After an accept that failed for want of descriptors: others may close meanwhile.
constexpr auto accept_pause = std::chrono::milliseconds(100);
// While requests wait for memory: those that hold some and are not complete after this time give
// it back, the largest first, until so much of the whole is free again.
constexpr auto complete_within = std::chrono::seconds(3);
constexpr auto pressure_look_interval = std::chrono::milliseconds(500);
constexpr size_t freed_part = 4;

}  // namespace

struct listener::impl {
  listener_options options;
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  asio::steady_timer timer{context}, pause{context}, pressure{context};
  bool pressed = false;  // `pressure` is running
  std::shared_ptr<request_memory> memory;
  request_handler* handler = nullptr;
  std::unordered_map<uint64_t, std::weak_ptr<connection>> connections;
  std::atomic<size_t> count{0};
  uint64_t next_id = 1;
  std::string host;
  uint16_t port = 0;
  std::thread thread;

  void accept() {
    acceptor.async_accept([this](boost::system::error_code e, tcp::socket socket) {
      if (!acceptor.is_open()) return;
      if (e) {
        pause.expires_after(accept_pause);
        pause.async_wait([this](boost::system::error_code stopped) {
          if (!stopped) accept();
        });
        return;
      }
      if (connections.size() >= options.connections_max) sweep();
      if (connections.size() < options.connections_max && host_may_connect(socket)) {
        auto c = std::make_shared<connection>(std::move(socket), options.tls, *handler, memory,
                                              options.limits, next_id);
        connections.emplace(next_id++, c);
        count.store(connections.size(), std::memory_order_relaxed);
        c->start();
      }  // else the socket closes: the client sees its connection end
      accept();
    });
  }
  /// Counted only where there is a limit.
  bool host_may_connect(const tcp::socket& socket) {
    if (options.connections_per_host_max >= options.connections_max) return true;
    boost::system::error_code e;
    auto remote = socket.remote_endpoint(e);
    if (e) return false;
    const auto from = connection::host_text(remote);
    size_t others = 0;
    for (const auto& [id, c] : connections)
      if (auto alive = c.lock(); alive && alive->open() && alive->host() == from) ++others;
    return others < options.connections_per_host_max;
  }
  /// Forgets connections that are gone.
  void sweep() {
    std::erase_if(connections, [](const auto& c) { return c.second.expired(); });
    count.store(connections.size(), std::memory_order_relaxed);
  }
  void look() {
    timer.expires_after(idle_look_interval);
    timer.async_wait([this](boost::system::error_code e) {
      if (e) return;
      sweep();
      auto now = std::chrono::steady_clock::now();
      for (auto& [id, c] : connections)
        if (auto alive = c.lock()) alive->close_if_idle(now);
      look();
    });
  }
  /// Somebody waits for memory. On the listener's thread.
  void press() {
    if (std::exchange(pressed, true)) return;
    pressure.expires_after(pressure_look_interval);
    pressure.async_wait([this](boost::system::error_code e) {
      pressed = false;
      if (!e && relieve()) press();
    });
  }
  /// Whether somebody still waits.
  bool relieve() {
    const auto before = std::chrono::steady_clock::now() - complete_within;
    bool waits = false;
    std::vector<std::pair<size_t, connection_ptr>> slow;
    for (auto& [id, c] : connections) {
      auto alive = c.lock();
      if (!alive) continue;
      waits = waits || alive->waits_for_memory();
      if (auto bytes = alive->incomplete_bytes(before)) slow.emplace_back(bytes, std::move(alive));
    }
    if (!waits) return false;
    std::sort(slow.begin(), slow.end(), std::greater<>());
    size_t freed = 0;
    for (auto& [bytes, c] : slow) {
      if (freed >= options.request_memory_bytes / freed_part) break;
      c->close();
      freed += bytes;
    }
    return true;
  }
  void released() {
    asio::post(context, [this] {
      for (auto& [id, c] : connections)
        if (auto alive = c.lock()) alive->memory_released();
    });
  }
};

listener::listener(std::unique_ptr<impl> i) : impl_(std::move(i)) {}

result<std::unique_ptr<listener>> listener::open(listener_options o) {
  WEIR_ASSIGN(const auto where, split_listener(o.address));
  auto i = std::make_unique<impl>();
  WEIR_ASSIGN(i->port, listen_with(i->acceptor, where));
  i->host = where.host;
  o.request_memory_bytes = std::max(o.request_memory_bytes, o.limits.request_bytes_max);
  i->memory = std::make_shared<request_memory>(o.request_memory_bytes);
  i->options = std::move(o);
  return std::unique_ptr<listener>(new listener(std::move(i)));
}

void listener::start(request_handler& h) {
  impl_->handler = &h;
  impl_->memory->on_release([p = impl_.get()] { p->released(); });
  impl_->memory->on_wait([p = impl_.get()] { p->press(); });
  impl_->accept();
  impl_->look();
  impl_->thread = std::thread([p = impl_.get()] { p->context.run(); });
}

void listener::stop() {
  if (!impl_->thread.joinable()) return;
  asio::post(impl_->context, [p = impl_.get()] {
    boost::system::error_code ignored;
    p->acceptor.close(ignored);
    p->timer.cancel();
    p->pause.cancel();
    p->pressure.cancel();
    for (auto& [id, c] : p->connections)
      if (auto alive = c.lock()) alive->close();
    p->context.stop();
  });
  impl_->thread.join();
}

listener::~listener() {
  stop();
}

const std::string& listener::host() const noexcept {
  return impl_->host;
}
std::string listener::reachable_host() const {
  if (!is_any_host(host())) return host();
  char name[HOST_NAME_MAX + 1] = {};
  return ::gethostname(name, HOST_NAME_MAX) == 0 ? name : "localhost";
}

uint16_t listener::port() const noexcept {
  return impl_->port;
}
asio::io_context& listener::context() noexcept {
  return impl_->context;
}
size_t listener::connections() const noexcept {
  return impl_->count.load(std::memory_order_relaxed);
}

}  // namespace weir
