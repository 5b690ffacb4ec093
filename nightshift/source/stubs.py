"""Importable stubs of planned modules: every signature, no behaviour.

A check that passes on a tree of these proves nothing, so nothing here may be right by accident: functions
answer None (variant 1: 0; variants 2 and 3: nonsense of the annotated type, with True or False for a bool),
defaults and constants are None whatever the plan says. Enum members and constructors work, because a test must
fail by its assertion and not while it is being collected.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from nightshift.domain import Plan
from nightshift.source.interfaces import parse_interface
from nightshift.source.nonsense import HELPER, UNKNOWN, empty, first_argument, nonsense
from nightshift.source.shapes import Class, Function, Import, Interface, Parameter, Variable, render_parameters

_HEAD = """import enum, typing
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
"""
_ENUMS = ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag")
_NUMBERED = ("enum.IntEnum", "enum.Flag", "enum.IntFlag")
_FINAL = {"object", "type", "bool", "range", "slice", "memoryview"}
_TYPING = ("NamedTuple", "TypedDict", "Protocol")
_KEPT_DECORATORS = ("staticmethod", "classmethod", "property", "contextmanager", "asynccontextmanager")
_BODIES = {
    "__init__": "pass", "__post_init__": "pass", "__del__": "pass", "__set_name__": "pass",
    "__enter__": "return self", "__aenter__": "return self",
    "__exit__": "return None", "__aexit__": "return None",
    "__iter__": "return iter(())",
}  # fmt: skip
_LEFT_OUT = {
    "__new__", "__getattribute__", "__getattr__", "__setattr__", "__init_subclass__", "__class_getitem__",
    "__repr__", "__str__", "__format__", "__hash__", "__bool__", "__int__", "__float__", "__index__",
}  # fmt: skip
"""Python relies on what these return, so a stub of them would break more than it stands for."""
_COMPARISONS = {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__contains__"}

_Answer = Callable[[Function, str], str]
"""(function, name of its class) -> the expression it answers with."""


VARIANTS = (
    "answers None",
    "answers 0",
    "answers nonsense of the right type",
    "answers nonsense of the right type, and False",
    "answers the empty value of the right type",
    "raises an error of its own",
    "answers positive nonsense of the right type",
)
"""What code that does nothing may do instead."""


def stub_module(interface_text: str, *, variant: int = 0) -> str:
    """Importable source that does nothing but answer, as VARIANTS says. Raises ValueError."""
    interface = parse_interface(interface_text)
    answer = _answer(interface, variant)
    parts = [_HEAD + (HELPER if variant > 1 else ""), *map(_reexport, interface.reexports)]
    parts += [f"{constant.name} = None\n" for constant in interface.constants]
    known: set[str] = set()
    for cls in _bases_first(interface.classes):
        parts.append(_class(cls, known, answer))
        known.add(cls.name)
    parts += [_function(function, answer) for function in interface.functions]
    return "\n".join(parts)


def _answer(interface: Interface, variant: int) -> _Answer:
    if variant < 2:
        return lambda function, owner: ("None", "0")[variant]
    if variant == 5:
        return lambda function, owner: "_refuse()"

    def answer(function: Function, owner: str) -> str:
        if variant == 4:
            return empty(function.returns)
        manager = function.decorated("contextmanager", "asynccontextmanager")
        returns = first_argument(function.returns) if manager else function.returns
        returns = "bool" if function.name in _COMPARISONS else returns
        text = nonsense(returns, interface, true=variant != 3, owner=owner)
        return text.replace("-7919", "7919") if variant == 6 else text

    return answer


def stub_texts(plan: Plan, *, variant: int = 0) -> dict[str, str]:
    """path -> stub of every Python source step, and the `__init__.py` of each package they lie in."""
    steps = [step for step in plan.steps if step.kind == "source" and step.path.endswith(".py")]
    texts = {step.path: stub_module(step.interface, variant=variant) for step in steps}
    planned = {step.path for step in plan.steps}
    inits = {f"{folder}/__init__.py": "" for step in steps for folder in _packages(step.path)}
    return {**{path: text for path, text in inits.items() if path not in planned}, **texts}


def _packages(path: str) -> list[str]:
    """Folders above the file that can be packages; `src` itself is none."""
    folders = [*PurePosixPath(path).parents][:-1]
    names = [str(folder) for folder in folders]
    return [name for name in names if name != "src" and all(map(str.isidentifier, PurePosixPath(name).parts))]


def _reexport(item: Import) -> str:
    statement = f"from {item.module} import {item.original}" if item.original else f"import {item.module}"
    if item.name == "*":
        return f"try:\n    {statement}\nexcept ImportError:\n    pass\n"
    return f"try:\n    {statement} as {item.name}\nexcept ImportError:\n    {item.name} = None\n"


def _bases_first(classes: Iterable[Class]) -> list[Class]:
    """Each class after those of its bases that are defined here."""
    waiting, ordered = [*classes], list[Class]()
    while waiting:
        names = {cls.name for cls in waiting}
        ready = [cls for cls in waiting if not names - {cls.name} & set(map(_base_name, cls.bases))] or waiting[:1]
        ordered += ready
        waiting = [cls for cls in waiting if cls not in ready]
    return ordered


def _base_name(base: str) -> str:
    return base.partition("[")[0].rpartition(".")[2]


def _class(cls: Class, known: set[str], answer: _Answer) -> str:
    bases = [base for name in map(_base_name, cls.bases) if (base := _importable_base(name, known))]
    is_enum = any(base.startswith("enum.") for base in bases)
    shaped = cls.is_dataclass or any(base.startswith("typing.") for base in bases)
    body = _members(cls, bases) if is_enum else _fields(cls, shaped, bases)
    methods = [m for m in cls.methods if m.name not in _LEFT_OUT and not (shaped and m.name == "__init__")]
    if not (bases or shaped or cls.method("__init__")):
        body.append("def __init__(self, *args, **kwargs): pass")
    if any("[" in base for base in cls.bases):
        body.append("def __class_getitem__(cls, item): return cls")
    for method in methods:
        body += _function(method, answer, cls.name).rstrip().split("\n")
    decorators = "@dataclass\n" if cls.is_dataclass else ""
    head = f"{decorators}class {cls.name}({', '.join(bases)}):\n"
    return head + "".join(f"    {line}\n" for line in body or ["pass"])


def _importable_base(name: str, known: set[str]) -> str | None:
    if name in known or (isinstance(getattr(builtins, name, None), type) and name not in _FINAL):
        return name
    if name in _ENUMS:
        return f"enum.{name}"
    return f"typing.{name}" if name in _TYPING else None


def _members(cls: Class, bases: list[str]) -> list[str]:
    """Enum members keep their literal values: tests name them while they are being collected."""
    numbered = any(base in _NUMBERED for base in bases)
    lines = []
    for number, field in enumerate(cls.fields, 1):
        planned = field.value or "..."
        usable = planned.isdigit() if numbered else planned != "..."
        lines.append(f"{field.name} = {planned if usable else str(number) if numbered else repr(field.name)}")
    return lines


def _fields(cls: Class, shaped: bool, bases: list[str]) -> list[str]:
    if not shaped:
        return [f"{field.name} = None" for field in cls.fields]
    if "typing.TypedDict" in bases:
        return [f"{field.name}: object" for field in cls.fields]
    fields = [field for field in cls.fields if field.annotation is not None]
    lines, optional = [], bool(bases) and "typing.NamedTuple" not in bases
    for field in fields:
        optional = optional or field.value is not None
        lines.append(f"{field.name}: {_field_type(field)}{' = None' if optional else ''}")
    return lines


def _field_type(field: Variable) -> str:
    return "typing.ClassVar" if (field.annotation or "").startswith(("ClassVar", "typing.ClassVar")) else "object"


def _function(function: Function, answer: _Answer, owner: str = "") -> str:
    decorators = [name for name in _KEPT_DECORATORS if function.decorated(name)]
    if function.decorated("cached_property"):
        decorators.append("property")
    body = _body(function, answer(function, owner))
    word = "async def" if function.is_async else "def"
    parameters = render_parameters(tuple(map(_bare, function.parameters)))
    lines = [
        *(f"@{name}" for name in decorators),
        f"{word} {function.name}({parameters}):",
        f"    {body}",
        "",
    ]
    return "\n".join(lines)


def _body(function: Function, answer: str) -> str:
    if function.decorated("contextmanager", "asynccontextmanager"):
        return f"yield {answer}"
    if function.name == "__len__":
        # Lengths of 0 and 1: a test that wants an empty collection is seen to fail on the other variant.
        return "return 0" if answer == "None" else "return 1"
    if function.name == "__iter__" and answer not in ("None", "0"):
        return f"return {answer}" if answer.startswith("iter(") else f"return iter([{UNKNOWN}])"
    return _BODIES.get(function.name, f"return {answer}")


def _bare(parameter: Parameter) -> Parameter:
    return Parameter(parameter.name, parameter.kind, None, None if parameter.default is None else "None")
