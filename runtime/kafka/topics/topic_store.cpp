#include "runtime/kafka/topics/topic_store.hpp"

#include <cstring>
#include <utility>

#include "runtime/base/crc32c.hpp"
#include "runtime/kafka/topics/topic_record.hpp"
#include "runtime/snapshot/environment.hpp"

namespace weir::kafka {
namespace {

// Address space, not memory: 10,000 topics of one partition take some 2 MiB. It grows when needed.
constexpr size_t map_bytes = size_t{16} << 20;
constexpr size_t map_growth = size_t{16} << 20;

constexpr std::string_view topic_prefix = "topic/";

std::string key_of(const uuid& id) {
  std::string key(topic_prefix);
  return key.append(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
}

uint32_t seal_of(std::string_view key, std::string_view record) {
  return crc32c(crc32c(as_bytes_view(key)), as_bytes_view(record));
}

std::string sealed(std::string_view key, std::string record) {
  uint32_t crc = seal_of(key, record);
  return record.append(reinterpret_cast<const char*>(&crc), sizeof crc);
}

/// Puts one record's topic into the catalog.
status restore_one(std::string_view key, std::string_view bytes, topic_catalog& catalog) {
  uint32_t crc;
  if (bytes.size() < sizeof crc) return {errc::corrupt, "a topic's record is cut off"};
  std::string_view record = bytes.substr(0, bytes.size() - sizeof crc);
  std::memcpy(&crc, bytes.data() + record.size(), sizeof crc);
  if (crc != seal_of(key, record))
    return {errc::corrupt, "a topic's record does not match its checksum"};
  WEIR_ASSIGN(topic_info t, decode_topic(record));
  if (key_of(t.id) != key)
    return {errc::corrupt, "the record of topic '" + t.name + "' lies under another topic's id"};
  return catalog.restore(std::make_shared<const topic_info>(std::move(t)));
}

/// A cursor that is closed when the load ends, however it ends.
struct cursor_closer {
  void operator()(MDB_cursor* c) const { mdb_cursor_close(c); }
};

}  // namespace

topic_store::topic_store(std::shared_ptr<lmdb_environment> environment)
    : environment_(std::move(environment)) {}
topic_store::topic_store(topic_store&&) noexcept = default;
topic_store& topic_store::operator=(topic_store&&) noexcept = default;
topic_store::~topic_store() = default;

result<topic_store> topic_store::open(const std::string& directory) {
  environment_options options;
  options.map_bytes = map_bytes;
  options.map_growth = map_growth;
  options.what = "the topic catalog";
  options.when_full = "then the topic can be made or changed";
  WEIR_ASSIGN(auto environment, lmdb_environment::open(directory, options));
  return topic_store(std::move(environment));
}

result<topic_catalog> topic_store::load(catalog_limits limits) const {
  topic_catalog catalog(limits);
  const std::string where = "'" + environment_->directory() + "'";
  WEIR_ASSIGN(auto lease, environment_->lease());
  MDB_cursor* raw = nullptr;
  if (int rc = mdb_cursor_open(lease->txn(), environment_->catalog, &raw); rc != 0)
    return environment_->failure(rc, "read");
  std::unique_ptr<MDB_cursor, cursor_closer> cursor(raw);
  MDB_val key = mdb_bytes(topic_prefix);
  MDB_val value;
  int rc = mdb_cursor_get(raw, &key, &value, MDB_SET_RANGE);
  for (; rc == 0; rc = mdb_cursor_get(raw, &key, &value, MDB_NEXT)) {
    if (!text_of(key).starts_with(topic_prefix)) break;
    if (status s = restore_one(text_of(key), text_of(value), catalog); !s) return s.err().at(where);
  }
  if (rc != 0 && rc != MDB_NOTFOUND) return environment_->failure(rc, "read");
  return catalog;
}

status topic_store::write(std::span<const topic_change> changes) {
  if (changes.empty()) return {};
  // Encoded first: the transaction's body may run twice.
  std::vector<std::pair<std::string, std::string>> puts;  // an empty value deletes
  puts.reserve(changes.size());
  for (const auto& c : changes) {
    std::string key = key_of((c.after ? c.after : c.before)->id);
    std::string value = c.after ? sealed(key, encode_topic(*c.after)) : std::string();
    puts.emplace_back(std::move(key), std::move(value));
  }
  return environment_->write([&puts, this](MDB_txn* txn) {
    for (const auto& [key, value] : puts) {
      MDB_val k = mdb_bytes(key);
      MDB_val v = mdb_bytes(value);
      int rc = value.empty() ? mdb_del(txn, environment_->catalog, &k, nullptr)
                             : mdb_put(txn, environment_->catalog, &k, &v, 0);
      if (rc != 0) return rc;
    }
    return 0;
  });
}

}  // namespace weir::kafka
