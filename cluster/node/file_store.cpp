#include "cluster/node/file_store.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>

#include "runtime/plan/plan.hpp"

namespace weir {
namespace {

constexpr size_t part_bytes = size_t{1} << 20;
constexpr auto part_timeout = std::chrono::seconds(10);

}  // namespace

std::string content_hash(std::string_view content) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  ::SHA256(reinterpret_cast<const unsigned char*>(content.data()), content.size(), digest);
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (auto b : digest) {
    out += digits[b >> 4];
    out += digits[b & 15];
  }
  return out;
}

file_store::file_store(file_system& files, io_executor& io, kafka::peer_client& peers,
                       std::string folder)
    : files_(files), io_(io), peers_(peers), folder_(std::move(folder)) {}

void file_store::set_cluster(const kafka::uuid& c) {
  std::lock_guard lock(mutex_);
  cluster_ = c;
}

bool file_store::is_ours(const kafka::uuid& c) const {
  std::lock_guard lock(mutex_);
  return c == cluster_;
}

result<std::string> file_store::load(const std::string& hash) const {
  if (!is_content_hash(hash))
    return error{errc::invalid_argument, "'" + hash + "' is not a file's hash"};
  const auto path = folder_ + "/" + hash;
  WEIR_ASSIGN(auto content, read_whole_file(files_, path, job_file_bytes_max));
  if (content_hash(content) != hash) return error{errc::corrupt, path + " is damaged"};
  return content;
}

/// It is wanted now: a job that names it may be about to come.
void file_store::touch(const std::string& hash) const {
  std::error_code ignored;  // then it is a little older than it should be
  std::filesystem::last_write_time(folder_ + "/" + hash,
                                   std::filesystem::file_time_type::clock::now(), ignored);
}

status file_store::keep(const std::string& hash, const std::string& content) const {
  if (load(hash)) {
    touch(hash);
    return {};
  }
  WEIR_TRY(files_.create_directories(folder_));
  // Code that this process runs is among them: nobody else may write there, or read it.
  std::error_code e;
  std::filesystem::permissions(folder_, std::filesystem::perms::owner_all, e);
  if (e) return error{errc::io, "cannot close " + folder_ + " to others: " + e.message()};
  return atomic_write_file(files_, folder_ + "/" + hash, content);
}

void file_store::store(std::string content, std::vector<std::string> nodes, size_t copies,
                       std::function<void(result<std::string>)> done) {
  if (content.size() > job_file_bytes_max)
    return done(error{errc::invalid_argument, "a file of " + std::to_string(content.size()) +
                                                  " bytes; at most " +
                                                  std::to_string(job_file_bytes_max)});
  io_.submit(io_.new_lane(), [this, content = std::move(content), nodes = std::move(nodes), copies,
                              done = std::move(done)]() mutable {
    const auto hash = content_hash(content);
    if (auto s = keep(hash, content); !s) return done(s.err());
    struct round {
      std::atomic<size_t> left, have;
      std::mutex m;
      std::string problems;
    };
    auto r = std::make_shared<round>();
    r->left = nodes.size();
    r->have = 1;
    auto finish = [r, hash, copies, done] {
      if (r->have >= copies) return done(hash);
      done(error{errc::io, "a file of the job has " + std::to_string(r->have) + " of " +
                               std::to_string(copies) + " copies:" + r->problems});
    };
    if (nodes.empty()) return finish();
    auto shared = std::make_shared<const std::string>(std::move(content));
    for (const auto& n : nodes)
      offer(n, shared, hash, [r, n, finish](status s) {
        if (s) {
          r->have.fetch_add(1);
        } else {
          std::lock_guard lock(r->m);
          r->problems += " " + s.err().message;
        }
        if (r->left.fetch_sub(1) == 1) finish();
      });
  });
}

/// Gives it to a node, unless that has it.
void file_store::offer(const std::string& address, std::shared_ptr<const std::string> content,
                       const std::string& hash, std::function<void(status)> done) {
  kafka::node_file_request q;
  {
    std::lock_guard lock(mutex_);
    q.cluster = cluster_;
  }
  q.hash = hash;
  q.offset = static_cast<int64_t>(content->size());
  q.bytes_max = 1;
  peers_.call(address, q, 0, part_timeout,
              [this, address, content, hash,
               done = std::move(done)](result<kafka::node_file_response> r) mutable {
                if (r && r->error_code == kafka::error_code::none &&
                    static_cast<size_t>(r->size) == content->size())
                  return done({});
                give(address, std::move(content), hash, 0, std::move(done));
              });
}

void file_store::give(const std::string& address, std::shared_ptr<const std::string> content,
                      const std::string& hash, size_t offset, std::function<void(status)> done) {
  kafka::node_store_file_request q;
  {
    std::lock_guard lock(mutex_);
    q.cluster = cluster_;
  }
  q.hash = hash;
  q.offset = static_cast<int64_t>(offset);
  q.size = static_cast<int64_t>(content->size());
  q.content = content->substr(offset, part_bytes);
  const auto next = offset + q.content.size();
  peers_.call(
      address, q, 0, part_timeout,
      [this, address, content, hash, next,
       done = std::move(done)](result<kafka::node_store_file_response> r) {
        if (!r) return done(r.err());
        if (r->error_code != kafka::error_code::none)
          return done(error{errc::io, address + ": " + r->error_message.value_or("refused")});
        if (next >= content->size()) return done({});
        give(address, content, hash, next, done);
      });
}

void file_store::read(const std::string& hash, std::vector<std::string> nodes, read_callback done) {
  io_.submit(io_.new_lane(),
             [this, hash, nodes = std::move(nodes), done = std::move(done)]() mutable {
               if (auto here = load(hash)) return done(std::move(here));
               fetch(std::make_shared<std::string>(), hash, std::move(nodes), 0, std::move(done));
             });
}

void file_store::locate(const std::string& hash, std::vector<std::string> nodes,
                        std::function<void(result<std::string>)> done) {
  io_.submit(io_.new_lane(),
             [this, hash, nodes = std::move(nodes), done = std::move(done)]() mutable {
               const auto path = folder_ + "/" + hash;
               if (load(hash)) {
                 touch(hash);
                 return done(path);
               }
               fetch(std::make_shared<std::string>(), hash, std::move(nodes), 0,
                     [this, hash, path, done = std::move(done)](result<std::string> got) {
                       if (!got) return done(got.err());
                       if (auto s = keep(hash, *got); !s) return done(s.err());
                       done(path);
                     });
             });
}

result<std::optional<std::string>> file_store::collect(const std::string& hash, size_t offset,
                                                       size_t size, std::string_view part) {
  return uploads_.take(hash, offset, size, part, std::chrono::steady_clock::now());
}

void file_store::look_after(std::set<std::string> needed, std::vector<std::string> here_too,
                            std::vector<std::string> nodes) {
  for (auto* files : {&coming_, &uploads_}) files->forget_idle(std::chrono::steady_clock::now());
  io_.submit(io_.new_lane(), [this, needed = std::move(needed), here_too = std::move(here_too),
                              nodes = std::move(nodes)] {
    drop_unused(needed);
    for (const auto& hash : here_too)
      // Their content is checked when it is used. What nobody has now is looked for again.
      if (!files_.stat(folder_ + "/" + hash)) locate(hash, nodes, [](const auto&) {});
  });
}

void file_store::drop_unused(const std::set<std::string>& needed) {
  auto all = files_.list(folder_);
  if (!all) return;  // there are none yet
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  for (const auto& f : *all) {
    const auto name = f.path.substr(f.path.rfind('/') + 1);
    // Also what a crash left of a file that was being written.
    if (!needed.contains(name) && f.modified_us + unused_file_age_us < now)
      (void)files_.remove(f.path);  // it is tried again
  }
}

void file_store::fetch(std::shared_ptr<std::string> so_far, const std::string& hash,
                       std::vector<std::string> nodes, size_t node, read_callback done) {
  if (node >= nodes.size())
    return done(error{errc::not_found, "no node that is up has the file " + hash});
  kafka::node_file_request q;
  {
    std::lock_guard lock(mutex_);
    q.cluster = cluster_;
  }
  q.hash = hash;
  q.offset = static_cast<int64_t>(so_far->size());
  q.bytes_max = part_bytes;
  const auto address = nodes[node];
  peers_.call(address, q, 0, part_timeout,
              [this, so_far, hash, nodes = std::move(nodes), node,
               done = std::move(done)](result<kafka::node_file_response> r) mutable {
                auto next_node = [&] {
                  so_far->clear();
                  fetch(so_far, hash, std::move(nodes), node + 1, std::move(done));
                };
                if (!r || r->error_code != kafka::error_code::none || r->size < 0 ||
                    static_cast<size_t>(r->size) > job_file_bytes_max)
                  return next_node();
                *so_far += r->content;
                if (so_far->size() < static_cast<size_t>(r->size)) {
                  if (r->content.empty()) return next_node();
                  return fetch(so_far, hash, std::move(nodes), node, std::move(done));
                }
                if (content_hash(*so_far) != hash) return next_node();
                io_.submit(io_.new_lane(), [this, so_far, hash, done = std::move(done)] {
                  // A file that cannot be kept can still be used.
                  (void)keep(hash, *so_far);
                  done(std::move(*so_far));
                });
              });
}

result<kafka::node_file_response> file_store::read_part(const kafka::node_file_request& q) const {
  if (!is_content_hash(q.hash)) return error{errc::invalid_argument, "not a hash"};
  WEIR_ASSIGN(auto file, files_.open_read(folder_ + "/" + q.hash));
  WEIR_ASSIGN(auto size, file->size());
  kafka::node_file_response out;
  out.size = static_cast<int64_t>(size);
  const auto from = std::min(static_cast<uint64_t>(q.offset), size);
  out.content.resize(
      std::min({static_cast<size_t>(q.bytes_max), part_bytes, static_cast<size_t>(size - from)}));
  WEIR_ASSIGN(auto got, file->read(from, std::as_writable_bytes(std::span(out.content))));
  out.content.resize(got);
  return out;
}

void file_store::serve(const kafka::node_file_request& q,
                       std::function<void(kafka::node_file_response)> reply) {
  if (!is_ours(q.cluster) || q.offset < 0 || q.bytes_max <= 0) {
    kafka::node_file_response out;
    out.error_code = kafka::error_code::invalid_request;
    return reply(out);
  }
  io_.submit(io_.new_lane(), [this, q, reply = std::move(reply)] {
    kafka::node_file_response out;
    // Who asks checks the whole; here only what it asks for is read.
    auto found = read_part(q);
    if (!found) {
      out.error_code = kafka::error_code::resource_not_found;
      return reply(out);
    }
    touch(q.hash);
    reply(*found);
  });
}

void file_store::take(kafka::node_store_file_request q,
                      std::function<void(kafka::node_store_file_response)> reply) {
  kafka::node_store_file_response out;
  auto refuse = [&](std::string why) {
    out.error_code = kafka::error_code::invalid_request;
    out.error_message = std::move(why);
    reply(out);
  };
  if (!is_ours(q.cluster)) return refuse("it is a node of another cluster");
  if (q.offset < 0 || q.size < 0) return refuse("not a file");
  auto whole = coming_.take(q.hash, static_cast<size_t>(q.offset), static_cast<size_t>(q.size),
                            q.content, std::chrono::steady_clock::now());
  if (!whole) return refuse(whole.err().message);
  if (!*whole) return reply(out);
  io_.submit(io_.new_lane(), [this, hash = q.hash, content = std::move(**whole), out,
                              reply = std::move(reply)]() mutable {
    if (auto s = keep(hash, content); !s) {
      out.error_code = kafka::error_code::kafka_storage_error;
      out.error_message = s.err().message;
    }
    reply(out);
  });
}

}  // namespace weir
