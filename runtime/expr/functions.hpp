// Functions beside those of catalog.hpp: their registration, and how the binder types those whose
// arguments or results the catalog's type ids do not tell (arrays of text, rows, any type).
#pragma once

#include <optional>
#include <vector>

#include "runtime/expr/binder.hpp"
#include "runtime/expr/node.hpp"

namespace weir::expr {

void register_json_edit(catalog&);
void register_bytes(catalog&);
void register_regex_lists(catalog&);
/// Functions of numbers, names and times; after those that they are other names of.
void register_more(catalog&);

/// A call of an operator of jsonb over an array of texts; nothing: it is none.
std::optional<result<bound>> bind_json_operator(binder&, std::string_view name,
                                                std::vector<bound>& args, uint32_t location);
/// A call of such a function; nothing: it is none, or its arguments are not those that it takes.
std::optional<result<bound>> bind_typed_function(binder&, const syntax&, std::vector<bound>& args);
/// Whether the whole types of a call are those that its kernel reads and makes; nothing: it is no
/// call of these functions.
std::optional<bool> typed_as_made(const node&);

/// Whether a function's arguments, which may be of any types, are the fields of the one row that
/// its kernel reads.
bool packs_arguments(std::string_view function);

/// quote_ident: the name as SQL must write it.
void append_identifier(std::string& out, std::string_view name);

}  // namespace weir::expr
