// Window functions against a naive evaluation of all rows: random batches, weights, barriers,
// aborted epochs and restores at another parallelism; as changes, and behind a watermark.
#include <algorithm>
#include <optional>
#include <random>

#include "harness.hpp"
#include "runtime/operators/exchange.hpp"

using namespace weir;
using namespace weir::test;

namespace {

using f = over_function;
using a = aggregate_function;
using bound = over_frame::bound;
using unit = over_frame::unit;

struct row {
  std::optional<int64_t> k, o, v;
  std::string t;
  auto operator<=>(const row&) const = default;
};
using table = std::map<row, int64_t>;

/// k: partition, o: order (bigint or timestamp), v and t: values.
schema_ptr input(const char* order = "bigint") {
  return columns({{"k", "bigint"}, {"o", order}, {"v", "bigint"}, {"t", "text"}});
}
std::string text(const std::optional<int64_t>& v) {
  return v ? std::to_string(*v) : "NULL";
}
bool less(const std::optional<int64_t>& x, const std::optional<int64_t>& y) {
  return !x || !y ? x.has_value() && !y.has_value() : *x < *y;
}

over_call call_of(f function, over_frame frame = {}, int64_t count = 1,
                  a aggregate = a::count_star) {
  over_call c;
  c.function = function;
  c.frame = frame;
  c.count = count;
  c.aggregate = aggregate;
  c.type = type_id::int64;
  if (function == f::aggregate && aggregate != a::count_star) c.argument = 2;
  if (function == f::lag || function == f::lead || function == f::first_value ||
      function == f::last_value || function == f::nth_value) {
    c.argument = 3;
    c.type = type_id::string;
  }
  if (function == f::aggregate && aggregate == a::string_agg) {
    c.argument = 3;
    c.type = type_id::string;
    c.separator = "-";
  }
  if (function == f::aggregate && aggregate == a::sum) c.type = data_type(type_id::decimal, 0);
  if (function == f::ntile) c.type = type_id::int32;
  return c;
}

/// The frame of row i, by looking at every row.
std::vector<size_t> frame_rows(const over_frame& w, const std::vector<row>& p, size_t i,
                               const std::vector<int64_t>& group, const order_term& o) {
  std::vector<size_t> out;
  using without = over_frame::exclusion;
  for (size_t j = 0; j < p.size(); ++j) {
    if (i == j
            ? w.without == without::current_row || w.without == without::group
            : group[i] == group[j] && (w.without == without::group || w.without == without::ties))
      continue;
    auto side = [&](bool start) {
      const auto b = start ? w.start : w.end;
      const int64_t n = (start ? w.start_offset : w.end_offset).i;
      if (b == bound::unbounded_preceding) return start;
      if (b == bound::unbounded_following) return !start;
      const int64_t by = b == bound::current_row ? 0 : b == bound::preceding ? -n : n;
      int64_t at, edge;
      if (w.in == unit::rows) {
        at = static_cast<int64_t>(j);
        edge = static_cast<int64_t>(i) + by;
      } else if (w.in == unit::groups || b == bound::current_row) {
        at = group[j];
        edge = group[i] + by;
      } else {
        // NULLs are at no distance from one another, and beyond every other.
        if (!p[i].o || !p[j].o) {
          if (!p[i].o && !p[j].o) return true;
          return (group[j] < group[i]) != start;
        }
        at = o.descending ? -*p[j].o : *p[j].o;
        edge = (o.descending ? -*p[i].o : *p[i].o) + by;
      }
      return start ? at >= edge : at <= edge;
    };
    if (side(true) && side(false)) out.push_back(j);
  }
  return out;
}

std::string value_of(const over_call& c, const std::vector<row>& p, size_t i,
                     const std::vector<int64_t>& group, const order_term& o) {
  const auto n = static_cast<int64_t>(p.size());
  const auto at = static_cast<int64_t>(i);
  int64_t rank = 1;
  while (group[static_cast<size_t>(rank) - 1] != group[i]) ++rank;
  switch (c.function) {
    case f::row_number:
      return std::to_string(i + 1);
    case f::rank:
      return std::to_string(rank);
    case f::dense_rank:
      return std::to_string(group[i] + 1);
    case f::ntile: {
      int64_t bucket = 0;
      for (int64_t first = 0; first <= at; ++bucket) first += n / c.count + (bucket < n % c.count);
      return std::to_string(bucket);
    }
    case f::lag:
    case f::lead: {
      const int64_t j = c.function == f::lag ? at - c.count : at + c.count;
      return j < 0 || j >= n ? "NULL" : p[static_cast<size_t>(j)].t;
    }
    default:
      break;
  }
  const auto frame = frame_rows(c.frame, p, i, group, o);
  if (c.function == f::first_value) return frame.empty() ? "NULL" : p[frame.front()].t;
  if (c.function == f::last_value) return frame.empty() ? "NULL" : p[frame.back()].t;
  if (c.function == f::nth_value)
    return frame.size() < static_cast<size_t>(c.count)
               ? "NULL"
               : p[frame[static_cast<size_t>(c.count) - 1]].t;
  if (c.aggregate == a::count_star) return std::to_string(frame.size());
  if (c.aggregate == a::string_agg) {
    std::string all;
    for (size_t j : frame) all += (j == frame.front() ? "" : c.separator) + p[j].t;
    return frame.empty() ? "NULL" : all;
  }
  std::optional<int64_t> out;
  int64_t count = 0;
  for (size_t j : frame) {
    if (!p[j].v) continue;
    ++count;
    if (!out)
      out = *p[j].v;
    else
      out = c.aggregate == a::sum       ? *out + *p[j].v
            : c.aggregate == a::min     ? std::min(*out, *p[j].v)
            : c.aggregate == a::bit_or  ? *out | *p[j].v
            : c.aggregate == a::bit_xor ? *out ^ *p[j].v
                                        : std::max(*out, *p[j].v);
  }
  return c.aggregate == a::count ? std::to_string(count) : text(out);
}

std::string text_of(const row& r, bool time) {
  std::string o = text(r.o);
  if (time && r.o) {  // seconds of the first hour of 2000
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "2000-01-01 00:%02d:%02d", static_cast<int>(*r.o / 60),
                  static_cast<int>(*r.o % 60));
    o = buffer;
  }
  return text(r.k) + "," + o + "," + text(r.v) + "," + r.t;
}

std::map<std::string, int64_t> expected(const table& all, const over_spec& s, bool time) {
  std::map<std::string, std::vector<row>> partitions;
  for (const auto& [r, w] : all)
    for (int64_t n = 0; n < w; ++n) partitions[s.keys.empty() ? "" : text(r.k)].push_back(r);
  const auto& o = s.order[0];
  auto order = [&o](const row& x, const row& y) {
    if (x.o == y.o) return 0;
    if (!x.o || !y.o) return !x.o == o.nulls_first ? -1 : 1;
    return (*x.o < *y.o) != o.descending ? -1 : 1;
  };
  std::map<std::string, int64_t> out;
  for (auto& [k, p] : partitions) {
    std::sort(p.begin(), p.end(), [&](const row& x, const row& y) {
      if (const int c = order(x, y); c != 0) return c < 0;
      if (x.k != y.k) return less(x.k, y.k);
      if (x.v != y.v) return less(x.v, y.v);
      return x.t < y.t;
    });
    std::vector<int64_t> group;
    for (size_t i = 0; i < p.size(); ++i)
      group.push_back(i == 0 ? 0 : group.back() + (order(p[i - 1], p[i]) != 0));
    for (size_t i = 0; i < p.size(); ++i) {
      auto line = text_of(p[i], time);
      for (const auto& c : s.calls) {
        over_call in_seconds = c;
        for (auto* n : {&in_seconds.frame.start_offset, &in_seconds.frame.end_offset})
          if (time && c.frame.in == unit::range) n->i /= 1'000'000;
        line += "," + value_of(in_seconds, p, i, group, o);
      }
      ++out[line];
    }
  }
  return out;
}

lines as_lines(const std::map<std::string, int64_t>& m) {
  lines out;
  for (const auto& [line, n] : m) out.push_back(n == 1 ? line : std::to_string(n) + ": " + line);
  std::sort(out.begin(), out.end());
  return out;
}

/// Adds up; a batch that emits a row and takes it back is more than it needs to say.
void accumulate(std::map<std::string, int64_t>& sum, output& out) {
  std::map<std::string, int64_t> now;
  int64_t moved = 0, net = 0;
  for (const auto& b : out.batches)
    for (uint32_t i = 0; i < b->rows; ++i) {
      auto line = format_row(*b, i);
      const int32_t w = b->weight(b->row(i));
      if (w != 1) line = line.substr(line.find(": ") + 2);
      now[line] += w;
      moved += std::abs(w);
    }
  for (const auto& [line, w] : now) {
    net += std::abs(w);
    if ((sum[line] += w) == 0) sum.erase(line);
  }
  CHECK(moved == net);
  out.clear();
}

over_frame random_frame(std::mt19937_64& g, bool time, bool ahead) {
  over_frame w;
  w.in = static_cast<unit>(g() % (ahead ? 3 : 2));
  auto offset = [&] {
    auto n = static_cast<int64_t>(g() % 4);
    if (time && w.in == unit::range) n *= 1'000'000;
    return scalar::of_int(type_id::int64, n);
  };
  w.start = static_cast<bound>(g() % (ahead ? 4 : 3));
  do {
    w.end = static_cast<bound>(1 + g() % (ahead ? 4 : 2));
  } while (w.end < w.start);
  w.start_offset = offset();
  w.end_offset = offset();
  if (g() % 3 == 0) w.without = static_cast<over_frame::exclusion>(g() % 4);
  return w;
}

over_spec spec(uint64_t seed, bool time) {
  std::mt19937_64 g(seed);
  over_spec s;
  if (g() % 4 != 0) s.keys = {0};
  s.order = {{1, !time && g() % 2 == 0, !time && g() % 2 == 0}};
  for (auto function : {f::row_number, f::rank, f::dense_rank})
    if (g() % 2) s.calls.push_back(call_of(function));
  if (!time && g() % 2) s.calls.push_back(call_of(f::ntile, {}, 3));
  if (g() % 2) s.calls.push_back(call_of(f::lag, {}, 1 + static_cast<int64_t>(g() % 3)));
  if (g() % 3 == 0) s.calls.push_back(call_of(f::lead, {}, static_cast<int64_t>(g() % 3)));
  for (auto function : {f::first_value, f::last_value, f::nth_value})
    if (g() % 2)
      s.calls.push_back(
          call_of(function, g() % 2 ? over_frame{} : random_frame(g, time, !time), 2));
  for (auto aggregate :
       {a::count_star, a::count, a::sum, a::min, a::max, a::bit_or, a::bit_xor, a::string_agg})
    s.calls.push_back(
        call_of(f::aggregate, g() % 3 ? random_frame(g, time, !time) : over_frame{}, 1, aggregate));
  for (size_t i = 0; i < s.calls.size(); ++i) s.calls[i].name = "c" + std::to_string(i);
  return s;
}

schema_ptr output_type(const schema_ptr& in, const over_spec& s) {
  auto type = std::make_shared<schema>(*in);
  for (const auto& c : s.calls) type->fields.push_back({c.name, c.type});
  return type;
}

struct cluster {
  operator_node node;
  schema_ptr in;
  uint32_t parallelism = 1;
  std::vector<std::unique_ptr<instance>> ops;

  void deploy() {
    ops.clear();
    for (uint32_t i = 0; i < parallelism; ++i)
      ops.push_back(
          std::make_unique<instance>(node, std::vector{in}, range_of_subtask(128, parallelism, i)));
  }
  void push(const batch_ptr& b, const std::vector<uint32_t>& keys) {
    auto parts = partition(b, hash_keys(*b, keys, pool()), parallelism, 128, pool());
    for (uint32_t i = 0; i < parallelism; ++i)
      if (parts[i]) ops[i]->push(parts[i]);
  }
  void collect(std::map<std::string, int64_t>& sum) {
    for (auto& o : ops) accumulate(sum, o->out);
  }
};

void run_changes(uint64_t seed, bool final_only) {
  CAPTURE(seed);
  std::mt19937_64 g(seed);
  auto in = input();
  auto s = spec(seed, false);
  s.input_has_changes = seed % 3 != 0;
  if (final_only) s.emit = emit_mode::final_only;
  cluster c{{"op", "over", s, output_type(in, s), true, 0}, in, 1, {}};
  c.deploy();
  table all;
  std::map<std::string, int64_t> sum;
  std::vector<state_chunk> durable;
  auto push = [&] {
    std::vector<std::vector<std::string>> cells;
    std::vector<int32_t> weights;
    for (uint64_t n = 1 + g() % 12; n > 0; --n) {
      row r{{}, {}, {}, std::string(1 + g() % 16, static_cast<char>('a' + g() % 3))};
      if (g() % 9 != 0) r.k = static_cast<int64_t>(g() % 3);
      if (g() % 9 != 0) r.o = static_cast<int64_t>(g() % 12);
      if (g() % 5 != 0) r.v = static_cast<int64_t>(g() % 9) - 4;
      int32_t w = 1;
      if (s.input_has_changes && g() % 2 == 0) {
        std::vector<row> there;
        for (auto& [x, count] : all)
          if (count > 0) there.push_back(x);
        if (!there.empty()) r = there[g() % there.size()], w = -1;
      } else if (s.input_has_changes && g() % 5 == 0) {
        w = 2;
      }
      all[r] += w;
      cells.push_back({text(r.k), text(r.o), text(r.v), r.t});
      weights.push_back(w);
    }
    c.push(rows(in, cells, s.input_has_changes ? weights : std::vector<int32_t>{}), s.keys);
    c.collect(sum);
    if (!final_only) CHECK(as_lines(sum) == as_lines(expected(all, s, false)));
  };
  for (uint64_t e = 1; e <= 8; ++e) {
    for (uint64_t n = g() % 4; n > 0; --n) push();
    const auto at_barrier = all;
    const auto sum_at_barrier = sum;
    std::vector<std::unique_ptr<chunk_list_writer>> writers;
    for (uint32_t i = 0; i < c.parallelism; ++i) {
      writers.push_back(std::make_unique<chunk_list_writer>(pool(), epoch(e), "op", i));
      c.ops[i]->begin_snapshot(*writers[i]);
    }
    if (g() % 2) push();
    for (uint32_t i = 0; i < c.parallelism; ++i)
      while (!*c.ops[i]->op->snapshot_continue(*writers[i], 200)) {
      }
    if (g() % 3 == 0) {
      for (auto& o : c.ops) REQUIRE(o->op->on_epoch_aborted(epoch(e)).ok());
      continue;
    }
    for (auto& o : c.ops) REQUIRE(o->op->on_epoch_complete(epoch(e)).ok());
    for (auto& w : writers)
      for (auto& chunk : w->take()) durable.push_back(std::move(chunk));
    if (g() % 2) {
      all = at_barrier;
      sum = sum_at_barrier;
      c.parallelism = s.keys.empty() ? 1 : 1 + static_cast<uint32_t>(g() % 3);
      c.deploy();
      for (auto& o : c.ops) o->restore(durable);
    }
  }
  for (auto& o : c.ops) o->end();
  c.collect(sum);
  CHECK(as_lines(sum) == as_lines(expected(all, s, false)));
}

/// Rows in almost the order of their time; those behind the watermark are late and do not count.
void run_time(uint64_t seed) {
  CAPTURE(seed);
  std::mt19937_64 g(seed);
  auto in = input("timestamp");
  auto s = spec(seed, true);
  s.emit = emit_mode::final_only;
  s.time_column = 1;
  cluster c{{"op", "over", s, output_type(in, s), false, 0}, in, 1, {}};
  c.deploy();
  table all;
  std::map<std::string, int64_t> sum;
  std::vector<state_chunk> durable;
  constexpr timestamp_us start = 946'684'800'000'000;  // 2000-01-01
  int64_t now = 0, watermark = -1;
  uint64_t late = 0;
  auto push = [&] {
    std::vector<std::vector<std::string>> cells;
    for (uint64_t n = g() % 12; n > 0; --n) {
      now += g() % 2;
      row r{{}, {}, {}, std::string(1 + g() % 16, static_cast<char>('a' + g() % 3))};
      if (g() % 9 != 0) r.k = static_cast<int64_t>(g() % 3);
      if (g() % 30 != 0) r.o = std::max<int64_t>(0, now - static_cast<int64_t>(g() % 5));
      if (g() % 5 != 0) r.v = static_cast<int64_t>(g() % 9) - 4;
      if (r.o && *r.o <= watermark)
        ++late;
      else
        ++all[r];
      auto line = text_of(r, true);
      cells.push_back({text(r.k), line.substr(line.find(',') + 1, r.o ? 19 : 4), text(r.v), r.t});
    }
    if (!cells.empty()) c.push(rows(in, cells), s.keys);
    if (g() % 3 == 0 && now - 3 > watermark) {
      watermark = now - 3;
      for (auto& o : c.ops) o->watermark(start + watermark * 1'000'000);
    }
    for (auto& o : c.ops)
      for (auto& b : o->out.batches) CHECK(!b->weights);
    c.collect(sum);
  };
  for (uint64_t e = 1; e <= 10; ++e) {
    for (uint64_t n = g() % 5; n > 0; --n) push();
    const auto at_barrier = all;
    const auto sum_at_barrier = sum;
    const auto now_at_barrier = now, watermark_at_barrier = watermark;
    std::vector<std::unique_ptr<chunk_list_writer>> writers;
    for (uint32_t i = 0; i < c.parallelism; ++i) {
      writers.push_back(std::make_unique<chunk_list_writer>(pool(), epoch(e), "op", i));
      c.ops[i]->begin_snapshot(*writers[i]);
    }
    if (g() % 2) push();
    for (uint32_t i = 0; i < c.parallelism; ++i)
      while (!*c.ops[i]->op->snapshot_continue(*writers[i], 200)) {
      }
    if (g() % 3 == 0) {
      for (auto& o : c.ops) REQUIRE(o->op->on_epoch_aborted(epoch(e)).ok());
      continue;
    }
    for (auto& o : c.ops) REQUIRE(o->op->on_epoch_complete(epoch(e)).ok());
    for (auto& w : writers)
      for (auto& chunk : w->take()) durable.push_back(std::move(chunk));
    if (g() % 2) {
      all = at_barrier;
      sum = sum_at_barrier;
      now = now_at_barrier;
      watermark = watermark_at_barrier;
      late = 0;
      c.parallelism = s.keys.empty() ? 1 : 1 + static_cast<uint32_t>(g() % 3);
      c.deploy();
      for (auto& o : c.ops) o->restore(durable);
    } else {
      late = 0;
      for (auto& o : c.ops) o->metrics.late_rows = 0;
    }
  }
  uint64_t counted = 0;
  for (auto& o : c.ops) counted += o->metrics.late_rows;
  CHECK(counted >= late);
  for (auto& o : c.ops) o->end();
  c.collect(sum);
  CHECK(as_lines(sum) == as_lines(expected(all, s, true)));
}

}  // namespace

TEST_CASE("window functions equal those over all rows, as changes") {
  for (uint64_t seed = 1; seed <= 40; ++seed) run_changes(seed, false);
}

TEST_CASE("window functions at the end of the input") {
  for (uint64_t seed = 1; seed <= 15; ++seed) run_changes(seed, true);
}

TEST_CASE("window functions over event time give each row once") {
  for (uint64_t seed = 1; seed <= 60; ++seed) run_time(seed);
}

TEST_CASE("rows that no frame reaches any more are not kept") {
  auto in = input("timestamp");
  for (bool growing : {false, true}) {
    over_spec s;
    s.keys = {0};
    s.order = {{1, false, false}};
    s.emit = emit_mode::final_only;
    s.time_column = 1;
    over_frame last_ten;
    last_ten.in = unit::rows;
    last_ten.start = bound::preceding;
    last_ten.start_offset = scalar::of_int(type_id::int64, 9);
    s.calls = {call_of(f::lag, {}, 2),
               call_of(f::aggregate, growing ? over_frame{} : last_ten, 1, a::sum)};
    s.calls[0].name = "x";
    s.calls[1].name = "y";
    instance op({"op", "over", s, output_type(in, s), false, 0}, {in});
    size_t early = 0;
    for (int i = 0; i < 300; ++i) {
      std::vector<std::vector<std::string>> cells;
      char time[40];
      std::snprintf(time, sizeof time, "2000-01-01 00:%02d:%02d", i / 60, i % 60);
      for (int n = 0; n < 200; ++n)
        cells.push_back({std::to_string(n % 4), time, std::to_string(n),
                         "a text that is longer than twelve bytes " + std::to_string(n)});
      op.push(rows(in, cells));
      op.watermark(946'684'800'000'000 + i * 1'000'000LL);
      if (i == 20) early = op.op->state_bytes();
    }
    CHECK(op.op->state_bytes() < early * 2);
    size_t emitted = 0;
    for (auto& b : op.out.batches) emitted += b->rows;
    CHECK(emitted == 300 * 200);
  }
}

TEST_CASE("values within a window leave once, when the watermark reaches its end") {
  auto in = columns({{"w", "timestamp"}, {"v", "bigint"}});
  over_spec s;
  s.keys = {0};
  s.order = {{1, true, false}};
  s.emit = emit_mode::final_only;
  s.window_end_key = 0;
  over_call share;
  share.function = f::percent_rank;
  share.type = type_id::float64;
  share.name = "share";
  s.calls = {share};
  const operator_node node{"op", "over", s, output_type(in, s), false, 0};
  auto op = std::make_unique<instance>(node, std::vector{in});
  op->push(rows(in, {{"2000-01-01 01:00:00", "1"}, {"2000-01-01 02:00:00", "7"}}));
  op->push(rows(in, {{"2000-01-01 01:00:00", "3"}, {"2000-01-01 01:00:00", "2"}}));
  chunk_list_writer w(pool(), epoch(1), "op", 0);
  op->snapshot(w);
  op = std::make_unique<instance>(node, std::vector{in});
  op->restore(w.take());
  op->watermark(946'688'400'000'000);  // 2000-01-01 01:00
  CHECK(op->out.all() ==
        lines{"2000-01-01 01:00:00,3,0", "2000-01-01 01:00:00,2,0.5", "2000-01-01 01:00:00,1,1"});
  op->out.clear();
  op->push(rows(in, {{"2000-01-01 01:00:00", "100"}}));
  CHECK(op->metrics.late_rows == 1);
  op->end();
  CHECK(op->out.all() == lines{"2000-01-01 02:00:00,7,0"});
}
