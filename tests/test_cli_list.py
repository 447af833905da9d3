#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`readyq list`, `describe` and `topology`: what they tell of plug-ins and machines, and what they refuse."""

import itertools
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from command_line import KINDS, Plugins, answer, real_queue, refusal
from conftest import ROOT


# ---------------------------------------------------------------- list and describe


def listed(folder: str) -> list[str]:
    """The names in a list.def, read on their own."""
    text = (ROOT / folder / "list.def").read_text()
    return re.findall(r"^(?!QUEUE_BROKEN)[A-Z]+(?:_ALIAS|_IF)?\((?:\"[^\"]+\", *)?(\w+)", text, re.M)


def test_list_has_every_plugin(known: Plugins) -> None:
    names = {kind: [entry["name"] for entry in known[kind]] for kind in KINDS}
    assert names["queues"] == listed("queues")
    assert names["workloads"] == listed("workloads")
    assert set(listed("peers")) < set(names["pools"])


def test_list_tells_aliases(known: Plugins) -> None:
    for kind, folder in (("queues", "queues"), ("pools", "peers")):
        text = (ROOT / folder / "list.def").read_text()
        aliases = re.findall(r'^[A-Z]+_ALIAS\((\w+), *(\w+), *"([^"]+)"(?:, *"([^"]+)", *"([^"]+)")?\)', text, re.M)
        assert aliases
        for name, target, presets, *usual in aliases:
            entry = next(one for one in known[kind] if one["name"] == name)
            assert (entry["alias_of"], entry["presets"]) == (target, presets)
            assert kind == "queues" or [entry["job_queue"], entry["ready_queue"]] == usual


def pool_traits(traits: dict[str, Any]) -> dict[str, str]:
    """Traits of a pool from JSON, as people see them."""
    told = {name: "yes" if traits[name.replace(" ", "_")] else "no"
            for name in ("keys", "takes queues", "externals", "ports", "lengths", "accounts")}
    return {
        "keys": told["keys"],
        "order of one submitter": "FIFO" if traits["fifo"] else "none",
        "completes on": "submitter" if traits["completes_on_submitter"] else "any thread",
        "takes queues": told["takes queues"],
        "workers from": "0" if traits["synchronous"] else "1",
        "externals": told["externals"],
        "ports": told["ports"],
        "job capacity": str(traits["job_capacity"] or "unbounded"),
        "lengths": told["lengths"],
        "accounts": told["accounts"],
    }


def check_queue_row(entry: dict[str, Any], row: str, text: str) -> None:
    """A queue in `list`: its row among the traits, and what stands about its source, lines that go on joined."""
    sources = text[text.index("\nqueue ", 1) :]
    source = re.search(rf"^{entry['name']}  +((?:.|\n(?= ))*)", sources, re.M)
    assert source
    said = re.sub(r"\s+", " ", source[1])
    if not entry["built"]:
        assert row.endswith("not built") and said.startswith("not built: ") and entry["package"] in said
        return
    for trait in ("producers", "consumers", "enqueue", "dequeue", "reclamation"):
        assert entry["traits"][trait] in row
    baseline = "baseline" if entry["traits"]["baseline"] else "ok"
    assert row.endswith("BROKEN" if entry["broken"] else baseline)
    if entry["alias_of"]:
        assert said == f"is {entry['alias_of']}:{entry['presets']}"
        return
    assert said.startswith(entry["source"])
    assert entry["package"] is None or f"{entry['package']} {entry['version']}" in said
    assert entry["broken"] is None or f"BROKEN: {entry['broken']}" in said


LACKS = {"keys": "keys", "fifo": "order", "completes_on_submitter": "completion on the submitter",
         "externals": "externals", "ports": "ports", "synchronous": "runs without workers"}  # fmt: skip


def check_pool_row(entry: dict[str, Any], row: str, text: str) -> None:
    """A pool in `list`: its row among the traits, and what stands below about what it lacks and its source."""
    sources = text[text.index("\npool ", 1) :]
    line = re.search(rf"^{entry['name']}  +(.*(?:\n .*)*)", sources, re.M)
    assert line
    column = sources.splitlines()[1].index("source")
    cells = [" ".join(part.strip() for part in column if part.strip()) for column in
             zip(*((one[:column], one[column:]) for one in line[0].splitlines()), strict=True)]  # fmt: skip
    lacks, source = cells[0].removeprefix(entry["name"]).strip(), cells[1]
    if not entry["built"]:
        assert row.endswith("not built") and source.startswith("not built: ") and entry["package"] in source
        return
    assert re.split("  +", row)[1:9] == list(pool_traits(entry["traits"]).values())[:8]
    assert entry["lacks"] == [name for trait, name in LACKS.items() if not entry["traits"][trait]]
    assert lacks == (", ".join(entry["lacks"]) or "nothing")
    if entry["alias_of"]:
        said = (f"is {entry['alias_of']}:{entry['presets']}, with the job queue {entry['job_queue']} and the ready queue "
                f"{entry['ready_queue']}")  # fmt: skip
        assert source.replace(", ", ",") == said.replace(", ", ","), "lines may end behind commas"
        return
    assert source.startswith(entry["source"])
    assert entry["package"] is None or f"{entry['package']} {entry['version']}" in source


def test_list_as_tables(readyq: Path, known: Plugins) -> None:
    text = answer(readyq, "list")
    for kind in KINDS:
        alone = answer(readyq, "list", kind)
        assert alone in text
        assert alone.splitlines()[0].split()[0] + "s" == kind
        for entry in known[kind]:
            row = next(line for line in alone.splitlines() if line.split()[:1] == [entry["name"]])
            if kind == "queues":
                check_queue_row(entry, row, alone)
            elif kind == "pools":
                check_pool_row(entry, row, alone)
    assert all(line == line.rstrip() and len(line) <= 160 for line in text.splitlines())


def test_list_of_one_kind_as_json(readyq: Path, known: Plugins) -> None:
    assert json.loads(answer(readyq, "list", "pools", "--json")) == {"pools": known["pools"]}


def test_describe_tells_every_parameter(readyq: Path, known: Plugins) -> None:
    described = 0
    for kind in KINDS:
        for entry in known[kind]:
            if not entry.get("built", True):
                assert entry["package"] in refusal(readyq, "describe", entry["name"])
                continue
            text = answer(readyq, "describe", entry["name"])
            flat = " ".join(text.split())
            assert text.startswith(entry["name"] + ", a ")
            for what in ("summary", "source"):
                assert " ".join(entry[what].split()) in flat
            for param in entry["params"]:
                assert re.search(rf"^  {param['name']} +", text, re.M)
                described += 1
            if kind == "pools":
                for name, value in pool_traits(entry["traits"]).items():
                    assert re.search(rf"^  {name} +{value}$", text, re.M)
                assert f"lacks, of what workloads may need {', '.join(entry['lacks']) or 'nothing'} " in flat
                assert entry["package"] is None or f"from {entry['package']} {entry['version']} " in flat
                assert entry["alias_of"] is None or f"alias of {entry['alias_of']}, with {entry['presets']} " in flat
            for stage in entry.get("stages", []):
                assert stage in text
            assert entry.get("operation", "") in text
    assert described > 10


def test_a_dry_run_says_what_a_pool_lacks(readyq: Path, known: Plugins) -> None:
    """For sweeps, which leave such cells out; without --dry-run there is the sentence only."""
    asked = {"keys": "closed_loop:keys=3", "externals": "closed_loop:externals=1", "ports": "port_churn",
             "runs without workers": "closed_loop:workers=0"}  # fmt: skip
    for entry in known["pools"]:
        for feature in entry.get("lacks", []):
            if feature not in asked:
                continue
            words = [readyq, "run", "--workload", asked[feature], "--pool", entry["name"]]
            dry = subprocess.run([*words, "--dry-run"], capture_output=True, text=True, check=False)
            assert (dry.returncode, json.loads(dry.stdout)) == (2, {"lacks": feature})
            assert entry["name"] in dry.stderr and dry.stderr.count("\n") == 1
            assert subprocess.run(words, capture_output=True, text=True, check=False).stdout == ""


def test_describe_an_unknown_name(readyq: Path, known: Plugins) -> None:
    sentence = refusal(readyq, "describe", "nothing")
    assert sentence.startswith("there is no queue, workload or pool 'nothing'; known are ")
    for entry in itertools.chain(*known.values()):
        assert re.search(rf"\b{entry['name']}\b", sentence)
    assert "is missing" in refusal(readyq, "describe")
    assert "one NAME is enough" in refusal(readyq, "describe", "a", "b")


def test_describe_with_parameters(readyq: Path, known: Plugins) -> None:
    name = real_queue(known)
    assert refusal(readyq, "describe", f"{name}:lock=mcs") == (
        f"'{name}:lock=mcs' has parameters, but describe takes the name alone: '{name}'"
    )


# ---------------------------------------------------------------- topology


def test_topology_of_this_machine(readyq: Path) -> None:
    text = answer(readyq, "topology")
    cpus = re.findall(r"^  (\d+) +\d+ +\d+ +\d+ +\d+ +\d+$", text, re.M)
    assert {int(cpu) for cpu in cpus} == os.sched_getaffinity(0)
    for word in ("machine", "clock", "allocator"):
        assert re.search(rf"^{word}  +\S+", text, re.M)


def test_topology_of_one_processor(readyq: Path) -> None:
    allowed = max(os.sched_getaffinity(0))
    text = answer(readyq, "topology", preexec_fn=lambda: os.sched_setaffinity(0, {allowed}))
    assert text.startswith("this machine: processors 1 of ")
    assert re.search(rf"^  compact   {allowed}$", text, re.M)


def test_topology_of_a_machine_that_we_do_not_have(readyq: Path) -> None:
    text = answer(readyq, "topology", "--synthetic", "package:2 core:2 pu:2")
    assert text.startswith("synthetic machine: processors 8 of 8 allowed, cores 4, packages 2, ")
    assert "\n  compact   0 1 2 3 4 5 6 7\n" in text
    assert "\n  scatter   0 4 2 6 1 5 3 7\n" in text
    assert "\nclock" not in text


def test_transfers_between_all_processors(readyq: Path) -> None:
    """Symmetric, one row a processor, and no faster than light crosses a chip."""
    text = answer(readyq, "topology", "--transfers")
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        assert "there is one processor only" in text
        return
    table = text.split("transfer of a cache line")[1].splitlines()
    assert [int(word) for word in table[1].split()[1:]] == sorted(int(row.split()[0]) for row in table[2:-1])
    rows = {int(row.split()[0]): row.split()[1:] for row in table[2:-1]}
    assert sorted(rows) == allowed
    columns = [int(word) for word in table[1].split()[1:]]
    for cpu, cells in rows.items():
        for other, cell in zip(columns, cells, strict=True):
            assert cell == rows[other][columns.index(cpu)]
            assert cell == "-" if cpu == other else float(cell) > 1
    assert re.search(r"medians of 5 passes; single passes lie between [\d.]+ and [\d.]+ of their pair's", text)


def test_transfers_of_a_machine_that_we_do_not_have(readyq: Path) -> None:
    assert "measures this machine" in refusal(readyq, "topology", "--transfers", "--synthetic", "pu:2")


def test_topology_that_cannot_be(readyq: Path) -> None:
    assert "'nonsense:2'" in refusal(readyq, "topology", "--synthetic", "nonsense:2")
