// Which rows an epoch writes: against a model that keeps what every epoch has to know.
#include "runtime/state/epoch_changes.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace weir;

namespace {

/// Rows have versions; an epoch that completes has to have written every row as it was at its
/// barrier, or an epoch before it has.
struct model {
  epoch_changes changes;
  std::vector<int> now;                          // versions
  std::map<uint64_t, std::vector<int>> barrier;  // epoch: versions then
  std::map<uint64_t, std::map<uint32_t, int>> written;
  std::map<uint32_t, int> durable;
  uint64_t last = 0;

  void write(uint32_t row) {
    auto [it, fresh] = written[last].emplace(row, now[row]);
    CHECK_MESSAGE(fresh, "row " << row << " is written twice in epoch " << last);
  }
  void grow(uint32_t n) {
    for (; n > 0; --n) {
      changes.add(static_cast<uint32_t>(now.size()));
      now.push_back(0);
    }
  }
  void change(const std::vector<uint32_t>& rows) {
    changes.mark(rows.data(), rows.size(), [this](uint32_t row) { write(row); });
    for (uint32_t row : rows) ++now[row];
  }
  bool begin() {
    const bool unfinished = changes.begin(epoch(++last));
    barrier[last] = now;
    written[last];
    return unfinished;
  }
  bool advance(size_t rows) {
    return changes.advance(rows, [this](uint32_t row) { write(row); });
  }
  /// All of an epoch's rows are durable as they were at its barrier.
  void complete(uint64_t n) {
    for (const auto& e : changes.complete(epoch(n)))
      for (auto [row, version] : written[e.number.value]) durable[row] = version;
    for (uint32_t row = 0; row < barrier[n].size(); ++row)
      if (barrier[n][row] > 0) CHECK(durable[row] == barrier[n][row]);
  }
};

}  // namespace

TEST_CASE("every epoch that completes has every row as it was at its barrier") {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 g(seed);
    model m;
    m.grow(1 + static_cast<uint32_t>(g() % 300));
    // A barrier says what became of the epoch before: it is settled before the next one begins.
    auto settle = [&](bool complete) {
      if (m.changes.open().empty()) return;
      if (complete && !m.changes.writing()) return m.complete(m.last);
      CHECK(m.changes.abort(epoch(m.last)));
      CHECK(!m.changes.abort(epoch(m.last)));
    };
    for (int step = 0; step < 300; ++step) {
      switch (g() % 8) {
        case 0:
          m.grow(static_cast<uint32_t>(g() % 70));
          break;
        case 1:
          settle(g() % 2);
          CHECK(!m.begin());
          break;
        case 2:
          if (g() % 3 == 0) settle(g() % 2);
          break;
        case 3:
        case 4:
        case 5:
          m.advance(1 + g() % 100);
          break;
        default: {
          std::vector<uint32_t> rows;
          for (auto n = g() % 40; n > 0; --n)
            rows.push_back(static_cast<uint32_t>(g() % m.now.size()));
          m.change(rows);
        }
      }
    }
    settle(true);
    m.begin();
    while (!m.advance(64)) {
    }
    m.complete(m.last);
    CHECK(m.changes.open().empty());
  }
}

TEST_CASE("a row that is replaced is none of the epoch under way") {
  epoch_changes c;
  std::vector<uint32_t> written;
  auto write = [&](uint32_t row) { written.push_back(row); };
  for (uint32_t row = 0; row < 100; ++row) c.add(row);
  const uint32_t rows[] = {3, 70, 99};
  c.mark(rows, 3, write);
  CHECK(c.changed(70));
  CHECK(!c.begin(epoch(1)));
  CHECK(c.pending() == 3);
  CHECK(!c.changed(70));
  c.replace(70);
  CHECK(c.advance(1000, write));
  CHECK(written == std::vector<uint32_t>{3, 99});
  CHECK(c.complete(epoch(1)).size() == 1);
  // All of them, and the next epoch finds this one unfinished.
  c.begin(epoch(2));
  c.all_pending(100);
  CHECK(c.pending() == 100);
  CHECK(!c.advance(10, write));
  CHECK(c.begin(epoch(3)));
  CHECK(c.pending() == 100 - 64);
  c.abort(epoch(2));
  CHECK(c.changed(5));
}
