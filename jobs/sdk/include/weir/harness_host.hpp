// The harness's engine in memory: state, timers, metrics and output of one operator instance behind
// the binary interface, written for clarity and not for speed. Included by <weir/harness.hpp>.
#pragma once

#include <set>

#include <weir/harness_value.hpp>

namespace weir {
inline namespace sdk1 {
namespace detail {

/// A key as a row has it: its cells, and bytes that order and identify it.
struct test_key {
  std::vector<abi::cell> cells;
  std::vector<std::string> texts;  // what the cells of texts refer to
  std::string bytes;

  void add(const abi::column& c, row_index r) {
    abi::cell cell{};
    cell.type = c.type;
    cell.scale = c.scale;
    cell.is_null = c.validity && (c.validity[r.value >> 3] >> (r.value & 7) & 1) == 0;
    auto t = static_cast<type_id>(c.type);
    std::string text;
    if (!cell.is_null) {
      if (accepts<std::string_view>(t)) text = column_view<std::string_view>(c)[r];
      if (t == type_id::boolean) cell.i = column_view<bool>(c)[r];
      if (accepts<int32_t>(t)) cell.i = column_view<int32_t>(c)[r];
      if (accepts<int64_t>(t)) cell.i = column_view<int64_t>(c)[r];
      if (t == type_id::float64) cell.d = column_view<double>(c)[r];
      if (t == type_id::decimal) {
        auto v = column_view<decimal>(c)[r].unscaled;
        cell.i = static_cast<int64_t>(v);
        cell.high = static_cast<int64_t>(v >> 64);
      }
    }
    bytes.push_back(static_cast<char>(cell.is_null));
    bytes.append(reinterpret_cast<const char*>(&cell.i), 24);  // i, high, d
    auto size = static_cast<uint32_t>(text.size());
    bytes.append(reinterpret_cast<const char*>(&size), 4);
    bytes += text;
    texts.push_back(std::move(text));
    cells.push_back(cell);
  }
  /// After the last add: texts no longer move.
  void seal() {
    for (size_t i = 0; i < cells.size(); ++i) cells[i].s = text_of(texts[i]);
  }
  /// FNV-1a with a final mix, scaled to the key groups.
  uint32_t group() const {
    uint64_t h = 1469598103934665603ull;
    for (char c : bytes) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ull;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15ull;
    return static_cast<uint32_t>((h >> 32) * 128 >> 32);
  }
};
inline constexpr uint32_t test_key_groups = 128;

/// One stored value, list element or map entry.
struct test_entry {
  std::string bytes;
  int64_t written = 0;
};
/// Under one key: a value is the entry "", a list's elements have ascending numbers.
using test_entries = std::map<std::string, test_entry>;

/// All that a snapshot has of one key.
struct key_snapshot {
  std::shared_ptr<const test_key> key;
  std::map<std::string, test_entries> states;  // by name
  std::set<int64_t> timers[2];                 // by kind
};

class test_host {
 public:
  test_host(std::vector<std::vector<uint32_t>> key_columns, uint32_t subtask)
      : key_columns_(std::move(key_columns)), subtask_(subtask) {}
  test_host(const test_host&) = delete;
  test_host& operator=(const test_host&) = delete;

  static const abi::host* functions() {
    static const abi::host h{
        sizeof(abi::host), abi::version,       last_error, emit,        select_row, current_key,
        open_state,        value_get,          value_put,  list_append, list_get,   map_get,
        map_put,           map_remove,         map_visit,  state_clear, set_timer,  delete_timer,
        watermark_of,      processing_time_of, metric,     save};
    return &h;
  }

  // What the harness sets and reads.
  const abi::batch* input = nullptr;  // during process
  bool opening = false, saving = false;
  timestamp_us watermark = watermark_none, processing_time = 0;
  /// What a time to live in event time is measured by: the watermark, or before the first one the
  /// event time of the first row.
  timestamp_us event_now = watermark_none;
  std::vector<rows> outputs;
  std::map<std::string, int64_t> metrics;
  std::string saved;
  std::map<std::string, key_snapshot> keys;

  void set_key(std::shared_ptr<const test_key> k) { key_ = std::move(k); }
  std::shared_ptr<const test_key> key_of(const abi::batch& b, row_index r) const {
    auto k = std::make_shared<test_key>();
    for (uint32_t c : key_columns_.at(b.port)) k->add(b.columns[c], r);
    k->seal();
    return k;
  }
  bool keyed() const { return !key_columns_.empty() && !key_columns_[0].empty(); }
  /// The earliest timer of a kind up to a time, removed, with its key made current.
  std::optional<int64_t> next_timer(uint32_t kind, int64_t up_to) {
    key_snapshot* first = nullptr;
    for (auto& [bytes, k] : keys)
      if (auto& t = k.timers[kind]; !t.empty() && *t.begin() <= up_to)
        if (!first || *t.begin() < *first->timers[kind].begin()) first = &k;
    if (!first) return {};
    int64_t t = *first->timers[kind].begin();
    first->timers[kind].erase(t);
    key_ = first->key;
    return t;
  }

 private:
  struct declared {
    std::string name;
    uint32_t kind = 0, clock = 0;
    int64_t ttl_us = 0;
    bool refresh = false;
  };
  static test_host& at(void* p) { return *static_cast<test_host*>(p); }
  int32_t fail(abi::code c, std::string message) {
    error_ = std::move(message);
    return c;
  }
  int32_t no_key() {
    return fail(abi::user_code, keyed()
                                    ? "there is no current key: iterate the rows with context::rows"
                                    : "it needs a key: give the step `key: [columns]`");
  }
  int64_t now(const declared& d) const {
    return d.clock == abi::processing_time ? processing_time : event_now;
  }
  bool expired(const declared& d, const test_entry& e) const {
    int64_t gone = 0;
    return d.ttl_us && now(d) != watermark_none && e.written != watermark_none &&
           (__builtin_add_overflow(e.written, d.ttl_us, &gone) ? false : gone <= now(d));
  }
  /// The entries of a state under the current key, without those that are expired.
  test_entries* entries(uint32_t state) {
    if (!key_ || state >= states_.size()) return nullptr;
    auto& k = keys[key_->bytes];
    k.key = key_;
    auto& e = k.states[states_[state].name];
    std::erase_if(e, [&](const auto& x) { return expired(states_[state], x.second); });
    return &e;
  }
  const std::string* find(uint32_t state, const std::string& entry, test_entries& e) {
    auto i = e.find(entry);
    if (i == e.end()) return nullptr;
    if (states_[state].refresh) i->second.written = now(states_[state]);
    return &i->second.bytes;
  }
  int32_t get(uint32_t state, const std::string& entry, abi::text* value, uint32_t* found) {
    auto* e = entries(state);
    if (!e) return no_key();
    auto* bytes = find(state, entry, *e);
    *found = bytes != nullptr;
    if (bytes) result_ = *bytes;
    *value = text_of(result_);
    return abi::ok;
  }
  int32_t put(uint32_t state, const std::string& entry, abi::text value) {
    auto* e = entries(state);
    if (!e) return no_key();
    (*e)[entry] = {str(view(value)), now(states_[state])};
    return abi::ok;
  }

  static abi::text last_error(void* p) { return text_of(at(p).error_); }
  static int32_t emit(void* p, uint32_t port, const abi::batch* b) {
    auto& h = at(p);
    if (port >= h.outputs.size()) return h.fail(abi::internal, "no such output");
    for (uint32_t i = 0; i < b->rows; ++i) {
      uint32_t at_row = b->selection ? b->selection[i] : i;
      row r;
      for (uint32_t c = 0; c < b->column_count; ++c) {
        const uint8_t* v = b->columns[c].validity;
        bool null = v && (v[at_row >> 3] >> (at_row & 7) & 1) == 0;
        r.cells.push_back(null ? value() : value_at(b->columns[c], at_row));
      }
      if (b->weights) r.weight = b->weights[at_row];
      h.outputs[port].push_back(std::move(r));
    }
    return abi::ok;
  }
  static void select_row(void* p, uint32_t r) {
    auto& h = at(p);
    if (h.keyed() && h.input) h.key_ = h.key_of(*h.input, row_index{r});
  }
  static const abi::cell* current_key(void* p, uint32_t* n) {
    auto& h = at(p);
    *n = h.key_ ? static_cast<uint32_t>(h.key_->cells.size()) : 0;
    return h.key_ ? h.key_->cells.data() : nullptr;
  }
  static int32_t open_state(void* p, const abi::state_declaration* d, uint32_t* id) {
    auto& h = at(p);
    if (!h.opening) return h.fail(abi::user_code, "states are members of the operator");
    for (const auto& s : h.states_) {
      if (s.name == view(d->name)) return h.fail(abi::invalid_argument, "declared twice");
      if (s.ttl_us && d->ttl_us && s.clock != d->clock)
        return h.fail(abi::unsupported, "all states of an operator measure their ttl by one clock");
    }
    *id = static_cast<uint32_t>(h.states_.size());
    h.states_.push_back(
        {str(view(d->name)), d->kind, d->clock, d->ttl_us, d->refresh_on_read != 0});
    return abi::ok;
  }
  static int32_t value_get(void* p, uint32_t s, abi::text* v, uint32_t* found) {
    return at(p).get(s, "", v, found);
  }
  static int32_t value_put(void* p, uint32_t s, abi::text v) { return at(p).put(s, "", v); }
  static int32_t list_append(void* p, uint32_t s, abi::text v) {
    auto* e = at(p).entries(s);
    if (!e) return at(p).no_key();
    char number[24];
    uint64_t next = e->empty() ? 0 : std::strtoull(e->rbegin()->first.c_str(), nullptr, 10) + 1;
    std::snprintf(number, sizeof number, "%020" PRIu64, next);
    return at(p).put(s, number, v);
  }
  static int32_t list_get(void* p, uint32_t s, abi::text* items, uint32_t* n) {
    auto& h = at(p);
    auto* e = h.entries(s);
    if (!e) return h.no_key();
    h.result_.clear();
    for (const auto& [k, v] : *e) {
      auto size = static_cast<uint32_t>(v.bytes.size());
      h.result_.append(reinterpret_cast<const char*>(&size), 4).append(v.bytes);
    }
    *n = static_cast<uint32_t>(e->size());
    *items = text_of(h.result_);
    return abi::ok;
  }
  static int32_t map_get(void* p, uint32_t s, abi::text k, abi::text* v, uint32_t* found) {
    return at(p).get(s, str(view(k)), v, found);
  }
  static int32_t map_put(void* p, uint32_t s, abi::text k, abi::text v) {
    return at(p).put(s, str(view(k)), v);
  }
  static int32_t map_remove(void* p, uint32_t s, abi::text k) {
    auto* e = at(p).entries(s);
    if (!e) return at(p).no_key();
    e->erase(str(view(k)));
    return abi::ok;
  }
  static int32_t map_visit(void* p, uint32_t s, void* visitor,
                           void (*visit)(void*, abi::text, abi::text)) {
    auto* e = at(p).entries(s);
    if (!e) return at(p).no_key();
    for (const auto& [k, v] : *e) visit(visitor, text_of(k), text_of(v.bytes));
    return abi::ok;
  }
  static int32_t state_clear(void* p, uint32_t s) {
    auto* e = at(p).entries(s);
    if (!e) return at(p).no_key();
    e->clear();
    return abi::ok;
  }
  static int32_t set_timer(void* p, uint32_t kind, int64_t t) {
    auto& h = at(p);
    if (!h.key_) return h.no_key();
    auto& k = h.keys[h.key_->bytes];
    k.key = h.key_;
    k.timers[kind].insert(t);
    return abi::ok;
  }
  static int32_t delete_timer(void* p, uint32_t kind, int64_t t) {
    auto& h = at(p);
    if (!h.key_) return h.no_key();
    h.keys[h.key_->bytes].key = h.key_;
    h.keys[h.key_->bytes].timers[kind].erase(t);
    return abi::ok;
  }
  static int64_t watermark_of(void* p) { return at(p).watermark; }
  static int64_t processing_time_of(void* p) { return at(p).processing_time; }
  static int64_t* metric(void* p, uint32_t, abi::text name) {
    return &at(p).metrics[str(view(name))];
  }
  static int32_t save(void* p, abi::text bytes) {
    auto& h = at(p);
    if (!h.saving) return h.fail(abi::user_code, "write belongs into snapshot");
    if (!h.saved.empty()) return h.fail(abi::user_code, "write is called once per snapshot");
    h.saved = view(bytes);
    return abi::ok;
  }

  std::vector<std::vector<uint32_t>> key_columns_;  // by input
  uint32_t subtask_;
  std::vector<declared> states_;
  std::shared_ptr<const test_key> key_;
  std::string error_, result_;
};

/// An input batch that owns its columns. Not plain: its first physical row is not selected, all
/// columns have validity, texts are in a dictionary (backwards).
struct test_batch {
  std::vector<column_builder> builders, dictionaries;
  std::vector<abi::column> columns, plain_dictionaries;
  std::vector<std::vector<uint32_t>> indices;
  std::vector<uint32_t> selection;
  std::vector<int32_t> weights;
  abi::batch view{};

  test_batch(const schema& s, const rows& all, uint32_t port, bool plain) {
    size_t decoys = plain ? 0 : 1;
    for (const auto& f : s.fields()) builders.emplace_back(field{f.name, f.type, f.scale, true});
    bool weighted = false;
    if (decoys) {
      for (auto& b : builders) b.append_null();
      weights.push_back(1);
    }
    for (const auto& r : all) {
      if (r.cells.size() != s.size())
        throw error("a row has " + std::to_string(r.cells.size()) + " values, the input " +
                    std::to_string(s.size()) + " columns");
      for (size_t c = 0; c < s.size(); ++c) append_input(builders[c], r.cells[c]);
      selection.push_back(static_cast<uint32_t>(selection.size() + decoys));
      weights.push_back(r.weight);
      weighted = weighted || r.weight != 1;
    }
    auto n = static_cast<uint32_t>(all.size() + decoys);
    dictionaries.reserve(s.size());
    plain_dictionaries.reserve(s.size());
    indices.reserve(s.size());
    for (auto& b : builders) {
      columns.push_back(b.view(0, n));
      if (!plain && !width_of(b.declared().type)) encode(columns.back());
    }
    view.rows = static_cast<uint32_t>(all.size());
    view.physical_rows = n;
    view.columns = columns.data();
    view.column_count = static_cast<uint32_t>(columns.size());
    view.port = port;
    view.selection = plain ? nullptr : selection.data();
    view.weights = weighted ? weights.data() : nullptr;
  }
  void encode(abi::column& c) {
    auto& d = dictionaries.emplace_back(field{"", static_cast<type_id>(c.type), 0, true});
    auto& index = indices.emplace_back();
    column_view<std::string_view> texts(c);
    for (uint32_t i = c.length; i-- > 0;) d.append_bytes(texts[row_index{i}]);
    for (uint32_t i = 0; i < c.length; ++i) index.push_back(c.length - 1 - i);
    plain_dictionaries.push_back(d.view(0, c.length));
    c.dictionary = &plain_dictionaries.back();
    c.values = index.data();
    c.offsets = nullptr;
  }
};

}  // namespace detail
}  // namespace sdk1
}  // namespace weir
