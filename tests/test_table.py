# SPDX-License-Identifier: Apache-2.0
"""Result folders are read back as they were written, and a summary says what it hides."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy
import pytest
from conftest import SweepRunner

from benchlib import params, table
from benchlib.errors import Refused

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


def damage(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "sentence"),
    [
        ("throughput.csv", "\n1,", "\n2,", "throughput.csv: has schema version 2, but these scripts read version 1"),
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
