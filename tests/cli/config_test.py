#!/usr/bin/env python3
"""A node's settings from flags, the environment and files. Usage: config_test.py WEIR [TEST...]"""
import csv
import datetime
import io
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

from weir_cli import main

FILE = """# the node of this machine
data_dir: state
name: n7
kafka: 127.0.0.1:0
broker_config:
  log.retention.hours: 24
"""
TOML = """data_dir = "state"
name = "n7"
kafka = "127.0.0.1:0"

[broker_config]
log.retention.hours = 24
"""


def settings(c, *arguments, env=None, verb="node"):
    """{name: (value, origin)} as --print-config -o json shows them."""
    done = subprocess.run([c.weir, verb, *arguments, "--print-config", "-o", "json"], cwd=c.dir,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                          env={**os.environ, **(env or {})})
    assert done.returncode == 0, done.stderr.decode()
    return {s["name"]: (s["value"], s["origin"]) for s in json.loads(done.stdout)}


def test_settings_say_where_they_come_from(c):
    for name, text, lines in (("n.yaml", FILE, (2, 6)), ("n.toml", TOML, (1, 6))):
        c.write(name, text)
        found = settings(c, "--config", name, "--http", "127.0.0.1:8080",
                         env={"WEIR_NODE_NAME": "n8"})
        assert found["data_dir"] == ("state", f"file {name}:{lines[0]}"), found
        assert found["name"] == ("n8", "environment WEIR_NODE_NAME"), found
        assert found["http"] == ("127.0.0.1:8080", "flag --http"), found
        assert found["memory"] == ("2GiB", "default"), found
        assert found["broker_config.log.retention.hours"] == (24, f"file {name}:{lines[1]}"), found
    # As a table and as CSV the same.
    table = c.expect(0, "node", "--config", "n.yaml", "--print-config", "-o", "table").out
    assert ["name", "n7", "file", "n.yaml:3"] in [r.split() for r in table.splitlines()], table
    rows = list(csv.reader(io.StringIO(
        c.expect(0, "node", "--config", "n.yaml", "--print-config").out)))
    assert rows[0] == ["name", "value", "origin"] and ["name", "n7", "file n.yaml:3"] in rows, rows


def test_a_wrong_file_is_refused_with_line_and_nearest_name(c):
    c.write("n.yaml", FILE.replace("kafka:", "kafak:"))
    for verb in ("node", "up"):
        done = c.expect(2, verb, "--config", "n.yaml")
        assert done.err == (f'weir {verb}: n.yaml:4: there is no setting "kafak"; '
                            'did you mean "kafka"?\n'), done.err
        assert done.out == "" and not (c.dir / "state").exists()
    c.write("n.toml", TOML.replace('"127.0.0.1:0"', "127.0.0.1:0"))
    assert "n.toml:3: " in c.expect(2, "node", "--config", "n.toml").err


def test_a_variable_that_names_no_setting_is_told(c):
    done = subprocess.run([c.weir, "node", "--data-dir", "d", "--print-config"], cwd=c.dir, capture_output=True,
                          text=True, timeout=60, env={**os.environ, "WEIR_NODE_MEMRY": "1GiB"})
    assert (done.returncode, done.stderr) == (
        0, "weir: WEIR_NODE_MEMRY is no setting; did you mean WEIR_NODE_MEMORY?\n"), done


def test_a_node_needs_its_folder(c):
    done = c.expect(2, "node")
    assert done.err.startswith("weir node: data_dir is set nowhere: "), done.err
    # What is set is shown all the same.
    done = c.expect(2, "node", "--print-config")
    assert "name,n1,default" in done.out and "data_dir is set nowhere" in done.err


def test_values_that_cannot_be_are_wrong_usage(c):
    for verb in (("node", "--data-dir", "d"), ("up", "--data-dir", "d"), ("cluster", "up", "--data-dir", "d"),
                 ("run", "count.yaml")):
        done = c.expect(2, *verb, "--memory", "5")
        assert "'5' is too little to run anything: at least 16MiB" in done.err, done.err
    done = c.expect(2, "node", "--data-dir", "d", "--actors-port", "70000")
    assert "'70000' is no port: 0 to 65535" in done.err, done.err
    # Files that are named and cannot be used are settings, too.
    files = ("--peers-certificate", "none.pem", "--peers-key", "none.key", "--peers-authority", "none.pem")
    done = c.expect(2, "node", "--data-dir", "d", *files)
    assert "none.pem" in done.err and not (c.dir / "d").exists(), done.err


def listening_at(c, host, data):
    """What /cluster says of a node whose listeners are all at that host; its records go through."""
    node = c.start("up", "--data-dir", data, *(word for name in ("kafka", "http", "peers")
                                               for word in (f"--{name}", f"{host}:0")))
    line = node.stdout.readline().decode()
    assert line.startswith("ready "), (host, node.communicate()[1].decode()[-2000:])
    kafka, http = (word.split("=")[1] for word in line.split()[1:])
    for address in (kafka, http):
        assert address.startswith(f"{host}:") and not address.endswith(":0"), line
    c.expect(0, "topic", "create", "t", "--cluster", http)
    c.expect(0, "topic", "produce", "t", "--cluster", http, stdin=b"a\nb\n")
    read = c.expect(0, "topic", "consume", "t", "--max", "2", "--from", "earliest", "--quiet", "-o", "raw",
                    "--cluster", http).out
    assert sorted(read.split()) == ["a", "b"], read
    (told,) = json.loads(c.expect(0, "cluster", "status", "-o", "json", "--cluster", http).out)["nodes"]
    node.send_signal(signal.SIGTERM)
    assert node.wait(timeout=60) == 0
    assert told["kafka"] == kafka, told
    return told


def test_listeners_have_names_and_ipv6_addresses(c):
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, None)
    except OSError as e:
        print(f"skipped: this machine's name, {name}: {e}")
    else:
        told = listening_at(c, name, "by-name")
        assert told["http"].startswith(f"{name}:") and told["peers"].startswith(f"{name}:"), told
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError as e:
        print(f"skipped: IPv6: {e}")
    else:
        told = listening_at(c, "[::1]", "by-address")
        assert told["http"].startswith("[::1]:") and told["peers"].startswith("[::1]:"), told
    # Nobody connects to all addresses: what is told is where the nodes reach it.
    node = c.start("up", "--data-dir", "any", "--kafka", "127.0.0.1:0", "--http", "0.0.0.0:0")
    http = node.stdout.readline().decode().split("http=")[1].strip()
    port = http.split(":")[1]
    (told,) = json.loads(c.expect(0, "cluster", "status", "-o", "json", "--cluster", f"127.0.0.1:{port}").out)["nodes"]
    assert told["http"] == f"127.0.0.1:{port}", told
    node.send_signal(signal.SIGTERM)
    assert node.wait(timeout=60) == 0


def test_what_cannot_be_listened_on_is_told_by_name(c):
    for name in ("kafka", "http", "peers"):
        done = c.expect(1, "node", "--data-dir", "d", f"--{name}", "no-such-host.invalid:0")
        assert done.err.startswith("weir node: cannot listen on no-such-host.invalid:0: "
                                   "the name 'no-such-host.invalid' gives no address: "), done.err


def test_cluster_down_wants_a_folder_of_nodes(c):
    done = c.expect(2, "cluster", "down", "--data-dir", "nowhere")
    assert done.err == "weir: --data-dir: there is no folder nowhere\n", done.err
    (c.dir / "other").mkdir()
    done = c.expect(2, "cluster", "down", "--data-dir", "other")
    assert done.err == "weir: --data-dir: other holds no nodes (n1, n2, ...) of weir cluster up\n", done.err
    # Its first node may be lost.
    (c.dir / "other" / "n2").mkdir()
    assert c.expect(0, "cluster", "down", "--data-dir", "other").err == "0 nodes stopped\n"


def test_cluster_down_knows_its_nodes_by_any_spelling_of_their_folder(c):
    (c.dir / "link").symlink_to("x")
    for up, down in (("./x", "x"), ("x", str(c.dir / "x") + "/"), ("link", "./link/../x/.")):
        first = json.loads(c.expect(0, "cluster", "up", "-n", "1", "--data-dir", up, "-o", "json").out)["nodes"]
        pid = first[0]["pid"]
        try:
            again = c.expect(0, "cluster", "up", "-n", "1", "--data-dir", down, "-o", "json").out
            assert json.loads(again)["nodes"] == first, "what runs is left alone"
            done = c.expect(0, "cluster", "down", "--data-dir", down)
            assert done.err == "1 nodes stopped\n", (up, down, done.err)
        finally:
            if os.path.exists(f"/proc/{pid}"):
                os.kill(pid, signal.SIGKILL)
    # A node that was started by itself, in another folder than that from which it is looked for.
    (c.dir / "y").mkdir()
    node = subprocess.Popen([c.weir, "node", "--data-dir=n1"], cwd=c.dir / "y", stdout=subprocess.PIPE)
    c.running.append(node)
    assert node.stdout.readline().startswith(b"ready ")
    down = c.start("cluster", "down", "--data-dir", "y")
    assert node.wait(timeout=60) == 0
    assert down.communicate()[1] == b"1 nodes stopped\n"


def test_lines_of_a_nodes_log_have_times(c):
    """But not in the journal, which has its own."""
    for journal, form in ((False, r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z weir: .+"), (True, "weir: .+")):
        log = c.dir / f"log-{journal}"
        with open(log, "wb") as out:
            at = os.fstat(out.fileno())
            # Who inherits the variable and writes elsewhere does not write into the journal.
            stream = f"{at.st_dev}:{at.st_ino if journal else at.st_ino + 1}"
            node = subprocess.Popen([c.weir, "node", "--data-dir", c.dir / f"timed-{journal}", "--kafka", "127.0.0.1:0"],
                                    stdout=subprocess.PIPE, stderr=out, env={**os.environ, "JOURNAL_STREAM": stream})
        c.running.append(node)
        before = datetime.datetime.now(datetime.timezone.utc)
        assert node.stdout.readline().startswith(b"ready ")
        node.send_signal(signal.SIGTERM)
        assert node.wait(timeout=60) == 0
        lines = log.read_text().splitlines()
        assert lines and all(re.fullmatch(form, line) for line in lines), lines
        if not journal:
            told = datetime.datetime.fromisoformat(lines[-1].split()[0].replace("Z", "+00:00"))
            assert abs((told - before).total_seconds()) < 60, (told, before)


def test_cluster_up_says_why_a_node_ended(c):
    (c.dir / "old" / "n1" / "streams").mkdir(parents=True)
    (c.dir / "old" / "n1" / "streams" / "catalog").write_text("")
    done = c.expect(1, "cluster", "up", "-n", "1", "--data-dir", "old")
    assert "node n1 has ended: weir node: " in done.err and "was written by an earlier build" in done.err, done.err
    assert done.err.rstrip().endswith("old/n1/log)"), done.err


def test_describe_shows_tasks_and_their_nodes(c):
    """In the first answer that says that the job runs, and as a table what JSON has."""
    node = c.start("up", "--data-dir", "state", "--kafka", "127.0.0.1:0")
    http = node.stdout.readline().decode().split("http=")[1].strip()
    at = ("--cluster", http)
    c.expect(0, "job", "submit", "numbers.yaml", "--set", "RATE=100", "-p", "2", *at)
    while True:
        found = json.loads(c.expect(0, "job", "describe", "numbers", "-o", "json", *at).out)
        if found["state"] == "running":
            break
    assert [(t["task"], t["subtask"], t["node"]) for t in found["tasks"]] == [
        (0, 0, "n1"), (1, 1, "n1"), (2, 0, "n1"), (3, 1, "n1")], found
    job, tasks = c.expect(0, "job", "describe", "numbers", "-o", "csv", *at).out.split("\n\n")
    (row,) = csv.DictReader(io.StringIO(job))
    assert row["name"] == "numbers" and row["state"] == "running" and row["master"] == "n1", row
    assert set(row) >= {"epoch", "restarts", "waits_for", "savepoints", "error"}, row
    rows = list(csv.DictReader(io.StringIO(tasks)))
    assert [(r["task"], r["node"]) for r in rows] == [(str(i), "n1") for i in range(4)], rows
    deadline = time.monotonic() + 30
    while not all(r["operators"] for r in rows):
        assert time.monotonic() < deadline, rows
        rows = list(csv.DictReader(io.StringIO(
            c.expect(0, "job", "describe", "numbers", "-o", "csv", *at).out.split("\n\n")[1])))
    assert [r["operators"].split(" > ")[0] for r in rows] == ["source/numbers", "source/numbers", "sums", "sums"], rows
    assert rows[0]["placed"] and rows[0]["attempt"], rows
    node.send_signal(signal.SIGTERM)
    assert node.wait(timeout=30) == 0


def test_a_node_runs_by_its_file(c):
    """weir node and weir up by the same file: the settings reach the broker."""
    c.write("n.yaml", FILE)
    for verb in ("node", "up"):
        node = c.start(verb, "--config", "n.yaml")
        ready = node.stdout.readline().decode()
        assert ready.startswith("ready kafka=127.0.0.1:"), ready
        http = ready.split("http=")[1].strip()
        with urllib.request.urlopen(f"http://{http}/readyz", timeout=10) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"http://{http}/cluster", timeout=10) as answer:
            assert [n["id"] for n in json.load(answer)["nodes"]] == ["n7"]
        assert (c.dir / "state").is_dir()
        node.send_signal(signal.SIGTERM)
        assert node.wait(timeout=30) == 0, node.stderr.read().decode()


if __name__ == "__main__":
    main(globals())
