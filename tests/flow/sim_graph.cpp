#include "tests/flow/sim_graph.hpp"

#include <algorithm>

namespace weir::sim {

random_job::random_job(uint64_t seed) : out(seed) {
  auto& r = out.random;
  plan.name = "random";
  int mode = static_cast<int>(r.between(0, 9));
  plan.mode = mode < 7    ? delivery_mode::exactly_once
              : mode == 7 ? delivery_mode::at_most_once
                          : delivery_mode::at_least_once;
  plan.key_groups = static_cast<uint32_t>(r.between(4, 12));
  options.watermark_delay_us = r.between(0, 1) * r.between(1, 20);
  options.window = {static_cast<uint64_t>(r.one_in(3) ? r.between(1, 600) : r.between(600, 6000)),
                    static_cast<uint32_t>(r.between(1, 6))};
  options.alignment_limit_us = r.one_in(4) ? -1 : r.one_in(3) ? 0 : r.between(100, 20'000);
  options.interval_us = r.between(3'000, 60'000);
  options.epoch_timeout_us = r.one_in(5) ? r.between(20'000, 100'000) : 5'000'000;
  options.delay_max_us = r.one_in(3) ? 0 : r.between(1, 3'000);
  options.commit_failures_in = r.one_in(3) ? 4 : 0;
  options.slow_store = r.one_in(5);
  out.slow_sinks = r.one_in(2);
  out.slow_commits = r.one_in(3);
  faults = r.one_in(4) ? 0 : static_cast<int>(r.between(1, 8));
  add_sources();
  add_middle();
  add_sinks();
  if (plan.mode != delivery_mode::at_least_once)  // else rows come again
    for (uint32_t i = 0; i < plan.operators.size(); ++i)
      if (kinds.contains(plan.operators[i].id) && keeps_order(i))
        out.ordered.insert(plan.operators[i].id);
  for (const auto& e : plan.edges)
    if (e.exchange == exchange_kind::broadcast) may_rescale = false;      // copies depend on it
  if (plan.mode == delivery_mode::at_least_once) out.never_late = false;  // rows come again
}

uint32_t random_job::add(std::string id, operator_spec spec, uint32_t parallelism) {
  operator_node n;
  n.id = std::move(id);
  n.name = n.id;
  if (!std::holds_alternative<sink_spec>(spec)) n.output = row_schema();
  n.spec = std::move(spec);
  n.parallelism = parallelism;
  plan.operators.push_back(std::move(n));
  return static_cast<uint32_t>(plan.operators.size() - 1);
}

void random_job::add_sources() {
  auto& r = out.random;
  int64_t number = 0, sources = r.between(1, 2);
  for (int64_t s = 0; s < sources; ++s) {
    source_spec spec;
    spec.connector = "simulated";
    spec.columns = row_schema();
    spec.physical_columns = 4;
    spec.watermark_delay_us = options.watermark_delay_us;
    if (r.one_in(4)) {
      spec.idle_timeout_us = r.between(1'000, 20'000);
      out.never_late = false;  // who was silent may be late
    }
    auto id = "source" + std::to_string(s);
    add(id, spec, static_cast<uint32_t>(r.between(1, 4)));
    auto& content = out.sources[id];
    content.waves = r.one_in(4) ? static_cast<int>(r.between(2, 3)) : 1;
    // A task without a split is silent; what it is handed later may be late.
    if (content.waves > 1) out.never_late = false;
    int64_t splits = r.between(1, 7), groups = r.between(1, 3);
    bool ordered = r.one_in(2);
    for (int64_t i = 0; i < splits; ++i) {
      source_content::split split;
      split.id = id + "/" + std::to_string(i);
      if (ordered) split.ordered_by = "stream" + std::to_string(i % groups);
      split.wave = static_cast<int>(i * content.waves / splits);
      // Later parts of an ordered stream and later waves are newer than what was before them.
      int64_t time = 1000 + split.wave * 1'000'000 + (ordered ? (i / groups) * 10'000 : 0);
      for (int64_t n = r.one_in(6) ? 0 : r.between(1, 30); n > 0; --n) {
        time += r.between(0, 20);
        split.rows.push_back(
            {time - r.between(0, options.watermark_delay_us), r.between(0, 9), number++, 0});
      }
      content.splits.push_back(std::move(split));
    }
  }
}

void random_job::connect(uint32_t from, uint32_t to, uint16_t port, bool keyed) {
  auto& r = out.random;
  plan_edge e;
  e.from = operator_index{from};
  e.to = operator_index{to};
  e.to_port = port;
  bool equal = plan.parallelism_of(e.from) == plan.parallelism_of(e.to);
  if (keyed || r.one_in(3))
    e.exchange = exchange_kind::hash;
  else if (equal && r.one_in(2))
    e.exchange = exchange_kind::forward;
  else
    e.exchange = r.one_in(5) ? exchange_kind::broadcast : exchange_kind::rebalance;
  if (e.exchange == exchange_kind::hash) e.keys = {1};
  plan.edges.push_back(std::move(e));
}

void random_job::add_middle() {
  auto& r = out.random;
  for (int64_t i = 0, n = r.between(0, 3); i < n; ++i) {
    auto kind = static_cast<part_kind>(r.between(0, 2));
    custom_spec spec;
    spec.library = "simulated";
    spec.class_name = "simulated";
    if (kind != part_kind::pass) spec.keys = {1};
    auto before = static_cast<int64_t>(plan.operators.size());
    auto id = "middle" + std::to_string(i);
    kinds[id] = kind;
    uint32_t like = plan.operators[r.between(0, before - 1)].parallelism;
    uint32_t op = add(id, spec, r.one_in(2) ? like : static_cast<uint32_t>(r.between(1, 4)));
    uint16_t inputs = r.one_in(3) ? 2 : 1;
    for (uint16_t p = 0; p < inputs; ++p)
      connect(static_cast<uint32_t>(r.between(0, before - 1)), op, p, kind != part_kind::pass);
  }
}

/// Whether the rows of a split and key leave the operator in the split's order: sources, and what
/// counts the only output of such operators.
bool random_job::keeps_order(uint32_t op) const {
  const auto& node = plan.operators[op];
  if (out.sources.contains(node.id)) return true;
  auto kind = kinds.find(node.id);
  if (kind == kinds.end() || kind->second != part_kind::count) return false;
  uint32_t inputs = 0, from = 0;
  for (const auto& e : plan.edges)
    if (e.to.value == op) ++inputs, from = e.from.value;
  return inputs == 1 && keeps_order(from);
}

void random_job::add_sinks() {
  auto& r = out.random;
  std::vector<uint32_t> loose;
  for (uint32_t i = 0; i < plan.operators.size(); ++i)
    if (std::none_of(plan.edges.begin(), plan.edges.end(),
                     [i](const plan_edge& e) { return e.from.value == i; }))
      loose.push_back(i);
  int64_t sinks = std::min<int64_t>(static_cast<int64_t>(loose.size()), r.between(1, 2));
  for (int64_t s = 0; s < sinks; ++s) {
    std::vector<uint32_t> inputs;
    for (size_t i = 0; i < loose.size(); ++i)
      if (static_cast<int64_t>(i) % sinks == s) inputs.push_back(loose[i]);
    auto parallelism = static_cast<uint32_t>(r.between(1, 4));
    uint32_t before = inputs[0];
    if (inputs.size() > 1) {
      auto id = "union" + std::to_string(s);
      kinds[id] = part_kind::pass;
      before = add(id, union_spec{}, parallelism);
      for (size_t i = 0; i < inputs.size(); ++i)
        connect(inputs[i], before, static_cast<uint16_t>(i), false);
    }
    sink_spec spec;
    spec.connector = "simulated";
    spec.columns = row_schema();
    connect(before, add("sink" + std::to_string(s), spec, parallelism), 0, false);
  }
}

void random_job::rescale() {
  if (!may_rescale) return;
  std::map<uint32_t, uint32_t> other;
  for (uint32_t p = 1; p <= 4; ++p) other[p] = static_cast<uint32_t>(out.random.between(1, 4));
  for (auto& o : plan.operators) o.parallelism = other[o.parallelism];
}

random_job::expected_rows random_job::expected(uint32_t op) const {
  expected_rows all;
  auto& [rows, counts] = all;
  const auto& node = plan.operators[op];
  if (auto it = out.sources.find(node.id); it != out.sources.end())
    for (const auto& s : it->second.splits)
      for (const auto& x : s.rows) {
        ++rows[x];
        ++counts[{x.key, 0}];
      }
  for (const auto& e : plan.edges) {
    if (e.to.value != op) continue;
    int64_t copies = e.exchange == exchange_kind::broadcast ? plan.parallelism_of(e.to) : 1;
    auto [from_rows, from_counts] = expected(e.from.value);
    for (const auto& [x, n] : from_rows) rows[x] += n * copies;
    for (const auto& [x, n] : from_counts) counts[x] += n * copies;
  }
  auto kind = kinds.find(node.id);
  if (kind == kinds.end() || kind->second != part_kind::count) return all;
  std::map<int64_t, int64_t> by_key;
  for (const auto& [x, n] : rows) by_key[x.key] += n;
  counts.clear();
  for (const auto& [key, n] : by_key)
    for (int64_t i = 1; i <= n; ++i) counts[{key, i}] = 1;
  return all;
}

std::string random_job::difference() const {
  for (uint32_t i = 0; i < plan.operators.size(); ++i) {
    const auto& node = plan.operators[i];
    if (!std::holds_alternative<sink_spec>(node.spec)) continue;
    auto [rows, counts] = expected(i);
    if (auto it = out.published.find(node.id); it != out.published.end())
      for (const auto& [transaction, published] : it->second)
        for (auto x : published) {
          --counts[{x.key, x.count}];
          x.count = 0;
          --rows[x];
        }
    for (const auto& [x, n] : rows) {
      std::string what = node.id + ": row " + std::to_string(x.number);
      if (n > 0 && plan.mode != delivery_mode::at_most_once) return what + " was lost";
      if (n < 0 && plan.mode != delivery_mode::at_least_once) return what + " came twice";
    }
    if (plan.mode == delivery_mode::exactly_once)
      for (const auto& [x, n] : counts)
        if (n != 0)
          return node.id + ": key " + std::to_string(x.first) + " has count " +
                 std::to_string(x.second) + (n > 0 ? " never" : " too often");
  }
  return {};
}

std::string random_job::describe() const {
  std::string parts;
  for (const auto& [id, kind] : kinds)
    parts += id + (kind == part_kind::pass    ? " passes, "
                   : kind == part_kind::count ? " counts, "
                                              : " sorts, ");
  return parts + std::string(weir::to_string(plan.mode)) + ", window " +
         std::to_string(options.window.bytes) + " bytes " + std::to_string(options.window.batches) +
         " batches, alignment limit " + std::to_string(options.alignment_limit_us) +
         " us, interval " + std::to_string(options.interval_us) + " us, watermark delay " +
         std::to_string(options.watermark_delay_us);
}

}  // namespace weir::sim
