// What the command line said for the verbs topic, group and txn. Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace weir::cli {

struct stream_options {
  std::string cluster;  // HOST:PORT of any node's HTTP listener
  std::string output;   // table, csv, json, raw; empty: table on a terminal, else csv
  bool quiet = false;
  std::string name;  // of the topic or group, id of the transaction

  // topic create, alter
  int32_t partitions = 0;  // 0: not said
  int32_t replication = 0;
  std::map<std::string, std::string> set;
  std::vector<std::string> unset;
  // topic ls, describe
  bool internal = false, sizes = false, configs = false;
  // topic trim; group seek
  std::string position, topic;
  std::optional<int32_t> partition;

  // topic produce
  std::vector<std::string> files;
  std::string format = "lines";  // lines, json, records
  std::string key;               // field of a JSON value
  std::string key_separator;     // in a line
  std::string compression = "none";
  double rate = 0;  // records per second; 0: as fast as it goes

  // topic consume
  std::string from;  // empty: earliest, or latest with follow
  bool follow = false;
  uint64_t max = 0;  // 0: no bound
  std::string filter;
  std::string group;
  std::string isolation = "read_committed";
  bool embed_json = false;

  // txn ls
  std::string longer;
};

int topic_create(const stream_options&);
int topic_ls(const stream_options&);
int topic_describe(const stream_options&);
int topic_alter(const stream_options&);
int topic_delete(const stream_options&);
int topic_trim(const stream_options&);
int topic_produce(const stream_options&);
int topic_consume(const stream_options&);
int group_ls(const stream_options&);
int group_describe(const stream_options&);
int group_seek(const stream_options&);
int group_delete(const stream_options&);
int txn_ls(const stream_options&);
int txn_abort(const stream_options&);

}  // namespace weir::cli
