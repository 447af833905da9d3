# SPDX-License-Identifier: Apache-2.0
"""What may stand in a plan file, as a JSON schema, and one sentence for whatever may not.

What a setting's *value* may be is not checked here: the program knows, and is asked for every cell.
"""

import re
from collections.abc import Iterable
from typing import Any

import jsonschema

from benchlib import plan_figures
from benchlib.errors import Refused

# Settings that name a plug-in, and may be followed by a dot and one of its parameters: "queue.lock".
PLUGINS = ("workload", "queue", "pool", "job_queue", "ready_queue")
# Settings of the run itself: options of `readyq run`.
OPTIONS = (
    *("warmup", "duration", "stuck", "seed", "dispatch", "pin", "allocator", "sample_lengths"),
    *("check", "check_every", "check_memory"),
    *("keep_awake", "counters", "timeline"),
)
# Which readyq to run: its path below the repository's root. No option of it, but a setting all the same.
PROGRAM = "program"
MOST_REPEATS = 10_000

_SETTING = rf"^({'|'.join(PLUGINS)})\.[a-z][a-z0-9_]*$"
SCALAR = {"type": ["string", "integer", "number", "boolean"]}
_NUMBER = {"type": ["integer", "number"]}


def table_of(value: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A table whose keys are settings, of that form each, and `other` keys."""
    return {
        "type": "object",
        "properties": {name: value for name in (*PLUGINS, *OPTIONS)} | other,
        "patternProperties": {_SETTING: value},
        "additionalProperties": False,
    }


def _table_of(value: dict[str, Any], program: dict[str, Any]) -> dict[str, Any]:
    return table_of(value, {PROGRAM: program})


# A list, or a range of numbers. Keywords for lists do not touch tables and the other way round.
_ZIPPED = {
    "type": ["array", "object"],
    "items": SCALAR,
    "minItems": 1,
    "properties": {"from": _NUMBER, "to": _NUMBER, "step": _NUMBER, "factor": _NUMBER},
    "required": ["from", "to"],
    "additionalProperties": False,
}
_AXIS = _ZIPPED | {"uniqueItems": True}
_PATH = {"type": "string", "minLength": 1}
_PATHS = {"type": "array", "items": _PATH, "minItems": 1}
# One value, several of which any will do, or bounds that are themselves kept.
_CONDITION = {
    "type": ["string", "integer", "number", "boolean", "array", "object"],
    "items": SCALAR,
    "minItems": 1,
    "properties": {"above": _NUMBER, "below": _NUMBER},
    "minProperties": 1,
    "additionalProperties": False,
}
_EXPERIMENT = {
    "base": _table_of(SCALAR, _PATH),
    "axes": _table_of(_AXIS, _PATHS | {"uniqueItems": True}),
    "zip": {"type": "array", "items": _table_of(_ZIPPED, _PATHS) | {"minProperties": 2}},
    "exclude": {"type": "array", "items": _table_of(_CONDITION, _CONDITION) | {"minProperties": 1}},
}
_NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"}
PLAN = {
    "type": "object",
    "properties": {
        "name": _NAME,
        "title": {"type": "string", "minLength": 1},
        "repeats": {"type": "integer", "minimum": 1, "maximum": MOST_REPEATS},
        "seed": {"type": "integer", "minimum": 0},
        "budget": {"type": "string"},
        "timeout": {"type": "string"},
        "allow_emulated": {"type": "boolean"},
        "leave_out_not_built": {"type": "boolean"},
        "leave_out_lacking": {"type": "boolean"},
        plan_figures.KEY: plan_figures.SCHEMA,
        **_EXPERIMENT,
        "part": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    plan_figures.KEY: plan_figures.SCHEMA,
                    **_EXPERIMENT,
                },
                "required": ["name"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["name", "repeats"],
    "additionalProperties": False,
}


def check(document: dict[str, Any], path: str, schema: dict[str, Any] = PLAN, what: str = "the plan") -> None:
    """Refuses a document of another form in one sentence, about the first fault by the order of the keys' names."""
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(validator.iter_errors(document), key=lambda error: [str(step) for step in error.absolute_path])
    if errors:
        raise Refused(f"{path}: {_sentence(errors[0], what)}")


def _sentence(error: jsonschema.ValidationError, what: str) -> str:
    """The validator's finding in words of ours."""
    where = _place(error.absolute_path) or what
    limit = error.validator_value
    if error.validator == "additionalProperties":
        return _unknown_key(error, where)
    if error.validator == "required":
        missing = next(key for key in limit if key not in error.instance)
        return f'{where} lacks the key "{missing}"'
    if error.validator in ("minItems", "minLength", "minProperties"):
        return f"{where} is {_shown(error.instance)}, but must hold at least {limit}"
    wanted = {
        "type": lambda: f"must be {_kinds(limit)}",
        "uniqueItems": lambda: "must not hold a value twice",
        "enum": lambda: f"must be one of {', '.join(str(choice) for choice in limit)}",
        "exclusiveMinimum": lambda: f"must be above {limit}",
        "exclusiveMaximum": lambda: f"must be below {limit}",
        "minimum": lambda: f"must be at least {limit}",
        "maximum": lambda: f"must be at most {limit}",
        "pattern": lambda: 'must consist of lower-case letters, digits, "-" and "_"',
    }
    return f"{where} is {_shown(error.instance)}, but {wanted[error.validator]()}"


def _unknown_key(error: jsonschema.ValidationError, where: str) -> str:
    """The first key that the table does not know, and those that it does."""
    known, patterns = error.schema["properties"], error.schema.get("patternProperties", {})
    unknown = next(
        key for key in error.instance if key not in known and not any(re.search(pattern, key) for pattern in patterns)
    )
    parameters = ", and parameters of a plug-in, such as queue.lock" if patterns else ""
    return f'{where} has the unknown key "{unknown}"; known are {", ".join(known)}{parameters}'


def _place(path: Iterable[Any]) -> str:
    """ "part 2, axes, queue" for a person, who counts from one."""
    words: list[str] = []
    for step in path:
        if isinstance(step, int):
            words[-1] += f" {step + 1}"
        else:
            words.append(str(step))
    return ", ".join(words)


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _kinds(types: str | list[str]) -> str:
    """JSON's types in words; a whole number goes without saying beside a number."""
    words = {
        "array": "a list",
        "object": "a table",
        "string": "a text",
        "number": "a number",
        "integer": "a whole number",
        "boolean": "true or false",
    }
    kinds = [types] if isinstance(types, str) else [kind for kind in types if kind != "integer"]
    return " or ".join(words[kind] for kind in kinds)
