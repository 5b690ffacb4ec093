"""Evaluates arithmetic expressions: a parser that builds functions, which are called when the whole text was read."""

import math
import operator
import re
from collections.abc import Callable

Value = Callable[[dict[str, float]], float]

TOKEN = re.compile(
    r"(?P<number>(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<sign>[-+*/%^(),])", re.ASCII
)
SPACE = re.compile(r"[ \t\r\n]*")


class ExpressionError(ValueError):
    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"{problem} at {position}")
        self.position = position


def evaluate(text: str, variables: dict[str, float] | None = None) -> float:
    value = _Parser(text).whole()
    return float(value({"pi": math.pi, "e": math.e, **(variables or {})}))


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._next = 0
        self._advance()

    def whole(self) -> Value:
        value = self._sum()
        if self._token:
            self._refuse()
        return value

    def _advance(self) -> None:
        """To the next token: its text, kind and position; no text at the end."""
        self._position = SPACE.match(self._text, self._next).end()
        match = TOKEN.match(self._text, self._position)
        if not match and self._position < len(self._text):
            self._refuse()
        self._token, self._kind = (match[0], match.lastgroup) if match else ("", "")
        self._next = match.end() if match else self._position

    def _refuse(self) -> None:
        raise ExpressionError(self._position, "syntax error")

    def _take(self) -> tuple[str, int]:
        taken = self._token, self._position
        self._advance()
        return taken

    def _expect(self, token: str) -> None:
        if self._token != token:
            self._refuse()
        self._advance()

    def _sum(self) -> Value:
        return self._chain(self._product, ("+", "-"))

    def _product(self) -> Value:
        return self._chain(self._signed, ("*", "/", "%"))

    def _chain(self, operand: Callable[[], Value], signs: tuple[str, ...]) -> Value:
        left = operand()
        while self._token in signs:
            sign, position = self._take()
            left = _binary(sign, position, left, operand())
        return left

    def _signed(self) -> Value:
        if self._token == "+":
            self._advance()
            return self._signed()
        if self._token == "-":
            self._advance()
            value = self._signed()
            return lambda names: -value(names)
        return self._power()

    def _power(self) -> Value:
        base = self._atom()
        if self._token != "^":
            return base
        sign, position = self._take()
        return _binary(sign, position, base, self._signed())

    def _atom(self) -> Value:
        if self._kind == "number":
            return _number(*self._take())
        if self._kind == "name":
            name, position = self._take()
            return _call(name, position, self._arguments()) if self._token == "(" else _variable(name, position)
        self._expect("(")
        value = self._sum()
        self._expect(")")
        return value

    def _arguments(self) -> list[Value]:
        self._advance()
        values: list[Value] = []
        while self._token != ")":
            if values:
                self._expect(",")
            values.append(self._sum())
        self._advance()
        return values


def _number(text: str, position: int) -> Value:
    return lambda names: _finite(float(text), position)


def _variable(name: str, position: int) -> Value:
    def value(names: dict[str, float]) -> float:
        if name not in names:
            raise ExpressionError(position, f"unknown name {name}")
        return names[name]

    return value


def _binary(sign: str, position: int, left: Value, right: Value) -> Value:
    def value(names: dict[str, float]) -> float:
        a, b = left(names), right(names)
        try:
            return _finite(OPERATORS[sign](a, b), position)
        except (ArithmeticError, ValueError) as error:
            raise ExpressionError(position, str(error)) from error

    return value


def _finite(number: float, position: int) -> float:
    if math.isinf(number):
        raise ExpressionError(position, "too large")
    return number


def _call(name: str, position: int, arguments: list[Value]) -> Value:
    def value(names: dict[str, float]) -> float:
        values = [argument(names) for argument in arguments]
        function, most = FUNCTIONS.get(name, (None, 0))
        if function is None or not 1 <= len(values) <= most:
            raise ExpressionError(position, f"no function {name} of {len(values)} arguments")
        try:
            return function(values)
        except ValueError as error:
            raise ExpressionError(position, str(error)) from error

    return value


def _rounded(values: list[float]) -> float:
    return math.copysign(math.floor(abs(values[0]) + 0.5), values[0])


OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "%": operator.mod, "^": math.pow,
}  # fmt: skip
FUNCTIONS: dict[str, tuple[Callable[[list[float]], float], float]] = {
    "sqrt": (lambda values: math.sqrt(values[0]), 1),
    "abs": (lambda values: abs(values[0]), 1),
    "round": (_rounded, 1),
    "min": (min, math.inf),
    "max": (max, math.inf),
}
"""What is called with the list of arguments, and how many it takes at most."""
