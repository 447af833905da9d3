# SPDX-License-Identifier: Apache-2.0
"""Result folders are read back as they were written, and a summary says what it hides."""

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import numpy
import pytest
from conftest import ROOT, SweepRunner
from result_folder import ResultFolder, throughput_columns

from benchlib import params, table, views
from benchlib.errors import Refused
from benchlib.program import Program

PLAN = """
name = "p"
repeats = 6
[base]
workload = "w"
duration = "1ms"
[axes]
queue = ["good", "null", "incorrect"]
workload.producers = [1, 2]
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, fake: Path) -> Path:
    """The folder of one sweep that all tests here only read."""
    runner = SweepRunner(tmp_path_factory.mktemp("results"), fake)
    assert runner.run(PLAN).returncode == 1
    return runner.out


def test_names_stay_names_and_numbers_are_numbers(results: Path) -> None:
    loaded = table.load(results)
    runs = loaded.throughput
    assert len(runs) == 36 and set(runs["queue"]) == {"good", "null", "incorrect"}
    assert runs["operations"].dtype.kind in "iuf" and runs["arm"].isna().all()
    assert all(isinstance(cell, str) for cell in runs["cell_id"])
    assert set(runs["workload.producers"]) == {1, 2}
    assert len(loaded.latency) == 36 and len(loaded.histogram) == 72
    assert loaded.manifest["counts"]["runs_finished"] == 36


def test_a_folder_without_a_manifest_is_read_all_the_same(results: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(results, tmp_path / "copy")
    (copy / "manifest.json").unlink()
    assert table.load(copy).manifest == {}


def test_parameters_become_columns() -> None:
    assert params.split("window=16;lock=mcs;text=a;b=c") == {"window": "16", "lock": "mcs", "text": "a", "b": "c"}
    assert params.split("text=a; b;n=1") == {"text": "a; b", "n": "1"}
    assert params.split(None) == params.split("") == {}
    frame = table.expand_params(
        table.pandas.DataFrame({"queue_params": ["lock=mcs;capacity=4", numpy.nan, "capacity=8"]})
    )
    assert frame["queue.capacity"].tolist()[::2] == [4, 8] and numpy.isnan(frame["queue.capacity"][1])
    assert frame["queue.lock"][0] == "mcs" and frame["queue.lock"].isna().tolist() == [False, True, True]


ACCOUNTS = [("async", 1, (70, 0, 1, 2, 3, 24)), ("async", 2, (0, 0, 0, 0, 0, 100)), ("scheduler", 1, (0, 30, 5, 5, 60, 0))]


def test_accounts_are_read_with_their_runs(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path / "made")
    made.cell([5.0, 6.0], accounts=ACCOUNTS, job_queue_length_mean=2.5)
    made.cell([7.0])
    loaded = table.load(made.write())
    assert loaded.throughput["job_queue_length_mean"].fillna(-1).tolist() == [2.5, 2.5, -1]
    threads = loaded.accounting
    assert list(threads.columns) == list(table.ACCOUNTING_COLUMNS) and len(threads) == 6
    assert set(threads["run_id"]) == set(loaded.throughput["run_id"][:2])
    assert threads["thread_kind"].tolist() == ["async", "async", "scheduler"] * 2
    assert (threads[list(table.STATES)].sum(axis=1) == threads["wall_ns"]).all()


def test_a_folder_of_the_first_version_lacks_nothing_but_values() -> None:
    """The reference was measured with it."""
    loaded = table.load(ROOT / "results" / "reference")
    assert set(loaded.throughput["schema_version"]) == {1} and not loaded.throughput.empty
    later = [*table.SINCE_2, *table.SINCE_3, *table.SINCE_4, *table.SINCE_5]
    assert set(later) <= set(loaded.throughput.columns)
    assert loaded.throughput[later].isna().all(axis=None)
    assert loaded.accounting.empty and list(loaded.accounting.columns) == list(table.ACCOUNTING_COLUMNS)
    assert loaded.timeline.empty and list(loaded.timeline.columns) == table.TIMELINE_COLUMNS
    assert loaded.threads.empty and list(loaded.threads.columns) == table.THREADS_COLUMNS


def test_a_folder_of_the_second_version_lacks_only_what_says_of_histories() -> None:
    loaded = table.load(ROOT / "results" / "reference-ablations")
    assert set(loaded.throughput["schema_version"]) == {2} and not loaded.throughput.empty
    assert loaded.throughput["jobs_unrun"].notna().any()
    assert loaded.throughput[table.SINCE_3].isna().all(axis=None)


def test_a_folder_without_accounts_has_none(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path / "made")
    made.cell([5.0], accounts=ACCOUNTS)
    made.write()
    packed = tmp_path / "made" / "accounting.csv.gz"
    with gzip.open(packed, "wt", encoding="utf-8") as file:
        file.write((made.folder / "accounting.csv").read_text())
    (made.folder / "accounting.csv").unlink()
    assert len(table.load(made.folder).accounting) == 3
    packed.unlink()
    assert table.load(made.folder).accounting.empty


def test_columns_are_only_ever_appended() -> None:
    with open(ROOT / "results" / "reference" / "throughput.csv", encoding="utf-8") as file:
        first = file.readline().strip().split(",")
    assert throughput_columns() == [*first, *table.SINCE_2, *table.SINCE_3, *table.SINCE_4, *table.SINCE_5]


def test_the_views_give_the_accounts_of_a_record_to_their_file(readyq: Path, tmp_path: Path) -> None:
    accounts = [{"thread_kind": "async", "thread_number": 1, "wall_ns": 100, "port_ns": 60, "sleep_ns": 40}]
    record = {"schema_version": 5, "cell_id": "c", "run_id": "r", "latency": {}, "accounting": accounts}
    record |= {"timeline": [[0, 1000, 7], [1000, 1500, 9]], "per_thread": [{"role": "both", "thread_number": 1}]}
    views.write(tmp_path, Program(readyq).fields(), [record, {"schema_version": 5, "run_id": "failed"}])
    written = (tmp_path / "accounting.csv").read_text().splitlines()
    assert written == [",".join(table.ACCOUNTING_COLUMNS), "5,,c,r,async,1,100,60,,,,,40"]
    written = (tmp_path / "timeline.csv").read_text().splitlines()
    assert written == [",".join(table.TIMELINE_COLUMNS), "5,,c,r,0,1000,7", "5,,c,r,1000,1500,9"]
    written = (tmp_path / "threads.csv").read_text().splitlines()
    assert written == [",".join(table.THREADS_COLUMNS), "5,,c,r,both,1" + "," * 9]


def damage(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "sentence"),
    [
        (
            "throughput.csv",
            "\n1,",
            "\n6,",
            "throughput.csv: has schema version 6, but these scripts read versions 1, 2, 3, 4 and 5",
        ),
        ("latency.csv", "\n1,", "\n7,", "latency.csv: has schema version 7"),
        ("histogram.csv", "\n1,", "\n,", "histogram.csv: has schema version nothing"),
        ("throughput.csv", "schema_version", "version", "has no column schema_version"),
        ("throughput.csv", ",1000,", ",many,", "column operations holds something that is no number"),
        ("throughput.csv", "schema_version", '"', "throughput.csv: not a CSV file"),
        ("manifest.json", "{", "", "cannot be read as a manifest"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(
    results: Path, tmp_path: Path, name: str, old: str, new: str, sentence: str
) -> None:
    copy = shutil.copytree(results, tmp_path / "copy")
    damage(copy, name, old, new)
    with pytest.raises(Refused) as refusal:
        table.load(copy)
    assert sentence in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_missing_folder_or_file_is_refused(results: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no such result folder"):
        table.load(tmp_path / "nowhere")
    copy = shutil.copytree(results, tmp_path / "copy")
    (copy / "latency.csv").unlink()
    with pytest.raises(Refused, match="latency.csv: No such file"):
        table.load(copy)
    (copy / "latency.csv").write_text("")
    with pytest.raises(Refused, match="latency.csv: not a CSV file"):
        table.load(copy)


def test_a_summary_leaves_failed_runs_out_and_says_so(results: Path) -> None:
    runs = table.load(results).throughput
    summary = table.summarise(runs, ["queue", "workload.producers"], "throughput_ops_per_s").set_index(
        ["queue", "workload.producers"]
    )
    good = summary.loc[("good", 2)]
    assert (good["n"], good["failed"], good["warnings"]) == (6, 0, ())
    assert (good["median"], good["low"], good["high"]) == pytest.approx((1000 / 3,) * 3)
    assert good["coverage"] == pytest.approx(1 - 2 / 2**6)
    failed = summary.loc[("incorrect", 1)]
    assert (failed["n"], failed["failed"]) == (0, 6) and numpy.isnan(failed["median"])
    assert "6 of 6 runs failed and are not in the median" in failed["warnings"]


def test_a_summary_over_different_cells_names_what_varies(results: Path) -> None:
    runs = table.load(results).throughput
    summary = table.summarise(runs, ["queue"], "throughput_ops_per_s").set_index("queue")
    assert summary.loc["good", "warnings"] == ("mixes different cells: workload.producers varies",)


def test_the_program_writes_the_schema_that_is_read_here(readyq: Path, fake: Path) -> None:
    def fields(program: Path) -> dict[str, list[dict[str, str]]]:
        return json.loads(subprocess.run([program, "fields", "--json"], check=True, capture_output=True).stdout)

    real = fields(readyq)
    texts = {column["name"] for columns in real.values() for column in columns if column["type"] == "text"}
    assert texts == table.TEXT_COLUMNS
    version = subprocess.run([readyq, "--version"], check=True, capture_output=True, text=True).stdout
    assert version.strip().endswith(f"schema version of records {table.SCHEMA_VERSION}")
    for name, columns in fields(fake).items():
        known = [column["name"] for column in real[name]]
        pretended = [column["name"] for column in columns]
        assert pretended == [column for column in known if column in pretended]
