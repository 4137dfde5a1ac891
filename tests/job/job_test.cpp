// What front ends share: places in files, ${KEY}, the way from a file to a job.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "jobs/job/job.hpp"
#include "jobs/job/substitution.hpp"

using namespace weir;
using namespace weir::jobs;

TEST_CASE("diagnostics point at characters and come in the file's order, each once") {
  diagnosed_text t("eins\nzwö drei\n", "f.sql");
  t.error(10, "here");  // behind a letter of two bytes
  t.warn(0, "first");
  t.error(10, "here");
  t.error(999, "the end");
  CHECK(t.failed());
  CHECK(to_text(t.take()) ==
        "f.sql:1:1: warning: first\n   1 | eins\n     | ^\n"
        "f.sql:2:5: error: here\n   2 | zwö drei\n     |     ^\n"
        "f.sql:3:1: error: the end\n   3 | \n     | ^\n");
}

TEST_CASE("of long lines what stands around the place is quoted") {
  std::string line;
  for (int i = 0; i < 1000; ++i) line += "ö";
  line.replace(2 * 500, 2, "X");
  diagnosed_text t(line + "\n", "f.sql");
  t.error(0, "first");
  t.error(2 * 500, "here");
  std::string left, right;
  for (int i = 0; i < 80; ++i) left += "ö", right += "ö";
  CHECK(to_text(t.take()) == "f.sql:1:1: error: first\n   1 | " + left + "...\n     | ^\n" +
                                 "f.sql:1:501: error: here\n   1 | ..." + left + "X" +
                                 right.substr(2) + "...\n     |    " + std::string(80, ' ') +
                                 "^\n");
}

TEST_CASE("${KEY}: values, defaults, escapes, and what is missing") {
  const std::map<std::string, std::string> set{{"A", "1"}, {"OTHER", "x"}};
  substitution s(set);
  CHECK_FALSE(s.at("plain", 0));
  CHECK((*s.at("${A}", 0))->value == "1");
  CHECK((*s.at("${B:-two}", 0))->value == "two");
  auto escaped = s.at("$${A}", 0);
  CHECK((*escaped)->value == "${");
  CHECK((*escaped)->end == 3);
  CHECK(s.at("${A", 0)->err().message == "\"${\" without \"}\"; write $${ for a plain ${");
  CHECK(s.at("${OTHR}", 0)->err().message ==
        "${OTHR} has no value; did you mean \"OTHER\"?; give one with --set OTHR=VALUE, or write "
        "${OTHR:-default}");
  CHECK(s.unused() == std::vector<std::string>{
                          "--set OTHER=x: the file has no ${OTHER}; did you mean \"OTHR\"?"});
}

TEST_CASE("a job file that cannot be read is an error, not an empty job") {
  auto never = [](const std::string&, const std::string&, const std::string&, const job_settings&,
                  std::vector<diagnostic>&) -> std::optional<job> {
    FAIL("the front end must not be asked");
    return {};
  };
  CHECK(load_job_file(never, "/nowhere/j.sql", {}).err().message ==
        "job file /nowhere/j.sql cannot be opened");
  CHECK(load_job_file(never, "/tmp", {}).err().message == "/tmp is a folder, not a job file");
  const std::string big(job_file_bytes_max + 1, ' ');
  CHECK(load_job_text(never, big, "j.sql", ".", {}).err().message ==
        "j.sql: error: the file is longer than 1 MiB");
  CHECK(job_name_of("a/b.c/carriers.v2.sql") == "carriers.v2");
}
