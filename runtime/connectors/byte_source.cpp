#include "runtime/connectors/byte_source.hpp"

#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include <vector>

namespace weir {
namespace {

constexpr size_t compressed_block_bytes = 128 * 1024;  // what is read from disk at once

class plain_source final : public byte_source {
 public:
  plain_source(std::unique_ptr<random_file> file, uint64_t position)
      : file_(std::move(file)), position_(position) {}
  result<size_t> read(std::span<std::byte> out) override {
    WEIR_ASSIGN(size_t n, file_->read(position_, out));
    position_ += n;
    return n;
  }

 private:
  std::unique_ptr<random_file> file_;
  uint64_t position_;
};

// What both decompressors share: the compressed input, block by block.
class compressed_source : public byte_source {
 public:
  compressed_source(std::unique_ptr<random_file> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)), in_(compressed_block_bytes) {}

 protected:
  /// Fills in_ when all of it was used; false at the end of the file.
  result<bool> refill() {
    if (used_ < filled_) return true;
    WEIR_ASSIGN(filled_, file_->read(offset_, in_));
    used_ = 0;
    offset_ += filled_;
    return filled_ > 0;
  }
  error corrupt(const char* what) const {
    return {errc::corrupt, path_ + ": the compressed data is damaged near byte " +
                               std::to_string(offset_ - filled_ + used_) + ": " + what};
  }
  error cut_off() const {
    return {errc::corrupt, path_ + ": the compressed data ends early (incomplete file)"};
  }

  std::unique_ptr<random_file> file_;
  std::string path_;
  std::vector<std::byte> in_;
  size_t used_ = 0, filled_ = 0;
  uint64_t offset_ = 0;
};

class gzip_source final : public compressed_source {
 public:
  using compressed_source::compressed_source;
  ~gzip_source() override {
    if (open_) inflateEnd(&z_);
  }
  result<size_t> read(std::span<std::byte> out) override {
    size_t made = 0;
    while (made == 0) {
      WEIR_ASSIGN(bool more, refill());
      if (!more) {
        if (in_member_) return cut_off();
        return size_t{0};
      }
      if (!in_member_) WEIR_TRY(begin_member());
      z_.next_in = reinterpret_cast<const Bytef*>(in_.data() + used_);
      z_.avail_in = static_cast<uInt>(filled_ - used_);
      z_.next_out = reinterpret_cast<Bytef*>(out.data());
      z_.avail_out = static_cast<uInt>(out.size());
      int rc = inflate(&z_, Z_NO_FLUSH);
      if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return corrupt(z_.msg ? z_.msg : "zlib refuses it");
      used_ = filled_ - z_.avail_in;
      made = out.size() - z_.avail_out;
      if (rc == Z_STREAM_END) in_member_ = false;  // another member may follow
    }
    return made;
  }

 private:
  status begin_member() {
    int rc = open_ ? inflateReset(&z_) : inflateInit2(&z_, 15 + 16);
    if (rc != Z_OK) return {errc::internal, path_ + ": zlib cannot start"};
    open_ = in_member_ = true;
    return {};
  }
  z_stream z_{};
  bool open_ = false, in_member_ = false;
};

class zstd_source final : public compressed_source {
 public:
  zstd_source(std::unique_ptr<random_file> file, std::string path)
      : compressed_source(std::move(file), std::move(path)), z_(ZSTD_createDStream()) {}
  ~zstd_source() override { ZSTD_freeDStream(z_); }
  result<size_t> read(std::span<std::byte> out) override {
    ZSTD_outBuffer o{out.data(), out.size(), 0};
    while (o.pos == 0) {
      // Decoded bytes may still wait inside after all input was taken.
      ZSTD_inBuffer i{in_.data(), filled_, used_};
      if (used_ == filled_ && !drained_) {
        size_t rc = ZSTD_decompressStream(z_, &o, &i);
        if (ZSTD_isError(rc)) return corrupt(ZSTD_getErrorName(rc));
        drained_ = o.pos < o.size;
        if (rc == 0) in_frame_ = false;
        if (o.pos) break;
      }
      WEIR_ASSIGN(bool more, refill());
      if (!more) {
        if (in_frame_) return cut_off();
        return size_t{0};
      }
      i = {in_.data(), filled_, used_};
      in_frame_ = true;
      size_t rc = ZSTD_decompressStream(z_, &o, &i);
      if (ZSTD_isError(rc)) return corrupt(ZSTD_getErrorName(rc));
      used_ = i.pos;
      in_frame_ = rc != 0;
      drained_ = o.pos < o.size || rc == 0;
    }
    return o.pos;
  }

 private:
  ZSTD_DStream* z_;
  bool in_frame_ = false;
  bool drained_ = true;
};

}  // namespace

compression_kind compression_of(std::string_view path) {
  if (path.ends_with(".gz")) return compression_kind::gzip;
  if (path.ends_with(".zst")) return compression_kind::zstd;
  return compression_kind::none;
}

result<std::unique_ptr<byte_source>> open_bytes(file_system& files, const std::string& path,
                                                compression_kind kind, uint64_t position) {
  WEIR_ASSIGN(auto file, files.open_read(path));
  const error shorter{errc::corrupt,
                      path + ": shorter than when it was read before; was it replaced?"};
  if (kind == compression_kind::none && position > 0) {
    WEIR_ASSIGN(const uint64_t size, file->size());
    if (size < position) return shorter;
  }
  if (kind == compression_kind::none)
    return std::unique_ptr<byte_source>(std::make_unique<plain_source>(std::move(file), position));
  std::unique_ptr<byte_source> source;
  if (kind == compression_kind::gzip)
    source = std::make_unique<gzip_source>(std::move(file), path);
  else
    source = std::make_unique<zstd_source>(std::move(file), path);
  // A compressed file cannot be entered in the middle: decode and drop what was read before.
  std::vector<std::byte> skipped(position ? compressed_block_bytes : 0);
  while (position > 0) {
    auto part = std::span(skipped).first(std::min<uint64_t>(position, skipped.size()));
    WEIR_ASSIGN(size_t n, source->read(part));
    if (n == 0) return shorter;
    position -= n;
  }
  return source;
}

result<std::string> read_first_record(byte_source& source, bool quotes, size_t bytes_max) {
  std::string record;
  std::vector<std::byte> block(4096);
  bool in_quotes = false;
  while (record.size() < bytes_max) {
    WEIR_ASSIGN(size_t n, source.read(block));
    if (n == 0) return record;
    std::string_view text(reinterpret_cast<const char*>(block.data()), n);
    for (size_t i = 0; i < n; ++i) {
      if (quotes && text[i] == '"') in_quotes = !in_quotes;
      if (text[i] != '\n' || in_quotes) continue;
      record.append(text.substr(0, i));
      return record;
    }
    record.append(text);
  }
  return {errc::parse, "the header line is longer than " + std::to_string(bytes_max) + " bytes"};
}

}  // namespace weir
