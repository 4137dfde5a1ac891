#include "runtime/connectors/nexmark_model.hpp"

#include "runtime/base/nearest.hpp"
#include "runtime/column/text.hpp"
#include "runtime/connectors/options.hpp"

namespace weir::nexmark {
namespace {

using t = type_id;
constexpr field_info person_fields[] = {
    {field::id, "id", t::int64},
    {field::name, "name", t::string},
    {field::email_address, "email_address", t::string},
    {field::credit_card, "credit_card", t::string},
    {field::city, "city", t::string},
    {field::state, "state", t::string},
    {field::date_time, "date_time", t::timestamp},
    {field::extra, "extra", t::string},
};
constexpr field_info auction_fields[] = {
    {field::id, "id", t::int64},
    {field::item_name, "item_name", t::string},
    {field::description, "description", t::string},
    {field::initial_bid, "initial_bid", t::int64},
    {field::reserve, "reserve", t::int64},
    {field::date_time, "date_time", t::timestamp},
    {field::expires, "expires", t::timestamp},
    {field::seller, "seller", t::int64},
    {field::category, "category", t::int64},
    {field::extra, "extra", t::string},
};
constexpr field_info bid_fields[] = {
    {field::auction, "auction", t::int64}, {field::bidder, "bidder", t::int64},
    {field::price, "price", t::int64},     {field::channel, "channel", t::string},
    {field::url, "url", t::string},        {field::date_time, "date_time", t::timestamp},
    {field::extra, "extra", t::string},
};
constexpr std::string_view table_names[] = {"person", "auction", "bid"};

// 2020-01-01 00:00:00: fixed, so that a run gives the same rows every day; the start of a day, so
// that windows of any usual size begin with the stream.
constexpr int64_t start_default_us = 1'577'836'800'000'000;
// What a rate makes of an event's number has to stay within int64 microseconds, with room for the
// start.
constexpr int64_t span_us_max = int64_t{1} << 61;

std::string folded(std::string_view name) {
  std::string out;
  for (char c : name)
    if (c != '_') out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  return out;
}

std::optional<table> table_of(std::string_view name) {
  for (size_t i = 0; i < std::size(table_names); ++i)
    if (folded(name) == table_names[i]) return static_cast<table>(i);
  return std::nullopt;
}

}  // namespace

std::span<const field_info> fields_of(table kind) {
  switch (kind) {
    case table::person:
      return person_fields;
    case table::auction:
      return auction_fields;
    case table::bid:
      break;
  }
  return bid_fields;
}

std::string_view name_of(table kind) {
  return table_names[static_cast<size_t>(kind)];
}

result<field> field_of(table kind, const weir::field& declared) {
  std::vector<std::string_view> names;
  const auto wanted = folded(declared.name);
  for (const auto& f : fields_of(kind)) {
    names.push_back(f.name);
    if (folded(f.name) != wanted) continue;
    if (declared.type.id == f.type) return f.what;
    return {errc::type_mismatch, "column \"" + declared.name + "\" of Nexmark's table " +
                                     std::string(name_of(kind)) + " is " + to_string(f.type) +
                                     ", not " + to_string(declared.type)};
  }
  std::string known;
  for (auto n : names) known += (known.empty() ? "" : ", ") + std::string(n);
  return {errc::unknown_name, "Nexmark's table " + std::string(name_of(kind)) +
                                  " has no column \"" + declared.name + "\"" +
                                  nearest_hint(declared.name, names) + " (known: " + known + ")"};
}

result<settings> settings_of(const option_map& options) {
  settings s;
  auto kind = table_of(option_text(options, "table", ""));
  if (!kind)
    return {errc::invalid_argument,
            "connector nexmark needs the option table = 'person', 'auction' or 'bid', unless the "
            "table itself has one of these names"};
  s.kind = *kind;
  WEIR_ASSIGN(int64_t events, option_int(options, "events", 0));
  WEIR_ASSIGN(int64_t rate, option_int(options, "event_rate", 10'000));
  WEIR_ASSIGN(int64_t seed, option_int(options, "seed", 1));
  WEIR_ASSIGN(s.start_us, option_timestamp(options, "start_time", start_default_us));
  WEIR_ASSIGN(s.full_events, option_bool(options, "full_events", false));
  s.events = static_cast<uint64_t>(events);
  s.event_rate = static_cast<uint64_t>(rate);
  s.seed = static_cast<uint64_t>(seed);
  if (s.start_us > span_us_max || s.start_us < -span_us_max)
    return {errc::invalid_argument, "option start_time: too far from now"};
  if (static_cast<unsigned __int128>(s.events) * 1'000'000 / s.event_rate >
      static_cast<uint64_t>(span_us_max))
    return {errc::invalid_argument,
            "option events: so many events at this event_rate do not fit into timestamps"};
  return s;
}

status check_table(const std::string& name, const schema& physical, option_map& options) {
  if (!option_present(options, "table"))
    if (auto kind = table_of(name)) options["table"] = std::string(name_of(*kind));
  WEIR_ASSIGN(auto s, settings_of(options));
  for (const auto& f : physical.fields) WEIR_TRY(field_of(s.kind, f));
  return {};
}

}  // namespace weir::nexmark
