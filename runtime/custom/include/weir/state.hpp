// Keyed state of custom operators. State objects are members of the operator; every access is to
// the current key (of the row that context::rows stands at, or of the timer that fires). The engine
// holds the values, writes them to snapshots and moves them when the parallelism changes. Part of
// the SDK: include <weir/operator.hpp>.
//
// Values are arithmetic types, std::string, trivially copyable structs without pointers (their
// bytes are stored: a changed layout needs a new state name), or any type with a codec.
#pragma once

#include <cstring>
#include <functional>
#include <map>

#include <weir/types.hpp>

namespace weir {
inline namespace sdk1 {

class custom_operator;

/// How T is stored. Specialise it for types that are not trivially copyable:
///   static void encode(const T&, std::string& out);   // appends
///   static T decode(std::string_view bytes);
template <class T>
struct codec {
  static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>,
                "specialise weir::codec<T> with encode and decode");
  static void encode(const T& v, std::string& out) {
    out.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  static T decode(std::string_view bytes) {
    if (bytes.size() != sizeof(T))
      throw error("state holds " + std::to_string(bytes.size()) + " bytes where the type has " +
                      std::to_string(sizeof(T)) +
                      ": its layout changed; give the state a new name or run with --fresh",
                  abi::corrupt);
    T v;
    std::memcpy(static_cast<void*>(&v), bytes.data(), sizeof v);
    return v;
  }
};
template <>
struct codec<std::string> {
  static void encode(const std::string& v, std::string& out) { out.append(v); }
  static std::string decode(std::string_view bytes) { return std::string(bytes); }
};

/// What time to live is measured by. Event time is that of the watermark: deterministic.
enum class state_clock : uint32_t { event_time = 0, processing_time = 1 };

/// An entry is gone when this long has passed since it was written (or read, with
/// refresh_on_read). 0 = never.
struct ttl {
  duration time{0};
  state_clock clock = state_clock::event_time;
  bool refresh_on_read = false;
};

class state_base {
 public:
  state_base(custom_operator& owner, std::string name, abi::state_kind kind, ttl t);
  state_base(const state_base&) = delete;
  state_base& operator=(const state_base&) = delete;
  const std::string& name() const { return name_; }
  abi::state_kind kind() const { return kind_; }
  /// For a time to live that is a parameter: call it in open.
  void set_ttl(ttl t) { ttl_ = t; }
  /// Removes what the current key has.
  void clear() { check(host_->state_clear(self_, id_)); }
  /// By the SDK, when the operator is opened.
  void attach(const abi::host* host, void* self) {
    abi::state_declaration d{};
    d.name = detail::text_of(name_);
    d.kind = kind_;
    d.clock = static_cast<uint32_t>(ttl_.clock);
    d.ttl_us = ttl_.time.count();
    d.refresh_on_read = ttl_.refresh_on_read;
    host_ = host;
    self_ = self;
    check(host->open_state(self, &d, &id_));
    open_ = true;
  }

 protected:
  ~state_base() = default;
  void check(int32_t rc) const {
    if (rc) [[unlikely]]
      fail(rc);
  }
  template <class T>
  static abi::text bytes_of(const T& v, std::string& scratch) {
    scratch.clear();
    codec<T>::encode(v, scratch);
    return detail::text_of(scratch);
  }
  const abi::host* host() const {
    if (!open_) [[unlikely]]
      throw error("state '" + name_ + "' is used before the operator is open");
    return host_;
  }
  [[noreturn]] void fail(int32_t rc) const {
    throw error("state '" + name_ + "': " + detail::str(detail::view(host_->last_error(self_))),
                static_cast<abi::code>(rc));
  }

  void* self_ = nullptr;
  uint32_t id_ = 0;
  mutable std::string scratch_;

 private:
  std::string name_;
  abi::state_kind kind_;
  ttl ttl_;
  const abi::host* host_ = nullptr;
  bool open_ = false;
};

/// One value per key: `weir::value_state<double> mean_{*this, "mean"};`
template <class T>
class value_state : public state_base {
 public:
  value_state(custom_operator& owner, std::string name, ttl t = {})
      : state_base(owner, std::move(name), abi::value_state, t) {}
  std::optional<T> get() const {
    abi::text v{};
    uint32_t found = 0;
    check(host()->value_get(self_, id_, &v, &found));
    if (!found) return {};
    return codec<T>::decode(detail::view(v));
  }
  T get_or(T otherwise) const {
    auto v = get();
    return v ? std::move(*v) : std::move(otherwise);
  }
  bool exists() const {
    abi::text v{};
    uint32_t found = 0;
    check(host()->value_get(self_, id_, &v, &found));
    return found != 0;
  }
  void set(const T& v) { check(host()->value_put(self_, id_, bytes_of(v, scratch_))); }
  /// Changes the value in place: `f(T&)` gets it, or T{} where the key has none.
  template <class F>
  void update(F&& f) {
    T v = get_or(T{});
    f(v);
    set(v);
  }
};

/// Items per key in the order they were added.
template <class T>
class list_state : public state_base {
 public:
  list_state(custom_operator& owner, std::string name, ttl t = {})
      : state_base(owner, std::move(name), abi::list_state, t) {}
  void add(const T& v) { check(host()->list_append(self_, id_, bytes_of(v, scratch_))); }
  std::vector<T> get() const {
    abi::text items{};
    uint32_t n = 0;
    check(host()->list_get(self_, id_, &items, &n));
    std::vector<T> r;
    r.reserve(n);
    auto rest = detail::view(items);
    for (uint32_t i = 0; i < n; ++i) {
      uint32_t size = 0;
      std::memcpy(&size, rest.data(), 4);
      r.push_back(codec<T>::decode(rest.substr(4, size)));
      rest.remove_prefix(4 + size_t{size});
    }
    return r;
  }
  uint32_t size() const {
    abi::text items{};
    uint32_t n = 0;
    check(host()->list_get(self_, id_, &items, &n));
    return n;
  }
  bool empty() const { return size() == 0; }
  void set(const std::vector<T>& items) {
    clear();
    for (const auto& v : items) add(v);
  }
};

/// Entries by a second key within the key.
template <class K, class V>
class map_state : public state_base {
 public:
  map_state(custom_operator& owner, std::string name, ttl t = {})
      : state_base(owner, std::move(name), abi::map_state, t) {}
  std::optional<V> get(const K& k) const {
    abi::text v{};
    uint32_t found = 0;
    check(host()->map_get(self_, id_, bytes_of(k, key_), &v, &found));
    if (!found) return {};
    return codec<V>::decode(detail::view(v));
  }
  V get_or(const K& k, V otherwise) const {
    auto v = get(k);
    return v ? std::move(*v) : std::move(otherwise);
  }
  bool contains(const K& k) const {
    abi::text v{};
    uint32_t found = 0;
    check(host()->map_get(self_, id_, bytes_of(k, key_), &v, &found));
    return found != 0;
  }
  void put(const K& k, const V& v) {
    check(host()->map_put(self_, id_, bytes_of(k, key_), bytes_of(v, scratch_)));
  }
  void remove(const K& k) { check(host()->map_remove(self_, id_, bytes_of(k, key_))); }
  template <class F>
  void update(const K& k, F&& f) {
    V v = get_or(k, V{});
    f(v);
    put(k, v);
  }
  /// All entries, ascending by K; the map may be changed while the result is read.
  std::map<K, V> entries() const {
    std::map<K, V> r;
    visit([&r](std::string_view k, std::string_view v) {
      r.emplace(codec<K>::decode(k), codec<V>::decode(v));
    });
    return r;
  }
  size_t size() const {
    size_t n = 0;
    visit([&n](std::string_view, std::string_view) { ++n; });
    return n;
  }
  bool empty() const { return size() == 0; }

 private:
  /// The host is called back from a C function: what `f` throws is carried around it.
  template <class F>
  void visit(F f) const {
    struct carried {
      F& f;
      std::exception_ptr thrown;
    } c{f, nullptr};
    check(host()->map_visit(self_, id_, &c, [](void* p, abi::text k, abi::text v) {
      auto& to = *static_cast<carried*>(p);
      if (to.thrown) return;
      try {
        to.f(detail::view(k), detail::view(v));
      } catch (...) {
        to.thrown = std::current_exception();
      }
    }));
    if (c.thrown) std::rethrow_exception(c.thrown);
  }
  mutable std::string key_;
};

/// One value per key, folded from what was added: `F(accumulated, value)` gives the next one.
template <class T, class F = std::plus<>>
class reducing_state : public state_base {
 public:
  reducing_state(custom_operator& owner, std::string name, F f = {}, ttl t = {})
      : state_base(owner, std::move(name), abi::value_state, t), reduce_(std::move(f)) {}
  std::optional<T> get() const {
    abi::text v{};
    uint32_t found = 0;
    check(host()->value_get(self_, id_, &v, &found));
    if (!found) return {};
    return codec<T>::decode(detail::view(v));
  }
  void add(const T& v) {
    auto old = get();
    check(host()->value_put(self_, id_,
                            bytes_of(old ? static_cast<T>(reduce_(*old, v)) : v, scratch_)));
  }

 private:
  F reduce_;
};

}  // namespace sdk1
}  // namespace weir
