"""Whether one interface keeps what another demands, and which names differ between two.

`missing_from` speaks only where it can be sure: names that come from elsewhere and methods that may be
inherited from an unknown class are taken to be there.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from dataclasses import replace

from nightshift.source.shapes import Class, Function, Interface, Kind, Parameter, Variable, render_parameters

_PROPERTIES = ("property", "cached_property")
_WRAPPERS = ("contextmanager", "asynccontextmanager")
_PLAIN_BASES = {"object", "ABC", "abc.ABC", *vars(builtins)}
_FIELD_BASES = ("NamedTuple", "TypedDict")


def missing_from(source: Interface, required: Interface) -> tuple[str, ...]:
    """Sentences that name what `required` demands and `source` lacks; more than demanded is fine."""
    found = source.definitions
    imported = {item.name for item in source.imports} | ({"*"} if "__getattr__" in found else set())
    problems: list[str] = []
    for name, demand in required.definitions.items():
        if name in found:
            problems += _compare(source, required, demand, found[name])
        elif not imported & {name, "*"}:
            problems.append(f"{_noun(demand)} `{name}` is missing.")
    problems += [
        f"name `{item.name}` is missing: import it from {item.module}."
        for item in required.reexports
        if item.name not in found and not imported & {item.name, "*"}
    ]
    return tuple(problems)


def changed_names(old: Interface, new: Interface) -> frozenset[str]:
    """Names that are gone or whose interface changed, a class with any part of it; new names do not count."""
    now = {**{item.name: item for item in new.imports}, **new.definitions}
    before = {**{item.name: item for item in old.imports}, **old.definitions}
    changed = {name for name, item in before.items() if now.get(name) != item}
    hidden = set(old.exports or ()) - set(new.exports or old.exports or ())
    return frozenset(changed | hidden)


def _noun(item: Function | Class | Variable) -> str:
    return {Function: "function", Class: "class", Variable: "name"}[type(item)]


def _compare(
    source: Interface,
    required: Interface,
    demand: Function | Class | Variable,
    found: Function | Class | Variable,
) -> list[str]:
    match demand, found:
        case Function(), Function():
            return _compare_functions(demand.name, demand, found)
        case Class(), Class():
            return [*_compare_classes(source, demand, found), *_compare_constructors(source, required, demand, found)]
        case (Function(), Class()) | (Class(), Function()):
            return [f"`{demand.name}` must be a {_noun(demand)}, not a {_noun(found)}."]
    return []


# Functions


def _compare_functions(name: str, demand: Function, found: Function) -> list[str]:
    problems = [problem for rule in _FUNCTION_RULES for problem in rule(demand, found)]
    if not problems:
        return []
    wanted, given = render_parameters(demand.parameters), render_parameters(found.parameters)
    shapes = f" Wanted {name}({wanted}), found {name}({given})." if wanted != given else ""
    return [f"`{name}` {' and '.join(problems)}.{shapes}"]


def _async_rule(demand: Function, found: Function) -> Iterator[str]:
    if demand.is_async and not found.is_async:
        yield "must be `async def`"
    if found.is_async and not demand.is_async:
        yield "must be a plain `def`, not `async def`"


def _decorator_rule(demand: Function, found: Function) -> Iterator[str]:
    for name in _WRAPPERS:
        if demand.decorated(name) and not found.decorated(name):
            yield f"must be decorated with @{name}"


def _positional_rule(demand: Function, found: Function) -> Iterator[str]:
    """Wanted positional parameters stand at the same places, callable the same way."""
    places = _positional(found)
    for i, parameter in enumerate(_positional(demand)):
        at_place = places[i] if i < len(places) else None
        if at_place is None:
            yield from _no_place(parameter, found)
        elif parameter.kind == "standard" and at_place.name != parameter.name:
            yield f"must take `{parameter.name}` as parameter {i + 1}, not `{at_place.name}`"
        elif parameter.kind == "standard" and at_place.kind == "positional-only":
            yield f"must take `{parameter.name}` by keyword too"


def _no_place(parameter: Parameter, found: Function) -> Iterator[str]:
    by_name = {p.name: p for p in found.parameters}
    if _has(found, "var-positional") and (parameter.kind == "positional-only" or _has(found, "var-keyword")):
        return
    if parameter.name in by_name and by_name[parameter.name].kind == "keyword-only":
        yield f"must take `{parameter.name}` by position, not only by keyword"
    else:
        yield f"lacks the parameter `{parameter.name}`"


def _keyword_rule(demand: Function, found: Function) -> Iterator[str]:
    accepted = {p.name for p in found.parameters if p.kind in ("standard", "keyword-only")}
    for parameter in demand.parameters:
        lacks = parameter.name not in accepted and not _has(found, "var-keyword")
        if parameter.kind == "keyword-only" and lacks:
            yield f"lacks the keyword parameter `{parameter.name}`"


def _variadic_rule(demand: Function, found: Function) -> Iterator[str]:
    for parameter in demand.parameters:
        if parameter.kind.startswith("var-") and not _has(found, parameter.kind):
            stars = "*" if parameter.kind == "var-positional" else "**"
            yield f"must accept {stars}{parameter.name}"


def _default_rule(demand: Function, found: Function) -> Iterator[str]:
    wanted = _positional(demand)
    by_name = {parameter.name: parameter for parameter in demand.parameters}
    for i, parameter in enumerate(found.parameters):
        placed = parameter.kind != "keyword-only" and i < len(wanted)
        match = wanted[i] if placed else by_name.get(parameter.name)
        if parameter.required and match is None:
            yield f"demands the extra parameter `{parameter.name}`; give it a default"
        elif parameter.required and match and not match.required:
            yield f"must give `{parameter.name}` a default"


def _positional(function: Function) -> list[Parameter]:
    return [p for p in function.parameters if p.kind in ("positional-only", "standard")]


def _has(function: Function, kind: str) -> bool:
    return any(parameter.kind == kind for parameter in function.parameters)


_FUNCTION_RULES: tuple[Callable[[Function, Function], Iterator[str]], ...] = (
    _async_rule,
    _decorator_rule,
    _positional_rule,
    _keyword_rule,
    _variadic_rule,
    _default_rule,
)


# Classes


def _compare_classes(source: Interface, demand: Class, found: Class) -> Iterator[str]:
    family, complete = _family(source, found)
    if _real_bases(demand) and not _real_bases(found):
        yield f"class `{demand.name}` must derive from {', '.join(_real_bases(demand))}."
    members = {field.name for cls in family for field in cls.fields} | {m.name for c in family for m in c.methods}
    complete = complete and "__getattr__" not in members
    for method in demand.methods:
        own = next((m for cls in family if (m := cls.method(method.name))), None)
        if own:
            yield from _compare_methods(demand.name, method, own)
        elif complete and not method.name.startswith("__") and method.name not in members:
            yield f"class `{demand.name}` lacks the method `{method.name}`."
    for field in demand.fields:
        if complete and field.name not in members:
            yield f"class `{demand.name}` lacks the field `{field.name}`."


def _family(source: Interface, cls: Class) -> tuple[list[Class], bool]:
    """The class and its ancestors in this module, and whether that is all of them."""
    known = {item.name: item for item in source.classes}
    family, queue, complete = [], [cls], True
    while queue:
        current = queue.pop(0)
        if current in family:
            continue
        family.append(current)
        for base in current.bases:
            name = base.partition("[")[0]
            if name in known:
                queue.append(known[name])
            elif name not in _PLAIN_BASES and not base.endswith(_FIELD_BASES):
                complete = False
    return family, complete


def _real_bases(cls: Class) -> list[str]:
    ignored = ("object", "Protocol", "ABC", "Generic")
    return [b for b in cls.bases if "=" not in b and b.partition("[")[0].rpartition(".")[2] not in ignored]


def _compare_methods(owner: str, demand: Function, found: Function) -> list[str]:
    name = f"{owner}.{demand.name}"
    wanted, given = demand.decorated(*_PROPERTIES), found.decorated(*_PROPERTIES)
    if wanted != given:
        return [f"`{name}` must {'' if wanted else 'not '}be a property."]
    if demand.decorated("staticmethod", "classmethod") and not found.decorated("staticmethod", "classmethod"):
        return [f"`{name}` must be a {'static' if demand.decorated('staticmethod') else 'class'} method."]
    return _compare_functions(name, _unbound(demand), _unbound(found))


def _unbound(method: Function) -> Function:
    """The method as its callers see it, without self."""
    return method if method.decorated("staticmethod") else replace(method, parameters=method.parameters[1:])


def _compare_constructors(source: Interface, required: Interface, demand: Class, found: Class) -> Iterator[str]:
    wanted = _constructor(demand, *_family(required, demand))
    family, complete = _family(source, found)
    explicit = any(cls.method("__init__") for cls in family)
    if wanted is None or (explicit and demand.method("__init__")):
        return
    given = _constructor(found, family, complete)
    if given is None and complete and not found.decorators and not _has_builtin_base(family):
        given = Function("__init__")
    if given is not None:
        yield from _compare_functions(demand.name, wanted, given)


def _has_builtin_base(family: list[Class]) -> bool:
    return any(base in vars(builtins) and base != "object" for cls in family for base in cls.bases)


def _constructor(cls: Class, family: list[Class], complete: bool) -> Function | None:
    """What calling the class takes, where that can be read off."""
    own = next((method for ancestor in family if (method := ancestor.method("__init__"))), None)
    if own:
        return _unbound(own)
    if complete and (cls.is_dataclass or any(base.endswith("NamedTuple") for base in cls.bases)):
        parts = {f.name: f for ancestor in reversed(family) for f in ancestor.fields if _is_init_field(f)}
        keywords = any("kw_only=True" in decorator for decorator in cls.decorators)
        parameters = sorted((_field_parameter(f, keywords) for f in parts.values()), key=lambda p: p.kind != "standard")
        return Function("__init__", tuple(parameters))
    return None


def _is_init_field(field: Variable) -> bool:
    class_level = field.annotation is None or field.annotation.partition("[")[0].endswith("ClassVar")
    return not class_level and "init=False" not in (field.value or "")


def _field_parameter(field: Variable, keywords: bool) -> Parameter:
    made_by_call = (field.value or "").partition("(")[0].endswith("field")
    default = None if made_by_call and "default" not in (field.value or "") else field.value
    kind: Kind = "keyword-only" if keywords or (made_by_call and "kw_only=True" in (field.value or "")) else "standard"
    return Parameter(field.name, kind, field.annotation, default)
