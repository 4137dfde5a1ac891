// Splits of connector file and stdin. A large plain file is cut into byte ranges whose size depends
// on the file alone, so that a job that continues at another parallelism finds the same splits.
#include <bit>

#include "runtime/connectors/csv_scan.hpp"
#include "runtime/connectors/file_partitions.hpp"
#include "runtime/connectors/file_reader.hpp"
#include "runtime/connectors/file_split.hpp"
#include "runtime/connectors/options.hpp"
#include "runtime/connectors/part_files.hpp"

namespace weir {
namespace {

constexpr uint64_t range_bytes_min = 256 * 1024;
// At most this large: a restart reads no range twice, and progress and balance stay fine-grained.
constexpr uint64_t range_bytes_max = 16u << 20;
constexpr uint64_t ranges_wanted = 16;
constexpr size_t scan_block_bytes = 1 << 20;

struct file_settings {
  std::string pattern;
  bool follow = false, csv = true;
  bool in_order = false;  // files are read whole, one after the other
  std::string multiline, compression;
  uint64_t split_size = 0;
};

bool has_wildcard(std::string_view s) {
  return s.find_first_of("*?[") != std::string_view::npos;
}

std::string range_id(const std::string& path, uint64_t begin, uint64_t end) {
  return path + "@" + std::to_string(begin) + "-" + std::to_string(end);
}

class file_enumerator final : public split_enumerator {
 public:
  file_enumerator(file_settings settings, partitioned_source partitions,
                  std::unique_ptr<partition_filter> filter, file_system& files)
      : settings_(std::move(settings)),
        partitions_(std::move(partitions)),
        filter_(std::move(filter)),
        files_(files) {}

  // Ranges that a file was cut into before stay, also when it has grown since.
  void restore(const std::vector<std::string>& seen_ids) override {
    for (const auto& id : seen_ids) {
      auto at = id.rfind('@');
      auto dash = id.rfind('-');
      if (at == std::string::npos || dash == std::string::npos || dash < at) continue;
      option_map numbers{{"begin", id.substr(at + 1, dash - at - 1)}, {"end", id.substr(dash + 1)}};
      auto begin = option_int(numbers, "begin", -1), end = option_int(numbers, "end", -1);
      if (begin && end && *begin >= 0 && *end >= *begin)
        seen_[id.substr(0, at)].emplace_back(*begin, *end);
    }
    for (auto& [path, ranges] : seen_) std::sort(ranges.begin(), ranges.end());
  }

  result<discovery> discover() override {
    discovery d;
    d.bounded = !settings_.follow;
    const bool plain = !has_wildcard(settings_.pattern);
    const bool folder = plain && is_folder(settings_.pattern);
    if (settings_.follow && plain && !folder) {
      file_split s;
      s.what = file_split::kind::follow_name;
      s.path = settings_.pattern;
      WEIR_ASSIGN(const bool wanted, in_wanted_partition(s.path));
      if (wanted) d.splits.push_back({"follow:" + s.path, s.path, s.encode(), 0});
      return d;
    }
    WEIR_ASSIGN(auto paths,
                folder ? table_files(files_, settings_.pattern) : files_.glob(settings_.pattern));
    // A folder may have no rows yet: a sink makes it before it writes some.
    if (paths.empty() && !settings_.follow && !folder)
      return {errc::not_found, "no file matches " + settings_.pattern};
    for (const auto& path : paths) {
      WEIR_TRY([&]() -> status {
        WEIR_ASSIGN(const bool wanted, in_wanted_partition(path));
        if (!wanted) return {};
        auto s = settings_.follow ? add_tail(path, d) : add_ranges(path, d);
        return s;
      }());
    }
    return d;
  }

 private:
  /// Whether the file may have rows that the job wants; an error when its path lacks a partition.
  result<bool> in_wanted_partition(const std::string& path) {
    if (!partitions_.any()) return true;
    WEIR_ASSIGN(auto values, partitions_.values_of(path));
    return filter_->passes(values);
  }

  bool is_folder(const std::string& path) { return files_.folders(path).ok(); }

  status add_tail(const std::string& path, discovery& d) {
    auto info = files_.stat(path);
    if (!info) return {};  // gone between the listing and now
    file_split s;
    s.what = file_split::kind::follow_inode;
    s.path = path;
    s.device = info->device;
    s.inode = info->inode;
    auto id = "follow:" + std::to_string(s.device) + ":" + std::to_string(s.inode);
    d.splits.push_back({id, id, s.encode(), 0});
    return {};
  }

  status add_ranges(const std::string& path, discovery& d) {
    WEIR_ASSIGN(auto info, files_.stat(path));
    file_split s;
    s.path = path;
    s.compression = settings_.compression == "gzip"   ? compression_kind::gzip
                    : settings_.compression == "zstd" ? compression_kind::zstd
                    : settings_.compression == "none" ? compression_kind::none
                                                      : compression_of(path);
    if (s.compression != compression_kind::none) {
      d.splits.push_back({path, path, s.encode(), info.size});
      return {};
    }
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    if (auto it = seen_.find(path); it != seen_.end()) {
      ranges = it->second;
      if (ranges.back().second > info.size)
        return {errc::corrupt, path + ": smaller (" + std::to_string(info.size) +
                                   " bytes) than when the job began to read it; was it replaced?"};
    } else {
      uint64_t size = settings_.in_order     ? std::max<uint64_t>(info.size, 1)
                      : settings_.split_size ? settings_.split_size
                                             : range_size(info.size);
      for (uint64_t begin = 0; begin < info.size || begin == 0; begin += size)
        ranges.emplace_back(begin, std::min(begin + size, info.size));
    }
    bool unclosed = false;
    WEIR_ASSIGN(auto quoted, quotes_before(path, ranges, unclosed));
    // With a quote too many somewhere nobody can say from here where records begin.
    if (unclosed && !seen_.contains(path)) ranges = {{0, info.size}};
    for (size_t i = 0; i < ranges.size(); ++i) {
      std::tie(s.begin, s.end) = ranges[i];
      s.in_quotes = quoted[i];
      d.splits.push_back({range_id(path, s.begin, s.end), path, s.encode(), s.end - s.begin});
    }
    return {};
  }

  static uint64_t range_size(uint64_t bytes) {
    constexpr uint64_t page = 4096;
    uint64_t size = std::clamp(bytes / ranges_wanted, range_bytes_min, range_bytes_max);
    return (size + page - 1) / page * page;
  }

  // For each range whether the byte before its begin lies within quotes: quotes may hold line
  // feeds, and only the number of quotes before a place tells whether it is within them. So a CSV
  // that is cut is read once here (at memory speed when cached); multiline = false saves that.
  // `unclosed`: a quote is open at the end.
  result<std::vector<bool>> quotes_before(const std::string& path,
                                          const std::vector<std::pair<uint64_t, uint64_t>>& ranges,
                                          bool& unclosed) {
    std::vector<bool> inside(ranges.size(), false);
    if (!settings_.csv || settings_.multiline == "false" || ranges.size() < 2) return inside;
    WEIR_ASSIGN(auto file, files_.open_read(path));
    std::vector<std::byte> block(scan_block_bytes);
    uint64_t at = 0, quotes = 0;
    for (size_t i = 1; i <= ranges.size(); ++i) {
      uint64_t until = i < ranges.size() ? ranges[i].first - 1 : ranges.back().second;
      while (at < until) {
        auto part = std::span(block).first(std::min<uint64_t>(block.size(), until - at));
        WEIR_ASSIGN(size_t n, file->read(at, part));
        if (n == 0) return {errc::io, path + ": became shorter while it was read"};
        quotes += count_bytes(reinterpret_cast<const char*>(block.data()), n, '"');
        at += n;
      }
      if (i < ranges.size()) inside[i] = quotes & 1;
    }
    unclosed = quotes & 1;
    return inside;
  }

  file_settings settings_;
  partitioned_source partitions_;
  std::unique_ptr<partition_filter> filter_;
  file_system& files_;
  std::map<std::string, std::vector<std::pair<uint64_t, uint64_t>>> seen_;
};

class stdin_enumerator final : public split_enumerator {
 public:
  result<discovery> discover() override {
    file_split s;
    s.what = file_split::kind::standard_input;
    s.path = "stdin";
    return discovery{{{"stdin", "stdin", s.encode(), 0}}, true};
  }
};

}  // namespace

result<std::unique_ptr<split_enumerator>> make_file_enumerator(const source_spec& spec,
                                                               file_system& files) {
  if (spec.connector == "stdin")
    return std::unique_ptr<split_enumerator>(std::make_unique<stdin_enumerator>());
  file_settings s;
  WEIR_ASSIGN(auto partitions, partitioned_source::open(spec));
  WEIR_ASSIGN(auto filter, partition_filter::open(spec, partitions));
  s.pattern =
      partitions.pattern(resolve_path(spec.base_dir, option_text(spec.options, "path", "")));
  while (s.pattern.size() > 1 && s.pattern.ends_with('/')) s.pattern.pop_back();
  WEIR_ASSIGN(s.follow, option_bool(spec.options, "follow", false));
  const auto format = option_text(spec.options, "format", "csv");
  s.csv = format == "csv";
  WEIR_ASSIGN(const bool keyed, option_bool(spec.options, "keyed", false));
  s.in_order = keyed || format == "upsert_json";
  s.multiline = option_text(spec.options, "multiline", "auto");
  s.compression = option_text(spec.options, "compression", "auto");
  WEIR_ASSIGN(s.split_size, option_size(spec.options, "split_size", 0));
  return std::unique_ptr<split_enumerator>(std::make_unique<file_enumerator>(
      std::move(s), std::move(partitions), std::move(filter), files));
}

}  // namespace weir
