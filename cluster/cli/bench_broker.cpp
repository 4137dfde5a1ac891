#include "cluster/cli/bench_broker.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "cluster/cli/bench_engine.hpp"

namespace weir::cli {

double bench_broker::cpu_seconds() const {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  auto at = text.rfind(')');
  unsigned long user = 0, system = 0;
  if (at != std::string::npos)
    std::sscanf(text.c_str() + at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                &user, &system);
  return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double bench_broker::resident_mib() const {
  std::ifstream in("/proc/" + std::to_string(pid) + "/statm");
  uint64_t total = 0, resident = 0;
  in >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

result<std::unique_ptr<child_broker>> child_broker::start() {
  std::unique_ptr<child_broker> b(new child_broker);
  std::string pattern = std::filesystem::current_path() / "weir-bench-XXXXXX";
  if (!::mkdtemp(pattern.data()))
    return error{errc::io, "cannot make a folder here: " + std::string(std::strerror(errno))};
  b->folder_ = pattern;
  WEIR_TRY(b->spawn());
  return b;
}

child_broker::~child_broker() {
  if (pid > 0) {
    ::kill(pid, SIGTERM);
    ::waitpid(pid, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

status child_broker::spawn() {
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return error{errc::io, "cannot make a pipe"};
  auto data = folder_ + "/data";
  const char* args[] = {"weir",        "up",     "--data-dir",  data.c_str(), "--kafka",
                        "127.0.0.1:0", "--http", "127.0.0.1:0", nullptr};
  auto began = wall_seconds();
  pid = ::fork();
  if (pid < 0) return error{errc::io, "cannot start a process"};
  if (pid == 0) {
    ::dup2(out[1], 1);
    int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, 2);
    ::execv("/proc/self/exe", const_cast<char**>(args));
    ::_exit(127);
  }
  ::close(out[1]);
  std::string line;
  char c = 0;
  while (::read(out[0], &c, 1) == 1 && c != '\n') line += c;
  ::close(out[0]);
  ready_ms_ = (wall_seconds() - began) * 1e3;
  auto at = line.find("kafka=");
  if (at == std::string::npos) return error{errc::io, "the broker did not start: " + line};
  address = line.substr(at + 6, line.find(' ', at) - at - 6);
  return {};
}

}  // namespace weir::cli
