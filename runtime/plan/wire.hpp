// Constants of the plan's wire form that encoder and decoder share; the form itself is
// schema/plan.capnp. Limits are far above any plan that a planner makes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir {

inline constexpr uint16_t plan_format_version = 1;
/// A plan of 10,000 operators with 1 kB of expressions each is 10 MB.
inline constexpr size_t plan_bytes_max = size_t{64} << 20;
/// Elements of one list of a plan (columns, options, arguments).
inline constexpr uint32_t plan_list_max = 100'000;
/// Consumers of expressions recurse; 1,000 levels are far from a stack's end.
inline constexpr uint32_t plan_expr_depth_max = 1'000;
/// Nodes of an expression when shared subtrees are counted each time they are used.
inline constexpr uint64_t plan_expr_size_max = 1'000'000;
/// Levels of nested types and literals (list of struct of list ...).
inline constexpr uint32_t plan_nesting_max = 16;

}  // namespace weir
