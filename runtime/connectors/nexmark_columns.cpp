#include "runtime/connectors/nexmark_columns.hpp"

#include <array>

#include "runtime/base/assert.hpp"

namespace weir::nexmark {
namespace {

// Beam's constants. Ids begin at 1000; a hot auction (person) is the first (the first or, as a
// bidder, the second) of its hundred; others are among the last that are still in flight (active),
// or a few that are yet to come.
constexpr int64_t id_first = 1'000;
constexpr int64_t category_first = 10;
constexpr uint32_t categories = 5;
constexpr int64_t auctions_in_flight = 100, auction_lead = 10;
constexpr int64_t people_active = 1'000, person_lead = 10;
constexpr uint32_t hot_one_in = 100;
constexpr uint32_t auctions_a_group = share_of(table::auction).count;
// Events until as many auctions as are in flight have been opened: half an auction's longest time.
constexpr uint64_t events_in_flight = auctions_in_flight * group_events / auctions_a_group;
// One epoch of draws; 50 times as many events are below 2^32.
constexpr uint64_t epoch_groups = uint64_t{1} << 26;

// Prices: 100 * 10^(6u) for u in [0, 1), from 32 bits of u: two tables of 11 bits each and a line
// for the last 10, in integers, so that every machine gets the same.
constexpr int price_bits = 36;  // of fraction, in the product of both tables
constexpr size_t price_steps = 2048;

// scale * 10^(6 i / steps), rounded.
constexpr std::array<uint64_t, price_steps> powers(long double scale, long double factor) {
  std::array<uint64_t, price_steps> out{};
  for (auto& v : out) {
    v = static_cast<uint64_t>(scale + 0.5L);
    scale *= factor;
  }
  return out;
}
// 10^(6/2^11) and 10^(6/2^22).
constexpr auto price_high = powers(100.0L * (1 << 8), 1.0067686592927224011L);
constexpr auto price_middle = powers(1 << 28, 1.0000032938798216027L);
constexpr uint64_t price_slope = 905'413;  // ln(10) * 6 * 2^16

int64_t price_of(uint32_t bits) {
  uint64_t p = price_high[bits >> 21] * price_middle[bits >> 10 & (price_steps - 1)];
  p += (p >> 32) * ((bits & 1023) * price_slope >> 16);
  return static_cast<int64_t>((p + (uint64_t{1} << (price_bits - 1))) >> price_bits);
}

template <table kind>
void place_rows(uint64_t first, uint32_t rows, uint32_t* event, uint32_t* since) {
  constexpr uint32_t count = share_of(kind).count;
  const uint64_t group = first / count;
  const auto at = static_cast<uint32_t>(first % count);
  const auto base =
      static_cast<uint32_t>(group % epoch_groups * group_events) + share_of(kind).first;
  for (uint32_t i = 0; i < rows; ++i) {
    const uint32_t g = (at + i) / count;
    since[i] = g;
    event[i] = base + g * static_cast<uint32_t>(group_events) + (at + i - g * count);
  }
}

column_ptr numbers_column(type_id type, buffer_ref values, uint32_t rows) {
  auto c = std::make_shared<column>();
  c->type = type;
  c->length = rows;
  c->values = std::move(values);
  return c;
}

}  // namespace

column_maker::column_maker(const settings& s, memory_pool& pool)
    : settings_(s), pool_(&pool), words_(words_of(s.seed, pool)) {}

uint64_t column_maker::run(uint64_t first) const {
  const uint64_t epoch_rows = epoch_groups * share_of(settings_.kind).count;
  return epoch_rows - first % epoch_rows;
}

draw_key column_maker::key_of(draw d) const {
  const uint64_t bits =
      mixed(mixed(mixed(settings_.seed) + group_ / epoch_groups) + static_cast<uint64_t>(d) +
            (static_cast<uint64_t>(settings_.kind) << 8));
  return {static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)};
}

void column_maker::place(uint64_t first, uint32_t rows) {
  weir_assert(rows <= run(first), "rows of two epochs of draws in one batch");
  if (first == first_ && rows == rows_) return;
  first_ = first;
  rows_ = rows;
  group_ = first / share_of(settings_.kind).count;
  if (event_.size() < rows) {
    event_.resize(rows);
    since_.resize(rows);
    lengths_.resize(rows);
  }
  switch (settings_.kind) {
    case table::person:
      return place_rows<table::person>(first, rows, event_.data(), since_.data());
    case table::auction:
      return place_rows<table::auction>(first, rows, event_.data(), since_.data());
    case table::bid:
      return place_rows<table::bid>(first, rows, event_.data(), since_.data());
  }
}

// Event times of the events that come `later` events after the rows.
void column_maker::times(int64_t* out, uint64_t later) const {
  const auto rate = static_cast<int64_t>(settings_.event_rate);
  // What the first row is from, and the rest of the division, so that what is left is small.
  const uint64_t from = event_of(settings_.kind, first_) + later;
  const auto micros = static_cast<unsigned __int128>(from) * 1'000'000;
  const int64_t base = time_of(settings_, from);
  const auto rest = static_cast<int64_t>(micros % settings_.event_rate);
  const uint32_t event = event_[0];
  if (1'000'000 % rate == 0) {
    const auto step = static_cast<uint32_t>(1'000'000 / rate);
    for (uint32_t i = 0; i < rows_; ++i)
      out[i] = base + static_cast<int64_t>(uint64_t{event_[i] - event} * step);
    return;
  }
  // Both below 2^52, where the quotient's integer part is exact.
  const auto divisor = static_cast<double>(rate);
  for (uint32_t i = 0; i < rows_; ++i) {
    const int64_t x = rest + int64_t{event_[i] - event} * 1'000'000;
    out[i] = base + static_cast<int64_t>(static_cast<double>(x) / divisor);
  }
}

void column_maker::expiries(int64_t* out) const {
  times(out, events_in_flight);
  std::vector<int64_t> opened(rows_);
  times(opened.data(), 0);
  const auto k = key_of(draw::expires);
  for (uint32_t i = 0; i < rows_; ++i) {
    const auto range = static_cast<uint64_t>(2 * (out[i] - opened[i]));
    out[i] = opened[i] + 1'000 + static_cast<int64_t>(drawn(event_[i], k) * range >> 32);
  }
}

void column_maker::bid_auctions(int64_t* out) const {
  const auto k = key_of(draw::auction);
  const auto newest = static_cast<int64_t>(group_ * auctions_a_group + auctions_a_group - 1);
  const auto past = static_cast<uint32_t>(newest % hot_one_in);
  if (newest >= auctions_in_flight) {
    constexpr uint32_t range = auctions_in_flight + 1 + auction_lead;
    // Counted from far enough back that all is positive.
    const int64_t base = id_first + newest - 200;
    for (uint32_t i = 0; i < rows_; ++i) {
      const uint32_t bits = drawn(event_[i], k), more = since_[i] * auctions_a_group;
      const uint32_t hot = (past + more) / hot_one_in * hot_one_in + 200 - past;
      const uint32_t cold = more + 100 + below(range, bits);
      out[i] = base + ((bits & 1) != 0 ? hot : cold);
    }
    return;
  }
  for (uint32_t i = 0; i < rows_; ++i) {  // the stream's first auctions
    const uint32_t bits = drawn(event_[i], k);
    const int64_t last = newest + int64_t{since_[i]} * auctions_a_group;
    const int64_t oldest = std::max<int64_t>(last - auctions_in_flight, 0);
    const auto range = static_cast<uint32_t>(last - oldest + 1 + auction_lead);
    out[i] =
        id_first + ((bits & 1) != 0 ? last / hot_one_in * hot_one_in : oldest + below(range, bits));
  }
}

// Bidders and sellers: three in four are hot.
void column_maker::people(int64_t* out, draw d, int64_t hot_place) const {
  const auto k = key_of(d);
  const auto newest = static_cast<int64_t>(group_);
  const auto past = static_cast<uint32_t>(newest % hot_one_in);
  if (newest + 1 >= people_active) {
    constexpr uint32_t range = people_active + person_lead;
    const int64_t base = id_first + newest - 1'100;
    const uint32_t hot_more = 1'100 + static_cast<uint32_t>(hot_place) - past;
    for (uint32_t i = 0; i < rows_; ++i) {
      const uint32_t bits = drawn(event_[i], k), more = since_[i];
      const uint32_t hot = (past + more) / hot_one_in * hot_one_in + hot_more;
      const uint32_t cold = more + (1'100 + 1 - people_active) + below(range, bits);
      out[i] = base + ((bits & 3) != 0 ? hot : cold);
    }
    return;
  }
  for (uint32_t i = 0; i < rows_; ++i) {
    const uint32_t bits = drawn(event_[i], k);
    const int64_t people = newest + since_[i] + 1, active = std::min(people, people_active);
    out[i] = id_first +
             ((bits & 3) != 0
                  ? (people - 1) / hot_one_in * hot_one_in + hot_place
                  : people - active + below(static_cast<uint32_t>(active + person_lead), bits));
  }
}

void column_maker::prices(int64_t* out, draw d) const {
  const auto k = key_of(d);
  for (uint32_t i = 0; i < rows_; ++i) out[i] = price_of(drawn(event_[i], k));
}

column_ptr column_maker::numbers(field f) {
  auto values = buffer::allocate(*pool_, rows_ * sizeof(int64_t));
  auto* out = values.mutable_as<int64_t>();
  auto type = type_id::int64;
  switch (f) {
    case field::date_time:
      type = type_id::timestamp;
      times(out, 0);
      break;
    case field::expires:
      type = type_id::timestamp;
      expiries(out);
      break;
    case field::auction:
      bid_auctions(out);
      break;
    case field::bidder:
      people(out, draw::bidder, 1);
      break;
    case field::seller:
      people(out, draw::seller, 0);
      break;
    case field::price:
    case field::initial_bid:
      prices(out, draw::price);
      break;
    case field::reserve: {  // above the first bid by another price
      prices(out, draw::price);
      const auto k = key_of(draw::reserve);
      for (uint32_t i = 0; i < rows_; ++i) out[i] += price_of(drawn(event_[i], k));
      break;
    }
    case field::category: {
      const auto k = key_of(draw::category);
      for (uint32_t i = 0; i < rows_; ++i)
        out[i] = category_first + below(categories, drawn(event_[i], k));
      break;
    }
    default:  // id: people and auctions are counted
      for (uint32_t i = 0; i < rows_; ++i) out[i] = id_first + static_cast<int64_t>(first_ + i);
  }
  return numbers_column(type, std::move(values), rows_);
}

column_ptr column_maker::make(field f, uint64_t first, uint32_t rows) {
  place(first, rows);
  switch (f) {
    case field::name:
      return from_dictionary(words_->names, draw::name);
    case field::city:
      return from_dictionary(words_->cities, draw::city);
    case field::state:
      return from_dictionary(words_->states, draw::state);
    case field::channel:
      return channels(words_->channels);
    case field::url:
      return channels(words_->urls);
    case field::email_address:
      return emails();
    case field::credit_card:
      return credit_cards();
    case field::item_name:
      draw_lengths(draw::item_length, item_shortest, item_range);
      return cut(words_->prose, draw::item_text, true);
    case field::description:
      draw_lengths(draw::description_length, description_shortest, description_range);
      return cut(words_->prose, draw::description_text, true);
    case field::extra:
      return extras();
    default:
      return numbers(f);
  }
}

}  // namespace weir::nexmark
