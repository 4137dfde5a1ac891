#include "runtime/io/directory_lock.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/io/scratch.hpp"

using namespace weir;
using test::scratch_folder;

TEST_CASE("a second holder is refused, in this process too") {
  scratch_folder dir;
  auto lock = directory_lock::acquire(dir.path());
  REQUIRE(lock.ok());
  CHECK(*directory_lock::holder(dir.path()) == ::getpid());
  auto second = directory_lock::acquire(dir.path());
  REQUIRE(!second.ok());
  CHECK(second.err().code == errc::locked);
  CHECK(second.err().message.find("pid " + std::to_string(::getpid())) != std::string::npos);
  lock->release();
  CHECK(*directory_lock::holder(dir.path()) == 0);
  CHECK(directory_lock::acquire(dir.path()).ok());
  CHECK(!directory_lock::acquire(dir / "absent").ok());
}

TEST_CASE("a process that is killed gives the lock back, and is named while it lives") {
  scratch_folder dir;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto lock = directory_lock::acquire(dir.path());
    char c = lock.ok() ? '1' : '0';
    if (::write(ready[1], &c, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char c = 0;
  REQUIRE(::read(ready[0], &c, 1) == 1);
  CHECK(c == '1');
  auto refused = directory_lock::acquire(dir.path());
  REQUIRE(!refused.ok());
  CHECK(refused.err().code == errc::locked);
  CHECK(refused.err().message.find("(pid " + std::to_string(child) + ")") != std::string::npos);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(directory_lock::acquire(dir.path()).ok());
  ::close(ready[0]);
  ::close(ready[1]);
}
