"""What versions of a file do: each call of the task is evaluated in the sandbox, with the reference and with them.

Two versions behave alike when every call gives an equal value or the same type of exception. Bounded in processor time,
so that a version that hangs is one more behaviour.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.simulated.knowledge import Knowledge
from nightshift.domain import ExecLimits, Sandbox, Tree

LIMITS = ExecLimits(seconds=280.0, output_bytes=8 << 20)

DRIVER = """
import json, signal, sys
import pytest

asked = json.load(open("asked.json"))
module = asked["module"]
sys.setrecursionlimit(300)
shown = {}

class Slow(BaseException):
    pass

def slow(*_):
    raise Slow

signal.signal(signal.SIGVTALRM, slow)

def bounded(act):
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.1)
    try:
        return act()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)

def plain(value):
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value))
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value

def told(call, names):
    def act():
        first, _, last = call.rpartition("; ")
        exec(first, names)
        value = eval(last, names)
        return repr(plain(value))[:300], repr(value)[:300]
    try:
        short, whole = bounded(act)
    except (Exception, SystemExit) as error:
        short = whole = "!" + type(error).__name__
    except Slow:
        short = whole = "!slow"
    shown.setdefault(short, whole)
    return short

def behaviour(text):
    names = {"__name__": module}
    try:
        code = compile(text, module, "exec")
        bounded(lambda: exec(code, names))
    except BaseException as error:
        return ["!" + type(error).__name__] * len(asked["calls"]), False
    values = []
    for call in asked["calls"]:
        values.append("!slow" if values.count("!slow") > 1 else told(call, dict(names)))
    return values, (not expected or values == expected) and holds(names)

def holds(names):
    for body in asked["hidden"]:
        try:
            bounded(lambda: exec(body, {**names, "pytest": pytest}))
        except BaseException:
            return False
    return True

numbers, rows, right, expected = {}, [], [], []
for text in asked["versions"]:
    values, good = behaviour(text)
    expected = expected or values
    rows.append([numbers.setdefault(value, len(numbers)) for value in values])
    right.append(good)
print("\\n" + json.dumps({"values": list(numbers), "shown": shown, "rows": rows, "right": right}))
"""


@dataclass(frozen=True, slots=True)
class Behaviour:
    values: tuple[str, ...]
    """For each call of the task: the repr of its value, or ! and the type of the exception."""
    right: bool
    """As the reference on every call, and every hidden test holds."""


def behaviours(
    knowledge: Knowledge, versions: Sequence[str], sandbox: Sandbox
) -> tuple[list[Behaviour], dict[str, str]]:
    """The behaviour of the reference and then of each version, and how each value is written."""
    asked = {
        "module": knowledge.module,
        "versions": [knowledge.reference, *versions],
        "calls": knowledge.calls,
        "hidden": knowledge.hidden,
    }
    tree = Tree({"asked.json": json.dumps(asked), "driver.py": DRIVER})
    result = sandbox.run(tree, ("python3", "driver.py"), limits=LIMITS)
    assert result.ok, f"{knowledge.name}: the driver failed: {result.stderr[-600:]}"
    told = json.loads(result.stdout.strip().rpartition("\n")[2])
    rows = [tuple(told["values"][number] for number in row) for row in told["rows"]]
    return [Behaviour(row, good) for row, good in zip(rows, told["right"], strict=True)], told["shown"]
