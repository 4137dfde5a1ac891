#include <algorithm>

#include "runtime/expr/code.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/filter.hpp"

namespace weir::expr {

struct program::impl {
  schema_ptr input;
  memory_pool constants;  // literals; outlives the registers below
  std::vector<node_ptr> roots;
  code all;
  std::vector<uint32_t> root_registers;
  std::vector<column_ptr> constant_outputs;
  std::unique_ptr<filter_code> filter;
  run state;

  void bind_inputs(code& c, const batch& in) {
    for (const auto& i : c.inputs) c.registers[i.reg].c = in.columns[i.column].get();
  }
  column_ptr output(size_t root, const batch& in, memory_pool& pool);
};

program::program(std::unique_ptr<impl> i) : impl_(std::move(i)) {}
program::program(program&&) noexcept = default;
program& program::operator=(program&&) noexcept = default;
program::~program() = default;

namespace {

// Longest expression text that a row's error quotes.
constexpr size_t quoted_bytes_max = 120;

/// As it was written: percentiles without the array of values that they are computed from.
node_ptr as_written(const node_ptr& n) {
  if (n->kind != node_kind::call) return n;
  const auto& f = n->function;
  if (f == "@items") return n->args[0];
  auto copy = std::make_shared<node>(*n);
  if (f.starts_with("@percentile_") || f == "@mode") {
    copy->function.erase(0, 1);
    copy->args.erase(copy->args.begin());
    copy->args.pop_back();
  }
  for (auto& a : copy->args) a = as_written(a);
  return copy;
}

error with_place(error e, const node_ptr& origin, const schema& input) {
  if (!origin) return e;
  std::string sql = to_sql(*as_written(origin), input);
  if (sql.size() > quoted_bytes_max) sql = sql.substr(0, quoted_bytes_max - 3) + "...";
  e.message += " in " + sql;
  return e;
}

status report(run& state, const schema& input, std::vector<row_error>* errors) {
  if (errors) errors->clear();
  if (state.errors.empty()) return {};
  std::sort(state.errors.begin(), state.errors.end(),
            [](const failure& a, const failure& b) { return a.row < b.row; });
  if (!errors) return with_place(std::move(state.errors[0].cause), state.errors[0].origin, input);
  for (auto& f : state.errors)
    errors->push_back({f.row, with_place(std::move(f.cause), f.origin, input)});
  return {};
}

void start(run& state, code& c, const batch& in, memory_pool& pool) {
  state.registers = &c.registers;
  state.slots = &c.slots;
  state.states = &c.states;
  state.begin(in.physical_rows, pool);
  auto& s = c.states[0];
  s.ready = true;
  s.count = in.rows;
  s.all = !in.selection || in.rows == in.physical_rows;
  if (!s.all) {
    const auto* rows = in.selection.as<uint32_t>();
    s.rows.assign(rows, rows + in.rows);
    s.has_rows = true;
  }
}

void finish(code& c) {
  c.states.resize(c.slots.size());
  for (auto& r : c.registers)
    if (r.constant) r.c = &r.own;
}

}  // namespace

result<program> program::compile(std::vector<node_ptr> roots, schema_ptr input) {
  weir_assert(input != nullptr, "a program needs its input schema");
  auto p = std::make_unique<impl>();
  p->input = std::move(input);
  code_builder builder(p->all, *p->input, p->constants);
  for (const auto& r : roots) {
    WEIR_TRY(check_tree(r, *p->input));
    p->roots.push_back(fold(r));
    WEIR_ASSIGN(uint32_t out, builder.emit(p->roots.back(), 0));
    p->root_registers.push_back(out);
  }
  finish(p->all);
  p->constant_outputs.resize(roots.size());
  return program(std::move(p));
}

column_ptr program::impl::output(size_t root, const batch& in, memory_pool& pool) {
  uint32_t r = root_registers[root];
  for (const auto& i : all.inputs)
    if (i.reg == r) return in.columns[i.column];
  const reg& x = all.registers[r];
  if (!x.constant) return std::make_shared<const column>(x.own);
  auto& kept = constant_outputs[root];
  if (kept && kept->length == in.physical_rows) return kept;
  // A constant root: spread it once and hand the same column out again.
  std::vector<reg> registers(2);
  registers[0].type = registers[1].type = registers[1].own.type = x.type;
  registers[0].c = &x.own;
  registers[0].constant = true;
  instruction spread;
  spread.args = {0};
  spread.target = 1;
  run one;
  one.rows = in.physical_rows;
  one.pool = &pool;
  one.registers = &registers;
  kernel_spread(one, spread);
  kept = std::make_shared<const column>(std::move(registers[1].own));
  return kept;
}

status program::evaluate(const batch& in, memory_pool& pool, std::vector<column_ptr>& out,
                         std::vector<row_error>* errors) {
  auto& p = *impl_;
  weir_assert(in.columns.size() >= p.input->size(), "the batch has the program's schema");
  out.clear();
  p.bind_inputs(p.all, in);
  start(p.state, p.all, in, pool);
  for (const auto& i : p.all.instructions) execute(p.state, i);
  for (size_t i = 0; i < p.roots.size(); ++i) {
    column_ptr c;
    for (size_t k = 0; k < i && !c; ++k)
      if (p.root_registers[k] == p.root_registers[i]) c = out[k];
    out.push_back(c ? c : p.output(i, in, pool));
  }
  return report(p.state, *p.input, errors);
}

status program::filter(const batch& in, memory_pool& pool, buffer_ref& selection, uint32_t& rows,
                       std::vector<row_error>* errors) {
  auto& p = *impl_;
  weir_assert(in.columns.size() >= p.input->size(), "the batch has the program's schema");
  if (p.roots.size() != 1 || p.roots[0]->type.id != type_id::boolean)
    return error(errc::type_mismatch, "a filter needs one boolean expression");
  if (!p.filter) {
    WEIR_ASSIGN(p.filter, build_filter(p.roots[0], *p.input, p.constants));
    finish(p.filter->all);
  }
  auto& f = *p.filter;
  p.bind_inputs(f.all, in);
  start(p.state, f.all, in, pool);
  run_filter(f, p.state, in, selection, rows);
  return report(p.state, *p.input, errors);
}

}  // namespace weir::expr
