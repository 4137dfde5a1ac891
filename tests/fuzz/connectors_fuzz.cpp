// Fuzz target: any bytes as a CSV, JSON lines or raw file, read whole and in byte ranges. Nothing
// is read out of bounds, nothing asserts, and when the whole file reads, its ranges read the same
// rows. First byte: format and options; second: bytes per range; a payload of a split at last.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>

#include "runtime/column/text.hpp"
#include "runtime/connectors/source.hpp"

using namespace weir;

namespace {

class bytes_file final : public random_file {
 public:
  explicit bytes_file(std::string_view bytes) : bytes_(bytes) {}
  result<size_t> read(uint64_t offset, std::span<std::byte> out) const override {
    if (offset >= bytes_.size()) return size_t{0};
    size_t n = std::min<uint64_t>(out.size(), bytes_.size() - offset);
    std::memcpy(out.data(), bytes_.data() + offset, n);
    return n;
  }
  result<uint64_t> size() const override { return uint64_t{bytes_.size()}; }
  result<std::pair<uint64_t, uint64_t>> identity() const override {
    return std::pair<uint64_t, uint64_t>{1, 1};
  }

 private:
  std::string_view bytes_;
};

// One file that can only be read.
class one_file final : public file_system {
 public:
  explicit one_file(std::string_view bytes) : bytes_(bytes) {}
  result<std::unique_ptr<random_file>> open_read(const std::string&) override {
    return std::unique_ptr<random_file>(std::make_unique<bytes_file>(bytes_));
  }
  result<std::unique_ptr<append_file>> open_append(const std::string& path) override {
    return error{errc::io, path + ": read only"};
  }
  status create_directories(const std::string&) override { return {}; }
  status rename(const std::string&, const std::string&) override { return {}; }
  status remove(const std::string&) override { return {}; }
  status sync_directory(const std::string&) override { return {}; }
  result<file_info> stat(const std::string& path) override {
    return file_info{path, bytes_.size(), 0, 1, 1};
  }
  result<std::vector<file_info>> list(const std::string&) override {
    return std::vector<file_info>();
  }
  result<std::vector<std::string>> glob(const std::string& pattern) override {
    return std::vector<std::string>{pattern};
  }

 private:
  std::string_view bytes_;
};

result<std::string> read(const source_spec& spec, file_system& files) {
  memory_pool pool;
  auto io = make_inline_executor();
  operator_context c;
  c.parallelism = 1;
  c.memory = &pool;
  c.io = io.get();
  c.files = &files;
  c.wake = [] {};
  WEIR_ASSIGN(auto enumerator, make_enumerator(spec, files, 1));
  WEIR_ASSIGN(auto found, enumerator->discover());
  WEIR_ASSIGN(auto reader, make_reader(spec));
  WEIR_TRY(reader->open(c));
  for (auto& s : found.splits) WEIR_TRY(reader->add_split(s));
  std::string text;
  for (;;) {
    WEIR_ASSIGN(auto p, reader->poll(16));
    for (uint32_t i = 0; p.rows && i < p.rows->rows; ++i) {
      for (const auto& col : p.rows->columns) {
        if (col->is_valid(p.rows->row(i))) append_text(text, *col, p.rows->row(i));
        text += '|';
      }
      text += '\n';
    }
    if (p.what == polled::state::finished) return text;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  uint8_t mode = data[0], step = data[1];
  // A copy of its own, so that a sanitizer sees reads past its end.
  std::string bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  one_file files(bytes);
  source_spec spec;
  spec.connector = "file";
  static const char* formats[] = {"csv", "csv", "json", "raw"};
  std::string format = formats[mode & 3];
  spec.options = {{"path", "f"}, {"format", format}, {"record_size_max", "64KiB"}};
  auto columns = std::make_shared<schema>();
  if (format == "raw") {
    columns->fields = {{"a", type_id::string, true}};
  } else {
    columns->fields = {
        {"a", type_id::int32, true},     {"b", type_id::string, true},
        {"c", type_id::timestamp, true}, {"d", type_id::float64, true},
        {"e", type_id::json, true},      {"f", data_type(type_id::decimal, 2), true}};
    if (format == "csv" && mode & 4) spec.options["header"] = "true";
    if (format == "csv" && mode & 8) spec.options["null_text"] = "NA";
  }
  spec.columns = columns;
  spec.physical_columns = static_cast<uint32_t>(columns->size());
  spec.on_error = mode & 16 ? error_policy::fail : error_policy::skip;
  auto whole = read(spec, files);
  spec.options["split_size"] = std::to_string(1 + step + bytes.size() / 64);
  auto parts = read(spec, files);
  if (whole.ok() && (!parts.ok() || *parts != *whole)) {
    std::fprintf(stderr, "ranges differ from the whole\n%s\n--\n%s\n", whole->c_str(),
                 parts.ok() ? parts->c_str() : parts.err().message.c_str());
    std::abort();
  }
  auto reader = make_reader(spec);
  if (!reader) return 0;
  memory_pool pool;
  auto io = make_inline_executor();
  operator_context c;
  c.memory = &pool;
  c.io = io.get();
  c.files = &files;
  c.wake = [] {};
  if ((*reader)->open(c) && (*reader)->add_split({"x", "x", bytes, 0})) {
    for (int i = 0; i < 100; ++i)
      if (auto p = (*reader)->poll(16); !p || p->what == polled::state::finished) break;
  }
  return 0;
}
