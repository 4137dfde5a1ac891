#include "runtime/connectors/part_files.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <tuple>

#include "runtime/connectors/split_codec.hpp"

namespace weir {
namespace {

// 2: parts may lie in partitions, and several may be open. 3: outdated paths.
constexpr uint64_t blob_version = 3;
constexpr std::string_view hidden_suffix = ".inprogress";
constexpr size_t copy_bytes = 1u << 20;  // at a time

uint64_t hash_of(std::string_view s) {  // FNV-1a, and its bits spread: names last for ever
  uint64_t h = 14695981039346656037ull;
  for (unsigned char c : s) h = (h ^ c) * 1099511628211ull;
  h ^= h >> 32;
  return h * 0x9E3779B97F4A7C15ull;
}

std::string hex(uint64_t v, size_t chars) {
  char b[17];
  std::snprintf(b, sizeof b, "%016llx", static_cast<unsigned long long>(v));
  return std::string(b, chars);
}

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

bool take_number(std::string_view& s, uint64_t& v) {
  auto [p, ec] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (ec != std::errc()) return false;
  s.remove_prefix(static_cast<size_t>(p - s.data()));
  return true;
}

/// A folder of partitions from a snapshot that may be damaged: COLUMN=VALUE, nothing else.
bool is_partition(std::string_view path) {
  if (path.empty()) return true;
  for (size_t at = 0; at <= path.size();) {
    auto end = std::min(path.find('/', at), path.size());
    auto name = path.substr(at, end - at);
    if (name.find('=') == std::string_view::npos || name.starts_with('.')) return false;
    at = end + 1;
  }
  return true;
}

/// All folders that parts may lie in: the sink's own, and those of `levels` levels of partitions.
result<std::vector<std::string>> part_folders(file_system& files, const std::string& folder,
                                              size_t levels) {
  std::vector<std::string> all{""};
  for (size_t first = 0; levels > 0; --levels) {
    const auto end = all.size();
    for (; first < end; ++first) {
      WEIR_ASSIGN(auto names, files.folders(folder_of(folder, all[first])));
      for (const auto& name : names)
        if (is_partition(name)) all.push_back(all[first].empty() ? name : all[first] + "/" + name);
    }
  }
  return all;
}

std::string partition_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}
/// Published or in progress, of any sink.
bool is_a_part(std::string_view name) {
  return part_name::parse(name).has_value() ||
         (name.starts_with(".part-") && name.ends_with(hidden_suffix));
}

bool exists(file_system& files, const std::string& path) {
  return files.stat(path).ok();
}

result<std::vector<std::string>> names_in(file_system& files, const std::string& folder) {
  WEIR_ASSIGN(auto entries, files.list(folder));
  std::vector<std::string> names;
  for (const auto& e : entries) names.push_back(base_name(e.path));
  return names;
}

}  // namespace

std::string part_name::text() const {
  return "part-" + tag + "-" + std::to_string(subtask) + "-" + std::to_string(epoch) + "-" +
         std::to_string(number) + "." + extension;
}

std::optional<part_name> part_name::parse(std::string_view s) {
  part_name p;
  if (!s.starts_with("part-")) return std::nullopt;
  s.remove_prefix(5);
  auto dash = s.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  p.tag = s.substr(0, dash);
  s.remove_prefix(dash);
  uint64_t numbers[3];
  for (auto& n : numbers) {
    if (!s.starts_with('-')) return std::nullopt;
    s.remove_prefix(1);
    if (!take_number(s, n)) return std::nullopt;
  }
  if (!s.starts_with('.')) return std::nullopt;
  p.subtask = static_cast<uint32_t>(numbers[0]);
  p.epoch = numbers[1];
  p.number = numbers[2];
  p.extension = s.substr(1);
  if (p.extension != "csv" && p.extension != "json") return std::nullopt;
  return p;
}

result<std::vector<std::string>> table_files(file_system& files, const std::string& folder) {
  const auto hidden = [](std::string_view name) {
    return name.starts_with('.') || name.starts_with('_');
  };
  WEIR_ASSIGN(auto entries, files.list(folder));
  std::erase_if(entries, [&](const file_info& e) { return hidden(base_name(e.path)); });
  WEIR_ASSIGN(auto folders, files.folders(folder));
  for (const auto& name : folders)
    if (!hidden(name) && (entries.empty() || name.find('=') != std::string::npos))
      return error{errc::invalid_argument, folder + " has folders (" + name +
                                               "), whose files are not read; name the columns that "
                                               "they stand for in partition_by, or the files by a "
                                               "pattern (" +
                                               folder + "/*/*)"};
  std::map<std::string, int64_t> began;  // by run
  using place = std::tuple<bool, int64_t, std::string, uint64_t, uint64_t, uint64_t, std::string>;
  std::vector<place> places;
  for (const auto& e : entries)
    if (const auto part = part_name::parse(base_name(e.path))) {
      auto& first = began.emplace(part->tag, e.modified_us).first->second;
      first = std::min(first, e.modified_us);
    }
  for (const auto& e : entries) {
    const auto part = part_name::parse(base_name(e.path));
    if (part)
      places.emplace_back(false, began[part->tag], part->tag, part->epoch, part->subtask,
                          part->number, e.path);
    else
      places.emplace_back(true, 0, "", 0, 0, 0, e.path);
  }
  std::sort(places.begin(), places.end());
  std::vector<std::string> out;
  for (auto& p : places) out.push_back(std::move(std::get<6>(p)));
  return out;
}

std::string part_tag(std::string_view operator_id, std::string_view attempt) {
  return hex(hash_of(operator_id), part_tag_operator_chars) + hex(hash_of(attempt), 6);
}

std::string folder_of(const std::string& sink, const std::string& partition) {
  return partition.empty() ? sink : sink + "/" + partition;
}

status make_partition(file_system& files, const std::string& folder, const std::string& partition) {
  WEIR_TRY(files.create_directories(folder_of(folder, partition)));
  for (size_t at = 0; at < partition.size();) {  // the names of folders are made durable as well
    WEIR_TRY(files.sync_directory(folder_of(folder, partition.substr(0, at ? at - 1 : 0))));
    at = std::min(partition.find('/', at), partition.size()) + 1;
  }
  return {};
}

std::string parts_snapshot::encode() const {
  payload_writer w;
  w.u64(blob_version).u64(number).text(tag).text(extension).u64(subtask).u64(next_part);
  auto put = [&](const part_file& p) {
    w.text(p.hidden).text(p.partition).u64(p.subtask).u64(p.number).u64(p.epoch).u64(p.bytes);
  };
  w.u64(closed.size());
  for (const auto& p : closed) put(p);
  w.u64(open.size());
  for (const auto& p : open) put(p);
  w.u64(outdated.size());
  for (const auto& path : outdated) w.text(path);
  return w.take();
}

result<parts_snapshot> parts_snapshot::decode(std::string_view bytes) {
  payload_reader r(bytes);
  parts_snapshot s;
  uint64_t version = r.u64();
  s.number = r.u64();
  s.tag = r.text();
  s.extension = r.text();
  s.subtask = static_cast<uint32_t>(r.u64());
  s.next_part = r.u64();
  auto get = [&] {
    part_file p;
    p.hidden = r.text();
    if (version > 1) p.partition = r.text();
    p.subtask = static_cast<uint32_t>(r.u64());
    p.number = r.u64();
    p.epoch = r.u64();
    p.bytes = r.u64();
    return p;
  };
  for (uint64_t n = r.u64(); n > 0 && r.ok(); --n) s.closed.push_back(get());
  for (uint64_t n = r.u64(); n > 0 && r.ok(); --n) s.open.push_back(get());
  if (version > 2)
    for (uint64_t n = r.u64(); n > 0 && r.ok(); --n) s.outdated.push_back(r.text());
  bool names_fine =
      s.tag.find('/') == std::string::npos && s.extension.find('/') == std::string::npos;
  for (const auto* parts : {&s.closed, &s.open})
    for (const auto& p : *parts)
      names_fine &= p.hidden.find('/') == std::string::npos && is_partition(p.partition);
  for (const auto& path : s.outdated)
    names_fine &= is_partition(partition_of(path)) && is_a_part(base_name(path));
  if (!r.at_end() || version < 1 || version > blob_version || !names_fine)
    return {errc::corrupt, "a file sink's parts in the snapshot are damaged"};
  return s;
}

std::string parts_snapshot::final_name(const part_file& p) const {
  return part_name{tag, p.subtask, p.epoch, p.number, extension}.text();
}

status publish_parts(file_system& files, const std::string& sink, const parts_snapshot& parts) {
  std::set<std::string> changed;
  for (const auto& p : parts.closed) {
    auto folder = folder_of(sink, p.partition);
    std::string from = folder + "/" + p.hidden, to = folder + "/" + parts.final_name(p);
    changed.insert(std::move(folder));
    auto info = files.stat(from);
    if (!info) {
      // Renamed by an earlier try (and perhaps already fetched away by a reader).
      if (info.err().code == errc::not_found) continue;
      return std::move(info).err();
    }
    // The same fact twice: what the snapshot promised is what is there.
    if (info->size != p.bytes)
      return {errc::corrupt, from + " has " + std::to_string(info->size) +
                                 " bytes, the snapshot says " + std::to_string(p.bytes) +
                                 "; it was changed by someone else"};
    WEIR_TRY(files.rename(from, to));
  }
  for (const auto& folder : changed) WEIR_TRY(files.sync_directory(folder));
  return {};
}

namespace {

/// The subtask in ".part-TAG-SUBTASK-NUMBER.ATTEMPT.inprogress" of one of the sink's runs.
std::optional<uint64_t> writer_of_hidden(std::string_view name, const std::string& operator_chars) {
  if (!name.starts_with(".part-" + operator_chars) || !name.ends_with(hidden_suffix))
    return std::nullopt;
  name.remove_prefix(std::string_view(".part-").size());
  auto dash = name.find('-');
  uint64_t subtask = 0;
  if (dash == std::string_view::npos) return std::nullopt;
  name.remove_prefix(dash + 1);
  if (!take_number(name, subtask)) return std::nullopt;
  return subtask;
}

}  // namespace

result<std::vector<std::string>> find_outdated(file_system& files, const std::string& sink,
                                               const part_cleanup& c) {
  std::vector<std::string> found;
  auto mine = [&c](uint64_t subtask) { return subtask % c.parallelism == c.subtask; };
  auto outdated = [&](const std::string& name) {
    if (auto writer = writer_of_hidden(name, c.operator_chars))
      return mine(*writer) && !name.ends_with("." + c.attempt + std::string(hidden_suffix));
    const auto p = part_name::parse(name);
    if (!p || !mine(p->subtask)) return false;
    if (c.tag.empty()) return c.existing == existing_parts::replace;
    // Of an epoch that is newer than the one the job continues from (its snapshot was damaged): its
    // rows will be written again.
    return p->tag == c.tag && p->epoch > c.restored;
  };
  WEIR_ASSIGN(auto partitions, part_folders(files, sink, c.levels));
  for (const auto& partition : partitions) {
    WEIR_ASSIGN(auto names, names_in(files, folder_of(sink, partition)));
    for (auto& name : names)
      if (outdated(name)) found.push_back(partition.empty() ? name : partition + "/" + name);
  }
  return found;
}

status remove_outdated(file_system& files, const std::string& sink,
                       const std::vector<std::string>& paths) {
  std::set<std::string> changed;
  for (const auto& path : paths) {
    if (!exists(files, sink + "/" + path)) continue;  // removed by an earlier try
    WEIR_TRY(files.remove(sink + "/" + path));
    changed.insert(folder_of(sink, partition_of(path)));
  }
  for (const auto& folder : changed) WEIR_TRY(files.sync_directory(folder));
  return {};
}

status recover_open(file_system& files, const std::string& sink, const parts_snapshot& s,
                    const part_file& part, const std::string& to) {
  if (part.bytes == 0) return {};
  const auto folder = folder_of(sink, part.partition);
  std::string from = folder + "/" + part.hidden;
  if (!exists(files, from)) {
    // It may have been closed and published after the restored epoch.
    WEIR_ASSIGN(auto names, names_in(files, folder));
    for (const auto& name : names) {
      auto p = part_name::parse(name);
      if (!p || p->tag != s.tag || p->subtask != part.subtask || p->number != part.number) continue;
      if (p->epoch > s.number) from = folder + "/" + name;
    }
  }
  auto source = files.open_read(from);
  if (!source) return source.err().at("the part that the snapshot left open is gone");
  WEIR_ASSIGN(auto copy, files.open_append(folder + "/" + to));
  if (copy->size()) WEIR_TRY(copy->truncate(0));
  std::vector<std::byte> piece(copy_bytes);
  for (uint64_t at = 0; at < part.bytes;) {
    const auto wanted = std::min<uint64_t>(piece.size(), part.bytes - at);
    WEIR_ASSIGN(auto n, (*source)->read(at, std::span(piece).first(wanted)));
    if (n == 0)
      return {errc::corrupt,
              from + ": shorter than the snapshot says; it was changed by someone else"};
    WEIR_TRY(copy->append(std::span(piece).first(n)));
    at += n;
  }
  WEIR_TRY(copy->sync());
  WEIR_TRY(copy->close());
  return files.sync_directory(folder);
}

status prepare_folder(file_system& files, const std::string& sink, existing_parts policy,
                      size_t levels) {
  WEIR_TRY(files.create_directories(sink));
  if (policy != existing_parts::fail) return {};
  WEIR_ASSIGN(auto partitions, part_folders(files, sink, levels));
  for (const auto& partition : partitions) {
    auto folder = folder_of(sink, partition);
    WEIR_ASSIGN(auto names, names_in(files, folder));
    std::erase_if(names, [](const std::string& n) { return !part_name::parse(n); });
    if (names.empty()) continue;
    return {errc::already_exists, folder + " holds " + std::to_string(names.size()) +
                                      " parts of an earlier run: remove them, or set existing = "
                                      "'replace' or 'keep'"};
  }
  return {};
}

}  // namespace weir
