#include "runtime/log/segment_swap.hpp"

#include <optional>
#include <utility>

#include "runtime/log/log_state.hpp"
#include "runtime/log/segment_index.hpp"

namespace weir {
namespace {

constexpr std::string_view cleaned_suffix = ".cleaned";
constexpr std::string_view swap_suffix = ".swap";

std::string swap_path(const std::string& folder, int64_t base, int64_t end) {
  return folder + "/" + segment_name(base) + "-" + segment_name(end) + std::string(swap_suffix);
}

std::string_view name_of(const std::string& path) {
  return std::string_view(path).substr(path.find_last_of('/') + 1);
}

std::optional<std::pair<int64_t, int64_t>> parse_swap(std::string_view name) {
  if (name.size() != 41 + swap_suffix.size() || !name.ends_with(swap_suffix)) return std::nullopt;
  auto base = parse_segment_name(name.substr(0, 21), "-");
  auto end = parse_segment_name(name.substr(21), swap_suffix);
  if (!base || !end || *end <= *base) return std::nullopt;
  return std::pair(*base, *end);
}

status remove_segments(file_system& files, const std::vector<file_info>& listed, int64_t base,
                       int64_t end) {
  for (const auto& f : listed) {
    auto b = parse_segment_name(name_of(f.path), ".log");
    if (!b || *b < base || *b >= end) continue;
    WEIR_TRY(files.remove(index_path(f.path)));
    WEIR_TRY(files.remove(f.path));
  }
  return {};
}

}  // namespace

std::string cleaned_path(const std::string& folder, int64_t base, uint64_t job) {
  return folder + "/" + segment_name(base) + "-" + std::to_string(job) +
         std::string(cleaned_suffix);
}

status swap_segments(file_system& files, const std::string& folder, int64_t base, int64_t end,
                     segment_file& cleaned, const std::vector<segment_file_ptr>& old) {
  WEIR_TRY(cleaned.rename(swap_path(folder, base, end)));
  WEIR_TRY(files.sync_directory(folder));
  for (const auto& f : old) {
    WEIR_TRY(files.remove(index_path(f->path())));
    WEIR_TRY(f->remove());
  }
  // And what an earlier swap that failed half-way has left of the same offsets.
  WEIR_ASSIGN(auto listed, files.list(folder));
  WEIR_TRY(remove_segments(files, listed, base, end));
  WEIR_TRY(cleaned.rename(folder + "/" + segment_name(base) + ".log"));
  return files.sync_directory(folder);
}

status finish_swaps(file_system& files, const std::string& folder, std::vector<file_info>& listed) {
  std::vector<std::pair<int64_t, int64_t>> swaps;
  bool changed = false;
  for (const auto& f : listed) {
    const auto name = name_of(f.path);
    if (name.ends_with(cleaned_suffix)) {
      WEIR_TRY(files.remove(f.path));
      changed = true;
    } else if (auto swap = parse_swap(name)) {
      swaps.push_back(*swap);
    }
  }
  for (const auto& [base, end] : swaps) {
    WEIR_TRY(remove_segments(files, listed, base, end));
    WEIR_TRY(
        files.rename(swap_path(folder, base, end), folder + "/" + segment_name(base) + ".log"));
    changed = true;
  }
  if (!changed) return {};
  WEIR_TRY(files.sync_directory(folder));
  WEIR_ASSIGN(listed, files.list(folder));
  return {};
}

}  // namespace weir
