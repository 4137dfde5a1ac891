#include "runtime/connectors/rotation.hpp"

#include <algorithm>

namespace weir {
namespace {

// Digits of a counter (app.log.12); more are a date.
constexpr size_t counter_digits_max = 5;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

/// "1", "20240131", "2024-01-31T10": what a rotation put into the name; empty = it is none.
std::string_view stamp_of(std::string_view live, std::string_view name) {
  auto between = [name](std::string_view prefix, std::string_view suffix) {
    if (name.size() < prefix.size() + suffix.size() + 2 || !name.starts_with(prefix) ||
        !name.ends_with(suffix))
      return std::string_view();
    auto stamp = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
    if (stamp[0] != '.' && stamp[0] != '-' && stamp[0] != '_') return std::string_view();
    stamp.remove_prefix(1);
    bool fits =
        is_digit(stamp[0]) && std::all_of(stamp.begin(), stamp.end(), [](char c) {
          return is_digit(c) || std::string_view("-_.:TZ").find(c) != std::string_view::npos;
        });
    return fits ? stamp : std::string_view();
  };
  auto stamp = between(live, "");
  auto dot = live.rfind('.');
  if (stamp.empty() && dot != std::string_view::npos && dot > 0)
    stamp = between(live.substr(0, dot), live.substr(dot));
  return stamp;
}

/// Whether a file of stamp `a` was filled before one of stamp `b`: counters grow with age, dates
/// the other way round.
bool older(std::string_view a, std::string_view b) {
  auto counter = [](std::string_view s) {
    return s.size() <= counter_digits_max && std::all_of(s.begin(), s.end(), is_digit);
  };
  if (counter(a) && counter(b)) return a.size() != b.size() ? a.size() > b.size() : a > b;
  return a < b;
}

}  // namespace

bool is_rotated_name(std::string_view live, std::string_view name) {
  return !stamp_of(live, name).empty();
}

std::vector<file_info> filled_after(const std::string& live, const file_info& current,
                                    const std::vector<file_info>& folder) {
  const auto name = base_name(live);
  const auto mine = stamp_of(name, base_name(current.path));
  auto is_current = [&current](const file_info& f) {
    return f.device == current.device && f.inode == current.inode;
  };
  std::vector<file_info> out;
  for (const auto& f : folder) {
    const auto stamp = stamp_of(name, base_name(f.path));
    if (stamp.empty() || is_current(f) || f.size == 0) continue;
    if (f.modified_us > current.modified_us ||
        (f.modified_us == current.modified_us && !mine.empty() && older(mine, stamp)))
      out.push_back(f);
  }
  std::stable_sort(out.begin(), out.end(), [name](const file_info& a, const file_info& b) {
    if (a.modified_us != b.modified_us) return a.modified_us < b.modified_us;
    return older(stamp_of(name, base_name(a.path)), stamp_of(name, base_name(b.path)));
  });
  for (const auto& f : folder)
    if (base_name(f.path) == name && !is_current(f) && f.size > 0) out.push_back(f);
  return out;
}

}  // namespace weir
