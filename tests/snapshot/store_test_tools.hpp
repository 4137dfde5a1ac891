// A model of keyed state and the chunks that belong to it: what the store's tests write and expect.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

#include "runtime/snapshot/memory_snapshot.hpp"
#include "runtime/snapshot/packed.hpp"
#include "runtime/snapshot/store.hpp"
#include "tests/io/scratch.hpp"

namespace weir::test {

inline std::span<const std::byte> bytes_of(std::string_view s) {
  return std::as_bytes(std::span(s));
}
inline std::string text_of(std::span<const std::byte> b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}
inline memory_pool& test_pool() {
  static memory_pool pool;
  return pool;
}

using key_values = std::map<std::string, std::string>;
/// A chunk of the given upserts and deletes.
inline buffer_ref record_chunk(const key_values& upserts,
                               const std::vector<std::string>& deletes = {},
                               record_layout layout = record_layout::variable()) {
  buffer_ref out;
  record_writer w(
      test_pool(), layout, [&](buffer_ref b) { out = std::move(b); }, chunk_bytes_max);
  for (auto& [k, v] : upserts) w.upsert(bytes_of(k), bytes_of(v));
  for (auto& k : deletes) w.erase(bytes_of(k));
  w.finish();
  REQUIRE(out);
  return out;
}
/// The same in columns. Keys are a null mask (four bytes); values as packed_layout::records() says.
inline buffer_ref packed_chunk(const key_values& upserts, const std::vector<std::string>& deletes,
                               const packed_layout& layout) {
  packed_writer w(layout);
  w.set_memory(test_pool());
  for (auto& [k, v] : upserts) w.upsert_record(bytes_of(k), bytes_of(v));
  for (auto& k : deletes) {
    uint64_t* mask = w.erase();
    *mask = 0;
    std::memcpy(mask, k.data(), 4);
  }
  return w.take();
}
inline buffer_ref text_buffer(std::string_view s) {
  return buffer::copy(test_pool(), bytes_of(s));
}

inline snapshot_manifest manifest_of(const snapshot_key& key, uint64_t e,
                                     std::vector<std::string> operators, uint32_t parallelism = 2) {
  snapshot_manifest m;
  m.key = key;
  m.number = epoch(e);
  m.job_name = "test";
  m.started_us = static_cast<int64_t>(e) * 1000;
  m.ended_us = m.started_us + 500;
  for (auto& o : operators) m.operators.push_back({o, "the " + o, parallelism, 7});
  return m;
}
inline state_chunk delta(std::string op, std::string state, uint32_t group, buffer_ref bytes,
                         chunk_kind kind = chunk_kind::delta) {
  return {std::move(op), std::move(state), group, 0, kind, std::move(bytes)};
}
inline state_chunk blob(std::string op, std::string state, uint32_t subtask,
                        std::string_view text) {
  return {std::move(op), std::move(state), no_key_group,
          subtask,       chunk_kind::blob, text_buffer(text)};
}

/// The keyed state that an operator would restore.
inline key_values restore(const snapshot_store& store, const snapshot_key& key, uint64_t e,
                          const std::string& op, const std::string& state,
                          key_group_range range = {}) {
  auto chunks = store.load(key, epoch(e), op, range);
  INFO((chunks ? std::string() : chunks.err().message));
  REQUIRE(chunks.ok());
  key_values out;
  chunk_list_reader reader(std::move(*chunks), op);
  auto s = reader.keyed(state, range, [&](uint32_t group, chunk_kind, auto bytes) -> status {
    std::string prefix = std::to_string(group) + "/";
    auto upsert = [&](auto k, auto v) { out[prefix + text_of(k)] = text_of(v); };
    auto erase = [&](auto k) { out.erase(prefix + text_of(k)); };
    if (packed_reader::is_packed(bytes)) {
      auto p = packed_reader::open(bytes);
      if (!p) return p.err();
      std::vector<std::vector<std::byte>> keep;
      return p->visit_records(keep, upsert, erase);
    }
    auto r = record_reader::open(bytes);
    if (!r) return r.err();
    return r->visit(upsert, erase);
  });
  INFO((s ? std::string() : s.err().message));
  REQUIRE(s.ok());
  return out;
}
inline std::map<uint32_t, std::string> restore_blobs(const snapshot_store& store,
                                                     const snapshot_key& key, uint64_t e,
                                                     const std::string& op,
                                                     const std::string& state) {
  auto chunks = store.load(key, epoch(e), op, {});
  REQUIRE(chunks.ok());
  std::map<uint32_t, std::string> out;
  for (auto& [subtask, b] : chunk_list_reader(std::move(*chunks), op).blobs(state))
    out[subtask] = text_of(b.bytes());
  return out;
}

inline snapshot_options quick_options() {
  snapshot_options o;
  o.sync = false;
  o.map_bytes = 64 << 20;
  o.map_growth = 16 << 20;
  o.fold_bytes_min = 0;
  return o;
}
inline std::unique_ptr<snapshot_store> open_store(const std::string& dir,
                                                  snapshot_options o = quick_options()) {
  auto s = snapshot_store::open(dir, o);
  INFO((s ? std::string() : s.err().message));
  REQUIRE(s.ok());
  return std::move(*s);
}
inline void fold_all(snapshot_store& store) {
  for (;;) {
    auto more = store.fold_some(1 << 20);
    INFO((more ? std::string() : more.err().message));
    REQUIRE(more.ok());
    if (!*more) return;
  }
}

}  // namespace weir::test
