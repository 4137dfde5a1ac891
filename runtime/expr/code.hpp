// The compiled form of expressions: a flat list of vector instructions over registers. Built once
// per program by code_builder, run for every batch.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/column/batch.hpp"
#include "runtime/expr/catalog.hpp"
#include "runtime/expr/run.hpp"

namespace weir::expr {

struct input_register {
  uint32_t reg = 0;
  uint32_t column = 0;
};

struct code {
  std::vector<reg> registers;
  std::vector<input_register> inputs;
  std::vector<instruction> instructions;
  std::vector<slot_definition> slots{slot_definition{}};
  std::vector<slot_state> states;
};

/// Constants are folded, a common subexpression is computed once where one slot contains the other.
class code_builder {
 public:
  code_builder(code& c, const schema& input, memory_pool& constants)
      : code_(c), input_(input), constants_(constants) {}
  /// The register that holds the value of a (folded) node for the rows of a slot.
  result<uint32_t> emit(const node_ptr&, int slot);
  int new_slot(int parent, uint32_t condition, slot_mode);
  /// A register with one value per row, also where `r` is a constant.
  uint32_t as_vector(uint32_t r);

 private:
  result<uint32_t> emit_call(const node_ptr&, int slot, int depth);
  result<uint32_t> emit_any(const node_ptr&, int slot, int depth);
  result<uint32_t> emit_column(const node&);
  uint32_t emit_literal(const node&);
  result<uint32_t> emit_logic(const node_ptr&, int slot, int depth);
  result<uint32_t> emit_case(const node_ptr&, int slot, int depth);
  result<uint32_t> emit_coalesce(const node_ptr&, int slot, int depth);
  result<uint32_t> emit_subscript(const node_ptr&, int slot, int depth);
  result<uint32_t> emit_in(const node_ptr&, int slot, int depth);
  result<uint32_t> emit_distinct(const node_ptr&, int slot, int depth);
  result<uint32_t> emit_function(const node_ptr&, std::string_view name, std::vector<uint32_t> args,
                                 int slot);
  uint32_t add(const node_ptr&, std::string_view name, kernel, std::vector<uint32_t> args,
               const data_type&, uint32_t flags, int slot);
  bool needs_slot(const node_ptr&);
  uint32_t add_register(const data_type&, int slot);

  code& code_;
  const schema& input_;
  memory_pool& constants_;
  std::vector<int> slot_of_;  // of each register: where its values hold
  std::map<std::string, uint32_t> known_;
  std::map<std::pair<const node*, int>, uint32_t> memo_;
  std::map<const node*, bool> needs_slot_;
  std::vector<node_ptr> kept_;  // nodes that memo_ points to
  std::map<uint32_t, uint32_t> spread_;
};

/// Types and arity of every node as the compiler relies on them.
status check_tree(const node_ptr&, const schema& input);
/// One value of a column as a scalar.
scalar scalar_of(const column&, const data_type&, uint32_t row);
/// A column of one value.
column column_of(const scalar&, const data_type&, memory_pool&);

/// Levels of a tree that programs accept; plans come from outside.
inline constexpr int tree_depth_max = 1500;

extern const kernel kernel_spread;
extern const kernel kernel_choose;
extern const kernel kernel_not_distinct;
/// IN over a list of constants for types that have a fast form, else nullptr.
kernel kernel_in(type_id);

}  // namespace weir::expr
