#include "cluster/http/libraries_api.hpp"

#include <future>

#include "runtime/plan/plan.hpp"

namespace weir::http {
namespace {

// Copies of the largest library to two nodes.
constexpr auto copies_timeout = std::chrono::seconds(50);

/// What `start` gives to its callback, or errc::timeout.
result<std::string> wait_for(
    const std::function<void(std::function<void(result<std::string>)>)>& start) {
  auto done = std::make_shared<std::promise<result<std::string>>>();
  auto answer = done->get_future();
  start([done](result<std::string> r) { done->set_value(std::move(r)); });
  if (answer.wait_for(copies_timeout) == std::future_status::timeout)
    return error{errc::timeout, "the nodes do not answer in time"};
  return answer.get();
}

http_response stored(job_ledger& ledger, std::string content) {
  auto hash = wait_for(
      [&ledger, &content](auto done) { ledger.store_file(std::move(content), std::move(done)); });
  if (!hash) return problem(503, "the library cannot be kept: " + hash.err().message);
  return json_answer("{\"hash\": \"" + *hash + "\"}\n");
}

}  // namespace

http_response answer_libraries(membership& members, const http_request& r, const target& t) {
  if (t.path.size() != 2) return problem(404, "there is only /libraries/HASH");
  const auto& hash = t.path[1];
  if (!is_content_hash(hash))
    return problem(400, "'" + hash + "' is not the SHA-256 of a library, in hexadecimal");
  auto& ledger = members.ledger();
  if (r.method == "GET") {
    auto found = wait_for([&](auto done) { ledger.read_file(hash, std::move(done)); });
    if (!found && found.err().code == errc::not_found)
      return problem(404, "the cluster does not have library " + hash);
    if (!found) return problem(found.err());
    // Nodes may have come and gone since it was brought.
    return stored(ledger, std::move(*found));
  }
  if (r.method != "POST") return problem(405, r.method + " is not for this path");
  if (auto bad = t.only({"offset", "size"}); !bad) return problem(bad.err());
  constexpr auto size_max = static_cast<int64_t>(job_file_bytes_max);
  auto offset = t.number("offset", 0, 0, size_max);
  if (!offset) return problem(offset.err());
  auto size = t.number("size", static_cast<int64_t>(r.body.size()), 0, size_max);
  if (!size) return problem(size.err());
  auto whole = members.files().collect(hash, static_cast<size_t>(*offset),
                                       static_cast<size_t>(*size), r.body);
  if (!whole && whole.err().code == errc::timeout) return problem(503, whole.err().message);
  if (!whole) return problem(400, whole.err().message);
  if (!*whole) return json_answer("{}\n");
  return stored(ledger, std::move(**whole));
}

}  // namespace weir::http
