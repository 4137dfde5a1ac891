// Valid inputs of every small decoder of outside bytes, for the fuzz target and its driver: what
// comes from other processes and from disk. The first byte of an input names its decoder.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace weir::fuzz {

enum class decoder : unsigned char {
  plan,
  chunk_list,
  splits,
  split_pool,
  file_split,
  sink_parts,
  manifest,
  records,
  messages,
  kafka_split,
  kafka_records,
  kafka_headers,
  nested_values,
  row_frames,
  count_
};

/// Some valid bytes of a decoder, without its name in front.
std::vector<std::pair<decoder, std::string>> samples();

}  // namespace weir::fuzz
