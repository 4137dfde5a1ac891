// Snapshot store: commit of deltas, load of a whole state, folding; each with the machine's own
// limit in the same run (a plain write with fdatasync, a memcpy). Prints one CSV line per run:
//   bench_snapshot [DIRECTORY]   (default: a folder under the system's temporary directory)
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <random>

#include "runtime/base/crc32c.hpp"
#include "runtime/snapshot/checksum.hpp"
#include "runtime/snapshot/memory_snapshot.hpp"
#include "runtime/snapshot/records.hpp"
#include "runtime/snapshot/store.hpp"

using namespace weir;

namespace {

constexpr uint32_t groups = 128;
constexpr size_t record_bytes = 16;
memory_pool pool;
const snapshot_key job{"bench", ""};

double seconds(const std::function<void()>& f) {
  auto t = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - t).count();
}

void must(const status& s) {
  if (s) return;
  std::fprintf(stderr, "%s\n", s.err().message.c_str());
  std::exit(1);
}

void report(const char* name, size_t bytes, double s) {
  std::printf("%s,%zu,%.1f,%.3f\n", name, bytes >> 20, s * 1e3,
              static_cast<double>(bytes) / s / 1e9);
  std::fflush(stdout);
}

/// `bytes` of random fixed records, spread over the key groups.
std::vector<state_chunk> make_chunks(size_t bytes, uint64_t seed) {
  std::vector<state_chunk> out;
  std::mt19937_64 random(seed);
  size_t per_group = bytes / groups / record_bytes;
  for (uint32_t g = 0; g < groups; ++g) {
    record_writer w(pool, record_layout::fixed(8, 8), [&](buffer_ref b) {
      out.push_back({"agg", "groups", g, 0, chunk_kind::delta, std::move(b)});
    });
    for (size_t i = 0; i < per_group; ++i) {
      auto* p = w.upsert_fixed();
      uint64_t v[2] = {(random() % (per_group * 4)) << 8 | g, i};
      std::memcpy(p, v, sizeof v);
    }
    w.finish();
  }
  return out;
}

snapshot_manifest manifest_of(uint64_t e) {
  snapshot_manifest m;
  m.key = job;
  m.number = epoch(e);
  m.operators.push_back({"agg", "aggregate", 2, 1});
  return m;
}

double plain_write(const std::string& dir, size_t bytes) {
  std::vector<char> data(bytes, 'x');
  std::string path = dir + "/plain";
  int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
  double s = seconds([&] {
    size_t done = 0;
    while (done < bytes) {
      ssize_t n = ::write(fd, data.data() + done, std::min<size_t>(bytes - done, 1 << 20));
      if (n <= 0) std::exit(1);
      done += static_cast<size_t>(n);
    }
    if (::fdatasync(fd) != 0) std::exit(1);
  });
  ::close(fd);
  ::unlink(path.c_str());
  return s;
}

void bench_commits(const std::string& dir, size_t bytes, int rounds) {
  auto store = std::move(*snapshot_store::open(dir + "/commit"));
  uint64_t e = 0;
  for (int i = 0; i < rounds; ++i) {
    auto chunks = make_chunks(bytes, 1);
    double s = seconds([&] {
      ++e;
      must(store->put(job, epoch(e), std::move(chunks)));
      must(store->commit(manifest_of(e)));
    });
    report("commit", bytes, s);
    double folded = seconds([&] {
      for (;;) {
        auto more = store->fold_some(64 << 20);
        if (!more) must(more.err());
        if (!*more) break;
      }
    });
    report("fold_after_commit", bytes, folded);
    report("plain_write_fdatasync", bytes, plain_write(dir, bytes));
  }
  std::printf("file_mb,%zu,,\n", static_cast<size_t>(store->usage().file_bytes >> 20));
}

void bench_load(const std::string& dir, size_t bytes) {
  snapshot_options options;
  options.sync = false;
  std::string folder = dir + "/load";
  {
    auto store = std::move(*snapshot_store::open(folder, options));
    for (uint64_t e = 1; e <= 4; ++e) {
      auto chunks = make_chunks(bytes / 4, e);
      must(store->put(job, epoch(e), std::move(chunks)));
      must(store->commit(manifest_of(e)));
    }
  }
  std::vector<char> from(bytes, 'a'), to(bytes, 'b');
  for (int i = 0; i < 3; ++i) {
    report("memcpy", bytes, seconds([&] { std::memcpy(to.data(), from.data(), bytes); }));
    uint32_t crc = 0;
    report("crc32c", bytes, seconds([&] { crc = crc32c(std::as_bytes(std::span(from))); }));
    std::unique_ptr<snapshot_store> store;
    report("open", bytes,
           seconds([&] { store = std::move(*snapshot_store::open(folder, options)); }));
    uint64_t sum = crc;
    report("load_checked", bytes, seconds([&] {
             auto chunks = store->load(job, epoch(4), "agg", {});
             if (!chunks) must(chunks.err());
             chunk_list_reader reader(std::move(*chunks), "agg");
             must(reader.keyed("groups", {}, [&](uint32_t, chunk_kind, auto b) {
               sum += static_cast<uint64_t>(b[b.size() - 1]);
               return status();
             }));
           }));
    report("newest_sound_every_byte", bytes, seconds([&] {
             auto s = store->newest_sound(job);
             if (!s) must(s.err());
             sum += s->number.value;
           }));
    if (sum == 1) std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string dir = argc > 1 ? argv[1] : std::filesystem::temp_directory_path().string();
  dir += "/weir-bench-snapshot";
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  std::printf("# fixed records of %zu bytes in %u key groups, seed 1, one thread, %s\n",
              record_bytes, groups, dir.c_str());
  std::printf("run,mib,ms,gb_per_s\n");
  bench_commits(dir, 10 << 20, 6);
  std::filesystem::remove_all(dir + "/commit");
  bench_commits(dir, 100 << 20, 5);
  bench_load(dir, size_t{1} << 30);
  std::filesystem::remove_all(dir);
}
