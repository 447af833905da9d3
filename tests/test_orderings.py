#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every access that orders anything names itself and its partners, and they name it back."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("core", "queues", "workloads", "peers")
ACCESS = re.compile(r"\bat_(load|store|xchg|cas2?|add|sub|or|and)_(\w+)\s*\(")
LABEL = re.compile(r"\bAT\(\s*(\w+)\s*((?:,\s*\w+\s*)*)\)")
RAW = re.compile(r"\b(atomic_(?:load|store|exchange|compare|fetch|thread_fence|signal_fence)\w*"
                 r"|__atomic_\w+|__sync_\w+|memory_order_\w+)\b")


def without_comments(text):
    """The text with comments blanked, line numbers kept."""
    blank = lambda match: re.sub(r"[^\n]", " ", match.group())
    return re.sub(r"//[^\n]*|/\*.*?\*/", blank, text, flags=re.S)


def sources():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            yield path.relative_to(ROOT).as_posix(), without_comments(path.read_text())


def arguments(text, start):
    """The text between the parenthesis that opens before `start` and the one that closes it."""
    depth, end = 1, start
    while depth:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    return text[start:end - 1]


def check(files):
    """All faults in `files` (pairs of name and text), as sentences; and the labels found."""
    faults, labels = [], {}
    for name, text in files:
        if name in ("core/sync/atomic.h", "core/sync/sleep_fence.h", "core/item_memory.h"):
            continue
        for match in RAW.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            faults.append(f"{name}:{line}: {match.group()} is used directly; use core/sync/atomic.h")
        for match in ACCESS.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found = list(LABEL.finditer(arguments(text, match.end())))
            outermost = found[-1:] if found else []
            if match.group(2) == "rlx":
                continue
            if not outermost:
                faults.append(f"{name}:{line}: {match.group(0)} has no AT(label, partner)")
        for match in LABEL.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            label, partners = match.group(1), re.findall(r"\w+", match.group(2))
            if not partners:
                faults.append(f"{name}:{line}: {label} names no partner")
            if label in labels:
                faults.append(f"{name}:{line}: the label {label} is taken by {labels[label][0]}")
            else:
                labels[label] = (f"{name}:{line}", partners)
    for label, (where, partners) in labels.items():
        for partner in partners:
            if partner not in labels:
                faults.append(f"{where}: {label} names {partner}, which does not exist")
            elif label not in labels[partner][1]:
                faults.append(f"{where}: {label} names {partner}, which does not name it back")
    return faults, labels


def test_every_ordering_access_is_paired():
    faults, labels = check(sources())
    assert not faults, "\n".join(faults)
    assert len(labels) > 20, "the labels were not found"


def test_the_check_finds_each_fault():
    cases = {
        "at_load_acq(&x);": "has no AT",
        "at_load_acq(&x, AT(a));": "names no partner",
        "at_load_acq(&x, AT(a, b));": "does not exist",
        "at_load_acq(&x, AT(a, b)); at_store_rel(&x, 1, AT(b, b));": "does not name it back",
        "at_load_acq(&x, AT(a, a)); at_load_acq(&x, AT(a, a));": "is taken by",
        "atomic_thread_fence(x);": "directly",
    }
    for text, expected in cases.items():
        faults, _ = check([("case.c", text)])
        assert any(expected in fault for fault in faults), (text, faults)
    assert check([("case.c", "at_load_acq(&x, AT(a, b)); at_store_rel(&x, 1, AT(b, a)); at_load_rlx(&x);")])[0] == []
