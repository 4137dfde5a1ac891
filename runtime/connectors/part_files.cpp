#include "runtime/connectors/part_files.hpp"

#include <charconv>

#include "runtime/connectors/split_codec.hpp"

namespace weir {
namespace {

constexpr uint64_t blob_version = 1;
constexpr std::string_view hidden_suffix = ".inprogress";

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

std::string part_tag(std::string_view operator_id, std::string_view attempt) {
  return hex(hash_of(operator_id), part_tag_operator_chars) + hex(hash_of(attempt), 6);
}

std::string parts_snapshot::encode() const {
  payload_writer w;
  w.u64(blob_version).u64(number).text(tag).text(extension).u64(subtask).u64(next_part);
  auto put = [&](const part_file& p) {
    w.text(p.hidden).u64(p.subtask).u64(p.number).u64(p.epoch).u64(p.bytes);
  };
  w.u64(closed.size());
  for (const auto& p : closed) put(p);
  w.u64(open ? 1 : 0);
  if (open) put(*open);
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
    p.subtask = static_cast<uint32_t>(r.u64());
    p.number = r.u64();
    p.epoch = r.u64();
    p.bytes = r.u64();
    return p;
  };
  for (uint64_t n = r.u64(); n > 0 && r.ok(); --n) s.closed.push_back(get());
  if (r.u64()) s.open = get();
  bool names_fine =
      s.tag.find('/') == std::string::npos && s.extension.find('/') == std::string::npos;
  for (const auto& p : s.closed) names_fine &= p.hidden.find('/') == std::string::npos;
  if (s.open) names_fine &= s.open->hidden.find('/') == std::string::npos;
  if (!r.at_end() || version != blob_version || !names_fine)
    return {errc::corrupt, "a file sink's parts in the snapshot are damaged"};
  return s;
}

std::string parts_snapshot::final_name(const part_file& p) const {
  return part_name{tag, p.subtask, p.epoch, p.number, extension}.text();
}

status publish_parts(file_system& files, const std::string& folder, const parts_snapshot& parts) {
  if (parts.closed.empty()) return {};
  for (const auto& p : parts.closed) {
    std::string from = folder + "/" + p.hidden, to = folder + "/" + parts.final_name(p);
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
  return files.sync_directory(folder);
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

status remove_leftovers(file_system& files, const std::string& folder, const part_cleanup& c) {
  WEIR_ASSIGN(auto names, names_in(files, folder));
  auto listed = [&](const std::string& name) {
    for (const auto& s : c.snapshots) {
      if (s.open && s.open->hidden == name) return true;
      for (const auto& p : s.closed)
        if (p.hidden == name) return true;
    }
    return false;
  };
  auto stays_open = [&](const part_name& p) {
    for (const auto& s : c.snapshots)
      if (s.open && s.open->subtask == p.subtask && s.open->number == p.number) return true;
    return false;
  };
  auto mine = [&c](uint64_t subtask) { return subtask % c.parallelism == c.subtask; };
  bool removed = false;
  for (const auto& name : names) {
    bool drop = false;
    if (auto writer = writer_of_hidden(name, c.operator_chars)) {
      drop = mine(*writer) && !name.ends_with("." + c.attempt + std::string(hidden_suffix)) &&
             !listed(name);
    } else if (auto p = part_name::parse(name); p && !c.tag.empty() && p->tag == c.tag) {
      // Of an epoch that is newer than the one the job continues from (its snapshot was damaged):
      // its rows will be written again.
      drop = mine(p->subtask) && p->epoch > c.restored && !stays_open(*p);
    }
    if (!drop) continue;
    WEIR_TRY(files.remove(folder + "/" + name));
    removed = true;
  }
  return removed ? files.sync_directory(folder) : status();
}

status recover_open(file_system& files, const std::string& folder, const parts_snapshot& s) {
  if (!s.open) return {};
  std::string path = folder + "/" + s.open->hidden;
  if (!exists(files, path)) {
    // It may have been closed and published after the restored epoch: take it back.
    WEIR_ASSIGN(auto names, names_in(files, folder));
    for (const auto& name : names) {
      auto p = part_name::parse(name);
      if (!p || p->tag != s.tag || p->subtask != s.open->subtask || p->number != s.open->number)
        continue;
      if (p->epoch <= s.number) continue;
      WEIR_TRY(files.rename(folder + "/" + name, path));
      break;
    }
  }
  auto info = files.stat(path);
  if (!info) {
    if (info.err().code == errc::not_found && s.open->bytes == 0) return {};
    return info.err().at("the part that the snapshot left open is gone");
  }
  if (s.open->bytes == 0) {
    return files.remove(path);
  }
  if (info->size < s.open->bytes)
    return {errc::corrupt,
            path + ": shorter than the snapshot says; it was changed by someone else"};
  WEIR_ASSIGN(auto file, files.open_append(path));
  if (info->size > s.open->bytes) WEIR_TRY(file->truncate(s.open->bytes));
  WEIR_TRY(file->sync());
  return file->close();
}

status prepare_folder(file_system& files, const std::string& folder, existing_parts policy) {
  WEIR_TRY(files.create_directories(folder));
  if (policy == existing_parts::keep) return {};
  WEIR_ASSIGN(auto names, names_in(files, folder));
  std::erase_if(names, [](const std::string& n) { return !part_name::parse(n); });
  if (names.empty()) return {};
  if (policy == existing_parts::fail)
    return {errc::already_exists, folder + " holds " + std::to_string(names.size()) +
                                      " parts of an earlier run: remove them, or set existing = "
                                      "'replace' or 'keep'"};
  for (const auto& name : names) WEIR_TRY(files.remove(folder + "/" + name));
  return files.sync_directory(folder);
}

}  // namespace weir
