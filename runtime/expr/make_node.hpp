// Bound trees that are made without a text: for rewrites and front ends. Plain functions.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/expr/node.hpp"

namespace weir::expr {

/// check_function(condition, message): true, or an error of the row where the condition is false.
inline constexpr std::string_view check_function = "@check";

/// `location` is where in the text errors point to.
inline node_ptr make_call(std::string function, const data_type& type, std::vector<node_ptr> args,
                          uint32_t location = 0) {
  auto n = std::make_shared<node>();
  n->kind = node_kind::call;
  n->type = type;
  n->function = std::move(function);
  n->args = std::move(args);
  n->location = location;
  return n;
}
inline node_ptr make_column(const data_type& type, uint32_t index, uint32_t location = 0) {
  auto n = std::make_shared<node>();
  n->kind = node_kind::column;
  n->type = type;
  n->column = index;
  n->location = location;
  return n;
}
inline node_ptr make_literal(scalar v, uint32_t location = 0) {
  auto n = std::make_shared<node>();
  n->kind = node_kind::literal;
  n->type = v.type;
  n->literal = std::move(v);
  n->location = location;
  return n;
}

}  // namespace weir::expr
