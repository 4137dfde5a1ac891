// weir topic produce: lines of files or of stdin become records, over the Kafka protocol.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "cluster/cli/topics/interrupt.hpp"
#include "cluster/cli/topics/node_call.hpp"
#include "cluster/cli/topics/rate_display.hpp"
#include "cluster/streams/record_json.hpp"
#include "cluster/streams/topic_writer.hpp"

namespace weir::cli {
namespace {

namespace dom = simdjson::dom;
using steady = std::chrono::steady_clock;

constexpr size_t read_bytes = 1 << 20;
// A longer line is no record that any topic takes.
constexpr size_t line_bytes_max = 64u << 20;
// Input that pauses for this long has its last records sent.
constexpr int linger_ms = 20;

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

compression_type compression_named(const std::string& name) {
  for (auto c : {compression_type::gzip, compression_type::snappy, compression_type::lz4,
                 compression_type::zstd})
    if (name == to_string(c)) return c;
  return compression_type::none;
}

std::optional<byte_view> bytes_of(const std::optional<std::string>& s) {
  return s ? std::optional(std::as_bytes(std::span(*s))) : std::nullopt;
}
byte_view bytes_of(std::string_view s) {
  return std::as_bytes(std::span(s.data(), s.size()));
}

class producer {
 public:
  producer(const stream_options& o, streams::topic_writer w)
      : options_(o), writer_(std::move(w)), display_(o.quiet) {}

  /// Reads one input to its end, or until it is asked to stop.
  status run(int fd, const std::string& name) {
    name_ = name;
    line_ = 0;
    std::string buffer;  // what was read and is not yet a whole line
    size_t begin = 0;
    for (;;) {
      WEIR_ASSIGN(const bool more, wait_for_input(fd));
      if (!more) return {};
      // The rest of a line moves to the front, for the next read goes behind it.
      buffer.erase(0, std::exchange(begin, 0));
      if (buffer.size() > line_bytes_max)
        return at_line({errc::budget_exceeded, "the line is longer than 64 MiB"}, line_ + 1);
      const size_t have = buffer.size();
      buffer.resize(have + read_bytes);
      const ssize_t n = ::read(fd, buffer.data() + have, read_bytes);
      buffer.resize(have + (n > 0 ? static_cast<size_t>(n) : 0));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return error{errc::io, "cannot read " + name + ": " + std::strerror(errno)};
      if (n == 0) {
        if (buffer.empty()) return {};
        return take(buffer);  // a last line without its end
      }
      now_ms_ = now_ms();
      size_t search = have;
      for (;;) {
        const void* end = std::memchr(buffer.data() + search, '\n', buffer.size() - search);
        if (!end) break;
        const auto at = static_cast<size_t>(static_cast<const char*>(end) - buffer.data());
        WEIR_TRY(take(std::string_view(buffer).substr(begin, at - begin)));
        begin = search = at + 1;
        if (interrupt_.asked()) return {};
      }
      // Input that trickles is sent as well, before batches are full.
      if (steady::now() - sent_ >= std::chrono::milliseconds(linger_ms)) {
        WEIR_TRY(writer_.send());
        sent_ = steady::now();
      }
      display_.show(writer_.records_acknowledged(), bytes_);
    }
  }
  int finish(const status& outcome) {
    auto flushed = writer_.flush();
    display_.finish("produced", "to " + options_.name, writer_.records_acknowledged(), bytes_);
    if (!outcome) return fail(outcome.err());
    if (!flushed) return fail(flushed.err());
    return interrupt_.asked() == SIGINT ? exit_interrupted : exit_ok;
  }
  bool stopped() const { return interrupt_.asked() != 0; }

 private:
  /// False when it was asked to stop. While nothing comes, what waits is sent.
  result<bool> wait_for_input(int fd) {
    for (bool sent = false;;) {
      if (interrupt_.asked()) return false;
      pollfd p{fd, POLLIN, 0};
      const int n = ::poll(&p, 1, linger_ms);
      if (n > 0) return true;
      if (n < 0 && errno != EINTR)
        return error{errc::io, "cannot wait for " + name_ + ": " + std::strerror(errno)};
      if (!std::exchange(sent, true)) WEIR_TRY(writer_.flush());
      display_.show(writer_.records_acknowledged(), bytes_);
    }
  }
  status at_line(const error& e, uint64_t line) const {
    return e.at(name_ + ":" + std::to_string(line));
  }
  status take(std::string_view line) {
    ++line_;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    bytes_ += line.size() + 1;
    if (options_.format != "lines" && line.empty()) return {};
    WEIR_TRY(keep_rate());
    auto s = options_.format == "lines" ? add_line(line) : add_json(line);
    return s ? s : at_line(s.err(), line_);
  }
  status add_line(std::string_view line) {
    std::optional<byte_view> key;
    if (!options_.key_separator.empty()) {
      const auto at = line.find(options_.key_separator);
      if (at != std::string_view::npos) {
        key = bytes_of(line.substr(0, at));
        line.remove_prefix(at + options_.key_separator.size());
      }
    }
    WEIR_TRY(writer_.add(options_.partition, now_ms_, key, bytes_of(line)));
    return {};
  }
  status add_json(std::string_view line) {
    dom::element e;
    if (auto why = parser_.parse(line.data(), line.size()).get(e))
      return error{errc::parse, std::string("this is no JSON: ") + simdjson::error_message(why)};
    if (options_.format == "json") {
      std::optional<std::string> key;
      if (!options_.key.empty()) {
        WEIR_ASSIGN(key, streams::key_of_json(e, options_.key));
      }
      WEIR_TRY(writer_.add(options_.partition, now_ms_, bytes_of(key), bytes_of(line)));
      return {};
    }
    WEIR_ASSIGN(const auto r, streams::parse_record_json(e, now_ms_));
    std::vector<record_header> headers;
    for (const auto& [name, value] : r.headers) headers.push_back({name, bytes_of(value)});
    WEIR_TRY(writer_.add(options_.partition ? options_.partition : r.partition,
                         r.timestamp_ms.value_or(now_ms_), bytes_of(r.key), bytes_of(r.value),
                         headers));
    return {};
  }
  /// Waits until the next record is due.
  status keep_rate() {
    if (options_.rate <= 0) return {};
    const auto due =
        began_ + std::chrono::duration_cast<steady::duration>(
                     std::chrono::duration<double>(static_cast<double>(taken_++) / options_.rate));
    if (steady::now() >= due) return {};
    WEIR_TRY(writer_.send());
    while (!interrupt_.asked()) {
      const auto left = due - steady::now();
      if (left <= steady::duration::zero()) break;
      std::this_thread::sleep_for(
          std::min<steady::duration>(left, std::chrono::milliseconds(linger_ms)));
      display_.show(writer_.records_acknowledged(), bytes_);
    }
    now_ms_ = now_ms();
    return {};
  }

  const stream_options& options_;
  interrupt_watch interrupt_;
  streams::topic_writer writer_;
  rate_display display_;
  dom::parser parser_;
  std::string name_;
  uint64_t line_ = 0, bytes_ = 0, taken_ = 0;
  int64_t now_ms_ = now_ms();
  steady::time_point began_ = steady::now(), sent_ = began_;
};

}  // namespace

int topic_produce(const stream_options& o) {
  if (!o.key.empty() && o.format != "json")
    return wrong_usage("--key names a field of JSON values: it needs --format json");
  if (!o.key_separator.empty() && o.format != "lines")
    return wrong_usage("--key-separator splits lines: it needs --format lines");
  std::string address;
  int code = exit_ok;
  if (!find_kafka(o, address, code)) return code;
  auto b = streams::brokers::connect(address);
  if (!b) return fail(b.err());
  auto topic = b->topic(o.name);
  if (!topic) {
    auto hint = topic.err().code == errc::not_found ? "; weir topic create " + o.name + " makes it"
                                                    : std::string();
    return fail(topic.err().message + hint);
  }
  streams::topic_writer_options w;
  w.compression = compression_named(o.compression);
  auto writer = streams::topic_writer::open(*b, std::move(*topic), w);
  if (!writer) return fail(writer.err());
  producer p(o, std::move(*writer));
  status outcome;
  if (o.files.empty()) outcome = p.run(STDIN_FILENO, "stdin");
  for (const auto& file : o.files) {
    if (!outcome || p.stopped()) break;
    const bool is_stdin = file == "-";
    const int fd = is_stdin ? STDIN_FILENO : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
      outcome = error{errc::io, "cannot open " + file + ": " + std::strerror(errno)};
    else
      outcome = p.run(fd, is_stdin ? "stdin" : file);
    if (fd >= 0 && !is_stdin) ::close(fd);
  }
  return p.finish(outcome);
}

}  // namespace weir::cli
