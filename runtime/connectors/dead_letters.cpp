#include "runtime/connectors/dead_letters.hpp"

#include <simdjson.h>

#include <charconv>

#include "runtime/column/json_text.hpp"

namespace weir {

dead_letters::dead_letters(std::string folder, file_system& files, io_executor& io,
                           std::function<void()> wake)
    : folder_(std::move(folder)), files_(files), lane_(io, std::move(wake)) {}

std::string dead_letters::path_of(const std::string& id) const {
  // Readable and unique: the file's name and a hash of the whole id (FNV-1a, stable for ever).
  uint64_t h = 14695981039346656037ull;
  for (unsigned char c : id) h = (h ^ c) * 1099511628211ull;
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(h));
  std::string name = id.substr(id.rfind('/') + 1);
  name = name.substr(0, name.find('@'));
  return folder_ + "/" + name + "-" + hash + ".json";
}

void dead_letters::restore(const std::string& id, uint64_t bytes) {
  lane_.submit([&files = files_, path = path_of(id), bytes]() -> status {
    auto info = files.stat(path);
    if (!info || info->size <= bytes) return {};
    if (bytes == 0) return files.remove(path);
    WEIR_ASSIGN(auto file, files.open_append(path));
    WEIR_TRY(file->truncate(bytes));
    return file->close();
  });
}

void dead_letters::remove_others(std::string stem, std::function<bool(uint32_t)> unwanted) {
  // `this` outlives the work: its lane is the first member to go, and waits.
  lane_.submit([this, stem = std::move(stem), unwanted = std::move(unwanted)]() -> status {
    auto found = files_.list(folder_);
    if (!found) return {};  // no folder, no files
    const auto prefix = stem.substr(stem.rfind('/') + 1) + ".";
    for (const auto& f : *found) {
      const auto file = f.path.substr(f.path.rfind('/') + 1);
      if (!file.starts_with(prefix)) continue;
      uint32_t number = 0;
      auto end = std::from_chars(file.data() + prefix.size(), file.data() + file.size(), number);
      if (end.ec != std::errc() || !unwanted(number)) continue;
      // The hash in the name tells an operator of another job.
      if (auto path = path_of(stem + "." + std::to_string(number)); path.ends_with("/" + file))
        WEIR_TRY(files_.remove(path));
    }
    return {};
  });
}

void dead_letters::write(const std::string& id, uint64_t bytes, std::string lines) {
  const size_t held = lines.size();
  auto work = [&files = files_, folder = folder_, path = path_of(id), bytes,
               text = std::move(lines)]() -> status {
    WEIR_TRY(files.create_directories(folder));
    WEIR_ASSIGN(auto file, files.open_append(path));
    if (file->size() < bytes)
      return {errc::corrupt, path + ": shorter than the snapshot says; was it changed?"};
    if (file->size() > bytes) WEIR_TRY(file->truncate(bytes));
    WEIR_TRY(file->append(std::as_bytes(std::span(text))));
    WEIR_TRY(file->sync());
    WEIR_TRY(file->close());
    return bytes == 0 ? files.sync_directory(folder) : status();
  };
  lane_.submit(std::move(work), held);
}

result<bool> dead_letters::done() {
  auto done = lane_.done(lane_.last_ticket());
  if (!done) return done.err().at("dead letters");
  return done;
}

void dead_letters::append_line(std::string& out, const letter& l) {
  out += '{';
  auto text = [&out](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    out += out.back() == '{' ? "\"" : ",\"";
    out += name;
    out += "\":";
    append_json_string(out, value);
  };
  text("position", l.position);
  text("operator", l.operator_id);
  text("cause", simdjson::validate_utf8(l.cause.data(), l.cause.size())
                    ? l.cause
                    : std::string_view("the record is not valid UTF-8"));
  if (l.weight != 1) out += ",\"weight\":" + std::to_string(l.weight);
  if (!l.row.empty()) (out += ",\"row\":") += l.row;
  if (l.raw && simdjson::validate_utf8(l.raw->data(), l.raw->size())) {
    out += ",\"raw\":";
    append_json_string(out, *l.raw);
  } else if (l.raw) {
    out += ",\"raw_base64\":\"";
    append_base64(out, *l.raw);
    out += '"';
  }
  out += "}\n";
}

}  // namespace weir
