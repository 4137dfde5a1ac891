// First phase of reading text: bit masks of the bytes that separate records and fields, 64 bytes at
// a time (after simdjson: Langdale and Lemire, "Parsing Gigabytes of JSON per Second", VLDB 2019).
// Quotes toggle wherever they stand, as in PostgreSQL's COPY. Pure functions; AVX2, or AVX-512
// where the machine has it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir {

struct scan_result {
  bool in_quotes = false;  // the text ends within quotes
  bool any_quote = false;
};

/// For each byte i of `data` bit i (of word i / 64, least significant first) of `lines` is set when
/// it is a line feed outside quotes, and of `delimiters` when it is `delimiter` outside quotes.
/// Reads up to 63 bytes past the end; bits past the end are 0. `in_quotes`: the text starts within
/// quotes.
scan_result scan_csv(const char* data, size_t bytes, char delimiter, bool in_quotes,
                     uint64_t* lines, uint64_t* delimiters) noexcept;
/// The form for machines without AVX-512, named so that tests compare the two.
scan_result scan_csv_avx2(const char* data, size_t bytes, char delimiter, bool in_quotes,
                          uint64_t* lines, uint64_t* delimiters) noexcept;
/// Only line feeds, quotes mean nothing.
void scan_lines(const char* data, size_t bytes, uint64_t* lines) noexcept;
/// Number of bytes equal to `c`. Reads nothing past the end.
uint64_t count_bytes(const char* data, size_t bytes, char c) noexcept;

}  // namespace weir
