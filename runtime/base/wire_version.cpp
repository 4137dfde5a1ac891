#include "runtime/base/wire_version.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace weir {
namespace {

std::string hex(uint64_t n) {
  char text[17];
  std::snprintf(text, sizeof text, "%016" PRIx64, n);
  return text;
}

bool declares(const wire_version& who, uint64_t hash) {
  return std::find(who.compatible.begin(), who.compatible.end(), hash) != who.compatible.end();
}

}  // namespace

bool understand_each_other(const wire_version& a, const wire_version& b) {
  if (a.format != b.format || a.hash == 0 || b.hash == 0) return false;
  return a.hash == b.hash || declares(a, b.hash) || declares(b, a.hash);
}

std::string to_string(const wire_version& v) {
  return (v.build.empty() ? "an unnamed build" : v.build) + " (format " + std::to_string(v.format) +
         ", messages " + hex(v.hash) + ")";
}

std::string refusal_of(const wire_version& here, const wire_version& other) {
  return "builds of weir that do not understand each other: here " + to_string(here) + ", there " +
         to_string(other) +
         "; start the same build on all nodes, or one that declares the other compatible "
         "(docs/operations.md, Upgrading)";
}

std::vector<std::string> application_identifiers(const wire_version& v) {
  const auto prefix = "weir/" + std::to_string(v.format) + "/";
  std::vector<std::string> all{prefix + hex(v.hash)};
  for (auto c : v.compatible) all.push_back(prefix + hex(c));
  return all;
}

}  // namespace weir
