#include "actors/job_manifest.hpp"

#include <algorithm>
#include <charconv>

#include "runtime/base/crc32c.hpp"
#include "runtime/flow/split_list.hpp"

namespace weir {
namespace {

constexpr std::string_view magic = "WEIRMAN5";
constexpr std::string_view magic_four = "WEIRMAN4";   // without tenure
constexpr std::string_view magic_three = "WEIRMAN3";  // deployments and regions instead of tasks
constexpr std::string_view magic_two = "WEIRMAN2";    // without sources
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

/// Of small numbers: a byte each.
std::string packed(const std::vector<uint32_t>& numbers) {
  std::string out;
  for (auto n : numbers) {
    for (; n >= 0x80; n >>= 7) out.push_back(static_cast<char>(n | 0x80));
    out.push_back(static_cast<char>(n));
  }
  return out;
}

bool unpack(std::string_view in, uint32_t below, std::vector<uint32_t>& out) {
  uint64_t n = 0;
  uint32_t shift = 0;
  for (unsigned char c : in) {
    n |= uint64_t{c & 0x7fU} << shift;
    shift += 7;
    if (n >= below || shift > 35) return false;
    if (c & 0x80) continue;
    out.push_back(static_cast<uint32_t>(n));
    n = shift = 0;
  }
  return shift == 0;
}

std::string_view deployment_of_part(std::string_view name) {
  auto dot = name.find('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1);
}

std::string_view deployment_of_region(const job_manifest& m, uint32_t region) {
  if (region < m.regions.size()) return m.deployments[m.regions[region]];
  return m.parts.empty() ? std::string_view() : deployment_of_part(m.parts.front().name);
}

}  // namespace

std::string encode_job_manifest(const job_manifest& m) {
  std::string out(magic);
  put_text(out, std::to_string(m.number));
  put_text(out, std::to_string(m.tenure));
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
  put_text(out, std::to_string(m.sources.size()));
  for (const auto& [id, nodes] : m.sources) {
    put_text(out, id);
    put_text(out, std::to_string(nodes.size()));
    for (auto n : nodes) put_text(out, std::to_string(n));
  }
  put_text(out, packed(m.tasks));
  return out;
}

result<job_manifest> decode_job_manifest(std::string_view in) {
  const error damaged{errc::corrupt, "the manifest of the job's newest epoch is damaged"};
  if (in.size() < magic.size() || !in.starts_with("WEIRMAN")) return damaged;
  const bool before = in.starts_with(magic_before);
  const bool has_tenure = in.starts_with(magic);
  const bool has_tasks = has_tenure || in.starts_with(magic_four);
  const bool has_sources = has_tasks || in.starts_with(magic_three);
  if (!before && !has_sources && !in.starts_with(magic_two))
    return error{errc::version_mismatch,
                 "the manifest of the job's newest epoch is of another version of weir"};
  in.remove_prefix(magic.size());
  job_manifest m;
  uint32_t finished = 0, parts = 0, slots = 0;
  if (!get_number(in, m.number) || (has_tenure && !get_number(in, m.tenure)) ||
      !get_number(in, m.restarts) || !get_number(in, finished) || !get_number(in, m.fingerprint) ||
      !get_number(in, m.pools) || !get_number(in, parts))
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
  if (!has_tasks && !get_number(in, deployments)) return damaged;
  for (; deployments > 0; --deployments)
    if (!get_text(in, m.deployments.emplace_back())) return damaged;
  if (!has_tasks && !get_number(in, runs)) return damaged;
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
  std::string tasks;
  if (has_tasks &&
      (!get_text(in, tasks) || !unpack(tasks, static_cast<uint32_t>(m.parts.size()), m.tasks)))
    return damaged;
  if (!in.empty()) return damaged;
  return m;
}

status tell_tasks(job_manifest& m, const physical_plan& plan, const task_graph& graph) {
  const error other{errc::corrupt, "the manifest of the job's newest epoch is of another plan"};
  if (!m.tasks.empty() || m.parts.empty())
    return m.parts.empty() || m.tasks.size() == graph.tasks.size() ? status() : other;
  for (const auto& t : graph.tasks) {
    const auto& id = plan.operators[graph.chains[t.chain].operators.front().value].id;
    const auto own = m.sources.find(id);
    const auto& nodes = own == m.sources.end() ? m.slots : own->second;
    if (t.subtask >= nodes.size()) return other;
    const auto name =
        std::to_string(nodes[t.subtask]) + "." + std::string(deployment_of_region(m, t.region));
    const auto part = std::find_if(m.parts.begin(), m.parts.end(),
                                   [&name](const auto& p) { return p.name == name; });
    if (part == m.parts.end()) return other;
    m.tasks.push_back(static_cast<uint32_t>(part - m.parts.begin()));
  }
  return {};
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
