#include "runtime/expr/digest.hpp"

#include <openssl/evp.h>

#include "runtime/base/assert.hpp"

namespace weir::expr {

void digest(digest_kind k, std::string_view data, char* out) {
  static const EVP_MD* const known[] = {EVP_md5(), EVP_sha224(), EVP_sha256(), EVP_sha384(),
                                        EVP_sha512()};
  unsigned int n = 0;
  const int ok = ::EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(out), &n,
                              known[static_cast<size_t>(k)], nullptr);
  weir_assert(ok == 1 && n == digest_bytes(k), "OpenSSL refuses a digest");
}

}  // namespace weir::expr
