#include "runtime/state/packed_row.hpp"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/base/assert.hpp"

namespace weir {
namespace {

enum text_form : uint32_t { plain = 0, narrow = 1, shared = 2, near = 3 };
constexpr uint32_t form_bits = 2;
constexpr size_t varint_max = 5;
// Texts that are shared: a number takes up to four bytes.
constexpr size_t shared_min = 6, shared_max = 1024;
// Below this the byte that tells the bits costs what they save.
constexpr size_t narrow_min = 8;
constexpr uint32_t narrow_bits_min = 4, narrow_bits_max = 7;

char* put_varint(char* p, uint64_t v) {
  for (; v >= 0x80; v >>= 7) *p++ = static_cast<char>(v | 0x80);
  *p++ = static_cast<char>(v);
  return p;
}
const char* take_varint(const char* p, uint64_t& v) {
  v = 0;
  for (uint32_t shift = 0;; shift += 7) {
    const auto b = static_cast<uint8_t>(*p++);
    v |= uint64_t{b & 0x7fu} << shift;
    if (b < 0x80) return p;
  }
}

uint64_t spread(uint32_t byte) {
  return byte * 0x0101'0101'0101'0101u;
}
uint64_t load(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}

/// The bits in which characters of a text of at least eight differ.
uint32_t differing_bits(const char* s, size_t n) {
  uint64_t any = 0, all = ~uint64_t{0};
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    any |= load(s + i);
    all &= load(s + i);
  }
  any |= load(s + n - 8);
  all &= load(s + n - 8);
  // Between positions, too: against the first character.
  const uint64_t first = spread(static_cast<uint8_t>(*s));
  uint64_t d = (any ^ first) | (all ^ first);
  d |= d >> 32;
  d |= d >> 16;
  d |= d >> 8;
  return static_cast<uint32_t>(std::bit_width(d & 0xff));
}

size_t narrow_bytes(size_t size, uint32_t bits) {
  return (size * bits + 7) / 8;
}

/// Writes up to eight bytes behind what it returns.
char* put_narrow(char* p, const char* s, size_t n, uint32_t bits) {
  const uint64_t mask = spread((1u << bits) - 1);
  for (; n >= 8; n -= 8, s += 8, p += bits) {
    const uint64_t v = _pext_u64(load(s), mask);
    std::memcpy(p, &v, 8);
  }
  if (n == 0) return p;
  uint64_t v = 0;
  std::memcpy(&v, s, n);
  v = _pext_u64(v, mask);
  std::memcpy(p, &v, 8);
  return p + narrow_bytes(n, bits);
}
status damaged() {
  return {errc::corrupt, "a packed row of the snapshot has parts that do not fit"};
}
/// Reads and writes up to eight bytes more.
void take_narrow(const char* p, size_t n, uint32_t head, char* to) {
  const uint32_t bits = head & 7;
  const uint64_t mask = spread((1u << bits) - 1);
  const uint64_t common = spread(head & 0xf0 & ~((1u << bits) - 1));
  for (size_t i = 0; i < n; i += 8, p += bits, to += 8) {
    const uint64_t v = _pdep_u64(load(p), mask) | common;
    std::memcpy(to, &v, 8);
  }
}

}  // namespace

void row_scratch::grow(size_t bytes) {
  if (bytes > block_bytes) {
    // Of its own; what is left of the block at hand is not used.
    large_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    at_ = large_.back().get();
    left_ = bytes;
    return;
  }
  if (used_ == blocks_.size())
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_bytes));
  at_ = blocks_[used_++].get();
  left_ = block_bytes;
}

void row_scratch::clear() noexcept {
  large_.clear();
  used_ = 0;
  at_ = nullptr;
  left_ = 0;
}

row_packer::row_packer(const row_layout& l, std::vector<uint32_t> first_words)
    : words_(l.key_words) {
  uint32_t w = 0;
  for (uint32_t s : l.key_strings) {
    for (; w < s; ++w) plain_.push_back(1 + w);
    text_column c{1 + s};
    const auto at = std::find(first_words.begin(), first_words.end(), s);
    weir_assert(at != first_words.end(), "a text that is no column's");
    c.column = static_cast<uint32_t>(at - first_words.begin());
    texts_.push_back(std::move(c));
    w = s + 2;
  }
  for (; w < l.key_words; ++w) plain_.push_back(1 + w);
}

/// Null: it has more texts than tags are kept for.
row_packer::text_tag* row_packer::tags_of(text_column& c, const column_ptr& dictionary) {
  if (!dictionary || dictionary->length > indexed_max) return nullptr;
  for (auto& h : c.held)
    if (h.dictionary == dictionary) return h.tags.data();
  auto& h = c.held[c.next_held++ % dictionaries_held];
  h.dictionary = dictionary;
  h.tags.assign(dictionary->length, no_tag);
  return h.tags.data();
}

void row_packer::begin_batch(std::span<const column_ptr> columns) {
  for (auto& c : texts_) {
    c.tags = c.shared ? tags_of(c, columns[c.column]->dictionary) : nullptr;
    c.batch = c.tags ? columns[c.column] : nullptr;
  }
}

row_packer::text_tag row_packer::share(text_column& c, const var_ref& r, uint32_t at,
                                       text_dictionary& texts) {
  const std::string_view s = r.view();
  if (!c.shared || s.size() < shared_min || s.size() > shared_max) return no_tag;
  text_tag* tag = nullptr;
  if (c.tags) {
    tag = &c.tags[c.batch->data<uint32_t>()[at]];
    if (*tag != no_tag) {
      ++c.found;
      return *tag;
    }
  } else if (r.is_inline()) {
    if (c.known.empty()) c.known.resize(size_t{1} << known_bits);
    constexpr uint64_t odd = 0x9e37'79b9'7f4a'7c15;
    auto& known = c.known[((r.words[0] ^ r.words[1] * odd) * odd) >> (64 - known_bits)];
    if (known.words[0] == r.words[0] && known.words[1] == r.words[1]) {
      c.found += known.tag != no_tag;
      return known.tag;
    }
    std::memcpy(known.words, r.words, sizeof known.words);
    tag = &known.tag;
  }
  uint32_t number = texts.find(s);
  if (number != text_dictionary::none) {
    ++c.found;
  } else {
    number = texts.add(s);
    c.added += number != text_dictionary::none;
    // Judged anew for every so many.
    if (c.added >= trial_texts) {
      c.shared = c.found * uint64_t{useless_factor - 1} >= c.added;
      c.added = c.found = 0;
    }
  }
  text_tag made = no_tag;
  if (const uint32_t code = texts.near_code(number); code != text_dictionary::none)
    made = code << form_bits | near;
  else if (number != text_dictionary::none)
    made = number << form_bits | shared;
  if (tag) *tag = made;
  return made;
}

std::string_view row_packer::pack(const uint64_t* row, uint32_t at, text_dictionary& dictionary) {
  const size_t nibble_bytes = (plain_.size() + 1) / 2;
  size_t most = varint_max + nibble_bytes + 8 * plain_.size() + 8;
  for (const auto& c : texts_) most += varint_max + 1 + static_cast<uint32_t>(row[c.word]);
  if (out_.size() < most) out_.resize(2 * most);
  char* const begin = out_.data();
  char* p = put_varint(begin, *row >> 32);
  char* nibbles = p;
  std::memset(nibbles, 0, nibble_bytes);
  p += nibble_bytes;
  for (size_t i = 0; i < plain_.size(); ++i) {
    uint64_t v = row[plain_[i]];
    auto bytes = static_cast<uint32_t>(std::bit_width(v) + 7) / 8;
    uint32_t code = bytes;
    if (bytes == 8) {
      const auto short_bytes = static_cast<uint32_t>(std::bit_width(~v) + 7) / 8;
      if (short_bytes < 8) {
        bytes = std::max(short_bytes, 1u);
        code = 8 + bytes;
        v = ~v;
      }
    }
    nibbles[i / 2] = static_cast<char>(static_cast<uint8_t>(nibbles[i / 2]) | code << (i % 2 * 4));
    std::memcpy(p, &v, 8);
    p += bytes;
  }
  for (auto& c : texts_) {
    var_ref r;
    std::memcpy(r.words, row + c.word, 16);
    const std::string_view s = r.view();
    if (const text_tag tag = share(c, r, at, dictionary); tag != no_tag) {
      p = put_varint(p, tag);
      continue;
    }
    const uint32_t bits =
        s.size() < narrow_min ? 8 : std::max(narrow_bits_min, differing_bits(s.data(), s.size()));
    if (bits <= narrow_bits_max) {
      p = put_varint(p, uint64_t{s.size()} << form_bits | narrow);
      const auto common = static_cast<uint8_t>(s[0]) & ~((1u << bits) - 1) & 0xf0u;
      *p++ = static_cast<char>(common | bits);
      p = put_narrow(p, s.data(), s.size(), bits);
      continue;
    }
    p = put_varint(p, uint64_t{s.size()} << form_bits | plain);
    if (!s.empty()) std::memcpy(p, s.data(), s.size());
    p += s.size();
  }
  return {begin, static_cast<size_t>(p - begin)};
}

void row_packer::unpack(std::string_view bytes, const text_dictionary& dictionary,
                        row_scratch& scratch, uint64_t* row) const noexcept {
  uint64_t v;
  const char* p = take_varint(bytes.data(), v);
  *row = v << 32;
  const char* nibbles = p;
  p += (plain_.size() + 1) / 2;
  for (size_t i = 0; i < plain_.size(); ++i) {
    const uint32_t code = static_cast<uint8_t>(nibbles[i / 2]) >> (i % 2 * 4) & 15;
    const uint32_t n = code <= 8 ? code : code - 8;
    v = _bzhi_u64(load(p), 8 * n);
    row[plain_[i]] = code <= 8 ? v : ~v;
    p += n;
  }
  for (const auto& c : texts_) {
    p = take_varint(p, v);
    const auto form = static_cast<uint32_t>(v & ((1u << form_bits) - 1));
    std::string_view s;
    if (form == near) {
      s = dictionary.near_text(static_cast<uint32_t>(v >> form_bits));
    } else if (form == shared) {
      s = dictionary.text(static_cast<uint32_t>(v >> form_bits));
    } else {
      const size_t n = v >> form_bits;
      if (form == narrow) {
        const auto head = static_cast<uint8_t>(*p++);
        char* to = scratch.take(n);
        take_narrow(p, n, head, to);
        s = {to, n};
        p += narrow_bytes(n, head & 7);
      } else {
        s = {p, n};
        p += n;
      }
    }
    const auto r = var_ref::borrow(s);
    std::memcpy(row + c.word, r.words, 16);
  }
}

status row_packer::check(std::string_view bytes, const text_dictionary& dictionary) const {
  size_t at = 0;
  auto varint = [&](uint64_t& v, uint64_t most) {
    const size_t end = std::min(bytes.size(), at + varint_max);
    v = 0;
    for (uint32_t shift = 0; at < end; shift += 7) {
      const auto b = static_cast<uint8_t>(bytes[at++]);
      v |= uint64_t{b & 0x7fu} << shift;
      if (b < 0x80) return v <= most;
    }
    return false;
  };
  uint64_t v;
  if (!varint(v, UINT32_MAX)) return damaged();
  const size_t nibbles = at;
  at += (plain_.size() + 1) / 2;
  if (at > bytes.size()) return damaged();
  for (size_t i = 0; i < plain_.size(); ++i) {
    const uint32_t code = static_cast<uint8_t>(bytes[nibbles + i / 2]) >> (i % 2 * 4) & 15;
    at += code <= 8 ? code : code - 8;
  }
  if (at > bytes.size()) return damaged();
  for (size_t c = 0; c < texts_.size(); ++c) {
    if (!varint(v, uint64_t{UINT32_MAX} << form_bits | 3)) return damaged();
    const size_t n = v >> form_bits, left = bytes.size() - at;
    switch (v & ((1u << form_bits) - 1)) {
      case shared:
        if (!dictionary.has(static_cast<uint32_t>(n))) return damaged();
        break;
      case near:
        if (!dictionary.has_near(static_cast<uint32_t>(n))) return damaged();
        break;
      case plain:
        if (n > left) return damaged();
        at += n;
        break;
      case narrow: {
        if (left == 0) return damaged();
        const uint32_t bits = static_cast<uint8_t>(bytes[at]) & 15;
        if (bits < narrow_bits_min || bits > narrow_bits_max || narrow_bytes(n, bits) > left - 1)
          return damaged();
        at += 1 + narrow_bytes(n, bits);
        break;
      }
      default:
        return damaged();
    }
  }
  return at == bytes.size() ? status() : damaged();
}

}  // namespace weir
