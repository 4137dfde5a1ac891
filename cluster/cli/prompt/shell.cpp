#include "cluster/cli/prompt/shell.hpp"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include "cluster/cli/live/live_display.hpp"
#include "cluster/cli/live/live_sink.hpp"
#include "cluster/cli/progress.hpp"
#include "cluster/cli/prompt/line_editor.hpp"
#include "cluster/cli/run.hpp"
#include "cluster/cli/table.hpp"
#include "runtime/base/nearest.hpp"
#include "runtime/base/units.hpp"

namespace weir::cli {
namespace {

constexpr int depth_max = 16;  // of files that include files

jobs::job_settings settings_of(const sql_options& o) {
  jobs::job_settings s;
  s.set = o.set;
  s.parallelism = o.parallelism;
  s.default_parallelism = std::max(1u, std::thread::hardware_concurrency());
  s.final_output = o.final_only;
  s.ordered_output = !o.final_only && may_be_live(o.output);
  return s;
}

std::string working_folder() {
  std::error_code ec;
  auto here = std::filesystem::current_path(ec);
  return ec ? std::string(".") : here.string();
}

bool reads_stdin(const physical_plan& plan) {
  return std::any_of(plan.operators.begin(), plan.operators.end(), [](const operator_node& n) {
    const auto* s = std::get_if<source_spec>(&n.spec);
    return s && s->connector == "stdin";
  });
}

/// SHOW TABLES, DESCRIBE name: what other streaming databases call \d. Nothing: it is neither.
std::optional<std::string> described(const std::string& statement) {
  std::istringstream words(statement);
  std::string verb, name, more;
  words >> verb >> name;
  if (name.empty() || words >> more) return {};
  auto is = [](const std::string& word, std::string_view wanted) {
    return std::equal(word.begin(), word.end(), wanted.begin(), wanted.end(), [](char a, char b) {
      return std::tolower(static_cast<unsigned char>(a)) == b;
    });
  };
  if (is(verb, "show") && is(name, "tables")) return "";
  if (is(verb, "describe") || is(verb, "desc")) return name;
  return {};
}

/// Whether standard output is to keep rows in order.
bool is_ordered(const physical_plan& plan) {
  return std::any_of(plan.operators.begin(), plan.operators.end(), [](const operator_node& n) {
    const auto* s = std::get_if<sink_spec>(&n.spec);
    return s && s->connector == "stdout" && !s->order.empty();
  });
}

bool selects(const physical_plan& plan) {
  return std::any_of(plan.operators.begin(), plan.operators.end(),
                     [](const operator_node& n) { return n.id == "sink/stdout"; });
}

}  // namespace

shell::shell(const sql_options& o, signal_waiter& signals, bool interactive)
    : options_(o),
      signals_(signals),
      interactive_(interactive),
      session_(working_folder(), settings_of(o)) {}

bool shell::fail(const std::string& message) {
  std::fprintf(stderr, "weir: %s\n", message.c_str());
  exit_code_ = exit_failed;
  return false;
}

bool shell::run_file(const std::string& path) {
  std::error_code ec;
  if (std::filesystem::is_directory(path, ec)) return fail(path + " is a folder");
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail("file " + path + " cannot be opened");
  std::stringstream text;
  text << in.rdbuf();
  if (in.bad()) return fail("file " + path + " cannot be read");
  if (depth_ >= depth_max)
    return fail("file " + path + ": \\i goes deeper than " + std::to_string(depth_max) + " files");
  sql::session::place where;
  where.file = path;
  auto folder = std::filesystem::absolute(path, ec).parent_path().lexically_normal().string();
  if (folder != working_folder()) where.folder = std::move(folder);
  ++depth_;
  const bool ok = run_text(text.str(), where);
  --depth_;
  return ok;
}

bool shell::run_text(const std::string& text, const sql::session::place& where) {
  statement_reader reader;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (!run_pieces(reader.feed(line), where)) return false;
  return run_pieces(reader.finish(), where);
}

bool shell::run_input() {
  from_input_ = true;
  statement_reader reader;
  sql::session::place where;
  where.file = "stdin";
  for (std::string line; std::getline(std::cin, line);)
    if (!run_pieces(reader.feed(line), where)) return false;
  return run_pieces(reader.finish(), where);
}

bool shell::run_pieces(const std::vector<piece>& pieces, const sql::session::place& where) {
  for (const auto& p : pieces)
    if (!run(p, where) || done_) return false;
  return true;
}

bool shell::run(const piece& p, const sql::session::place& where) {
  const auto began = std::chrono::steady_clock::now();
  const bool ok = p.command ? command(p, where) : statement(p, where);
  if (timing_ && !p.command) {
    const auto took = std::chrono::steady_clock::now() - began;
    std::fprintf(
        stderr, "Time: %s\n",
        format_duration_us(std::chrono::duration_cast<std::chrono::microseconds>(took).count())
            .c_str());
  }
  return ok;
}

bool shell::statement(const piece& p, const sql::session::place& file) {
  if (const auto name = described(p.text)) return describe(*name);
  auto where = file;
  where.line = p.line;
  std::vector<jobs::diagnostic> found;
  auto answer = session_.take(p.text, where, found);
  for (const auto& d : found)
    if (!d.advice) std::fputs(jobs::to_text(d).c_str(), stderr);
  if (!answer) {
    exit_code_ = exit_failed;
    return false;
  }
  if (!answer->text.empty()) {
    std::fputs(answer->text.c_str(), stdout);
    std::fflush(stdout);
  } else if (answer->job) {
    if (!job(std::move(*answer->job), answer->tag)) return false;
    session_.ran(*answer);
  } else if (interactive_ && !options_.quiet) {
    std::printf("%s\n", answer->tag.c_str());
    std::fflush(stdout);
  }
  return true;
}

bool shell::job(jobs::job made, const std::string& tag) {
  auto& plan = made.plan;
  if (from_input_ && reads_stdin(plan))
    return fail(
        "connector stdin: the statements come from standard input themselves; give them with -c, "
        "or as a file");
  auto live = live_run_of(plan, options_.output, options_.quiet);
  if (!live && !options_.final_only && is_ordered(plan))
    return fail(
        "ORDER BY orders a table that is shown as it changes; here rows leave as they are "
        "computed: add --final for the table that stands at the end");
  choose_stdout_format(plan, options_.output);
  auto display = live ? std::move(live->display) : plain_display(plan, options_.quiet);
  std::optional<live_connector> terminal;
  if (live) terminal.emplace(live->rows);
  execution how;
  how.node.memory_bytes = options_.memory_bytes;
  how.job.snapshot_interval_us = made.snapshot_interval_us.value_or(default_snapshot_interval_us);
  how.quiet = options_.quiet;
  how.second_signal_exits = !interactive_;
  auto done = execute(plan, how, *display, signals_);
  if (!done) return fail(done.err().message);
  if (done->stopped_by == SIGTERM) done_ = true;
  if (done->state() == job_state::failed && done->stopped_by == 0) {
    display->print("weir: " + done->report.error);
    exit_code_ = exit_failed;
    return false;
  }
  if (!options_.quiet && !selects(plan))
    display->print(tag + ": " + summary_line(done->report, plan));
  if (done->stopped_by == SIGINT && !interactive_) {
    exit_code_ = exit_interrupted;
    return false;
  }
  return true;
}

bool shell::command(const piece& p, const sql::session::place&) {
  std::istringstream words(p.text);
  std::string name, argument;
  words >> name;
  std::getline(words >> std::ws, argument);
  while (!argument.empty() && (argument.back() == ' ' || argument.back() == ';'))
    argument.pop_back();
  if (name == "\\q") {
    done_ = true;
    return true;
  }
  if (name == "\\?") return help(), true;
  if (name == "\\d") return describe(argument);
  if (name == "\\timing") {
    timing_ = argument.empty() ? !timing_ : argument == "on";
    if (!options_.quiet) std::fprintf(stderr, "Timing is %s.\n", timing_ ? "on" : "off");
    return true;
  }
  if (name == "\\i") {
    if (argument.size() > 1 && argument.front() == '\'' && argument.back() == '\'')
      argument = argument.substr(1, argument.size() - 2);
    if (argument.empty()) return fail("\\i needs the name of a file");
    return run_file(argument);
  }
  const std::vector<std::string> known{"\\?", "\\d", "\\i", "\\q", "\\timing"};
  return fail("there is no command " + name + nearest_hint(name, known) + " (\\? shows all)");
}

bool shell::describe(const std::string& name) {
  if (name.empty()) {
    text_table t({"name", "kind", "connector", "columns"});
    for (const auto& r : session_.relations()) {
      auto connector = r.options.find("connector");
      t.add({r.name, r.is_table ? "table" : "view",
             connector == r.options.end() ? "" : connector->second,
             std::to_string(r.columns.size())});
    }
    t.print(options_.output);
    std::fflush(stdout);
    return true;
  }
  auto plain = name.size() > 1 && name.front() == '"' && name.back() == '"'
                   ? name.substr(1, name.size() - 2)
                   : name;
  std::vector<std::string> names;
  for (const auto& r : session_.relations()) {
    names.push_back(r.name);
    if (r.name != plain) continue;
    text_table t({"column", "type", "note"});
    for (const auto& c : r.columns) t.add({c.name, c.type, c.note});
    t.print(options_.output);
    std::fflush(stdout);
    std::string options;
    for (const auto& [key, value] : r.options)
      options += (options.empty() ? "" : ", ") + key + " = '" + value + "'";
    if (!options.empty() && !options_.quiet) std::fprintf(stderr, "with %s\n", options.c_str());
    return true;
  }
  return fail("there is no table or view \"" + plain + "\"" + nearest_hint(plain, names) +
              " (\\d shows all)");
}

void shell::help() const {
  std::fputs(
      "  CREATE TABLE, CREATE VIEW, SET, DROP   kept until you leave\n"
      "  SELECT ...;      runs until its input ends or Ctrl-C; shows the result as it changes\n"
      "  INSERT ...;      runs likewise and writes\n"
      "  EXPLAIN ...;     shows the plan instead\n"
      "\n"
      "  \\d               tables and views        \\d NAME     columns of one\n"
      "  \\i FILE          statements of a file    \\timing     how long each takes\n"
      "  \\?               this                    \\q          leave (also Ctrl-D)\n"
      "\n"
      "A statement ends with ;  and may have many lines. TAB completes, Ctrl-R searches the "
      "history.\n",
      stdout);
  std::fflush(stdout);
}

void shell::prompt() {
  from_input_ = true;
  line_editor editor(signals_, options_.no_history ? "" : default_history_file());
  statement_reader reader;
  std::string before;  // of the statement that is being typed
  editor.complete = [&](const std::string& line) {
    return complete(reader.pending() + line, reader.open() ? "" : line, session_.relations());
  };
  if (!options_.quiet) std::printf("weir sql: statements end with ;  \\? for help, \\q to leave\n");
  sql::session::place where;
  while (!done_) {
    std::string line;
    std::fflush(stdout);
    const auto what = editor.read(reader.open() ? "   -> " : "weir> ", line);
    if (what == line_editor::event::end) {
      std::printf("\n");
      break;
    }
    if (what == line_editor::event::interrupted) {
      reader.clear();
      before.clear();
      continue;
    }
    if (!reader.open()) {
      before.clear();
      // A statement's lines are counted from its first.
      reader = statement_reader();
      if (line == "exit" || line == "quit") break;
      if (line == "help") line = "\\?";
    }
    before += (before.empty() ? "" : "\n") + line;
    const auto pieces = reader.feed(line);
    if (!reader.open()) editor.remember(before);
    run_pieces(pieces, where);
  }
  exit_code_ = exit_ok;
}

int run_sql(const sql_options& o) {
  signal_waiter signals;
  const bool interactive =
      o.commands.empty() && ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0;
  shell s(o, signals, interactive);
  bool ok = true;
  for (const auto& file : o.files) {
    ok = s.run_file(file);
    if (!ok && !interactive) return s.exit_code();
  }
  for (const auto& text : o.commands) {
    sql::session::place where;
    where.file = "-c";
    if (!s.run_text(text, where)) return s.exit_code();
  }
  if (interactive)
    s.prompt();
  else if (o.files.empty() && o.commands.empty())
    s.run_input();
  return s.exit_code();
}

}  // namespace weir::cli
