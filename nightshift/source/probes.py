"""Calls that may tell two versions of a module apart, and what each version does with them.

Probes are texts: statements separated by `; `, of which each expression's value counts. They are synthesised from a
module's interface, from the literals in its source, and from the tests with their expectations left out. They say
that two versions differ, never which of them is right.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest

from nightshift.source import behaviours
from nightshift.source.arguments import Arguments, constructor
from nightshift.source.interfaces import interface_of
from nightshift.source.normal import is_absurd
from nightshift.source.replayed import replayed
from nightshift.source.shapes import Class, Function
from nightshift.source.syntax import parse_or_none, parses

MAX_CHARS = 1000
"""Of one probe: the driver travels as an argument."""
MAX_STEPS = 8
"""Of one probe of an object."""


def probes(source: str, *, tests: Sequence[str] = (), limit: int = 40) -> tuple[str, ...]:
    """At most `limit`, the same for the same texts, each public name in its turn; none when `source` does not parse.

    Only names of `source` are called: give a plan's interface, or versions differ by what only one of them has.
    Any text with literals worth trying may stand among the `tests`, other versions of the module too.
    """
    tree = parse_or_none(source)
    if tree is None or is_absurd(tree):
        return ()
    interface = interface_of(source)
    others = [other for other in map(parse_or_none, tests) if other is not None and not is_absurd(other)]
    arguments = Arguments(interface, [*others, tree])
    told = replayed(others, frozenset(interface.definitions))
    groups = [_of_function(function, arguments) for function in interface.functions if not _is_hidden(function)]
    groups += [_of_class(cls, arguments) for cls in interface.classes]
    wanted = dict.fromkeys(_by_turns([told[::2], told[1::2], *groups]))
    return tuple(islice((probe for probe in wanted if len(probe) <= MAX_CHARS and parses(probe)), limit))


def driver(module: str, probes: Sequence[str]) -> str:
    """A script that tells the behaviours of a module, by its dotted name, on standard output.

    For `python3 -I -c`, in the folder of the tree: without -I a file of the tree may pass for the standard library.
    """
    return f"{inspect.getsource(behaviours)}\n\ntell({module!r}, {[*probes]!r})\n"


def read_behaviours(stdout: str) -> tuple[str, ...]:
    """One text for each probe, equal where versions behave alike; empty when the script came to no end."""
    try:
        told = json.loads(stdout.rstrip().rpartition("\n")[2])
    except ValueError:
        return ()
    return tuple(told) if isinstance(told, list) and all(isinstance(text, str) for text in told) else ()


def _is_hidden(function: Function) -> bool:
    return function.name.startswith("__") or function.name == "main"


def _of_function(function: Function, arguments: Arguments) -> Iterator[str]:
    """Plain calls, and among the first one made twice with the same objects, which then are looked at."""
    lists = arguments.calls(function.parameters, count=30)
    calls = [f"{function.name}({given})" for given in lists]
    yield from calls[:1]
    if any(parameter.annotation is None or "[" in parameter.annotation for parameter in function.parameters):
        yield from _twice(function, arguments)
    yield from calls[1:]


def _twice(function: Function, arguments: Arguments) -> Iterator[str]:
    plain = [p for p in function.parameters if p.required and p.kind in ("positional-only", "standard")]
    if plain and all(p in plain for p in function.parameters if p.required):
        values = [arguments.of(parameter)[0] for parameter in plain]
        given = "; ".join(f"x{i} = {value}" for i, value in enumerate(values))
        names = ", ".join(f"x{i}" for i in range(len(values)))
        yield f"{given}; {function.name}({names}); {function.name}({names}); ({names},)"


def _of_class(cls: Class, arguments: Arguments) -> Iterator[str]:
    made = arguments.constructed(cls)
    if any("Enum" in base for base in cls.bases):
        yield from made
        return
    methods = [m for m in cls.methods if not m.name.startswith("__") or m.name in _OPERATORS]
    fields = [field.name for field in cls.fields if cls.is_dataclass and field.annotation]
    steps = [[*_steps(method, arguments)] for method in methods]
    looks = [f"it.{name}" for name in fields]
    many = arguments.calls(constructor(cls), count=12)
    for i, sequence in enumerate(islice(_sequences([s for s in steps if s], len(made)), 24)):
        yield "; ".join([f"it = {made[i % len(made)]}", *sequence])
        if i < len(many) and not i % 2:
            yield "; ".join([f"it = {cls.name}({many[i]})", *looks, *(s[0] for s in steps if s)][: MAX_STEPS + 1])
    if not any(steps):
        yield from ("; ".join([f"it = {cls.name}({given})", *looks, "it"]) for given in many)


def _sequences(steps: Sequence[Sequence[str]], makes: int) -> Iterator[list[str]]:
    """Orders of the methods with other arguments each time; every second one asks everything after each change."""
    count = len(steps)
    for i in range(24 if count else 0):
        order = [*range(count)] if i % 3 == 0 else [*range(count - 1, -1, -1)] if i % 3 == 1 else [0, *range(count)]
        turned = order[i // 3 % count :] + order[: i // 3 % count]
        twice = [place for place in turned for _ in range(1 + (i % 2))]
        yield [steps[place][(i + turn) % len(steps[place])] for turn, place in enumerate(twice)][:MAX_STEPS]


_OPERATORS = {
    "__len__": "len(it)", "__iter__": "[*it]", "__bool__": "bool(it)", "__str__": "str(it)", "__neg__": "-it",
    "__contains__": "{0} in it", "__getitem__": "it[{0}]", "__setitem__": "it[{0}] = {1}", "__delitem__": "del it[{0}]",
    "__call__": "it({all})", "__eq__": "it == {0}", "__lt__": "it < {0}", "__le__": "it <= {0}", "__gt__": "it > {0}",
    "__add__": "it + {0}", "__sub__": "it - {0}", "__mul__": "it * {0}", "__abs__": "abs(it)",
    "__or__": "it | {0}", "__and__": "it & {0}", "__truediv__": "it / {0}", "__float__": "float(it)",
    "__int__": "int(it)",
}  # fmt: skip


def _steps(method: Function, arguments: Arguments) -> Iterator[str]:
    """Ways to call a method of `it`."""
    static = method.decorated("staticmethod")
    parameters = method.parameters if static else method.parameters[1:]
    if method.decorated("property", "cached_property"):
        yield f"it.{method.name}"
    elif method.name not in _OPERATORS:
        yield from (f"it.{method.name}({given})" for given in arguments.calls(parameters, count=6))
    else:
        options = [arguments.of(parameter) for parameter in parameters]
        for i in range(6):
            values = [option[i % len(option)] for option in options if option]
            if len(values) == len(options):
                yield _OPERATORS[method.name].format(*values, all=", ".join(values))


def _by_turns(groups: Iterable[Iterable[str]]) -> Iterator[str]:
    return (value for values in zip_longest(*groups) for value in values if value is not None)
