#include "cluster/cli/prompt/line_editor.hpp"

#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "cluster/cli/live/terminal.hpp"

namespace weir::cli {
namespace {

constexpr int history_size = 1000;  // statements
constexpr int poll_ms = 100;        // how soon signals are heard while nobody types
constexpr wchar_t control_c = 3;

/// One statement on one line, so that it can be edited as such. Where a comment runs to the end of
/// its line that would change it: then as it is.
std::string one_line(const std::string& statement) {
  if (statement.find("--") != std::string::npos) return statement;
  std::string out;
  for (size_t i = 0; i < statement.size(); ++i) {
    if (statement[i] != '\n') {
      out += statement[i];
      continue;
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    while (i + 1 < statement.size() && (statement[i + 1] == ' ' || statement[i + 1] == '\n')) ++i;
    out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

struct line_editor::state {
  line_editor* owner = nullptr;
  signal_waiter& signals;
  std::string file, prompt;
  EditLine* el = nullptr;
  History* history = nullptr;
  bool interrupted = false, terminated = false;

  explicit state(signal_waiter& s) : signals(s) {}

  static state& of(EditLine* el) {
    void* data = nullptr;
    el_get(el, EL_CLIENTDATA, &data);
    return *static_cast<state*>(data);
  }
  static char* prompt_of(EditLine* el) { return of(el).prompt.data(); }

  /// Signals are blocked in all threads (signal_waiter); Ctrl-C is a key here.
  static int next_character(EditLine* el, wchar_t* out) {
    auto& s = of(el);
    unsigned char bytes[4];
    for (size_t n = 0;;) {
      pollfd input{STDIN_FILENO, POLLIN, 0};
      const int ready = ::poll(&input, 1, poll_ms);
      // After it: what was typed behind Ctrl-C waits for the line that Ctrl-C gives up.
      const int signal = s.signals.wait(0);
      if (signal == SIGINT) {
        *out = control_c;
        return 1;
      }
      if (signal == SIGTERM) {
        s.terminated = true;
        return 0;
      }
      if (ready < 0 && errno != EINTR) return -1;
      if (ready <= 0) continue;
      const auto got = ::read(STDIN_FILENO, bytes + n, 1);
      if (got == 0) return 0;
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return -1;
      ++n;
      const auto lead = bytes[0];
      const size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
      if (n < wanted) continue;
      wchar_t code = wanted == 1 ? lead : lead & (0xFF >> (wanted + 1));
      for (size_t i = 1; i < wanted; ++i) code = code << 6 | (bytes[i] & 0x3F);
      *out = code;
      return 1;
    }
  }

  static unsigned char interrupt(EditLine* el, int) {
    auto& s = of(el);
    s.interrupted = true;
    const auto* line = el_line(el);
    el_cursor(el, static_cast<int>(line->lastchar - line->cursor));
    std::fputs("^C\n", stdout);
    return CC_NEWLINE;
  }

  static void list(const std::vector<std::string>& words) {
    size_t width = 0;
    for (const auto& w : words) width = std::max(width, display_width(w) + 2);
    const size_t columns = std::max<size_t>(1, screen_size_of(STDOUT_FILENO).width / width);
    const size_t lines = (words.size() + columns - 1) / columns;
    std::string text = "\n";
    for (size_t l = 0; l < lines; ++l) {
      for (size_t i = l; i < words.size(); i += lines)
        text +=
            words[i] + (i + lines < words.size() ? std::string(width - display_width(words[i]), ' ')
                                                 : std::string());
      text += '\n';
    }
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }

  static unsigned char complete_word(EditLine* el, int) {
    auto& s = of(el);
    const auto* line = el_line(el);
    if (!s.owner->complete) return CC_ERROR;
    const auto found = s.owner->complete(
        std::string(line->buffer, static_cast<size_t>(line->cursor - line->buffer)));
    if (found.words.empty()) return CC_ERROR;
    const std::string typed(line->cursor - found.typed, found.typed);
    auto more = common_prefix(found.words);
    const bool one = found.words.size() == 1;
    if (one && !more.ends_with('/')) more += ' ';
    if (more.size() > typed.size() || (one && more != typed)) {
      el_deletestr(el, static_cast<int>(display_width(typed)));
      if (el_insertstr(el, more.c_str()) == -1) return CC_ERROR;
      return CC_REFRESH;
    }
    list(found.words);
    return CC_REDISPLAY;
  }
};

std::string default_history_file() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state)
    return std::string(state) + "/weir/history";
  if (const char* home = std::getenv("HOME"); home && *home)
    return std::string(home) + "/.weir_history";
  return {};
}

line_editor::line_editor(signal_waiter& signals, std::string history)
    : s_(std::make_unique<state>(signals)) {
  // Characters are UTF-8 to us, whatever the locale says.
  ::setlocale(LC_CTYPE, "C.UTF-8");
  s_->owner = this;
  s_->file = std::move(history);
  s_->el = el_init("weir", stdin, stdout, stderr);
  s_->history = history_init();
  auto* el = s_->el;
  HistEvent e;
  ::history(s_->history, &e, H_SETSIZE, history_size);
  ::history(s_->history, &e, H_SETUNIQUE, 1);
  if (!s_->file.empty()) ::history(s_->history, &e, H_LOAD, s_->file.c_str());
  el_set(el, EL_CLIENTDATA, s_.get());
  el_set(el, EL_EDITOR, "emacs");
  el_set(el, EL_SIGNAL, 0);
  el_set(el, EL_PROMPT, state::prompt_of);
  el_set(el, EL_HIST, ::history, s_->history);
  el_set(el, EL_GETCFN, state::next_character);
  el_set(el, EL_ADDFN, "weir-complete", "complete the word", state::complete_word);
  el_set(el, EL_ADDFN, "weir-interrupt", "give the line up", state::interrupt);
  el_set(el, EL_BIND, "^I", "weir-complete", nullptr);
  el_set(el, EL_BIND, "^C", "weir-interrupt", nullptr);
  el_set(el, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_source(el, nullptr);  // ~/.editrc
}

line_editor::~line_editor() {
  el_end(s_->el);
  history_end(s_->history);
}

line_editor::event line_editor::read(const std::string& prompt, std::string& line) {
  s_->prompt = prompt;
  s_->interrupted = false;
  el_resize(s_->el);
  int n = 0;
  const char* text = el_gets(s_->el, &n);
  if (s_->terminated) return event::end;
  // Before the end: Ctrl-C in an empty line leaves nothing, as the end of the input does.
  if (s_->interrupted) return event::interrupted;
  if (!text || n <= 0) return event::end;
  line.assign(text, static_cast<size_t>(n));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return event::line;
}

void line_editor::remember(const std::string& statement) {
  HistEvent e;
  const auto text = one_line(statement);
  if (text.empty()) return;
  ::history(s_->history, &e, H_ENTER, text.c_str());
  if (s_->file.empty()) return;
  std::error_code ec;  // a history that cannot be kept is no reason to stop
  std::filesystem::create_directories(std::filesystem::path(s_->file).parent_path(), ec);
  // Statements may hold secrets: for the user's eyes only, from the first byte on.
  const auto before = ::umask(S_IRWXG | S_IRWXO);
  ::history(s_->history, &e, H_SAVE, s_->file.c_str());
  ::umask(before);
}

}  // namespace weir::cli
