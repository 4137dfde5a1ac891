#include "runtime/connectors/stdin_blocks.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace weir {
namespace {

class stdin_blocks final : public block_maker {
 public:
  explicit stdin_blocks(int fd) : fd_(fd), stop_(eventfd(0, EFD_CLOEXEC)) {}
  ~stdin_blocks() override { ::close(stop_); }

  result<made> fill(byte_block& block) override {
    for (;;) {
      pollfd fds[2] = {{fd_, POLLIN, 0}, {stop_, POLLIN, 0}};
      if (::poll(fds, 2, -1) < 0 && errno != EINTR) return failed("poll");
      if (fds[1].revents) return made::nothing_yet;
      if (!fds[0].revents) continue;
      ssize_t n = ::read(fd_, block.memory.mutable_as<char>() + block_headroom, block_bytes);
      if (n > 0) {
        block.size = static_cast<size_t>(n);
        return made::block;
      }
      if (n == 0) return made::end;
      if (errno != EINTR && errno != EAGAIN) return failed("read");
    }
  }
  void cancel() override {
    uint64_t one = 1;
    [[maybe_unused]] auto n = ::write(stop_, &one, sizeof one);
  }

 private:
  static error failed(const char* what) {
    return {errc::io, std::string("standard input: ") + what + ": " + std::strerror(errno)};
  }
  int fd_, stop_;
};

}  // namespace

std::unique_ptr<block_stream> make_stdin_stream(memory_pool& pool, std::function<void()> wake,
                                                int fd) {
  return std::make_unique<block_stream>(std::make_unique<stdin_blocks>(fd), make_thread_executor(1),
                                        pool, std::move(wake));
}

}  // namespace weir
