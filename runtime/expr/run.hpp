// How a compiled program runs: registers (columns), selection slots, errors of rows. Owned by one
// program, used by its thread during one call of evaluate() or filter().
//
// Cheap kernels run over every physical row whatever is selected: a vector loop costs less than
// picking rows, and a result outside the selection may be anything. Errors are therefore found in
// two steps: the loop collects a flag, and only when it is set are the rows visited again, now
// under their slot. Expensive kernels (text, regular expressions, conversions) visit the slot's
// rows only. A slot is a selection: 0 is the batch's, the others are branches of CASE, AND and OR.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/result.hpp"
#include "runtime/column/batch.hpp"
#include "runtime/expr/bits.hpp"
#include "runtime/expr/node.hpp"

namespace weir::expr {

class run;
struct instruction;
using kernel = void (*)(run&, const instruction&);

/// What a slot keeps of its parent's rows, by the value of its condition.
enum class slot_mode : uint8_t { all, when_true, when_not_true, when_not_false };

struct slot_definition {
  int parent = -1;
  uint32_t condition = 0;  // register
  slot_mode mode = slot_mode::all;
};

struct instruction {
  kernel fn = nullptr;
  uint32_t target = 0;
  std::vector<uint32_t> args;
  int slot = 0;
  uint32_t flags = 0;
  node_ptr origin;
  /// A kernel's own memory between batches: compiled patterns, sets of constants, dictionaries.
  mutable std::shared_ptr<void> state;
  mutable std::shared_ptr<void> dictionary_state;
};

/// A register: a column that a kernel writes, or an input column or constant that it only reads.
struct reg {
  data_type type;
  column own;
  const column* c = nullptr;
  bool constant = false;  // one value stands for all rows
  size_t values_capacity = 0, offsets_capacity = 0, validity_capacity = 0;
};

struct slot_state {
  bool ready = false;
  bool all = false;  // every physical row
  bool has_bits = false;
  bool has_rows = false;
  uint32_t count = 0;
  std::vector<uint64_t> bits;
  std::vector<uint32_t> rows;
};

/// A row that failed, and where in the tree.
struct failure {
  uint32_t row = 0;
  error cause;
  node_ptr origin;
};

class run {
 public:
  /// Evaluates one instruction, without a slot, over other registers and `physical_rows` rows.
  /// Returns the rows that failed. The instruction's registers index `registers`.
  static std::vector<failure> alone(std::vector<reg>& registers, const instruction&,
                                    uint32_t physical_rows, memory_pool&);

  uint32_t rows = 0;
  memory_pool* pool = nullptr;
  std::vector<reg>* registers = nullptr;
  const std::vector<slot_definition>* slots = nullptr;
  std::vector<slot_state>* states = nullptr;
  std::vector<failure> errors;

  void begin(uint32_t physical_rows, memory_pool&);

  reg& at(uint32_t r) { return (*registers)[r]; }
  const column& col(uint32_t r) { return *(*registers)[r].c; }
  const data_type& type_of(uint32_t r) { return (*registers)[r].type; }

  /// Room for `count` values of the target; a buffer that nobody else holds is used again.
  template <class T>
  T* values(reg& r, size_t count) {
    return reinterpret_cast<T*>(reserve(r.own.values, r.values_capacity, count * sizeof(T)));
  }
  uint32_t* offsets(reg& r) {
    return reinterpret_cast<uint32_t*>(
        reserve(r.own.offsets, r.offsets_capacity, (size_t{rows} + 1) * 4));
  }
  /// A bitmap of the target's own, unset; whole words.
  uint64_t* validity(reg& r) {
    return reinterpret_cast<uint64_t*>(
        reserve(r.own.validity, r.validity_capacity, bitmap_words(rows) * 8));
  }
  /// Validity of a strict function: all arguments present. Shares a single bitmap.
  void strict_validity(const instruction&);
  /// The same, always as a bitmap that may be changed; all set when no argument has nulls.
  uint64_t* strict_validity_own(const instruction&);
  void no_nulls(reg& r) {
    r.own.validity = {};
    r.validity_capacity = 0;
  }
  /// Ends a kernel: the register reads as `own`, with one value per row.
  void publish(reg& r) {
    r.own.length = rows;
    r.c = &r.own;
  }
  /// Takes over a whole column (dictionary results, copies of arguments).
  void assign(reg& r, column c);

  const slot_state& slot(int s);
  const std::vector<uint32_t>& rows_of(int s);
  const uint64_t* bits_of(int s);

  bool is_valid(uint32_t r, uint32_t row) {
    const auto& x = at(r);
    return x.c->is_valid(x.constant ? 0 : row);
  }
  bool args_valid(const instruction& in, uint32_t row) {
    for (auto a : in.args)
      if (!is_valid(a, row)) return false;
    return true;
  }
  /// Row `row` failed; only its first failure counts.
  void fail(const instruction&, uint32_t row, error cause);
  /// Visits the rows of the instruction's slot: f(row).
  template <class F>
  void for_each_row(const instruction& in, F&& f) {
    const auto& s = slot(in.slot);
    if (s.all) {
      for (uint32_t i = 0; i < rows; ++i) f(i);
    } else {
      for (uint32_t i : rows_of(in.slot)) f(i);
    }
  }

 private:
  std::byte* reserve(buffer_ref& b, size_t& capacity, size_t bytes);
  std::vector<uint64_t> failed_;
};

/// Runs one instruction: once per dictionary entry where its only argument is a dictionary column.
void execute(run&, const instruction&);

/// Flags of instructions and functions.
enum : uint32_t {
  flag_infallible = 1,  // never fails, cheap: runs over all rows, whatever the slot
  flag_dense = 2,       // runs over all rows; may fail
  flag_dictionary = 4,  // strict and by value alone: may run on a dictionary's entries
  flag_non_strict = 8,  // sees nulls
  flag_variadic = 16,   // the last argument repeats
  flag_any = 32,        // by rows: takes constants as they are
};

}  // namespace weir::expr
