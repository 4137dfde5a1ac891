// The columns of texts: out of dictionaries, or written straight into offsets and bytes.
#include <cstring>

#include "runtime/connectors/nexmark_columns.hpp"

namespace weir::nexmark {
namespace {

// Bytes of an event, on average, and of its numbers as the model counts them: what texts do not
// fill, `extra` does.
constexpr uint32_t person_bytes = 200, auction_bytes = 500, bid_bytes = 100;
constexpr uint32_t person_numbers = 8, auction_numbers = 48, bid_numbers = 32;
constexpr uint32_t card_chars = 19;  // 1234 5678 9012 3456
constexpr uint32_t email_fixed = 5;  // "@" and ".com"
// An email's name has 3 to 6 letters, its place 3 or 4: eight pairs, of which one draw chooses.
constexpr uint32_t email_pairs = 8;
constexpr uint32_t email_name(uint32_t pair) {
  return 3 + pair % 4;
}
constexpr uint32_t email_place(uint32_t pair) {
  return 3 + pair / 4;
}

// `extra` makes up what is missing to the average, give or take a fifth.
struct extra_range {
  uint32_t shortest, range;
};
constexpr extra_range extra_of(uint32_t bytes, uint32_t used) {
  const uint32_t wanted = bytes > used ? bytes - used : 0, fifth = (wanted * 2 + 5) / 10;
  return {wanted - fifth, 2 * fifth};
}
constexpr extra_range bid_extra = extra_of(bid_bytes, bid_numbers);

uint32_t length_in(const column& dictionary, uint32_t i) {
  const auto* o = dictionary.offsets.as<uint32_t>();
  return o[i + 1] - o[i];
}

// 32 bytes at a time: reads and writes up to 31 more than there are.
inline void copy_padded(char* to, const char* from, uint32_t n) {
  for (uint32_t i = 0; i < n; i += 32) std::memcpy(to + i, from + i, 32);
}

column_ptr indices_column(const column_ptr& dictionary, buffer_ref values, uint32_t rows) {
  auto c = std::make_shared<column>();
  c->type = type_id::string;
  c->length = rows;
  c->values = std::move(values);
  c->dictionary = dictionary;
  return c;
}

}  // namespace

size_t column_maker::bytes_per_row(field f) const {
  switch (f) {
    case field::extra:
      return settings_.kind == table::person    ? 144
             : settings_.kind == table::auction ? 390
                                                : bid_extra.shortest + bid_extra.range / 2 + 4;
    case field::description:
      return description_shortest + description_range / 2 + 4;
    case field::item_name:
    case field::email_address:
    case field::credit_card:
      return 20;
    case field::name:
    case field::city:
    case field::state:
    case field::channel:
    case field::url:
      return sizeof(uint32_t);
    default:
      return sizeof(int64_t);
  }
}

column_ptr column_maker::from_dictionary(const column_ptr& from, draw d) const {
  const auto k = key_of(d);
  auto values = buffer::allocate(*pool_, rows_ * sizeof(uint32_t));
  auto* out = values.mutable_as<uint32_t>();
  const uint32_t n = from->length;
  for (uint32_t i = 0; i < rows_; ++i) out[i] = below(n, drawn(event_[i], k));
  return indices_column(from, std::move(values), rows_);
}

// One bid in two comes through a hot channel. Channels and their addresses are drawn together.
column_ptr column_maker::channels(const column_ptr& from) const {
  const auto k = key_of(draw::channel);
  auto values = buffer::allocate(*pool_, rows_ * sizeof(uint32_t));
  auto* out = values.mutable_as<uint32_t>();
  for (uint32_t i = 0; i < rows_; ++i) {
    const uint32_t bits = drawn(event_[i], k);
    const uint32_t hot = bits >> 1 & (hot_channels - 1);
    const uint32_t cold = hot_channels + below(channel_count, bits);
    out[i] = (bits & 1) != 0 ? hot : cold;
  }
  return indices_column(from, std::move(values), rows_);
}

void column_maker::draw_lengths(draw d, uint32_t shortest, uint32_t range) {
  const auto k = key_of(d);
  for (uint32_t i = 0; i < rows_; ++i) lengths_[i] = shortest + below(range, drawn(event_[i], k));
}

template <class F>
column_ptr column_maker::texts(F fill) const {
  auto offsets = buffer::allocate(*pool_, (size_t{rows_} + 1) * sizeof(uint32_t));
  auto* o = offsets.mutable_as<uint32_t>();
  uint32_t bytes = 0;
  for (uint32_t i = 0; i < rows_; ++i) {
    o[i] = bytes;
    bytes += lengths_[i];
  }
  o[rows_] = bytes;
  auto values = buffer::allocate(*pool_, bytes);
  auto* to = values.mutable_as<char>();
  for (uint32_t i = 0; i < rows_; ++i) fill(i, to + o[i]);
  auto c = std::make_shared<column>();
  c->type = type_id::string;
  c->length = rows_;
  c->values = std::move(values);
  c->offsets = std::move(offsets);
  return c;
}

// Texts of `lengths_` out of a run of letters. Trimmed: no blank at either end.
column_ptr column_maker::cut(const buffer_ref& from, draw d, bool trimmed) const {
  const auto k = key_of(d);
  const auto* text = from.as<char>();
  return texts([&, this](uint32_t i, char* to) {
    const uint32_t n = lengths_[i];
    copy_padded(to, text + below(text_places, drawn(event_[i], k)), n);
    if (!trimmed) return;
    if (to[0] == ' ') to[0] = 'a';
    if (to[n - 1] == ' ') to[n - 1] = 'z';
  });
}

column_ptr column_maker::emails() {
  const auto pairs = key_of(draw::email_length), places = key_of(draw::email_text);
  for (uint32_t i = 0; i < rows_; ++i) {
    const uint32_t pair = below(email_pairs, drawn(event_[i], pairs));
    lengths_[i] = email_name(pair) + email_place(pair) + email_fixed;
  }
  const auto* letters = words_->letters.as<char>();
  return texts([&, this](uint32_t i, char* to) {
    const uint32_t pair = below(email_pairs, drawn(event_[i], pairs));
    const char* from = letters + below(text_places, drawn(event_[i], places));
    const uint32_t at = email_name(pair);
    std::memcpy(to, from, 16);
    to[at] = '@';
    std::memcpy(to + at + 1 + email_place(pair), ".com", 4);
  });
}

column_ptr column_maker::credit_cards() {
  const auto left = key_of(draw::card_left), right = key_of(draw::card_right);
  std::fill_n(lengths_.begin(), rows_, card_chars);
  return texts([&, this](uint32_t i, char* to) {
    const uint32_t halves[] = {below(100'000'000, drawn(event_[i], left)),
                               below(100'000'000, drawn(event_[i], right))};
    for (uint32_t part = 0; part < 4; ++part) {
      uint32_t n = part % 2 == 0 ? halves[part / 2] / 10'000 : halves[part / 2] % 10'000;
      char* p = to + size_t{part} * 5;
      for (int digit = 3; digit >= 0; --digit, n /= 10) p[digit] = static_cast<char>('0' + n % 10);
      if (part < 3) p[4] = ' ';
    }
  });
}

// How long `extra` is depends on what else the event holds, generated or not.
void column_maker::extra_lengths() {
  const auto k = key_of(draw::extra_length);
  if (settings_.kind == table::bid)
    return draw_lengths(draw::extra_length, bid_extra.shortest, bid_extra.range);
  if (settings_.kind == table::auction) {
    const auto item = key_of(draw::item_length), text = key_of(draw::description_length);
    for (uint32_t i = 0; i < rows_; ++i) {
      const uint32_t e = event_[i];
      const auto x = extra_of(auction_bytes,
                              auction_numbers + item_shortest + below(item_range, drawn(e, item)) +
                                  description_shortest + below(description_range, drawn(e, text)));
      lengths_[i] = x.shortest + below(x.range, drawn(e, k));
    }
    return;
  }
  const auto name = key_of(draw::name), city = key_of(draw::city);
  const auto state = key_of(draw::state), pairs = key_of(draw::email_length);
  const auto& w = *words_;
  for (uint32_t i = 0; i < rows_; ++i) {
    const uint32_t e = event_[i], pair = below(email_pairs, drawn(e, pairs));
    const auto x =
        extra_of(person_bytes, person_numbers + card_chars + email_name(pair) + email_place(pair) +
                                   email_fixed +
                                   length_in(*w.names, below(w.names->length, drawn(e, name))) +
                                   length_in(*w.cities, below(w.cities->length, drawn(e, city))) +
                                   length_in(*w.states, below(w.states->length, drawn(e, state))));
    lengths_[i] = x.shortest + below(x.range, drawn(e, k));
  }
}

column_ptr column_maker::extras() {
  extra_lengths();
  return cut(words_->letters, draw::extra_text, false);
}

}  // namespace weir::nexmark
