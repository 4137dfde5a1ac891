#include "runtime/expr/bytes_text.hpp"

#include "runtime/base/hex.hpp"
#include "runtime/column/json_text.hpp"
#include "runtime/expr/utf8.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;

error wrong(std::string what) {
  return {errc::invalid_argument, std::move(what)};
}
bool blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

constexpr text digits64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Lines have 76 characters; one that whole groups fill ends in a line feed also at the end.
void append_base64_lines(std::string& out, text s) {
  constexpr size_t line_bytes = 76 / 4 * 3;
  for (; s.size() >= line_bytes; s.remove_prefix(line_bytes)) {
    append_base64(out, s.substr(0, line_bytes));
    out += '\n';
  }
  append_base64(out, s);
}
status append_from_base64(std::string& out, text s) {
  uint32_t v = 0;
  int pos = 0, padding = 0;  // padding: the bytes that the last group has, when it ends in "="
  for (size_t i = 0; i < s.size(); ++i) {
    if (blank(s[i])) continue;
    size_t d = 0;
    if (s[i] == '=') {
      if (padding == 0) {
        if (pos < 2) return wrong("unexpected \"=\" while decoding base64 sequence");
        padding = pos - 1;
      }
    } else if (d = digits64.find(s[i]); d == text::npos) {
      return wrong("invalid symbol \"" + std::string(s.substr(i, char_bytes(s, i))) +
                   "\" found while decoding base64 sequence");
    }
    v = v << 6 | static_cast<uint32_t>(d);
    if (++pos < 4) continue;
    for (int k = 0; k < 3; ++k)
      if (padding == 0 || k < padding) out += static_cast<char>(v >> (8 * (2 - k)) & 0xFF);
    v = 0;
    pos = 0;
  }
  if (pos != 0) return wrong("invalid base64 end sequence");
  return {};
}

status append_from_hex(std::string& out, text s) {
  int high = -1;
  for (size_t i = 0; i < s.size(); ++i) {
    // Blanks may stand between bytes, not within one.
    if (high < 0 && blank(s[i])) continue;
    const int d = digit(s[i]);
    if (d < 0)
      return wrong("invalid hexadecimal digit: \"" + std::string(s.substr(i, char_bytes(s, i))) +
                   '"');
    if (high < 0) {
      high = d;
    } else {
      out += static_cast<char>(high << 4 | d);
      high = -1;
    }
  }
  if (high >= 0) return wrong("invalid hexadecimal data: odd number of digits");
  return {};
}

void append_escaped(std::string& out, text s) {
  for (char ch : s) {
    const auto c = static_cast<unsigned char>(ch);
    if (c == 0 || c >= 0x80) {
      out += '\\';
      for (int shift : {6, 3, 0}) out += static_cast<char>('0' + (c >> shift & 7));
    } else {
      if (c == '\\') out += '\\';
      out += ch;
    }
  }
}

enum class form : uint8_t { hex, base64, escape };
result<form> form_of(text name) {
  std::string lower;
  for (char c : name) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  if (lower == "hex") return form::hex;
  if (lower == "base64") return form::base64;
  if (lower == "escape") return form::escape;
  return wrong("unrecognized encoding: \"" + std::string(name) + '"');
}

}  // namespace

status append_unescaped(std::string& out, text s) {
  auto octal = [s](size_t i, char most) { return i < s.size() && s[i] >= '0' && s[i] <= most; };
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '\\') {
      out += s[i];
    } else if (octal(i + 1, '3') && octal(i + 2, '7') && octal(i + 3, '7')) {
      out += static_cast<char>((s[i + 1] - '0') << 6 | (s[i + 2] - '0') << 3 | (s[i + 3] - '0'));
      i += 3;
    } else if (i + 1 < s.size() && s[i + 1] == '\\') {
      out += s[++i];
    } else {
      return wrong("invalid input syntax for type bytea");
    }
  }
  return {};
}

status append_encoded(std::string& out, text bytes, text format) {
  WEIR_ASSIGN(const auto f, form_of(format));
  if (f == form::hex)
    append_hex(out, bytes);
  else if (f == form::base64)
    append_base64_lines(out, bytes);
  else
    append_escaped(out, bytes);
  return {};
}
status append_decoded(std::string& out, text s, text format) {
  WEIR_ASSIGN(const auto f, form_of(format));
  if (f == form::hex) return append_from_hex(out, s);
  return f == form::base64 ? append_from_base64(out, s) : append_unescaped(out, s);
}

}  // namespace weir::expr
