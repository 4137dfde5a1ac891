// Dead letters of operators: written once, cut at a restart, kept over a change of parallelism.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "runtime/column/builder.hpp"
#include "runtime/expr/expr.hpp"
#include "runtime/flow/error_policy.hpp"
#include "runtime/snapshot/memory_snapshot.hpp"

namespace weir {
namespace {

namespace fs = std::filesystem;

struct world {
  fs::path folder = fs::temp_directory_path() /
                    ("weir-letters-" + std::to_string(reinterpret_cast<uintptr_t>(this)));
  memory_pool pool;
  std::unique_ptr<file_system> files = make_posix_file_system();
  std::unique_ptr<io_executor> io = make_thread_executor(1);
  operator_metrics metrics;
  schema_ptr type =
      std::make_shared<schema>(schema{{{"a", type_id::int32}, {"t", type_id::string}}});

  world() { fs::remove_all(folder); }
  ~world() { fs::remove_all(folder); }

  std::unique_ptr<operator_error_policy> policy(uint32_t subtask, uint32_t parallelism,
                                                const std::vector<state_chunk>& from = {}) {
    auto p = std::make_unique<operator_error_policy>(operator_error_policy::options{
        error_policy::dead_letter, folder.string(), nullptr, nullptr});
    operator_context c;
    c.operator_id = "step/partial";
    c.job = "job";
    c.subtask = subtask;
    c.parallelism = parallelism;
    c.metrics = &metrics;
    c.files = files.get();
    c.io = io.get();
    REQUIRE(p->open(c).ok());
    if (!from.empty()) REQUIRE(p->restore(chunk_list_reader(from, c.operator_id)).ok());
    p->begin();
    return p;
  }
  void reject(operator_error_policy& p, const std::string& a, const std::string& t) {
    auto rows = *batch_from_text(type, {{a, t}}, pool);
    REQUIRE(p.reject(*rows, {{0, error(errc::overflow, "too much")}}).ok());
  }
  void wait(operator_error_policy& p) {
    chunk_list_writer unused(pool, epoch{1}, "step/partial", 0);
    while (!*p.snapshot_continue(unused)) std::this_thread::yield();
  }
  std::vector<state_chunk> snapshot(std::vector<operator_error_policy*> policies) {
    std::vector<state_chunk> out;
    for (uint32_t i = 0; i < policies.size(); ++i) {
      chunk_list_writer w(pool, epoch{1}, "step/partial", i);
      policies[i]->snapshot_begin(w);
      wait(*policies[i]);
      for (auto& c : w.take()) out.push_back(std::move(c));
    }
    return out;
  }
  std::vector<std::string> letters() {
    std::vector<std::string> out;
    if (!fs::exists(folder)) return out;
    for (const auto& e : fs::directory_iterator(folder)) {
      std::ifstream in(e.path());
      for (std::string line; std::getline(in, line);) out.push_back(line);
    }
    std::sort(out.begin(), out.end());
    return out;
  }
};

std::string line(const std::string& a, const std::string& t) {
  return R"({"operator":"step/partial","cause":"too much","row":{"a":)" + a + R"(,"t":")" + t +
         R"("}})";
}

}  // namespace

TEST_CASE("dead letters of an operator: a restart cuts what came after the snapshot") {
  world w;
  std::vector<state_chunk> saved;
  {
    auto p = w.policy(0, 1);
    w.reject(*p, "1", "x\\\"");
    saved = w.snapshot({p.get()});
    w.reject(*p, "2", "y");
    w.wait(*p);
  }
  CHECK(w.letters().size() == 2);
  CHECK(w.metrics.dead_letters == 2);
  {
    auto p = w.policy(0, 1, saved);
    w.reject(*p, "3", "z");
    w.wait(*p);
  }
  CHECK(w.letters() == std::vector<std::string>{line("1", R"(x\\\")"), line("3", "z")});
  // A run from the start has no letters of the one before.
  w.wait(*w.policy(0, 1));
  CHECK(w.letters().empty());
}

TEST_CASE("dead letters of an operator: kept when the parallelism drops and grows again") {
  world w;
  std::vector<std::unique_ptr<operator_error_policy>> p;
  auto all = [&p] {
    std::vector<operator_error_policy*> out;
    for (auto& x : p) out.push_back(x.get());
    return out;
  };
  std::vector<state_chunk> saved;
  std::vector<std::string> expected;
  for (uint32_t parallelism : {3, 1, 2, 3}) {
    p.clear();
    for (uint32_t i = 0; i < parallelism; ++i) p.push_back(w.policy(i, parallelism, saved));
    for (uint32_t i = 0; i < parallelism; ++i) {
      auto text = std::to_string(parallelism) + "." + std::to_string(i);
      w.reject(*p[i], std::to_string(expected.size()), text);
      expected.push_back(line(std::to_string(expected.size()), text));
    }
    saved = w.snapshot(all());
    for (auto& x : p) w.reject(*x, "0", "lost with the crash");
    for (auto& x : p) w.wait(*x);
  }
  p.clear();
  for (uint32_t i = 0; i < 2; ++i) {
    p.push_back(w.policy(i, 2, saved));
    w.wait(*p[i]);
  }
  CHECK(w.letters() == expected);
}

}  // namespace weir
