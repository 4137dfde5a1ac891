// The table of C functions behind which an operator_host stands.
#include <cstring>

#include "runtime/custom/host.hpp"
#include "runtime/custom/library.hpp"

namespace weir::custom {

struct host_functions {
  static operator_host& at(void* p) { return *static_cast<operator_host*>(p); }

  static abi::text last_error(void* p) { return text_of(at(p).error_); }

  static int32_t emit(void* p, uint32_t port, const abi::batch* b) {
    auto& h = at(p);
    if (port >= h.outputs_.size() || !h.out)
      return h.fail(abi::internal, h.out ? "no output " + std::to_string(port)
                                         : "rows cannot be emitted in open, snapshot or restore");
    static memory_pool unaccounted;
    auto made =
        batch_from(*b, h.outputs_[port], h.context_.memory ? *h.context_.memory : unaccounted);
    if (!made) return h.fail(made.err());
    h.out->emit(std::move(*made), static_cast<uint16_t>(port));
    return abi::ok;
  }

  static void select_row(void* p, uint32_t row) {
    auto& h = at(p);
    if (!h.view_ || !h.keyed()) return;
    h.source_ = operator_host::key_source::row;
    h.store_has_key_ = false;
    h.row_ = row;
  }
  static const abi::cell* current_key(void* p, uint32_t* n) { return at(p).current_key(*n); }

  static int32_t open_state(void* p, const abi::state_declaration* d, uint32_t* id) {
    return at(p).open_state(*d, *id);
  }
  /// The state of a number and kind, with the current key set; null with an error code otherwise.
  static operator_host::state* find(operator_host& h, uint32_t id, uint32_t kind, int32_t& rc) {
    rc = h.need_key();
    if (rc == abi::ok && (id >= h.states_.size() || h.states_[id].kind != kind))
      rc = h.fail(abi::internal, "no such state");
    return rc == abi::ok ? &h.states_[id] : nullptr;
  }
  static int32_t give(std::optional<std::string_view> v, abi::text* value, uint32_t* found) {
    *found = v.has_value();
    if (v) *value = text_of(*v);
    return abi::ok;
  }

  static int32_t value_get(void* p, uint32_t id, abi::text* value, uint32_t* found) {
    int32_t rc;
    auto* s = find(at(p), id, abi::value_state, rc);
    return s ? give(s->value->get(), value, found) : rc;
  }
  static int32_t value_put(void* p, uint32_t id, abi::text value) {
    int32_t rc;
    if (auto* s = find(at(p), id, abi::value_state, rc)) s->value->put(view(value));
    return rc;
  }
  static int32_t list_append(void* p, uint32_t id, abi::text item) {
    int32_t rc;
    if (auto* s = find(at(p), id, abi::list_state, rc)) s->list->append(view(item));
    return rc;
  }
  static int32_t list_get(void* p, uint32_t id, abi::text* items, uint32_t* count) {
    auto& h = at(p);
    int32_t rc;
    auto* s = find(h, id, abi::list_state, rc);
    if (!s) return rc;
    h.scratch_.clear();
    *count = 0;
    s->list->for_each([&h, count](std::string_view item) {
      auto size = static_cast<uint32_t>(item.size());
      h.scratch_.append(reinterpret_cast<const char*>(&size), 4).append(item);
      ++*count;
    });
    *items = text_of(h.scratch_);
    return abi::ok;
  }
  static int32_t map_get(void* p, uint32_t id, abi::text key, abi::text* value, uint32_t* found) {
    int32_t rc;
    auto* s = find(at(p), id, abi::map_state, rc);
    return s ? give(s->map->get(view(key)), value, found) : rc;
  }
  static int32_t map_put(void* p, uint32_t id, abi::text key, abi::text value) {
    int32_t rc;
    if (auto* s = find(at(p), id, abi::map_state, rc)) s->map->put(view(key), view(value));
    return rc;
  }
  static int32_t map_remove(void* p, uint32_t id, abi::text key) {
    int32_t rc;
    if (auto* s = find(at(p), id, abi::map_state, rc)) s->map->erase(view(key));
    return rc;
  }
  static int32_t map_visit(void* p, uint32_t id, void* visitor,
                           void (*visit)(void*, abi::text, abi::text)) {
    int32_t rc;
    if (auto* s = find(at(p), id, abi::map_state, rc))
      s->map->for_each([visitor, visit](std::string_view k, std::string_view v) {
        visit(visitor, text_of(k), text_of(v));
      });
    return rc;
  }
  static int32_t state_clear(void* p, uint32_t id) {
    auto& h = at(p);
    if (int32_t rc = h.need_key()) return rc;
    if (id >= h.states_.size()) return h.fail(abi::internal, "no such state");
    auto& s = h.states_[id];
    if (s.value) s.value->clear();
    if (s.list) s.list->clear();
    if (s.map) s.map->clear();
    return abi::ok;
  }

  static weir::timer_kind kind_of(uint32_t kind) {
    return kind == abi::event_timer ? weir::timer_kind::event_time
                                    : weir::timer_kind::processing_time;
  }
  static int32_t set_timer(void* p, uint32_t kind, int64_t t) {
    int32_t rc = at(p).need_key();
    if (rc == abi::ok) at(p).store_.timers().set(kind_of(kind), t);
    return rc;
  }
  static int32_t delete_timer(void* p, uint32_t kind, int64_t t) {
    int32_t rc = at(p).need_key();
    if (rc == abi::ok) at(p).store_.timers().cancel(kind_of(kind), t);
    return rc;
  }
  static int64_t watermark(void* p) { return at(p).watermark; }
  static int64_t processing_time(void* p) { return at(p).processing_time; }

  static int64_t* metric(void* p, uint32_t kind, abi::text name) {
    auto& h = at(p);
    std::lock_guard lock(h.metrics_mutex_);
    for (auto& m : h.metrics_)
      if (m.name == view(name)) return &m.value;
    return &h.metrics_
                .emplace_back(operator_host::metric{std::string(view(name)), kind == abi::gauge, 0})
                .value;
  }
  static int32_t save(void* p, abi::text bytes) {
    auto& h = at(p);
    if (!h.saved) return h.fail(abi::user_code, "write belongs into snapshot");
    if (!h.saved->empty()) return h.fail(abi::user_code, "write is called once per snapshot");
    *h.saved = view(bytes);
    return abi::ok;
  }
};

const abi::host* operator_host::functions() noexcept {
  using f = host_functions;
  static const abi::host table{
      sizeof(abi::host), abi::version,  f::last_error,   f::emit,       f::select_row,
      f::current_key,    f::open_state, f::value_get,    f::value_put,  f::list_append,
      f::list_get,       f::map_get,    f::map_put,      f::map_remove, f::map_visit,
      f::state_clear,    f::set_timer,  f::delete_timer, f::watermark,  f::processing_time,
      f::metric,         f::save};
  return &table;
}

}  // namespace weir::custom
