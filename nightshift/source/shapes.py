"""The values an interface is made of, and their text. Public names only; annotations are text."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from nightshift.source.credentials import masked, without_secret

Kind = Literal["positional-only", "standard", "var-positional", "keyword-only", "var-keyword"]


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: Kind = "standard"
    annotation: str | None = None
    default: str | None = None

    @property
    def required(self) -> bool:
        return self.default is None and not self.kind.startswith("var-")


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    parameters: tuple[Parameter, ...] = ()
    returns: str | None = None
    decorators: tuple[str, ...] = ()
    is_async: bool = False

    def decorated(self, *names: str) -> bool:
        return any(_last_name(decorator) in names for decorator in self.decorators)


@dataclass(frozen=True, slots=True)
class Variable:
    """A module constant, a class attribute or field, or an attribute set in `__init__`."""

    name: str
    annotation: str | None = None
    value: str | None = None
    """`...` for a value that is long or no literal, None for none."""


@dataclass(frozen=True, slots=True)
class Class:
    name: str
    bases: tuple[str, ...] = ()
    decorators: tuple[str, ...] = ()
    fields: tuple[Variable, ...] = ()
    methods: tuple[Function, ...] = ()

    @property
    def is_dataclass(self) -> bool:
        return any(_last_name(decorator) == "dataclass" for decorator in self.decorators)

    def method(self, name: str) -> Function | None:
        return next((method for method in self.methods if method.name == name), None)

    def field(self, name: str) -> Variable | None:
        return next((field for field in self.fields if field.name == name), None)


@dataclass(frozen=True, slots=True)
class Import:
    """A name the module has from elsewhere; `name` is `*` for all of them."""

    name: str
    module: str
    original: str = ""
    """Empty for `import module`."""


@dataclass(frozen=True, slots=True)
class Interface:
    functions: tuple[Function, ...] = ()
    classes: tuple[Class, ...] = ()
    constants: tuple[Variable, ...] = ()
    imports: tuple[Import, ...] = ()
    exports: tuple[str, ...] | None = None
    """`__all__`, when there is one."""

    @property
    def definitions(self) -> dict[str, Function | Class | Variable]:
        items: list[Function | Class | Variable] = [*self.constants, *self.functions, *self.classes]
        return {item.name: item for item in items}

    @property
    def reexports(self) -> tuple[Import, ...]:
        """Imports meant for others: relative ones and those `__all__` lists."""
        return tuple(i for i in self.imports if i.module.startswith(".") or i.name in (self.exports or ()))


def render(interface: Interface) -> str:
    """Stub text: signatures without bodies, docstrings, private names and hard-coded secrets."""
    lines = [_import(item) for item in interface.reexports]
    if interface.exports is not None:
        lines.append(f"__all__ = {list(interface.exports)!r}")
    lines += [_variable(constant) for constant in interface.constants]
    for cls in interface.classes:
        lines += _class(cls)
    for function in interface.functions:
        lines += _function(function)
    return masked("".join(line + "\n" for line in lines))


def render_parameters(parameters: tuple[Parameter, ...]) -> str:
    parts: list[str] = []
    for kind, group in groupby(parameters, key=lambda parameter: parameter.kind):
        if kind == "keyword-only" and not any(p.kind == "var-positional" for p in parameters):
            parts.append("*")
        parts += [_parameter(parameter) for parameter in group]
        if kind == "positional-only":
            parts.append("/")
    return ", ".join(parts)


def _last_name(decorator: str) -> str:
    return decorator.partition("(")[0].rpartition(".")[2]


def _import(item: Import) -> str:
    if not item.original:
        return f"import {item.module}" + (f" as {item.name}" if item.name != item.module else "")
    renamed = f" as {item.name}" if item.name != item.original else ""
    return f"from {item.module} import {item.original}{renamed}"


def _variable(variable: Variable) -> str:
    annotation = f": {variable.annotation}" if variable.annotation is not None else ""
    value = f" = {without_secret(variable.name, variable.value)}" if variable.value is not None else ""
    return variable.name + annotation + value


def _class(cls: Class) -> list[str]:
    bases = f"({', '.join(cls.bases)})" if cls.bases else ""
    body = [_variable(field) for field in cls.fields]
    for method in cls.methods:
        body += _function(method)
    head = [*(f"@{decorator}" for decorator in cls.decorators), f"class {cls.name}{bases}:"]
    return [*head, *(f"    {line}" for line in body)] if body else [*head[:-1], head[-1] + " ..."]


def _function(function: Function) -> list[str]:
    keyword = "async def" if function.is_async else "def"
    returns = f" -> {function.returns}" if function.returns is not None else ""
    signature = f"{keyword} {function.name}({render_parameters(function.parameters)}){returns}: ..."
    return [*(f"@{decorator}" for decorator in function.decorators), signature]


def _parameter(parameter: Parameter) -> str:
    stars = {"var-positional": "*", "var-keyword": "**"}.get(parameter.kind, "")
    annotation = f": {parameter.annotation}" if parameter.annotation is not None else ""
    equals = " = " if annotation else "="
    default = equals + without_secret(parameter.name, parameter.default) if parameter.default is not None else ""
    return f"{stars}{parameter.name}{annotation}{default}"
