#include "actors/job_manifest.hpp"

#include <charconv>

#include "runtime/base/crc32c.hpp"
#include "runtime/flow/split_list.hpp"

namespace weir {
namespace {

constexpr std::string_view magic = "WEIRMAN1";

template <class T>
bool get_number(std::string_view& in, T& value) {
  std::string text;
  if (!get_text(in, text)) return false;
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

}  // namespace

std::string encode_job_manifest(const job_manifest& m) {
  std::string out(magic);
  put_text(out, std::to_string(m.number));
  put_text(out, std::to_string(m.restarts));
  put_text(out, m.finished ? "1" : "0");
  put_text(out, std::to_string(m.fingerprint));
  put_text(out, std::to_string(m.pools));
  put_text(out, std::to_string(m.parts.size()));
  for (const auto& p : m.parts) {
    put_text(out, p.name);
    put_text(out, std::to_string(p.writer));
    put_text(out, std::to_string(p.copy));
  }
  put_text(out, std::to_string(m.slots.size()));
  for (auto s : m.slots) put_text(out, std::to_string(s));
  return out;
}

result<job_manifest> decode_job_manifest(std::string_view in) {
  const error damaged{errc::corrupt, "the manifest of the job's newest epoch is damaged"};
  if (in.size() < magic.size() || !in.starts_with("WEIRMAN")) return damaged;
  if (!in.starts_with(magic))
    return error{errc::version_mismatch,
                 "the manifest of the job's newest epoch is of another version of weir"};
  in.remove_prefix(magic.size());
  job_manifest m;
  uint32_t finished = 0, parts = 0, slots = 0;
  if (!get_number(in, m.number) || !get_number(in, m.restarts) || !get_number(in, finished) ||
      !get_number(in, m.fingerprint) || !get_number(in, m.pools) || !get_number(in, parts))
    return damaged;
  m.finished = finished != 0;
  for (; parts > 0; --parts) {
    auto& p = m.parts.emplace_back();
    if (!get_text(in, p.name) || !get_number(in, p.writer) || !get_number(in, p.copy))
      return damaged;
  }
  if (!get_number(in, slots)) return damaged;
  for (; slots > 0; --slots)
    if (!get_number(in, m.slots.emplace_back())) return damaged;
  if (!in.empty()) return damaged;
  return m;
}

uint32_t checksum_of_pools(const std::map<std::string, std::string>& pools) {
  std::string all;
  for (const auto& [id, text] : pools) {
    put_text(all, id);
    put_text(all, text);
  }
  return crc32c(std::as_bytes(std::span(all)));
}

}  // namespace weir
