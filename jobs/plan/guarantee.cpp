// State and guarantees, read off a physical plan.
#include <algorithm>
#include <map>

#include "jobs/plan/aggregate_items.hpp"
#include "jobs/plan/explain.hpp"
#include "runtime/base/units.hpp"
#include "runtime/connectors/growing_source.hpp"
#include "runtime/connectors/source.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/plan/inputs.hpp"
#include "runtime/plan/state_reuse.hpp"

namespace weir::planner {
namespace {

std::string key_names(const std::vector<uint32_t>& keys, const schema_ptr& in) {
  std::string out;
  for (auto k : keys) out += (out.empty() ? "" : ", ") + in->fields[k].name;
  return out;
}

const char* level_text(guarantee_level l) {
  switch (l) {
    case guarantee_level::exactly_once:
      return "exactly once";
    case guarantee_level::at_least_once:
      return "at least once";
    case guarantee_level::at_most_once:
      return "at most once";
  }
  return "?";
}

/// What a sink does with rows that are sent again after a restart.
std::pair<guarantee_level, std::string> of_sink(const sink_spec& s) {
  auto traits = traits_of(s.connector);
  const auto commits = traits.ok() ? traits->commits : connector_traits::commit::none;
  switch (commits) {
    case connector_traits::commit::transactional:
      if (auto d = s.options.find("delivery"); d != s.options.end() && d->second == "at_least_once")
        return {guarantee_level::at_least_once, "it was asked to write without transactions"};
      return {guarantee_level::exactly_once, "it commits a transaction with every snapshot"};
    case connector_traits::commit::idempotent:
      return {guarantee_level::exactly_once, "rows that come again change nothing"};
    case connector_traits::commit::rename:
      return {guarantee_level::exactly_once, "its files appear by rename with every snapshot"};
    case connector_traits::commit::none:
      break;
  }
  return {guarantee_level::at_least_once, "it may show rows again after a restart"};
}

/// How long entries stay that no watermark ends.
std::string stay(int64_t ttl_us) {
  if (ttl_us == 0) return "kept for ever";
  return "dropped when nothing touched them for " + format_duration_us(ttl_us);
}
state_bound bound_by(int64_t ttl_us) {
  return ttl_us == 0 ? state_bound::unbounded : state_bound::bounded;
}

std::string until_beyond(int64_t retain_us, const std::string& column = {}) {
  return "until the watermark is " + (retain_us == 0 ? "" : format_duration_us(retain_us) + " ") +
         "beyond" + (column.empty() ? "" : " " + column);
}

std::string kept_until(join_side s, const schema_ptr& in, int64_t ttl_us) {
  if (s.one_partner) {
    s.one_partner = false;
    return "until their one partner comes, else " + kept_until(std::move(s), in, ttl_us);
  }
  if (!s.time_column) return stay(s.stays ? 0 : ttl_us);
  if (s.ends_by_column) return until_beyond(s.retain_us, in->fields[*s.time_column].name);
  if (s.retain_us < 0) return "until their window ends";
  return until_beyond(s.retain_us);
}

state_info state_of_join(const join_spec& s, const std::vector<schema_ptr>& in, int64_t ttl_us) {
  if (is_as_of(s.kind))
    return {s.right.keys.empty() || ttl_us != 0 ? state_bound::bounded : state_bound::unbounded,
            "left rows until the watermark has passed them; " +
                (s.right.keys.empty() ? std::string()
                                      : "of each key (" + key_names(s.right.keys, in[1]) + ") ") +
                "the newest right row that it has passed, and younger ones, " +
                (s.right.keys.empty() ? "for ever" : stay(ttl_us))};
  const auto left = kept_until(s.left, in[0], ttl_us), right = kept_until(s.right, in[1], ttl_us);
  const bool bounded = (s.left.time_column && s.right.time_column) || ttl_us != 0;
  return {bounded ? state_bound::bounded : state_bound::unbounded,
          left == right ? "the rows of both sides, " + left
                        : "the left rows, " + left + "; the right rows, " + right};
}

}  // namespace

std::vector<sink_guarantee> guarantees(const physical_plan& plan) {
  // Sources that reach each operator.
  std::vector<std::map<uint32_t, bool>> sources(plan.operators.size());
  for (uint32_t i = 0; i < plan.operators.size(); ++i) {
    if (const auto* s = std::get_if<source_spec>(&plan.operators[i].spec)) {
      auto traits = traits_of(s->connector);
      sources[i][i] = traits.ok() && traits->replayable;
    }
    for (const auto& e : plan.edges)
      if (e.to.value == i)
        sources[i].insert(sources[e.from.value].begin(), sources[e.from.value].end());
  }
  std::vector<sink_guarantee> out;
  for (uint32_t i = 0; i < plan.operators.size(); ++i) {
    const auto* s = std::get_if<sink_spec>(&plan.operators[i].spec);
    if (!s) continue;
    auto [level, reason] = of_sink(*s);
    std::string replayed, lost;
    for (auto [source, replayable] : sources[i]) {
      auto& list = replayable ? replayed : lost;
      list += (list.empty() ? "" : ", ") + plan.operators[source].name;
    }
    if (plan.mode == delivery_mode::at_most_once) {
      level = guarantee_level::at_most_once;
      reason = "the job was asked not to replay anything";
    } else if (!lost.empty()) {
      level = guarantee_level::at_most_once;
      reason = lost + " cannot be read again after a restart";
    } else {
      reason = replayed + " is read again from the last snapshot, and " + reason;
      if (plan.mode == delivery_mode::at_least_once) {
        level = guarantee_level::at_least_once;
        reason = "the job was asked not to align barriers";
      }
    }
    out.push_back({plan.operators[i].id, level, reason});
  }
  return out;
}

std::string guarantee_text(const physical_plan& plan) {
  auto all = guarantees(plan);
  if (all.empty()) return "no sink";
  auto weakest = std::min_element(
      all.begin(), all.end(),
      [](const sink_guarantee& a, const sink_guarantee& b) { return a.level < b.level; });
  return std::string(level_text(weakest->level)) + " into " + weakest->sink + ": " +
         weakest->reason;
}

namespace {

state_info of_over(const over_spec& s, const schema_ptr& in, int64_t ttl_us) {
  if (s.window_end_key)
    return {state_bound::bounded,
            "rows per key (" + key_names(s.keys, in) + ") until the window ends"};
  if (!s.time_column)
    return {state_bound::unbounded, ttl_us == 0 ? "all rows of the input, kept for ever"
                                                : "all rows of keys (" + key_names(s.keys, in) +
                                                      ") of which one came within " +
                                                      format_duration_us(ttl_us)};
  std::string text = "rows that the watermark has not passed or that a frame still reaches";
  if (s.keys.empty()) return {state_bound::bounded, text};
  return {bound_by(ttl_us),
          text + ", and entries per key (" + key_names(s.keys, in) + "), " + stay(ttl_us)};
}

state_info of_top_n(const top_n_spec& s, const schema_ptr& in, int64_t ttl_us) {
  if (s.window_end_key)
    return {state_bound::bounded,
            "rows per key (" + key_names(s.keys, in) + ") until the window ends"};
  if (s.upserts)
    return {bound_by(ttl_us),
            "the newest row per key (" + key_names(s.keys, in) + "), " + stay(ttl_us)};
  if (s.input_has_changes)
    return {bound_by(ttl_us),
            "all rows of the input, since the " + std::string(s.last_arrived ? "last" : "first") +
                " ones may be taken back" + (ttl_us == 0 ? "" : "; " + stay(ttl_us))};
  const auto last = s.limit > UINT64_MAX - s.offset ? UINT64_MAX : s.offset + s.limit;
  auto rows = (s.last_arrived ? "the last " : "the first ") + std::to_string(last) +
              (last == 1 ? " row" : " rows");
  if (last == UINT64_MAX) rows = "all rows";
  if (s.function != rank_function::row_number || s.with_ties) rows += " and their peers";
  if (s.keys.empty())
    return {last == UINT64_MAX ? state_bound::unbounded : state_bound::bounded, rows};
  rows += " per key (" + key_names(s.keys, in) + "), ";
  if (s.time_column)
    return {state_bound::bounded,
            rows + until_beyond(s.retain_us, in->fields[*s.time_column].name)};
  return {bound_by(ttl_us), rows + stay(ttl_us)};
}

}  // namespace

std::string calls_that_keep_values(const aggregate_spec& s, const schema& input) {
  std::vector<std::string> kept;
  for (const auto& c : s.calls) {
    bool keeps = false;
    switch (c.function) {
      case aggregate_function::count_distinct:
      case aggregate_function::string_agg:
        keeps = true;
        break;
      case aggregate_function::min:
      case aggregate_function::max:
      case aggregate_function::first:
      case aggregate_function::last:
        keeps = s.input_has_changes;  // the next one's turn comes when this one is taken back
        break;
      default:
        break;
    }
    if (!keeps) continue;
    std::string text = c.name;
    if (is_item(c) && c.argument->args[1]->literal.s == "s") {
      // One array serves all functions over the same values: nobody wrote it.
      const auto& value = c.argument->args[0];
      text = expr::to_sql(value->function == "cast" ? *value->args[0] : *value, input);
    }
    if (std::find(kept.begin(), kept.end(), text) == kept.end()) kept.push_back(text);
  }
  std::string out;
  for (const auto& text : kept) out += (out.empty() ? "" : ", ") + text;
  return out;
}

state_info state_of(const physical_plan& plan, operator_index i) {
  const auto& n = plan.operators[i.value];
  auto in = input_schemas(plan, i);
  if (std::holds_alternative<source_spec>(n.spec))
    return {state_bound::bounded, "positions of unfinished splits"};
  if (std::holds_alternative<sink_spec>(n.spec))
    return {state_bound::bounded, "output that waits for its snapshot"};
  if (const auto* a = std::get_if<aggregate_spec>(&n.spec)) {
    if (a->stage == aggregate_spec::phase::partial)
      return {state_bound::bounded, "emptied before every snapshot"};
    if (a->keys.empty()) {
      const auto kept = calls_that_keep_values(*a, *in[0]);
      if (kept.empty()) return {state_bound::bounded, "one entry"};
      return {state_bound::unbounded, "one entry, with all values of " + kept + ", kept for ever"};
    }
    auto names = key_names(a->keys, in[0]);
    if (a->windows) {
      auto keys = a->keys;
      keys.erase(keys.begin() + *a->window_end_key);
      const std::string what = a->windows->kind == window_kind::session ? "one entry per session"
                               : a->windows->kind == window_kind::hop   ? "one entry per slice"
                                                                        : "one entry per window";
      return {state_bound::bounded,
              what + (keys.empty() ? "" : " and key (" + key_names(keys, in[0]) + ")") +
                  ", freed when the watermark passes its last window"};
    }
    if (a->window_end_key)
      return {state_bound::bounded, "one entry per key (" + names + ") until its window ends"};
    return {bound_by(n.state_ttl_us), "one entry per key (" + names + "), " + stay(n.state_ttl_us)};
  }
  if (std::holds_alternative<settle_spec>(n.spec))
    return {state_bound::unbounded, "all rows, until the input ends"};
  if (const auto* w = std::get_if<window_spec>(&n.spec); w && holds_rows(*w))
    return {state_bound::bounded,
            "the rows of open sessions, freed when the watermark passes their end"};
  if (std::holds_alternative<distinct_spec>(n.spec))
    return {bound_by(n.state_ttl_us), "one entry per distinct row, " + stay(n.state_ttl_us)};
  if (const auto* j = std::get_if<join_spec>(&n.spec)) return state_of_join(*j, in, n.state_ttl_us);
  if (const auto* l = std::get_if<lookup_spec>(&n.spec))
    return {state_bound::bounded,
            std::string("the whole table in each task, ") +
                (l->table.options.count(std::string(newest_by_option)) ? "its newest row by key, "
                                                                       : "") +
                (l->cache_us ? "not older than its cache" : "as it was when the task started")};
  if (const auto* t = std::get_if<top_n_spec>(&n.spec); t && t->preselect) return {};
  if (const auto* t = std::get_if<top_n_spec>(&n.spec)) return of_top_n(*t, in[0], n.state_ttl_us);
  if (const auto* o = std::get_if<over_spec>(&n.spec)) return of_over(*o, in[0], n.state_ttl_us);
  if (const auto* c = std::get_if<custom_spec>(&n.spec))
    return {state_bound::custom, "as " + c->class_name + " keeps it"};
  return {};
}

std::vector<state_change> compare_state(const physical_plan& before, const physical_plan& now,
                                        const std::map<std::string, uint64_t>& recorded) {
  using kind = state_change::kind;
  auto stateful = [](const physical_plan& p) {
    std::map<std::string, uint32_t> m;
    for (uint32_t i = 0; i < p.operators.size(); ++i)
      if (keeps_state(p.operators[i])) m[p.operators[i].id] = i;
    return m;
  };
  auto old_ops = stateful(before), new_ops = stateful(now);
  std::vector<state_change> out;
  for (const auto& n : now.operators) {  // in the order of the data
    auto mine = new_ops.find(n.id);
    if (mine == new_ops.end()) continue;
    auto old = old_ops.find(n.id);
    if (old == old_ops.end()) {
      out.push_back({kind::fresh, n.id, "no operator had this id; it starts empty"});
      continue;
    }
    const auto& o = before.operators[old->second];
    if (o.spec.index() != n.spec.index())
      out.push_back({kind::lost, n.id,
                     std::string("it was ") + kind_name(o.spec) + " and is " + kind_name(n.spec)});
    else if (is_lost_with_key_groups(n, before.key_groups, now.key_groups))
      out.push_back({kind::lost, n.id,
                     "the job had " + std::to_string(before.key_groups) + " key groups and has " +
                         std::to_string(now.key_groups)});
    else if (const auto form = recorded.find(n.id);
             form != recorded.end() &&
             form->second !=
                 state_fingerprint(o, input_schemas(before, operator_index(old->second))))
      out.push_back({kind::lost, n.id, "another version of Weir kept it, in another form"});
    else if (state_fingerprint(o, input_schemas(before, operator_index(old->second))) !=
             state_fingerprint(n, input_schemas(now, operator_index(mine->second))))
      out.push_back({kind::lost, n.id,
                     std::holds_alternative<aggregate_spec>(n.spec)
                         ? "its keys, its calls or the types that they read changed"
                     : std::holds_alternative<source_spec>(n.spec)
                         ? "it reads something else; it starts from the beginning"
                         : "what its state depends on changed"});
    else if (!std::holds_alternative<sink_spec>(n.spec) &&
             inputs_fingerprint(before, operator_index(old->second)) !=
                 inputs_fingerprint(now, operator_index(mine->second)))
      out.push_back({kind::kept, n.id,
                     "with what it has of rows that were chosen or computed differently; to begin "
                     "anew give it another name, or run with --fresh"});
    else
      out.push_back({kind::kept, n.id, ""});
  }
  for (const auto& o : before.operators)
    if (old_ops.count(o.id) && !new_ops.count(o.id))
      out.push_back({kind::lost, o.id, "no operator has this id any more"});
  return out;
}

std::string to_text(const std::vector<state_change>& changes) {
  if (std::all_of(changes.begin(), changes.end(), [](const state_change& c) {
        return c.what == state_change::kind::kept && c.reason.empty();
      }))
    return "all state is kept\n";
  std::string out;
  for (const auto& c : changes) {
    static constexpr const char* words[] = {"kept", "lost", "new "};
    out += std::string(words[static_cast<size_t>(c.what)]) + "  " + c.id;
    if (!c.reason.empty()) out += ": " + c.reason;
    out += '\n';
  }
  return out;
}

}  // namespace weir::planner
