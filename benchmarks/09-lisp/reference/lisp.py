"""A small Lisp; run as `python lisp.py FILE`."""

import math
import operator
import re
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

TOKEN = re.compile(
    r"""\s+|;[^\n]*|(?P<sign>[()'])|(?P<text>"(?:\\.|[^"\\])*")|(?P<open>")|(?P<atom>[^\s()'";]+)""", re.S
)
NUMBER = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
ESCAPES = {'\\"': '"', "\\\\": "\\", "\\n": "\n"}
END = object()


class LispError(Exception):
    """Its text is the message."""


class Symbol(str):
    __slots__ = ()


class Scope:
    def __init__(self, names: dict[str, Any], outer: "Scope | None" = None) -> None:
        self.names, self.outer = names, outer

    def holder(self, name: str) -> dict[str, Any]:
        scope: Scope | None = self
        while scope:
            if name in scope.names:
                return scope.names
            scope = scope.outer
        raise LispError(f"undefined: {name}")


class Function:
    def __init__(self, arguments: Any, body: list[Any], scope: Scope, form: str) -> None:
        names = [arguments] if not isinstance(arguments, list) else arguments
        _require(body and all(isinstance(name, Symbol) for name in names), form)
        self.has_rest = len(names) > 1 and names[-2] == "."
        self.names = [*names[:-2], names[-1]] if self.has_rest else names
        _require(isinstance(arguments, list) and "." not in self.names, form)
        self.body, self.scope = body, scope

    def bound(self, values: list[Any]) -> Scope:
        if self.has_rest and len(values) >= len(self.names) - 1:
            values = [*values[: len(self.names) - 1], values[len(self.names) - 1 :]]
        if len(values) != len(self.names):
            raise LispError("wrong number of arguments")
        return Scope(dict(zip(self.names, values, strict=True)), self.scope)


class Interpreter:
    def __init__(self) -> None:
        self._scope = Scope(dict(BUILTINS))

    def run(self, text: str) -> list[Any]:
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 9000))
        try:
            return [evaluate(expression, self._scope) for expression in _expressions(text)]
        except RecursionError:
            raise LispError("too deep") from None


def show(value: Any) -> str:
    match value:
        case bool():
            return "#t" if value else "#f"
        case Symbol():
            return str(value)
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        case list():
            return f"({' '.join(map(show, value))})"
        case int() | float():
            return repr(value)
    return "#<function>"


def _expressions(text: str) -> list[Any]:
    tokens = (match for match in TOKEN.finditer(text) if match.lastgroup)
    found = []
    while (expression := _read(tokens, next(tokens, None))) is not END:
        found.append(expression)
    return found


def _read(tokens: Any, token: Any, closing: bool = False) -> Any:
    """One expression; END at the end of the text or, where one is expected, at a closing parenthesis."""
    if token is None:
        if closing:
            raise LispError("unexpected end")
        return END
    if token.lastgroup == "open":
        raise LispError("unexpected end")
    if token.lastgroup == "text":
        return re.sub(r"\\.", lambda match: ESCAPES.get(match[0], match[0]), token[0][1:-1], flags=re.S)
    if token.lastgroup == "atom":
        return _atom(token[0])
    if token[0] == ")":
        if not closing:
            raise LispError("unexpected )")
        return END
    if token[0] == "'":
        quoted = _read(tokens, next(tokens, None), closing=True)
        if quoted is END:
            raise LispError("unexpected )")
        return [Symbol("quote"), quoted]
    values = []
    while (value := _read(tokens, next(tokens, None), closing=True)) is not END:
        values.append(value)
    return values


def _atom(word: str) -> Any:
    if word in ("#t", "#f"):
        return word == "#t"
    if not NUMBER.fullmatch(word):
        return Symbol(word)
    return int(word) if word.lstrip("-").isdigit() else float(word)


def evaluate(expression: Any, scope: Scope) -> Any:
    """A form in tail position is not evaluated by a call: the loop goes on with it and its scope."""
    while True:
        if isinstance(expression, Symbol):
            return scope.holder(expression)[expression]
        if not isinstance(expression, list):
            return expression
        if not expression:
            raise LispError("bad syntax: ()")
        head = expression[0]
        if isinstance(head, Symbol) and head in FORMS:
            value, tail, scope = FORMS[head](expression[1:], scope)
        else:
            value, tail, scope = _call(*(evaluate(part, scope) for part in expression))
        if tail is None:
            return value
        expression = tail[0]


def _call(function: Any, *values: Any) -> Any:
    if isinstance(function, Function):
        return _body(function.body, function.bound(list(values)))
    if not callable(function):
        raise LispError(f"not a function: {show(function)}")
    return function(*values), None, None


def _applied(function: Any, *values: Any) -> Any:
    value, tail, scope = _call(function, *values)
    return value if tail is None else evaluate(tail[0], scope)


def _require(holds: Any, form: str) -> None:
    if not holds:
        raise LispError(f"bad syntax: {form}")


# Special forms: (value, None, None), or (None, [expression], scope) for what is in tail position.


def _body(body: list[Any], scope: Scope) -> Any:
    for expression in body[:-1]:
        evaluate(expression, scope)
    return None, body[-1:], scope


def _quote(parts: list[Any], scope: Scope) -> Any:
    _require(len(parts) == 1, "quote")
    return parts[0], None, None


def _if(parts: list[Any], scope: Scope) -> Any:
    _require(len(parts) in (2, 3), "if")
    if evaluate(parts[0], scope) is not False:
        return None, [parts[1]], scope
    return (None, [parts[2]], scope) if len(parts) > 2 else ([], None, None)


def _shortcut(decides: Callable[[Any], bool], empty: bool) -> Callable[[list[Any], Scope], Any]:
    def form(parts: list[Any], scope: Scope) -> Any:
        for part in parts[:-1]:
            value = evaluate(part, scope)
            if decides(value):
                return value, None, None
        return (None, parts[-1:], scope) if parts else (empty, None, None)

    return form


def _cond(parts: list[Any], scope: Scope) -> Any:
    _require(all(isinstance(part, list) and len(part) > 1 for part in parts), "cond")
    for test, *body in parts:
        if (test == Symbol("else") and isinstance(test, Symbol)) or evaluate(test, scope) is not False:
            return _body(body, scope)
    return [], None, None


def _define(parts: list[Any], scope: Scope) -> Any:
    _require(len(parts) > 1, "define")
    target, *body = parts
    if isinstance(target, list):
        _require(target and isinstance(target[0], Symbol), "define")
        name, value = target[0], Function(target[1:], body, scope, "define")
    else:
        _require(isinstance(target, Symbol) and len(body) == 1, "define")
        name, value = target, evaluate(body[0], scope)
    scope.names[name] = value
    return name, None, None


def _set(parts: list[Any], scope: Scope) -> Any:
    _require(len(parts) == 2 and isinstance(parts[0], Symbol), "set!")
    value = evaluate(parts[1], scope)
    scope.holder(parts[0])[parts[0]] = value
    return value, None, None


def _lambda(parts: list[Any], scope: Scope) -> Any:
    _require(parts, "lambda")
    return Function(parts[0], parts[1:], scope, "lambda"), None, None


def _let(parts: list[Any], scope: Scope) -> Any:
    name = parts[0] if parts and isinstance(parts[0], Symbol) else None
    pairs, *body = (parts[1:] if name else parts) or [None]
    _require(isinstance(pairs, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs), "let")
    inner = Scope({}, scope)
    function = Function([pair[0] for pair in pairs], body, inner if name else scope, "let")
    values = [evaluate(pair[1], scope) for pair in pairs]
    if name:
        inner.names[name] = function
    return _body(body, function.bound(values))


def _begin(parts: list[Any], scope: Scope) -> Any:
    _require(parts, "begin")
    return _body(parts, scope)


def _try(parts: list[Any], scope: Scope) -> Any:
    _require(len(parts) > 1 and isinstance(parts[-1], list) and parts[-1][:1] == [Symbol("catch")], "try")
    _, *catch = parts[-1]
    _require(len(catch) > 1 and isinstance(catch[0], Symbol), "try")
    try:
        for part in parts[:-1]:
            value = evaluate(part, scope)
        return value, None, None
    except LispError as error:
        return _body(catch[1:], Scope({catch[0]: str(error)}, scope))
    except RecursionError:
        return _body(catch[1:], Scope({catch[0]: "too deep"}, scope))


FORMS = {
    "quote": _quote, "if": _if, "cond": _cond, "define": _define, "set!": _set, "lambda": _lambda, "let": _let,
    "begin": _begin, "try": _try,
    "and": _shortcut(lambda value: value is False, True), "or": _shortcut(lambda value: value is not False, False),
}  # fmt: skip


# Functions: what they take is checked here, so that their code need not.


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_string(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Symbol)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_function(value: Any) -> bool:
    return callable(value) or isinstance(value, Function)


def _any(value: Any) -> bool:
    return True


def _taking(
    function: Callable[..., Any], *kinds: Callable[[Any], bool], least: int | None = None
) -> Callable[..., Any]:
    """With `least`, the last kind is of any number of arguments, at least so many in all."""

    def checked(*values: Any) -> Any:
        if len(values) != len(kinds) if least is None else len(values) < least:
            raise LispError("wrong number of arguments")
        wanted = [*kinds, *kinds[-1:] * len(values)]
        if not all(kind(value) for kind, value in zip(wanted, values, strict=False)):
            raise LispError("wrong type")
        try:
            return function(*values)
        except ZeroDivisionError:
            raise LispError("division by zero") from None

    return checked


def _chained(compare: Callable[[Any, Any], bool]) -> Callable[..., Any]:
    return _taking(lambda *values: all(map(compare, values, values[1:])), _is_number, least=2)


def _minus(first: Any, *others: Any) -> Any:
    return first - sum(others) if others else -first


def _divided(first: Any, *others: Any) -> Any:
    top, bottom = (first, math.prod(others)) if others else (1, first)
    exact = isinstance(top, int) and isinstance(bottom, int) and top % bottom == 0
    return top // bottom if exact else top / bottom


def _fold(function: Any, value: Any, elements: list[Any]) -> Any:
    for element in elements:
        value = _applied(function, value, element)
    return value


def _equal(a: Any, b: Any) -> bool:
    if _is_list(a) and _is_list(b):
        return len(a) == len(b) and all(map(_equal, a, b))
    return type(a) is type(b) and a == b


def _to_string(value: Any) -> str:
    return value if _is_string(value) else show(value)


def _print(*values: Any) -> Any:
    print(*map(_to_string, values))
    return []


def _error(message: str) -> Any:
    raise LispError(message)


def _is_full(value: Any) -> bool:
    return _is_list(value) and value != []


BUILTINS: dict[str, Callable[..., Any]] = {
    "+": _taking(lambda *values: sum(values), _is_number, least=0),
    "*": _taking(lambda *values: math.prod(values), _is_number, least=0),
    "-": _taking(_minus, _is_number, least=1),
    "/": _taking(_divided, _is_number, least=1),
    "quotient": _taking(operator.floordiv, _is_int, _is_int),
    "modulo": _taking(operator.mod, _is_int, _is_int),
    "=": _chained(operator.eq), "<": _chained(operator.lt), ">": _chained(operator.gt),
    "<=": _chained(operator.le), ">=": _chained(operator.ge),
    "not": _taking(lambda value: value is False, _any),
    "cons": _taking(lambda value, values: [value, *values], _any, _is_list),
    "car": _taking(lambda values: values[0], _is_full),
    "cdr": _taking(lambda values: values[1:], _is_full),
    "list": lambda *values: list(values),
    "length": _taking(len, _is_list),
    "append": _taking(lambda *lists: list(chain(*lists)), _is_list, least=0),
    "reverse": _taking(lambda values: values[::-1], _is_list),
    "null?": _taking(lambda value: value == [], _any),
    "list?": _taking(_is_list, _any),
    "number?": _taking(_is_number, _any),
    "string?": _taking(_is_string, _any),
    "symbol?": _taking(lambda value: isinstance(value, Symbol), _any),
    "function?": _taking(_is_function, _any),
    "equal?": _taking(_equal, _any, _any),
    "map": _taking(lambda f, values: [_applied(f, value) for value in values], _is_function, _is_list),
    "filter": _taking(lambda f, values: [v for v in values if _applied(f, v) is not False], _is_function, _is_list),
    "fold": _taking(_fold, _is_function, _any, _is_list),
    "apply": _taking(lambda f, values: _applied(f, *values), _is_function, _is_list),
    "concat": _taking(lambda *texts: "".join(texts), _is_string, least=0),
    "to-string": _taking(_to_string, _any),
    "print": _print,
    "error": _taking(_error, _is_string),
}  # fmt: skip


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: lisp.py FILE", file=sys.stderr)
        return 2
    try:
        Interpreter().run(Path(sys.argv[1]).read_text(encoding="utf-8"))
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    except LispError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
