#include "cluster/meta/service/identity.hpp"

namespace weir::meta {
namespace {

constexpr size_t id_file_bytes_max = 1024;

result<std::optional<kafka::uuid>> read_id(file_system& files, const std::string& path) {
  auto about = files.stat(path);
  if (!about) {
    if (about.err().code == errc::not_found) return std::optional<kafka::uuid>();
    return about.err();
  }
  WEIR_ASSIGN(auto text, read_whole_file(files, path, id_file_bytes_max));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  auto id = kafka::uuid::parse(text);
  if (!id || id->is_zero()) return error{errc::corrupt, path + " holds no id: '" + text + "'"};
  return id;
}

}  // namespace

result<kafka::uuid> node_identity(file_system& files, const std::string& data_dir) {
  const auto path = data_dir + "/node-id";
  WEIR_ASSIGN(auto known, read_id(files, path));
  if (known) return *known;
  auto id = kafka::random_uuid();
  WEIR_TRY(atomic_write_file(files, path, id.to_string() + "\n"));
  return id;
}

result<std::optional<kafka::uuid>> cluster_identity(file_system& files,
                                                    const std::string& data_dir) {
  return read_id(files, data_dir + "/cluster-id");
}

status keep_cluster_identity(file_system& files, const std::string& data_dir,
                             const kafka::uuid& id) {
  return atomic_write_file(files, data_dir + "/cluster-id", id.to_string() + "\n");
}

server_id server_of(const kafka::uuid& identity) {
  // The first eight bytes; the version's bits are fixed ones, so it is never zero. One bit less,
  // for it travels as a signed number.
  server_id id = 0;
  for (size_t i = 0; i < 8; ++i) id = id << 8 | identity.bytes[i];
  return id & INT64_MAX;
}

}  // namespace weir::meta
