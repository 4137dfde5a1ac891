// Opening after a clean stop (from its record) and after any other (from the files); the record.
#include <algorithm>
#include <charconv>

#include "runtime/base/crc32c.hpp"
#include "runtime/log/byte_codec.hpp"
#include "runtime/log/compaction.hpp"
#include "runtime/log/log_state.hpp"
#include "runtime/log/recovery.hpp"
#include "runtime/log/segment_swap.hpp"

namespace weir {
namespace {

constexpr uint32_t summary_version = 1;
constexpr uint64_t clean_stop_magic = 0x31504f5453524557;  // "WERSTOP1"
/// 10,000 partitions with full indexes would have 160 MiB; beyond this recovery is the better way.
constexpr uint64_t clean_stop_bytes_max = uint64_t{512} << 20;

std::string_view name_of(const std::string& path) {
  return std::string_view(path).substr(path.find_last_of('/') + 1);
}

/// The offset in the file that DeleteRecords and retention leave behind; 0 without one.
result<int64_t> read_start(file_system& files, const std::string& path) {
  auto text = read_whole_file(files, path, 100);
  if (!text) {
    if (text.err().code == errc::not_found) return int64_t{0};
    return std::move(text).err();
  }
  int64_t offset = 0;
  auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), offset);
  if (ec != std::errc() || offset < 0 || std::string_view(end) != "\n")
    return error{errc::corrupt, "'" + path +
                                    "' holds no offset; remove it to start at the first "
                                    "segment"};
  return offset;
}

}  // namespace

result<std::unique_ptr<partition_log>> partition_log::open(file_cache& cache, log_id id,
                                                           std::string folder, log_config config,
                                                           log_open_options options) {
  auto s = std::make_unique<state>(cache, id, std::move(folder), config, options.owner);
  status opened;
  // A summary that does not decode is no summary.
  if (options.clean_summary.empty() || !s->open_clean(options.clean_summary)) {
    s->segments.clear();
    opened = s->recover(options);
  }
  if (!opened) return opened.err().at("partition log '" + s->folder + "'");
  s->staged_end = s->end_offset;
  s->written_start->store(s->start_offset);
  return std::unique_ptr<partition_log>(new partition_log(std::move(s)));
}

status partition_log::state::recover(const log_open_options& o) {
  auto listed = files().list(folder);
  if (!listed) {
    if (listed.err().code != errc::not_found) return std::move(listed).err();
    listed = std::vector<file_info>();
  }
  WEIR_TRY(finish_swaps(files(), folder, *listed));
  WEIR_ASSIGN(start_offset, read_start(files(), start_path()));
  std::vector<int64_t> bases;
  for (const auto& f : *listed)
    if (auto base = parse_segment_name(name_of(f.path), ".log")) bases.push_back(*base);
  std::sort(bases.begin(), bases.end());
  bool stays = true;
  for (size_t i = 0; i < bases.size(); ++i) {
    const bool last = i + 1 == bases.size();
    if (!stays) {  // behind a torn tail: never acknowledged; or behind damage
      if (auto info = files().stat(segment_path(bases[i])); info && report.lost.empty())
        report.cut_bytes += info->size;
      WEIR_TRY(remove_segment_files(bases[i]));
    } else if (!last && bases[i + 1] <= start_offset) {  // removal was decided and not finished
      WEIR_TRY(remove_segment_files(bases[i]));
    } else {
      WEIR_ASSIGN(stays,
                  recover_segment(o, bases[i], last ? std::nullopt : std::optional(bases[i + 1])));
    }
  }
  if (!stays) WEIR_TRY(files().sync_directory(folder));
  return finish_recovery(o);
}

status partition_log::state::remove_segment_files(int64_t base) {
  WEIR_TRY(files().remove(index_path(segment_path(base))));
  return files().remove(segment_path(base));
}

result<bool> partition_log::state::recover_segment(const log_open_options& o, int64_t base,
                                                   std::optional<int64_t> next_base) {
  auto& seg = add_segment(base, 0);
  std::optional<saved_index> closed;  // its index, if it fits its file and what follows
  if (next_base) {
    auto saved = read_index(files(), index_path(seg.file->path()));
    auto info = files().stat(seg.file->path());
    if (saved && info && saved->facts.base_offset == base && saved->facts.bytes <= info->size &&
        saved->facts.end_offset == *next_base)
      closed = *std::move(saved);
  }
  // Acknowledged as a whole: what is in front of the commit point's segment. A log without a point
  // has acknowledged nothing (group_commit writes it first), or it is being begun anew, or the
  // points were lost: then it is what was closed.
  const bool acknowledged = o.committed ? base < o.committed->segment_base : closed.has_value();
  const bool holds_point = o.committed && base == o.committed->segment_base;
  segment_check c{cache, seg.file, base};
  c.index_interval = config.index_interval_bytes;
  c.end_at_damage = o.end_at_damage;
  if (acknowledged) {
    c.committed_bytes = UINT64_MAX;
    c.committed_end = next_base ? *next_base : o.committed->end_offset;
  } else if (holds_point) {
    c.committed_bytes = o.committed->position;
    c.committed_end = o.committed->end_offset;
    // What was acknowledged without a sync may have holes anywhere, up to the last file that was
    // closed.
    if (config.sync)
      c.verify_from = c.committed_bytes - std::min(c.committed_bytes, o.verify_bytes);
  }
  if (acknowledged && closed) {
    if (o.verify_bytes != UINT64_MAX) {
      adopt(seg, std::move(closed->facts), std::move(closed->index), next_base);
      return true;
    }
    c.committed_bytes = closed->facts.bytes;  // a gap behind it is known
  }
  const size_t lost_before = report.lost.size();
  WEIR_ASSIGN(auto found, check_segment(c, report));
  bool stays = next_base.has_value() && !found.ends_early;
  // Behind the commit point the next segment has to begin where this one ends; otherwise a torn
  // write is between them.
  if (stays && !acknowledged)
    stays = std::max(found.facts.end_offset, c.committed_end.value_or(0)) == *next_base;
  if (stays) {
    found.facts.end_offset = *next_base;
    // Durable when it has to say that a gap is known.
    if (report.lost.size() == lost_before)
      WEIR_TRY(write_index(files(), index_path(seg.file->path()), found.facts, found.index));
    else
      WEIR_TRY(atomic_write_file(files(), index_path(seg.file->path()),
                                 encode_index(found.facts, found.index)));
    ++report.indexes_rebuilt;
  }
  adopt(seg, std::move(found.facts), std::move(found.index), stays ? next_base : std::nullopt);
  return stays;
}

void partition_log::state::adopt(log_segment& seg, segment_facts facts, segment_index index,
                                 std::optional<int64_t> next_base) {
  seg.bytes = seg.staged_bytes = facts.bytes;
  seg.end_offset = next_base.value_or(facts.end_offset);
  seg.max_timestamp = seg.staged_max_timestamp = facts.max_timestamp;
  seg.max_timestamp_offset = facts.max_timestamp_offset;
  seg.holes = std::move(facts.holes);
  seg.index = std::make_shared<segment_index>(std::move(index));
  if (!next_base) return;
  seg.file->cache_index(std::exchange(seg.index, nullptr));
  seg.sealed = true;
}

status partition_log::state::finish_recovery(const log_open_options& o) {
  end_offset = segments.empty() ? start_offset : segments.back().end_offset;
  const int64_t acknowledged = std::max(o.committed ? o.committed->end_offset : 0, start_offset);
  // A single segment that is empty and begins behind all that was acknowledged is a trace of writes
  // that failed: the log does not begin there.
  if (segments.size() == 1 && segments.front().bytes == 0 && segments.front().base > acknowledged) {
    WEIR_TRY(remove_segment_files(segments.front().base));
    WEIR_TRY(files().sync_directory(folder));
    segments.clear();
    end_offset = start_offset;
  }
  if (o.end_at_damage) return end_at_damage(acknowledged);
  if (acknowledged > end_offset) {
    if (segments.empty()) {
      report.lost.push_back({end_offset, acknowledged - 1, "", "'" + folder + "' has no segments"});
      start_offset = acknowledged;
    } else {
      // Offsets that were given out are not given out again: the log goes on behind them.
      auto& last = segments.back();
      last.end_offset = acknowledged;
      WEIR_TRY(atomic_write_file(files(), index_path(last.file->path()),
                                 encode_index(last.facts(), *last.index)));
      last.file->cache_index(std::exchange(last.index, nullptr));
      last.sealed = true;
      add_segment(acknowledged, 0);
    }
    end_offset = acknowledged;
  }
  if (!segments.empty()) start_offset = std::max(start_offset, segments.front().base);
  return {};
}

/// The log ends where it is whole.
status partition_log::state::end_at_damage(int64_t acknowledged) {
  // Where it begins is written down before the segments in front of that go: if there is none for
  // its beginning, that is lost, and with it all that is behind. Or nothing is left that is wanted.
  if (end_offset < start_offset || (!segments.empty() && segments.front().base > start_offset)) {
    for (const auto& seg : segments) WEIR_TRY(remove_segment_files(seg.base));
    // One that comes back after a crash would follow what is written from here on.
    WEIR_TRY(files().sync_directory(folder));
    segments.clear();
    end_offset = start_offset;
  }
  if (acknowledged <= end_offset) return {};
  if (report.lost.empty())
    report.lost.push_back(
        {end_offset, 0, "", "'" + folder + "' ends in front of its commit point"});
  report.lost.back().last_offset = acknowledged - 1;
  return {};
}

// ---- The record of a clean stop. ----

std::string partition_log::summary() const {
  const auto& s = *s_;
  weir_assert(s.pending.empty(), "a log is summarised when nothing is under way");
  byte_writer w;
  w.put(summary_version);
  w.put(s.start_offset);
  w.put(s.end_offset);
  w.put(s.cleaned_end);
  w.put(static_cast<uint32_t>(s.segments.size()));
  for (const auto& seg : s.segments) {
    w.put(seg.created_ms);
    w.put(static_cast<uint8_t>(seg.sealed));
    w.put_text(encode_index(seg.facts(), seg.index ? *seg.index : segment_index()));
  }
  return std::move(w.text());
}

status partition_log::state::open_clean(std::string_view text) {
  const error bad(errc::corrupt, "the summary of a clean stop does not decode");
  byte_reader r(text);
  if (r.take<uint32_t>() != summary_version) return bad;
  start_offset = r.take<int64_t>();
  end_offset = r.take<int64_t>();
  cleaned_end = r.take<int64_t>();
  const auto count = r.take<uint32_t>();
  for (uint32_t i = 0; i < count && r.ok(); ++i) {
    const auto created_ms = r.take<int64_t>();
    const bool sealed = r.take<uint8_t>() != 0;
    auto saved = decode_index(r.take_text());
    if (!r.ok() || !saved) return bad;
    auto& seg = add_segment(saved->facts.base_offset, created_ms);
    const int64_t end = saved->facts.end_offset;
    adopt(seg, std::move(saved->facts), std::move(saved->index), std::nullopt);
    seg.end_offset = end;
    seg.sealed = sealed;
    if (sealed) seg.index.reset();  // in its file
  }
  if (!r.ok() || r.left() != 0) return bad;
  report.clean = true;
  return {};
}

status write_clean_stop(file_system& files, const std::string& path,
                        std::span<const clean_partition> partitions) {
  byte_writer w;
  w.put(clean_stop_magic);
  w.put(uint32_t{0});  // checksum of all that follows
  w.put(static_cast<uint64_t>(partitions.size()));
  for (const auto& p : partitions) {
    w.put(p.id.topic);
    w.put(p.id.partition);
    w.put_text(p.summary);
    w.put_text(p.extra);
  }
  std::string out = std::move(w.text());
  const uint32_t crc = crc32c(std::as_bytes(std::span(out).subspan(12)));
  std::memcpy(out.data() + 8, &crc, sizeof crc);
  return atomic_write_file(files, path, out);
}

result<std::vector<clean_partition>> take_clean_stop(file_system& files, const std::string& path) {
  auto bytes = read_whole_file(files, path, clean_stop_bytes_max);
  if (!bytes && bytes.err().code == errc::not_found) return std::vector<clean_partition>();
  // Gone for good before anything is written, whatever it held.
  WEIR_TRY(files.remove(path));
  WEIR_TRY(files.sync_directory(parent_directory(path)));
  std::vector<clean_partition> out;
  if (!bytes || bytes->size() < 12) return out;
  byte_reader r(*bytes);
  const auto magic = r.take<uint64_t>();
  const auto crc = r.take<uint32_t>();
  if (magic != clean_stop_magic || crc != crc32c(std::as_bytes(std::span(*bytes).subspan(12))))
    return out;
  const auto count = r.take<uint64_t>();
  for (uint64_t i = 0; i < count && r.ok(); ++i) {
    clean_partition p;
    p.id.topic = r.take<std::array<uint8_t, 16>>();
    p.id.partition = r.take<int32_t>();
    p.summary = r.take_text();
    p.extra = r.take_text();
    out.push_back(std::move(p));
  }
  if (!r.ok()) out.clear();
  return out;
}

}  // namespace weir
