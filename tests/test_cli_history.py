#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`readyq history`: verdicts, witnesses and exit codes, on files that are written here byte by byte."""

import json
import re
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest

ENQUEUE, DEQUEUE, EMPTY, FULL, SUBMIT, INVOKE, READY, FREE, KEY = range(9)
FIFO, PER_PRODUCER, RELAXED = range(3)
EMPTY_EXACT, FULL_EXACT, KEYS, COMPLETES_ON_SUBMITTER, DRAINED = 1, 2, 4, 8, 16
NEVER = 2**64 - 1
BLOCK_EVENTS = 65536

Event = tuple[int, int, int, int]  # kind, start, end, item
Thread = tuple[str, int, list[Event]]
Finished = subprocess.CompletedProcess[str]


def block(tag: bytes, thread: int, count: int, name: str = "", rank: int = 0, events: bytes = b"") -> bytes:
    """One block with its checksum."""
    head = struct.pack("=4sIQ16sI", tag, thread, count, name.encode(), rank)
    return head + struct.pack("=I", zlib.crc32(head + events)) + events


def history(threads: list[Thread], **facts: Any) -> bytes:
    """A history file, in this machine's byte order."""
    header = struct.pack(
        "=8sII64sQdQQQQIIIIIII", b"readyq h", 1, facts.get("subject", 0), facts.get("name", "made").encode(),
        facts.get("capacity", 0), facts.get("ns_per_tick", 1.0), 5, facts.get("skew", 0), facts.get("sampled", 0),
        facts.get("cut", NEVER), facts.get("order", FIFO), facts.get("relaxation", 0),
        facts.get("flags", EMPTY_EXACT | DRAINED), facts.get("schedulers", 0), facts.get("workers", 0),
        facts.get("unrun", 0), len(threads))
    parts = [header, struct.pack("=I", zlib.crc32(header))]
    for number, (name, rank, events) in enumerate(threads):
        parts.append(block(b"thrd", number, len(events), name, rank))
        for first in range(0, len(events), BLOCK_EVENTS):
            some = events[first:first + BLOCK_EVENTS]
            body = b"".join(struct.pack("=QQQ", start, (end - start) << 4 | kind, item)
                            for kind, start, end, item in some)
            parts.append(block(b"evts", number, len(some), events=body))
    parts.append(block(b"end!", len(threads), sum(len(events) for _, _, events in threads)))
    return b"".join(parts)


def transfer(count: int, order: list[int] | None = None) -> list[Thread]:
    """One producer and one consumer, which gets the items in this order."""
    items = order or list(range(1, count + 1))
    producer = [(ENQUEUE, 100 * i, 100 * i + 50, i) for i in range(1, count + 1)]
    consumer = [(DEQUEUE, 100 * i + 120, 100 * i + 160, item) for i, item in enumerate(items, 1)]
    end = 100 * count + 1000
    return [("producer", 0, producer), ("consumer", 0, [*consumer, (EMPTY, end, end + 10, 0)])]


def swapped(count: int, place: int) -> list[int]:
    """All items in order, but for two neighbours."""
    items = list(range(1, count + 1))
    items[place], items[place + 1] = items[place + 1], items[place]
    return items


def ask(program: Path, *words: object) -> Finished:
    """The command with these words, until it ends."""
    typed = [str(program), "history", *map(str, words)]
    return subprocess.run(typed, capture_output=True, text=True, timeout=60, check=False)


def saved(folder: Path, content: bytes) -> Path:
    """A file with that content."""
    path = folder / "run.history"
    path.write_bytes(content)
    return path


def lines_of(finished: Finished) -> dict[str, str]:
    """The summary, by its first words."""
    rows = [re.split("  +", line, maxsplit=1) for line in finished.stdout.partition("\n\n")[0].splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2}


def judged(program: Path, path: Path, *words: object) -> tuple[int, dict[str, Any]]:
    """The exit code and what --json tells."""
    finished = ask(program, path, "--json", *words)
    assert finished.stderr == ""
    assert finished.stdout.count("\n") == 1
    return finished.returncode, json.loads(finished.stdout)


def refusal(program: Path, *words: object) -> str:
    """Its one sentence, when it must refuse; nothing else may be printed."""
    finished = ask(program, *words)
    assert (finished.returncode, finished.stdout) == (2, ""), finished
    lines = finished.stderr.splitlines()
    assert len(lines) == 1 or lines[1].startswith("Try `readyq"), finished.stderr
    return lines[0].partition(": ")[2]


# ---------------------------------------------------------------- good histories


def test_a_good_history(readyq: Path, tmp_path: Path) -> None:
    path = saved(tmp_path, history(transfer(100), name="some:lock=mutex", skew=12))
    finished = ask(readyq, path)
    assert (finished.returncode, finished.stderr) == (0, "")
    rows = lines_of(finished)
    assert rows["queue"] == "some:lock=mutex"
    assert rows["promises"] == "fifo, unbounded, EMPTY exact"
    assert rows["threads"] == "1 producer, 1 consumer"
    assert rows["operations"] == "201 in 0.011 ms, on 100 items; 1 EMPTY, 0 FULL"
    assert rows["scope"] == "full"
    assert rows["drained"].startswith("yes")
    assert rows["clocks"] == "differ by 12 ns at most"
    assert re.fullmatch(r"\d+\.\d{3} s to read, \d+\.\d{3} s to judge", rows["took"])
    assert rows["verdict"] == "ok"
    assert "rank error" not in rows
    assert "\n\n" not in finished.stdout


def test_several_blocks(readyq: Path, tmp_path: Path) -> None:
    code, told = judged(readyq, saved(tmp_path, history(transfer(BLOCK_EVENTS + 3))))
    assert (code, told["counts"]["operations"]) == (0, 2 * BLOCK_EVENTS + 7)


def test_json_of_a_good_history(readyq: Path, tmp_path: Path) -> None:
    path = saved(tmp_path, history(transfer(10), capacity=16, flags=FULL_EXACT | DRAINED, ns_per_tick=0.5))
    code, told = judged(readyq, path)
    assert code == 0
    assert told["promise"] == {"order": "fifo", "relaxation": 0, "capacity": 16, "empty_exact": False,
                               "full_exact": True}
    assert told["counts"] == {"threads": 2, "operations": 21, "items": 10, "empties": 1, "fulls": 0}
    assert (told["subject"], told["scope"], told["drained"], told["cut_ns"]) == ("queue", "full", True, None)
    assert (told["verdict"], told["fault"], told["sentence"], told["witness"]) == ("ok", "ok", "", [])
    assert told["length_ns"] == (2010 - 100) * 0.5
    assert told["rank_error"] is None
    assert told["read_s"] > 0 and told["judge_s"] > 0


def test_a_history_without_events(readyq: Path, tmp_path: Path) -> None:
    code, told = judged(readyq, saved(tmp_path, history([])))
    assert (code, told["verdict"], told["counts"]["operations"]) == (0, "ok", 0)
    assert lines_of(ask(readyq, tmp_path / "run.history"))["threads"] == "none"


def test_a_part_is_said_to_be_one(readyq: Path, tmp_path: Path) -> None:
    path = saved(tmp_path, history(transfer(10), sampled=100, cut=2_000_000))
    assert lines_of(ask(readyq, path))["scope"] == (
        "sampled: one item in 100, and complete for the first 2.000 ms, when a thread ran out of room")
    code, told = judged(readyq, path)
    assert (code, told["scope"], told["sampled"], told["cut_ns"]) == (0, "sampled", 100, 2e6)


# ---------------------------------------------------------------- bad histories


def test_a_witness_is_printed(readyq: Path, tmp_path: Path) -> None:
    path = saved(tmp_path, history(transfer(100, swapped(100, 40))))
    finished = ask(readyq, path)
    assert (finished.returncode, finished.stderr) == (1, "")
    assert lines_of(finished)["verdict"] == "violated: reordered"
    _, sentence, drawing = finished.stdout.split("\n\n", 2)
    code, told = judged(readyq, path)
    assert code == 1
    assert sentence == told["sentence"]
    assert (told["verdict"], told["fault"], told["witness_whole"]) == ("violated", "reordered", 4)
    steps = sorted((step["kind"], step["item"]) for step in told["witness"])
    assert steps == [("dequeue", "41"), ("dequeue", "42"), ("enqueue", "41"), ("enqueue", "42")]
    first = next(step for step in told["witness"] if (step["kind"], step["item"]) == ("enqueue", "41"))
    assert (first["role"], first["rank"], first["start_ns"], first["end_ns"]) == ("producer", 0, 4100, 4150)
    assert len([line for line in drawing.splitlines() if line.startswith(("producer 0", "consumer 0"))]) == 4


@pytest.mark.parametrize("width", [60, 100, 140])
def test_the_drawing_is_as_wide_as_asked(readyq: Path, tmp_path: Path, width: int) -> None:
    path = saved(tmp_path, history(transfer(9, swapped(9, 4))))
    drawing = ask(readyq, path, "--width", width).stdout.split("\n\n", 2)[2]
    widest = max(map(len, drawing.splitlines()))
    assert 0.7 * width < widest <= width


def test_held_to_another_promise(readyq: Path, tmp_path: Path) -> None:
    path = saved(tmp_path, history(transfer(50, swapped(50, 7))))
    for promise, code in (("fifo", 1), ("per-producer", 1), ("relaxed:0", 1), ("relaxed:1", 0), ("relaxed:4294967295", 0)):
        finished = ask(readyq, path, "--promise", promise)
        assert finished.returncode == code, promise
        assert lines_of(finished)["promises"].startswith(promise.replace(":", " by "))
    both = [("producer", rank, [(ENQUEUE, 10 + 100 * rank, 20 + 100 * rank, rank + 1)]) for rank in range(2)]
    crossed: list[Thread] = [*both, ("consumer", 0, [(DEQUEUE, 300, 310, 2), (DEQUEUE, 320, 330, 1)])]
    path = saved(tmp_path, history(crossed, order=PER_PRODUCER))
    assert ask(readyq, path).returncode == 0
    assert ask(readyq, path, "--promise", "fifo").returncode == 1


def test_rank_error(readyq: Path, tmp_path: Path) -> None:
    path = saved(tmp_path, history(transfer(50, swapped(50, 7)), order=RELAXED, relaxation=3))
    code, told = judged(readyq, path)
    assert (code, told["rank_error"]) == (0, {"max": 1, "mean": pytest.approx(1 / 50), "overtakers": 1})
    assert lines_of(ask(readyq, path))["rank error"] == "at most 1, 0.02 in the mean; 1 items overtook others"
    path = saved(tmp_path, history(transfer(50)))
    assert judged(readyq, path, "--rank")[1]["rank_error"] == {"max": 0, "mean": 0, "overtakers": 0}


def test_what_a_pool_may_leave_behind(readyq: Path, tmp_path: Path) -> None:
    some: list[Thread] = [("scheduler", 0, [(SUBMIT, 10, 20, 1), (SUBMIT, 30, 40, 2), (READY, 70, 80, 1)]),
                          ("worker", 0, [(INVOKE, 22, 25, 1), (INVOKE, 42, 45, 2)])]
    pool = {"subject": 1, "flags": DRAINED, "schedulers": 1, "workers": 1}
    path = saved(tmp_path, history(some, **pool, unrun=1))
    assert judged(readyq, path)[1]["unrun"] == 1
    assert judged(readyq, path)[0] == 0
    assert lines_of(ask(readyq, path))["drained"] == "yes: but for 1 jobs that were left behind"
    assert judged(readyq, saved(tmp_path, history(some, **pool)))[1]["fault"] == "not_completed"
    some[1][2].pop()
    assert judged(readyq, saved(tmp_path, history(some, **pool, unrun=1)))[1]["fault"] == "not_invoked"


def test_a_delivered_zero_is_an_invented_item(readyq: Path, tmp_path: Path) -> None:
    some: list[Thread] = [("producer", 0, [(ENQUEUE, 10, 20, 1)]), ("consumer", 0, [(DEQUEUE, 50, 60, 0)])]
    assert judged(readyq, saved(tmp_path, history(some)))[1]["fault"] == "invented"


def test_roles_are_counted_in_the_order_in_which_they_came(readyq: Path, tmp_path: Path) -> None:
    some: list[Thread] = [(name, rank, []) for rank, name in enumerate("bab")]
    assert lines_of(ask(readyq, saved(tmp_path, history(some))))["threads"] == "2 b, 1 a"
    some = [(f"role {number}", number, []) for number in range(4096)]
    assert lines_of(ask(readyq, saved(tmp_path, history(some))))["threads"].startswith("1 role 0, 1 role 1, ")


def test_drained_or_not(readyq: Path, tmp_path: Path) -> None:
    some: list[Thread] = [("producer", 0, [(ENQUEUE, 10, 20, 1), (ENQUEUE, 30, 40, 2)]),
                          ("consumer", 0, [(DEQUEUE, 50, 60, 1)])]
    path = saved(tmp_path, history(some, flags=DRAINED))
    assert judged(readyq, path)[1]["fault"] == "lost"
    assert judged(readyq, path, "--drained", "no")[0] == 0
    path = saved(tmp_path, history(some, flags=0))
    assert judged(readyq, path)[0] == 0
    assert judged(readyq, path, "--drained", "yes")[1]["fault"] == "lost"


# ---------------------------------------------------------------- pools


def pool(events: list[Event]) -> bytes:
    """A scheduler that submits two jobs, and a worker."""
    submits = [(SUBMIT, 10, 20, 1), (SUBMIT, 30, 40, 2)]
    return history([("scheduler", 0, submits + events), ("worker", 0, [(INVOKE, 50, 60, 1), (INVOKE, 70, 80, 2)])],
                   subject=1, flags=KEYS | COMPLETES_ON_SUBMITTER | DRAINED, schedulers=1)


def test_histories_of_pools(readyq: Path, tmp_path: Path) -> None:
    good = saved(tmp_path, pool([(READY, 100, 110, 1), (FREE, 120, 130, 2)]))
    finished = ask(readyq, good)
    assert finished.returncode == 0, finished
    assert lines_of(finished)["promises"] == "each job once, jobs of one key in order, completed on the submitter"
    assert lines_of(finished)["operations"] == "6 in 0.000 ms, on 2 jobs"
    bad = saved(tmp_path, pool([(READY, 100, 110, 1)]))
    code, told = judged(readyq, bad)
    assert (code, told["subject"], told["fault"]) == (1, "pool", "not_completed")
    assert told["promise"] == {"keys": True, "completes_on_submitter": True}
    assert "is the history of a pool, and --rank is for" in refusal(readyq, bad, "--rank")
    assert "is the history of a pool, and --promise is for" in refusal(readyq, bad, "--promise", "fifo")


# ---------------------------------------------------------------- bad input


def test_files_that_are_no_histories(readyq: Path, tmp_path: Path) -> None:
    good = history(transfer(100))
    for content, words in (
        (b"", "is empty: cut short at byte 0"),
        (b"\x7fELF" + bytes(400), "is no history: its first bytes, from byte 0"),
        (good[:5], "is cut short at byte 5, in the header"),
        (good[:1000], "is cut short at byte 1000: it has not the 100 events of byte 168"),
        (good[:-1], f"is cut short at byte {len(good) - 1}, in the end block"),
        (good + b"\n", f"is damaged at byte {len(good)}: something follows the end"),
        (good[:300] + b"\x99" + good[301:], "is damaged at byte 200: the block of events there does not match"),
        (good[:8] + b"\2" + good[9:], "is a history of version 2 (byte 8), and only 1 is known"),
    ):
        path = saved(tmp_path, content)
        assert refusal(readyq, path).startswith(f"{path} {words}"), words


def test_what_cannot_be_read(readyq: Path, tmp_path: Path) -> None:
    assert refusal(readyq, tmp_path / "none") == f"{tmp_path}/none can't be read: No such file or directory"
    assert refusal(readyq, tmp_path) == f"{tmp_path} is no file that could be a history"
    assert "is no file that could be a history" in refusal(readyq, "/dev/null")
    assert "is no history" in refusal(readyq, readyq)  # another program's file


def test_words_that_cannot_be(readyq: Path, tmp_path: Path) -> None:
    path = saved(tmp_path, history(transfer(3)))
    assert "FILE is missing" in refusal(readyq)
    assert "one FILE is enough" in refusal(readyq, path, path)
    for promise in ("lifo", "relaxed", "relaxed:", "relaxed:-1", "relaxed:2x", "relaxed:4294967296", ""):
        assert f"not '{promise}'" in refusal(readyq, path, "--promise", promise)
    for width in ("59", "401", "x", "", "-80", "99999999999999999999"):
        assert "from 60 to 400" in refusal(readyq, path, f"--width={width}")
    assert "yes or no, and not 'maybe'" in refusal(readyq, path, "--drained", "maybe")


def test_help(readyq: Path) -> None:
    finished = ask(readyq, "--help")
    assert finished.returncode == 0
    for option in ("--rank", "--promise=ORDER", "--drained=yes|no", "--width=COLUMNS", "--json"):
        assert option in finished.stdout
    assert "Exit code: 0 nothing is wrong, 1 something is, 2" in finished.stdout
