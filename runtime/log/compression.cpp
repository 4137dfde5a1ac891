#include "runtime/log/compression.hpp"

#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <bit>
#include <climits>
#include <memory>
#include <string>

#include "runtime/log/varint.hpp"

namespace weir {
namespace {

using bytes_in = std::span<const std::byte>;
using bytes_out = std::vector<std::byte>;

error damaged(const char* codec) {
  return {errc::corrupt, std::string("the ") + codec + " data of a record batch does not decode"};
}
error too_large(size_t bytes_max) {
  return {errc::budget_exceeded, "a record batch has more than " + std::to_string(bytes_max) +
                                     " bytes when it is decompressed"};
}

/// Room for more output: doubles up to one byte above the limit, which tells "full" from "too
/// much".
bool grow(bytes_out& out, size_t used, size_t bytes_max) {
  constexpr size_t first = size_t{16} << 10;
  if (used < out.size()) return true;
  if (out.size() > bytes_max) return false;
  out.resize(std::min(std::max(first, out.size() * 2), bytes_max + 1));
  return true;
}
status finish(bytes_out& out, size_t used, size_t bytes_max) {
  if (used > bytes_max) return too_large(bytes_max);
  out.resize(used);
  return {};
}

struct inflate_end {
  void operator()(z_stream* z) const {
    inflateEnd(z);
    delete z;
  }
};

status gunzip(bytes_in in, size_t bytes_max, bytes_out& out) {
  std::unique_ptr<z_stream, inflate_end> z(new z_stream{});
  if (inflateInit2(z.get(), MAX_WBITS + 16) != Z_OK)
    return {errc::internal, "zlib cannot be initialised"};
  z->next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
  z->avail_in = static_cast<uInt>(in.size());  // a batch has less than 2^31 bytes
  size_t used = 0;
  for (;;) {
    if (!grow(out, used, bytes_max)) return too_large(bytes_max);
    z->next_out = reinterpret_cast<Bytef*>(out.data() + used);
    z->avail_out = static_cast<uInt>(std::min<size_t>(out.size() - used, UINT_MAX));
    const uInt room = z->avail_out;
    int rc = inflate(z.get(), Z_NO_FLUSH);
    used += room - z->avail_out;
    if (rc == Z_STREAM_END) {
      if (z->avail_in == 0) return finish(out, used, bytes_max);
      if (inflateReset(z.get()) != Z_OK) return damaged("gzip");  // a further member
    } else if (rc != Z_OK && !(rc == Z_BUF_ERROR && z->avail_out == 0)) {
      return damaged("gzip");
    } else if (z->avail_in == 0 && z->avail_out != 0) {
      return damaged("gzip");  // cut off
    }
  }
}

// xerial's snappy-java: magic, version, lowest compatible version, then blocks of length and data.
constexpr std::array<uint8_t, 8> xerial_magic{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
constexpr size_t xerial_header_bytes = 16;
constexpr size_t xerial_block_bytes = size_t{32} << 10;  // snappy-java's default

status unsnappy_block(bytes_in in, size_t bytes_max, bytes_out& out) {
  size_t n = 0;
  const char* data = reinterpret_cast<const char*>(in.data());
  if (!snappy::GetUncompressedLength(data, in.size(), &n)) return damaged("snappy");
  const size_t used = out.size();
  if (n > bytes_max - used) return too_large(bytes_max);
  // A block of snappy grows at most about 21-fold (64 bytes from 3): a length out of proportion is
  // refused before memory is taken for it.
  if (n / 64 > in.size()) return damaged("snappy");
  out.resize(used + n);
  if (!snappy::RawUncompress(data, in.size(), reinterpret_cast<char*>(out.data() + used)))
    return damaged("snappy");
  return {};
}

status unsnappy(bytes_in in, size_t bytes_max, bytes_out& out) {
  out.clear();
  const bool framed =
      in.size() >= xerial_header_bytes && std::equal(xerial_magic.begin(), xerial_magic.end(),
                                                     reinterpret_cast<const uint8_t*>(in.data()));
  if (!framed) return unsnappy_block(in, bytes_max, out);
  in = in.subspan(xerial_header_bytes);
  while (!in.empty()) {
    if (in.size() < 4) return damaged("snappy");
    auto n = load_big_endian<uint32_t>(in.data());
    in = in.subspan(4);
    if (n > in.size()) return damaged("snappy");
    WEIR_TRY(unsnappy_block(in.first(n), bytes_max, out));
    in = in.subspan(n);
  }
  return {};
}

struct lz4_free {
  void operator()(LZ4F_dctx* c) const { LZ4F_freeDecompressionContext(c); }
};

status unlz4(bytes_in in, size_t bytes_max, bytes_out& out) {
  thread_local std::unique_ptr<LZ4F_dctx, lz4_free> context;
  if (!context) {
    LZ4F_dctx* c = nullptr;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&c, LZ4F_VERSION)))
      return {errc::internal, "lz4 cannot be initialised"};
    context.reset(c);
  }
  LZ4F_resetDecompressionContext(context.get());
  size_t used = 0;
  size_t hint = 1;
  while (hint != 0) {
    if (!grow(out, used, bytes_max)) return too_large(bytes_max);
    size_t produced = out.size() - used, consumed = in.size();
    hint =
        LZ4F_decompress(context.get(), out.data() + used, &produced, in.data(), &consumed, nullptr);
    if (LZ4F_isError(hint)) return damaged("lz4");
    used += produced;
    in = in.subspan(consumed);
    if (hint != 0 && produced == 0 && consumed == 0) return damaged("lz4");  // cut off
  }
  if (!in.empty()) return damaged("lz4");
  return finish(out, used, bytes_max);
}

struct zstd_free {
  void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
  void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
};

status unzstd(bytes_in in, size_t bytes_max, bytes_out& out) {
  thread_local std::unique_ptr<ZSTD_DCtx, zstd_free> context(ZSTD_createDCtx());
  if (!context) return {errc::internal, "zstd cannot be initialised"};
  ZSTD_DCtx_reset(context.get(), ZSTD_reset_session_only);
  // Not much more memory for the window than for what may come out; 8 MiB is what RFC 8878 asks of
  // every decoder.
  const int window_log = std::clamp(static_cast<int>(std::bit_width(bytes_max)), 23, 27);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, window_log);
  ZSTD_inBuffer source{in.data(), in.size(), 0};
  size_t used = 0;
  size_t hint = 1;
  while (hint != 0 || source.pos < source.size) {
    if (!grow(out, used, bytes_max)) return too_large(bytes_max);
    ZSTD_outBuffer target{out.data() + used, out.size() - used, 0};
    const size_t before = source.pos;
    hint = ZSTD_decompressStream(context.get(), &target, &source);
    if (ZSTD_isError(hint))
      return ZSTD_getErrorCode(hint) == ZSTD_error_frameParameter_windowTooLarge
                 ? too_large(bytes_max)
                 : damaged("zstd");
    used += target.pos;
    if (hint != 0 && target.pos == 0 && source.pos == before) return damaged("zstd");  // cut off
  }
  return finish(out, used, bytes_max);
}

error refused(const char* codec) {
  return {errc::internal, std::string(codec) + " cannot compress a record batch"};
}

status gzip(bytes_in in, bytes_out& out) {
  z_stream z{};
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK)
    return refused("gzip");
  const size_t before = out.size();
  out.resize(before + deflateBound(&z, in.size()));
  z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data() + before);
  z.avail_out = static_cast<uInt>(out.size() - before);
  int rc = deflate(&z, Z_FINISH);
  out.resize(before + z.total_out);
  deflateEnd(&z);
  return rc == Z_STREAM_END ? status() : refused("gzip");
}

status snappy_framed(bytes_in in, bytes_out& out) {
  for (uint8_t b : xerial_magic) out.push_back(static_cast<std::byte>(b));
  std::array<std::byte, 8> versions{};
  versions[3] = versions[7] = std::byte{1};
  out.insert(out.end(), versions.begin(), versions.end());
  while (!in.empty()) {
    auto block = in.first(std::min(in.size(), xerial_block_bytes));
    const size_t at = out.size();
    size_t n = snappy::MaxCompressedLength(block.size());
    out.resize(at + 4 + n);
    snappy::RawCompress(reinterpret_cast<const char*>(block.data()), block.size(),
                        reinterpret_cast<char*>(out.data() + at + 4), &n);
    store_big_endian(out.data() + at, static_cast<uint32_t>(n));
    out.resize(at + 4 + n);
    in = in.subspan(block.size());
  }
  return {};
}

status lz4(bytes_in in, bytes_out& out) {
  LZ4F_preferences_t p{};
  p.frameInfo.blockMode = LZ4F_blockIndependent;  // Kafka's Java client reads no other
  p.frameInfo.blockSizeID = LZ4F_max64KB;
  const size_t before = out.size();
  out.resize(before + LZ4F_compressFrameBound(in.size(), &p));
  size_t n = LZ4F_compressFrame(out.data() + before, out.size() - before, in.data(), in.size(), &p);
  if (LZ4F_isError(n)) return refused("lz4");
  out.resize(before + n);
  return {};
}

status zstd(bytes_in in, bytes_out& out) {
  thread_local std::unique_ptr<ZSTD_CCtx, zstd_free> context(ZSTD_createCCtx());
  const size_t before = out.size();
  out.resize(before + ZSTD_compressBound(in.size()));
  size_t n = context ? ZSTD_compressCCtx(context.get(), out.data() + before, out.size() - before,
                                         in.data(), in.size(), ZSTD_CLEVEL_DEFAULT)
                     : SIZE_MAX;
  if (!context || ZSTD_isError(n)) return refused("zstd");
  out.resize(before + n);
  return {};
}

}  // namespace

status decompress_records(compression_type type, std::span<const std::byte> in, size_t bytes_max,
                          std::vector<std::byte>& out) {
  out.resize(out.capacity() > bytes_max ? bytes_max : out.capacity());
  switch (type) {
    case compression_type::none:
      if (in.size() > bytes_max) return too_large(bytes_max);
      out.assign(in.begin(), in.end());
      return {};
    case compression_type::gzip:
      return gunzip(in, bytes_max, out);
    case compression_type::snappy:
      return unsnappy(in, bytes_max, out);
    case compression_type::lz4:
      return unlz4(in, bytes_max, out);
    case compression_type::zstd:
      return unzstd(in, bytes_max, out);
  }
  return {errc::corrupt, "a record batch has an unknown compression"};
}

status compress_records(compression_type type, std::span<const std::byte> in,
                        std::vector<std::byte>& out) {
  switch (type) {
    case compression_type::none:
      out.insert(out.end(), in.begin(), in.end());
      return {};
    case compression_type::gzip:
      return gzip(in, out);
    case compression_type::snappy:
      return snappy_framed(in, out);
    case compression_type::lz4:
      return lz4(in, out);
    case compression_type::zstd:
      return zstd(in, out);
  }
  return {errc::invalid_argument, "there is no such compression"};
}

}  // namespace weir
