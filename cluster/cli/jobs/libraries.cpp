#include "cluster/cli/jobs/libraries.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "cluster/cli/jobs/call.hpp"
#include "cluster/cli/topics/node_call.hpp"
#include "cluster/http/server.hpp"
#include "cluster/node/file_store.hpp"
#include "runtime/io/file.hpp"

namespace weir::cli {
namespace {

// What one request brings: well below what a node takes, and enough that their number is no matter.
constexpr size_t part_bytes = size_t{4} << 20;
static_assert(part_bytes < http::http_body_max);

/// Nothing: it has to be brought. An exit code otherwise.
std::optional<int> is_there(const cluster_verb_options& o, const std::string& hash) {
  auto r = http::http_call(o.cluster, "GET", "/libraries/" + hash);
  if (r && r->status == 404) return std::nullopt;
  // Whatever else is wrong is said as usual.
  std::string ignored;
  return r && r->status == 200 ? exit_ok : call(o, "GET", "/libraries/" + hash, "", ignored);
}

int bring(const cluster_verb_options& o, const std::string& hash, const std::string& content) {
  const auto target = "/libraries/" + hash + "?size=" + std::to_string(content.size()) + "&offset=";
  std::string answer;
  for (size_t at = 0; at < content.size(); at += part_bytes)
    if (int code =
            call(o, "POST", target + std::to_string(at), content.substr(at, part_bytes), answer))
      return code;
  return exit_ok;
}

/// The hash of the library's content, which the cluster then has.
int ship(const cluster_verb_options& o, const std::string& path, std::string& hash) {
  auto files = make_posix_file_system();
  auto about = files->stat(path);
  if (!about) return fail("operator library " + path + ": " + about.err().message);
  if (about->size > job_file_bytes_max) {
    return wrong_usage("operator library " + path + " has " + std::to_string(about->size) +
                       " bytes; a cluster takes at most " + std::to_string(job_file_bytes_max) +
                       ": strip it of its debug information (strip -g), or split it");
  }
  auto content = read_whole_file(*files, path, job_file_bytes_max);
  if (!content) return fail("operator library " + path + ": " + content.err().message);
  hash = content_hash(*content);
  if (auto code = is_there(o, hash)) return *code;
  return bring(o, hash, *content);
}

}  // namespace

int ship_libraries(const cluster_verb_options& o, physical_plan& plan) {
  std::map<std::string, std::string> hashes;  // by path
  for (auto& n : plan.operators) {
    auto* c = std::get_if<custom_spec>(&n.spec);
    if (!c) continue;
    auto [known, first] = hashes.emplace(c->library, "");
    if (first)
      if (int code = ship(o, c->library, known->second)) return code;
    c->content = known->second;
    // For people: where it was here means nothing there.
    c->library = c->library.substr(c->library.rfind('/') + 1);
  }
  return exit_ok;
}

}  // namespace weir::cli
