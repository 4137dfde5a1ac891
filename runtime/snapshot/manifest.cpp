#include "runtime/snapshot/manifest.hpp"

#include <algorithm>
#include <utility>

#include "runtime/snapshot/codec.hpp"

namespace weir {
namespace {

// Of the record only; the store's format has its own number.
constexpr uint32_t manifest_version = 1;

const manifest_operator* find_operator(const std::vector<manifest_operator>& list,
                                       std::string_view id) {
  auto it = std::find_if(list.begin(), list.end(), [&](const auto& o) { return o.id == id; });
  return it == list.end() ? nullptr : &*it;
}

}  // namespace

const manifest_operator* snapshot_manifest::find(std::string_view operator_id) const {
  return find_operator(operators, operator_id);
}

uint64_t snapshot_manifest::bytes_written() const {
  uint64_t n = 0;
  for (const auto& o : operators)
    for (const auto& s : o.states) n += s.bytes;
  return n;
}

std::string encode_manifest(const snapshot_manifest& m, std::string_view record_key) {
  snapshot_codec::writer w;
  w.number(manifest_version);
  w.text(m.key.job);
  w.text(m.key.node);
  w.number(m.number.value);
  w.text(m.job_name);
  w.number(m.fingerprint);
  w.text(m.plan);
  w.number(m.key_groups);
  w.number(m.mode);
  w.number(static_cast<uint8_t>(m.finished));
  w.number(m.started_us);
  w.number(m.ended_us);
  w.number(static_cast<uint32_t>(m.operators.size()));
  for (const auto& o : m.operators) {
    w.text(o.id);
    w.text(o.name);
    w.number(o.parallelism);
    w.number(o.state_fingerprint);
    w.number(static_cast<uint32_t>(o.states.size()));
    for (const auto& s : o.states) {
      w.text(s.name);
      w.number(s.chunks);
      w.number(s.bytes);
      w.number(s.records);
    }
  }
  w.number(static_cast<uint32_t>(m.metadata.size()));
  for (const auto& [name, bytes] : m.metadata) {
    w.text(name);
    w.text(bytes);
  }
  w.number(static_cast<uint32_t>(m.parts.size()));
  for (const auto& p : m.parts) w.text(p);
  return std::move(w).seal(record_key);
}

result<snapshot_manifest> decode_manifest(std::string_view bytes, std::string_view record_key) {
  snapshot_codec::reader r(record_key, bytes);
  if (!r.ok()) return {errc::corrupt, "the manifest is damaged (checksum does not match)"};
  auto version = r.number<uint32_t>();
  if (version != manifest_version)
    return {errc::version_mismatch, "the manifest has version " + std::to_string(version) +
                                        ", this program reads " + std::to_string(manifest_version)};
  snapshot_manifest m;
  m.key.job = r.text();
  m.key.node = r.text();
  m.number = epoch(r.number<uint64_t>());
  m.job_name = r.text();
  m.fingerprint = r.number<uint64_t>();
  m.plan = r.text();
  m.key_groups = r.number<uint32_t>();
  m.mode = r.number<uint8_t>();
  m.finished = r.number<uint8_t>() != 0;
  m.started_us = r.number<int64_t>();
  m.ended_us = r.number<int64_t>();
  for (size_t n = r.count(24); n; --n) {
    manifest_operator o;
    o.id = r.text();
    o.name = r.text();
    o.parallelism = r.number<uint32_t>();
    o.state_fingerprint = r.number<uint64_t>();
    for (size_t k = r.count(28); k; --k) {
      manifest_state s;
      s.name = r.text();
      s.chunks = r.number<uint64_t>();
      s.bytes = r.number<uint64_t>();
      s.records = r.number<uint64_t>();
      o.states.push_back(std::move(s));
    }
    m.operators.push_back(std::move(o));
  }
  for (size_t n = r.count(8); n; --n) {
    std::string name = r.text();
    m.metadata[name] = r.text();
  }
  for (size_t n = r.count(4); n; --n) m.parts.push_back(r.text());
  if (!r.at_end()) return {errc::corrupt, "the manifest's bytes do not have the expected form"};
  return m;
}

const char* to_string(state_fate f) noexcept {
  switch (f) {
    case state_fate::kept:
      return "kept";
    case state_fate::changed:
      return "changed";
    case state_fate::lost:
      return "lost";
    case state_fate::added:
      return "new";
  }
  return "?";
}

std::vector<state_change> compare(const snapshot_manifest& m,
                                  std::span<const operator_identity> job) {
  std::vector<state_change> out;
  for (const auto& o : job) {
    const manifest_operator* old = m.find(o.id);
    state_fate fate = state_fate::added;
    if (old)
      fate = old->state_fingerprint == o.state_fingerprint ? state_fate::kept : state_fate::changed;
    out.push_back({o.id, o.name, fate});
  }
  for (const auto& old : m.operators) {
    bool there = std::any_of(job.begin(), job.end(), [&](const auto& o) { return o.id == old.id; });
    if (!there) out.push_back({old.id, old.name, state_fate::lost});
  }
  return out;
}

}  // namespace weir
