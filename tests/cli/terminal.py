"""A terminal for tests: weir runs in a pseudo terminal, and what it writes moves a cursor over a
screen as a terminal would, so that tests can ask what a user sees."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z@])")


class Screen:
    """The lines that stand on a terminal, those that have scrolled off its top included."""

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns = rows, columns
        self.lines, self.top, self.row, self.column = [[]], 0, 0, 0
        self.cursor_shown, self.colours = True, 0

    def line(self) -> list:
        while len(self.lines) <= self.row:
            self.lines.append([])
        return self.lines[self.row]

    def down(self) -> None:
        self.row += 1
        self.line()
        self.top = max(self.top, self.row - self.rows + 1)

    def put(self, c: str) -> None:
        if self.column >= self.columns:
            self.column = 0
            self.down()
        line = self.line()
        line.extend(" " * (self.column + 1 - len(line)))
        line[self.column] = c
        self.column += 1

    def sequence(self, what: str, end: str) -> None:
        n = int(what) if what.isdigit() else 1
        if end == "A":
            self.row = max(self.top, self.row - n)
        elif end == "B":
            self.row = min(self.top + self.rows - 1, self.row + n)
        elif end == "C":
            self.column = min(self.columns - 1, self.column + n)
        elif end == "D":
            self.column = max(0, min(self.column, self.columns - 1) - n)
        elif end == "G":
            self.column = n - 1
        elif end == "H":
            self.row, self.column = self.top, 0
        elif end == "K":
            del self.line()[self.column:]
        elif end == "P":
            del self.line()[self.column:self.column + n]
        elif end == "@":
            self.line()[self.column:self.column] = " " * n
        elif end == "J":
            del self.line()[self.column:]
            del self.lines[self.row + 1:]
        elif end == "m":
            self.colours += 1
        elif end in "hl" and what == "?25":
            self.cursor_shown = end == "h"
        elif end not in "hlr":
            raise AssertionError(f"the test's terminal does not know \\x1b[{what}{end}")

    def feed(self, text: str) -> None:
        at = 0
        while at < len(text):
            found = SEQUENCE.match(text, at)
            if found:
                self.sequence(*found.groups())
                at = found.end()
                continue
            c = text[at]
            at += 1
            if c == "\r":
                self.column = 0
            elif c == "\n":
                self.down()
            elif c == "\b":
                self.column = max(0, min(self.column, self.columns - 1) - 1)
            elif c == "\x1b":
                assert text[at:at + 1] in "=>", repr(text[at - 1:at + 8])
                at += 1
            elif c >= " ":
                self.put(c)

    def text(self) -> list:
        """All lines, without blanks at their ends."""
        out = ["".join(line).rstrip() for line in self.lines]
        while out and not out[-1]:
            out.pop()
        return out

    def visible(self) -> list:
        return ["".join(line).rstrip() for line in self.lines[self.top:]]


class Terminal:
    """weir in a pseudo terminal of its own session, so that Ctrl-C reaches it as a signal."""

    def __init__(self, case, *arguments: str, rows: int = 16, columns: int = 70, environment=None,
                 stderr=None):
        self.master, slave = pty.openpty()
        self.raw, self.changes = "", []
        self.resize(rows, columns, slave)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [case.weir, *arguments], cwd=case.dir, stdin=slave, stdout=slave, stderr=stderr or slave,
            env={**os.environ, "TERM": "xterm", "HOME": str(case.dir), "NO_COLOR": "1",
                 **(environment or {})},
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        case.running.append(self.process)
        self.process.communicate = lambda: None  # there are no pipes to read
        self.slave = slave  # open, so that its settings can be asked after the end

    def resize(self, rows: int, columns: int, fd=None) -> None:
        self.rows, self.columns = rows, columns
        fcntl.ioctl(self.master if fd is None else fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))
        self.changes.append((len(self.raw), rows, columns))

    def pump(self, seconds: float) -> None:
        ends = time.time() + seconds
        while True:
            ready, _, _ = select.select([self.master], [], [], max(0, min(0.05, ends - time.time())))
            if ready:
                self.pending = getattr(self, "pending", b"") + os.read(self.master, 65536)
                text = self.pending.decode(errors="ignore")
                if text.encode() == self.pending:  # no character cut in two
                    self.raw += text
                    self.pending = b""
            elif time.time() >= ends:
                return

    def screen(self) -> Screen:
        """What a terminal of the size that it has now shows of all that was written."""
        screen = Screen(self.rows, self.columns)
        screen.feed(self.raw)
        return screen

    def wait_for(self, accept, seconds: float = 30) -> Screen:
        """Until the screen is accepted (or has a text)."""
        test = accept if callable(accept) else lambda s: accept in "\n".join(s.text())
        ends = time.time() + seconds
        while True:
            self.pump(0.05)
            screen = self.screen()
            if test(screen):
                return screen
            assert time.time() < ends, "not seen: " + str(accept) + "\n" + "\n".join(screen.text())[-3000:]
            assert self.process.poll() is None or select.select([self.master], [], [], 0.1)[0], \
                "it has ended:\n" + "\n".join(screen.text())[-3000:]

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def interrupt(self) -> None:
        self.type("\x03")

    def end(self, seconds: float = 30) -> int:
        ends = time.time() + seconds
        while self.process.poll() is None:
            assert time.time() < ends, "it does not end:\n" + "\n".join(self.screen().text())[-3000:]
            self.pump(0.05)
        self.pump(0.1)
        return self.process.returncode

    def is_restored(self) -> bool:
        now = termios.tcgetattr(self.slave)
        return now[:4] == self.before[:4] and self.screen().cursor_shown
