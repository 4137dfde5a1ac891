// Splits text into words: maximal runs of ASCII letters and of bytes from 0x80 on (so that UTF-8
// letters stay whole), ASCII letters lower-cased. AVX-512 where the CPU has it. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir {

/// Where words go: `bytes` needs room for the text and 64 more, `ends` for text/2 + 2 entries.
struct word_sink {
  char* bytes;     // next byte of the concatenated words
  uint32_t* ends;  // next entry: offset of the end of each word, from bytes_begin
  const char* bytes_begin;
};

/// Appends the words of [text, text + n); reads nothing else.
void split_words(const char* text, size_t n, word_sink& out);

}  // namespace weir
