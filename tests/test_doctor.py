# SPDX-License-Identifier: Apache-2.0
"""`readyq doctor` on this machine, and what a run says of its environment."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import answer, ask, record_of, refusal

from benchlib import environment

SEVERITIES = {"ok", "advice", "warning", "cannot"}
SHORT = ["--warmup", "1ms", "--duration", "20ms", "--quiet"]


def test_findings_are_complete(readyq: Path) -> None:
    found = json.loads(answer(readyq, "doctor", "--json", "--probe", "0"))
    assert found["probe"] is None
    names = [one["name"] for one in found["findings"]]
    assert len(set(names)) == len(names)
    for one in found["findings"]:
        assert set(one) == {"name", "severity", "found", "why", "command"}
        assert one["severity"] in SEVERITIES and one["found"] and one["why"]
    assert {"clock", "cpus", "isolation", "perf_event_paranoid", "threads", "counters"} <= set(names)
    assert not {"steal", "other_load", "wake"} & set(names)


def test_probe_measures(readyq: Path) -> None:
    found = json.loads(answer(readyq, "doctor", "--json", "--probe", "100ms"))
    probe = found["probe"]
    assert probe["seconds"] >= 0.1 and 0 <= probe["steal_percent"] <= 100 and probe["other_cpus"] >= 0
    assert all(value > 0 for value in probe["sentinel_ns"]) and probe["wake_ns"] > 0
    assert probe["regimes"] in ((1, 2) if probe["sentinel_ns"] else (0,))


def test_people_are_told_what_to_do(readyq: Path) -> None:
    brief = answer(readyq, "doctor", "--probe", "0")
    assert "\nwarnings " in "\n" + brief and "(--all shows them)" in brief and "\nOK\n" not in brief
    whole = answer(readyq, "doctor", "--probe", "0", "--all")
    assert "\nOK\n" in whole and len(whole) > len(brief)
    assert all(len(line) <= 120 for line in whole.splitlines())


def test_rules_are_shown(readyq: Path) -> None:
    text = answer(readyq, "doctor", "--rules")
    for rule in ("steal", "switches", "other_load", "straddles", "suspended", "build"):
        assert f"\n{rule} " in text


@pytest.mark.parametrize("value", ["soon", "-1s", "3601s"])
def test_bad_times_are_one_sentence(readyq: Path, value: str) -> None:
    assert "--probe must be a time from 0 to 3600s" in refusal(readyq, "doctor", f"--probe={value}")


def test_words_that_are_not_expected(readyq: Path) -> None:
    assert "there is no argument 'now' to expect" in refusal(readyq, "doctor", "now")


def test_full_output_is_one_sentence(readyq: Path) -> None:
    for words in (["--probe", "0"], ["--probe", "0", "--json"], ["--rules"]):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run(
                [readyq, "doctor", *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
            )
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stderr.startswith("readyq: ")


# What a run says of its environment


def test_every_run_has_a_verdict(readyq: Path, on_queue: str, on_pool: str) -> None:
    for load in (on_queue, on_pool):
        record = record_of(answer(readyq, "run", "--workload", load, *SHORT))
        assert record["environment_verdict"] in environment.VERDICTS
        assert ("environment_reasons" in record) == (record["environment_verdict"] != "valid")
        assert record["keep_awake"] == 0 and "keep_awake_ns" not in record
        assert record["counters"] == "auto"


def test_dry_runs_have_none(readyq: Path, on_queue: str) -> None:
    record = record_of(answer(readyq, "run", "--dry-run", "--workload", on_queue, "--keep-awake", "yes"))
    assert "environment_verdict" not in record and record["keep_awake"] == 1


@pytest.fixture
def busy() -> Iterator[None]:
    """Somebody else on every CPU."""
    others = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count() or 1)]
    yield
    for other in others:
        other.kill()
        other.wait()


def test_a_run_beside_others_is_not_valid(readyq: Path, busy: None, tmp_path: Path) -> None:
    words = ["--workload", "pairs:threads=1", "--warmup", "1ms", "--duration", "300ms", "--csv", tmp_path / "out"]
    done = ask(readyq, "run", *words, "--require-valid", "yes")
    record = record_of(done.stdout)
    assert done.returncode == 4 and record["environment_verdict"] == "invalid" and record["status"] == "ok"
    assert "other processes took " in record["environment_reasons"]
    assert f"environment invalid: {record['environment_reasons']}" in done.stderr
    assert len((tmp_path / "out" / "throughput.csv").read_text().splitlines()) == 2
    assert ask(readyq, "run", *words).returncode == 0


def test_a_run_that_must_be_valid(readyq: Path, on_queue: str, sanitized: bool, tmp_path: Path) -> None:
    """Its record is written all the same; the summary says why it is none."""
    words = ["--workload", on_queue, "--warmup", "1ms", "--duration", "20ms", "--csv", tmp_path / "out"]
    done = ask(readyq, "run", *words, "--require-valid", "yes")
    record = record_of(done.stdout)
    verdict = record["environment_verdict"]
    assert done.returncode == (4 if verdict == "invalid" else 0)
    assert verdict == "invalid" or not sanitized
    if verdict != "valid":
        assert f"environment {verdict}: {record['environment_reasons']}" in done.stderr
    assert len((tmp_path / "out" / "throughput.csv").read_text().splitlines()) == 2


def test_only_what_changes_a_run_is_of_its_identity(readyq: Path, on_queue: str) -> None:
    def cell(*words: str) -> str:
        return str(record_of(answer(readyq, "run", "--dry-run", "--workload", on_queue, *words))["cell_id"])

    plain = cell()
    assert cell("--keep-awake", "no") == cell("--counters", "auto") == cell("--require-valid", "yes") == plain
    assert cell("--keep-awake", "yes") != plain
    assert len({cell("--counters", "no"), cell("--counters", "yes"), plain}) == 3


def test_spinners_are_told_apart(readyq: Path) -> None:
    """What they take is counted once: neither as the run's nor as that of others."""
    words = ["--warmup", "1ms", "--duration", "200ms", "--quiet", "--keep-awake", "yes"]
    record = record_of(answer(readyq, "run", "--workload", "pairs:threads=1", *words))
    assert record["keep_awake"] == 1 and record["keep_awake_ns"] >= 0
    parts = ("keep_awake_ns", "other_cpu_ns", "cpu_user_ns", "cpu_system_ns")
    cpus, tick_ns = record["cpus_allowed"], 10**7
    assert sum(record[name] for name in parts) <= cpus * (1.05 * record["window_ns"] + 2 * tick_ns)


def test_absent_counters_are_said_once_and_are_never_zero(readyq: Path, on_queue: str) -> None:
    words = ["--workload", on_queue, "--warmup", "1ms", "--duration", "20ms"]
    done = ask(readyq, "run", *words, "--counters", "yes")
    record = record_of(done.stdout)
    assert ("counters    absent are" in done.stderr) == ("hw_absent" in record)
    assert "counters    absent" not in ask(readyq, "run", *words).stderr
    for name in ("hw_cycles", "hw_instructions", "hw_branch_misses"):
        assert record.get(name) != 0
    if "hw_absent" not in record:
        assert record["hw_instructions"] > 0 and 0 < record["hw_counted_share"] <= 1
    assert record["sw_page_faults"] >= 0 or "page faults" in record["hw_absent"]
    none = record_of(answer(readyq, "run", *words, "--quiet", "--counters", "no"))
    assert not [name for name in none if name.startswith(("hw_", "sw_"))]
