// A bound scalar expression: names resolved, types known, implicit casts inserted. Immutable and
// shared; the physical plan carries it, programs are compiled from it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/column/scalar.hpp"
#include "runtime/column/types.hpp"

namespace weir::expr {

struct node;
using node_ptr = std::shared_ptr<const node>;

enum class node_kind : uint8_t { column = 0, literal = 1, call = 2 };

struct node {
  node_kind kind = node_kind::literal;
  data_type type;
  uint32_t column = 0;   // kind column: index in the input schema
  scalar literal;        // kind literal
  std::string function;  // kind call: canonical name ("+", "and", "case", "cast", "lower", ...)
  std::vector<node_ptr> args;
  uint32_t location = 0;  // byte offset in the text it came from, for messages
};

}  // namespace weir::expr
