#!/usr/bin/env python3
"""snapshot ls and verify, damage included. Usage: snapshots_test.py WEIR [TEST...]"""
import json
import random
import re
import shutil
import signal

from weir_cli import main, published, sums

JOB = ("run", "numbers.yaml", "--data-dir", "data", "--set", "RATE=20000", "--set", "END=30000",
       "--set", "KEYS=1000", "--snapshot-interval", "100ms", "-p", "1")


def half_way(c) -> None:
    process = c.start(*JOB)
    c.wait_for_epoch("data", 4)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


def test_plan_says_what_a_changed_job_would_keep(c):
    c.write("in.csv", "k,v\na,1\nb,2\n")
    assert "has no epoch of this job" in c.expect(0, "plan", "count.yaml", "--data-dir", "state").out
    c.expect(0, "run", "count.yaml", "--data-dir", "state")
    out = c.expect(0, "plan", "count.yaml", "--data-dir", "state").out
    assert "continues from epoch " in out and "the job had finished" in out, out
    text = (c.dir / "count.yaml").read_text()
    c.write("count.yaml", text.replace("sum(v)", "max(v)"))
    out = c.expect(0, "plan", "count.yaml", "--data-dir", "state").out
    assert "the job has changed" in out, out
    assert "kept  source/t" in out and "lost  by_key:" in out, out
    assert not (c.dir / "nowhere").exists()
    c.write("count.yaml", text)
    done = c.expect(0, "run", "count.yaml", "--data-dir", "state")
    assert "had finished" in done.err, done.err  # the check has changed nothing


def test_nothing_there(c):
    for verb in ("ls", "verify"):
        assert "'nowhere' holds no snapshots" in c.expect(1, "snapshot", verb, "nowhere").err
    (c.dir / "empty").mkdir()
    c.expect(1, "snapshot", "ls", "empty")


def test_while_a_run_goes_on_and_on_a_copy(c):
    process = c.start(*JOB)
    c.wait_for_epoch("data", 2)
    shutil.copytree(c.dir / "data", c.dir / "copy")
    assert "sound" in c.expect(0, "snapshot", "verify", "data").out
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    shutil.copytree(c.dir / "data", c.dir / "copy2")
    assert "all sound" in c.expect(0, "snapshot", "verify", "copy2").err
    rows = json.loads(c.expect(0, "snapshot", "ls", "copy2", "-o", "json").out)
    assert len({r["epoch"] for r in rows}) <= 3 and {"source/numbers", "sums"} <= {
        r["operator"] for r in rows}
    shutil.move(c.dir / "data", c.dir / "away")
    c.expect(0, *[a if a != "data" else "copy2" for a in JOB])
    assert published(c.dir / "out") == sums(30_000, 1000)


def flip(path, at: int) -> None:
    with open(path, "r+b") as f:
        f.seek(at)
        old = f.read(1)
        f.seek(at)
        f.write(bytes([old[0] ^ 0x40]))


def test_a_flipped_byte_is_found_and_the_newest_sound_epoch_used(c):
    half_way(c)
    largest = max((p for p in (c.dir / "data").rglob("*") if p.is_file()),
                  key=lambda p: p.stat().st_size)
    size = largest.stat().st_size
    shutil.copytree(c.dir / "out", c.dir / "out0")
    found = chunks = older = 0
    for i in range(30):
        for copy, original in (("try", "data"), ("out", "out0")):
            shutil.rmtree(c.dir / copy, ignore_errors=True)
            shutil.copytree(c.dir / original, c.dir / copy)
        flip(c.dir / "try" / largest.relative_to(c.dir / "data"),
             8192 + (size - 8192) * i // 30 + 1031)
        verify = c.run("snapshot", "verify", "try")
        run = c.run(*[a if a != "data" else "try" for a in JOB], "--set", "RATE=")
        texts = (i, verify.out + verify.err, run.err)
        assert verify.returncode in (0, 1) and run.returncode in (0, 1), texts
        if run.returncode == 0:  # whatever was found: what is published is right
            assert published(c.dir / "out") == sums(30_000, 1000), texts
        else:
            assert "damaged" in run.err and "--fresh" in run.err, texts
        if verify.returncode == 0:
            assert run.returncode == 0, texts  # the byte lies in a free page
            continue
        found += 1
        # Which epoch, and of each chunk its operator, state, key group or subtask.
        assert "DAMAGED" in verify.out or "damaged" in verify.err, texts
        for line in verify.out.splitlines():
            if line.startswith("  ") and "a chunk" in line:
                assert re.search(r"operator '.+', state '.+', (key group|subtask) \d+, epoch \d+", line)
                chunks += 1
        damaged = [int(n) for n in re.findall(r"epoch (\d+): DAMAGED", verify.out)]
        sound = [int(n) for n in re.findall(r"epoch (\d+): sound", verify.out)]
        if run.returncode == 0 and damaged and max(damaged) > max(sound):
            # The run passes over what verify has named, and says what it goes on from.
            older += 1
            assert f"the job continues from epoch {max(sound)}, the newest" in run.err, texts
            assert any(line.strip() in run.err for line in verify.out.splitlines()
                       if line.startswith("  ")), texts
    assert found > 0, "30 places, none of them in use"
    print(f"     {found} found, {chunks} damaged chunks named, {older} runs from an older epoch")


def test_a_damaged_newest_epoch_is_named_and_the_one_before_used(c):
    """The checksum of a byte of the newest epoch alone: a chunk that no older one shares."""
    half_way(c)
    newest = c.epochs("data")[-1]
    largest = max((p for p in (c.dir / "data").rglob("*") if p.is_file()),
                  key=lambda p: p.stat().st_size)
    original = largest.read_bytes()
    shutil.copytree(c.dir / "out", c.dir / "out0")
    places = list(range(8192 + 2048, len(original), 1536))
    random.Random(1).shuffle(places)
    for at in places:
        flip(largest, at)
        verify = c.run("snapshot", "verify", "data")
        if (f"epoch {newest}: DAMAGED" in verify.out and "a chunk is damaged" in verify.out
                and f"epoch {newest - 1}: sound" in verify.out):
            break
        largest.write_bytes(original)
    else:
        raise AssertionError("no byte belongs to the newest epoch alone")
    assert verify.returncode == 1 and "damage found" in verify.err
    named = next(x.strip() for x in verify.out.splitlines() if x.startswith("  "))
    run = c.expect(0, *JOB, "--set", "RATE=")
    assert named in run.err, (named, run.err)
    assert f"the job continues from epoch {newest - 1}, the newest one without damage" in run.err
    assert published(c.dir / "out") == sums(30_000, 1000)


if __name__ == "__main__":
    main(globals())
