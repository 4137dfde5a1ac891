#include <cstdlib>

#include "runtime/snapshot/fold.hpp"
#include "tests/snapshot/store_test_tools.hpp"

// Random epochs of deltas, full chunks, blobs, aborts, folds, reopenings and rewinds, against a
// model that keeps every epoch's state as a plain map. Chunks are of either form, mixed. After each
// step every kept epoch is compared.
using namespace weir;
using namespace weir::test;

namespace {

const snapshot_key job{"random", ""};
constexpr uint32_t groups = 4;

struct world {
  key_values keyed[2];                    // state s0 (variable records), s1 (fixed)
  std::map<uint32_t, std::string> blobs;  // of state b
};

record_layout layout_of(int state) {
  return state == 0 ? record_layout::variable() : record_layout::fixed(4, 8);
}

packed_layout packed_layout_of(int state) {
  packed_layout l;
  l.value = {state == 0 ? packed_kind::text : packed_kind::word};
  return l;
}

class trial {
 public:
  explicit trial(uint64_t seed) : random_(seed) { store_ = open_store(dir_.path()); }

  void step() {
    uint64_t what = random_() % 100;
    if (what < 60)
      commit_epoch();
    else if (what < 68)
      abort_epoch();
    else if (what < 90)
      REQUIRE(store_->fold_some(random_() % 4000).ok());
    else if (what < 96)
      reopen();
    else
      rewind();
    check();
  }

 private:
  std::string key() {
    std::string k = std::to_string(1000 + random_() % 60);
    k.resize(4, '0');
    return k;
  }
  std::string value(int state) {
    if (state == 1) {
      std::string v = std::to_string(random_() % 100'000'000);
      v.resize(8, '_');
      return v;
    }
    return text();
  }
  /// Behind its length, as both forms have it.
  std::string text() {
    std::string v(random_() % 300, static_cast<char>('a' + random_() % 26));
    const auto n = static_cast<uint32_t>(v.size());
    return std::string(reinterpret_cast<const char*>(&n), 4) + v;
  }

  /// Puts random changes of the next epoch into the store and into `w`.
  void put_changes(world& w, uint64_t e) {
    for (int state = 0; state < 2; ++state)
      for (uint32_t g = 0; g < groups; ++g) {
        if (random_() % 3 == 0) continue;
        std::string name = "s" + std::to_string(state);
        std::string prefix = std::to_string(g) + "/";
        bool full = random_() % 8 == 0;
        if (full)
          std::erase_if(w.keyed[state],
                        [&](const auto& kv) { return kv.first.substr(0, 2) == prefix; });
        size_t chunks = 1 + random_() % 2;
        for (size_t c = 0; c < chunks; ++c) {
          key_values upserts;
          std::vector<std::string> deletes;
          for (size_t i = 1 + random_() % 12; i; --i) {
            std::string k = key();
            if (random_() % 3)
              upserts[k] = value(state);
            else if (!upserts.contains(k) &&
                     std::find(deletes.begin(), deletes.end(), k) == deletes.end())
              deletes.push_back(k);
          }
          std::erase_if(deletes, [&](const auto& k) { return upserts.contains(k); });
          if (upserts.empty() && deletes.empty()) upserts[key()] = value(state);
          for (auto& [k, v] : upserts) w.keyed[state][prefix + k] = v;
          for (auto& k : deletes) w.keyed[state].erase(prefix + k);
          auto kind = full && c == 0 ? chunk_kind::full : chunk_kind::delta;
          auto bytes = random_() % 2 ? record_chunk(upserts, deletes, layout_of(state))
                                     : packed_chunk(upserts, deletes, packed_layout_of(state));
          REQUIRE(store_->put(job, epoch(e), delta("op", name, g, std::move(bytes), kind)).ok());
        }
      }
    for (uint32_t t = 0; t < 3; ++t) {
      if (random_() % 2) continue;
      std::string v = value(0);
      w.blobs[t] = v;
      REQUIRE(store_->put(job, epoch(e), blob("op", "b", t, v)).ok());
    }
  }

  void commit_epoch() {
    world next = current_;
    uint64_t e = ++epoch_;
    put_changes(next, e);
    auto s = store_->commit(manifest_of(job, e, {"op"}, 3));
    INFO((s ? std::string() : s.err().message));
    REQUIRE(s.ok());
    current_ = next;
    kept_[e] = std::move(next);
    while (kept_.size() > 3) kept_.erase(kept_.begin());
  }
  void abort_epoch() {
    world unused = current_;
    uint64_t e = ++epoch_;
    put_changes(unused, e);
    store_->abort(job, epoch(e));
  }
  void reopen() {
    store_.reset();
    store_ = open_store(dir_.path());
  }
  void rewind() {
    if (kept_.empty()) return;
    auto it = kept_.begin();
    std::advance(it, static_cast<long>(random_() % kept_.size()));
    REQUIRE(store_->rewind(job, epoch(it->first)).ok());
    current_ = it->second;
    kept_.erase(std::next(it), kept_.end());
  }

  void check() {
    std::vector<epoch> expected;
    for (auto& [e, w] : kept_) {
      expected.push_back(epoch(e));
      for (int state = 0; state < 2; ++state)
        REQUIRE(restore(*store_, job, e, "op", "s" + std::to_string(state)) == w.keyed[state]);
      REQUIRE(restore_blobs(*store_, job, e, "op", "b") == w.blobs);
    }
    REQUIRE(store_->epochs(job) == expected);
    if (!kept_.empty()) REQUIRE(store_->newest_sound(job)->number == expected.back());
  }

  scratch_folder dir_;
  std::unique_ptr<snapshot_store> store_;
  std::mt19937_64 random_;
  world current_;
  std::map<uint64_t, world> kept_;
  uint64_t epoch_ = 0;
};

}  // namespace

TEST_CASE("every kept epoch equals the model after each of many random steps") {
  const char* given = std::getenv("WEIR_TEST_SEED");
  uint64_t first = given ? std::strtoull(given, nullptr, 10) : 1;
  uint64_t last = given ? first : 12;
  for (uint64_t seed = first; seed <= last; ++seed) {
    CAPTURE(seed);
    trial t(seed);
    for (int i = 0; i < 120; ++i) {
      CAPTURE(i);
      t.step();
    }
  }
}

TEST_CASE("folding many versions of one state leaves one copy of each key") {
  std::vector<buffer_ref> chunks;
  key_values expected;
  std::mt19937_64 random(3);
  for (int c = 0; c < 20; ++c) {
    key_values upserts;
    std::vector<std::string> deletes;
    for (int i = 0; i < 200; ++i) {
      std::string k = std::to_string(random() % 1000);
      if (random() % 4 == 0) {
        if (!upserts.contains(k) && std::find(deletes.begin(), deletes.end(), k) == deletes.end())
          deletes.push_back(k);
      } else if (std::find(deletes.begin(), deletes.end(), k) == deletes.end()) {
        upserts[k] = std::to_string(c);
      }
    }
    for (auto& [k, v] : upserts) expected[k] = v;
    for (auto& k : deletes) expected.erase(k);
    chunks.push_back(record_chunk(upserts, deletes));
  }
  std::vector<std::span<const std::byte>> spans;
  for (auto& c : chunks) spans.push_back(c.bytes());
  key_values folded;
  size_t records = 0;
  auto s = fold_chunks(spans, test_pool(), [&](buffer_ref b) {
    auto r = record_reader::open(b.bytes());
    REQUIRE(r.ok());
    CHECK(r->deletes() == 0);
    records += r->upserts();
    REQUIRE(r->visit([&](auto k, auto v) { folded[text_of(k)] = text_of(v); }, [](auto) {}).ok());
  });
  REQUIRE(s.ok());
  CHECK(folded == expected);
  CHECK(records == expected.size());

  auto other = record_chunk({{"aaaa", "bbbb"}}, {}, record_layout::fixed(4, 4));
  spans.push_back(other.bytes());
  CHECK(fold_chunks(spans, test_pool(), [](buffer_ref) {}).err().code == errc::unsupported);
}
