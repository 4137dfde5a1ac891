#include "runtime/base/nearest.hpp"

#include <algorithm>
#include <vector>

namespace weir {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

}  // namespace

// Optimal string alignment distance (Damerau-Levenshtein without repeated edits of one substring).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), previous(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replace = previous[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
      row[j] = std::min({replace, previous[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(previous);
    previous.swap(row);
  }
  return previous[b.size()];
}

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> candidates) {
  // Names are identifiers: a long one is garbage, and the distance is quadratic in it.
  constexpr size_t name_bytes_max = 256;
  if (name.size() > name_bytes_max) return {};
  std::string_view best;
  size_t best_distance = SIZE_MAX;
  for (auto c : candidates) {
    if (c.size() > name_bytes_max) continue;
    size_t d = edit_distance(name, c);
    size_t allowed = std::max<size_t>(1, std::max(name.size(), c.size()) / 3);
    if (d <= allowed && d < best_distance) {
      best = c;
      best_distance = d;
    }
  }
  return best;
}

std::string_view nearest_name(std::string_view name, std::span<const std::string> candidates) {
  std::vector<std::string_view> views(candidates.begin(), candidates.end());
  return nearest_name(name, views);
}

std::string nearest_hint(std::string_view name, std::span<const std::string_view> candidates) {
  auto best = nearest_name(name, candidates);
  if (best.empty()) return {};
  return "; did you mean \"" + std::string(best) + "\"?";
}

std::string nearest_hint(std::string_view name, std::span<const std::string> candidates) {
  std::vector<std::string_view> views(candidates.begin(), candidates.end());
  return nearest_hint(name, views);
}

}  // namespace weir
