# SPDX-License-Identifier: Apache-2.0
"""Whether two programs are the same machine code: a hash of all that is loaded, but for what merely marks a build.

Marks are notes, such as the linker's build ID, and the commit that a program says it was built from, when it stands in
the file as long as the other's. Addresses count, since another layout can be another speed.
"""

import hashlib
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchlib.errors import Refused, os_reason

_MARK = re.compile(r"[0-9a-f]{12,40}(-dirty)?")  # what git describes as a commit; nothing else is taken out
_NOTE, _NO_BITS = 7, 8  # SHT_NOTE, SHT_NOBITS
_ALLOCATED = 2  # SHF_ALLOC
_CLASSES = {1: ("I", "IIIIIIIIII"), 2: ("Q", "IIQQQQIIQQ")}  # of 32 and 64 bits: an address, a section


@dataclass(frozen=True)
class Section:
    """One of an object file, with its place in memory."""

    name: str
    kind: int
    flags: int
    address: int
    size: int
    content: bytes


def code_sha256(
    program: Path, plugin: Path | None = None, mark: str | None = None, beside: Iterable[Path] = ()
) -> str:
    """Of a program, its plug-in and what it loads from `beside` it; `mark` is the commit that the program tells."""
    digest = hashlib.sha256(_digest(program, mark))
    for path in beside:
        digest.update(path.name.encode() + _digest(path, mark))
    if plugin:
        digest.update(_digest(plugin, None))
    return digest.hexdigest()


def sections(content: bytes) -> list[Section]:
    """Of an ELF file; none if it is no ELF file, or has no table of them."""
    try:
        return list(_sections(content))
    except (struct.error, IndexError, KeyError, ValueError):
        return []


def _digest(path: Path, mark: str | None) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"cannot read {path}: {os_reason(error)}") from error
    loaded = [section for section in sections(content) if section.flags & _ALLOCATED and section.kind != _NOTE]
    if not loaded:
        return hashlib.sha256(content).digest()  # a script, or stripped of its table: then of every byte
    digest = hashlib.sha256(content[:20])  # the kind of file and of machine
    for section in loaded:
        place = (section.name, section.kind, section.flags, section.address, section.size)
        digest.update(repr(place).encode() + _unmarked(section.content, mark))
    return digest.digest()


def _unmarked(content: bytes, mark: str | None) -> bytes:
    """The mark's bytes become as many others; only whole strings do."""
    if not mark or not _MARK.fullmatch(mark):
        return content
    return content.replace(mark.encode() + b"\0", b"?" * len(mark) + b"\0")


def _sections(content: bytes) -> Iterator[Section]:
    if content[:4] != b"\x7fELF":
        return
    address, section_form = _CLASSES[content[4]]
    order = {1: "<", 2: ">"}[content[5]]
    # Behind e_ident: type, machine, version, entry, program headers, section headers, flags, sizes and counts.
    header = struct.unpack_from(f"{order}HHI{address * 3}IHHHHHH", content, 16)
    table, size, count, names_at = header[5], header[10], header[11], header[12]
    entries = [struct.unpack_from(order + section_form, content, table + size * place) for place in range(count)]
    names = entries[names_at]
    for name, kind, flags, place, offset, length, *_ in entries:
        start = names[4] + name
        told = content[start : content.index(b"\0", start)].decode("ascii", "replace")
        yield Section(told, kind, flags, place, length, b"" if kind == _NO_BITS else content[offset : offset + length])
