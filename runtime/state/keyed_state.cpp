#include "runtime/state/keyed_state.hpp"

#include "runtime/state/state_table.hpp"
#include "runtime/state/timers.hpp"

namespace weir {

// ---- the kinds of state ----

std::optional<std::string_view> value_state::get() {
  return table_.get({});
}
void value_state::put(std::string_view value) {
  table_.put({}, value);
}
void value_state::clear() {
  table_.erase({});
}

std::optional<std::string_view> map_state::get(std::string_view entry) {
  return table_.get(entry);
}
void map_state::put(std::string_view entry, std::string_view value) {
  table_.put(entry, value);
}
bool map_state::erase(std::string_view entry) {
  return table_.erase(entry);
}
size_t map_state::size() {
  return table_.count();
}
void map_state::clear() {
  table_.clear();
}
void map_state::for_each(
    const std::function<void(std::string_view entry, std::string_view value)>& visit) {
  table_.for_each(visit);
}

void list_state::append(std::string_view element) {
  // Numbers as entries, most significant byte first, so that their order is that of their bytes.
  uint64_t n = entries_.table_.next_sequence();
  const uint64_t big = __builtin_bswap64(n);
  entries_.put({reinterpret_cast<const char*>(&big), 8}, element);
  if (n == 0) entries_.table_.start_sequence(1);
}
void list_state::assign(const std::vector<std::string_view>& elements) {
  const std::vector<std::string> copies(elements.begin(), elements.end());
  clear();
  for (const auto& e : copies) append(e);
}
void list_state::for_each(const std::function<void(std::string_view element)>& visit) {
  entries_.for_each([&](std::string_view, std::string_view element) { visit(element); });
}

void reducing_state::add(std::string_view value) {
  auto before = value_.get();
  if (!before) {
    value_.put(value);
    return;
  }
  scratch_.assign(*before);
  reduce_(scratch_, value);
  value_.put(scratch_);
}

// ---- the store ----

struct keyed_store::impl {
  explicit impl(keyed_store& owner, memory_pool* m) : memory(m), timers(owner, m) {}

  result<detail::state_table*> declare(const std::string& name, detail::state_table::shape shape,
                                       state_ttl ttl) {
    for (const auto& t : tables)
      if (t->name() == "state/" + name)
        return error(errc::already_exists, "state \"" + name + "\" is declared twice");
    tables.push_back(
        std::make_unique<detail::state_table>("state/" + name, shape, ttl, key, memory));
    return tables.back().get();
  }

  memory_pool* memory;
  detail::current_key key;
  std::vector<std::unique_ptr<detail::state_table>> tables;
  std::vector<std::unique_ptr<value_state>> values;
  std::vector<std::unique_ptr<list_state>> lists;
  std::vector<std::unique_ptr<map_state>> maps;
  std::vector<std::unique_ptr<reducing_state>> reducings;
  timer_queue timers;
};

keyed_store::keyed_store(memory_pool* memory) : impl_(std::make_unique<impl>(*this, memory)) {}
keyed_store::~keyed_store() = default;

result<value_state*> keyed_store::value(const std::string& name, state_ttl ttl) {
  WEIR_ASSIGN(auto* t, impl_->declare(name, detail::state_table::shape::value, ttl));
  impl_->values.emplace_back(new value_state(*t));
  return impl_->values.back().get();
}
result<list_state*> keyed_store::list(const std::string& name, state_ttl ttl) {
  WEIR_ASSIGN(auto* t, impl_->declare(name, detail::state_table::shape::map, ttl));
  impl_->lists.emplace_back(new list_state(*t));
  return impl_->lists.back().get();
}
result<map_state*> keyed_store::map(const std::string& name, state_ttl ttl) {
  WEIR_ASSIGN(auto* t, impl_->declare(name, detail::state_table::shape::map, ttl));
  impl_->maps.emplace_back(new map_state(*t));
  return impl_->maps.back().get();
}
result<reducing_state*> keyed_store::reducing(const std::string& name, reduce_function f,
                                              state_ttl ttl) {
  WEIR_ASSIGN(auto* t, impl_->declare(name, detail::state_table::shape::value, ttl));
  impl_->reducings.emplace_back(new reducing_state(*t, std::move(f)));
  return impl_->reducings.back().get();
}
timer_queue& keyed_store::timers() noexcept {
  return impl_->timers;
}

void keyed_store::set_key(std::string_view key, uint32_t group) {
  auto& k = impl_->key;
  if (k.bytes != key) {
    k.bytes.assign(key);
    ++k.version;
  }
  k.group = group;
}
std::string_view keyed_store::key() const noexcept {
  return impl_->key.bytes;
}
uint32_t keyed_store::key_group() const noexcept {
  return impl_->key.group;
}
void keyed_store::set_now(timestamp_us now) noexcept {
  impl_->key.now = std::max(impl_->key.now, now);
}
void keyed_store::sweep(size_t entries) {
  for (auto& t : impl_->tables) t->sweep(entries);
}

status keyed_store::restore(const snapshot_reader& in, key_group_range range) {
  for (auto& t : impl_->tables) WEIR_TRY(t->restore(in, range));
  return impl_->timers.impl_->restore(in, range);
}
status keyed_store::snapshot_begin(snapshot_writer& w) {
  for (auto& t : impl_->tables) t->rows().snapshot_begin(w);
  impl_->timers.impl_->rows.snapshot_begin(w);
  return {};
}
result<bool> keyed_store::snapshot_continue(snapshot_writer& w, size_t budget) {
  for (auto& t : impl_->tables)
    if (!t->rows().snapshot_continue(w, t->name(), budget)) return false;
  return impl_->timers.impl_->rows.snapshot_continue(w, "timers", budget);
}
void keyed_store::on_epoch_complete(epoch e) {
  for (auto& t : impl_->tables) t->rows().on_epoch_complete(e);
  impl_->timers.impl_->rows.on_epoch_complete(e);
}
void keyed_store::on_epoch_aborted(epoch e) {
  for (auto& t : impl_->tables) t->rows().on_epoch_aborted(e);
  impl_->timers.impl_->rows.on_epoch_aborted(e);
}
size_t keyed_store::state_bytes() const noexcept {
  size_t n = impl_->timers.impl_->memory_bytes();
  for (const auto& t : impl_->tables) n += t->memory_bytes();
  return n;
}

}  // namespace weir
