#include "actors/data/link.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <bit>
#include <cerrno>
#include <cstring>

namespace weir {
namespace {

namespace asio = boost::asio;

// Of one write: enough for some batches of many columns; the kernel takes up to 1,024 pieces.
constexpr size_t pieces_max = 256;
constexpr size_t write_bytes_max = 4u << 20;
// Heads of frames, and at most so much of the rows behind them is copied once more.
constexpr size_t scratch_bytes = 4'096;
// Before other links have their turn.
constexpr size_t read_bytes_max = 4u << 20;
// A link of which so much is read at once is a busy one: it is read in rounds from then on, so that
// what arrives between them wakes nobody, unless it is so much that the sender might have to wait.
constexpr size_t busy_bytes_min = 32u << 10;
constexpr size_t between_rounds_max = 256u << 10;
// Empty ones, until the link is quiet again.
constexpr uint32_t empty_rounds_max = 8;
// What is kept to be filled again: the batches that one pipeline has in flight.
constexpr size_t kept_buffers_max = 64;
constexpr size_t kept_buffers_bytes = 8u << 20;
// What is encrypted in one piece: a record of TLS holds no more.
constexpr size_t tls_record_bytes = 16u << 10;

std::string text_of(int code) {
  return std::strerror(code);
}

}  // namespace

buffer_ref receive_buffers::take(size_t bytes) {
  for (size_t i = 0; i < kept_.size(); ++i) {
    auto& b = kept_[(next_ + i) % kept_.size()];
    if (b.size() < bytes || b.size() > 2 * bytes + scratch_bytes || !b.unique()) continue;
    next_ = (next_ + i + 1) % kept_.size();
    return b.slice(0, bytes);
  }
  // As much as the block has that buffer::allocate makes of it.
  constexpr size_t block_overhead = 192;
  auto made = buffer::allocate(pool_, std::bit_ceil(bytes + block_overhead) - block_overhead);
  if (kept_.size() < kept_buffers_max && kept_bytes_ + made.size() <= kept_buffers_bytes) {
    kept_bytes_ += made.size();
    kept_.push_back(made);
  } else if (!kept_.empty()) {
    // Sizes change with the work: the kept ones follow.
    auto& oldest = kept_[next_ % kept_.size()];
    next_ = (next_ + 1) % kept_.size();
    if (kept_bytes_ - oldest.size() + made.size() <= kept_buffers_bytes) {
      kept_bytes_ += made.size() - oldest.size();
      oldest = made;
    }
  }
  return made.slice(0, bytes);
}

data_link::data_link(asio::io_context& context, owner& o, receive_buffers& buffers,
                     link_counters& counters, data_address to, uint64_t number)
    : context_(context),
      owner_(o),
      buffers_(buffers),
      counters_(counters),
      peer_(std::move(to)),
      number_(number),
      scratch_(scratch_bytes) {}

data_link::~data_link() {
  for (const auto& m : queue_) counters_.queued_bytes -= m.bytes();
}

// -- out -------------------------------------------------------------------------------------

void data_link::send(const frame_head& head, wire_message rows, bool may_wait) {
  frame_head h = head;
  h.payload_bytes = rows.bytes;
  std::unique_lock lock(mutex_);
  if (is_over()) return;
  queue_.push_back({encode_frame_head(h), std::move(rows)});
  counters_.queued_bytes += queue_.back().bytes();
  counters_.messages_out.fetch_add(1, std::memory_order_relaxed);
  if (!writing_ && socket_ && !(may_wait && in_rounds_)) {
    writing_ = true;
    write(lock);
  }
}

/// Whoever has set writing_. Others put into the queue meanwhile. Opens the lock.
void data_link::write(std::unique_lock<std::mutex>& lock) {
  std::vector<outgoing> done;  // lets go of its rows when the lock is open
  iovec pieces[pieces_max];
  while (!queue_.empty() && !is_over()) {
    size_t n = 0, bytes = 0, skip = front_sent_;
    auto add = [&](std::span<const std::byte> p) {
      if (skip >= p.size()) {
        skip -= p.size();
        return;
      }
      p = p.subspan(std::exchange(skip, 0));
      pieces[n++] = {const_cast<std::byte*>(p.data()), p.size()};
      bytes += p.size();
    };
    for (const auto& m : queue_) {
      add(m.head);
      for (const auto& p : m.rows.pieces) {
        if (n == pieces_max) break;
        add(p);
      }
      if (n == pieces_max || bytes >= write_bytes_max) break;
    }
    lock.unlock();
    done.clear();
    short waits_for = 0;
    const auto sent = send_pieces(pieces, n, waits_for);
    const int why = errno;
    lock.lock();
    counters_.writes.fetch_add(1, std::memory_order_relaxed);
    if (sent < 0) {
      if (why == EINTR) continue;
      if (why == EAGAIN || why == EWOULDBLOCK) {
        lock.unlock();
        return wait_ready_to_write(waits_for);
      }
      lock.unlock();
      fail({errc::io, "cannot write: " + (why == EPROTO ? "TLS" : text_of(why))});
      lock.lock();
      break;
    }
    wrote_at_.store(clock::now().time_since_epoch().count(), std::memory_order_relaxed);
    counters_.bytes_out.fetch_add(static_cast<uint64_t>(sent), std::memory_order_relaxed);
    front_sent_ += static_cast<size_t>(sent);
    while (!queue_.empty() && front_sent_ >= queue_.front().bytes()) {
      front_sent_ -= queue_.front().bytes();
      counters_.queued_bytes -= queue_.front().bytes();
      done.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
  }
  writing_ = false;
  std::deque<outgoing> dropped;
  if (is_over()) drop_queue(dropped);
  lock.unlock();
}

/// What the link does not send any more, to be let go of when the lock is open.
void data_link::drop_queue(std::deque<outgoing>& to) {
  to.swap(queue_);
  front_sent_ = 0;
  for (const auto& m : to) counters_.queued_bytes -= m.bytes();
}

ssize_t data_link::send_pieces(const iovec* pieces, size_t n, short& waits_for) {
  if (!secure_) {
    waits_for = POLLOUT;
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces);
    message.msg_iovlen = n;
    return ::sendmsg(socket_->native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  // A record is made of one piece of memory. Said again after EAGAIN it begins with the same bytes,
  // as TLS wants it.
  thread_local std::byte record[tls_record_bytes];
  size_t bytes = 0;
  for (size_t i = 0; i < n && bytes < sizeof record; ++i) {
    const size_t part = std::min(pieces[i].iov_len, sizeof record - bytes);
    std::memcpy(record + bytes, pieces[i].iov_base, part);
    bytes += part;
  }
  std::lock_guard lock(channel_mutex_);
  const auto sent = channel_.write({record, bytes});
  waits_for = channel_.waits_for();
  return sent;
}

ssize_t data_link::receive(const iovec* to, size_t n) {
  if (!secure_) {
    read_waits_for_ = POLLIN;
    return ::readv(socket_->native_handle(), to, static_cast<int>(n));
  }
  std::lock_guard lock(channel_mutex_);
  const auto got = channel_.read({static_cast<std::byte*>(to->iov_base), to->iov_len});
  read_waits_for_ = channel_.waits_for();
  return got;
}

/// writing_ stays set until the socket takes more.
void data_link::wait_ready_to_write(short waits_for) {
  asio::post(context_, [self = shared_from_this(), waits_for] {
    self->socket_->async_wait(waits_for == POLLIN ? socket::wait_read : socket::wait_write,
                              [self](boost::system::error_code e) {
                                if (e) self->fail({errc::io, "cannot write: " + e.message()});
                                std::unique_lock lock(self->mutex_);
                                self->write(lock);
                              });
  });
}

void data_link::fail(error e) {
  if (over_.exchange(true)) return;
  std::deque<outgoing> dropped;
  {
    std::lock_guard lock(mutex_);
    // Whoever writes reads from the queue without the lock: then it is theirs to drop.
    if (!writing_) drop_queue(dropped);
    if (socket_) {
      --counters_.links;
      // Not closed while somebody may be in a call on it: that is the destructor's.
      ::shutdown(socket_->native_handle(), SHUT_RDWR);
    }
  }
  ++counters_.links_lost;
  owner_.over(shared_from_this(), e);
}

// -- in --------------------------------------------------------------------------------------

void data_link::establish(socket s, byte_channel of_it, bool secure) {
  boost::system::error_code ignored;  // slower, no worse
  s.set_option(asio::ip::tcp::no_delay(true), ignored);
  s.non_blocking(true, ignored);
  heard_at_ = clock::now();
  std::unique_lock lock(mutex_);
  if (is_over()) return;
  socket_.emplace(std::move(s));
  channel_ = std::move(of_it);
  secure_ = secure;
  ++counters_.links;
  wrote_at_.store(heard_at_.time_since_epoch().count());
  writing_ = true;
  write(lock);
  wait_readable();
}

void data_link::tick(clock::time_point now, clock::duration silence_limit) {
  if (!socket_ || is_over()) return;
  if (now - heard_at_ > silence_limit)
    return fail(
        {errc::io,
         "nothing was heard of it for " +
             std::to_string(
                 std::chrono::duration_cast<std::chrono::milliseconds>(now - heard_at_).count()) +
             " ms"});
  const clock::time_point wrote{clock::duration(wrote_at_.load(std::memory_order_relaxed))};
  if (now - wrote > silence_limit / 4) send({}, {});
}

void data_link::wait_readable() {
  if (std::exchange(waits_readable_, true)) return;
  auto go_on = [self = shared_from_this()](boost::system::error_code e) {
    self->waits_readable_ = false;
    if (self->is_over()) return;
    if (e) return self->fail({errc::io, "cannot read: " + e.message()});
    const size_t bytes = self->read();
    if (self->is_over()) return;
    // Under TLS more may have arrived than the socket says.
    if (bytes >= busy_bytes_min && !self->in_rounds_ && !self->secure_) {
      {
        std::lock_guard lock(self->mutex_);
        self->in_rounds_ = true;
      }
      self->empty_rounds_ = 0;
      self->say_when(between_rounds_max);
      self->owner_.busy(self);
    }
    self->wait_readable();
  };
  // What TLS holds already does not make the socket readable.
  if (secure_) {
    std::lock_guard lock(channel_mutex_);
    if (channel_.pending()) return asio::post(context_, [go_on] { go_on({}); });
  }
  socket_->async_wait(read_waits_for_ == POLLOUT ? socket::wait_write : socket::wait_read, go_on);
}

bool data_link::read_round() {
  if (is_over()) return false;
  empty_rounds_ = read() == 0 ? empty_rounds_ + 1 : 0;
  if (is_over()) return false;
  const bool quiet = empty_rounds_ >= empty_rounds_max;
  if (quiet) say_when(1);  // what has arrived meanwhile makes it readable now
  std::unique_lock lock(mutex_);
  in_rounds_ = !quiet;
  if (!queue_.empty() && !writing_) {
    writing_ = true;
    write(lock);
  }
  return !quiet;
}

/// The socket counts as readable from so many bytes on.
void data_link::say_when(size_t bytes) {
  const int least = static_cast<int>(bytes);
  // Refused, it is readable from the first byte on, as ever.
  (void)::setsockopt(socket_->native_handle(), SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
}

/// All that is there, at most read_bytes_max; how much it was.
size_t data_link::read() {
  size_t total = 0;
  while (total < read_bytes_max && !is_over()) {
    iovec to[2];
    size_t n = 0;
    if (rows_left_ != 0)
      to[n++] = {rows_.mutable_as<std::byte>() + rows_.size() - rows_left_, rows_left_};
    to[n++] = {scratch_.data() + have_, scratch_.size() - have_};
    const auto got = receive(to, n);
    counters_.reads.fetch_add(1, std::memory_order_relaxed);
    if (got == 0) {
      fail({errc::io, "it has closed the connection"});
      break;
    }
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK)
        fail({errc::io, "cannot read: " + (errno == EPROTO ? channel_.problem() : text_of(errno))});
      break;
    }
    heard_at_ = clock::now();
    counters_.bytes_in.fetch_add(static_cast<uint64_t>(got), std::memory_order_relaxed);
    auto left = static_cast<size_t>(got);
    total += left;
    const size_t of_rows = std::min(left, rows_left_);
    rows_left_ -= of_rows;
    have_ += left - of_rows;
    if (of_rows != 0 && rows_left_ == 0 && !deliver()) break;
    if (!parse()) break;
  }
  return total;
}

bool data_link::parse() {
  size_t at = 0;
  while (have_ - at >= frame_head_bytes) {
    auto head = decode_frame_head(
        std::span<const std::byte, frame_head_bytes>(scratch_.data() + at, frame_head_bytes));
    if (!head) {
      fail(head.err());
      return false;
    }
    at += frame_head_bytes;
    head_ = *head;
    if (head_.payload_bytes != 0) {
      rows_ = buffers_.take(head_.payload_bytes);
      const size_t here = std::min(have_ - at, rows_.size());
      std::memcpy(rows_.mutable_as<std::byte>(), scratch_.data() + at, here);
      at += here;
      rows_left_ = rows_.size() - here;
      if (rows_left_ != 0) break;
    }
    if (!deliver()) return false;
  }
  std::memmove(scratch_.data(), scratch_.data() + at, have_ - at);
  have_ -= at;
  return true;
}

bool data_link::deliver() {
  counters_.messages_in.fetch_add(1, std::memory_order_relaxed);
  if (head_.kind != frame_kind::ping) owner_.arrived(*this, head_, std::move(rows_));
  rows_ = {};
  return !is_over();
}

}  // namespace weir
