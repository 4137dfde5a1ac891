#include "tests/custom/fixture.hpp"

#include <algorithm>

namespace weir::custom_test {

namespace {

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> r(1);
  for (char c : text) {
    if (c == at)
      r.emplace_back();
    else
      r.back().push_back(c);
  }
  return r;
}

memory_pool& test_pool() {
  static memory_pool pool;
  return pool;
}

}  // namespace

schema_ptr columns(std::string_view sql, std::optional<uint32_t> event_time) {
  auto r = std::make_shared<schema>();
  for (auto& c : split(sql, ',')) {
    size_t begin = c.find_first_not_of(' '), space = c.find(' ', begin);
    auto type = parse_type(c.substr(space + 1));
    REQUIRE(type.ok());
    r->fields.push_back({c.substr(begin, space - begin), *type, true});
  }
  r->event_time = event_time;
  return r;
}

batch_ptr rows_of(const schema_ptr& s, std::string_view text) {
  std::vector<std::vector<std::string>> cells;
  for (auto& row : split(text, '|')) cells.push_back(split(row, ','));
  auto b = batch_from_text(s, cells, test_pool());
  REQUIRE_MESSAGE(b.ok(), b.err().message);
  return *b;
}

runner::runner(std::string class_name, schema_ptr input, options o) {
  spec_.library = o.library;
  spec_.class_name = std::move(class_name);
  spec_.parameters = std::move(o.parameters);
  spec_.keys = std::move(o.keys);
  inputs_ = {std::move(input)};
  inputs_.insert(inputs_.end(), o.more_inputs.begin(), o.more_inputs.end());
  start(o.parallelism);
}

bool runner::check(const status& s) {
  if (!s && failure.empty()) failure = s.err().text();
  return s.ok();
}

void runner::start(uint32_t parallelism, const memory_snapshots* from) {
  instances_.clear();
  asked_.assign(parallelism, {});
  auto described = describe_custom_operator(spec_, inputs_);
  if (!described) {
    failure = described.err().text();
    return;
  }
  operator_node node;
  node.output = described->output;
  spec_.side_outputs.clear();
  for (const auto& side : described->side_outputs) spec_.side_outputs.push_back(side.columns);
  for (uint32_t i = 0; i < parallelism; ++i) {
    auto made = make_custom_operator(spec_, inputs_, node);
    if (!made) {
      failure = made.err().text();
      return;
    }
    operator_context c;
    c.name = "under test";
    c.subtask = i;
    c.parallelism = parallelism;
    c.groups = range_of_subtask(default_key_groups, parallelism, i);
    c.memory = &pool;
    c.time = &clock;
    c.set_processing_timer = [this, i](timestamp_us t) { asked_[i].push_back(t); };
    instances_.push_back(std::move(*made));
    if (!check(instances_[i]->open(c))) return;
    if (from && !check(instances_[i]->restore(memory_reader(*from, pool)))) return;
  }
}

void runner::drain(stream_operator& op) {
  for (;;) {
    auto more = op.drain(out);
    if (!more) {
      check(more.err());
      return;
    }
    if (!*more) return;
    ++drains;
  }
}

void runner::push(const batch_ptr& b, uint16_t port) {
  auto to = [&](uint32_t i, const batch_ptr& part) {
    if (check(instances_[i]->process_batch(port, part, out))) drain(*instances_[i]);
  };
  if (spec_.keys.empty()) {
    to(static_cast<uint32_t>(pushed_++ % instances_.size()), b);
    return;
  }
  // As an exchange would, but one selection per instance over the same columns.
  std::vector<uint32_t> keys;
  for (uint32_t k : spec_.keys) keys.push_back(*b->type->find(inputs_[0]->fields[k].name));
  auto hashes = hash_keys(*b, keys, pool);
  for (uint32_t i = 0; i < instances_.size(); ++i) {
    auto mine = range_of_subtask(default_key_groups, static_cast<uint32_t>(instances_.size()), i);
    auto chosen = buffer::allocate(pool, b->rows * 4);
    uint32_t n = 0;
    for (uint32_t r = 0; r < b->rows; ++r)
      if (mine.contains(group_of_hash(hashes.as<uint64_t>()[r], default_key_groups)))
        chosen.mutable_as<uint32_t>()[n++] = b->row(r);
    if (n == b->rows)
      to(i, b);
    else if (n)
      to(i, with_selection(*b, chosen, n));
  }
}

void runner::watermark(timestamp_us t) {
  for (auto& i : instances_)
    if (check(i->on_watermark(t, out))) drain(*i);
}

void runner::processing_time(timestamp_us t) {
  clock.set(t);
  for (size_t i = 0; i < instances_.size(); ++i) {
    auto due = std::erase_if(asked_[i], [t](timestamp_us at) { return at <= t; });
    if (due && check(instances_[i]->on_processing_time(t, out))) drain(*instances_[i]);
  }
}

void runner::snapshot(memory_snapshots& to) {
  epoch e(++epochs_);
  for (uint32_t i = 0; i < instances_.size(); ++i) {
    memory_writer w(to, e, i, pool);
    if (!check(instances_[i]->snapshot_begin(w))) return;
    for (bool done = false; !done;) {
      auto r = instances_[i]->snapshot_continue(w, 1000);
      if (!r) return void(check(r.err()));
      done = *r;
    }
    check(instances_[i]->on_epoch_complete(e));
  }
}

void runner::close() {
  for (auto& i : instances_) check(i->close());
}

std::string runner::take(uint16_t port) {
  std::string r;
  for (const auto& row : out.rows[port]) r += row + "\n";
  out.rows[port].clear();
  return r;
}

std::string runner::take_sorted(uint16_t port) {
  std::sort(out.rows[port].begin(), out.rows[port].end());
  return take(port);
}

int64_t runner::metric(const std::string& name) const {
  int64_t n = 0;
  for (const auto& i : instances_)
    for (const auto& m : custom_metrics(*i))
      if (m.name == name) n += m.value;
  return n;
}

}  // namespace weir::custom_test
