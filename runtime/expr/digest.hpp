// Message digests, by OpenSSL. Pure functions.
#pragma once

#include <cstddef>
#include <string_view>

namespace weir::expr {

enum class digest_kind { md5, sha224, sha256, sha384, sha512 };

constexpr size_t digest_bytes(digest_kind k) noexcept {
  constexpr size_t bytes[] = {16, 28, 32, 48, 64};
  return bytes[static_cast<size_t>(k)];
}
/// Writes digest_bytes() at `out`.
void digest(digest_kind, std::string_view data, char* out);

}  // namespace weir::expr
