// The whole state as bytes: little endian, in a fixed order, sealed by a CRC-32C
// (runtime/snapshot/codec.hpp). One description of each record serves both directions. A change of
// the format raises format_version; readers keep reading older ones.
#include <type_traits>

#include "cluster/meta/state/state.hpp"
#include "runtime/snapshot/codec.hpp"

namespace weir::meta {
namespace {

constexpr std::string_view seal_key = "weir cluster state";
constexpr uint16_t format_version = state_format;

template <class T>
struct is_strong_id : std::false_type {};
template <class Tag, class Rep>
struct is_strong_id<strong_id<Tag, Rep>> : std::true_type {};

void describe(auto& a, auto& e) requires requires {
  e.listener;
}
{ a(e.listener, e.host, e.port); }
void describe(auto& a, auto& n) requires requires {
  n.endpoints;
}
{ a(n.id, n.identity, n.name, n.rack, n.endpoints, n.epoch, n.fenced, n.draining); }
void describe(auto& a, auto& k) requires requires {
  k.first;
  k.last;
}
{ a(k.first, k.last); }
void describe(auto& a, auto& p) requires requires {
  p.in_sync;
}
{
  a(p.replicas, p.in_sync, p.leader, p.leader_epoch, p.version, p.target, p.origin, p.generation,
    p.keys, p.parents);
}
void describe(auto& a, auto& t) requires requires {
  t.created_ms;
}
{ a(t.name, t.id, t.created_ms, t.replication, t.configs, t.partitions); }
void describe(auto& a, auto& l) requires requires {
  l.holder_epoch;
}
{ a(l.holder, l.holder_epoch, l.token); }
void describe(auto& a, auto& j) requires requires {
  j.manifest;
}
{
  a(j.id, j.name, j.plan, j.snapshot_interval_us, j.phase, j.error, j.newest, j.manifest, j.master);
  if (a.version >= 3) a(j.libraries, j.origin, j.origin_epoch, j.savepoints);
}
void describe(auto& a, auto& s) requires requires {
  s.used;
}
{ a(s.request, s.used, s.answer); }

struct out_archive {
  snapshot_codec::writer w;
  static constexpr uint16_t version = format_version;
  template <class... T>
  void operator()(const T&... v) {
    (put(v), ...);
  }

  void put(const std::string& s) { w.text(s); }
  void put(const uuid& id) {
    for (uint8_t b : id.bytes) w.number(b);
  }
  template <class T>
  void put(const T& v) {
    if constexpr (std::is_same_v<T, bool>)
      w.number(static_cast<uint8_t>(v));
    else if constexpr (std::is_enum_v<T>)
      w.number(static_cast<std::underlying_type_t<T>>(v));
    else if constexpr (std::is_arithmetic_v<T>)
      w.number(v);
    else if constexpr (is_strong_id<T>::value)
      w.number(v.value);
    else
      describe(*this, v);
  }
  template <class A, class B>
  void put(const std::pair<A, B>& p) {
    (*this)(p.first, p.second);
  }
  template <class T>
  void put(const std::vector<T>& v) {
    w.number(static_cast<uint32_t>(v.size()));
    for (const auto& e : v) put(e);
  }
  template <class K, class V, class C>
  void put(const std::map<K, V, C>& m) {
    w.number(static_cast<uint32_t>(m.size()));
    for (const auto& [k, v] : m) (*this)(k, v);
  }
};

struct in_archive {
  snapshot_codec::reader r;
  uint16_t version = 0;  // of the bytes
  template <class... T>
  void operator()(T&... v) {
    (get(v), ...);
  }

  void get(std::string& s) { s = r.text(); }
  void get(uuid& id) {
    for (uint8_t& b : id.bytes) b = r.number<uint8_t>();
  }
  template <class T>
  void get(T& v) {
    if constexpr (std::is_same_v<T, bool>)
      v = r.number<uint8_t>() != 0;
    else if constexpr (std::is_enum_v<T>)
      v = static_cast<T>(r.number<std::underlying_type_t<T>>());
    else if constexpr (std::is_arithmetic_v<T>)
      v = r.number<T>();
    else if constexpr (is_strong_id<T>::value)
      v.value = r.number<decltype(v.value)>();
    else
      describe(*this, v);
  }
  template <class A, class B>
  void get(std::pair<A, B>& p) {
    (*this)(p.first, p.second);
  }
  template <class T>
  void get(std::vector<T>& v) {
    size_t n = r.count(1);
    for (size_t i = 0; i < n && r.ok(); ++i) get(v.emplace_back());
  }
  template <class K, class V, class C>
  void get(std::map<K, V, C>& m) {
    size_t n = r.count(1);
    for (size_t i = 0; i < n && r.ok(); ++i) {
      K k;
      V v;
      (*this)(k, v);
      m.insert_or_assign(m.end(), std::move(k), std::move(v));
    }
  }
};

}  // namespace

struct state_format {
  static void describe_all(auto& a, auto& s) {
    a(s.nodes_, s.topics_, s.jobs_, s.homes_, s.config_, s.sessions_, s.applied_, s.next_node_,
      s.next_producer_id_, s.last_token_);
  }
};

std::string cluster_state::snapshot() const {
  out_archive a;
  a(format_version);
  state_format::describe_all(a, *this);
  a(kafka::encode_quotas(quotas_));
  return std::move(a.w).seal(seal_key);
}

result<cluster_state> cluster_state::restore(std::string_view bytes, state_limits limits) {
  in_archive a{snapshot_codec::reader(seal_key, bytes)};
  if (!a.r.ok())
    return {errc::corrupt, "a snapshot of the cluster's metadata does not match its checksum"};
  auto version = a.r.number<uint16_t>();
  if (version == 0 || version > format_version)
    return {errc::version_mismatch, "a snapshot of the cluster's metadata has format " +
                                        std::to_string(version) + ", this program reads up to " +
                                        std::to_string(format_version) + ": start a newer one"};
  a.version = version;
  cluster_state s(limits);
  state_format::describe_all(a, s);
  if (version >= 2) {
    std::string quotas;
    a(quotas);
    auto read = kafka::decode_quotas(quotas);
    if (!a.r.ok() || !read)
      return {errc::corrupt, "the quotas in a snapshot of the cluster's metadata do not decode"};
    s.quotas_ = *std::move(read);
  }
  if (!a.r.at_end())
    return {errc::corrupt, "a snapshot of the cluster's metadata has another length"};
  if (status bad = s.rebuild_indexes(); !bad)
    return std::move(bad).err().at("snapshot of the cluster's metadata");
  if (status bad = s.check(); !bad)
    return std::move(bad).err().at("snapshot of the cluster's metadata");
  return s;
}

}  // namespace weir::meta
