// Event time of splits, the pool of splits, and the source driver.
#include <doctest/doctest.h>

#include "runtime/flow/source_driver.hpp"
#include "runtime/flow/split_list.hpp"
#include "runtime/flow/split_pool.hpp"
#include "runtime/snapshot/memory_snapshot.hpp"
#include "tests/flow/sim_parts.hpp"

namespace weir {
namespace {

discovery found(std::vector<std::pair<std::string, std::string>> splits, bool bounded = true) {
  discovery d;
  for (auto& [id, stream] : splits) d.splits.push_back({id, stream, "", 1, 0});
  d.bounded = bounded;
  return d;
}

std::string text(const std::vector<split_pool::assignment>& all) {
  std::string t;
  for (const auto& a : all) {
    t += std::to_string(a.subtask) + ":";
    for (const auto& s : a.splits) t += s.id + ",";
    t += std::string(a.last ? " last" : "") + (a.hold ? " hold" : "") + "; ";
  }
  return t;
}

}  // namespace

TEST_CASE("split watermarks: bounded out-of-orderness, the minimum of splits that speak") {
  split_watermarks w({10, 1000});
  w.add("a", 0);
  w.add("b", 0);
  w.observe("a", 100, 0);
  CHECK(w.read(0).watermark == watermark_none);
  w.observe("b", 50, 0);
  CHECK(w.read(0).watermark == 39);
  CHECK(w.slowest() == "b");
  w.observe("a", 100, 900);
  CHECK(w.next_idle(900) == 1000);
  CHECK(w.read(1000).watermark == 89);  // b is silent and leaves
  CHECK_FALSE(w.read(1000).idle);
  CHECK(w.read(1900).idle);
  w.observe("b", 60, 2000);
  CHECK(w.read(2000).watermark == 89);  // never back
  w.hold(true);
  w.observe("b", 500, 2000);
  CHECK(w.read(2000).watermark == 89);
}

TEST_CASE(
    "split watermarks: a source that knows what is to come promises more than its rows show") {
  split_watermarks w({10, 0});
  w.add("a", 1'000'000);  // processing time says nothing of event time
  w.add("b", 1'000'000);
  w.promise("a", 300);
  CHECK(w.read(0).watermark == watermark_none);
  w.observe("b", 50, 0);
  CHECK(w.read(0).watermark == 39);
  w.promise("b", 200);
  CHECK(w.read(0).watermark == 199);
  CHECK(w.slowest() == "b");
  w.promise("b", 100);  // nothing is taken back
  w.observe("b", 250, 0);
  CHECK(w.read(0).watermark == 239);
}

TEST_CASE("split pool: splits side by side are handed out at once, evenly, after a restore too") {
  auto side_by_side = found({{"a", "a"}, {"b", "b"}, {"c", "c"}});
  side_by_side.side_by_side = true;
  split_pool p(2);
  p.request(0);
  p.request(1);
  p.discovered(side_by_side);
  CHECK(text(p.assign()) == "0:a,c, last; 1:b, last; ");
  CHECK(p.released());
  p.request(0);
  CHECK(p.assign().empty());

  auto fewer = split_pool::decode(p.encode(), {{"a", "a", "x", 1, 1}, {"b", "b", "y", 1, 2}}, 1);
  REQUIRE(fewer.ok());
  CHECK(fewer->bounded());
  CHECK(text(fewer->assign()) == "0:a,b, last; ");
  auto more = split_pool::decode(p.encode(), {{"b", "b", "y", 1, 2}}, 3);
  REQUIRE(more.ok());
  CHECK(text(more->assign()) == "0:b, last; ");
  more->request(2);
  CHECK(text(more->assign()) == "2: last; ");
}

TEST_CASE("split pool: one split per request, the last one says so") {
  split_pool p(2);
  p.request(0);
  CHECK(p.assign().empty());
  p.discovered(found({{"a", ""}, {"b", ""}, {"c", ""}}));
  CHECK(text(p.assign()) == "0:a, hold; ");
  CHECK_FALSE(p.released());
  p.request(1);
  CHECK(text(p.assign()) == "1:b, hold; ");
  p.request(1);
  CHECK(text(p.assign()) == "1:c, last; ");
  CHECK(p.released());
  CHECK_FALSE(p.released());
  p.request(0);
  CHECK(text(p.assign()) == "0: last; ");
}

TEST_CASE("split pool: event time may move while parts of one ordered stream are left") {
  split_pool p(1);
  p.discovered(found({{"a1", "a"}, {"a2", "a"}}));
  p.request(0);
  CHECK(text(p.assign()) == "0:a1,; ");
}

TEST_CASE("split pool: regression: with two streams one task would be late with the second") {
  split_pool p(1);
  p.discovered(found({{"a1", "a"}, {"b1", "b"}, {"a2", "a"}, {"b2", "b"}}));
  std::string all;
  for (int i = 0; i < 4; ++i) {
    p.request(0);
    all += text(p.assign());
  }
  CHECK(all == "0:a1, hold; 0:b1, hold; 0:a2, hold; 0:b2, last; ");
}

TEST_CASE(
    "split pool: regression: a split handed out behind a trigger is read once after a restore") {
  split_pool p(1);
  p.discovered(found({{"a", ""}, {"b", ""}}));
  auto at_trigger = p.encode();
  auto back = split_pool::decode(at_trigger, {{"b", "", "position", 1, 2}}, 2);
  REQUIRE(back.ok());
  back->request(0);
  back->request(1);
  auto given = back->assign();
  CHECK(text(given) == "0:b,; 1:a, last; ");
  CHECK(given[0].splits[0].payload == "position");
}

TEST_CASE("split pool: regression: an epoch before the first discovery is not an empty source") {
  split_pool p(1);
  auto back = split_pool::decode(p.encode(), {}, 1);
  REQUIRE(back.ok());
  CHECK_FALSE(back->ready());
  back->request(0);
  CHECK(back->assign().empty());
}

TEST_CASE("split pool: an unbounded source pushes to the task with the fewest, in one message") {
  split_pool p(2);
  p.discovered(found({{"a", ""}, {"b", ""}, {"c", ""}}, false));
  CHECK(text(p.assign()) == "0:a,c,; 1:b,; ");
  // Regression: a task without splits learns it, or event time would wait for it for ever.
  p.request(1);
  CHECK(text(p.assign()) == "1:; ");
  CHECK(p.assign().empty());
  p.discovered(found({{"c", ""}, {"d", ""}}, false));
  CHECK(text(p.assign()) == "1:d,; ");
}

TEST_CASE("split pool: damaged text is refused") {
  CHECK(split_pool::decode("nonsense", {}, 1).err().code == errc::corrupt);
}

TEST_CASE("split lists come back as they were") {
  auto back = decode_splits(encode_splits({{"id", "stream", std::string("\0x", 2), 7, 9}}));
  REQUIRE(back.ok());
  REQUIRE(back->size() == 1);
  CHECK((*back)[0].payload == std::string("\0x", 2));
  CHECK((*back)[0].weight == 7);
  CHECK((*back)[0].order == 9);
  CHECK(decode_splits("ab").err().code == errc::corrupt);
}

namespace {

/// One split of three batches with one row each, times 10, 20, 30.
class three_rows final : public source_reader {
 public:
  explicit three_rows(memory_pool& p) : pool_(p) {}
  status open(const operator_context&) override { return {}; }
  status add_split(source_split) override { return {}; }
  result<polled> poll(uint32_t) override {
    polled p;
    ++at_;
    p.what = at_ == 3 ? polled::state::finished : polled::state::batch;
    p.rows = sim::to_batch({{at_ * 10, 0, at_, 0}}, pool_);
    p.split_id = "s";
    p.split_ended = at_ == 3;
    return p;
  }
  std::vector<source_split> snapshot() const override { return {}; }
  std::string position() const override { return "s"; }

 private:
  memory_pool& pool_;
  int64_t at_ = 0;
};

}  // namespace

TEST_CASE("source driver: at most once, rows and their event time wait for a durable position") {
  memory_pool pool;
  operator_metrics metrics;
  source_driver d(std::make_unique<three_rows>(pool), {delivery_mode::at_most_once, {0, 0}, 0});
  operator_context c;
  c.metrics = &metrics;
  c.memory = &pool;
  REQUIRE(d.open(c).ok());
  using what = source_driver::taken::kind;
  CHECK(d.take(0)->what == what::need_splits);
  REQUIRE(d.add_splits({{"s", "", "", 1, 1}}, true, false, 0).ok());
  for (int i = 0; i < 5; ++i) CHECK(d.take(0)->what == what::nothing);
  // Regression: event time must not run ahead of rows that are held back.
  CHECK(d.watermark(0).watermark == watermark_none);
  chunk_list_writer first(pool, epoch{1}, "source");
  REQUIRE(d.snapshot(first).ok());
  d.epoch_aborted(epoch{1});
  CHECK_FALSE(d.releasable());
  chunk_list_writer second(pool, epoch{2}, "source");
  REQUIRE(d.snapshot(second).ok());
  REQUIRE(d.epoch_complete(epoch{2}).ok());
  CHECK(d.releasable());
  CHECK(d.take(0)->what == what::rows);
  CHECK(d.watermark(0).watermark == 9);
  CHECK(d.take(0)->what == what::rows);
  CHECK(d.take(0)->what == what::rows);
  CHECK(d.take(0)->what == what::ended);
}

}  // namespace weir
