// Files in the page cache: words of a text, columns of a CSV.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>

#include "cluster/cli/bench.hpp"
#include "cluster/cli/bench_engine.hpp"

namespace weir::cli {
namespace {

/// Writes `block` until `bytes` are there: input larger than caches of the CPU, made quickly.
result<uint64_t> write_repeated(const std::string& path, const std::string& block, uint64_t times) {
  auto* f = std::fopen(path.c_str(), "w");
  if (!f) return error{errc::io, "cannot write " + path};
  bool good = true;
  for (uint64_t i = 0; i < times && good; ++i)
    good = std::fwrite(block.data(), 1, block.size(), f) == block.size();
  good = std::fclose(f) == 0 && good;
  if (!good) return error{errc::io, "cannot write " + path + ": is the disk full?"};
  return times * block.size();
}

/// A file as bytes of memory.
class mapped_file {
 public:
  explicit mapped_file(const std::string& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat st {};
    if (fd >= 0 && ::fstat(fd, &st) == 0 && st.st_size > 0) {
      void* p = ::mmap(nullptr, static_cast<size_t>(st.st_size), PROT_READ,
                       MAP_PRIVATE | MAP_POPULATE, fd, 0);
      if (p != MAP_FAILED) text_ = {static_cast<const char*>(p), static_cast<size_t>(st.st_size)};
    }
    if (fd >= 0) ::close(fd);
  }
  ~mapped_file() {
    if (!text_.empty()) ::munmap(const_cast<char*>(text_.data()), text_.size());
  }
  mapped_file(const mapped_file&) = delete;
  mapped_file& operator=(const mapped_file&) = delete;
  std::string_view text() const noexcept { return text_; }

 private:
  std::string_view text_;
};

/// Lines of words of a vocabulary of 20,000, drawn so that a few are most of the text (Zipf).
std::string text_block(uint64_t words) {
  constexpr size_t vocabulary = 20'000;
  std::mt19937_64 random(bench_seed);
  std::vector<std::string> names;
  for (size_t i = 0; i < vocabulary; ++i) {
    std::string w;
    size_t length = 2 + random() % 4 + (i > 200 ? random() % 5 : 0);
    for (size_t j = 0; j < length; ++j) w += static_cast<char>('a' + random() % 26);
    names.push_back(std::move(w));
  }
  std::string text;
  for (uint64_t i = 0; i < words; ++i) {
    double u = static_cast<double>(random() >> 11) * 0x1p-53;
    auto rank = static_cast<size_t>(std::exp(u * std::log(double{vocabulary})));
    text += names[std::min(rank, vocabulary) - 1];
    text += i % 12 == 11 ? '\n' : ' ';
  }
  if (text.back() != '\n') text.back() = '\n';
  return text;
}

std::string csv_block(uint64_t lines) {
  static const char* carriers[] = {"UA", "AA", "B6", "DL", "EV", "MQ"};
  static const char* origins[] = {"EWR", "JFK", "LGA"};
  std::mt19937_64 random(bench_seed);
  std::string text;
  char line[160];
  for (uint64_t i = 0; i < lines; ++i) {
    int n = std::snprintf(
        line, sizeof line, "%s,%u,%s,%d,%u.%02u,2013-01-%02u %02u:00:00\n", carriers[random() % 6],
        static_cast<unsigned>(random() % 9000), origins[random() % 3],
        static_cast<int>(random() % 200) - 20, static_cast<unsigned>(random() % 3000),
        static_cast<unsigned>(random() % 100), static_cast<unsigned>(1 + random() % 28),
        static_cast<unsigned>(random() % 24));
    text.append(line, static_cast<size_t>(n));
  }
  return text;
}

/// Counts words by hand: a table of word starts, open addressing. Returns how many words there are.
class plain_words {
 public:
  plain_words() : slots_(size_t{1} << 17) {}
  uint64_t count(std::string_view text) {
    uint64_t words = 0;
    const char* p = text.data();
    const char* end = p + text.size();
    while (p < end) {
      while (p < end && !letter(*p)) ++p;
      const char* begin = p;
      uint64_t h = 0;
      for (; p < end && letter(*p); ++p) h = (h ^ lower(*p)) * 0x100000001B3ull;
      if (p == begin) break;
      add({begin, static_cast<size_t>(p - begin)}, h);
      ++words;
    }
    return words;
  }

 private:
  struct slot {
    std::string_view word;
    uint64_t hash = 0, n = 0;
  };
  static unsigned char lower(char c) { return static_cast<unsigned char>(c | 0x20); }
  static bool letter(char c) {
    return static_cast<unsigned>(lower(c)) - 'a' < 26u || static_cast<unsigned char>(c) >= 0x80;
  }
  void add(std::string_view w, uint64_t h) {
    const size_t mask = slots_.size() - 1;
    size_t at = (h ^ (h >> 32)) & mask;
    while (slots_[at].n != 0 && (slots_[at].hash != h || slots_[at].word != w))
      at = (at + 1) & mask;
    slots_[at].word = w;
    slots_[at].hash = h;
    ++slots_[at].n;
  }
  std::vector<slot> slots_;
};

struct file_run {
  double seconds = 0, cpu = 0;
  job_report report;
};
result<file_run> run_file_job(const physical_plan& plan, uint32_t threads) {
  engine_settings e;
  e.threads = threads;
  WEIR_ASSIGN(auto engine, bench_engine::start(e));
  const double begin = wall_seconds(), cpu = cpu_seconds();
  WEIR_TRY(engine->submit(plan));
  WEIR_ASSIGN(auto report, engine->wait());
  return file_run{wall_seconds() - begin, cpu_seconds() - cpu, std::move(report)};
}

}  // namespace

result<std::vector<bench_line>> bench_wordcount(const bench_setup& s) {
  WEIR_ASSIGN(auto folder, scratch_folder::make());
  const std::string path = folder->path() + "/words.txt";
  constexpr uint64_t block_words = 1'000'000;
  WEIR_TRY(
      write_repeated(path, text_block(block_words), std::max<uint64_t>(1, s.rows / block_words)));
  WEIR_ASSIGN(auto plan,
              bench_plan("name: wordcount\ntables:\n"
                         "  text: {columns: {line: text}, with: {connector: file, path: words.txt, "
                         "format: raw}}\n  out: {with: {connector: blackhole}}\nsteps:\n"
                         "  - {name: words, from: text, flat_map: {words: line, as: word}}\n"
                         "  - {name: counts, key: word, aggregate: {n: count(*)}, emit: final}\n"
                         "sinks:\n  - {from: counts, into: out}\n",
                         s.threads, folder->path()));
  // By hand, over halves of the mapped file; it also warms the cache.
  mapped_file file(path);
  if (file.text().empty()) return error{errc::io, "cannot map " + path};
  std::vector<uint64_t> counted(s.threads);
  const double plain_begin = wall_seconds();
  {
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < s.threads; ++i)
      threads.emplace_back([&counted, &file, &s, i] {
        auto at = [&](uint32_t part) {
          if (part == s.threads) return file.text().size();
          auto p = file.text().size() / s.threads * part;
          return part == 0 ? 0 : file.text().find('\n', p) + 1;
        };
        plain_words table;
        counted[i] = table.count(file.text().substr(at(i), at(i + 1) - at(i)));
      });
    for (auto& t : threads) t.join();
  }
  const double plain_seconds = wall_seconds() - plain_begin;
  uint64_t words = 0;
  for (auto n : counted) words += n;
  WEIR_ASSIGN(auto run, run_file_job(plan, s.threads));
  const double rate = static_cast<double>(words) / run.seconds;
  const double plain = static_cast<double>(words) / plain_seconds;
  const double per_core = static_cast<double>(words) / run.cpu;
  return std::vector<bench_line>{
      {"throughput", rate, "words/s", "plain loop over the mapped file", plain, rate / plain, 60e6,
       words, run.seconds},
      {"per_core", per_core, "words per CPU second", "half of the target", 30e6, per_core / 30e6,
       30e6, words, run.seconds}};
}

result<std::vector<bench_line>> bench_csv(const bench_setup& s) {
  WEIR_ASSIGN(auto folder, scratch_folder::make());
  const std::string path = folder->path() + "/rows.csv";
  constexpr uint64_t block_lines = 100'000;
  WEIR_ASSIGN(uint64_t bytes, write_repeated(path, csv_block(block_lines),
                                             std::max<uint64_t>(1, s.rows / block_lines)));
  WEIR_ASSIGN(auto plan,
              bench_plan("name: csv\ntables:\n"
                         "  rows: {columns: {carrier: text, flight: int, origin: text, delay: int, "
                         "miles: double precision, hour: timestamp}, with: {connector: file, "
                         "path: rows.csv, format: csv}}\n"
                         "  out: {with: {connector: blackhole}}\nsteps:\n"
                         "  - {name: used, from: rows, select: [carrier, flight, delay, hour]}\n"
                         "sinks:\n  - {from: used, into: out}\n",
                         s.threads, folder->path()));
  mapped_file file(path);
  if (file.text().empty()) return error{errc::io, "cannot map " + path};
  // By hand: every comma and line feed looked at once, nothing parsed.
  const double plain_cpu = cpu_seconds();
  uint64_t lines = 0, fields = 0;
  for (char c : file.text()) {
    fields += c == ',';
    lines += c == '\n';
  }
  const double scan = static_cast<double>(bytes) / (cpu_seconds() - plain_cpu);
  if (fields != 5 * lines) return error{errc::internal, "the generated CSV is not what it should"};
  WEIR_ASSIGN(auto run, run_file_job(plan, s.threads));
  const double rate = static_cast<double>(bytes) / run.cpu / 1e6;
  const double wall = static_cast<double>(bytes) / run.seconds / 1e6;
  return std::vector<bench_line>{
      {"per_core", rate, "MB per CPU second", "count of delimiters", scan / 1e6, rate * 1e6 / scan,
       500, lines, run.seconds},
      {"throughput", wall, "MB/s", "count of delimiters on one core", scan / 1e6, wall * 1e6 / scan,
       500.0 * s.threads, lines, run.seconds}};
}

}  // namespace weir::cli
