#include "actors/job_manifest.hpp"

#include <charconv>

#include "runtime/base/crc32c.hpp"
#include "runtime/flow/split_list.hpp"

namespace weir {
namespace {

constexpr std::string_view magic = "WEIRMAN3";
constexpr std::string_view magic_two = "WEIRMAN2";  // without sources
// A task graph has no more tasks than channels (runtime/plan/task_graph.hpp), or thereabouts.
constexpr uint32_t regions_max = 1U << 20;
constexpr std::string_view magic_before = "WEIRMAN1";  // without deployments

template <class T>
bool get_number(std::string_view& in, T& value) {
  std::string text;
  if (!get_text(in, text)) return false;
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

}  // namespace

std::string_view deployment_of_part(std::string_view name) {
  auto dot = name.find('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1);
}

std::string_view deployment_of_region(const job_manifest& m, uint32_t region) {
  if (region < m.regions.size()) return m.deployments[m.regions[region]];
  return m.parts.empty() ? std::string_view() : deployment_of_part(m.parts.front().name);
}

std::string encode_job_manifest(const job_manifest& m) {
  std::string out(magic);
  put_text(out, std::to_string(m.number));
  put_text(out, std::to_string(m.restarts));
  put_text(out, m.finished ? "1" : "0");
  put_text(out, std::to_string(m.fingerprint));
  put_text(out, std::to_string(m.pools));
  put_text(out, std::to_string(m.parts.size()));
  for (const auto& p : m.parts) {
    put_text(out, p.name);
    put_text(out, std::to_string(p.writer));
    put_text(out, std::to_string(p.copy));
  }
  put_text(out, std::to_string(m.slots.size()));
  for (auto s : m.slots) put_text(out, std::to_string(s));
  put_text(out, std::to_string(m.deployments.size()));
  for (const auto& d : m.deployments) put_text(out, d);
  std::vector<std::pair<size_t, uint32_t>> runs;  // length, deployment
  for (auto d : m.regions) {
    if (runs.empty() || runs.back().second != d) runs.emplace_back(0, d);
    ++runs.back().first;
  }
  put_text(out, std::to_string(runs.size()));
  for (const auto& [length, d] : runs) {
    put_text(out, std::to_string(length));
    put_text(out, std::to_string(d));
  }
  put_text(out, std::to_string(m.sources.size()));
  for (const auto& [id, nodes] : m.sources) {
    put_text(out, id);
    put_text(out, std::to_string(nodes.size()));
    for (auto n : nodes) put_text(out, std::to_string(n));
  }
  return out;
}

result<job_manifest> decode_job_manifest(std::string_view in) {
  const error damaged{errc::corrupt, "the manifest of the job's newest epoch is damaged"};
  if (in.size() < magic.size() || !in.starts_with("WEIRMAN")) return damaged;
  const bool before = in.starts_with(magic_before);
  const bool has_sources = in.starts_with(magic);
  if (!before && !has_sources && !in.starts_with(magic_two))
    return error{errc::version_mismatch,
                 "the manifest of the job's newest epoch is of another version of weir"};
  in.remove_prefix(magic.size());
  job_manifest m;
  uint32_t finished = 0, parts = 0, slots = 0;
  if (!get_number(in, m.number) || !get_number(in, m.restarts) || !get_number(in, finished) ||
      !get_number(in, m.fingerprint) || !get_number(in, m.pools) || !get_number(in, parts))
    return damaged;
  m.finished = finished != 0;
  for (; parts > 0; --parts) {
    auto& p = m.parts.emplace_back();
    if (!get_text(in, p.name) || !get_number(in, p.writer) || !get_number(in, p.copy))
      return damaged;
  }
  if (!get_number(in, slots)) return damaged;
  for (; slots > 0; --slots)
    if (!get_number(in, m.slots.emplace_back())) return damaged;
  if (before) return in.empty() ? result<job_manifest>(std::move(m)) : damaged;
  uint32_t deployments = 0, runs = 0;
  if (!get_number(in, deployments)) return damaged;
  for (; deployments > 0; --deployments)
    if (!get_text(in, m.deployments.emplace_back())) return damaged;
  if (!get_number(in, runs)) return damaged;
  for (; runs > 0; --runs) {
    uint32_t length = 0, d = 0;
    if (!get_number(in, length) || !get_number(in, d) || length > regions_max ||
        d >= m.deployments.size())
      return damaged;
    m.regions.insert(m.regions.end(), length, d);
  }
  uint32_t sources = 0;
  if (has_sources && !get_number(in, sources)) return damaged;
  for (; sources > 0; --sources) {
    std::string id;
    uint32_t nodes = 0;
    if (!get_text(in, id) || !get_number(in, nodes)) return damaged;
    auto& list = m.sources[id];
    for (; nodes > 0; --nodes)
      if (!get_number(in, list.emplace_back())) return damaged;
  }
  if (!in.empty()) return damaged;
  return m;
}

uint32_t checksum_of_pools(const std::map<std::string, std::string>& pools) {
  std::string all;
  for (const auto& [id, text] : pools) {
    put_text(all, id);
    put_text(all, text);
  }
  return crc32c(std::as_bytes(std::span(all)));
}

}  // namespace weir
