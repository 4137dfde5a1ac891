// Operators without a task: batches from text, outputs as sorted rows with their weights, snapshots
// as chunk lists.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/column/builder.hpp"
#include "runtime/column/kernels.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/operators/aggregate_schema.hpp"
#include "runtime/operators/factory.hpp"
#include "runtime/snapshot/memory_snapshot.hpp"

namespace weir::test {

inline memory_pool& pool() {
  static memory_pool p;
  return p;
}

inline schema_ptr columns(const std::vector<std::pair<std::string, std::string>>& fields) {
  auto s = std::make_shared<schema>();
  for (const auto& [name, type] : fields) {
    auto t = parse_type(type);
    REQUIRE(t.ok());
    s->fields.push_back({name, *t, true});
  }
  return s;
}

inline expr::node_ptr bind(const std::string& sql, const schema& s) {
  auto e = expr::bind(sql, s);
  REQUIRE_MESSAGE(e.ok(), (e.ok() ? "" : e.err().text()));
  return *e;
}

/// Rows as text; one that begins with "N: " has weight N.
inline batch_ptr rows(const schema_ptr& type, const std::vector<std::vector<std::string>>& cells,
                      const std::vector<int32_t>& weights = {}) {
  auto b = batch_from_text(type, cells, pool());
  REQUIRE_MESSAGE(b.ok(), (b.ok() ? "" : b.err().text()));
  if (weights.empty()) return *b;
  auto w = buffer::copy(pool(), std::as_bytes(std::span<const int32_t>(weights)));
  return make_batch(type, (*b)->columns, w, (*b)->rows);
}

struct output final : collector {
  std::vector<batch_ptr> batches;
  void emit(batch_ptr b, uint16_t) override { batches.push_back(std::move(b)); }
  /// Rows with their summed weights, without those of weight 0: "a,1" or "-1: a,1".
  std::vector<std::string> net() const {
    std::map<std::string, int64_t> sum;
    for (const auto& b : batches)
      for (uint32_t i = 0; i < b->rows; ++i) {
        auto text = format_row(*b, i);
        const int32_t w = b->weight(b->row(i));
        if (w != 1) text = text.substr(text.find(": ") + 2);
        sum[text] += w;
      }
    std::vector<std::string> out;
    for (auto& [text, w] : sum)
      if (w != 0) out.push_back(w == 1 ? text : std::to_string(w) + ": " + text);
    return out;
  }
  /// Rows in order.
  std::vector<std::string> all() const {
    std::vector<std::string> out;
    for (const auto& b : batches)
      for (uint32_t i = 0; i < b->rows; ++i) out.push_back(format_row(*b, i));
    return out;
  }
  void clear() { batches.clear(); }
};

struct instance {
  std::unique_ptr<stream_operator> op;
  operator_metrics metrics;
  output out;
  manual_clock time;
  timestamp_us timer = watermark_end;  // the earliest that was set
  size_t timers_fired = 0;

  instance(const operator_node& node, const std::vector<schema_ptr>& inputs,
           key_group_range groups = {}, row_error_handler* row_errors = nullptr,
           timestamp_us now = 0, uint32_t subtask = 0, uint32_t parallelism = 1) {
    auto made = make_operator(node, inputs);
    REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.err().text()));
    op = std::move(made).value();
    operator_context c;
    c.memory = &pool();
    c.metrics = &metrics;
    c.groups = groups;
    c.subtask = subtask;
    c.parallelism = parallelism;
    c.row_errors = row_errors;
    time.set(now);
    c.time = &time;
    c.set_processing_timer = [this](timestamp_us t) { timer = std::min(timer, t); };
    REQUIRE(op->open(c).ok());
  }
  status try_push(const batch_ptr& b, uint16_t port = 0) {
    WEIR_TRY(op->process_batch(port, b, out));
    return drain();
  }
  void push(const batch_ptr& b, uint16_t port = 0) {
    auto done = try_push(b, port);
    REQUIRE_MESSAGE(done.ok(), (done.ok() ? "" : done.err().text()));
  }
  status drain() {
    while (true) {
      WEIR_ASSIGN(bool more, op->drain(out));
      if (!more) return {};
    }
  }
  void watermark(timestamp_us t) {
    REQUIRE(op->before_barrier(out).ok());
    REQUIRE(op->on_watermark(t, out).ok());
    REQUIRE(drain().ok());
  }
  /// Moves processing time on, with the timers that fall due.
  void advance(timestamp_us by) {
    const auto until = time.now() + by;
    while (timer <= until) {
      time.set(std::max(time.now(), timer));
      timer = watermark_end;
      ++timers_fired;
      REQUIRE(op->on_processing_time(time.now(), out).ok());
      REQUIRE(drain().ok());
    }
    time.set(until);
  }
  void end() { watermark(watermark_end); }
  void begin_snapshot(snapshot_writer& w) {
    REQUIRE(op->before_barrier(out).ok());
    REQUIRE(op->snapshot_begin(w).ok());
  }
  void snapshot(snapshot_writer& w) {
    begin_snapshot(w);
    while (!*op->snapshot_continue(w, 1000)) {
    }
  }
  void restore(const std::vector<state_chunk>& chunks) {
    chunk_list_reader reader(chunks, "op");
    auto done = op->restore(reader);
    REQUIRE_MESSAGE(done.ok(), (done.ok() ? "" : done.err().text()));
  }
};

struct call {
  aggregate_function function;
  std::string argument;
  std::string filter = {};
  std::string separator = ",";
};

inline aggregate_spec aggregate(const schema_ptr& in, std::vector<uint32_t> keys,
                                const std::vector<call>& calls, emit_mode emit,
                                bool changes = false) {
  aggregate_spec s;
  s.keys = std::move(keys);
  s.emit = emit;
  s.input_has_changes = changes;
  for (const auto& c : calls) {
    aggregate_call a;
    a.function = c.function;
    if (!c.argument.empty()) a.argument = bind(c.argument, *in);
    if (!c.filter.empty()) a.filter = bind(c.filter, *in);
    a.separator = c.separator;
    auto t = aggregate_result_type(c.function, a.argument ? &a.argument->type : nullptr);
    REQUIRE_MESSAGE(t.ok(), (t.ok() ? "" : t.err().text()));
    a.type = *t;
    a.name = "c" + std::to_string(s.calls.size());
    s.calls.push_back(std::move(a));
  }
  return s;
}

inline operator_node node_of(const aggregate_spec& s, const schema_ptr& in) {
  auto out = s.stage == aggregate_spec::phase::partial ? partial_output_schema(s, *in)
                                                       : aggregate_output_schema(s, *in);
  REQUIRE_MESSAGE(out.ok(), (out.ok() ? "" : out.err().text()));
  return {"op", "aggregate", s, *out, false, 0};
}

using lines = std::vector<std::string>;

}  // namespace weir::test
