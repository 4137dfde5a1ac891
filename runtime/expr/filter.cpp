#include "runtime/expr/filter.hpp"

#include <algorithm>

namespace weir::expr {
namespace {

bool fused_of(const node& n, fused_compare& op) {
  static constexpr std::pair<std::string_view, fused_compare> known[] = {
      {"=", fused_compare::eq},  {"<>", fused_compare::ne}, {"<", fused_compare::lt},
      {"<=", fused_compare::le}, {">", fused_compare::gt},  {">=", fused_compare::ge}};
  for (auto [name, o] : known) {
    if (n.function != name) continue;
    op = o;
    return n.kind == node_kind::call && n.args.size() == 2;
  }
  return false;
}

fused_compare exchanged(fused_compare op) {
  switch (op) {
    case fused_compare::lt:
      return fused_compare::gt;
    case fused_compare::le:
      return fused_compare::ge;
    case fused_compare::gt:
      return fused_compare::lt;
    case fused_compare::ge:
      return fused_compare::le;
    default:
      return op;
  }
}

// Compares columns and literals as they lie; computed sides are instructions of the term.
result<bool> try_fuse(code_builder& builder, const node& n, filter_term& t) {
  fused_compare op;
  if (!fused_of(n, op)) return false;
  node_ptr a = n.args[0], b = n.args[1];
  if (a->kind == node_kind::literal) {
    std::swap(a, b);
    op = exchanged(op);
  }
  if (a->kind != node_kind::column || b->kind == node_kind::call) return false;
  if (b->kind == node_kind::literal && b->literal.null) return false;
  t.fused = find_fused(a->type.id, op);
  if (!t.fused) return false;
  WEIR_ASSIGN(t.a, builder.emit(a, 0));
  WEIR_ASSIGN(t.b, builder.emit(b, 0));
  return true;
}

result<bool> try_null_test(code_builder& builder, const node& n, filter_term& t) {
  t.wants_null = n.function == "is null";
  if (n.kind != node_kind::call || n.args.size() != 1 ||
      !(t.wants_null || n.function == "is not null") || n.args[0]->kind != node_kind::column)
    return false;
  t.null_test = true;
  WEIR_ASSIGN(t.a, builder.emit(n.args[0], 0));
  return true;
}

void and_validity(const column& c, size_t rows, uint64_t* bits) {
  if (!c.validity) return;
  for (size_t w = 0; w < bitmap_words(rows); ++w) bits[w] &= load_word(c.validity.data(), w, rows);
}

void run_null_test(const column& c, bool wants_null, size_t rows, uint64_t* bits) {
  if (!wants_null) return and_validity(c, rows, bits);
  if (!c.validity) {
    std::fill_n(bits, bitmap_words(rows), 0);
    return;
  }
  for (size_t w = 0; w < bitmap_words(rows); ++w) bits[w] &= ~load_word(c.validity.data(), w, rows);
}

/// Whether every row passes, seen from the columns that have no NULLs.
bool passes_whole(const filter_code& f, run& r) {
  return f.all.states[0].all && std::all_of(f.terms.begin(), f.terms.end(), [&r](const auto& t) {
           return t.null_test && !t.wants_null && !r.col(t.a).validity;
         });
}

}  // namespace

result<std::unique_ptr<filter_code>> build_filter(const node_ptr& root, const schema& input,
                                                  memory_pool& constants) {
  auto f = std::make_unique<filter_code>();
  code_builder builder(f->all, input, constants);
  std::vector<node_ptr> conjuncts{root};
  if (root->kind == node_kind::call && root->function == "and") conjuncts = root->args;
  int above = 0;
  for (const auto& n : conjuncts) {
    filter_term t;
    WEIR_ASSIGN(bool direct, try_null_test(builder, *n, t));
    if (!direct) {
      WEIR_ASSIGN(direct, try_fuse(builder, *n, t));
    }
    if (!direct) {
      // run_filter() fills this slot with the rows that earlier terms left.
      t.slot = above = builder.new_slot(above, 0, slot_mode::all);
      t.begin = f->all.instructions.size();
      WEIR_ASSIGN(t.value, builder.emit(n, t.slot));
      t.value = builder.as_vector(t.value);
      t.end = f->all.instructions.size();
    }
    f->terms.push_back(t);
  }
  return f;
}

void run_filter(filter_code& f, run& r, const batch& in, buffer_ref& selection, uint32_t& rows) {
  size_t n = in.physical_rows, words = bitmap_words(n);
  if (passes_whole(f, r)) {
    rows = static_cast<uint32_t>(n);
    selection = {};
    return;
  }
  f.bits.resize(words);
  uint64_t* bits = f.bits.data();
  if (f.all.states[0].all) {
    set_all(bits, n);
  } else {
    std::memcpy(bits, r.bits_of(0), words * 8);
  }
  for (const auto& t : f.terms) {
    if (t.null_test) {
      run_null_test(r.col(t.a), t.wants_null, n, bits);
      continue;
    }
    if (t.fused) {
      const reg& b = r.at(t.b);
      t.fused(r.col(t.a).values.data(), b.c->values.data(), b.constant, n, bits);
      and_validity(r.col(t.a), n, bits);
      if (!b.constant) and_validity(*b.c, n, bits);
      continue;
    }
    auto& s = f.all.states[static_cast<size_t>(t.slot)];
    s.bits.assign(bits, bits + words);
    s.count = static_cast<uint32_t>(count_bits(bits, n));
    s.ready = s.has_bits = true;
    s.all = s.count == n;
    s.has_rows = false;
    size_t errors = r.errors.size();
    for (size_t i = t.begin; i < t.end; ++i) execute(r, f.all.instructions[i]);
    const column& v = r.col(t.value);
    const auto* bytes = v.data<uint8_t>();
    for (size_t w = 0; w < words; ++w) bits[w] &= pack_bytes(bytes + w * 64, n - w * 64);
    and_validity(v, n, bits);
    for (size_t e = errors; e < r.errors.size(); ++e)
      bits[r.errors[e].row >> 6] &= ~(uint64_t{1} << (r.errors[e].row & 63));
  }
  size_t count = count_bits(bits, n);
  rows = static_cast<uint32_t>(count);
  selection = {};
  if (count == n) return;
  // Own buffers have 64 bytes of slack, which is what bits_to_rows() may overwrite.
  selection = buffer::allocate(*r.pool, count * sizeof(uint32_t));
  bits_to_rows(bits, n, selection.mutable_as<uint32_t>());
}

}  // namespace weir::expr
