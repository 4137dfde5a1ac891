#include "actors/job_catalog.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "runtime/base/crc32c.hpp"
#include "runtime/flow/split_list.hpp"

namespace weir {
namespace {

constexpr std::string_view magic = "WEIRJOB1";
constexpr std::string_view extension = ".job";

}  // namespace

std::string encode_catalog_entry(const catalog_entry& e) {
  std::string body;
  put_text(body, e.id);
  put_text(body, e.name);
  put_text(body, std::to_string(e.snapshot_interval_us));
  put_text(body, to_string(e.state));
  put_text(body, e.error);
  put_text(body, {e.plan.data(), e.plan.size()});
  uint32_t crc = crc32c(std::as_bytes(std::span(body)));
  std::string out(magic);
  out.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  return out + body;
}

result<catalog_entry> decode_catalog_entry(std::string_view bytes, std::string_view where) {
  error damaged{errc::corrupt, std::string(where) +
                                   " is damaged, so its job cannot be taken up; remove the file to "
                                   "start without it"};
  if (!bytes.starts_with(magic)) return damaged;
  bytes.remove_prefix(magic.size());
  uint32_t crc = 0;
  if (bytes.size() < sizeof crc) return damaged;
  std::memcpy(&crc, bytes.data(), sizeof crc);
  bytes.remove_prefix(sizeof crc);
  if (crc32c(std::as_bytes(std::span(bytes))) != crc) return damaged;
  catalog_entry e;
  std::string interval, state, plan;
  if (!get_text(bytes, e.id) || !get_text(bytes, e.name) || !get_text(bytes, interval) ||
      !get_text(bytes, state) || !get_text(bytes, e.error) || !get_text(bytes, plan))
    return damaged;
  auto parsed =
      std::from_chars(interval.data(), interval.data() + interval.size(), e.snapshot_interval_us);
  if (parsed.ec != std::errc() || e.snapshot_interval_us <= 0) return damaged;
  e.state = job_state::running;
  for (auto s : {job_state::finished, job_state::failed, job_state::stopped})
    if (state == to_string(s)) e.state = s;
  e.plan.assign(plan.begin(), plan.end());
  return e;
}

result<std::vector<catalog_entry>> job_catalog::load() const {
  std::vector<catalog_entry> out;
  if (!files_ || !files_->stat(directory_)) return out;
  WEIR_ASSIGN(auto found, files_->list(directory_));
  for (const auto& f : found) {
    if (!f.path.ends_with(extension)) continue;
    WEIR_ASSIGN(auto bytes, read_whole_file(*files_, f.path));
    WEIR_ASSIGN(auto entry, decode_catalog_entry(bytes, f.path));
    out.push_back(std::move(entry));
  }
  return out;
}

status job_catalog::put(const catalog_entry& e) {
  if (!files_) return {};
  WEIR_TRY(files_->create_directories(directory_));
  return atomic_write_file(*files_, directory_ + "/" + e.id + std::string(extension),
                           encode_catalog_entry(e));
}

}  // namespace weir
