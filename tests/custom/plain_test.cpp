// Operators without keys behind the host: columns in and out, failures, parameters, side outputs.
#include "tests/custom/fixture.hpp"

using namespace weir;
using namespace weir::custom_test;

TEST_CASE("all column types pass through with nulls") {
  auto in = columns(
      "b boolean,i int,n bigint,d double precision,t text,h bytea,e date,s timestamp,j json");
  runner r("echo", in, {});
  r.push(
      "true,1,-9223372036854775808,0.1,text,\\x00ff,2013-01-31,2013-01-01 10:00:00.5,[]|"
      "NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL|"
      "false,-2147483648,9223372036854775807,-1e+300,,\\x,0001-01-01,1969-12-31 "
      "23:59:59.999999,{}");
  CHECK(r.failure == "");
  CHECK(r.take() ==
        "true,1,-9223372036854775808,0.1,text,\\x00ff,2013-01-31,2013-01-01 10:00:00.5,[]\n"
        "NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL\n"
        "false,-2147483648,9223372036854775807,-1e+300,,\\x,0001-01-01,1969-12-31 "
        "23:59:59.999999,{}\n");
}

TEST_CASE("decimals and intervals pass through") {
  auto s = std::make_shared<schema>();
  s->fields = {{"d", data_type(type_id::decimal, 3)}, {"v", type_id::interval}};
  runner r("echo", s, {});
  r.push("-12345678901234567890123456789.125,1 year 2 mons -3 days|NULL,NULL|0.001,00:00:01");
  CHECK(r.failure == "");
  CHECK(r.take() ==
        "-12345678901234567890123456789.125,1 year 2 mons -3 days\nNULL,NULL\n0.001,00:00:01\n");
}

TEST_CASE("selections, dictionaries and weights are understood") {
  auto in = columns("n bigint,t text");
  memory_pool pool;
  column_builder words(data_type(type_id::string), pool);
  for (const char* w : {"zero", "one", "two"}) words.append(w);
  auto dictionary = words.finish();
  column_builder numbers(data_type(type_id::int64), pool);
  auto text = std::make_shared<column>();
  text->type = type_id::string;
  text->length = 4;
  text->dictionary = dictionary;
  text->values = buffer::allocate_zero(pool, 16);
  auto weights = buffer::allocate(pool, 16);
  for (int i = 0; i < 4; ++i) {
    numbers.append(int64_t{i} * 10);
    text->values.mutable_as<uint32_t>()[i] = static_cast<uint32_t>(i % 3);
    weights.mutable_as<int32_t>()[i] = i % 2 ? -1 : 1;
  }
  auto all = make_batch(in, {numbers.finish(), text}, weights);
  auto selection = buffer::allocate(pool, 8);
  selection.mutable_as<uint32_t>()[0] = 1;
  selection.mutable_as<uint32_t>()[1] = 2;
  runner r("echo", in, {});
  r.push(with_selection(*all, selection, 2));
  CHECK(r.failure == "");
  CHECK(r.take() == "-1: 10,one\n20,two\n");
}

TEST_CASE("output larger than a batch leaves in several, columns intact") {
  runner r("multiplier", columns("n bigint"), {});
  r.push("20000");
  REQUIRE(r.failure == "");
  CHECK(r.out.sizes == std::vector<uint32_t>{8192, 8192, 3616});
  const auto& rows = r.out.rows[0];
  REQUIRE(rows.size() == 20000);
  for (int k : {0, 3, 8191, 8192, 8193, 16383, 16384, 19998, 19999}) {
    std::string name = k % 7 == 3 ? "NULL" : "n" + std::to_string(k);
    CHECK(rows[static_cast<size_t>(k)] ==
          std::to_string(k) + "," + name + (k % 2 ? ",false" : ",true"));
  }
}

TEST_CASE("exceptions become errors that name operator, class and message") {
  auto fails = [](const std::string& where) {
    option_map p{{"where", where}};
    runner r("thrower", columns("n bigint"), {.parameters = p});
    memory_snapshots s;
    if (r.failure.empty()) r.push("1");
    if (r.failure.empty()) r.watermark(5);
    if (r.failure.empty()) r.snapshot(s);
    if (r.failure.empty()) r.start(1, &s);
    if (r.failure.empty()) r.close();
    return r.failure;
  };
  CHECK(fails("nowhere") == "");
  for (const char* where : {"open", "process", "watermark", "snapshot", "restore", "close"})
    CHECK(fails(where) == std::string("operator \"under test\" (thrower of ") + TEST_OPERATORS +
                              "): thrown in " + where + " (error in user code)");
  CHECK(fails("number").ends_with(
      "threw something that is not a std::exception (error in user code)"));
  CHECK(fails("nothing declared").find("vector::_M_range_check") != std::string::npos);
}

TEST_CASE("misuse of the emitter is an error of the operator") {
  auto fails = [](const std::string& how) {
    option_map p{{"how", how}};
    runner r("careless", columns("n bigint"), {.parameters = p});
    r.push("1");
    return r.failure.substr(r.failure.find("): ") + 3);
  };
  CHECK(fails("type") == "column 'a' is bigint, set() got a text (error in user code)");
  CHECK(fails("name") == "no column 'c'; did you mean 'a'? (invalid argument)");
  CHECK(fails("length") ==
        "output 'main': column 'b' has 0 values, others have 1 (error in user code)");
  CHECK(fails("state") == "state 'count' is used before the operator is open (error in user code)");
  CHECK(fails("timer") == "it needs a key: give the step `key: [columns]` (invalid argument)");
}

TEST_CASE("parameters have types, defaults and must be known") {
  auto run = [](option_map p) {
    runner r("reader", columns("n bigint"), {.parameters = std::move(p), .parallelism = 2});
    if (!r.failure.empty()) return r.failure.substr(r.failure.find("): ") + 3);
    r.push("1");
    r.push("2");
    return r.take();
  };
  CHECK(run({{"i", "7"}}) == "none 7 0 1000000 0/2\nnone 7 0 1000000 1/2\n");
  CHECK(run({{"i", "-7"}, {"s", "a b"}, {"b", "true"}, {"d", "250ms"}}) ==
        "a b -7 1 250000 0/2\na b -7 1 250000 1/2\n");
  CHECK(run({}) == "parameter 'i' is missing: it has no default (invalid argument)");
  CHECK(run({{"i", "3000000000"}}) ==
        "parameter 'i': '3000000000' is not an integer in its type's range (invalid argument)");
  CHECK(run({{"i", "1"}, {"b", "maybe"}}) ==
        "parameter 'b': 'maybe' is not true or false (invalid argument)");
  CHECK(run({{"i", "1"}, {"dd", "1s"}}) ==
        "unknown parameter 'dd'; did you mean 'd'? (invalid argument)");
}

TEST_CASE("side outputs have ports of their own") {
  runner r("splitter", columns("n bigint"), {});
  r.push("1|2|-3|4|5");
  CHECK(r.failure == "");
  CHECK(r.take(0) == "1\n5\n");
  CHECK(r.take(1) == "1\n2\n");
  CHECK(r.take(2) == "-3,below zero\n");
}

TEST_CASE("state without key is shared out over the instances of a restore") {
  memory_snapshots s;
  runner r("row_counter", columns("n bigint"), {.parallelism = 3});
  r.push("1|2|3");
  r.push("4|5");
  r.push("6");
  r.push("7");
  CHECK(r.metric("rows") == 7);
  r.snapshot(s);
  r.start(2, &s);
  r.push("8");
  r.watermark(100);
  CHECK(r.failure == "");
  // Instances 0 and 2 had 4 and 1 rows, 1 had 2; the new row went to instance 0.
  CHECK(r.take() == "100,6\n100,2\n");
  memory_snapshots again;
  r.snapshot(again);
  r.start(1, &again);
  r.watermark(200);
  CHECK(r.take() == "200,8\n");
}
