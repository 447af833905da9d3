# SPDX-License-Identifier: Apache-2.0
"""What the parts of the gate tell each other. Data only; a later part changes none of it.

    arms -> blocks of pairs -> looks -> verdicts -> reports

BASE and HEAD are the two arms, A and B where they are measured. A block runs every cell twice as a pair, once AB and
once BA; a pair gives each test of its cell one number, the logarithm of how much more HEAD costs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, ClassVar

SCHEMA_VERSION = 1  # of gate.json and pairs.csv


class Metric(Enum):
    """What can be gated or advised on: its name in files, its column or stage.column, and whether more is better."""

    THROUGHPUT = ("throughput", "throughput_ops_per_s", True)
    CPU = ("cpu", "cpu_ns_per_operation", False)
    P50 = ("p50", "total.latency_p50_ns", False)
    P99 = ("p99", "total.latency_p99_ns", False)
    MEMORY = ("memory", "peak_rss_bytes", False)

    def __init__(self, label: str, column: str, more_is_better: bool) -> None:
        self.label = label
        self.column = column
        self.more_is_better = more_is_better

    def log_ratio(self, base: float, head: float) -> float:
        """ln of HEAD's cost over BASE's: above 0 HEAD is worse, whatever the metric. NaN: not comparable."""
        if not (base > 0 and head > 0):
            return math.nan
        ratio = math.log(head / base)
        return -ratio if self.more_is_better else ratio


@dataclass(frozen=True)
class Test:
    """One hypothesis of the family: a cell and a metric of it. `gated`: it can fail the gate; else it advises."""

    cell: str
    metric: Metric
    gated: bool = True

    __test__: ClassVar[bool] = False  # nothing that pytest should run

    @property
    def name(self) -> str:
        """As in reports: `pairs/throughput`."""
        return f"{self.cell}/{self.metric.label}"


@dataclass(frozen=True)
class Cell:
    """What one run measures: the settings of a plan's cell. `arguments`: of `readyq run`, without the program."""

    name: str
    settings: dict[str, Any]
    arguments: tuple[str, ...]
    run_s: float  # what a run takes, start and end included, before any was seen
    runs: int = 1  # processes of each arm in a pair, in turn; what is typical of them is compared


class Phase(StrEnum):
    """What a block is for."""

    PILOT = "pilot"  # BASE against itself: how much pairs vary, and so how many are needed
    FIRST = "first"
    SECOND = "second"
    CONFIRM = "confirm"  # both arms linked anew, objects in another order


@dataclass(frozen=True)
class Sentinels:
    """The frozen sentinels, run at a block's start and end; NaN where there are no two CPUs."""

    spin_ns: float  # a fixed amount of arithmetic by one thread
    round_trip_ns: float  # of a cache line between two CPUs


@dataclass(frozen=True)
class Pair:
    """Two runs side by side, or what is typical of several. Values by Metric, only those that all records have."""

    cell: str
    order: str  # "AB" or "BA"
    base: dict[Metric, float]
    head: dict[Metric, float]
    base_run: str  # ids of the runs, as in the journal; with several, what theirs begin with
    head_run: str


@dataclass(frozen=True)
class Block:
    """All cells, each as an AB and a BA pair. A vetoed block counts for nothing but the share of vetoes."""

    phase: Phase
    number: int  # from 1 in its phase; a block that is redone keeps it
    attempt: int  # from 1
    pairs: tuple[Pair, ...]
    before: Sentinels
    after: Sentinels
    evidence: tuple[str, ...] = ()  # why it is vetoed, by the environment only; empty: it is not
    started: str = ""  # UTC, ISO 8601
    wall_s: float = 0.0

    @property
    def vetoed(self) -> bool:
        """Whether the block is to be redone."""
        return bool(self.evidence)


class Outcome(StrEnum):
    """Of one test, or of the gate."""

    PASS = "pass"
    REGRESSION = "regression"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"  # the environment, or nothing was measured
    IDENTICAL = "identical"  # equal machine code: passes without being measured


EXIT_CODES = {
    Outcome.PASS: 0,
    Outcome.IDENTICAL: 0,
    Outcome.REGRESSION: 1,
    Outcome.INCONCLUSIVE: 3,
    Outcome.INVALID: 4,
}


@dataclass(frozen=True)
class Thresholds:
    """All parameters of the decision; [thresholds] of a gate's file, each may be given on the command line."""

    regression_percent: float = 2.0  # REGRESSION: the lower bound lies above
    pass_percent: float = 5.0  # PASS: the upper bound lies below
    alpha: float = 0.01  # chance of any false REGRESSION, over the family and both looks
    first_share: float = 0.2  # of alpha, spent by the first look; the second has the rest
    pass_alpha: float = 0.01  # chance that one test passes at a true slowdown of pass_percent
    power: float = 0.95  # with which pass_percent is to be caught, for planning
    most_vetoed: float = 0.10  # share of blocks vetoed, above which the environment is invalid
    first_pairs: int = 0  # pairs of the first look; 0: planned from the pilot
    second_pairs: int = 0  # more pairs of the second; 0: as many again


@dataclass(frozen=True)
class Judged:
    """What the pairs say of one test."""

    test: Test
    outcome: Outcome
    pairs: int
    look: int  # 1 or 2: the look that decided
    percent: float  # median slowdown of HEAD in per cent; below 0 HEAD is faster
    low_percent: float  # one-sided bound at the level that was used, -inf where pairs are too few
    high_percent: float
    p_value: float  # of "the slowdown is at most regression_percent", unadjusted
    level: float  # what Holm left for it in this look
    detectable_percent: float  # minimum detectable effect at `power` with these pairs and their spread
    described: dict[str, float] = field(default_factory=dict)  # Hodges-Lehmann and so on: description only
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Count:
    """One exact number of both arms, such as instructions an operation. None: that arm cannot tell."""

    name: str  # "pairs erts_mpsc: instructions an operation"
    base: float | None
    head: float | None
    note: str = ""


@dataclass(frozen=True)
class Arm:
    """One side: where its program is, and what it was made from. `plugin`: a queue's .so, if that is what differs."""

    label: str  # "BASE" or "HEAD"
    given: str  # as on the command line
    program: Path
    commit: str | None
    sha256: str
    code_sha256: str  # of everything that is loaded and is no mark of the build: equal means identical
    plugin: Path | None = None
    tree: Path | None = None  # sources it was built from, if the gate built it
    build: Path | None = None  # its build folder, needed to link it anew
    plugin_sha256: str = ""

    @property
    def file_sha256(self) -> str:
        """Of the file that is compared: the plug-in, or the program."""
        return self.plugin_sha256 or self.sha256


@dataclass(frozen=True)
class Report:
    """All that the files are made from."""

    outcome: Outcome
    reason: str  # one sentence
    base: Arm
    head: Arm
    thresholds: Thresholds
    judged: Sequence[Judged]
    confirmed: Sequence[Judged]  # of the relinked pair; empty where none was needed
    advisory: Sequence[Judged]
    counts: Sequence[Count]
    blocks: Sequence[Block]
    seed: int
    machine: str
    started: str
    wall_s: float
    notes: Sequence[str] = ()  # sentences for people: budget, what could not be done
    cells: Sequence[Cell] = ()  # what was run, so that a history notices when a name means something else
    broken_off: int | None = None  # exit code of a check that did not come to its end: 2, or a signal's

    @property
    def exit_code(self) -> int:
        """What the gate ends with."""
        return EXIT_CODES[self.outcome] if self.broken_off is None else self.broken_off
