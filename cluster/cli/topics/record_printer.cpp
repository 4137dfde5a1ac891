#include "cluster/cli/topics/record_printer.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "cluster/streams/record_json.hpp"
#include "runtime/column/json_text.hpp"

namespace weir::cli {
namespace {

// What is kept before it is written.
constexpr size_t buffer_bytes = 256 * 1024;

record_printer::format format_named(const std::string& name) {
  using format = record_printer::format;
  if (name == "json") return format::json;
  if (name == "raw") return format::raw;
  if (name == "csv" || (name.empty() && ::isatty(STDOUT_FILENO) == 0)) return format::csv;
  return format::table;
}

void append_field(std::string& out, std::string_view s) {
  if (!s.empty() && s.find_first_of(",\"\n\r") == std::string_view::npos) {
    out += s;
    return;
  }
  out += '"';
  for (char c : s) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

std::string headers_json(std::span<const record_header> headers) {
  std::string out = "{";
  for (const auto& h : headers) {
    out += (out.size() > 1 ? ", " : "") +
           json_string(streams::readable(std::as_bytes(std::span(h.key)))) + ": ";
    out += h.value ? json_string(streams::readable(*h.value)) : "null";
  }
  return out + "}";
}

}  // namespace

std::string for_terminal(std::string_view s) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (char c : s) {
    const auto u = static_cast<unsigned char>(c);
    if (u >= 0x20 && u != 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += hex[u >> 4];
      out += hex[u & 15];
    }
  }
  return out;
}

record_printer::record_printer(const std::string& name, bool embed_json)
    : format_(format_named(name)), embed_json_(embed_json) {}

void record_printer::print(int32_t partition, const record& r) {
  switch (format_) {
    case format::table:
      print_table(partition, r);
      break;
    case format::csv:
      print_csv(partition, r);
      break;
    case format::json:
      streams::append_record_json(out_, partition, r, {embed_json_});
      out_ += '\n';
      break;
    case format::raw:
      if (r.value) out_ += streams::text_of(*r.value);
      out_ += '\n';
      break;
  }
  if (out_.size() >= buffer_bytes) flush();
}

void record_printer::print_table(int32_t partition, const record& r) {
  char line[96];
  if (!std::exchange(began_, true)) {
    std::snprintf(line, sizeof line, "%9s  %10s  %-23s  ", "partition", "offset", "timestamp");
    out_ += std::string(line) + "key  value\n";
  }
  std::snprintf(line, sizeof line, "%9d  %10lld  %-23s  ", partition,
                static_cast<long long>(r.offset), streams::time_text(r.timestamp_ms).c_str());
  out_ += line;
  out_ += r.key ? for_terminal(streams::readable(*r.key)) : "-";
  out_ += "  ";
  out_ += r.value ? for_terminal(streams::readable(*r.value)) : "(no value)";
  out_ += '\n';
  // One a line, so that what a dead letter says of itself (cause, position, original) can be read.
  for (const auto& h : r.headers) {
    out_ += "           " + for_terminal(streams::readable(std::as_bytes(std::span(h.key)))) + ": ";
    out_ += h.value ? for_terminal(streams::readable(*h.value)) : "(null)";
    out_ += '\n';
  }
}

void record_printer::print_csv(int32_t partition, const record& r) {
  if (!std::exchange(began_, true)) out_ += "partition,offset,timestamp,key,value,headers\n";
  out_ += std::to_string(partition) + "," + std::to_string(r.offset) + "," +
          streams::time_text(r.timestamp_ms) + ",";
  if (r.key) append_field(out_, streams::readable(*r.key));
  out_ += ',';
  if (r.value) append_field(out_, streams::readable(*r.value));
  out_ += ',';
  if (!r.headers.empty()) append_field(out_, headers_json(r.headers));
  out_ += '\n';
}

bool record_printer::flush() {
  size_t at = 0;
  while (at < out_.size() && !closed_) {
    const ssize_t n = ::write(STDOUT_FILENO, out_.data() + at, out_.size() - at);
    if (n >= 0)
      at += static_cast<size_t>(n);
    else if (errno != EINTR)
      closed_ = true;
  }
  out_.clear();
  return !closed_;
}

}  // namespace weir::cli
