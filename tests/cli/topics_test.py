#!/usr/bin/env python3
"""weir up, topic, group, txn and the HTTP API. Usage: topics_test.py WEIR [TEST...]"""
import fnmatch
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

from weir_cli import main

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "topics.md"


class Node:
    """A node on free ports; verbs that talk to it."""

    def __init__(self, case, data: str = "node", kafka: str = "127.0.0.1:0", http: str = "127.0.0.1:0",
                 options=()):
        self.case = case
        self.process = case.start("up", "--data-dir", data, "--kafka", kafka, "--http", http, *options)
        line = self.process.stdout.readline().decode()
        match = re.fullmatch(r"ready kafka=(\S+) http=(\S+)\n", line)
        assert match, line + self.process.stderr.read().decode()
        self.kafka, self.http = match.groups()

    def verb(self, *arguments: str, code: int = 0, stdin: bytes = b""):
        return self.case.expect(code, *arguments, "--cluster", self.http, stdin=stdin)

    def json(self, *arguments: str):
        return json.loads(self.verb(*arguments, "-o", "json").out)

    def records(self, topic: str, *arguments: str) -> list:
        out = self.verb("topic", "consume", topic, "-o", "json", *arguments).out
        return [json.loads(line) for line in out.splitlines()]

    def call(self, method: str, path: str, body=None, type_: str = "application/json"):
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request("http://" + self.http + path, data, method=method)
        request.add_header("Content-Type", type_)
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def stop(self, how=signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(20)


def values(records: list) -> list:
    return [r["value"] for r in records]


def test_lines_in_and_out(c):
    n = Node(c)
    n.verb("topic", "create", "t", "--partitions", "3")
    lines = "".join(f"k{i % 7}|value {i}\n" for i in range(5000)).encode()
    done = n.verb("topic", "produce", "t", "--key-separator", "|", stdin=lines)
    assert re.search(r"produced 5,000 records \(.*\) to t in ", done.err), done.err
    got = n.records("t")
    assert sorted(values(got)) == sorted(f"value {i}" for i in range(5000))
    by_key = {}
    for r in got:
        by_key.setdefault(r["key"], []).append((r["partition"], r["offset"], int(r["value"].split()[1])))
    assert len(by_key) == 7
    for places in by_key.values():
        assert len({p for p, _, _ in places}) == 1, "records of one key are in one partition"
        assert [v for _, _, v in places] == sorted(v for _, _, v in places), "in their order"
    assert n.verb("topic", "consume", "t", "-o", "raw", "--quiet", "--partition", "1").err == ""


def test_records_without_a_key_go_round(c):
    n = Node(c)
    n.verb("topic", "create", "t", "--partitions", "6")
    n.verb("topic", "produce", "t", stdin="".join(f"{i}\n" for i in range(50_000)).encode())
    counts = [p["end"] for p in n.json("topic", "describe", "t")["partitions"]]
    assert sum(counts) == 50_000 and min(counts) * 2 > max(counts), counts
    # Requests of a single record take turns.
    n.verb("topic", "create", "few", "--partitions", "3")
    for i in range(6):
        n.call("POST", "/topics/few/records", [{"value": str(i)}])
    counts = [p["end"] for p in n.json("topic", "describe", "few")["partitions"]]
    assert counts == [2, 2, 2], counts
    # So do a request's own when they are many.
    n.verb("topic", "create", "many", "--partitions", "3")
    status, text = n.call("POST", "/topics/many/records", [{"value": "x" * 100}] * 5000)
    places = json.loads(text)["offsets"]
    assert status == 200 and {p["partition"] for p in places} == {0, 1, 2}, text[:300]
    assert len({(p["partition"], p["offset"]) for p in places}) == 5000
    # With pauses each sent batch is followed by another partition's.
    n.verb("topic", "create", "slow", "--partitions", "3")
    n.verb("topic", "produce", "slow", "--rate", "30", stdin=b"a\n" * 9)
    counts = [p["end"] for p in n.json("topic", "describe", "slow")["partitions"]]
    assert min(counts) > 0, counts


def test_without_a_last_line_feed_and_with_crlf(c):
    n = Node(c)
    n.verb("topic", "create", "t")
    n.verb("topic", "produce", "t", stdin=b"one\r\n\ntwo")
    assert values(n.records("t")) == ["one", "", "two"]


def test_files_compression_and_large_records(c):
    n = Node(c)
    n.verb("topic", "create", "t")
    c.write("a.txt", "x" * 900_000 + "\ny\n")
    for compression in ("none", "gzip", "snappy", "lz4", "zstd"):
        n.verb("topic", "produce", "t", "a.txt", "a.txt", "--compression", compression)
    assert [len(v) for v in values(n.records("t"))] == [900_000, 1] * 10
    c.write("b.txt", "z" * 2_000_000 + "\n")
    done = n.verb("topic", "produce", "t", "b.txt", code=1)
    assert "MESSAGE_TOO_LARGE" in done.err and "max.message.bytes" in done.err, done.err
    assert "nothing.txt" in n.verb("topic", "produce", "t", "nothing.txt", code=1).err


def test_json_keys_and_copies(c):
    n = Node(c)
    for t in ("a", "b"):
        n.verb("topic", "create", t, "--partitions", "2")
    n.verb("topic", "produce", "a", "--format", "json", "--key", "user.id",
           stdin=b'{"user": {"id": 7}}\n{"user": {"id": "x"}}\n{"user": {"id": null}}\n')
    assert sorted(str(r["key"]) for r in n.records("a")) == ["7", "None", "x"]
    done = n.verb("topic", "produce", "a", "--format", "json", "--key", "id", stdin=b'{"id": 1}\n{"no": 1}\n', code=1)
    assert 'stdin:2: there is no field "id"' in done.err, done.err
    assert "stdin:1: this is no JSON" in n.verb("topic", "produce", "a", "--format", "json", stdin=b"{x\n", code=1).err
    records = [{"key": "k", "value": {"base64": "/wA="}, "headers": {"h": ["1", "2"]}, "partition": 1,
                "timestamp": "2020-01-02 03:04:05.678"}, {"key": None, "value": None, "partition": 1}]
    n.verb("topic", "produce", "b", "--format", "records",
           stdin="".join(json.dumps(r) + "\n" for r in records).encode())
    first, second = n.records("b")
    assert (first["key"], first["value"], first["headers"]) == ("k", {"base64": "/wA="}, {"h": ["1", "2"]}), first
    assert first["timestamp"] == "2020-01-02 03:04:05.678" and first["partition"] == 1
    assert second["value"] is None and second["key"] is None


def test_positions(c):
    n = Node(c)
    n.verb("topic", "create", "t", "--set", "retention.ms=-1")  # its records are of 2023
    n.verb("topic", "produce", "t", "--format", "records", stdin="".join(
        json.dumps({"value": str(i), "timestamp": 1_700_000_000_000 + i * 1000}) + "\n" for i in range(10)).encode())
    def read(position):
        return [int(v) for v in values(n.records("t", "--from", position))]
    assert read("earliest") == read("oldest") == list(range(10))
    assert read("latest") == read("newest") == []
    assert read("offset:7") == read("after:6") == [7, 8, 9]
    assert read("time:2023-11-14 22:13:24") == read("time:1700000004000") == [4, 5, 6, 7, 8, 9]
    assert read("time:1700000003500") == [4, 5, 6, 7, 8, 9]
    assert read("time:-1m") == []
    assert [int(v) for v in values(n.records("t", "--max", "3"))] == [0, 1, 2]
    done = n.verb("topic", "consume", "t", "--from", "offset:99", "--partition", "0", code=1)
    assert "ends at 10" in done.err, done.err
    assert "no position" in n.verb("topic", "consume", "t", "--from", "begin", code=2).err


def test_filters(c):
    n = Node(c)
    n.verb("topic", "create", "t", "--partitions", "2")
    n.verb("topic", "produce", "t", "--format", "json", "--key", "id", stdin="".join(
        json.dumps({"id": i, "name": f"n{i % 3}"}) + "\n" for i in range(3000)).encode())
    assert len(n.records("t", "--filter", "name = 'n1' AND id::int < 30")) == 10
    assert len(n.records("t", "--filter", '"offset" < 5')) == 10
    assert len(n.records("t", "--filter", "key = '7'")) == 1
    assert len(n.records("t", "--filter", "value LIKE '%n2%'", "--max", "4")) == 4
    assert len(n.records("t", "--filter", "timestamp > timestamp '2020-01-01'")) == 3000
    n.verb("topic", "produce", "t", "--partition", "0", stdin=b"no json\n")
    done = n.verb("topic", "consume", "t", "--filter", "name = 'n1'", "-o", "raw")
    assert len(done.out.splitlines()) == 1000 and "1 records, which were left out" in done.err, done.err
    assert "--filter" in n.verb("topic", "consume", "t", "--filter", "key +", code=2).err
    assert "boolean" in n.verb("topic", "consume", "t", "--filter", '"offset" + 1', code=2).err


def test_follow_sees_what_comes_and_new_partitions(c):
    n = Node(c)
    n.verb("topic", "create", "t")
    follower = c.start("topic", "consume", "t", "--follow", "--from", "earliest", "-o", "raw", "--max", "3",
                       "--cluster", n.http)
    n.verb("topic", "produce", "t", stdin=b"one\n")
    assert follower.stdout.readline() == b"one\n"
    n.verb("topic", "alter", "t", "--partitions", "2")
    n.verb("topic", "produce", "t", "--partition", "1", stdin=b"two\n")
    assert follower.stdout.readline() == b"two\n"
    n.verb("topic", "produce", "t", "--partition", "0", stdin=b"three\n")
    assert follower.stdout.readline() == b"three\n"
    assert follower.wait(10) == 0


def test_interrupts(c):
    n = Node(c)
    n.verb("topic", "create", "t")
    follower = c.start("topic", "consume", "t", "--follow", "--cluster", n.http)
    writer = c.start("topic", "produce", "t", "--rate", "200", "--cluster", n.http)
    del writer
    time.sleep(0.5)
    follower.send_signal(signal.SIGINT)
    assert follower.wait(10) == 130
    slow = subprocess.Popen([c.weir, "topic", "produce", "t", "--cluster", n.http], cwd=c.dir,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    c.running.append(slow)
    slow.stdin.write(b"before\n")
    slow.stdin.flush()
    for _ in range(100):
        if values(n.records("t")) == ["before"]:
            break
        time.sleep(0.05)
    assert values(n.records("t")) == ["before"], "what waits is sent while input pauses"
    slow.send_signal(signal.SIGTERM)
    assert slow.wait(10) == 0


def test_a_node_that_comes_back(c):
    """A producer and a follower live through kill -9 of the node: nothing is lost, nothing twice."""
    n = Node(c)
    n.verb("topic", "create", "t", "--partitions", "2")
    follower = c.start("topic", "consume", "t", "--follow", "--from", "earliest", "-o", "raw", "--max", "3000",
                       "--cluster", n.http)
    c.write("in.txt", "".join(f"{i}\n" for i in range(3000)))
    producer = c.start("topic", "produce", "t", "in.txt", "--rate", "1500", "--cluster", n.http)
    time.sleep(0.7)
    n.stop(signal.SIGKILL)
    again = Node(c, kafka=n.kafka, http=n.http)
    assert producer.wait(60) == 0, producer.stderr.read()
    out, err = follower.communicate(timeout=60)
    assert follower.returncode == 0, err
    assert sorted(int(v) for v in out.split()) == list(range(3000))
    assert again.json("topic", "describe", "t")["records"] == 3000


def test_describe_alter_trim_delete(c):
    n = Node(c)
    n.verb("topic", "create", "t", "--partitions", "2", "--set", "retention.ms=7200000")
    n.verb("topic", "produce", "t", "--partition", "0", stdin=b"a\nb\nc\n")
    t = n.json("topic", "describe", "t")
    assert t["set"] == {"retention.ms": "7200000"} and t["durability"], t
    p = t["partitions"][0]
    assert (p["start"], p["end"], p["stable"], p["leader"], p["open_transactions"]) == (0, 3, 3, 1, 0), p
    assert p["bytes"] > 0 and p["segments"] == 1 and p["producers"] == 1, p
    done = n.verb("topic", "describe", "t")
    assert "topic t (" in done.err and "retention.ms = 7200000" in done.err, done.err
    n.verb("topic", "alter", "t", "--set", "cleanup.policy=compact", "--unset", "retention.ms", "--partitions", "3")
    t = n.json("topic", "describe", "t")
    assert t["set"] == {"cleanup.policy": "compact"} and len(t["partitions"]) == 3
    assert n.verb("topic", "trim", "t", "--partition", "0", "--before", "offset:2").out == "partition,start\n0,2\n"
    assert values(n.records("t")) == ["c"]
    assert n.verb("topic", "ls", "--sizes").out.splitlines()[1].startswith("t,3,1,1,")
    n.verb("topic", "delete", "t")
    assert n.verb("topic", "ls").out == "name,partitions,replicas\n"


def test_errors_say_what_and_what_to_do(c):
    n = Node(c)
    assert "which cluster?" in c.expect(2, "topic", "ls").err
    assert "HOST:PORT" in c.expect(2, "topic", "ls", "--cluster", "nonsense").err
    assert "is the node up" in c.expect(1, "topic", "ls", "--cluster", "127.0.0.1:1").err
    # Of several the first that can be reached.
    for several in (f"127.0.0.1:1,{n.http}", f"{n.http},127.0.0.1:1", f"no-such-host.invalid:80,[::1]:1,{n.http}"):
        assert json.loads(c.expect(0, "cluster", "status", "-o", "json", "--cluster", several).out)["nodes"], several
        assert c.expect(0, "topic", "ls", "--cluster", several).out == "name,partitions,replicas\n", several
        c.expect(0, "topic", "create", "several", "--cluster", several)
        c.expect(0, "topic", "produce", "several", "--cluster", several, stdin=b"a\n")
        assert values(n.records("several")) == ["a"], several
        n.verb("topic", "delete", "several")
    done = c.expect(1, "topic", "ls", "--cluster", "127.0.0.1:1,127.0.0.1:2").err
    assert "127.0.0.1:1: Connection refused; 127.0.0.1:2: Connection refused" in done, done
    assert "'nonsense' is not HOST:PORT" in c.expect(2, "job", "ls", "--cluster", f"{n.http},nonsense").err
    # The option is stronger than the environment, which no other verb may bring in.
    for verb in (["topic", "ls"], ["job", "ls"], ["cluster", "status"]):
        told = subprocess.run([c.weir, *verb, "--cluster", "127.0.0.1:1"], capture_output=True, text=True,
                              env=dict(os.environ, WEIR_CLUSTER="127.0.0.1:2"), check=False)
        assert told.returncode == 1 and "127.0.0.1:1" in told.stderr, told
    assert "ID" in c.expect(2, "job", "describe", "", "--cluster", "127.0.0.1:1").err
    assert "weir topic create x makes it" in n.verb("topic", "produce", "x", code=1).err
    for verb in (("topic", "describe", "x"), ("topic", "consume", "x"), ("topic", "delete", "x"),
                 ("topic", "alter", "x", "--partitions", "2"), ("group", "describe", "g")):
        done = n.verb(*verb, code=1)
        assert done.err.startswith("weir: ") and verb[2] in done.err, done.err
    n.verb("topic", "create", "t", "--partitions", "2")
    assert "already exists" in n.verb("topic", "create", "t", code=1).err
    assert "retention.mss" in n.verb("topic", "alter", "t", "--set", "retention.mss=1", code=1).err
    n.verb("topic", "alter", "t", "--partitions", "1", code=1)
    assert "what is to change?" in n.verb("topic", "alter", "t", code=2).err
    assert "it has 2" in n.verb("topic", "consume", "t", "--partition", "9", code=1).err
    assert "it has 2" in n.verb("topic", "produce", "t", "--partition", "9", stdin=b"x\n", code=1).err
    n.verb("topic", "produce", "t", "--key", "a", code=2)
    n.verb("topic", "frobnicate", code=2)


def test_groups(c):
    n = Node(c)
    n.verb("topic", "create", "t")
    n.verb("topic", "produce", "t", stdin=b"1\n2\n3\n4\n")
    assert values(n.records("t", "--group", "g", "--max", "2")) == ["1", "2"]
    assert values(n.records("t", "--group", "g", "--max", "1")) == ["3"]
    g = n.json("group", "describe", "g")
    assert g["state"] == "Empty" and g["lag"] == 1, g
    assert g["positions"][0]["committed"] == 3 and 0 <= g["positions"][0]["lag_seconds"] < 60, g
    n.verb("group", "seek", "g", "--topic", "t", "--to", "offset:1")
    assert values(n.records("t", "--group", "g")) == ["2", "3", "4"]
    assert n.json("group", "describe", "g")["lag"] == 0
    n.verb("group", "seek", "g", "--topic", "t", "--to", "time:-1h", "--partition", "0")
    assert n.json("group", "describe", "g")["lag"] == 4
    assert n.verb("group", "ls").out == "id,state,type\ng,Empty,classic\n"
    n.verb("group", "delete", "g")
    assert n.verb("group", "ls").out == "id,state,type\n"
    assert "no position" in n.verb("group", "seek", "g", "--topic", "t", "--to", "there", code=1).err


def test_a_group_in_use_is_left_alone(c):
    n = Node(c)
    n.verb("topic", "create", "t")
    member = subprocess.Popen(["kcat", "-b", n.kafka, "-G", "g", "t"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    c.running.append(member)
    for _ in range(300):
        if json.loads(n.verb("group", "ls", "-o", "json").out)["groups"][:1]:
            g = n.json("group", "describe", "g")
            if g["state"] == "Stable" and g["members"][0]["partitions"]:
                break
        time.sleep(0.1)
    assert g["members"][0]["partitions"] == [{"topic": "t", "partition": 0}], g
    for verb in (("group", "seek", "g", "--topic", "t", "--to", "earliest"), ("group", "delete", "g"),
                 ("topic", "consume", "t", "--group", "g")):
        done = n.verb(*verb, code=1)
        assert "g" in done.err, done.err


def test_dead_letters_can_be_read(c):
    n = Node(c)
    n.verb("topic", "create", "dead")
    n.verb("topic", "produce", "dead", "--format", "records", stdin=json.dumps(
        {"value": "x,y", "headers": {"cause": "column v: 'y' is no integer", "position": "orders/0:17",
                                     "original": {"base64": "AP8b"}}}).encode())
    out = n.verb("topic", "consume", "dead", "-o", "table").out
    assert "cause: column v: 'y' is no integer\n" in out and "position: orders/0:17\n" in out, out
    assert "original: \\x00ff1b\n" in out, out
    assert "\x1b" not in out


def test_http_records(c):
    n = Node(c)
    status, text = n.call("POST", "/topics", {"name": "t", "partitions": 2, "configs": {"retention.ms": 1000000}})
    assert status == 201 and json.loads(text)["partitions"] == 2, text
    status, text = n.call("POST", "/topics/t/records", [{"key": "a", "value": {"n": i}, "partition": i % 2}
                                                         for i in range(5)])
    offsets = json.loads(text)["offsets"]
    assert status == 200 and [o["partition"] for o in offsets] == [0, 1, 0, 1, 0], text
    assert [o["offset"] for o in offsets] == [0, 0, 1, 1, 2], text
    assert n.call("POST", "/topics/t/records?partition=1&key_separator=:", b"k:v\nw\n", "text/plain")[0] == 200
    status, text = n.call("GET", "/topics/t/records?partition=1&offset=1&values=json")
    got = json.loads(text)
    assert [r["value"] for r in got["records"]] == [{"n": 3}, "v", "w"], text
    assert [r["key"] for r in got["records"]] == ["a", "k", None] and got["next"] == [{"partition": 1, "offset": 4}]
    assert len(json.loads(n.call("GET", "/topics/t/records?max=4")[1])["records"]) == 4
    assert len(json.loads(n.call("GET", "/topics/t/records?time=-1h")[1])["records"]) == 7
    began = time.time()
    status, text = n.call("GET", "/topics/t/records?from=latest&wait_ms=300")
    assert status == 200 and json.loads(text)["records"] == [] and time.time() - began >= 0.25
    for path in ("/topics/t/records?max=0", "/topics/t/records?bogus=1", "/topics/t/records?from=x",
                 "/topics/t/records?partition=7&offset=0"):
        status, text = n.call("GET", path)
        assert status in (400, 404) and "error" in json.loads(text), (path, status, text)
    assert "topic t has no partition 7: there are 2, from 0" in text, text
    for body in (b"[{]", b"[1]", b'[{"vale": 1}]'):
        status, text = n.call("POST", "/topics/t/records", body)
        assert status == 400 and "error" in json.loads(text), text
    assert n.call("POST", "/topics/x/records", [{"value": "1"}])[0] == 404
    assert n.call("GET", "/nowhere")[0] == 404
    assert n.call("PUT", "/topics/t")[0] == 405


def test_http_waits_do_not_block_others(c):
    n = Node(c)
    n.verb("topic", "create", "t")
    import threading
    answers = []
    waiting = [threading.Thread(target=lambda: answers.append(
        n.call("GET", "/topics/t/records?from=latest&wait_ms=20000"))) for _ in range(12)]
    for w in waiting:
        w.start()
    time.sleep(0.5)
    began = time.time()
    assert n.call("GET", "/healthz") == (200, "ok\n")
    assert n.call("GET", "/readyz") == (200, "ok\n")
    assert n.call("GET", "/topics")[0] == 200
    assert time.time() - began < 5
    n.verb("topic", "produce", "t", stdin=b"now\n")
    for w in waiting:
        w.join()
    assert {s for s, _ in answers} <= {200, 503}, answers
    assert sum(1 for s, text in answers if s == 200 and '"now"' in text) == 8, answers


def test_http_cluster_has_the_kafka_address(c):
    n = Node(c)
    nodes = json.loads(n.call("GET", "/cluster")[1])["nodes"]
    assert [(x["kafka"], x["http"]) for x in nodes] == [(n.kafka, n.http)], nodes


def series(text: str) -> dict:
    """Metrics by name and labels; their form is checked on the way."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.match(r"# (HELP|TYPE) [a-z_]+ .+", line), line
            continue
        match = re.fullmatch(r'([a-z_]+(?:\{[^}]*\})?) (-?[0-9.e+-]+)', line)
        assert match, line
        assert match[1] not in found, "each series once: " + line
        found[match[1]] = float(match[2])
    return found


def test_metrics(c):
    n = Node(c)
    n.verb("topic", "create", "t", "--partitions", "2")
    n.verb("topic", "produce", "t", "--partition", "1", stdin=b"a\nb\nc\n")
    assert values(n.records("t", "--group", "g", "--max", "1")) == ["a"]
    status, text = n.call("GET", "/metrics")
    m = series(text)
    where = '{topic="t",partition="1"}'
    assert status == 200 and m["weir_records_in_total" + where] == 3, text
    assert m["weir_log_end_offset" + where] == 3 and m["weir_log_start_offset" + where] == 0, text
    assert m["weir_bytes_in_total" + where] == m["weir_log_bytes" + where] > 0, text
    assert m["weir_batches_in_total" + where] == 1 and m["weir_bytes_out_total" + where] > 0, text
    assert m["weir_log_segments" + where] == 1 and m["weir_log_unstable_records" + where] == 0, text
    assert m['weir_group_lag_records{group="g",topic="t"}'] == 2, text
    assert m["weir_fsync_seconds_count"] == m['weir_fsync_seconds_bucket{le="+Inf"}'] > 0, text
    assert m["weir_fsync_seconds_sum"] > 0 and m["process_resident_memory_bytes"] > 1 << 20, text


JOB = """
name: sums
tables:
  numbers: {columns: {n: bigint}, with: {connector: sequence, start: 1, end: 1000000000, rate: 1000}}
  nothing: {with: {connector: blackhole}}
sinks:
  - {from: numbers, into: nothing}
"""


def test_metrics_of_the_cluster_and_its_jobs(c):
    n = Node(c)
    n.verb("topic", "create", "t", "--partitions", "5")
    c.write("job.yaml", JOB)
    job = n.verb("job", "submit", "job.yaml", "--snapshot-interval", "100ms").out.strip()
    labels = f'job="{job}",name="sums"'
    deadline = time.monotonic() + 20
    while (m := series(n.call("GET", "/metrics")[1]))[f"weir_job_epoch{{{labels}}}"] == 0:
        assert time.monotonic() < deadline, "the job has an epoch"
        time.sleep(0.05)
    status = json.loads(n.call("GET", "/cluster")[1])
    assert [m[f'weir_cluster_nodes{{state="{s}"}}'] for s in ("alive", "draining", "fenced")] == [1, 0, 0], m
    partitions = {"": "count", **{"_" + s: s for s in ("leaderless", "under_replicated", "moving")}}
    for metric, field in partitions.items():
        assert m["weir_cluster_partitions" + metric] == status["partitions"][field], (metric, m, status)
    assert m["weir_cluster_partitions"] >= 5 and m["weir_cluster_partitions_leaderless"] == 0, m
    assert m["weir_cluster_majority"] == m["weir_cluster_coordinates"] == 1, m
    assert m["weir_node_partitions_led"] == status["nodes"][0]["leaders"] >= 5, m
    assert m["weir_node_replicas"] == status["nodes"][0]["replicas"] >= 5, m
    assert m[f'weir_job_state{{{labels},state="running"}}'] == 1 and m[f"weir_job_restarts{{{labels}}}"] == 0, m
    n.verb("job", "cancel", job)
    deadline = time.monotonic() + 20
    while (m := series(n.call("GET", "/metrics")[1])).get(f'weir_job_state{{{labels},state="stopped"}}') != 1:
        assert time.monotonic() < deadline, m
        time.sleep(0.05)
    assert f'weir_job_state{{{labels},state="running"}}' not in m and m[f"weir_job_epoch{{{labels}}}"] > 0, m


def test_jobs_for_standard_output_are_refused(c):
    """Their rows would end in the log of some node."""
    n = Node(c)
    c.write("so.sql", "SELECT 1 AS x;\n")
    c.write("so.yaml", JOB.replace("into: nothing", "into: stdout"))
    for file in ("so.sql", "so.yaml"):
        done = n.verb("job", "submit", file, code=1)
        assert "standard output" in done.err and "INSERT INTO" in done.err and "into:" in done.err, done.err
    assert json.loads(n.call("GET", "/cluster")[1])["jobs"] == []


def test_metrics_stay_few(c):
    """Above the bound partitions are summed up."""
    n = Node(c, options=("--metrics-partitions", "60", "--metrics-groups", "0"))
    n.verb("topic", "create", "t", "--partitions", "100")
    n.verb("topic", "produce", "t", "--partition", "7", stdin=b"a\n")
    m = series(n.call("GET", "/metrics")[1])
    assert m['weir_records_in_total{topic="t"}'] == 1
    assert not [k for k in m if "partition=" in k or "group=" in k]


# Debian's python3 has the client (python3-confluent-kafka), whichever python runs this file.
TRANSACTION = """import sys
from confluent_kafka import KafkaException, Producer
p = Producer({"bootstrap.servers": sys.argv[1], "transactional.id": "job-1"})
p.init_transactions(20)
p.begin_transaction()
p.produce("t", b"undecided")
p.flush(20)
print("open", flush=True)
sys.stdin.readline()
try:
    p.commit_transaction(20)
    print("committed")
except KafkaException:
    print("shut out")
"""


def test_transactions_are_shown_and_aborted(c):
    n = Node(c)
    n.verb("topic", "create", "t")
    producer = subprocess.Popen(["/usr/bin/python3", "-c", TRANSACTION, n.kafka], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    c.running.append(producer)
    assert producer.stdout.readline() == b"open\n"
    n.verb("topic", "produce", "t", stdin=b"after\n")
    ours, = n.json("txn", "ls")["transactions"]
    assert (ours["id"], ours["state"]) == ("job-1", "Ongoing") and ours["open_ms"] >= 0, ours
    assert ours["partitions"] == [{"topic": "t", "partition": 0}], ours
    assert n.json("txn", "ls", "--longer", "1h")["transactions"] == []
    t = n.json("topic", "describe", "t")["partitions"][0]
    assert (t["stable"], t["end"], t["open_transactions"]) == (0, 2, 1), t
    assert "open from offset 0 on" in n.verb("topic", "describe", "t").err
    assert n.records("t") == []
    assert values(n.records("t", "--isolation", "read_uncommitted")) == ["undecided", "after"]
    n.verb("txn", "abort", "job-1")
    assert values(n.records("t")) == ["after"]
    assert producer.communicate(b"\n", timeout=30)[0] == b"shut out\n"
    assert "nothing to abort" in n.verb("txn", "abort", "job-1", code=1).err
    assert "TRANSACTIONAL_ID_NOT_FOUND" in n.verb("txn", "abort", "other", code=1).err


def test_the_documentation(c):
    """Every command of docs/topics.md, in its order, on one node."""
    n = Node(c)
    bin_dir = c.dir / "bin"
    bin_dir.mkdir()
    (bin_dir / "weir").symlink_to(c.weir)
    environment = dict(os.environ, WEIR_CLUSTER=n.http, PATH=f"{bin_dir}:{os.environ['PATH']}")
    for block in re.findall(r"```console\n(.*?)```", DOCS.read_text(), re.S):
        for example in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, expected = example.partition("\n")
            done = subprocess.run(["bash", "-c", "set -o pipefail; " + command], cwd=c.dir, env=environment,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
            out = done.stdout.decode()
            assert done.returncode == 0, f"{command}\n{out}{done.stderr.decode()}"
            pattern = fnmatch.translate(re.sub(r"([\[\]*?])", r"[\1]", expected).replace("…", "*"))
            assert re.fullmatch(pattern, out), f"{command}\nexpected:\n{expected}got:\n{out}"


if __name__ == "__main__":
    main(globals())
