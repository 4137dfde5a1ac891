#!/usr/bin/env python3
"""Each anomaly that log_anomalies.py knows is found, by its name, in a journal written by hand that has it, and in none
that has not.

Usage: log_anomalies_test.py
"""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from log_anomalies import ALLOWED, anomalies, operations_of  # noqa: E402


def found(journals: dict, committed: bool = True) -> dict:
    """`journals`: process to the lines of its journal, separated by semicolons or line ends."""
    operations = []
    for process, text in journals.items():
        lines = [line.split() for line in text.replace(";", "\n").splitlines()]
        operations += operations_of(process, [fields for fields in lines if fields], "t")
    return anomalies(operations, committed)


# Four records in one partition, acknowledged in order.
PRODUCER = "a 0 0 0; a 1 0 1; a 2 0 2; a 3 0 3"
READS_ALL = "p; r t 0 0 m:0; r t 0 1 m:1; p; r t 0 2 m:2; r t 0 3 m:3"
TWO_READ = "p; r t 0 0 m:0; r t 0 1 m:1"


class Anomalies(unittest.TestCase):
    def only(self, names, journals: dict, committed: bool = True) -> dict:
        got = found(journals, committed)
        self.assertEqual(set(got), set(names.split()), got)
        return got

    # ---- Without any. ----

    def test_nothing(self):
        self.only("", {})
        self.only("", {"m": PRODUCER, "reader": READS_ALL})

    def test_gaps_of_offsets_are_none(self):
        """Marks of transactions take offsets that nobody sees."""
        self.only("", {"m": "a 0 0 0; a 1 0 5", "reader": "p; r t 0 0 m:0; p; r t 0 5 m:1"})

    def test_transactions_one_after_the_other(self):
        self.only("", {
            "w": "b 0 2; w 0 t w:0:0; w 0 t w:0:1; s 0 t 0 0 w:0:0; s 0 t 1 0 w:0:1; c 0",
            "v": "b 0 1; p; r t 0 0 w:0:0; r t 1 0 w:0:1; w 0 t v:0:0; s 0 t 0 2 v:0:0; c 0",
            "reader": "p; r t 0 0 w:0:0; r t 0 2 v:0:0; r t 1 0 w:0:1"})

    def test_aborted_and_not_read(self):
        self.only("", {"w": "b 0 1; w 0 t w:0:0; s 0 t 0 0 w:0:0; x 0", "m": "a 0 0 2", "reader": "p; r t 0 2 m:0"})

    def test_undecided_and_read(self):
        self.only("", {"w": "b 0 1; w 0 t w:0:0", "reader": "p; r t 0 0 w:0:0"})

    # ---- What the log says. ----

    def test_inconsistent_offsets(self):
        got = self.only("inconsistent-offsets", {"m": "a 0 0 0", "n": "a 0 0 0", "reader": "p; r t 0 0 m:0",
                                                "other": "p; r t 0 0 n:0"})
        self.assertEqual(got["inconsistent-offsets"], [(("t", 0), 0, ["m:0", "n:0"])])

    def test_undecided_sends_conflict_when_they_were_read(self):
        w = "b 0 2; w 0 t w:0:0; w 0 t w:0:1; s 0 t 0 0 w:0:0"
        self.only("", {"w": w, "m": "a 0 0 0", "reader": "p; r t 0 0 m:0"})
        got = found({"w": w, "m": "a 0 0 0", "reader": "p; r t 0 0 m:0; r t 1 5 w:0:1"})
        self.assertEqual(got["inconsistent-offsets"], [(("t", 0), 0, ["m:0", "w:0:0"])])

    def test_duplicate(self):
        got = self.only("duplicate", {"m": "a 0 0 1; a 1 0 2", "reader": "p; r t 0 1 m:0; r t 0 2 m:1; r t 0 3 m:0"})
        self.assertEqual(got["duplicate"], [("m:0", [(("t", 0), 1), (("t", 0), 3)])])

    def test_duplicate_in_another_partition(self):
        self.only("duplicate", {"m": "a 0 0 1", "reader": "p; r t 0 1 m:0; r t 1 7 m:0"})

    def test_unknown_record(self):
        got = self.only("unknown-record", {"m": PRODUCER, "reader": READS_ALL + "; r t 0 4 garbage"})
        self.assertEqual(got["unknown-record"], [("t", "garbage", "reader")])

    # ---- Transactions. ----

    def test_g1a(self):
        journals = {"w": "b 0 1; w 0 t w:0:0; s 0 t 0 0 w:0:0; x 0", "reader": "p; r t 0 0 w:0:0"}
        got = self.only("G1a", journals)
        self.assertEqual(got["G1a"], [("t", "w:0:0", ["reader"])])
        self.only("", journals, committed=False)

    def test_g1a_of_a_send_that_was_not_acknowledged(self):
        self.only("G1a", {"w": "b 0 1; w 0 t w:0:0; x 0", "reader": "p; r t 0 0 w:0:0"})

    def test_precommitted_read(self):
        self.only("precommitted-read", {
            "w": "b 0 1; w 0 t w:0:0; s 0 t 0 0 w:0:0; p; r t 0 0 w:0:0; c 0"})

    def test_g0_is_allowed(self):
        got = self.only("G0", {
            "v": "b 0 2; w 0 t v:0:0; w 0 t v:0:1; s 0 t 0 0 v:0:0; s 0 t 1 1 v:0:1; c 0",
            "w": "b 0 2; w 0 t w:0:0; w 0 t w:0:1; s 0 t 0 1 w:0:0; s 0 t 1 0 w:0:1; c 0",
            "reader": "p; r t 0 0 v:0:0; r t 0 1 w:0:0; r t 1 0 w:0:1; r t 1 1 v:0:1"})
        self.assertEqual(got["G0"], [(["v:0", "w:0"],)])
        self.assertIn("G0", ALLOWED)

    def test_g1c(self):
        """Each reads what the other sent: one of them was not committed yet."""
        got = self.only("G1c", {
            "v": "b 0 1; w 0 t v:0:0; s 0 t 0 0 v:0:0; p; r t 1 0 w:0:0; c 0",
            "w": "b 0 1; w 0 t w:0:0; s 0 t 1 0 w:0:0; p; r t 0 0 v:0:0; c 0"})
        self.assertEqual(got["G1c"], [(["v:0", "w:0"],)])
        self.assertNotIn("G1c", ALLOWED)

    def test_g1c_of_three(self):
        self.only("G1c", {
            name: f"b 0 1; w 0 t {name}:0:0; s 0 t {i} 0 {name}:0:0; p; r t {(i + 1) % 3} 0 {after}:0:0; c 0"
            for i, (name, after) in enumerate((("u", "v"), ("v", "w"), ("w", "u")))})

    def test_g1c_with_the_order_of_sends_is_allowed(self):
        """w sends, v sends behind that, commits, and is read by w: nothing isolates the two."""
        self.only("G1c-ww", {
            "v": "b 0 2; w 0 t v:0:0; w 0 t v:0:1; s 0 t 0 0 v:0:0; s 0 t 1 1 v:0:1; c 0",
            "w": "b 0 1; w 0 t w:0:0; s 0 t 1 0 w:0:0; p; r t 0 0 v:0:0; c 0",
            "reader": "p; r t 1 0 w:0:0; r t 1 1 v:0:1"})
        self.assertIn("G1c-ww", ALLOWED)

    # ---- What was lost. ----

    def test_lost_write(self):
        got = self.only("lost-write", {"m": PRODUCER, "reader": "p; r t 0 2 m:2; r t 0 3 m:3; p", "other": "p; r t 0 0 m:0"})
        self.assertEqual(got["lost-write"], [(("t", 0), 1, "m:1")])

    def test_lost_write_that_another_took_the_place_of(self):
        self.only("lost-write inconsistent-offsets", {
            "m": "a 0 0 0", "n": "a 0 0 0; a 1 0 2", "reader": "p; r t 0 0 n:0; r t 0 2 n:1"})

    def test_lost_write_of_a_transaction_that_was_read_elsewhere(self):
        w = "b 0 2; w 0 t w:0:0; w 0 t w:0:1; s 0 t 1 0 w:0:1"
        self.only("", {"w": w, "m": "a 0 1 1", "reader": "p; r t 1 1 m:0"})
        self.only("lost-write", {"w": w, "m": "a 0 1 1", "reader": "p; r t 1 1 m:0; r t 0 0 w:0:0"})

    def test_unseen(self):
        got = self.only("unseen", {"m": PRODUCER, "reader": "p; r t 0 0 m:0; r t 0 1 m:1; r t 0 2 m:2"})
        self.assertEqual(got["unseen"], [("t", "m:3")])

    def test_unseen_without_an_offset(self):
        self.only("unseen", {"m": "a 0 0 0; a 1 0 None", "reader": "p; r t 0 0 m:0"})
        self.only("", {"m": "a 0 0 0; a 1 0 None", "reader": "p; r t 0 0 m:0; r t 0 1 m:1"})

    # ---- Polls. ----

    def test_int_nonmonotonic_poll(self):
        got = self.only("int-nonmonotonic-poll", {
            "m": PRODUCER, "other": READS_ALL, "reader": "p; r t 0 2 m:2; r t 0 0 m:0"})
        self.assertEqual(got["int-nonmonotonic-poll"], [("reader", ("t", 0), 2, 0, "m:0")])

    def test_int_nonmonotonic_poll_of_the_same(self):
        self.only("int-nonmonotonic-poll", {"m": "a 0 0 0", "reader": "p; r t 0 0 m:0; r t 0 0 m:0"})

    def test_int_poll_skip(self):
        got = self.only("int-poll-skip", {"m": PRODUCER, "other": READS_ALL, "reader": "p; r t 0 0 m:0; r t 0 3 m:3"})
        self.assertEqual(got["int-poll-skip"], [("reader", ("t", 0), 0, 3, [["m:1"], ["m:2"]])])

    def test_int_poll_skip_between_two_polls_of_a_transaction(self):
        self.only("int-poll-skip", {"m": PRODUCER, "other": READS_ALL,
                                    "reader": "b 0 0; p; r t 0 0 m:0; p; r t 0 2 m:2; c 0"})

    def test_nonmonotonic_poll(self):
        journals = {"m": PRODUCER, "other": READS_ALL, "reader": f"{TWO_READ}; p; r t 0 1 m:1"}
        got = self.only("nonmonotonic-poll", journals)
        self.assertEqual(got["nonmonotonic-poll"], [("reader", ("t", 0), 1, 1, "m:1")])

    def test_poll_skip(self):
        got = self.only("poll-skip", {"m": PRODUCER, "other": READS_ALL, "reader": f"{TWO_READ}; p; r t 0 3 m:3"})
        self.assertEqual(got["poll-skip"], [("reader", ("t", 0), 1, 3, [["m:2"]])])

    def test_reassigned(self):
        """Whoever gets a partition begins where the group stands; the marks of others change nothing."""
        for where in ("1 m:1", "3 m:3"):
            for marks in ("- t 0; + t 0", "+ t 0"):
                self.only("", {"m": PRODUCER, "other": READS_ALL, "reader": f"{TWO_READ}; {marks}; p; r t 0 {where}"})
        for where, name in (("1 m:1", "nonmonotonic-poll"), ("3 m:3", "poll-skip")):
            self.only(name, {"m": PRODUCER, "other": READS_ALL, "reader": f"{TWO_READ}; - t 1; + t 1; p; r t 0 {where}"})

    def test_two_processes_poll_the_same(self):
        self.only("", {"m": PRODUCER, "one": READS_ALL, "two": READS_ALL})

    # ---- Sends. ----

    def test_int_nonmonotonic_send(self):
        got = found({"w": "b 0 2; w 0 t w:0:0; w 0 t w:0:1; s 0 t 0 1 w:0:1; s 0 t 0 3 w:0:0; c 0",
                     "reader": "p; r t 0 1 w:0:1; r t 0 3 w:0:0"})
        self.assertEqual(got, {"int-nonmonotonic-send": [("w", ("t", 0), 3, 1, "w:0:1")]})

    def test_int_nonmonotonic_send_that_was_not_acknowledged(self):
        self.only("int-nonmonotonic-send", {"w": "b 0 2; w 0 t w:0:0; w 0 t w:0:1",
                                            "reader": "p; r t 0 1 w:0:1; r t 0 3 w:0:0"})

    def test_nonmonotonic_send(self):
        got = self.only("nonmonotonic-send", {"m": "a 0 0 3; a 1 0 1", "reader": "p; r t 0 1 m:1; r t 0 3 m:0"})
        self.assertEqual(got["nonmonotonic-send"], [("m", ("t", 0), 3, 1, "m:1")])

    def test_int_send_skip_is_allowed(self):
        got = self.only("int-send-skip", {
            "w": "b 0 2; w 0 t w:0:0; w 0 t w:0:1; s 0 t 0 0 w:0:0; s 0 t 0 2 w:0:1; c 0", "m": "a 0 0 1",
            "reader": "p; r t 0 0 w:0:0; r t 0 1 m:0; r t 0 2 w:0:1"})
        self.assertEqual(got["int-send-skip"], [("w", ("t", 0), 0, 2, [["m:0"]])])
        self.assertIn("int-send-skip", ALLOWED)


if __name__ == "__main__":
    unittest.main()
