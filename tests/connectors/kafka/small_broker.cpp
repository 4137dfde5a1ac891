#include "small_broker.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "runtime/base/crc32c.hpp"
#include "wire.hpp"

namespace weir::test {
namespace {

constexpr int16_t unknown_topic = 3, offset_out_of_range = 1, unsupported_version = 35,
                  duplicate_sequence = 46, invalid_producer_epoch = 47, invalid_txn_state = 48,
                  invalid_producer_mapping = 49, out_of_order_sequence = 45;
constexpr size_t at_attributes = 21, at_max_time = 35, at_producer = 43, at_epoch = 51,
                 at_sequence = 53, at_count = 57, at_records = 61;

template <class T>
T peek(const std::string& s, size_t at) {
  return wire_reader(std::string_view(s).substr(at)).number<T>();
}

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

// A record batch (version 2) of one record that says how a transaction has ended.
std::string control_batch(int64_t base, int64_t producer, int16_t epoch, bool commit) {
  wire_writer body;
  body.i16(0x30).i32(0).i64(0).i64(0).i64(producer).i16(epoch).i32(-1).i32(1);
  wire_writer record;  // attributes, time and offset deltas; key; value; no headers
  record.i8(0).i8(0).i8(0).i8(8).i16(0).i16(commit ? 1 : 0).i8(12).i16(0).i32(0).i8(0);
  body.i8(static_cast<int8_t>(record.out.size() * 2)).out += record.out;
  wire_writer batch;
  batch.i64(base).i32(static_cast<int32_t>(body.out.size() + 9)).i32(0).i8(2);
  batch.i32(
      static_cast<int32_t>(crc32c(std::as_bytes(std::span(body.out.data(), body.out.size())))));
  return batch.out + body.out;
}

}  // namespace

int64_t small_broker::partition::stable() const {
  int64_t s = next;
  for (const auto& [producer, first] : open) s = std::min(s, first);
  return s;
}

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

int16_t small_broker::append(partition& p, const std::string& topic, int32_t index,
                             std::string records, const std::string& transactional_id,
                             int64_t& base) {
  const auto attributes = peek<int16_t>(records, at_attributes);
  const auto producer = peek<int64_t>(records, at_producer);
  const auto epoch = peek<int16_t>(records, at_epoch);
  const auto first = peek<int32_t>(records, at_sequence), count = peek<int32_t>(records, at_count);
  if (attributes & 0x10) {
    if (auto bad = check(transactional_id, producer, epoch)) return bad;
    auto& t = transactions_[transactional_id];
    if (!t.ongoing || !t.partitions.contains({topic, index})) return invalid_txn_state;
    p.open.try_emplace(producer, p.next);
  }
  if (producer >= 0) {
    auto& s = p.sequences[producer];
    if (s.epoch != epoch) s = {epoch, -1};
    if (first + count - 1 <= s.last) return duplicate_sequence;
    if (first != s.last + 1) return out_of_order_sequence;
    s.last = first + count - 1;
  }
  base = p.next;
  stored_batch b{base, base + count - 1, peek<int64_t>(records, at_max_time), std::move(records)};
  wire_writer offset;
  offset.i64(base);
  b.bytes.replace(0, 8, offset.out);
  p.next += count;
  p.batches.push_back(std::move(b));
  return 0;
}

void small_broker::on_produce(wire_reader& in, wire_writer& out) {
  auto transactional_id = in.text();
  (void)in.i16(), (void)in.i32();  // acks, timeout
  auto topics = in.i32();
  out.i32(topics);
  while (topics-- > 0) {
    auto topic = in.text();
    auto partitions = in.i32();
    out.text(topic).i32(partitions);
    while (partitions-- > 0) {
      auto index = in.i32();
      auto records = in.bytes();
      int64_t base = -1;
      int16_t error = failure_;
      auto* p = find(topic, index);
      if (!error)
        error = p ? append(*p, topic, index, std::move(records), transactional_id, base)
                  : unknown_topic;
      out.i32(index).i16(error).i64(base).i64(-1);
    }
  }
  out.i32(0);
  grown_.notify_all();
}

void small_broker::on_fetch(wire_reader& in, wire_writer& out) {
  (void)in.i32();  // replica
  auto wait = std::chrono::milliseconds(in.i32());
  (void)in.i32();  // bytes at least
  const int64_t bytes_max = in.i32();
  const bool committed = in.i8() == 1;
  struct wanted {
    std::string topic;
    int32_t index;
    int64_t offset, bytes_max;
  };
  std::vector<std::vector<wanted>> all(static_cast<size_t>(in.i32()));
  for (auto& topic : all) {
    auto name = in.text();
    topic.resize(static_cast<size_t>(in.i32()));
    for (auto& w : topic) {
      auto index = in.i32();
      auto offset = in.i64();
      w = {name, index, offset, in.i32()};
    }
  }
  std::unique_lock lock(m_);
  auto something = [&] {
    if (stopping_) return true;
    for (const auto& topic : all)
      for (const auto& w : topic) {
        auto* p = find(w.topic, w.index);
        if (!p || w.offset > p->next || w.offset < (committed ? p->stable() : p->next)) return true;
      }
    return false;
  };
  grown_.wait_for(lock, wait, something);
  int64_t total = 0;
  out.i32(0).i32(static_cast<int32_t>(all.size()));
  for (const auto& topic : all) {
    out.text(topic.empty() ? "" : topic[0].topic).i32(static_cast<int32_t>(topic.size()));
    for (const auto& w : topic) {
      auto* p = find(w.topic, w.index);
      const bool outside = p && (w.offset > p->next || w.offset < 0);
      out.i32(w.index).i16(!p ? unknown_topic : outside ? offset_out_of_range : int16_t{0});
      out.i64(p ? p->next : -1).i64(p ? p->stable() : -1);
      std::string records;
      int64_t last = -1;
      if (p && !outside) {
        const int64_t end = committed ? p->stable() : p->next;
        auto it = std::lower_bound(p->batches.begin(), p->batches.end(), w.offset,
                                   [](const stored_batch& b, int64_t o) { return b.last < o; });
        for (; it != p->batches.end() && it->base < end; ++it) {
          const auto size = static_cast<int64_t>(records.size() + it->bytes.size());
          if (!records.empty() && (size > w.bytes_max || total + size > bytes_max)) break;
          records += it->bytes;
          last = it->last;
        }
      }
      std::vector<aborted> aborts;
      if (p && committed)
        for (const auto& a : p->aborts)
          if (a.last >= w.offset && a.first <= last) aborts.push_back(a);
      out.i32(static_cast<int32_t>(aborts.size()));
      for (const auto& a : aborts) out.i64(a.producer).i64(a.first);
      out.bytes(records);
      total += static_cast<int64_t>(records.size());
    }
  }
}

void small_broker::on_list_offsets(wire_reader& in, wire_writer& out) {
  (void)in.i32();
  const bool committed = in.i8() == 1;
  auto topics = in.i32();
  out.i32(0).i32(topics);
  while (topics-- > 0) {
    auto topic = in.text();
    auto partitions = in.i32();
    out.text(topic).i32(partitions);
    while (partitions-- > 0) {
      auto index = in.i32();
      auto time = in.i64();
      auto* p = find(topic, index);
      int64_t offset = -1;
      if (p && time == -1) offset = committed ? p->stable() : p->next;
      if (p && time == -2) offset = 0;
      if (p && time >= 0)
        for (const auto& b : p->batches)
          if (offset < 0 && b.max_time >= time) offset = b.base;
      out.i32(index).i16(p ? int16_t{0} : unknown_topic).i64(-1).i64(offset);
    }
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

void small_broker::on_init_producer(wire_reader& in, wire_writer& out) {
  auto id = in.text();
  (void)in.i32();  // timeout
  if (failure_) {
    out.i32(0).i16(failure_).i64(-1).i16(-1);
    return;
  }
  if (id.empty()) {
    out.i32(0).i16(0).i64(next_producer_++).i16(0);
    return;
  }
  auto [it, fresh] = transactions_.try_emplace(id);
  auto& t = it->second;
  if (fresh) {
    t.producer = next_producer_++;
  } else {
    // Fences whoever had it, and aborts what was open.
    if (t.ongoing) finish(t, false);
    ++t.epoch;
  }
  out.i32(0).i16(0).i64(t.producer).i16(t.epoch);
}

int16_t small_broker::check(const std::string& id, int64_t producer, int16_t epoch) {
  auto it = transactions_.find(id);
  if (it == transactions_.end() || it->second.producer != producer) return invalid_producer_mapping;
  return it->second.epoch == epoch ? int16_t{0} : invalid_producer_epoch;
}

void small_broker::on_add_partitions(wire_reader& in, wire_writer& out) {
  auto id = in.text();
  auto producer = in.i64();
  auto error = check(id, producer, in.i16());
  if (failure_) error = failure_;
  auto topics = in.i32();
  out.i32(0).i32(topics);
  while (topics-- > 0) {
    auto topic = in.text();
    auto partitions = in.i32();
    out.text(topic).i32(partitions);
    while (partitions-- > 0) {
      auto index = in.i32();
      if (!error) {
        transactions_[id].ongoing = true;
        transactions_[id].partitions.insert({topic, index});
      }
      out.i32(index).i16(error);
    }
  }
}

void small_broker::on_add_offsets(wire_reader& in, wire_writer& out) {
  auto id = in.text();
  auto producer = in.i64();
  auto error = check(id, producer, in.i16());
  if (failure_) error = failure_;
  if (!error) transactions_[id].ongoing = true;
  out.i32(0).i16(error);
}

void small_broker::on_txn_offset_commit(wire_reader& in, wire_writer& out) {
  auto id = in.text();
  auto group = in.text();
  auto producer = in.i64();
  auto error = check(id, producer, in.i16());
  if (failure_) error = failure_;
  auto topics = in.i32();
  out.i32(0).i32(topics);
  while (topics-- > 0) {
    auto topic = in.text();
    auto partitions = in.i32();
    out.text(topic).i32(partitions);
    while (partitions-- > 0) {
      auto index = in.i32();
      auto offset = in.i64();
      auto text = in.text();
      if (!error) transactions_[id].offsets[group][{topic, index}] = {offset, text};
      out.i32(index).i16(error);
    }
  }
}

void small_broker::on_end_transaction(wire_reader& in, wire_writer& out) {
  auto id = in.text();
  auto producer = in.i64();
  auto error = check(id, producer, in.i16());
  if (failure_) error = failure_;
  bool commit = in.i8() != 0;
  if (!error) finish(transactions_[id], commit);
  out.i32(0).i16(error);
}

void small_broker::finish(transaction& t, bool commit) {
  for (const auto& [topic, index] : t.partitions) {
    auto* p = find(topic, index);
    auto open = p ? p->open.find(t.producer) : std::map<int64_t, int64_t>::iterator();
    if (!p || open == p->open.end()) continue;
    if (!commit) p->aborts.push_back({t.producer, open->second, p->next});
    p->open.erase(open);
    p->batches.push_back(
        {p->next, p->next, 0, control_batch(p->next, t.producer, t.epoch, commit)});
    ++p->next;
  }
  if (commit)
    for (const auto& [group, offsets] : t.offsets)
      for (const auto& [where, c] : offsets) groups_[group][where] = c;
  t.partitions.clear();
  t.offsets.clear();
  t.ongoing = false;
  grown_.notify_all();
}

}  // namespace weir::test
