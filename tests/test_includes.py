#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom, read from the #include lines, without exceptions."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)

# From the ground up. A file may include its own level and everything below it.
LEVELS = [
    ("contract ground", re.compile(r"core/(fault|param)\.[ch]$")),
    ("machine", re.compile(r"core/machine/")),
    ("sync", re.compile(r"core/sync/")),
    ("queue", re.compile(r"core/(queue|queue_loops|queue_client|item_log|item_memory|reclaim|inject)\.[ch]$")),
    ("history", re.compile(r"core/history/")),
    ("measure", re.compile(r"core/measure/")),
    ("pool", re.compile(r"core/(pool(_ports)?\.h$|pool/)")),
    ("check", re.compile(r"core/check/")),
    ("workload", re.compile(r"core/workload(_\w+)?\.[ch]$")),
    ("run", re.compile(r"core/(run/|registry\.[ch]$)")),
]

# What a plug-in may include, beside its own folder.
PLUGINS = {
    "queues/": re.compile(r"core/(queue|queue_loops|reclaim)\.h$|core/sync/"),
    "workloads/": re.compile(r"core/workload\.h$|core/(fault|param|pool|pool_ports|queue|queue_client|queue_loops|item_log|item_memory)\.h$"
                             r"|core/(machine|sync|measure)/"),
    "peers/": re.compile(r"core/(fault|param|pool|pool_ports)\.h$|core/(machine|sync)/"),
}
GENERATED = {"readyq_build.h": re.compile(r"core/run/"), "readyq_have.h": re.compile(r"\w+/registry\.c$")}


def level(name):
    for number, (_, pattern) in enumerate(LEVELS):
        if pattern.match(name):
            return number
    return None


def fault_of(name, included):
    """Why `name` may not include `included`; None if it may."""
    if included in GENERATED:
        return None if GENERATED[included].match(name) else "a generated header is for its own reader only"
    for folder, allowed in PLUGINS.items():
        if name.startswith(folder):
            if included.startswith(folder):
                return None
            if name == folder + "registry.c" and re.match(r"core/(queue|pool|workload)\.h$", included):
                return None
            return None if allowed.match(included) else f"{folder} must not see it"
    own, other = level(name), level(included)
    if own is None:
        return "the file has no level"
    if other is None:
        return "it has no level: core names no plug-in"
    if other > own:
        return f"{LEVELS[other][0]} is above {LEVELS[own][0]}"
    return None


def sources():
    for folder in ("core", "queues", "workloads", "peers"):
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            yield path.relative_to(ROOT).as_posix(), path.read_text()


def test_nobody_includes_upwards():
    faults, seen = [], 0
    for name, text in sources():
        for included in INCLUDE.findall(text):
            seen += 1
            why = fault_of(name, included)
            if why:
                faults.append(f'{name} includes "{included}": {why}')
    assert seen > 50, "the includes were not found"
    assert not faults, "\n".join(faults)


def test_core_names_no_plugin():
    names = []
    for listing in ("queues", "workloads", "peers"):
        text = (ROOT / listing / "list.def").read_text()
        names += re.findall(r"^(?:QUEUE|WORKLOAD|POOL)(?:_ALIAS|_IF)?\((?:\"[^\"]+\",\s*)?(\w+)", text, re.M)
    assert names
    ordinary = {"list", "null", "pairs", "blast", "keyed", "uv"}  # English words: looked for as quoted names only
    for name, text in sources():
        if not name.startswith("core/"):
            continue
        code = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)
        for plugin in names:
            if plugin in ordinary:
                pattern = rf"\b{plugin}_(?:queue|workload|pool)_ops\b"
            else:
                pattern = rf"\b{plugin}\b|\b{plugin}_(?:queue|workload|pool)_ops\b"
            assert not re.search(pattern, code), f"{name} names the plug-in {plugin}"


def test_no_conditional_code_in_plugins():
    for name, text in sources():
        if name.startswith(("queues/", "workloads/")) and not name.endswith("registry.c"):
            assert not re.search(r"^\s*#\s*(if|ifdef|ifndef|elif)\b", text, re.M), f"{name} has conditional code"


def test_pool_and_queues_call_no_system():
    forbidden = re.compile(r"\b(pthread_\w+|malloc|calloc|realloc|free|aligned_alloc|mmap|syscall|usleep|nanosleep)\s*\(")
    for name, text in sources():
        if name.startswith(("queues/", "core/pool/")):
            code = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)
            code = re.sub(r"(->|\.)\s*free\s*\(", "(", code)
            found = forbidden.search(code)
            assert not found, f"{name} calls {found.group()}"


def test_the_rules_can_fail():
    assert fault_of("core/sync/lock.c", "core/pool.h")
    assert fault_of("core/machine/clock.c", "core/sync/atomic.h")
    assert fault_of("core/run/run.c", "queues/list.h")
    assert fault_of("queues/list.c", "core/machine/memory.h")
    assert fault_of("workloads/pairs.c", "core/run/run.h")
    assert fault_of("core/pool/worker.c", "readyq_build.h")
    assert not fault_of("core/pool/worker.c", "core/sync/event.h")
