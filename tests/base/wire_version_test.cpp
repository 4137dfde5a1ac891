// Which builds get on with which, and what is said when they don't.
#include <doctest/doctest.h>

#include <algorithm>

#include "runtime/base/wire_version.hpp"

using namespace weir;

TEST_CASE("wire version: the same messages, or messages that either side declares compatible") {
  const wire_version old{4, 0x11, {}, "weir 1"};
  wire_version same = old, other{4, 0x22, {}, "weir 2"};
  same.build = "weir 1 of another day";
  CHECK(understand_each_other(old, same));
  CHECK_FALSE(understand_each_other(old, other));
  other.compatible = {0x33, 0x11};
  CHECK(understand_each_other(old, other));
  CHECK(understand_each_other(other, old));
  // A list is for one format: what comes before messages are known has changed.
  other.format = 5;
  CHECK_FALSE(understand_each_other(old, other));
  CHECK_FALSE(understand_each_other(other, old));
  // Two builds that declare a third one do not know each other.
  CHECK_FALSE(understand_each_other({4, 0x22, {0x11}, ""}, {4, 0x33, {0x11}, ""}));
}

TEST_CASE("wire version: a build from before there were hashes is another one") {
  CHECK_FALSE(understand_each_other({4, 0, {}, "old"}, {4, 0, {}, "old"}));
  CHECK_FALSE(understand_each_other({4, 0x11, {0}, "new"}, {4, 0, {}, "old"}));
}

TEST_CASE("wire version: a refusal names both builds and what to do") {
  const auto text = refusal_of({4, 0x11, {}, "weir 1"}, {4, 0xabc, {}, "weir 2"});
  CHECK(text.find("here weir 1 (format 4, messages 0000000000000011)") != text.npos);
  CHECK(text.find("there weir 2 (format 4, messages 0000000000000abc)") != text.npos);
  CHECK(text.find("start the same build on all nodes") != text.npos);
}

TEST_CASE("wire version: identifiers of two builds meet when they understand each other") {
  auto meet = [](const wire_version& a, const wire_version& b) {
    const auto y = application_identifiers(b);
    for (const auto& x : application_identifiers(a))
      if (std::find(y.begin(), y.end(), x) != y.end()) return true;
    return false;
  };
  const wire_version old{4, 0x11, {}, ""}, fits{4, 0x22, {0x11}, ""}, differs{4, 0x33, {}, ""};
  CHECK(meet(old, old));
  CHECK(meet(old, fits));
  CHECK_FALSE(meet(old, differs));
  CHECK_FALSE(meet(old, {5, 0x11, {}, ""}));
}
