// What reading costs on one core: CSV, raw lines and JSON lines through the whole reader, against
// counting line feeds with memchr, memcpy and the CSV scan alone over the same bytes in the same
// run. Files are cached; an inline executor reads on the same thread, so that reading is included.
//   bench_connectors [MiB] [REPEATS]; prints CSV: workload,mib,mb_per_s,million_rows_per_s
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>

#include "runtime/connectors/csv_scan.hpp"
#include "runtime/connectors/source.hpp"

using namespace weir;

namespace {

constexpr uint64_t seed = 42;

std::string flights_like(size_t bytes) {
  std::mt19937_64 r(seed);
  static const char* carriers[] = {"UA", "AA", "B6", "DL", "EV", "MQ", "9E"};
  static const char* airports[] = {"EWR", "LGA", "JFK", "IAH", "ORD", "MIA"};
  std::string s =
      "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,"
      "flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n";
  char line[256];
  while (s.size() < bytes) {
    int day = 1 + static_cast<int>(r() % 28), hour = static_cast<int>(r() % 24),
        minute = static_cast<int>(r() % 60);
    bool gone = r() % 40 != 0;
    auto maybe = [&](int v) { return gone ? std::to_string(v) : std::string("NA"); };
    int n = std::snprintf(
        line, sizeof line,
        "2013,1,%d,%s,%d,%s,%s,%d,%s,%s,%d,N%05d,%s,%s,%s,%d,%d,%d,2013-01-%02dT%02d:00:00Z\n", day,
        maybe(hour * 100 + minute).c_str(), hour * 100,
        maybe(static_cast<int>(r() % 100) - 20).c_str(),
        maybe(static_cast<int>(r() % 2400)).c_str(), static_cast<int>(r() % 2400),
        maybe(static_cast<int>(r() % 200) - 50).c_str(), carriers[r() % 7],
        static_cast<int>(r() % 6000), static_cast<int>(r() % 99999), airports[r() % 3],
        airports[3 + r() % 3], maybe(static_cast<int>(r() % 400)).c_str(),
        static_cast<int>(r() % 3000), hour, minute, day, hour);
    s.append(line, static_cast<size_t>(n));
  }
  return s;
}

std::string text_like(size_t bytes) {
  std::mt19937_64 r(seed);
  std::string s;
  while (s.size() < bytes) {
    for (uint64_t words = 6 + r() % 10; words > 0; --words) {
      for (uint64_t n = 1 + r() % 9; n > 0; --n) s += static_cast<char>('a' + r() % 26);
      s += words > 1 ? ' ' : '\n';
    }
  }
  return s;
}

std::string json_like(size_t bytes) {
  std::mt19937_64 r(seed);
  std::string s;
  char line[256];
  while (s.size() < bytes) {
    int n = std::snprintf(
        line, sizeof line,
        "{\"carrier\":\"UA\",\"flight\":%d,\"origin\":\"EWR\",\"dest\":\"IAH\",\"dep_delay\":%d,"
        "\"time_hour\":\"2013-01-01 %02d:00:00\"}\n",
        static_cast<int>(r() % 6000), static_cast<int>(r() % 100), static_cast<int>(r() % 24));
    s.append(line, static_cast<size_t>(n));
  }
  return s;
}

// Processor time of this thread, so that other load on the machine counts less.
double thread_seconds() {
  timespec t;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

double seconds_of(const std::function<uint64_t()>& work, int repeats, uint64_t& rows) {
  double best = 1e9;
  for (int i = 0; i < repeats; ++i) {
    double begin = thread_seconds();
    rows = work();
    best = std::min(best, thread_seconds() - begin);
  }
  return best;
}

void report(const char* name, size_t bytes, const std::function<uint64_t()>& work, int repeats) {
  uint64_t rows = 0;
  double s = seconds_of(work, repeats, rows);
  std::printf("%s,%zu,%.0f,%.2f\n", name, bytes >> 20, static_cast<double>(bytes) / 1e6 / s,
              static_cast<double>(rows) / 1e6 / s);
  std::fflush(stdout);
}

field str(const char* name) {
  return {name, type_id::string, true};
}

source_spec spec_of(const std::string& path, std::vector<field> fields, option_map options) {
  source_spec s;
  s.connector = "file";
  s.options = std::move(options);
  s.options["path"] = path;
  auto columns = std::make_shared<schema>();
  columns->fields = std::move(fields);
  s.physical_columns = static_cast<uint32_t>(columns->size());
  s.columns = columns;
  return s;
}

uint64_t read(const source_spec& spec) {
  memory_pool pool;
  auto io = make_inline_executor();
  auto files = make_posix_file_system();
  operator_context c;
  c.parallelism = 1;
  c.memory = &pool;
  c.io = io.get();
  c.files = files.get();
  c.wake = [] {};
  auto enumerator = make_enumerator(spec, *files, 1);
  auto reader = make_reader(spec);
  if (!enumerator || !reader || !(*reader)->open(c)) std::abort();
  auto found = (*enumerator)->discover();
  if (!found) std::abort();
  for (auto& s : found->splits)
    if (!(*reader)->add_split(s)) std::abort();
  uint64_t rows = 0;
  for (;;) {
    auto p = (*reader)->poll(8192);
    if (!p) {
      std::fprintf(stderr, "%s\n", p.err().message.c_str());
      std::abort();
    }
    if (p->rows) rows += p->rows->rows;
    if (p->what == polled::state::finished) return rows;
  }
}

void baselines(const std::string& csv, int repeats) {
  std::string copy(csv.size() + 64, '\0');
  report(
      "memcpy", csv.size(),
      [&] { return std::memcpy(copy.data(), csv.data(), csv.size()), uint64_t{0}; }, repeats);
  report(
      "memchr line feeds", csv.size(),
      [&] {
        uint64_t n = 0;
        const char *p = csv.data(), *end = p + csv.size();
        while ((p = static_cast<const char*>(std::memchr(p, '\n', static_cast<size_t>(end - p)))))
          ++n, ++p;
        return n;
      },
      repeats);
  std::vector<uint64_t> lines(4096), delimiters(4096);
  report(
      "CSV scan alone", csv.size(),
      [&] {
        bool quoted = false;
        for (size_t at = 0; at + 4096 * 64 <= csv.size(); at += 4096 * 64)
          quoted =
              scan_csv(csv.data() + at, 4096 * 64, ',', quoted, lines.data(), delimiters.data())
                  .in_quotes;
        return uint64_t{quoted};
      },
      repeats);
}

void csv_reads(const std::string& csv, const std::string& csv_path, int repeats) {
  option_map header{{"header", "true"}, {"null_text", "NA"}};
  auto i32 = [](const char* n) { return field{n, type_id::int32, true}; };
  report(
      "CSV 0 of 19 columns", csv.size(), [&] { return read(spec_of(csv_path, {}, header)); },
      repeats);
  report(
      "CSV 3 of 19 columns (int text int)", csv.size(),
      [&] {
        return read(spec_of(csv_path, {i32("dep_delay"), str("carrier"), i32("flight")}, header));
      },
      repeats);
  report(
      "CSV 3 of 19 columns (int text timestamp)", csv.size(),
      [&] {
        return read(spec_of(
            csv_path, {i32("dep_delay"), str("origin"), {"time_hour", type_id::timestamp, true}},
            header));
      },
      repeats);
  report(
      "CSV 19 of 19 columns", csv.size(),
      [&] {
        std::vector<field> all;
        for (auto n : {"year", "month", "day", "dep_time", "sched_dep_time", "dep_delay",
                       "arr_time", "sched_arr_time", "arr_delay"})
          all.push_back(i32(n));
        all.push_back(str("carrier"));
        all.push_back(i32("flight"));
        for (auto n : {"tailnum", "origin", "dest"}) all.push_back(str(n));
        for (auto n : {"air_time", "distance", "hour", "minute"}) all.push_back(i32(n));
        all.push_back({"time_hour", type_id::timestamp, true});
        return read(spec_of(csv_path, all, header));
      },
      repeats);
}

}  // namespace

int main(int argc, char** argv) {
  size_t bytes = (argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 64) << 20;
  int repeats = argc > 2 ? std::atoi(argv[2]) : 5;
  auto folder =
      std::filesystem::temp_directory_path() / ("weir-bench-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  auto save = [&](const char* name, const std::string& text) {
    std::ofstream(folder / name, std::ios::binary) << text;
    return (folder / name).string();
  };
  auto csv = flights_like(bytes);
  auto csv_path = save("f.csv", csv);
  std::printf("# seed %llu, one thread, batches of 8192 rows, best of %d, thread CPU time\n",
              static_cast<unsigned long long>(seed), repeats);
  std::printf("workload,mib,mb_per_s,million_rows_per_s\n");
  baselines(csv, repeats);
  csv_reads(csv, csv_path, repeats);
  auto text = text_like(bytes);
  auto text_path = save("t.txt", text);
  report(
      "raw lines", text.size(),
      [&] {
        return read(spec_of(text_path, {str("line")}, {{"format", "raw"}}));
      },
      repeats);
  auto json = json_like(bytes);
  auto json_path = save("t.json", json);
  report(
      "JSON 3 of 6 members", json.size(),
      [&] {
        return read(spec_of(
            json_path,
            {str("carrier"), {"dep_delay", type_id::int32, true}, {"flight", type_id::int32, true}},
            {{"format", "json"}}));
      },
      repeats);
  std::filesystem::remove_all(folder);
  return 0;
}
