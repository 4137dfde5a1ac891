// Finding, loading and describing libraries of custom operators.
#include <cstdlib>
#include <filesystem>

#include "tests/custom/fixture.hpp"

using namespace weir;
using namespace weir::custom_test;

namespace {

std::string refusal(custom_spec spec, const std::vector<schema_ptr>& inputs) {
  auto d = describe_custom_operator(spec, inputs);
  return d ? "" : d.err().text();
}

}  // namespace

TEST_CASE("a library of another interface version is refused with both versions") {
  CHECK(
      refusal({TEST_WRONG_VERSION, "echo"}, {columns("n bigint")}) ==
      std::string("operator library ") + TEST_WRONG_VERSION +
          " was built for version 999 of the operator interface, this weir has version 1; rebuild "
          "it against this weir's headers (version mismatch)");
}

TEST_CASE("what is no library of operators is refused") {
  CHECK(refusal({TEST_NO_ENTRY, "echo"}, {columns("n bigint")}) ==
        std::string(TEST_NO_ENTRY) +
            " is no library of custom operators: it does not export weir_operator_library; use "
            "WEIR_EXPORT_OPERATOR in one of its files (invalid argument)");
  CHECK(refusal({"/nowhere/x.so", "echo"}, {columns("n bigint")}) ==
        "operator library /nowhere/x.so does not exist (not found)");
  auto text = refusal({WEIR_SOURCE_DIR "/LICENSE", "echo"}, {columns("n bigint")});
  CHECK(text.starts_with("cannot load operator library"));
}

TEST_CASE("a class that is missing names the nearest") {
  auto text = refusal({TEST_OPERATORS, "spliter"}, {columns("n bigint")});
  CHECK(text == std::string("no class \"spliter\" in operator library ") + TEST_OPERATORS +
                    "; did you mean \"splitter\"? (unknown name)");
  text = refusal({TEST_OPERATORS, "qqqqqqqqqq"}, {columns("n bigint")});
  CHECK(text.find("; it has: ") != text.npos);
  CHECK(text.find("row_counter") != text.npos);
  auto classes = operator_classes(TEST_OPERATORS);
  REQUIRE(classes.ok());
  CHECK(classes->size() == 15);
}

TEST_CASE("libraries are looked for beside the job file and in WEIR_OPERATOR_PATH") {
  namespace fs = std::filesystem;
  fs::path library(TEST_OPERATORS);
  auto folder = library.parent_path().string();
  CHECK(*find_operator_library(TEST_OPERATORS, "") == TEST_OPERATORS);
  CHECK(*find_operator_library("test_operators", folder) == TEST_OPERATORS);
  CHECK(*find_operator_library("test_operators.so", folder) == TEST_OPERATORS);
  auto up = fs::path(folder).parent_path().string();
  CHECK(*find_operator_library(fs::path(folder).filename().string() + "/test_operators", up) ==
        TEST_OPERATORS);
  setenv("WEIR_OPERATOR_PATH", ("/nowhere:" + folder).c_str(), 1);
  CHECK(*find_operator_library("test_operators", "/tmp") == TEST_OPERATORS);
  auto missing = find_operator_library("no_such", "/jobs");
  REQUIRE(!missing);
  CHECK(missing.err().code == errc::not_found);
  CHECK(missing.err().message.starts_with(
      "operator library \"no_such\" was not found; looked for no_such, no_such.so and "
      "libno_such.so in /jobs, /nowhere, " +
      folder + ", "));
  unsetenv("WEIR_OPERATOR_PATH");
  CHECK(!find_operator_library("test_operators", "/tmp").ok());
}

TEST_CASE("a class describes its outputs, parameters and state") {
  auto in = columns("n bigint");
  auto d = describe_custom_operator({TEST_OPERATORS, "splitter"}, {in});
  REQUIRE(d.ok());
  CHECK(*d->output == *in);
  REQUIRE(d->side_outputs.size() == 2);
  CHECK(d->side_outputs[0].name == "even");
  CHECK(*d->side_outputs[1].columns == *columns("n bigint,why text"));
  CHECK(!d->needs_key);

  custom_spec keyed{TEST_OPERATORS, "memory", {{"ttl", "1h"}}, {0}};
  d = describe_custom_operator(keyed, {columns("k bigint,n bigint")});
  REQUIRE(d.ok());
  CHECK(d->needs_key);
  CHECK(d->states == std::vector<std::string>{"last", "items", "entries"});
  REQUIRE(d->parameters.size() == 3);
  CHECK(d->parameters[1].name == "ttl");
  CHECK(d->parameters[1].default_value == "10000000us");
}

TEST_CASE("jobs that do not fit a class are refused when they are planned") {
  CHECK(refusal({TEST_OPERATORS, "memory"}, {columns("k bigint,n bigint")}) ==
        std::string("operator memory of ") + TEST_OPERATORS +
            ": it needs a key: give the step `key: [columns]` (invalid argument)");
  CHECK(refusal({TEST_OPERATORS, "memory", {{"tll", "1h"}}, {0}}, {columns("k bigint,n bigint")})
            .ends_with("unknown parameter 'tll'; did you mean 'ttl'? (invalid argument)"));
  CHECK(refusal({TEST_OPERATORS, "memory", {{"ttl", "soon"}}, {0}}, {columns("k bigint,n bigint")})
            .ends_with("parameter 'ttl': 'soon' is not a duration such as 100ms, 1s, 5m or 1h "
                       "(invalid argument)"));
  CHECK(refusal({TEST_OPERATORS, "splitter"}, {columns("n int")})
            .ends_with("column 'n' is int: use int32_t (invalid argument)"));
  CHECK(refusal({TEST_OPERATORS, "thrower", {{"where", "describe"}}}, {columns("n int")})
            .ends_with("thrown in describe (error in user code)"));
  CHECK(refusal({TEST_OPERATORS, "careless", {{"how", "nested"}}}, {columns("n int")})
            .ends_with("custom operators cannot emit nested types (unsupported)"));
  CHECK(refusal({TEST_OPERATORS, "careless", {{"how", "twice"}}}, {columns("n int")})
            .ends_with("output column \"a\" is declared twice (invalid argument)"));
}

TEST_CASE("a plan that was made with another version of a class is refused") {
  operator_node node;
  node.output = columns("n bigint,more text");
  auto made = make_custom_operator({TEST_OPERATORS, "echo"}, {columns("n bigint")}, node);
  REQUIRE(!made);
  CHECK(made.err().code == errc::version_mismatch);
}
