// Nexmark's event stream (P. Tucker et al., "NEXMark: a benchmark for queries over data streams";
// the model and constants of Apache Beam's generator): of every 50 events the first is a person,
// then come 3 auctions and 46 bids. Three tables show one stream: a row is known by its event's
// number, and what it holds depends on that number and the seed alone. Plain values and pure
// functions.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include "runtime/column/types.hpp"
#include "runtime/connectors/source.hpp"

namespace weir::nexmark {

enum class table : uint8_t { person, auction, bid };

/// A table's share of the stream.
struct share {
  uint32_t first = 0;  // place of its first event within each group of 50
  uint32_t count = 0;  // its events in a group
};
inline constexpr uint64_t group_events = 50;
inline constexpr share shares[] = {{0, 1}, {1, 3}, {4, 46}};
constexpr share share_of(table t) noexcept {
  return shares[static_cast<size_t>(t)];
}

/// Rows of a table with event numbers below `event`.
constexpr uint64_t rows_before(table t, uint64_t event) noexcept {
  const auto [first, count] = share_of(t);
  const uint64_t place = event % group_events;
  return event / group_events * count +
         (place <= first ? 0 : std::min<uint64_t>(place - first, count));
}
/// The event number of a table's row.
constexpr uint64_t event_of(table t, uint64_t row) noexcept {
  const auto [first, count] = share_of(t);
  return row / count * group_events + first + row % count;
}

enum class field : uint8_t {
  id,
  name,
  email_address,
  credit_card,
  city,
  state,
  date_time,
  extra,  // person
  item_name,
  description,
  initial_bid,
  reserve,
  expires,
  seller,
  category,  // auction, besides
  auction,
  bidder,
  price,
  channel,
  url,  // bid, besides
};
struct field_info {
  field what;
  std::string_view name;
  type_id type;
};
std::span<const field_info> fields_of(table);
std::string_view name_of(table);

struct settings {
  table kind = table::bid;
  uint64_t events = 0;           // of all three tables; 0 = without end
  uint64_t event_rate = 10'000;  // events per second of event time
  int64_t start_us = 0;          // event time of event 0
  uint64_t seed = 1;
  bool full_events = false;
};
/// From the options of a table, which have passed check_options().
result<settings> settings_of(const option_map&);

/// Event time of an event: microseconds, rounded down.
constexpr int64_t time_of(const settings& s, uint64_t event) noexcept {
  return s.start_us +
         static_cast<int64_t>(static_cast<unsigned __int128>(event) * 1'000'000 / s.event_rate);
}

/// The field that a declared column means: case and underscores do not count. Errors: no such
/// column (with the nearest name), another type than the field's.
result<field> field_of(table, const weir::field& declared);

/// Completes and checks a table's definition before anything runs: the option `table` is the
/// SQL table's own name when that is one of the three; columns must be those of the table.
status check_table(const std::string& name, const schema& physical, option_map& options);

}  // namespace weir::nexmark
