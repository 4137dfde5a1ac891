// What a job file may say: one table of objects and properties, from which come the structural
// checks, the nearest-name hints and the JSON schema, so that they cannot drift apart.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::jobs {

enum class value_kind : uint8_t {
  text,         // any scalar
  name,         // a name of a table or step
  names,        // one name or a list of them
  expression,   // SQL text
  expressions,  // map: column -> SQL text
  columns,      // map: column -> type
  options,      // map: option -> scalar
  keys,         // a column, a list of columns, or a map: column -> SQL text
  selection,    // a list of columns, `*` and {column: SQL text}, or a map
  integer,      // above 0
  boolean,
  duration,  // 5m, 1 day
  choice,    // one of `choices`
  object,    // of type `of`
  objects,   // a list of `of`
  table_map  // map: name -> `of`
};

struct object_type;

struct property {
  std::string_view name;
  value_kind kind;
  std::string_view help;
  bool required = false;
  std::string_view choices;         // separated by |
  const object_type* of = nullptr;  // object, objects, table_map
};

struct object_type {
  std::string_view name;  // "step", in messages
  std::string_view help;
  std::span<const property> properties;

  const property* find(std::string_view property_name) const;
  std::vector<std::string_view> names() const;
};

extern const object_type job_type, table_type, step_type, sink_type, window_type, flat_map_type,
    operator_type;

/// The values of `choices`.
std::vector<std::string_view> split_choices(std::string_view);

}  // namespace weir::jobs
