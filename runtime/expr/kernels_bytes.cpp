// bytea: as text, single bytes and bits, hashes.
#include "runtime/base/hex.hpp"
#include "runtime/expr/bytes_text.hpp"
#include "runtime/expr/digest.hpp"
#include "runtime/expr/functions.hpp"
#include "runtime/expr/utf8.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;

template <auto f>
void coded(row_scope& r, text_out& o, text v, text format) {
  thread_local std::string made;
  made.clear();
  if (const status ok = f(made, v, format); !ok) return r.fail(ok.err().code, ok.err().message);
  o.append(made);
}
template <digest_kind kind>
void hashed(row_scope&, text_out& o, text v) {
  digest(kind, v, o.room(digest_bytes(kind)));
  o.added(digest_bytes(kind));
}

/// UTF-8 is the one encoding that text can be brought to and from; false after failing the row.
bool is_utf8(row_scope& r, text encoding, const char* direction) {
  std::string plain;
  for (char c : encoding)
    if (isalnum(static_cast<unsigned char>(c)))
      plain += static_cast<char>(tolower(static_cast<unsigned char>(c)));
  if (plain == "utf8" || plain == "unicode") return true;
  r.fail(errc::invalid_argument, "invalid " + std::string(direction) + " encoding name \"" +
                                     std::string(encoding) + "\" (there is UTF8)");
  return false;
}
void convert_to(row_scope& r, text_out& o, text v, text encoding) {
  if (is_utf8(r, encoding, "destination")) o.append(v);
}
/// Bytes of the UTF-8 character at v[i]; 0: it is none that text can have.
size_t valid_char(text v, size_t i) {
  const size_t n = char_bytes(v, i);
  const uint32_t c = code_point(v, i, n);
  const auto lead = static_cast<unsigned char>(v[i]);
  if (n == 1) return lead < 0x80 && lead != 0 ? 1 : 0;
  const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool fits = n == 2 ? lead >> 5 == 6 : n == 3 ? lead >> 4 == 14 : lead >> 3 == 30;
  return fits && c >= least[n] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF) ? n : 0;
}
void convert_from(row_scope& r, text_out& o, text v, text encoding) {
  if (!is_utf8(r, encoding, "source")) return;
  for (size_t i = 0; i < v.size();) {
    const size_t n = valid_char(v, i);
    if (n == 0) {
      // The bytes that the first one announces.
      const auto lead = static_cast<unsigned char>(v[i]);
      const size_t announced = lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 1;
      std::string what = "invalid byte sequence for encoding \"UTF8\":";
      for (const char c : v.substr(i, announced)) {
        what += " 0x";
        append_hex(what, {&c, 1});
      }
      return r.fail(errc::invalid_argument, what);
    }
    i += n;
  }
  o.append(v);
}

/// Whether the bytes have a place of that number; else the row has failed.
bool in_range(row_scope& r, text v, int64_t index, int64_t places) {
  const auto size = static_cast<int64_t>(v.size()) * places;
  if (index >= 0 && index < size) return true;
  r.fail(errc::invalid_argument,
         "index " + std::to_string(index) + " out of valid range, 0.." + std::to_string(size - 1));
  return false;
}
int32_t get_byte(row_scope& r, text v, int32_t index) {
  if (!in_range(r, v, index, 1)) return 0;
  return static_cast<unsigned char>(v[static_cast<size_t>(index)]);
}
void set_byte(row_scope& r, text_out& o, text v, int32_t index, int32_t to) {
  if (!in_range(r, v, index, 1)) return;
  const size_t at = o.size() + static_cast<size_t>(index);
  o.append(v);
  *o.at(at) = static_cast<char>(to);
}
int32_t get_bit(row_scope& r, text v, int64_t index) {
  if (!in_range(r, v, index, 8)) return 0;
  return static_cast<unsigned char>(v[static_cast<size_t>(index / 8)]) >> (index % 8) & 1;
}
void set_bit(row_scope& r, text_out& o, text v, int64_t index, int32_t to) {
  if (!in_range(r, v, index, 8)) return;
  if (to != 0 && to != 1) return r.fail(errc::invalid_argument, "new bit must be 0 or 1");
  const size_t at = o.size() + static_cast<size_t>(index / 8);
  o.append(v);
  const auto bit = static_cast<unsigned char>(1u << (index % 8));
  const auto byte = static_cast<unsigned char>(*o.at(at));
  *o.at(at) = static_cast<char>(to ? byte | bit : byte & ~bit);
}

}  // namespace

void register_bytes(catalog& c) {
  constexpr auto s = type_id::string, bytes = type_id::bytes, i4 = type_id::int32,
                 i8 = type_id::int64;
  c.row("encode", {bytes, s}, s, wrap<coded<append_encoded>>{});
  c.row("decode", {s, s}, bytes, wrap<coded<append_decoded>>{});
  c.row("convert_to", {s, s}, bytes, wrap<convert_to>{});
  c.row("convert_from", {bytes, s}, s, wrap<convert_from>{});
  c.row("get_byte", {bytes, i4}, i4, wrap<get_byte>{});
  c.row("set_byte", {bytes, i4, i4}, bytes, wrap<set_byte>{});
  c.row("get_bit", {bytes, i8}, i4, wrap<get_bit>{});
  c.row("set_bit", {bytes, i8, i4}, bytes, wrap<set_bit>{});
  c.row("sha224", {bytes}, bytes, wrap<hashed<digest_kind::sha224>>{});
  c.row("sha256", {bytes}, bytes, wrap<hashed<digest_kind::sha256>>{});
  c.row("sha384", {bytes}, bytes, wrap<hashed<digest_kind::sha384>>{});
  c.row("sha512", {bytes}, bytes, wrap<hashed<digest_kind::sha512>>{});
}

}  // namespace weir::expr
