// Records on stdout as table, csv, json lines or raw values. Buffered; one thread.
#pragma once

#include <string>

#include "runtime/log/record_reader.hpp"

namespace weir::cli {

class record_printer {
 public:
  enum class format : uint8_t { table, csv, json, raw };
  /// `name`: of the format; empty: table on a terminal, else csv.
  record_printer(const std::string& name, bool embed_json);

  void print(int32_t partition, const record&);
  /// Hands everything to the system. False when nobody reads any more (the other end of a pipe is
  /// closed).
  bool flush();

 private:
  void print_table(int32_t partition, const record&);
  void print_csv(int32_t partition, const record&);

  format format_;
  bool embed_json_;
  bool began_ = false;
  bool closed_ = false;
  std::string out_;
};

/// Text that does no harm on a terminal: control characters as \x1b.
std::string for_terminal(std::string_view);

}  // namespace weir::cli
