// Constant folding, and scalars to and from columns of one value.
#include <map>

#include "runtime/expr/code.hpp"
#include "runtime/expr/nested.hpp"

namespace weir::expr {
namespace {

node_ptr literal_of(scalar v, const node& from) {
  auto n = std::make_shared<node>();
  n->kind = node_kind::literal;
  n->type = from.type;
  n->literal = std::move(v);
  n->literal.type = from.type;
  n->location = from.location;
  return n;
}
bool is_literal(const node_ptr& n) {
  return n->kind == node_kind::literal;
}
bool is_null(const node_ptr& n) {
  return is_literal(n) && n->literal.null;
}
bool is_bool(const node_ptr& n, bool value) {
  return is_literal(n) && !n->literal.null && (n->literal.i != 0) == value;
}

bool sees_nulls(const node& n) {
  static constexpr std::string_view special[] = {"and", "or", "case", "coalesce", "is distinct"};
  for (auto s : special)
    if (n.function == s) return true;
  std::vector<type_id> types;
  for (const auto& a : n.args) types.push_back(a->type.id);
  const auto* f = catalog::get().find(n.function, types, n.type.id);
  return f && (f->flags & flag_non_strict);
}

size_t length_of(const scalar& v) {
  size_t n = 1 + v.s.size();
  for (const auto& item : v.items) n += length_of(item);
  return n;
}

/// Items of a list, bytes of a text. A call that gives more than it takes and more than this stays
/// a call: literals go through plans, which are read by people and sent to nodes.
constexpr size_t folded_items_max = 100, folded_bytes_max = 64 << 10;

bool outgrows(const column& c, const node& call) {
  size_t length = 0, most = 0;
  if (c.type.id == type_id::list) {
    const auto* o = c.offsets.as<uint32_t>();
    length = o[1] - o[0];
    most = folded_items_max;
  } else if (c.type.id == type_id::string || c.type.id == type_id::bytes ||
             c.type.id == type_id::json) {
    length = c.view(0).size();
    most = folded_bytes_max;
  }
  if (length <= most) return false;
  size_t taken = 0;
  for (const auto& a : call.args) taken += length_of(a->literal);
  return length > taken;
}

// Evaluates a call of literals over one row; the call itself when it fails or gives too much.
node_ptr evaluate(const node_ptr& n) {
  memory_pool pool;
  schema none;
  code c;
  code_builder builder(c, none, pool);
  auto r = builder.emit(n, 0);
  if (!r) return n;
  c.states.resize(c.slots.size());
  for (auto& x : c.registers)
    if (x.constant) x.c = &x.own;
  run one;
  one.registers = &c.registers;
  one.slots = &c.slots;
  one.states = &c.states;
  one.begin(1, pool);
  c.states[0].ready = c.states[0].all = true;
  c.states[0].count = 1;
  for (const auto& in : c.instructions) execute(one, in);
  if (!one.errors.empty()) return n;
  const column& made = *c.registers[*r].c;
  if (made.is_valid(0) && outgrows(made, *n)) return n;
  return literal_of(scalar_of(made, n->type, 0), *n);
}

class folder {
 public:
  node_ptr operator()(const node_ptr& n, int depth) {
    if (n->kind != node_kind::call || depth > tree_depth_max) return n;
    if (auto it = done_.find(n.get()); it != done_.end()) return it->second;
    auto copy = std::make_shared<node>(*n);
    bool changed = false;
    for (auto& a : copy->args) {
      auto f = (*this)(a, depth + 1);
      changed = changed || f != a;
      a = std::move(f);
    }
    node_ptr r = simplify(changed ? node_ptr(copy) : n);
    done_[n.get()] = r;
    return r;
  }

 private:
  node_ptr simplify(const node_ptr& n) {
    if (n->function == "and" || n->function == "or") return logic(n, n->function == "and");
    if (n->function == "case") return choice(n);
    if (n->function == "coalesce") return coalesce(n);
    bool literals = true, nulls = false;
    for (const auto& a : n->args) {
      literals = literals && is_literal(a);
      nulls = nulls || is_null(a);
    }
    if (n->function == "in") {
      if (is_null(n->args[0])) return literal_of(scalar::of_null(n->type), *n);
    } else if (nulls && !sees_nulls(*n)) {
      return literal_of(scalar::of_null(n->type), *n);
    }
    return literals ? evaluate(n) : n;
  }

  static node_ptr logic(const node_ptr& n, bool is_and) {
    auto copy = std::make_shared<node>(*n);
    copy->args.clear();
    for (const auto& a : n->args) {
      if (is_bool(a, is_and)) continue;  // neutral
      copy->args.push_back(a);
      if (is_bool(a, !is_and)) break;  // decided: what follows is never reached
    }
    if (copy->args.empty()) return literal_of(scalar::of_bool(is_and), *n);
    if (copy->args.size() == 1) return copy->args[0];
    bool literals = true;
    for (const auto& a : copy->args) literals = literals && is_literal(a);
    if (literals) return evaluate(copy);
    return copy->args.size() == n->args.size() ? n : node_ptr(copy);
  }

  static node_ptr choice(const node_ptr& n) {
    auto copy = std::make_shared<node>(*n);
    copy->args.clear();
    size_t i = 0;
    for (; i + 1 < n->args.size(); i += 2) {
      const auto& c = n->args[i];
      if (is_bool(c, false) || is_null(c)) continue;
      if (is_bool(c, true)) break;
      copy->args.push_back(c);
      copy->args.push_back(n->args[i + 1]);
    }
    copy->args.push_back(i + 1 < n->args.size() ? n->args[i + 1] : n->args.back());
    if (copy->args.size() == 1) return copy->args[0];
    return copy->args.size() == n->args.size() ? n : node_ptr(copy);
  }

  static node_ptr coalesce(const node_ptr& n) {
    auto copy = std::make_shared<node>(*n);
    copy->args.clear();
    for (const auto& a : n->args) {
      if (is_null(a)) continue;
      copy->args.push_back(a);
      if (is_literal(a)) break;
    }
    if (copy->args.empty()) return literal_of(scalar::of_null(n->type), *n);
    if (copy->args.size() == 1) return copy->args[0];
    return copy->args.size() == n->args.size() ? n : node_ptr(copy);
  }

  std::map<const node*, node_ptr> done_;
};

}  // namespace

node_ptr fold(const node_ptr& n) {
  return folder{}(n, 0);
}

scalar scalar_of(const column& c, const data_type& type, uint32_t row) {
  scalar v = scalar::of_null(type);
  if (!c.is_valid(row)) return v;
  v.null = false;
  switch (type.id) {
    case type_id::boolean:
      v.i = c.data<uint8_t>()[row];
      break;
    case type_id::int32:
    case type_id::date:
      v.i = c.data<int32_t>()[row];
      break;
    case type_id::int64:
    case type_id::timestamp:
      v.i = c.data<int64_t>()[row];
      break;
    case type_id::float64:
      v.d = c.data<double>()[row];
      break;
    case type_id::decimal:
      std::memcpy(&v.dec, c.values.data() + size_t{row} * 16, 16);
      break;
    case type_id::interval:
      v.interval = c.data<interval_value>()[row];
      break;
    case type_id::list:
    case type_id::struct_:
      v = scalar_at(c, row);
      v.type = type;
      break;
    default:
      v.s = std::string(c.view(row));
  }
  return v;
}

column column_of(const scalar& v, const data_type& type, memory_pool& pool) {
  if (is_nested(type.id)) {
    auto typed = v;
    typed.type = type;
    return *constant_column(typed, 1, pool);
  }
  column c;
  c.type = type;
  c.length = 1;
  c.values = buffer::allocate_zero(pool, std::max<size_t>(16, v.s.size()));
  auto put = [&](const auto& x) { std::memcpy(c.values.mutable_as<std::byte>(), &x, sizeof x); };
  if (v.null) {
    c.validity = buffer::allocate_zero(pool, 8);
  } else {
    switch (type.id) {
      case type_id::boolean:
        put(static_cast<uint8_t>(v.i != 0));
        break;
      case type_id::int32:
      case type_id::date:
        put(static_cast<int32_t>(v.i));
        break;
      case type_id::int64:
      case type_id::timestamp:
        put(v.i);
        break;
      case type_id::float64:
        put(v.d);
        break;
      case type_id::decimal:
        put(v.dec);
        break;
      case type_id::interval:
        put(v.interval);
        break;
      default:
        std::memcpy(c.values.mutable_as<char>(), v.s.data(), v.s.size());
    }
  }
  if (is_varlen(type.id)) {
    c.offsets = buffer::allocate_zero(pool, 8);
    c.offsets.mutable_as<uint32_t>()[1] = static_cast<uint32_t>(v.null ? 0 : v.s.size());
  }
  return c;
}

}  // namespace weir::expr
