#include "runtime/custom/abi_view.hpp"

#include <cstring>

namespace weir::custom {

schema_view::schema_view(const schema& s) {
  for (const auto& f : s.fields)
    fields_.push_back({{f.name.data(), f.name.size()},
                       static_cast<uint8_t>(f.type.id),
                       f.type.scale,
                       static_cast<uint8_t>(f.nullable),
                       {}});
  view_ = {fields_.data(), static_cast<uint32_t>(fields_.size()),
           s.event_time ? static_cast<int32_t>(*s.event_time) : -1};
}

result<schema_ptr> schema_from(const abi::schema& s) {
  auto r = std::make_shared<schema>();
  for (uint32_t i = 0; i < s.count; ++i) {
    const abi::field& f = s.fields[i];
    std::string name(f.name.data, f.name.size);
    if (f.type > abi::json)
      return error(errc::unsupported,
                   "output column \"" + name + "\": custom operators cannot emit nested types");
    if (f.scale > 38)
      return error(errc::invalid_argument, "column \"" + name + "\": scale over 38");
    if (r->find(name))
      return error(errc::invalid_argument, "output column \"" + name + "\" is declared twice");
    r->fields.push_back({name, data_type(static_cast<type_id>(f.type), f.scale), f.nullable != 0});
  }
  if (r->fields.empty()) return error(errc::invalid_argument, "an output has no columns");
  if (s.event_time >= 0) {
    auto t = static_cast<uint32_t>(s.event_time);
    if (t >= s.count || r->fields[t].type.id != type_id::timestamp)
      return error(errc::invalid_argument, "the event time of an output is not a timestamp column");
    r->event_time = t;
  }
  return schema_ptr(std::move(r));
}

namespace {

abi::column plain_view(const column& c) {
  abi::column v{};
  v.type = static_cast<uint8_t>(c.type.id);
  v.scale = c.type.scale;
  v.length = c.length;
  v.values = c.values.data();
  v.offsets = c.offsets.as<uint32_t>();
  v.validity = c.validity ? c.validity.as<uint8_t>() : nullptr;
  return v;
}

}  // namespace

abi::column batch_view::view_of(const column& c) {
  abi::column v = plain_view(c);
  if (!c.dictionary) return v;
  if (is_varlen(c.type.id)) {
    v.offsets = nullptr;
    v.dictionary = &dictionaries_.emplace_back(plain_view(*c.dictionary));
    return v;
  }
  // The interface has dictionaries for texts only.
  static memory_pool unaccounted;
  size_t width = fixed_width(c.type.id);
  auto plain = buffer::allocate(pool_ ? *pool_ : unaccounted, width * c.length);
  auto* to = plain.mutable_as<char>();
  const auto* index = c.values.as<uint32_t>();
  const auto* from = c.dictionary->values.as<char>();
  for (uint32_t i = 0; i < c.length; ++i)
    std::memcpy(to + i * width, from + index[i] * width, width);
  v.values = plain.data();
  decoded_.push_back(std::move(plain));
  return v;
}

const abi::batch& batch_view::set(const batch_ptr& b, uint16_t port) {
  reset();
  batch_ = b;
  for (const auto& c : b->columns) columns_.push_back(view_of(*c));
  view_.rows = b->rows;
  view_.physical_rows = b->physical_rows;
  view_.columns = columns_.data();
  view_.column_count = static_cast<uint32_t>(columns_.size());
  view_.port = port;
  view_.selection = b->selection ? b->selection.as<uint32_t>() : nullptr;
  view_.weights = b->weights ? b->weights.as<int32_t>() : nullptr;
  return view_;
}

void batch_view::reset() {
  columns_.clear();
  dictionaries_.clear();
  decoded_.clear();
  batch_.reset();
}

namespace {

buffer_ref copied(memory_pool& pool, const void* p, size_t n) {
  return buffer::copy(pool, {static_cast<const std::byte*>(p), n});
}

result<column_ptr> column_from(const abi::column& c, const field& declared, uint32_t rows,
                               memory_pool& pool) {
  auto id = declared.type.id;
  if (c.type != static_cast<uint8_t>(id) || c.scale != declared.type.scale || c.length != rows)
    return error(errc::internal, "output column \"" + declared.name +
                                     "\" has another type, scale "
                                     "or length than declared");
  auto r = std::make_shared<column>();
  r->type = declared.type;
  r->length = rows;
  if (is_varlen(id)) {
    r->offsets = buffer::allocate(pool, (size_t{rows} + 1) * 4);
    auto* o = r->offsets.mutable_as<uint32_t>();
    uint32_t first = rows ? c.offsets[0] : 0;
    for (uint32_t i = 0; i <= rows; ++i) o[i] = rows ? c.offsets[i] - first : 0;
    r->values = copied(pool, static_cast<const char*>(c.values) + first, o[rows]);
  } else {
    r->values = copied(pool, c.values, fixed_width(id) * rows);
  }
  if (c.validity) {
    if (!declared.nullable)
      return error(errc::internal, "output column \"" + declared.name + "\" must not be null");
    r->validity = copied(pool, c.validity, (size_t{rows} + 7) / 8);
  }
  return column_ptr(std::move(r));
}

}  // namespace

result<batch_ptr> batch_from(const abi::batch& b, const schema_ptr& type, memory_pool& pool) {
  if (b.selection || b.column_count != type->size())
    return error(errc::internal, "an emitted batch has " + std::to_string(b.column_count) +
                                     " columns, declared were " + std::to_string(type->size()));
  auto r = std::make_shared<batch>();
  r->type = type;
  r->rows = r->physical_rows = b.rows;
  for (uint32_t i = 0; i < b.column_count; ++i) {
    WEIR_ASSIGN(auto c, column_from(b.columns[i], type->fields[i], b.rows, pool));
    r->columns.push_back(std::move(c));
  }
  if (b.weights) r->weights = copied(pool, b.weights, size_t{b.rows} * 4);
  return batch_ptr(std::move(r));
}

}  // namespace weir::custom
