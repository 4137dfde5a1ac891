// AT TIME ZONE and date_trunc in a zone. Rules come from the system's time zone files by Abseil.
#include <absl/time/civil_time.h>
#include <absl/time/time.h>

#include "runtime/expr/catalog.hpp"
#include "runtime/expr/datetime.hpp"

namespace weir::expr {
namespace {

using text = std::string_view;

struct zone_state {
  std::string name;
  absl::TimeZone zone;
  bool known = false;
};

// A name is a relative path for the loader: letters, digits, "_", "-", "+" and "/" only.
bool plausible(text name) {
  if (name.empty() || name.size() > 64 || name[0] == '/' || name[0] == '+' || name[0] == '-' ||
      (name[0] >= '0' && name[0] <= '9'))
    return false;
  for (char c : name)
    if (!isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-' && c != '+' && c != '/')
      return false;
  return true;
}
// "europe/berlin" as the files are called.
std::string titled(text name) {
  std::string r;
  bool start = true;
  for (char c : name) {
    auto u = static_cast<unsigned char>(c);
    r += static_cast<char>(start ? toupper(u) : tolower(u));
    start = !isalpha(u);
  }
  return r;
}

const absl::TimeZone* zone(row_scope& r, text name) {
  auto& s = r.state<zone_state>();
  if (s.name != name || !s.known) {
    s.name = name;
    std::string upper;
    for (char c : name) upper += static_cast<char>(toupper(static_cast<unsigned char>(c)));
    if (upper == "Z") upper = "UTC";
    s.known = plausible(name) &&
              (absl::LoadTimeZone(s.name, &s.zone) || absl::LoadTimeZone(upper, &s.zone) ||
               absl::LoadTimeZone(titled(name), &s.zone));
  }
  if (s.known) return &s.zone;
  r.fail(errc::invalid_argument, "time zone \"" + std::string(name) + "\" not recognized");
  return nullptr;
}

int64_t to_local(const absl::TimeZone& z, int64_t us) {
  auto info = z.At(absl::FromUnixMicros(us));
  return us + info.offset * micros_per_second;
}
int64_t to_utc(const absl::TimeZone& z, int64_t local) {
  int64_t seconds = floor_div(local, micros_per_second);
  auto civil = absl::CivilSecond() + seconds;  // CivilSecond() is 1970-01-01
  auto info = z.At(civil);
  // A time that a change of clocks skips or repeats: PostgreSQL takes the offset before a gap and
  // the one after an overlap, both standard time.
  auto t = info.kind == absl::TimeZone::TimeInfo::REPEATED ? info.post : info.pre;
  return absl::ToUnixSeconds(t) * micros_per_second + (local - seconds * micros_per_second);
}

int64_t by_offset(row_scope& r, interval_value offset, int64_t t, int sign) {
  if (offset.months == 0 && offset.days == 0)
    if (auto v = add(t, {0, 0, sign * offset.micros})) return *v;
  r.fail(errc::invalid_argument, "interval time zone must not include months or days");
  return 0;
}

}  // namespace

void register_zone(catalog& c) {
  constexpr auto s = type_id::string, ts = type_id::timestamp, iv = type_id::interval;
  c.row("timezone", {s, ts}, ts, [](row_scope& r, text name, int64_t t) -> int64_t {
    const auto* z = zone(r, name);
    return z ? to_utc(*z, t) : 0;
  });
  c.row("timezone_local", {s, ts}, ts, [](row_scope& r, text name, int64_t t) -> int64_t {
    const auto* z = zone(r, name);
    return z ? to_local(*z, t) : 0;
  });
  c.row("timezone", {iv, ts}, ts,
        [](row_scope& r, interval_value o, int64_t t) { return by_offset(r, o, t, -1); });
  c.row("timezone_local", {iv, ts}, ts,
        [](row_scope& r, interval_value o, int64_t t) { return by_offset(r, o, t, 1); });
  c.row("date_trunc", {s, ts, s}, ts, [](row_scope& r, text unit, int64_t t, text name) -> int64_t {
    const auto* z = zone(r, name);
    if (!z) return 0;
    if (auto v = truncate(field_named(unit), to_local(*z, t))) return to_utc(*z, *v);
    r.fail(errc::invalid_argument,
           "unit \"" + std::string(unit) + "\" not recognized for type timestamp");
    return 0;
  });
}

}  // namespace weir::expr
