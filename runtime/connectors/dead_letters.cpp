#include "runtime/connectors/dead_letters.hpp"

#include <simdjson.h>

#include "runtime/connectors/json_text.hpp"

namespace weir {

dead_letters::dead_letters(std::string folder, file_system& files, io_executor& io,
                           std::function<void()> wake)
    : folder_(std::move(folder)), files_(files), lane_(io, std::move(wake)) {}

std::string dead_letters::path_of(const std::string& split_id) const {
  // Readable and unique: the file's name and a hash of the whole id (FNV-1a, stable for ever).
  uint64_t h = 14695981039346656037ull;
  for (unsigned char c : split_id) h = (h ^ c) * 1099511628211ull;
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(h));
  std::string name = split_id.substr(split_id.rfind('/') + 1);
  name = name.substr(0, name.find('@'));
  return folder_ + "/" + name + "-" + hash + ".json";
}

void dead_letters::restore(const std::string& split_id, uint64_t bytes) {
  lane_.submit([&files = files_, path = path_of(split_id), bytes]() -> status {
    auto info = files.stat(path);
    if (!info || info->size <= bytes) return {};
    if (bytes == 0) return files.remove(path);
    WEIR_ASSIGN(auto file, files.open_append(path));
    WEIR_TRY(file->truncate(bytes));
    return file->close();
  });
}

void dead_letters::write(const std::string& split_id, uint64_t bytes, std::string lines) {
  lane_.submit([&files = files_, folder = folder_, path = path_of(split_id), bytes,
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
  });
}

result<bool> dead_letters::done() {
  auto done = lane_.done(lane_.last_ticket());
  if (!done) return done.err().at("dead letters");
  return done;
}

void dead_letters::append_line(std::string& out, std::string_view position, std::string_view cause,
                               std::string_view raw) {
  out += "{\"position\":";
  append_json_string(out, position);
  out += ",\"cause\":";
  append_json_string(out, simdjson::validate_utf8(cause.data(), cause.size())
                              ? cause
                              : std::string_view("the record is not valid UTF-8"));
  if (simdjson::validate_utf8(raw.data(), raw.size())) {
    out += ",\"raw\":";
    append_json_string(out, raw);
  } else {
    out += ",\"raw_base64\":\"";
    append_base64(out, raw);
    out += '"';
  }
  out += "}\n";
}

}  // namespace weir
