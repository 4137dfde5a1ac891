// A node's settings: files as entries with lines, the order of origins, what is refused and how.
#include <doctest/doctest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <random>

#include "cluster/cli/config/config_file.hpp"
#include "cluster/cli/config/node_config.hpp"
#include "tests/io/scratch.hpp"

using namespace weir;
using namespace weir::cli;

namespace {

/// "LINE KEY[.MAP_KEY]=VALUE,..." of each entry, or the error's text.
std::vector<std::string> entries_of(const result<std::vector<config_entry>>& parsed) {
  if (!parsed) return {parsed.err().message};
  std::vector<std::string> out;
  for (const auto& e : *parsed) {
    std::string text = std::to_string(e.line) + " " + e.key;
    if (!e.map_key.empty()) text += "/" + e.map_key;
    text += e.list ? "=[" : "=";
    for (size_t i = 0; i < e.values.size(); ++i) text += (i ? "|" : "") + e.values[i];
    out.push_back(text + (e.list ? "]" : ""));
  }
  return out;
}

using texts = std::vector<std::string>;

struct resolved {
  status outcome;
  std::map<std::string, std::string> value, origin;
  cluster_verb_options options;
};

resolved resolve(std::vector<std::string> flags,
                 const std::map<std::string, std::string>& variables, bool single = false) {
  CLI::App app;
  auto* verb = app.add_subcommand(single ? "up" : "node");
  node_config config(single);
  config.add_options(*verb);
  flags.insert(flags.begin(), verb->get_name());
  std::reverse(flags.begin(), flags.end());
  app.parse(flags);
  resolved r;
  r.outcome = config.resolve([&](const std::string& name) {
    auto it = variables.find(name);
    return it == variables.end() ? nullptr : it->second.c_str();
  });
  if (!r.outcome) return r;
  for (const auto& e : config.effective()) r.value[e.name] = e.value, r.origin[e.name] = e.origin;
  config.apply(r.options);
  return r;
}

std::string refusal(const std::vector<std::string>& flags,
                    const std::map<std::string, std::string>& variables = {}, bool single = false) {
  auto r = resolve(flags, variables, single);
  return r.outcome ? "" : r.outcome.err().message;
}

}  // namespace

TEST_CASE("config files: YAML") {
  CHECK(entries_of(parse_config_yaml("", "n.yaml")).empty());
  CHECK(entries_of(parse_config_yaml("# a node\nname: n7\njoin: [a:1, b:2]\n\nbroker_config:\n"
                                     "  log.retention.hours: 24\n  cleanup: 'compact,delete'\n",
                                     "n.yaml")) == texts{"2 name=n7", "3 join=[a:1|b:2]",
                                                         "6 broker_config/log.retention.hours=24",
                                                         "7 broker_config/cleanup=compact,delete"});
  CHECK(entries_of(parse_config_yaml("a: 1\nb: 2\na: 3\n", "n.yaml")) ==
        texts{"n.yaml:3: a is already set in line 1"});
  CHECK(entries_of(parse_config_yaml("a: 1\nb:\n", "n.yaml")) == texts{"n.yaml:2: b has no value"});
  CHECK(entries_of(parse_config_yaml("- a\n", "n.yaml")) == texts{"n.yaml:1: expected KEY: VALUE"});
  CHECK(entries_of(parse_config_yaml("a: 1\nj: [1, {b: 2}]\n", "n.yaml")) ==
        texts{"n.yaml:2: j is a list of texts, and this is none"});
  CHECK(entries_of(parse_config_yaml("a: 1\nb: [x\n", "n.yaml"))[0].starts_with("n.yaml:3: "));
}

TEST_CASE("config files: TOML") {
  CHECK(entries_of(parse_config_toml("", "n.toml")).empty());
  CHECK(entries_of(parse_config_toml("# a node\nname = \"n#7\" # its name\nhttp='h:1'\n"
                                     "join = [ # the others\n  \"a:1\",\n  'b:2', # last\n]\n"
                                     "metrics_groups = 1_000\r\nflag = true\n"
                                     "[broker_config]\nlog.retention.hours = 24\n"
                                     "\"log.x\" = \"a\\\\b\\\"c\"\n\n",
                                     "n.toml")) ==
        texts{"2 name=n#7", "3 http=h:1", "4 join=[a:1|b:2]", "8 metrics_groups=1000",
              "9 flag=true", "11 broker_config/log.retention.hours=24",
              "12 broker_config/log.x=a\\b\"c"});
  CHECK(entries_of(parse_config_toml("broker_config.log.x = 1\nj = []", "n.toml")) ==
        texts{"1 broker_config/log.x=1", "2 j=[]"});
  auto refused = [](const std::string& text) {
    return entries_of(parse_config_toml(text, "n.toml"))[0];
  };
  CHECK(refused("a = 1\nb\n") == "n.toml:2: expected KEY = VALUE");
  CHECK(refused("a = x y\n") == "n.toml:1: expected a string in quotes, a number, true or false");
  CHECK(refused("a = 127.0.0.1:8080\n") == "n.toml:1: something stands behind the value");
  CHECK(refused("a = \"x\n") == "n.toml:1: the string has no end");
  CHECK(refused("a = \"x\" y\n") == "n.toml:1: something stands behind the value");
  CHECK(refused("a = \"\"\"x\"\"\"\n") == "n.toml:1: strings of several lines are not supported");
  CHECK(refused("a = \"\\q\"\n") == "n.toml:1: \\q is not supported in a string");
  CHECK(refused("a = [1\n2]\n") == "n.toml:2: expected ',' or ']' in the list");
  CHECK(refused("a = [1,\n\n") == "n.toml:3: the list that begins in line 1 has no end");
  CHECK(refused("a = {b = 1}\n") == "n.toml:1: inline tables are not supported: write [a]");
  CHECK(refused("[[a]]\n") == "n.toml:1: arrays of tables are no settings");
  CHECK(refused("[a.b]\n") == "n.toml:1: a table of a table is no setting");
  CHECK(refused("[a\n") == "n.toml:1: expected ']' after the table's name");
  CHECK(refused("= 1\n") == "n.toml:1: expected a key");
  CHECK(refused("a = 1\n\na = 2\n") == "n.toml:3: a is already set in line 1");
}

TEST_CASE("config files: damaged text is an error or other entries, never more") {
  const std::string toml =
      "# a node\nname = \"n#7\"\njoin = [ 'a:1',\n \"b:2\", ]\n[broker_config]\n\"log.x\" = 1_0\n";
  const std::string yaml = "name: n7\njoin: [a:1, b:2]\nbroker_config:\n  log.x: 'a,b'\n";
  const std::string characters("#\"'[]{}=.,:\\\n\r\t \0ax1", 21);
  std::mt19937 random(7);
  auto pick = [&random](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  size_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = round % 2 ? toml : yaml;
    for (size_t i = 0, n = 1 + pick(4); i < n; ++i) {
      const auto at = pick(text.size());
      if (pick(3) == 0)
        text.erase(at, 1 + pick(5));
      else
        text.insert(at, 1, characters[pick(characters.size())]);
      if (text.empty()) text = "#";
    }
    auto parsed = round % 2 ? parse_config_toml(text, "n") : parse_config_yaml(text, "n");
    const int lines = 1 + static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    if (!parsed) {
      ++refused;
      CHECK_MESSAGE(parsed.err().message.starts_with("n:"), parsed.err().message);
      continue;
    }
    for (const auto& e : *parsed) CHECK((e.line >= 1 && e.line <= lines));
  }
  CHECK(refused > 5'000);
}

TEST_CASE("addresses") {
  for (const char* good : {"a:0", "127.0.0.1:9092", "node-1.weir.svc:65535", "[::1]:80"})
    CHECK_MESSAGE(check_address(good).ok(), good);
  for (const char* bad :
       {"", "a", ":80", "a:", "a:x", "a:65536", "a:-1", "::1:80", "a b:1", "a:1,b:2"})
    CHECK_MESSAGE(!check_address(bad).ok(), bad);
}

TEST_CASE("settings: a flag wins over the environment, that over the file, that over the default") {
  test::scratch_folder dir;
  const auto file = dir.path() + "/n.yaml";
  std::ofstream(file) << "name: file\nrack: file\nmemory: 1GiB\nhttp: h:1\n"
                         "join: [a:1, b:2]\nbroker_config: {log.retention.ms: 1, "
                         "log.cleanup.policy: delete, num.partitions: 3}\n";
  auto r = resolve(
      {"--config", file, "--name", "flag", "--broker-config", "log.retention.ms=4"},
      {{"WEIR_NODE_NAME", "variable"},
       {"WEIR_NODE_RACK", "variable"},
       {"WEIR_NODE_HTTP", ""},
       {"WEIR_NODE_BROKER_CONFIG", "log.retention.ms=5; log.cleanup.policy=compact,delete"}});
  REQUIRE(r.outcome.ok());
  auto shown = [&](const std::string& name) { return r.value[name] + " by " + r.origin[name]; };
  CHECK(shown("name") == "flag by flag --name");
  CHECK(shown("rack") == "variable by environment WEIR_NODE_RACK");
  CHECK(shown("memory") == "1GiB by file " + file + ":3");
  CHECK(shown("http") == "h:1 by file " + file + ":4");
  CHECK(shown("join") == "a:1,b:2 by file " + file + ":5");
  CHECK(shown("peers") == "127.0.0.1:0 by default");
  CHECK(shown("broker_config.log.retention.ms") == "4 by flag --broker-config");
  CHECK(shown("broker_config.log.cleanup.policy") ==
        "compact,delete by environment WEIR_NODE_BROKER_CONFIG");
  CHECK(shown("broker_config.num.partitions") == "3 by file " + file + ":6");
  CHECK(r.options.name == "flag");
  CHECK(r.options.rack == "variable");
  CHECK(r.options.memory_bytes == size_t{1} << 30);
  CHECK(r.options.join == texts{"a:1", "b:2"});
  CHECK(r.options.settings ==
        std::map<std::string, std::string>{{"log.retention.ms", "4"},
                                           {"log.cleanup.policy", "compact,delete"},
                                           {"num.partitions", "3"}});
  // The file's name may come from the environment too.
  CHECK(resolve({}, {{"WEIR_NODE_CONFIG", file}}).value["name"] == "file");
}

TEST_CASE("settings: lists") {
  CHECK(resolve({"--join", "a:1,b:2"}, {}).options.join == texts{"a:1", "b:2"});
  CHECK(resolve({"--join", "a:1", "--join", "b:2"}, {}).options.join == texts{"a:1", "b:2"});
  CHECK(resolve({}, {{"WEIR_NODE_JOIN", "a:1, b:2"}}).options.join == texts{"a:1", "b:2"});
  CHECK(resolve({}, {}).options.join.empty());
}

TEST_CASE("settings: what is refused says where") {
  test::scratch_folder dir;
  auto file = [&](const std::string& text, const std::string& ending = "yaml") {
    const auto path = dir.path() + "/n." + ending;
    std::ofstream(path) << text;
    return path;
  };
  auto path = file("name: a\nmemry: 1GiB\n");
  CHECK(refusal({"--config", path}) ==
        path + ":2: there is no setting \"memry\"; did you mean \"memory\"?");
  path = file("[broker_conf]\nx = 1\n", "toml");
  CHECK(refusal({"--config", path}) ==
        path + ":2: there is no setting \"broker_conf\"; did you mean \"broker_config\"?");
  path = file("http: localhost\n");
  CHECK(refusal({"--config", path}) == "file " + path + ":1: http: 'localhost' is not HOST:PORT");
  path = file("name: [a, b]\n");
  CHECK(refusal({"--config", path}) == path + ":1: name is one value, no list");
  path = file("\nbroker_config:\n  log.retention.hurs: 3\n");
  CHECK(refusal({"--config", path}) ==
        "file " + path +
            ":3: broker_config: there is no node configuration 'log.retention.hurs'; "
            "did you mean \"log.retention.hours\"?");
  path = file("broker_config: 3\n");
  CHECK(refusal({"--config", path}) == path + ":1: broker_config holds names and values");
  path = file("name: {a: b}\n");
  CHECK(refusal({"--config", path}) == path + ":1: name is one value, no names and values");
  CHECK(refusal({"--config", "n.ini"}) ==
        "n.ini: a configuration's name ends in .yaml, .yml or .toml");
  CHECK(refusal({"--config", "/nowhere/n.yaml"}) ==
        "cannot read /nowhere/n.yaml: No such file or directory");
  CHECK(refusal({}, {{"WEIR_NODE_MEMORY", "5"}}) ==
        "environment WEIR_NODE_MEMORY: memory: '5' is too little to run anything: at least 16MiB");
  path = file("memory: 16777215\n");
  CHECK(refusal({"--config", path}).find(":1: memory: '16777215' is too little") !=
        std::string::npos);
  CHECK(resolve({"--memory", "16MiB"}, {}).options.memory_bytes == size_t{16} << 20);
  path = file("rows_port: 65536\n");
  CHECK(refusal({"--config", path}) ==
        "file " + path + ":1: rows_port: '65536' is no port: 0 to 65535");
  CHECK(resolve({"--actors-port", "9095"}, {{"WEIR_NODE_ROWS_PORT", "9096"}}).options.actors_port ==
        9095);
  CHECK(resolve({}, {{"WEIR_NODE_ROWS_PORT", "9096"}}).options.rows_port == 9096);
  CHECK(refusal({}, {{"WEIR_NODE_MEMORY", "much"}})
            .starts_with("environment WEIR_NODE_MEMORY: memory: "));
  CHECK(
      refusal({}, {{"WEIR_NODE_METRICS_GROUPS", "-1"}}) ==
      "environment WEIR_NODE_METRICS_GROUPS: metrics_groups: '-1' is no number from 0 to 1000000");
  CHECK(refusal({}, {{"WEIR_NODE_JOIN", "a:1,b"}}) ==
        "environment WEIR_NODE_JOIN: join: 'b' is not HOST:PORT");
  CHECK(
      refusal({}, {{"WEIR_NODE_JOIN", "a:1"}}, true) ==
      "environment WEIR_NODE_JOIN: weir up is a cluster of one, which joins nobody: use weir node");
  CHECK_THROWS_AS(resolve({"--http", "nowhere"}, {}), CLI::ValidationError);
}

TEST_CASE("settings: variables that name none are told") {
  auto told = [](std::vector<const char*> variables, bool single = false) {
    variables.push_back(nullptr);
    return node_config(single).unknown_variables(variables.data());
  };
  CHECK(told({"WEIR_NODE_MEMORY=1GiB", "WEIR_NODE_CONFIG=n.yaml", "WEIR_CLUSTER=a:1", "PATH=/bin",
              "WEIR_NODE_PORT=", "WEIR_NODE_JOIN=a:1"})
            .empty());
  CHECK(told({"WEIR_NODE_MEMRY=1GiB"}) ==
        texts{"WEIR_NODE_MEMRY is no setting; did you mean WEIR_NODE_MEMORY?"});
  CHECK(told({"WEIR_NODE_PORT=1", "WEIR_NODE_CONFGI=n.yaml"}) ==
        texts{"WEIR_NODE_CONFGI is no setting; did you mean WEIR_NODE_CONFIG?",
              "WEIR_NODE_PORT is no setting"});
  CHECK(told({"WEIR_NODE_HTPP=a:1"}, true) ==
        texts{"WEIR_NODE_HTPP is no setting; did you mean WEIR_NODE_HTTP?"});
}

TEST_CASE("settings: weir up has defaults of its own") {
  auto one = resolve({}, {}, true);
  CHECK(one.options.data_dir == "weir-data");
  CHECK(one.options.kafka == "127.0.0.1:9092");
  CHECK(one.value.count("join") == 0);
  auto node = resolve({}, {});
  CHECK(node.options.data_dir.empty());
  CHECK(node.options.kafka == "127.0.0.1:0");
}
