#include "runtime/operators/stored_operator.hpp"

#include <algorithm>

#include "runtime/column/builder.hpp"
#include "runtime/column/nested.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/expr/make_node.hpp"

namespace weir {
namespace {

using expr::node;
using expr::node_kind;
using expr::node_ptr;

schema_ptr stored_schema(const schema_ptr& s, const std::vector<bool>* turned = nullptr) {
  if (!s || !has_nested(*s)) return s;
  auto out = std::make_shared<schema>(*s);
  for (size_t i = 0; i < out->size(); ++i)
    if (is_nested(out->fields[i].type.id) && (!turned || (*turned)[i]))
      out->fields[i].type = type_id::bytes;
  return out;
}

std::vector<bool> nested_columns(const schema& s) {
  std::vector<bool> out;
  for (const auto& f : s.fields) out.push_back(is_nested(f.type.id));
  return out;
}

node_ptr call(const char* function, const data_type& type, node_ptr argument) {
  const auto location = argument->location;
  return expr::make_call(function, type, {std::move(argument)}, location);
}

/// The tree over bytes where it reads a column that was turned.
node_ptr over_bytes(const node_ptr& n, const std::vector<bool>& turned) {
  if (!n) return n;
  if (n->kind == node_kind::column) {
    if (!is_nested(n->type.id) || (n->column < turned.size() && !turned[n->column])) return n;
    auto bytes = std::make_shared<node>(*n);
    bytes->type = type_id::bytes;
    return call("@unpack", n->type, std::move(bytes));
  }
  if (n->args.empty()) return n;
  auto copy = std::make_shared<node>(*n);
  for (auto& a : copy->args) a = over_bytes(a, turned);
  return copy;
}

node_ptr as_bytes(const node_ptr& n) {
  if (!n || !is_nested(n->type.id)) return n;
  if (n->kind == node_kind::call && n->function == "@unpack") return n->args[0];
  return call("@pack", type_id::bytes, n);
}

void to_bytes(data_type& t) {
  if (is_nested(t.id)) t = type_id::bytes;
}

/// Whether an operator keeps rows, keys or values.
bool keeps_values(const operator_spec& s) {
  if (const auto* w = std::get_if<window_spec>(&s)) return holds_rows(*w);
  if (const auto* t = std::get_if<top_n_spec>(&s)) return !t->preselect;
  return std::holds_alternative<aggregate_spec>(s) || std::holds_alternative<distinct_spec>(s) ||
         std::holds_alternative<settle_spec>(s) || std::holds_alternative<join_spec>(s) ||
         std::holds_alternative<over_spec>(s);
}

bool reads_nested(const aggregate_spec& s) {
  return std::any_of(s.calls.begin(), s.calls.end(), [](const aggregate_call& c) {
    return c.argument && is_nested(c.argument->type.id);
  });
}

void turn(aggregate_spec& s, std::vector<bool>& turned) {
  const bool merge = s.stage == aggregate_spec::phase::merge;
  if (!merge)
    // Arguments are computed from the input as it is; only keys are kept as they stand.
    for (uint32_t c = 0; c < turned.size(); ++c)
      turned[c] = turned[c] && std::find(s.keys.begin(), s.keys.end(), c) != s.keys.end();
  for (auto& c : s.calls) {
    if (!merge) {
      c.argument = over_bytes(c.argument, turned);
      c.filter = over_bytes(c.filter, turned);
    }
    c.argument = as_bytes(c.argument);
    to_bytes(c.type);
  }
}

class back_collector final : public collector {
 public:
  back_collector(collector& out, const std::vector<schema_ptr>& outputs, memory_pool& memory)
      : out_(out), outputs_(outputs), memory_(memory) {}
  void emit(batch_ptr b, uint16_t port) override {
    if (port >= outputs_.size() || !outputs_[port]) return out_.emit(std::move(b), port);
    const auto& type = outputs_[port];
    std::vector<column_ptr> columns = b->columns;
    bool changed = false;
    for (size_t i = 0; i < columns.size(); ++i) {
      const auto& t = type->fields[i].type;
      if (!is_nested(t.id) || is_nested(columns[i]->type.id)) continue;
      columns[i] = from_stored(*columns[i], t, memory_);
      changed = true;
    }
    out_.emit(changed ? with_columns(*b, type, std::move(columns)) : std::move(b), port);
  }

 private:
  collector& out_;
  const std::vector<schema_ptr>& outputs_;
  memory_pool& memory_;
};

class stored_operator final : public stream_operator, row_error_handler {
 public:
  stored_operator(operator_ptr inner, stored_node made, std::vector<schema_ptr> outputs)
      : inner_(std::move(inner)),
        inputs_(std::move(made.inputs)),
        turned_(std::move(made.turned)),
        outputs_(std::move(outputs)) {}

  status open(const operator_context& c) override {
    memory_ = c.memory;
    errors_ = c.row_errors;
    auto own = c;
    if (errors_) own.row_errors = this;
    return inner_->open(own);
  }
  status restore(const snapshot_reader& r) override { return inner_->restore(r); }
  status process_batch(uint16_t port, const batch_ptr& b, collector& out) override {
    auto back = collect(out);
    return inner_->process_batch(port, stored(port, b), back);
  }
  status on_watermark(timestamp_us t, collector& out) override {
    auto back = collect(out);
    return inner_->on_watermark(t, back);
  }
  timestamp_us output_watermark(timestamp_us t) const override {
    return inner_->output_watermark(t);
  }
  status on_input_end(uint16_t port, collector& out) override {
    auto back = collect(out);
    return inner_->on_input_end(port, back);
  }
  status on_processing_time(timestamp_us t, collector& out) override {
    auto back = collect(out);
    return inner_->on_processing_time(t, back);
  }
  result<bool> drain(collector& out) override {
    auto back = collect(out);
    return inner_->drain(back);
  }
  bool blocked() const override { return inner_->blocked(); }
  status before_barrier(collector& out) override {
    auto back = collect(out);
    return inner_->before_barrier(back);
  }
  size_t held_rows() const override { return inner_->held_rows(); }
  result<bool> approach_barrier(collector& out) override {
    auto back = collect(out);
    return inner_->approach_barrier(back);
  }
  status on_idle(collector& out) override {
    auto back = collect(out);
    return inner_->on_idle(back);
  }
  status snapshot_begin(snapshot_writer& w) override { return inner_->snapshot_begin(w); }
  result<bool> snapshot_continue(snapshot_writer& w, size_t budget) override {
    return inner_->snapshot_continue(w, budget);
  }
  status on_epoch_complete(epoch e) override { return inner_->on_epoch_complete(e); }
  status on_epoch_aborted(epoch e) override { return inner_->on_epoch_aborted(e); }
  bool committed() const override { return inner_->committed(); }
  status close() override { return inner_->close(); }
  size_t state_bytes() const override { return inner_->state_bytes(); }

 private:
  back_collector collect(collector& out) { return {out, outputs_, *memory_}; }

  batch_ptr stored(uint16_t port, const batch_ptr& b) {
    const auto& turned = turned_[port];
    if (std::find(turned.begin(), turned.end(), true) == turned.end()) return b;
    auto columns = b->columns;
    for (size_t i = 0; i < columns.size(); ++i)
      if (turned[i]) columns[i] = to_stored(*columns[i], *memory_);
    given_ = b;
    return with_columns(*b, inputs_[port], std::move(columns));
  }
  /// Rows that an expression cannot compute are reported as they came.
  status reject(const batch& in, const std::vector<expr::row_error>& errors) override {
    const bool same = given_ && given_->physical_rows == in.physical_rows;
    return errors_->reject(same ? *given_ : in, errors);
  }

  operator_ptr inner_;
  std::vector<schema_ptr> inputs_;
  std::vector<std::vector<bool>> turned_;
  std::vector<schema_ptr> outputs_;
  memory_pool* memory_ = nullptr;
  row_error_handler* errors_ = nullptr;
  batch_ptr given_;  // the last batch, as it came
};

}  // namespace

std::optional<stored_node> with_stored_columns(const operator_node& n,
                                               const std::vector<schema_ptr>& inputs) {
  if (!keeps_values(n.spec)) return {};
  const auto* aggregate = std::get_if<aggregate_spec>(&n.spec);
  const bool nested = std::any_of(inputs.begin(), inputs.end(),
                                  [](const schema_ptr& s) { return s && has_nested(*s); });
  if (!nested && !(aggregate && reads_nested(*aggregate))) return {};
  stored_node out{n, inputs, {}};
  for (const auto& s : inputs) out.turned.push_back(nested_columns(*s));
  auto& made = out.node;
  if (auto* a = std::get_if<aggregate_spec>(&made.spec)) {
    turn(*a, out.turned[0]);
    if (a->late_output) {
      auto late = std::make_shared<schema>(*a->late_output);
      for (size_t i = 0; i < late->size(); ++i)
        if (out.turned[0][a->late_columns[i]]) late->fields[i].type = type_id::bytes;
      a->late_output = std::move(late);
    }
  } else if (auto* j = std::get_if<join_spec>(&made.spec)) {
    j->condition = over_bytes(j->condition, {});
  } else if (auto* o = std::get_if<over_spec>(&made.spec)) {
    for (auto& c : o->calls) to_bytes(c.type);
  }
  for (size_t i = 0; i < inputs.size(); ++i)
    out.inputs[i] = stored_schema(inputs[i], &out.turned[i]);
  made.output = stored_schema(n.output);
  return out;
}

operator_ptr make_stored_operator(operator_ptr inner, stored_node made,
                                  std::vector<schema_ptr> outputs) {
  return std::make_unique<stored_operator>(std::move(inner), std::move(made), std::move(outputs));
}

}  // namespace weir
