#include "runtime/log/recovery.hpp"

#include <algorithm>
#include <array>

#include "runtime/base/crc32c.hpp"
#include "runtime/log/batch_walk.hpp"
#include "runtime/log/varint.hpp"

namespace weir {
namespace {

/// The largest batch that a segment can hold.
constexpr uint64_t any_batch = uint64_t{1} << 31;
/// Files are copied, cleared and searched in pieces of this size.
constexpr size_t piece_bytes = size_t{1} << 20;
/// How far a file is looked at to tell reserved space from a torn tail.
constexpr size_t tail_probe_bytes = size_t{64} << 10;
/// Copies of the same place: each is one more attempt at a start that failed in between.
constexpr int quarantines_max = 100;

class segment_checker {
 public:
  segment_checker(const segment_check& c, recovery_report& report)
      : c_(c), report_(report), out_{{}, segment_index(c.index_interval)} {}

  result<checked_segment> run() {
    WEIR_ASSIGN(file_, c_.file->open());
    WEIR_ASSIGN(file_bytes_, file_->size());
    out_.facts.base_offset = next_offset_ = c_.base;
    const uint64_t scan_end = std::min(file_bytes_, segment_bytes_max);
    std::optional<batch_walker> walker(std::in_place, *file_, 0, scan_end);
    uint64_t position = 0;
    for (;;) {
      auto b = walker->next();
      if (b && !*b) break;
      if (!b && b.err().code != errc::corrupt) return std::move(b).err();
      if (b) {
        WEIR_ASSIGN(bool good, check(*walker, **b));
        if (good) {
          position = (*b)->end();
          continue;
        }
      }
      // A torn tail, or reserved space.
      if (position >= c_.committed_bytes || (c_.committed_end && next_offset_ >= *c_.committed_end))
        break;
      const std::string reason = b ? "its checksum or offset does not match" : b.err().message;
      if (c_.end_at_damage) {
        WEIR_TRY(end_here(position, scan_end, reason));
        break;
      }
      WEIR_ASSIGN(uint64_t resume, quarantine(position, scan_end, reason));
      position = resume;
      if (tail_lost_) break;
      walker.emplace(*file_, position, scan_end);
    }
    if (position < c_.committed_bytes && c_.committed_end && *c_.committed_end > next_offset_ &&
        !tail_lost_) {
      report_.lost.push_back({next_offset_, *c_.committed_end - 1, "",
                              "'" + c_.file->path() + "' ends at " + std::to_string(position) +
                                  (c_.committed_bytes == UINT64_MAX
                                       ? " in front of its end"
                                       : " instead of " + std::to_string(c_.committed_bytes))});
      out_.ends_early = c_.end_at_damage;
      if (!c_.end_at_damage) WEIR_TRY(end_with_hole(position, *c_.committed_end));
    }
    WEIR_TRY(cut(position));
    out_.facts.bytes = position;
    out_.facts.end_offset = next_offset_;
    if (out_.changed) WEIR_TRY(file_->sync());
    return std::move(out_);
  }

 private:
  result<bool> check(const batch_walker& walker, const walked_batch& b) {
    const auto& h = b.header;
    if (h.base_offset() < next_offset_ || h.base_offset() - c_.base > INT32_MAX) return false;
    // What was acknowledged ends where it is known to end.
    if (c_.committed_end && b.end() <= c_.committed_bytes && h.next_offset() > *c_.committed_end)
      return false;
    if (h.base_offset() > next_offset_) {
      WEIR_ASSIGN(bool fits, gap_fits(b));
      if (!fits) return false;
    }
    if (b.end() > c_.verify_from) {
      WEIR_TRY(walker.read_whole(b, bytes_));
      auto whole = verify_batch(bytes_, {batch_origin::log, any_batch});
      if (!whole) return false;
    }
    ++report_.batches_checked;
    add(record_batch_view(h.bytes()), b.position);
    return true;
  }

  /// Compaction leaves gaps between offsets. But offsets are outside of the checksum: when the
  /// batch behind lies within the gap, it is this one's offset that is wrong.
  result<bool> gap_fits(const walked_batch& b) {
    std::array<std::byte, record_batch_header_bytes> head;
    WEIR_ASSIGN(size_t n, file_->read(b.end(), head));
    if (n < head.size() || !peek_batch(head)) return true;
    const record_batch_view next(head);
    return next.base_offset() < next_offset_ || next.base_offset() >= b.header.next_offset();
  }

  void add(const record_batch_view& h, uint64_t position) {
    auto& f = out_.facts;
    out_.index.add(static_cast<uint32_t>(h.base_offset() - c_.base),
                   static_cast<uint32_t>(position), f.max_timestamp);
    if (h.is_hole()) {
      f.holes.push_back({position, h.size_bytes()});
    } else if (h.max_timestamp() > f.max_timestamp) {
      f.max_timestamp = h.max_timestamp();
      f.max_timestamp_offset = h.base_offset();
    }
    next_offset_ = h.next_offset();
  }

  /// Sets all from `position` on aside: the segment ends there.
  status end_here(uint64_t position, uint64_t scan_end, const std::string& reason) {
    const int64_t end_offset = std::max(c_.committed_end.value_or(next_offset_), next_offset_);
    lost_range lost{next_offset_, end_offset - 1, "", reason};
    const uint64_t end = std::min(c_.committed_bytes, scan_end);
    if (end > position) {
      WEIR_ASSIGN(lost.quarantine_path, free_name(position));
      WEIR_TRY(copy_aside(position, end, lost.quarantine_path));
    }
    report_.lost.push_back(std::move(lost));
    tail_lost_ = out_.ends_early = true;
    return {};
  }

  /// Sets damaged bytes from `position` on aside and puts a placeholder in their place. Returns
  /// where good batches go on, or, when there is none (tail_lost_), where the segment ends.
  result<uint64_t> quarantine(uint64_t position, uint64_t scan_end, const std::string& reason) {
    WEIR_ASSIGN(auto next, find_good(position, scan_end));
    uint64_t end = next ? next->first : std::min(c_.committed_bytes, scan_end);
    const int64_t resume_offset =
        next ? next->second : std::max(c_.committed_end.value_or(next_offset_), next_offset_);
    lost_range lost{next_offset_, resume_offset - 1, "", reason};
    if (end > position) {
      WEIR_ASSIGN(lost.quarantine_path, free_name(position));
      WEIR_TRY(copy_aside(position, end, lost.quarantine_path));
    }
    report_.lost.push_back(lost);
    if (!next) {
      tail_lost_ = true;
      WEIR_TRY(end_with_hole(position, resume_offset));
      return position;
    }
    WEIR_TRY(put_hole(position, end, resume_offset));
    return end;
  }

  /// The first batch behind `position` that is whole, with its base offset.
  result<std::optional<std::pair<uint64_t, int64_t>>> find_good(uint64_t position, uint64_t end) {
    using found = std::optional<std::pair<uint64_t, int64_t>>;
    // A flipped bit in the records leaves the length as it was: then the next batch follows. Asked
    // first, so that a batch inside of a record is not taken for one of the log.
    std::array<std::byte, record_batch_prefix_bytes> prefix;
    WEIR_ASSIGN(size_t n, file_->read(position, prefix));
    if (n == prefix.size()) {
      const auto length = load_big_endian<int32_t>(prefix.data() + 8);
      const uint64_t next = position + record_batch_prefix_bytes +
                            static_cast<uint64_t>(std::max<int32_t>(length, 0));
      if (next >= position + record_batch_header_bytes && next < end) {
        WEIR_ASSIGN(auto offset, good_at(next, end));
        if (offset) return found({next, *offset});
      }
    }
    // A damaged batch has at least a header's bytes, and its placeholder needs them.
    std::vector<std::byte> piece;
    for (uint64_t p = position + record_batch_header_bytes; p + record_batch_header_bytes <= end;) {
      piece.resize(std::min<uint64_t>(piece_bytes, end - p));
      WEIR_ASSIGN(size_t got, file_->read(p, piece));
      if (got < record_batch_header_bytes) break;
      const size_t starts = got - record_batch_header_bytes + 1;
      for (size_t i = 0; i < starts; ++i) {
        if (piece[i + 16] != std::byte{record_batch_magic}) continue;
        const auto offset = load_big_endian<int64_t>(piece.data() + i);
        if (offset <= next_offset_ || offset - c_.base > INT32_MAX) continue;
        WEIR_ASSIGN(auto good, good_at(p + i, end));
        if (good) return found({p + i, *good});
      }
      p += starts;
    }
    return found();
  }

  /// The base offset of the batch at `position` if it is whole and may follow a damaged one, which
  /// had at least one offset.
  result<std::optional<int64_t>> good_at(uint64_t position, uint64_t end) {
    std::array<std::byte, record_batch_header_bytes> head;
    WEIR_ASSIGN(size_t n, file_->read(position, head));
    if (n < head.size()) return std::optional<int64_t>();
    auto h = peek_batch(head);
    if (!h || h->size_bytes() > end - position || h->base_offset() <= next_offset_ ||
        h->base_offset() - c_.base > INT32_MAX)
      return std::optional<int64_t>();
    bytes_.resize(h->size_bytes());
    WEIR_ASSIGN(n, file_->read(position, bytes_));
    if (n < bytes_.size() || !verify_batch(bytes_, {batch_origin::log, any_batch}))
      return std::optional<int64_t>();
    return std::optional(record_batch_view(bytes_).base_offset());
  }

  /// A name that is not taken: an earlier recovery may have got as far as copying.
  result<std::string> free_name(uint64_t position) {
    const std::string name = c_.file->path() + ".quarantine-" + std::to_string(position);
    for (int i = 0; i < quarantines_max; ++i) {
      std::string path = i == 0 ? name : name + "." + std::to_string(i);
      auto info = c_.cache.files().stat(path);
      if (!info && info.err().code == errc::not_found) return path;
    }
    return error{errc::already_exists,
                 "there are too many copies '" + name + ".*': move them away"};
  }

  status copy_aside(uint64_t position, uint64_t end, const std::string& path) {
    WEIR_ASSIGN(auto copy, c_.cache.files().open_append(path));
    if (copy->size() != 0) WEIR_TRY(copy->truncate(0));
    std::vector<std::byte> piece;
    for (uint64_t p = position; p < end; p += piece.size()) {
      piece.resize(std::min<uint64_t>(piece_bytes, end - p));
      WEIR_ASSIGN(size_t n, file_->read(p, piece));
      if (n == 0) break;
      piece.resize(n);
      WEIR_TRY(copy->append(piece));
    }
    WEIR_TRY(copy->sync());
    WEIR_TRY(copy->close());
    return c_.cache.files().sync_directory(parent_directory(path));
  }

  /// A batch without records over [position, end), zeros behind its header, so that every walk
  /// steps over it; and its offsets are used up.
  status put_hole(uint64_t position, uint64_t end, int64_t resume_offset) {
    std::array<std::byte, record_batch_header_bytes> head{};
    store_big_endian(head.data(), next_offset_);
    store_big_endian(head.data() + 8,
                     static_cast<int32_t>(end - position - record_batch_prefix_bytes));
    store_big_endian(head.data() + 12, int32_t{-1});
    head[16] = std::byte{record_batch_magic};
    store_big_endian(head.data() + 21, record_batch_view::hole_attribute);
    store_big_endian(head.data() + 23, static_cast<int32_t>(resume_offset - next_offset_ - 1));
    for (size_t at : {27, 35, 43}) store_big_endian(head.data() + at, int64_t{-1});
    store_big_endian(head.data() + 51, int16_t{-1});
    store_big_endian(head.data() + 53, int32_t{-1});
    const std::vector<std::byte> zeros(piece_bytes);
    uint32_t crc = crc32c(std::span(head).subspan(21));
    for (uint64_t p = position + head.size(); p < end;) {
      auto piece = std::span(zeros).first(std::min<uint64_t>(piece_bytes, end - p));
      crc = crc32c(crc, piece);
      WEIR_TRY(file_->write(p, piece));
      p += piece.size();
    }
    store_big_endian(head.data() + 17, crc);
    WEIR_TRY(file_->write(position, head));
    out_.changed = true;
    add(record_batch_view(head), position);
    weir_assert(next_offset_ == resume_offset, "a placeholder covers the offsets that are lost");
    return {};
  }

  /// A placeholder at the segment's end, for offsets up to `end_offset` that were given and are
  /// lost. It is all header, and readers are sent it: nothing else would tell them to go on. Moves
  /// `position` behind it.
  status end_with_hole(uint64_t& position, int64_t end_offset) {
    if (end_offset <= next_offset_) return {};
    const uint64_t end = position + record_batch_header_bytes;
    WEIR_TRY(put_hole(position, end, end_offset));
    position = end;
    return {};
  }

  /// The file ends at `position`: what is behind it is reserved space or was never acknowledged. It
  /// goes, so that nothing of it can be taken for a batch later.
  status cut(uint64_t position) {
    if (file_bytes_ <= position) return {};
    std::vector<std::byte> probe(std::min<uint64_t>(tail_probe_bytes, file_bytes_ - position));
    WEIR_ASSIGN(size_t n, file_->read(position, probe));
    probe.resize(n);
    if (!out_.ends_early &&
        std::any_of(probe.begin(), probe.end(), [](std::byte b) { return b != std::byte{0}; }))
      report_.cut_bytes += file_bytes_ - position;
    out_.changed = true;
    return file_->truncate(position);
  }

  const segment_check& c_;
  recovery_report& report_;
  checked_segment out_;
  std::shared_ptr<positional_file> file_;
  uint64_t file_bytes_ = 0;
  int64_t next_offset_ = 0;
  bool tail_lost_ = false;
  std::vector<std::byte> bytes_;
};

}  // namespace

result<checked_segment> check_segment(const segment_check& c, recovery_report& report) {
  return segment_checker(c, report).run();
}

}  // namespace weir
