# SPDX-License-Identifier: Apache-2.0
"""The figure of what threads spend their time on: right shares, told apart by everybody, and bad files refused."""

import itertools
from pathlib import Path
from typing import Any

import matplotlib.patches
import pytest
from result_folder import INCORRECT, ResultFolder
from test_plot import SIX, texts_of

from benchlib import figures, frame, plot_cli, series, states, style, table

ASYNC, SCHEDULER = (10, 0, 20, 30, 40, 100), (0, 50, 25, 0, 25, 0)


def accounted(folder: Path, services: tuple[int, ...] = (0, 1000), runs: int = 6) -> ResultFolder:
    """A result of a plan that varies the service time, with accounts on and off; two workers and a scheduler."""
    made = ResultFolder(folder)
    for service, accounting in itertools.product(services, ("no", "yes")):
        # The longer the jobs, the more of the workers' time is theirs.
        accounts = [("async", 1, [part * 1000 for part in ASYNC]), ("async", 2, [(service + 10) * 1000, 0, 0, 0, 0, 0]),
                    ("scheduler", 1, [part * 3000 for part in SCHEDULER])]  # fmt: skip
        more = {"accounts": accounts} if accounting == "yes" else {}
        given = {"workload_params": f"service_ns={service}", "pool_params": f"accounting={accounting}"}
        made.pool("q", 1, 2, SIX[:runs], workload="closed_loop", part="all", **given, **more)
    return made


def planned(made: ResultFolder) -> list[states.States]:
    results = table.load(made.write())
    return states.plan(results, series.prepare(results))


def test_shares_are_of_the_time_of_all_threads_of_a_kind_in_all_runs(tmp_path: Path) -> None:
    (one,) = planned(accounted(tmp_path))
    assert one.name == "accounting-closed_loop"
    assert [panel.heading for panel, _ in one.cells] == ["service 0 ns", "service 1 µs"]
    (_, (workers, scheduler)), (_, (busy, _)) = one.cells
    assert (workers.kind, workers.threads, scheduler.kind, scheduler.threads) == ("async", 2, "scheduler", 1)
    shares = dict(zip(states.COLOURS, (20, 0, 20, 30, 40, 100), strict=True))
    assert workers.shares == pytest.approx({state: part / 210 for state, part in shares.items()})
    assert scheduler.shares == pytest.approx(dict(zip(states.COLOURS, (0, 0.5, 0.25, 0, 0.25, 0), strict=True)))
    assert busy.shares["port"] == pytest.approx(1020 / 1210)


def test_runs_with_and_without_a_check_are_never_in_one_bar(tmp_path: Path) -> None:
    made = ResultFolder(tmp_path)
    for check, port in (("none", 1), ("sampled", 2), ("full", 3)):
        judged = {"check": check, "history_scope": check, "check_memory_mib": "" if check == "none" else 64}
        accounts = [("async", 1, [port * 1000, (10 - port) * 1000, 0, 0, 0, 0])]
        made.pool("q", 1, 1, SIX, workload="closed_loop", accounts=accounts, **judged)
    (one,) = planned(made)
    assert [panel.heading for panel, _ in one.cells] == ["check none", "check sampled", "check full"]
    assert [bar.shares["port"] for _, (bar,) in one.cells] == pytest.approx([0.1, 0.2, 0.3])
    assert "Histories judged: 6 in full, 6 sampled, of 18 runs." in one._notes()


def test_failed_runs_are_in_no_bar_and_runs_without_accounts_make_none(tmp_path: Path) -> None:
    made = accounted(tmp_path)
    broken = [row for row in made.rows if "yes" in row["pool_params"] and "service_ns=0" in row["workload_params"]][:2]
    for row in broken:
        row.update(INCORRECT)
        for account in made.accounts:
            if account["run_id"] == row["run_id"] and account["thread_number"] == 2:
                account.update({"wall_ns": 10**9, "port_ns": 10**9})
    (one,) = planned(made)
    assert one.cells[0][1][0].shares["sleep"] == pytest.approx(100 / 210)
    assert "n = 4 to 6 runs a bar" in " ".join(one._notes())
    made = ResultFolder(tmp_path / "without")
    made.pool("q", 1, 1, SIX)
    assert planned(made) == []
    (made.folder / "accounting.csv").unlink()
    results = table.load(made.folder)
    assert states.plan(results, series.prepare(results)) == []


def test_how_well_the_states_add_up_is_said(tmp_path: Path) -> None:
    made = accounted(tmp_path)
    (one,) = planned(made)
    assert "add up to its time within 0.001 %." in " ".join(one._notes())
    made.accounts[0]["wall_ns"] = sum(ASYNC) * 1000 * 1.25
    (one,) = planned(made)
    assert "add up to its time within 20 %." in " ".join(one._notes())


def test_many_cells_go_on_further_pages(tmp_path: Path) -> None:
    found = planned(accounted(tmp_path, tuple(range(1, 13)), runs=1))
    assert [(one.name, len(one.cells)) for one in found] == [
        ("accounting-closed_loop-1", 10), ("accounting-closed_loop-2", 2)
    ]  # fmt: skip


def test_states_are_told_apart_in_grey(tmp_path: Path) -> None:
    shades = [style.lightness(colour) for colour in states.COLOURS.values()]
    assert shades == sorted(shades)
    assert all(later - earlier > 12 for earlier, later in itertools.pairwise(shades))
    assert style.lightness("#000000") == 0 and style.lightness("#ffffff") == pytest.approx(100)


@pytest.fixture
def canvas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> frame.Canvas:
    """The figure as it is drawn."""
    kept: list[frame.Canvas] = []

    def keep(canvas: frame.Canvas, *_: Any) -> list[Path]:
        canvas.figure.canvas.draw()
        kept.append(canvas)
        return []

    monkeypatch.setattr(frame.Canvas, "save", keep)
    made = accounted(tmp_path)
    every = figures.of(table.load(made.write()))
    figures.draw([one for one in every if one.kind == "accounting"], tmp_path, ["png"])
    return kept[0]


def test_bars_fill_the_axis_and_large_shares_carry_their_number(canvas: frame.Canvas) -> None:
    ((axes,),) = canvas.axes
    bars = [patch for patch in axes.patches if isinstance(patch, matplotlib.patches.Rectangle)]
    ends: dict[float, float] = {}
    for bar in bars:
        middle = round(bar.get_y() + bar.get_height() / 2, 6)
        ends[middle] = max(ends.get(middle, 0), bar.get_x() + bar.get_width())
    assert len(ends) == 4 and list(ends.values()) == pytest.approx([1] * 4)
    numbers = [text.get_text() for text in axes.texts if text.get_text().isdigit()]
    assert numbers == ["10", "10", "14", "19", "48", "50", "25", "25", "84", "8", "50", "25", "25"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2 async", "1 scheduler"] * 2


def test_no_text_is_clipped_or_overlaps_another(canvas: frame.Canvas) -> None:
    whole = canvas.figure.bbox
    boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in texts_of(canvas)]
    for text, box in boxes:
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1, text
    for (text, box), (other, other_box) in itertools.combinations(boxes, 2):
        assert not box.overlaps(other_box), (text, other)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (",sleep_ns", ",slept_ns", "has no column sleep_ns"),
        (",210,", ",much,", "column wall_ns holds something that is no number"),
        ("schema_version,", "version,", "has no column schema_version"),
    ],
)
def test_a_damaged_file_is_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, before: str, after: str, said: str
) -> None:
    made = accounted(tmp_path)
    made.accounts[0]["wall_ns"] = 210
    path = made.write() / "accounting.csv"
    path.write_text(path.read_text().replace(before, after, 1))
    assert plot_cli.main([str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("plot: ") and "accounting.csv" in err and said in err
    assert not (tmp_path / "figures").exists()
