#include "tests/cluster/sim_job.hpp"

#include <algorithm>
#include <map>
#include <sstream>
#include <stdexcept>

#include "jobs/yaml/job.hpp"
#include "tests/actors/counting_job.hpp"

namespace weir::sim {
namespace {

constexpr int64_t rows = 120, keys = 7, rows_per_second = 80;

std::vector<std::string> lines_in(file_system& files, const std::string& folder) {
  std::vector<std::string> out;
  const auto found = files.list(folder);
  if (!found) return out;
  for (const auto& f : *found) {
    if (!f.path.ends_with(".csv")) continue;
    std::istringstream in(*read_whole_file(files, f.path));
    for (std::string line; std::getline(in, line);) out.push_back(line);
  }
  std::sort(out.begin(), out.end());
  return out;
}

/// Which lines are missing and which are there too often; empty: none.
std::string difference(const std::string& sink, const std::vector<std::string>& wanted,
                       const std::vector<std::string>& got) {
  if (got == wanted) return "";
  std::vector<std::string> missing, extra;
  std::set_difference(wanted.begin(), wanted.end(), got.begin(), got.end(),
                      std::back_inserter(missing));
  std::set_difference(got.begin(), got.end(), wanted.begin(), wanted.end(),
                      std::back_inserter(extra));
  std::string text = sink + ":";
  for (const auto& l : missing) text += " -" + l;
  for (const auto& l : extra) text += " +" + l;
  return text;
}

}  // namespace

physical_plan counting_job(const std::string& out) {
  const auto text = test::counting_job_text("counting", out, rows, keys, rows_per_second);
  jobs::job_settings settings;
  settings.default_parallelism = 3;
  auto job = jobs::load_job_text(jobs::read_yaml, text, "counting.yaml", ".", settings);
  if (!job) throw std::runtime_error(job.err().message);
  return std::move(job->plan);
}

std::vector<std::string> differences(file_system& files, const std::string& out) {
  std::vector<std::string> every, sums;
  std::map<int64_t, std::pair<int64_t, int64_t>> by_key;
  for (int64_t n = 1; n <= rows; ++n) {
    every.push_back(std::to_string(n));
    ++by_key[n % keys].first;
    by_key[n % keys].second += n;
  }
  for (const auto& [k, s] : by_key)
    sums.push_back(std::to_string(k) + "," + std::to_string(s.first) + "," +
                   std::to_string(s.second));
  std::sort(every.begin(), every.end());
  std::sort(sums.begin(), sums.end());
  std::vector<std::string> found{difference("every", every, lines_in(files, out + "/every")),
                                 difference("sums", sums, lines_in(files, out + "/sums"))};
  std::erase(found, "");
  return found;
}

}  // namespace weir::sim
