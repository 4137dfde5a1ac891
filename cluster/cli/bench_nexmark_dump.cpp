// Nexmark's events as files, by the source that queries read too.
#include <cstdio>
#include <filesystem>

#include "cluster/cli/bench_nexmark.hpp"
#include "runtime/connectors/nexmark_model.hpp"
#include "runtime/connectors/row_encoder.hpp"
#include "runtime/connectors/source.hpp"

namespace weir::cli {
namespace {

constexpr uint64_t events_default = 200'000;
constexpr uint64_t event_rate_default = 10'000;

/// A file under construction; what cannot be written is noticed when it is closed.
class text_file {
 public:
  static result<text_file> create(const std::string& path) {
    text_file f;
    f.path_ = path;
    f.file_.reset(std::fopen(path.c_str(), "we"));
    if (!f.file_) return error{errc::io, "cannot create " + path};
    return f;
  }
  void write(const std::string& text) {
    sound_ &= std::fwrite(text.data(), 1, text.size(), file_.get()) == text.size();
  }
  status close() {
    sound_ &= std::fclose(file_.release()) == 0;
    return sound_ ? status() : status(errc::io, "cannot write " + path_);
  }

 private:
  struct closer {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, closer> file_;
  bool sound_ = true;
};

source_spec table_spec(nexmark::table kind, const nexmark_options& o) {
  source_spec s;
  s.connector = "nexmark";
  s.options = {{"table", std::string(name_of(kind))},
               {"events", std::to_string(o.events ? o.events : events_default)},
               {"event_rate", std::to_string(o.event_rate ? o.event_rate : event_rate_default)},
               {"seed", std::to_string(o.seed)}};
  auto type = std::make_shared<schema>();
  for (const auto& f : fields_of(kind)) type->fields.push_back({std::string(f.name), f.type});
  s.physical_columns = static_cast<uint32_t>(type->size());
  s.columns = std::move(type);
  return s;
}

/// Rows that were written.
result<uint64_t> dump_table(nexmark::table kind, const nexmark_options& o) {
  const auto spec = table_spec(kind, o);
  const std::string base = o.dump + "/" + std::string(name_of(kind));
  WEIR_ASSIGN(auto csv_file, text_file::create(base + ".csv"));
  WEIR_ASSIGN(auto json_file, text_file::create(base + ".jsonl"));
  row_encoder csv(spec.columns), json(spec.columns);
  json.format = row_encoder::kind::json;

  memory_pool pool;
  system_clock clock;
  operator_context context;
  context.memory = &pool;
  context.time = &clock;
  auto files = make_posix_file_system();
  WEIR_ASSIGN(auto enumerator, make_enumerator(spec, *files, 1));
  WEIR_ASSIGN(auto found, enumerator->discover());
  WEIR_ASSIGN(auto reader, make_reader(spec));
  WEIR_TRY(reader->open(context));
  for (auto& s : found.splits) WEIR_TRY(reader->add_split(std::move(s)));

  uint64_t rows = 0;
  std::string csv_text, json_text;
  csv.header(csv_text, false);
  for (;;) {
    WEIR_ASSIGN(auto p, reader->poll(batch_rows_target));
    if (p.rows) {
      for (uint32_t r = 0; r < p.rows->physical_rows; ++r) {
        csv.row(csv_text, *p.rows, r, 0);
        json.row(json_text, *p.rows, r, 0);
      }
      rows += p.rows->rows;
    }
    csv_file.write(csv_text);
    json_file.write(json_text);
    csv_text.clear();
    json_text.clear();
    if (p.what == polled::state::finished) break;
  }
  WEIR_TRY(csv_file.close());
  WEIR_TRY(json_file.close());
  return rows;
}

}  // namespace

status dump_nexmark(const nexmark_options& o, std::string& summary) {
  std::error_code ec;
  std::filesystem::create_directories(o.dump, ec);
  if (ec) return {errc::io, "cannot make the folder " + o.dump + ": " + ec.message()};
  for (auto kind : {nexmark::table::person, nexmark::table::auction, nexmark::table::bid}) {
    WEIR_ASSIGN(auto rows, dump_table(kind, o));
    summary += (summary.empty() ? "" : ", ") + std::to_string(rows) + " rows of " +
               std::string(name_of(kind));
  }
  return {};
}

}  // namespace weir::cli
