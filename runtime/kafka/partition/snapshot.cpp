#include "runtime/kafka/partition/snapshot.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "runtime/base/crc32c.hpp"
#include "runtime/kafka/partition/byte_io.hpp"

namespace weir::kafka {

namespace {

constexpr uint64_t magic = 0x3130'444f'5250'4557;  // "WEPROD01"
constexpr size_t head_bytes = 8 + 4;
constexpr std::string_view suffix = ".producers";
constexpr std::string_view temporary_suffix = ".producers.new";

std::string snapshot_path(const std::string& folder, int64_t offset) {
  char name[32];
  std::snprintf(name, sizeof name, "%020lld", static_cast<long long>(offset));
  return folder + "/" + name + std::string(suffix);
}

std::optional<int64_t> offset_of(std::string_view path) {
  if (!path.ends_with(suffix)) return std::nullopt;
  path.remove_suffix(suffix.size());
  if (const size_t slash = path.rfind('/'); slash != std::string_view::npos)
    path.remove_prefix(slash + 1);
  int64_t offset = 0;
  const auto [end, failure] = std::from_chars(path.data(), path.data() + path.size(), offset);
  if (failure != std::errc{} || end != path.data() + path.size() || offset < 0) return std::nullopt;
  return offset;
}

}  // namespace

std::string encode_snapshot(const log_id& id, int64_t offset, int64_t log_start,
                            const leader_epochs& epochs, const producer_state& producers) {
  std::string body;
  for (uint8_t byte : id.topic) put_number(body, byte);
  put_number(body, id.partition);
  put_number(body, offset);
  put_number(body, log_start);
  const std::string epoch_bytes = epochs.encode(offset);
  put_number(body, static_cast<uint32_t>(epoch_bytes.size()));
  body += epoch_bytes;
  body += producers.encode();
  std::string out;
  put_number(out, magic);
  put_number(out, crc32c(std::as_bytes(std::span(body))));
  return out + body;
}

result<partition_snapshot> decode_snapshot(const log_id& id, std::span<const std::byte> bytes,
                                           int64_t now_ms) {
  byte_reader in(bytes);
  if (in.number<uint64_t>() != magic)
    return error(errc::corrupt, "it does not begin as a snapshot");
  const auto crc = in.number<uint32_t>();
  if (!in.ok() || crc != crc32c(in.rest()))
    return error(errc::corrupt, "the checksum does not match");
  log_id found;
  for (uint8_t& byte : found.topic) byte = in.number<uint8_t>();
  found.partition = in.number<int32_t>();
  if (found != id) return error(errc::invalid_argument, "it belongs to another partition");
  partition_snapshot out;
  out.offset = in.number<int64_t>();
  out.log_start = in.number<int64_t>();
  const auto epoch_bytes = in.number<uint32_t>();
  if (!in.ok() || out.log_start < 0 || out.offset < out.log_start || epoch_bytes > in.left())
    return error(errc::corrupt, "the bytes end early");
  WEIR_ASSIGN(out.epochs, leader_epochs::decode(in.rest().first(epoch_bytes)));
  WEIR_ASSIGN(out.producers, producer_state::decode(in.rest().subspan(epoch_bytes), now_ms));
  return out;
}

result<std::vector<snapshot_file>> list_snapshots(file_system& files, const std::string& folder) {
  std::vector<snapshot_file> out;
  const auto found = files.list(folder);
  if (!found.ok() && found.err().code == errc::not_found) return out;  // nothing was written yet
  if (!found.ok()) return found.err();
  for (const file_info& file : *found)
    if (const auto offset = offset_of(file.path)) out.push_back({file.path, *offset});
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.offset > b.offset; });
  return out;
}

status write_snapshot(file_system& files, const std::string& folder, int64_t offset,
                      const std::string& bytes, bool durable) {
  const std::string path = snapshot_path(folder, offset);
  const std::string temporary =
      path.substr(0, path.size() - suffix.size()) + std::string(temporary_suffix);
  WEIR_TRY(files.remove(temporary));
  WEIR_ASSIGN(auto file, files.open_append(temporary));
  WEIR_TRY(file->append(std::as_bytes(std::span(bytes))));
  if (durable) WEIR_TRY(file->sync());
  WEIR_TRY(file->close());
  WEIR_TRY(files.rename(temporary, path));
  if (durable) WEIR_TRY(files.sync_directory(folder));
  WEIR_ASSIGN(const auto all, list_snapshots(files, folder));
  for (size_t i = snapshots_kept; i < all.size(); ++i) WEIR_TRY(files.remove(all[i].path));
  return {};
}

}  // namespace weir::kafka
