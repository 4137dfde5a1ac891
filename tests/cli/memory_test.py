#!/usr/bin/env python3
"""State against --memory. Usage: memory_test.py WEIR [TEST...]"""
from weir_cli import main, published, sums


def test_state_over_the_budget_fails_the_job_with_names(c):
    done = c.expect(1, "run", "numbers.yaml", "--set", "KEYS=100000000", "--memory", "64MiB")
    last = done.err.splitlines()[-1]
    assert last.startswith("weir: job numbers failed: state of "), last
    assert "memory budget of 64 MiB; here: sums " in last and "raise --memory" in last, last


def test_small_state_fits_a_small_budget(c):
    c.expect(0, "run", "numbers.yaml", "--set", "END=3000000", "--memory", "32MiB")
    assert published(c.dir / "out") == sums(3_000_000)


def test_epochs_go_on_while_no_row_comes(c):
    """A large state is copied in many slices; each has to call for the next one itself."""
    c.expect(0, "run", "numbers.yaml", "--set", "KEYS=400000", "--set", "END=400000",
             "--data-dir", "data")
    state = [r.split(",") for r in c.expect(0, "snapshot", "ls", "data", "-o", "csv")
             .out.splitlines() if ",sums," in r]
    assert int(state[-1][9]) > 2_000_000, state[-1]  # about six bytes a row


if __name__ == "__main__":
    main(globals())
