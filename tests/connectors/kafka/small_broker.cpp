#include "small_broker.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "wire.hpp"

namespace weir::test {
namespace {

bool read_all(int socket, char* to, size_t n) {
  while (n) {
    auto got = ::recv(socket, to, n, 0);
    if (got <= 0) return false;
    to += got;
    n -= static_cast<size_t>(got);
  }
  return true;
}
bool write_all(int socket, std::string_view s) {
  while (!s.empty()) {
    auto sent = ::send(socket, s.data(), s.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    s.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

}  // namespace

small_broker::small_broker(uint16_t port) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.sin_port = htons(port);
  socklen_t n = sizeof a;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&a), n) || ::listen(listener_, 64) ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&a), &n))
    throw std::runtime_error("the broker cannot listen");
  port_ = ntohs(a.sin_port);
  acceptor_ = std::thread([this] { accept_connections(); });
}

small_broker::~small_broker() {
  std::vector<std::thread> threads;
  {
    std::lock_guard lock(m_);
    stopping_ = true;
    for (int s : sockets_) ::shutdown(s, SHUT_RDWR);
  }
  grown_.notify_all();
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (auto& t : threads_) t.join();
  ::close(listener_);
}

void small_broker::create(const std::string& topic, int partitions) {
  std::lock_guard lock(m_);
  auto& all = topics_[topic];
  while (static_cast<int>(all.size()) < partitions) all.push_back(std::make_unique<partition>());
}
void small_broker::fail_next(int16_t api, int16_t error) {
  std::lock_guard lock(m_);
  failures_[api].push_back(error);
}
void small_broker::drop_next(int16_t api) {
  std::lock_guard lock(m_);
  ++drops_[api];
}
void small_broker::forget_failures() {
  std::lock_guard lock(m_);
  failures_.clear();
  drops_.clear();
}
int small_broker::requests(int16_t api) const {
  std::lock_guard lock(m_);
  auto it = requests_.find(api);
  return it == requests_.end() ? 0 : it->second;
}
int small_broker::open_transactions() const {
  std::lock_guard lock(m_);
  return static_cast<int>(std::count_if(transactions_.begin(), transactions_.end(),
                                        [](const auto& t) { return t.second.ongoing; }));
}

small_broker::partition* small_broker::find(const std::string& topic, int32_t index) {
  auto it = topics_.find(topic);
  if (it == topics_.end() || index < 0 || static_cast<size_t>(index) >= it->second.size())
    return nullptr;
  return it->second[static_cast<size_t>(index)].get();
}

void small_broker::accept_connections() {
  while (true) {
    int s = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    std::lock_guard lock(m_);
    if (s < 0 || stopping_) {
      if (s >= 0) ::close(s);
      return;
    }
    int on = 1;
    ::setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockets_.insert(s);
    threads_.emplace_back([this, s] { serve(s); });
  }
}

void small_broker::serve(int socket) {
  std::string request;
  for (char head[4]; read_all(socket, head, 4);) {
    request.resize(peek<uint32_t>(std::string(head, 4), 0));
    if (!read_all(socket, request.data(), request.size())) break;
    bool on = false;
    wire_writer out;
    try {
      wire_reader in(request);
      auto api = in.i16(), version = in.i16();
      auto correlation = in.i32();
      (void)in.text();  // client id
      out.i32(correlation);
      on = answer(api, version, in, out);
    } catch (const std::runtime_error&) {
    }
    wire_writer length;
    length.i32(static_cast<int32_t>(out.out.size()));
    if (!on || !write_all(socket, length.out + out.out)) break;
  }
  std::lock_guard lock(m_);
  sockets_.erase(socket);
  ::close(socket);
}

bool small_broker::answer(int16_t api, int16_t version, wire_reader& in, wire_writer& out) {
  std::unique_lock lock(m_);
  if (stopping_) return false;
  ++requests_[api];
  failure_ = 0;
  if (auto& f = failures_[api]; !f.empty()) {
    failure_ = f.front();
    f.pop_front();
  }
  switch (api) {
    case api_versions:
      on_versions(version, out);
      break;
    case metadata:
      on_metadata(in, out);
      break;
    case produce:
      on_produce(in, out);
      break;
    case fetch:
      lock.unlock();
      on_fetch(in, out);
      lock.lock();
      break;
    case list_offsets:
      on_list_offsets(in, out);
      break;
    case offset_commit:
      on_offset_commit(in, out);
      break;
    case offset_fetch:
      on_offset_fetch(in, out);
      break;
    case find_coordinator:
      out.i32(0).i16(failure_).text("").i32(1).text("127.0.0.1").i32(port_);
      break;
    case init_producer_id:
      on_init_producer(in, out);
      break;
    case add_partitions:
      on_add_partitions(in, out);
      break;
    case add_offsets:
      on_add_offsets(in, out);
      break;
    case txn_offset_commit:
      on_txn_offset_commit(in, out);
      break;
    case end_transaction:
      on_end_transaction(in, out);
      break;
    default:
      return false;
  }
  if (drops_[api] > 0) {
    --drops_[api];
    return false;
  }
  return true;
}

void small_broker::on_versions(int16_t version, wire_writer& out) {
  // Only the newest of each is understood, which is what clients choose; librdkafka turns features
  // off where the first one is not named.
  constexpr std::pair<int16_t, int16_t> known[] = {
      {produce, 3},          {fetch, 4},          {list_offsets, 2},     {metadata, 2},
      {offset_commit, 2},    {offset_fetch, 1},   {find_coordinator, 1}, {api_versions, 0},
      {init_producer_id, 0}, {add_partitions, 0}, {add_offsets, 0},      {end_transaction, 0},
      {txn_offset_commit, 0}};
  out.i16(version > 0 ? unsupported_version : int16_t{0});
  out.i32(static_cast<int32_t>(std::size(known)));
  for (const auto& [api, newest] : known) out.i16(api).i16(0).i16(newest);
}

void small_broker::on_metadata(wire_reader& in, wire_writer& out) {
  std::vector<std::string> wanted;
  if (auto n = in.i32(); n < 0)
    for (const auto& [name, partitions] : topics_) wanted.push_back(name);
  else
    for (int i = 0; i < n; ++i) wanted.push_back(in.text());
  out.i32(1).i32(1).text("127.0.0.1").i32(port_).i16(-1);
  out.text("small").i32(1).i32(static_cast<int32_t>(wanted.size()));
  for (const auto& name : wanted) {
    auto it = topics_.find(name);
    const size_t count = it == topics_.end() ? 0 : it->second.size();
    out.i16(count ? int16_t{0} : unknown_topic).text(name).i8(0).i32(static_cast<int32_t>(count));
    for (size_t p = 0; p < count; ++p)
      out.i16(0).i32(static_cast<int32_t>(p)).i32(1).i32(1).i32(1).i32(1).i32(1);
  }
}

void small_broker::on_offset_commit(wire_reader& in, wire_writer& out) {
  auto& group = groups_[in.text()];
  (void)in.i32(), (void)in.text(), (void)in.i64();  // generation, member, retention
  auto topics = in.i32();
  out.i32(topics);
  while (topics-- > 0) {
    auto topic = in.text();
    auto partitions = in.i32();
    out.text(topic).i32(partitions);
    while (partitions-- > 0) {
      auto index = in.i32();
      auto offset = in.i64();
      auto text = in.text();
      if (!failure_) group[{topic, index}] = {offset, text};
      out.i32(index).i16(failure_);
    }
  }
}

void small_broker::on_offset_fetch(wire_reader& in, wire_writer& out) {
  auto& group = groups_[in.text()];
  auto topics = in.i32();
  out.i32(topics);
  while (topics-- > 0) {
    auto topic = in.text();
    auto partitions = in.i32();
    out.text(topic).i32(partitions);
    while (partitions-- > 0) {
      auto index = in.i32();
      const auto& c = group[{topic, index}];
      out.i32(index).i64(c.offset).text(c.metadata).i16(failure_);
    }
  }
}

}  // namespace weir::test
