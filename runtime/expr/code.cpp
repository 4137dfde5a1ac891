#include "runtime/expr/code.hpp"

#include <algorithm>

#include "runtime/expr/expr.hpp"
#include "runtime/expr/make_node.hpp"
#include "runtime/expr/nested.hpp"

namespace weir::expr {
namespace {

error bug(const node& n, std::string_view what) {
  return {errc::internal,
          "expression tree: " + std::string(what) + " in a call of \"" + n.function + "\""};
}

std::string key_of(std::string_view name, const data_type& t, const std::vector<uint32_t>& args,
                   int slot) {
  std::string k(name);
  k += '|' + std::to_string(static_cast<int>(t.id)) + ':' + std::to_string(t.scale) + '@' +
       std::to_string(slot);
  if (t.fields) k += to_string(t);
  for (auto a : args) k += ',' + std::to_string(a);
  return k;
}

}  // namespace

uint32_t code_builder::add_register(const data_type& t, int slot) {
  reg r;
  r.type = t;
  r.own.type = t;
  code_.registers.push_back(std::move(r));
  slot_of_.push_back(slot);
  return static_cast<uint32_t>(code_.registers.size() - 1);
}

int code_builder::new_slot(int parent, uint32_t condition, slot_mode mode) {
  for (size_t i = 1; i < code_.slots.size(); ++i) {
    const auto& d = code_.slots[i];
    if (d.parent == parent && d.condition == condition && d.mode == mode && mode != slot_mode::all)
      return static_cast<int>(i);
  }
  code_.slots.push_back({parent, condition, mode});
  return static_cast<int>(code_.slots.size() - 1);
}

result<uint32_t> code_builder::emit(const node_ptr& n, int slot) {
  return emit_any(n, slot, 0);
}

result<uint32_t> code_builder::emit_any(const node_ptr& n, int slot, int depth) {
  if (depth > tree_depth_max) return error(errc::unsupported, "the expression nests too deeply");
  if (n->kind == node_kind::column) return emit_column(*n);
  if (n->kind == node_kind::literal) return emit_literal(*n);
  for (int s = slot; s >= 0; s = code_.slots[static_cast<size_t>(s)].parent)
    if (auto it = memo_.find({n.get(), s}); it != memo_.end()) return it->second;
  WEIR_ASSIGN(uint32_t r, emit_call(n, slot, depth));
  memo_[{n.get(), slot}] = r;
  kept_.push_back(n);
  return r;
}

result<uint32_t> code_builder::emit_column(const node& n) {
  for (const auto& in : code_.inputs)
    if (in.column == n.column) return in.reg;
  uint32_t r = add_register(n.type, 0);
  code_.inputs.push_back({r, n.column});
  return r;
}

uint32_t code_builder::emit_literal(const node& n) {
  const scalar& v = n.literal;
  std::string key = "literal|" + std::to_string(static_cast<int>(n.type.id)) + ':' +
                    std::to_string(n.type.scale) + '|';
  if (n.type.fields) key += to_string(n.type) + '|';
  if (v.null) {
    key += "null";
  } else if (n.type.fields) {
    append_stored(key, v);
  } else {
    key += std::to_string(v.i) + '|' + v.s + '|';
    key.append(reinterpret_cast<const char*>(&v.d), sizeof v.d);
    key.append(reinterpret_cast<const char*>(&v.dec), sizeof v.dec);
    key.append(reinterpret_cast<const char*>(&v.interval), sizeof v.interval);
  }
  if (auto it = known_.find(key); it != known_.end()) return it->second;
  uint32_t r = add_register(n.type, 0);
  code_.registers[r].own = column_of(v, n.type, constants_);
  code_.registers[r].constant = true;
  known_[key] = r;
  return r;
}

uint32_t code_builder::as_vector(uint32_t r) {
  if (!code_.registers[r].constant) return r;
  if (auto it = spread_.find(r); it != spread_.end()) return it->second;
  instruction in;
  in.fn = kernel_spread;
  in.args = {r};
  in.target = add_register(code_.registers[r].type, 0);
  code_.instructions.push_back(in);
  spread_[r] = in.target;
  return in.target;
}

uint32_t code_builder::add(const node_ptr& origin, std::string_view name, kernel fn,
                           std::vector<uint32_t> args, const data_type& type, uint32_t flags,
                           int slot) {
  int home = slot;
  if (flags & flag_infallible) {
    // Runs over all rows, so its values hold wherever those of its arguments do. Slots of the
    // arguments lie on one path to the root: the deepest has the largest number.
    home = 0;
    for (auto a : args) home = std::max(home, slot_of_[a]);
  }
  for (int s = home; s >= 0; s = code_.slots[static_cast<size_t>(s)].parent)
    if (auto it = known_.find(key_of(name, type, args, s)); it != known_.end()) return it->second;
  instruction in;
  in.fn = fn;
  in.args = std::move(args);
  in.slot = home;
  in.flags = flags;
  in.origin = origin;
  in.target = add_register(type, home);
  known_[key_of(name, type, in.args, home)] = in.target;
  code_.instructions.push_back(in);
  return in.target;
}

bool code_builder::needs_slot(const node_ptr& n) {
  if (n->kind != node_kind::call) return false;
  if (auto it = needs_slot_.find(n.get()); it != needs_slot_.end()) return it->second;
  bool needs = false;
  for (const auto& a : n->args) needs = needs || needs_slot(a);
  static constexpr std::string_view special[] = {"and",         "or", "case", "coalesce",
                                                 "is distinct", ">",  ">="};
  bool composed =
      std::find(std::begin(special), std::end(special), n->function) != std::end(special);
  if (!needs) {
    std::vector<type_id> types;
    for (const auto& a : n->args) types.push_back(a->type.id);
    if (composed) {
      needs = !types.empty() && fixed_width(types[0]) == 0;
    } else {
      const auto* f = catalog::get().find(n->function, types, n->type.id);
      needs = !f || !(f->flags & flag_infallible);
    }
  }
  needs_slot_[n.get()] = needs;
  kept_.push_back(n);
  return needs;
}

result<uint32_t> code_builder::emit_logic(const node_ptr& n, int slot, int depth) {
  bool is_and = n->function == "and";
  WEIR_ASSIGN(uint32_t all, emit_any(n->args[0], slot, depth + 1));
  all = as_vector(all);
  for (size_t i = 1; i < n->args.size(); ++i) {
    int branch = slot;
    if (needs_slot(n->args[i]))
      branch = new_slot(slot, all, is_and ? slot_mode::when_not_false : slot_mode::when_not_true);
    WEIR_ASSIGN(uint32_t next, emit_any(n->args[i], branch, depth + 1));
    next = as_vector(next);
    // The other side may hold in its branch only; the result holds in the whole slot.
    bool narrow = slot_of_[next] > slot && branch != slot;
    const auto* f =
        catalog::get().find(n->function, {type_id::boolean, type_id::boolean}, type_id::boolean);
    all =
        add(n, n->function, f->fn, {all, next}, n->type, narrow ? flag_non_strict : f->flags, slot);
  }
  return all;
}

result<uint32_t> code_builder::emit_case(const node_ptr& n, int slot, int depth) {
  if (n->args.size() % 2 == 0) return bug(*n, "an even number of arguments");
  std::vector<uint32_t> args;
  int rest = slot;
  bool branches = false;
  for (const auto& a : n->args) branches = branches || needs_slot(a);
  for (size_t i = 0; i + 1 < n->args.size(); i += 2) {
    WEIR_ASSIGN(uint32_t c, emit_any(n->args[i], rest, depth + 1));
    c = as_vector(c);
    int then = branches ? new_slot(rest, c, slot_mode::when_true) : slot;
    WEIR_ASSIGN(uint32_t v, emit_any(n->args[i + 1], then, depth + 1));
    if (branches) rest = new_slot(rest, c, slot_mode::when_not_true);
    args.push_back(c);
    args.push_back(v);
  }
  WEIR_ASSIGN(uint32_t last, emit_any(n->args.back(), rest, depth + 1));
  args.push_back(last);
  bool cheap = !branches && fixed_width(n->type.id) != 0;
  return add(n, "case", kernel_choose, std::move(args), n->type,
             cheap ? flag_infallible | flag_non_strict : flag_non_strict, slot);
}

// COALESCE(a, b, c) is CASE WHEN a IS NOT NULL THEN a WHEN b IS NOT NULL THEN b ELSE c END.
result<uint32_t> code_builder::emit_coalesce(const node_ptr& n, int slot, int depth) {
  auto choice = std::make_shared<node>(*n);
  choice->function = "case";
  choice->args.clear();
  for (size_t i = 0; i + 1 < n->args.size(); ++i) {
    choice->args.push_back(make_call("is not null", type_id::boolean, {n->args[i]}, n->location));
    choice->args.push_back(n->args[i]);
  }
  choice->args.push_back(n->args.back());
  if (choice->args.size() == 1) return emit_any(choice->args[0], slot, depth + 1);
  return emit_case(choice, slot, depth);
}

// a[i], a[i:j]: the subscripts of a NULL array are not computed, as in PostgreSQL.
result<uint32_t> code_builder::emit_subscript(const node_ptr& n, int slot, int depth) {
  WEIR_ASSIGN(uint32_t array, emit_any(n->args[0], slot, depth + 1));
  WEIR_ASSIGN(
      uint32_t none,
      emit_any(make_call("is null", type_id::boolean, {n->args[0]}, n->location), slot, depth + 1));
  const int known = new_slot(slot, as_vector(none), slot_mode::when_not_true);
  std::vector<uint32_t> args{array};
  for (size_t i = 1; i < n->args.size(); ++i) {
    WEIR_ASSIGN(uint32_t index, emit_any(n->args[i], known, depth + 1));
    args.push_back(index);
  }
  return emit_function(n, n->function, std::move(args), slot);
}

result<uint32_t> code_builder::emit_in(const node_ptr& n, int slot, int depth) {
  bool literals = true;
  for (size_t i = 1; i < n->args.size(); ++i)
    literals = literals && n->args[i]->kind == node_kind::literal;
  if (kernel fn = literals ? kernel_in(n->args[0]->type.id) : nullptr) {
    WEIR_ASSIGN(uint32_t x, emit_any(n->args[0], slot, depth + 1));
    std::vector<uint32_t> args{as_vector(x)};
    std::string name = "in";
    for (size_t i = 1; i < n->args.size(); ++i)
      name += ' ' + std::to_string(emit_literal(*n->args[i]));
    return add(n, name, fn, std::move(args), n->type, flag_dictionary, slot);
  }
  auto any = std::make_shared<node>(*n);
  any->function = "or";
  any->args.clear();
  for (size_t i = 1; i < n->args.size(); ++i) {
    auto eq = std::make_shared<node>(*n);
    eq->function = "=";
    eq->args = {n->args[0], n->args[i]};
    any->args.push_back(fold(eq));
  }
  if (any->args.size() == 1) return emit_any(any->args[0], slot, depth + 1);
  return emit_logic(any, slot, depth);
}

result<uint32_t> code_builder::emit_distinct(const node_ptr& n, int slot, int depth) {
  auto eq = std::make_shared<node>(*n);
  eq->function = "=";
  WEIR_ASSIGN(uint32_t e, emit_any(fold(eq), slot, depth + 1));
  WEIR_ASSIGN(uint32_t a, emit_any(n->args[0], slot, depth + 1));
  WEIR_ASSIGN(uint32_t b, emit_any(n->args[1], slot, depth + 1));
  uint32_t same = add(n, "not distinct", kernel_not_distinct, {as_vector(e), a, b}, n->type,
                      flag_infallible | flag_non_strict, slot);
  const auto* f = catalog::get().find("not", {type_id::boolean}, type_id::boolean);
  return add(n, "not", f->fn, {same}, n->type, f->flags, slot);
}

result<uint32_t> code_builder::emit_function(const node_ptr& n, std::string_view name,
                                             std::vector<uint32_t> args, int slot) {
  std::vector<type_id> types;
  for (auto a : args) types.push_back(code_.registers[a].type.id);
  const auto* f = catalog::get().find(name, types, n->type.id);
  if (!f || !f->fn) return bug(*n, "no function of these types");
  if (!(f->flags & (flag_dictionary | flag_any))) {
    // Loops over whole vectors take at most one constant; those that see nulls take none.
    bool constants = true;
    for (auto a : args) constants = constants && code_.registers[a].constant;
    for (size_t i = 0; i < args.size(); ++i) {
      bool spread = (f->flags & flag_non_strict) || args.size() == 1 || (constants && i == 0);
      if (spread) args[i] = as_vector(args[i]);
    }
  }
  return add(n, name, f->fn, std::move(args), n->type, f->flags, slot);
}

result<uint32_t> code_builder::emit_call(const node_ptr& n, int slot, int depth) {
  if (n->function == "and" || n->function == "or") return emit_logic(n, slot, depth);
  if (n->function == "case") return emit_case(n, slot, depth);
  if (n->function == "coalesce") return emit_coalesce(n, slot, depth);
  if (n->function == "in") return emit_in(n, slot, depth);
  if (n->function == "is distinct") return emit_distinct(n, slot, depth);
  if ((n->function == "[]" || n->function == "[:]") &&
      std::any_of(n->args.begin() + 1, n->args.end(),
                  [this](const node_ptr& a) { return needs_slot(a); }))
    return emit_subscript(n, slot, depth);
  std::vector<uint32_t> args;
  if (n->function == "*" && n->type.id == type_id::decimal && n->args.size() == 2)
    for (size_t k : {0, 1}) {
      const auto& a = *n->args[k];
      const bool whole =
          a.kind == node_kind::call && a.function == "cast" && a.type.scale == 0 &&
          (a.args[0]->type.id == type_id::int64 || a.args[0]->type.id == type_id::int32);
      if (!whole || n->args[1 - k]->type.scale != n->type.scale) continue;
      WEIR_ASSIGN(uint32_t decimal, emit_any(n->args[1 - k], slot, depth + 1));
      WEIR_ASSIGN(uint32_t integer, emit_any(a.args[0], slot, depth + 1));
      return emit_function(n, decimal_times_integer, {decimal, integer}, slot);
    }
  for (const auto& a : n->args) {
    WEIR_ASSIGN(uint32_t r, emit_any(a, slot, depth + 1));
    args.push_back(r);
  }
  if ((n->function == ">" || n->function == ">=") && args.size() == 2) {
    std::swap(args[0], args[1]);
    return emit_function(n, n->function == ">" ? "<" : "<=", std::move(args), slot);
  }
  return emit_function(n, n->function, std::move(args), slot);
}

}  // namespace weir::expr
