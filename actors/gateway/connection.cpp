#include "actors/gateway/connection.hpp"

#include <poll.h>

#include <cerrno>
#include <cstring>

namespace weir {
namespace {

namespace asio = boost::asio;

// Small requests are cut out of a buffer that all connections of a thread share.
constexpr size_t scratch_bytes = 256u << 10;
// A connection reads this much before others have their turn.
constexpr size_t turn_bytes = 1u << 20;
// One sendfile call; more would hold the thread for too long.
constexpr size_t send_bytes_max = 1u << 20;

std::span<std::byte> scratch() {
  thread_local std::unique_ptr<std::byte[]> buffer(new std::byte[scratch_bytes]);
  return {buffer.get(), scratch_bytes};
}

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

}  // namespace

connection::connection(socket s, const tls_context_ptr& tls, request_handler& h,
                       std::shared_ptr<request_memory> memory, const connection_limits& limits,
                       uint64_t id)
    : socket_(std::move(s)),
      channel_(socket_.native_handle(), tls, byte_channel::role::server),
      handler_(h),
      memory_(std::move(memory)),
      limits_(limits),
      id_(id) {
  boost::system::error_code e;
  socket_.set_option(asio::ip::tcp::no_delay(true), e);
  socket_.non_blocking(true, e);
  auto remote = socket_.remote_endpoint(e);
  if (!e) host_ = host_text(remote);
  auto local = socket_.local_endpoint(e);
  if (!e) local_host_ = local.address().to_string();
  last_use_ = std::chrono::steady_clock::now();
}

void connection::start() {
  wait_readable();
}

void connection::close() {
  if (!open_) return;
  open_ = false;
  boost::system::error_code ignored;  // the peer may be gone already
  socket_.close(ignored);
  if (mute_timer_) mute_timer_->cancel();
  waiting_.clear();
  frame_.reset();
  waiting_self_.reset();
  handler_.closed(*this);
}

void connection::close_if_idle(std::chrono::steady_clock::time_point now) {
  if (open_ && begun_.empty() && now - last_use_ > limits_.idle_max) close();
}

void connection::mute_until(std::chrono::steady_clock::time_point t) {
  if (!open_ || t <= muted_until_) return;
  muted_until_ = t;
  if (!mute_timer_) mute_timer_.emplace(socket_.get_executor());
  mute_timer_->expires_at(t);  // an earlier wait is over
  mute_timer_->async_wait([self = shared_from_this()](boost::system::error_code e) {
    if (e) return;
    self->begin_requests();
    self->wait_readable();
  });
}

bool connection::muted() const {
  return muted_until_ > std::chrono::steady_clock::now();
}

bool connection::may_read() const {
  return open_ && !wants_memory_ && waiting_.size() < limits_.waiting_max;
}

void connection::wait_readable() {
  if (reading_ || !may_read() || muted()) return;
  reading_ = true;
  auto go_on = [self = shared_from_this()](boost::system::error_code e) {
    self->reading_ = false;
    if (e) return self->close();
    self->read();
  };
  // What TLS holds already does not make the socket readable.
  if (channel_.pending()) return asio::post(socket_.get_executor(), [go_on] { go_on({}); });
  socket_.async_wait(read_waits_for_write_ ? socket::wait_write : socket::wait_read, go_on);
}

void connection::read() {
  size_t turn = 0;
  while (may_read() && turn < turn_bytes) {
    // The rest of a large request goes where it belongs, everything else through the scratch.
    bool direct = frame_ && frame_->size() - frame_have_ >= scratch_bytes / 4;
    if (direct && frame_have_ == frame_->granted()) {
      if (!grow_frame()) return close();
      if (wants_memory_) break;
    }
    auto into =
        direct ? frame_->bytes().subspan(frame_have_, frame_->granted() - frame_have_) : scratch();
    auto n = channel_.read(into.first(std::min(into.size(), turn_bytes)));
    read_waits_for_write_ = n < 0 && channel_.waits_for() == POLLOUT;
    if (n < 0 && would_block()) break;
    if (n <= 0) return close();  // the client's end, or its reset
    turn += static_cast<size_t>(n);
    if (direct) {
      frame_have_ += static_cast<size_t>(n);
      if (frame_have_ == frame_->size()) frame_complete();
    } else if (!parse(into.first(static_cast<size_t>(n)))) {
      return close();
    }
  }
  last_use_ = std::chrono::steady_clock::now();
  begin_requests();
  wait_readable();
}

/// False when the bytes are no request: the connection cannot go on.
bool connection::parse(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (wants_memory_) {  // what follows has to wait with it
      carry_.insert(carry_.end(), bytes.begin(), bytes.end());
      return true;
    }
    if (!frame_) {
      auto n = std::min(bytes.size(), size_bytes_.size() - size_have_);
      std::memcpy(size_bytes_.data() + size_have_, bytes.data(), n);
      size_have_ += n;
      bytes = bytes.subspan(n);
      if (size_have_ == size_bytes_.size() && !begin_frame()) return false;
      continue;
    }
    if (frame_have_ == frame_->granted()) {
      if (!grow_frame()) return false;
      continue;
    }
    auto n = std::min(bytes.size(), frame_->granted() - frame_have_);
    std::memcpy(frame_->bytes().data() + frame_have_, bytes.data(), n);
    frame_have_ += n;
    bytes = bytes.subspan(n);
    if (frame_have_ == frame_->size()) frame_complete();
  }
  return true;
}

/// Its size is known.
bool connection::begin_frame() {
  uint32_t size = 0;
  for (auto b : size_bytes_) size = size << 8 | static_cast<uint32_t>(b);
  // A request has at least its key, version and correlation id.
  if (size < 8 || size > limits_.request_bytes_max) return false;
  frame_ = std::make_shared<request_frame>(memory_, size);
  if (!frame_->ok()) return false;
  frame_began_ = std::chrono::steady_clock::now();
  frame_have_ = 0;
  size_have_ = 0;
  return grow_frame();
}

/// Memory for more of the request's bytes, or it waits for it. False when it is larger than its
/// kind may be.
bool connection::grow_frame() {
  if (frame_have_ > 0 && frame_->size() > limits_.other_bytes_max &&
      !handler_.may_overlap(frame_->bytes().first(frame_have_)))
    return false;
  wants_memory_ = !frame_->grow();
  if (wants_memory_) {
    memory_->wait();
    // Released between the two calls: nobody would call again.
    wants_memory_ = !frame_->grow();
  }
  // No operation is under way then that would hold the connection.
  waiting_self_ = wants_memory_ ? shared_from_this() : nullptr;
  return true;
}

void connection::memory_released() {
  if (!open_ || !wants_memory_) return;
  if (!grow_frame()) return close();
  if (wants_memory_) return;
  auto rest = std::move(carry_);
  carry_ = {};
  if (!parse(rest)) return close();
  begin_requests();
  wait_readable();
}

void connection::frame_complete() {
  waiting_.push_back(std::move(frame_));
  frame_.reset();
}

void connection::begin_requests() {
  while (open_ && !waiting_.empty() && !muted()) {
    bool overlaps = handler_.may_overlap(waiting_.front()->bytes());
    if (!begun_.empty() &&
        (!overlaps || !begun_.back().overlaps || begun_.size() >= limits_.overlapping_max))
      return;
    auto frame = std::move(waiting_.front());
    waiting_.pop_front();
    auto number = next_number_++;
    begun_.push_back({number, overlaps, std::nullopt});
    handler_.handle({shared_from_this(), number, std::move(frame)});
  }
}

void connection::complete(uint64_t number, answer a) {
  asio::post(socket_.get_executor(),
             [self = shared_from_this(), number, a = std::move(a)]() mutable {
               self->deliver(number, std::move(a));
             });
}

void connection::deliver(uint64_t number, answer a) {
  if (!open_) return;
  for (auto& p : begun_)
    if (p.number == number) p.done = std::move(a);
  if (!writing_) write();
}

void connection::write() {
  while (open_ && !begun_.empty() && begun_.front().done) {
    const auto& a = *begun_.front().done;
    while (!a.silent && (memory_sent_ < a.memory.size() || hole_ < a.holes.size())) {
      bool file = hole_ < a.holes.size() && a.holes[hole_].position == memory_sent_;
      if (file ? write_file(a) : write_memory(a)) continue;
      if (!open_) return;
      writing_ = true;
      socket_.async_wait(channel_.waits_for() == POLLIN ? socket::wait_read : socket::wait_write,
                         [self = shared_from_this()](boost::system::error_code e) {
                           self->writing_ = false;
                           if (e) return self->close();
                           self->write();
                         });
      return;
    }
    finish_write();
  }
  if (!open_) return;
  begin_requests();
  wait_readable();
}

/// False when the socket takes no more, or the connection is closed.
bool connection::write_memory(const answer& a) {
  bool more = hole_ < a.holes.size();
  auto end = more ? a.holes[hole_].position : a.memory.size();
  auto n = channel_.write(
      std::as_bytes(std::span(a.memory)).subspan(memory_sent_, end - memory_sent_), more);
  if (n < 0) {
    if (!would_block()) close();
    return false;
  }
  memory_sent_ += static_cast<size_t>(n);
  return true;
}

bool connection::write_file(const answer& a) {
  const auto& slices = a.parts[a.holes[hole_].id];
  if (slice_ == slices.size()) {
    ++hole_;
    slice_ = 0;
    return true;
  }
  const auto& slice = slices[slice_];
  if (!sending_) {
    auto file = slice.file->open();
    if (!file) {  // nothing sensible can follow what was announced
      close();
      return false;
    }
    sending_ = std::move(*file);
  }
  auto n = channel_.write_file(sending_->descriptor(), slice.position + slice_sent_,
                               std::min<uint64_t>(slice.bytes - slice_sent_, send_bytes_max));
  if (n <= 0) {
    if (n == 0 || !would_block()) close();  // 0: the file is shorter than its index says
    return false;
  }
  slice_sent_ += static_cast<uint64_t>(n);
  if (slice_sent_ == slice.bytes) {
    slice_sent_ = 0;
    ++slice_;
    sending_.reset();
  }
  return true;
}

void connection::finish_write() {
  bool last = begun_.front().done->last;
  begun_.pop_front();
  memory_sent_ = hole_ = slice_ = 0;
  slice_sent_ = 0;
  last_use_ = std::chrono::steady_clock::now();
  if (last) close();
}

}  // namespace weir
