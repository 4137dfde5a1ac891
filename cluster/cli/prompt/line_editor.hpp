// Lines from a terminal, with editing keys, history and TAB (libedit). The process's one; one
// thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cluster/cli/prompt/completion.hpp"
#include "cluster/cli/signals.hpp"

namespace weir::cli {

class line_editor {
 public:
  /// `history`: a file that is read now and written by remember(); empty: nothing outlives us.
  line_editor(signal_waiter&, std::string history);
  ~line_editor();
  line_editor(const line_editor&) = delete;
  line_editor& operator=(const line_editor&) = delete;

  /// Given the line up to the cursor.
  std::function<completions(const std::string&)> complete;

  enum class event : uint8_t { line, interrupted, end };  // Ctrl-C; Ctrl-D or SIGTERM
  /// `line`: without its line feed.
  event read(const std::string& prompt, std::string& line);
  /// A statement for the history; its lines become one.
  void remember(const std::string& statement);

 private:
  struct state;
  std::unique_ptr<state> s_;
};

/// $XDG_STATE_HOME/weir/history, else ~/.weir_history; empty where there is no home.
std::string default_history_file();

}  // namespace weir::cli
