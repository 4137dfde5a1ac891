// Checks one segment's file after an unclean stop: finds where its batches end, cuts off what was
// never acknowledged, and puts a placeholder where acknowledged bytes are damaged (or ends there),
// after having copied them aside. Blocks; no state beyond the call.
#pragma once

#include "runtime/log/log_types.hpp"
#include "runtime/log/segment_index.hpp"

namespace weir {

struct segment_check {
  file_cache& cache;
  segment_file_ptr file;
  int64_t base = 0;
  /// Up to here the bytes were acknowledged; damage is kept and reported, beyond it cut off.
  uint64_t committed_bytes = 0;
  /// The offset that belongs to committed_bytes, if it is known.
  std::optional<int64_t> committed_end;
  /// From here on checksums are verified; before it the structure.
  uint64_t verify_from = 0;
  uint64_t index_interval = 4096;
  /// Damaged acknowledged bytes end the segment, for they come from elsewhere again; else a
  /// placeholder takes their place.
  bool end_at_damage = false;
};

struct checked_segment {
  segment_facts facts;
  segment_index index;
  bool changed = false;     // the file was cut or patched
  bool ends_early = false;  // at damage; what was acknowledged behind it is gone
};

/// Adds what it found to the report. errc::io and others when the file cannot be read or repaired:
/// then nothing may be served.
result<checked_segment> check_segment(const segment_check&, recovery_report& report);

}  // namespace weir
