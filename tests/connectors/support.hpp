// What the connectors' tests share: a context with a temporary folder, reading a table to text, and
// a snapshot in memory.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "runtime/column/text.hpp"
#include "runtime/connectors/source.hpp"

namespace weir::test {

namespace fs = std::filesystem;

/// A folder that is gone at the end of the test.
struct temporary_folder {
  fs::path path;
  temporary_folder() {
    // In memory where possible: these tests sync files thousands of times.
    fs::path base = fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
    std::string name = (base / "weir-connectors-XXXXXX").string();
    if (!::mkdtemp(name.data())) std::abort();
    path = name;
  }
  ~temporary_folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

inline void write_file(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}
inline void append_to(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::app) << text;
}
inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct environment {
  memory_pool pool;
  std::unique_ptr<io_executor> io = make_inline_executor();
  std::unique_ptr<file_system> files = make_posix_file_system();
  operator_metrics metrics;
  manual_clock time;
  int wakes = 0;

  operator_context context(uint32_t subtask = 0, uint32_t parallelism = 1) {
    operator_context c;
    c.operator_id = "op";
    c.name = "test";
    c.subtask = subtask;
    c.parallelism = parallelism;
    c.memory = &pool;
    c.io = io.get();
    c.files = files.get();
    c.metrics = &metrics;
    c.time = &time;
    c.wake = [this] { ++wakes; };
    c.attempt = "a1";
    return c;
  }
};

/// "carrier text, delay int" as a schema.
inline schema_ptr schema_of(std::vector<std::pair<std::string, type_id>> fields) {
  auto s = std::make_shared<schema>();
  for (auto& [name, type] : fields)
    s->fields.push_back({name, data_type(type, type == type_id::decimal ? 2 : 0), true});
  return s;
}

inline source_spec file_source(const std::string& path, schema_ptr columns,
                               option_map options = {}) {
  source_spec s;
  s.connector = "file";
  s.options = std::move(options);
  s.options["path"] = path;
  s.columns = std::move(columns);
  s.physical_columns = static_cast<uint32_t>(s.columns->size());
  return s;
}

/// Rows as "a|b|NULL".
inline void append_rows(std::vector<std::string>& out, const batch& b) {
  for (uint32_t i = 0; i < b.rows; ++i) {
    uint32_t r = b.row(i);
    std::string line;
    for (const auto& c : b.columns) {
      if (&c != &b.columns[0]) line += '|';
      if (c->is_valid(r))
        append_text(line, *c, r);
      else
        line += "NULL";
    }
    out.push_back(std::move(line));
  }
}

/// Polls until `reader` is finished (or has nothing more for now, when `tail`).
inline status drain(source_reader& reader, std::vector<std::string>& rows, uint32_t max_rows = 8192,
                    bool tail = false) {
  for (int idle = 0; idle < 1000;) {
    auto p = reader.poll(max_rows);
    if (!p) return std::move(p).err();
    if (p->rows) append_rows(rows, *p->rows);
    if (p->what == polled::state::finished) return {};
    bool nothing = p->what == polled::state::pending && !p->split_ended;
    idle = nothing ? idle + 1 : 0;
    if (nothing && tail) return {};
  }
  return {errc::timeout, "the reader never finishes"};
}

/// All rows of a table, splits in order.
inline result<std::vector<std::string>> read_all(environment& env, const source_spec& spec,
                                                 uint32_t max_rows = 8192) {
  WEIR_ASSIGN(auto enumerator, make_enumerator(spec, *env.files, 2));
  WEIR_ASSIGN(auto found, enumerator->discover());
  WEIR_ASSIGN(auto reader, make_reader(spec));
  WEIR_TRY(reader->open(env.context()));
  for (auto& s : found.splits) WEIR_TRY(reader->add_split(s));
  std::vector<std::string> rows;
  WEIR_TRY(drain(*reader, rows, max_rows));
  return rows;
}

/// One epoch's blobs, as a store would give them back.
struct memory_snapshot final : snapshot_writer, snapshot_reader {
  memory_pool pool;
  epoch at{1};
  uint32_t subtask = 0;
  std::vector<std::tuple<std::string, uint32_t, buffer_ref>> kept;
  epoch number() const override { return at; }
  memory_pool& memory() override { return pool; }
  void put(std::string_view state, uint32_t, chunk_kind, buffer_ref bytes) override {
    kept.emplace_back(state, subtask, std::move(bytes));
  }
  status keyed(std::string_view, key_group_range,
               const std::function<status(uint32_t, chunk_kind, std::span<const std::byte>)>&)
      const override {
    return {};
  }
  std::vector<std::pair<uint32_t, buffer_ref>> blobs(std::string_view state) const override {
    std::vector<std::pair<uint32_t, buffer_ref>> out;
    for (const auto& [name, who, bytes] : kept)
      if (name == state) out.emplace_back(who, bytes);
    return out;
  }
};

struct no_output final : collector {
  void emit(batch_ptr, uint16_t) override {}
};

}  // namespace weir::test
