// Casts of lists and structs: parts are brought together in one column, cast by the kernel of their
// own types, and put back.
#include "runtime/column/kernels.hpp"
#include "runtime/column/text.hpp"
#include "runtime/expr/nested.hpp"

namespace weir::expr {

bool can_cast(const data_type& from, const data_type& to) {
  if (from == to) return true;
  if (from.id == type_id::list && to.id == type_id::list)
    return can_cast(item_type(from), item_type(to));
  if (from.id == type_id::struct_ && to.id == type_id::struct_) {
    if (from.fields->size() != to.fields->size()) return false;
    for (size_t i = 0; i < from.fields->size(); ++i)
      if (!can_cast((*from.fields)[i].type, (*to.fields)[i].type)) return false;
    return true;
  }
  if (from.id == type_id::string && to.fields) {
    for (const auto& f : *to.fields)
      if (f.type.id == type_id::list && to.id == type_id::list) return false;
    for (const auto& f : *to.fields)
      if (!can_cast(type_id::string, f.type)) return false;
    return true;
  }
  return catalog::get().find("cast", {from.id}, to.id) != nullptr;
}

namespace {

/// Values of many rows in one dense column: value k belongs to row owners[k]. What fails, fails for
/// that row.
class converter {
 public:
  converter(run& r, const instruction& in) : run_(r), in_(in) {}

  column_ptr operator()(const column_ptr& given, const data_type& to,
                        const std::vector<uint32_t>& owners) {
    const auto c = flatten(given, *run_.pool);
    if (c->type == to) return c;
    if (c->type.id == type_id::string && is_nested(to.id)) return parsed(*c, to, owners);
    if (c->type.id == type_id::list && to.id == type_id::list) return list(*c, to, owners);
    if (c->type.id == type_id::struct_ && to.id == type_id::struct_) return fields(*c, to, owners);
    return by_catalog(c, to, owners);
  }

 private:
  void fail(uint32_t row, error e) { run_.fail(in_, row, std::move(e)); }

  column_ptr by_catalog(const column_ptr& c, const data_type& to,
                        const std::vector<uint32_t>& owners) {
    const auto* f = catalog::get().find("cast", {c->type.id}, to.id);
    weir_assert(f && f->fn, "a cast that the catalog lacks");
    std::vector<reg> registers(2);
    registers[0].type = c->type;
    registers[0].c = c.get();
    registers[1].type = registers[1].own.type = to;
    instruction one;
    one.fn = f->fn;
    one.args = {0};
    one.target = 1;
    one.origin = in_.origin;
    for (auto& e : run::alone(registers, one, c->length, *run_.pool))
      fail(owners[e.row], std::move(e.cause));
    return std::make_shared<const column>(*registers[1].c);
  }

  column_ptr list(const column& c, const data_type& to, const std::vector<uint32_t>& owners) {
    std::vector<uint32_t> items, item_owners;
    const auto* o = c.offsets.as<uint32_t>();
    for (uint32_t k = 0; k < c.length; ++k)
      for (uint32_t i = o[k]; c.is_valid(k) && i < o[k + 1]; ++i) {
        items.push_back(i);
        item_owners.push_back(owners[k]);
      }
    const auto made =
        (*this)(gather(*c.children[0], items, *run_.pool), item_type(to), item_owners);
    column_builder out(to, *run_.pool);
    uint32_t at = 0;
    for (uint32_t k = 0; k < c.length; ++k) {
      if (!c.is_valid(k)) {
        out.append_null();
        continue;
      }
      for (uint32_t n = o[k + 1] - o[k]; n > 0; --n) out.child(0).append_from(*made, at++);
      out.append_list();
    }
    return out.finish();
  }

  column_ptr fields(const column& c, const data_type& to, const std::vector<uint32_t>& owners) {
    std::vector<uint32_t> rows, row_owners;
    for (uint32_t k = 0; k < c.length; ++k)
      if (c.is_valid(k)) {
        rows.push_back(k);
        row_owners.push_back(owners[k]);
      }
    std::vector<column_ptr> made;
    for (size_t f = 0; f < c.children.size(); ++f)
      made.push_back(
          (*this)(gather(*c.children[f], rows, *run_.pool), (*to.fields)[f].type, row_owners));
    return structs(to, made, c);
  }

  column_ptr structs(const data_type& to, const std::vector<column_ptr>& fields,
                     const column& validity) {
    column_builder out(to, *run_.pool);
    uint32_t at = 0;
    for (uint32_t k = 0; k < validity.length; ++k) {
      if (!validity.is_valid(k)) {
        out.append_null();
        continue;
      }
      for (size_t f = 0; f < fields.size(); ++f) out.child(f).append_from(*fields[f], at);
      out.append_struct();
      ++at;
    }
    return out.finish();
  }

  /// PostgreSQL's text of an array or record; blanks around a record are not its parts'.
  column_ptr parsed(const column& c, const data_type& to, const std::vector<uint32_t>& owners) {
    const bool is_list = to.id == type_id::list;
    const size_t width = is_list ? 1 : to.fields->size();
    std::vector<column_builder> parts;
    for (size_t f = 0; f < width; ++f) parts.emplace_back(type_id::string, *run_.pool);
    std::vector<uint32_t> part_owners, sizes(c.length);
    column_builder there(type_id::boolean, *run_.pool);  // which rows have a value
    for (uint32_t k = 0; k < c.length; ++k) {
      if (!c.is_valid(k)) {
        there.append_null();
        continue;
      }
      auto split = is_list ? split_list_text(c.view(k)) : split_struct_text(c.view(k));
      if (split && !is_list && split->size() != width)
        split = error(errc::parse, "malformed record literal: \"" + std::string(c.view(k)) +
                                       "\": too " + (split->size() < width ? "few" : "many") +
                                       " columns");
      if (!split) {
        fail(owners[k], split.err());
        there.append_null();
        continue;
      }
      there.append(static_cast<uint8_t>(1));
      sizes[k] = static_cast<uint32_t>(split->size());
      for (size_t i = 0; i < split->size(); ++i) {
        auto& into = parts[is_list ? 0 : i];
        const auto& part = (*split)[i];
        if (part)
          into.append(std::string_view(*part));
        else
          into.append_null();
        if (is_list || i == 0) part_owners.push_back(owners[k]);
      }
    }
    const auto validity = there.finish();
    std::vector<column_ptr> made;
    for (size_t f = 0; f < width; ++f)
      made.push_back((*this)(parts[f].finish(), (*to.fields)[f].type, part_owners));
    if (!is_list) return structs(to, made, *validity);
    column_builder out(to, *run_.pool);
    uint32_t at = 0;
    for (uint32_t k = 0; k < c.length; ++k) {
      if (!validity->is_valid(k)) {
        out.append_null();
        continue;
      }
      for (uint32_t n = sizes[k]; n > 0; --n) out.child(0).append_from(*made[0], at++);
      out.append_list();
    }
    return out.finish();
  }

  run& run_;
  const instruction& in_;
};

void cast_nested(run& r, const instruction& in) {
  // The values that count, without those of other slots.
  const reg& x = r.at(in.args[0]);
  std::vector<uint32_t> rows, at;
  r.for_each_row(in, [&](uint32_t row) {
    rows.push_back(row);
    at.push_back(x.constant ? 0 : row);
  });
  const auto made = converter(r, in)(gather(*x.c, at, *r.pool), r.type_of(in.target), rows);
  uint32_t next = 0;
  build_rows(r, in, [&](uint32_t, column_builder& out) { out.append_from(*made, next++); });
}

void nested_to_text(run& r, const instruction& in) {
  build_texts(r, in, append_text);
}
void nested_to_json(run& r, const instruction& in) {
  build_texts(r, in, append_json);
}

}  // namespace

void register_nested_casts(catalog& c) {
  constexpr auto by_rows = flag_any | flag_non_strict;
  for (auto t : {type_id::list, type_id::struct_}) {
    c.add("cast", {t}, type_id::string, nested_to_text, by_rows);
    c.add("cast", {type_id::string}, t, cast_nested, by_rows);
    c.add("cast", {t}, t, cast_nested, by_rows);
    c.add("to_json", {t}, type_id::json, nested_to_json, by_rows);
  }
  c.add("array_to_json", {type_id::list}, type_id::json, nested_to_json, by_rows);
  c.add("row_to_json", {type_id::struct_}, type_id::json, nested_to_json, by_rows);
}

}  // namespace weir::expr
