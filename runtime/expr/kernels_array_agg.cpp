// array_agg in two halves around an aggregate that joins bytes (string_agg over bytea): each row's
// value becomes an item of its own bytes, and what was joined becomes an array. So it is correct
// under changes, in windows and over sessions wherever string_agg is.
//
// An item: uint32 bytes of its sort keys, uint32 bytes of its value (little-endian), both. Sort
// keys are stored forms (nested.hpp), inverted where they descend, so that bytes order like ORDER
// BY.
#include <algorithm>
#include <cstring>

#include "runtime/expr/nested.hpp"

namespace weir::expr {
namespace {

constexpr uint32_t by_rows = flag_any | flag_non_strict;
constexpr size_t head_bytes = 8;

/// A sort key, by a letter for each: a or d, in capitals where NULLs come first.
void append_key(std::string& out, const value_at& v, char direction) {
  const bool first = direction == 'A' || direction == 'D';
  if (!v.valid) {
    out += first ? '\0' : '\2';
    return;
  }
  out += '\1';
  const size_t begin = out.size();
  append_stored(out, *v.c, v.i);
  if (direction == 'd' || direction == 'D')
    for (size_t i = begin; i < out.size(); ++i) out[i] = static_cast<char>(~out[i]);
}

/// "@item"(value, how, key, ...): how[0] is n where a NULL is an item too, s where it is left out.
void make_item(run& r, const instruction& in) {
  std::string keys, value;
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto x = at_row(r, in.args[0], row), h = at_row(r, in.args[1], row);
    const auto how = h.valid ? h.c->view(h.i) : std::string_view("s");
    if (!x.valid && how[0] == 's') return out.append_null();
    keys.clear();
    for (size_t k = 2; k < in.args.size(); ++k)
      append_key(keys, at_row(r, in.args[k], row), k - 1 < how.size() ? how[k - 1] : 'a');
    value.clear();
    value += x.valid ? '\1' : '\2';
    if (x.valid) append_stored(value, *x.c, x.i);
    const uint32_t sizes[2] = {static_cast<uint32_t>(keys.size()),
                               static_cast<uint32_t>(value.size())};
    std::string item(reinterpret_cast<const char*>(sizes), head_bytes);
    item += keys;
    item += value;
    out.append(std::string_view(item));
  });
}

struct item {
  std::string_view keys, value;
  friend bool operator==(const item&, const item&) = default;
};
bool split(std::string_view bytes, std::vector<item>& out) {
  out.clear();
  while (!bytes.empty()) {
    if (bytes.size() < head_bytes) return false;
    uint32_t sizes[2];
    std::memcpy(sizes, bytes.data(), head_bytes);
    bytes.remove_prefix(head_bytes);
    if (bytes.size() < size_t{sizes[0]} + sizes[1]) return false;
    out.push_back({bytes.substr(0, sizes[0]), bytes.substr(sizes[0], sizes[1])});
    bytes.remove_prefix(size_t{sizes[0]} + sizes[1]);
  }
  return true;
}

/// "@items"(bytes, how): how is s to sort by the keys (and the values, where those are equal), d to
/// leave out what comes again as well, k to leave out what has the keys of another, empty for the
/// order of arrival.
void join_items(run& r, const instruction& in) {
  std::vector<item> items;
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto x = at_row(r, in.args[0], row), h = at_row(r, in.args[1], row);
    if (!x.valid) return out.append_null();
    bool good = split(x.c->view(x.i), items);
    const auto how = h.valid ? h.c->view(h.i) : std::string_view();
    if (!how.empty()) {
      std::sort(items.begin(), items.end(), [](const item& a, const item& b) {
        const int c = a.keys.compare(b.keys);
        return c != 0 ? c < 0 : a.value < b.value;
      });
      if (how[0] == 'd') items.erase(std::unique(items.begin(), items.end()), items.end());
      if (how[0] == 'k')
        items.erase(std::unique(items.begin(), items.end(),
                                [](const item& a, const item& b) { return a.keys == b.keys; }),
                    items.end());
    }
    for (size_t i = 0; good && i < items.size(); ++i) {
      auto value = items[i].value;
      good = read_stored_part(value, out.child(0)) && value.empty();
    }
    if (good) return out.append_list();
    r.fail(in, row, {errc::corrupt, "bytes that are no items of an array"});
    out.append_list();
  });
}

// "@pack" and "@unpack": the stored form of a value and back, for operators that keep bytes.
void pack(run& r, const instruction& in) {
  build_texts(r, in,
              [](std::string& out, const column& c, uint32_t row) { append_stored(out, c, row); });
}
void unpack(run& r, const instruction& in) {
  build_rows(r, in, [&](uint32_t row, column_builder& out) {
    const auto x = at_row(r, in.args[0], row);
    if (!x.valid) return out.append_null();
    auto bytes = x.c->view(x.i);
    column_builder one(out.type(), *r.pool);
    if (read_stored(bytes, one) && bytes.empty()) return out.append_from(*one.finish(), 0);
    r.fail(in, row, {errc::corrupt, "bytes that are no stored form"});
    out.append_null();
  });
}

}  // namespace

const function_entry item_constructor{"@item", {}, type_id::bytes, make_item, by_rows};

void register_array_agg(catalog& c) {
  for (auto t : {type_id::list, type_id::struct_}) {
    c.add("@pack", {t}, type_id::bytes, pack, by_rows);
    c.add("@unpack", {type_id::bytes}, t, unpack, by_rows);
  }
  c.add("@items", {type_id::bytes, type_id::string}, type_id::list, join_items, by_rows);
}

}  // namespace weir::expr
