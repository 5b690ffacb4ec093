import math

import pytest
from expression import ExpressionError, evaluate


@pytest.mark.parametrize(
    "text, wanted",
    [("12", 12), ("3.5", 3.5), (".5", 0.5), ("2.", 2), ("1e3", 1000), ("2.5E-2", 0.025), ("1e+2", 100), ("0", 0), (" 7 ", 7),
     ("007", 7)],
)  # fmt: skip
def test_numbers(text, wanted):
    assert evaluate(text) == wanted
    assert isinstance(evaluate(text), float)


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("1+2*3", 7), ("(1+2)*3", 9), ("10-4-3", 3), ("24/4/2", 3), ("2*7%4", 2), ("7%4*2", 6), ("-7%4", 1), ("7%-4", -1),
        ("2^3^2", 512), ("-2^2", -4), ("2^-1", 0.5), ("(-2)^2", 4), ("--3", 3), ("+-+3", -3), ("2--3", 5), ("2*-3", -6),
        ("-2*-3", 6), ("2^-2^1", 0.25), ("4^.5", 2), ("1 +\t2\n* 3", 7), ("((((5))))", 5), ("6/4", 1.5), ("-3+5", 2), ("0^0", 1),
    ],
)  # fmt: skip
def test_operators(text, wanted):
    assert evaluate(text) == wanted


def test_variables():
    assert evaluate("x*x + _y1", {"x": 3, "_y1": 0.5}) == 9.5
    assert evaluate("pi") == math.pi
    assert evaluate("e", {}) == math.e
    assert evaluate("pi + e", {"pi": 1, "e": 2}) == 3
    assert isinstance(evaluate("n", {"n": 2}), float)
    assert evaluate("Xy-xY", {"Xy": 1, "xY": 2}) == -1


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("sqrt(16)", 4), ("abs(-2.5)", 2.5), ("min(3)", 3), ("max(1, 2+5, 3)", 7), ("min(4,2,9)", 2), ("round(2.5)", 3),
        ("round(-2.5)", -3), ("round(2.4)", 2), ("round(-2.6)", -3), ("round(0.5)", 1), ("-sqrt(4)^2", -4), ("sqrt (9)", 3),
        ("max(min(1,2),max(0,sqrt(9)))", 3), ("2*abs(1-3)", 4), ("sqrt(0)", 0),
    ],
)  # fmt: skip
def test_functions(text, wanted):
    assert evaluate(text) == wanted


def test_variables_and_functions_do_not_hide_each_other():
    assert evaluate("max(max, 2)", {"max": 5}) == 5
    with pytest.raises(ExpressionError):
        evaluate("sqrt")
    with pytest.raises(ExpressionError):
        evaluate("x(1)", {"x": 1})


def position(text, variables=None):
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, variables)
    assert isinstance(caught.value, ValueError)
    return caught.value.position


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("", 0), ("  ", 2), ("1+", 2), ("1 + ", 4), ("*2", 0), ("1 2", 2), ("(1", 2), ("1)", 1), ("()", 1), ("1 $ 2", 2), ("2 ^ ^ 3", 4),
        ("1..2", 2), ("max(1,)", 6), ("max(,1)", 4), ("max(1 2)", 6), ("f(1", 3), ("2x", 1), ("1,2", 1), (".", 0), ("2**3", 2),
        ("1e", 1), ("(1,2)", 2), ("é", 0), ("3(4)", 1), ("min(1,2", 7),
    ],
)  # fmt: skip
def test_mistakes_of_form(text, wanted):
    assert position(text) == wanted


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("1 + x", 4), ("foo(1)", 0), ("1+sqrt()", 2), ("abs(1,2)", 0), ("min()", 0), ("round(1,2)", 0), ("1/0", 1), ("1 + 5 % 0", 6),
        ("0^-1", 1), ("(-8)^0.5", 4), ("2*sqrt(-1)", 2), ("1e999", 0), ("1e308*10", 5), ("10^400", 2), ("1e308+1e308", 5),
        ("-1e308-1e308", 6), ("1e308/.1", 5),
    ],
)  # fmt: skip
def test_mistakes_of_meaning(text, wanted):
    assert position(text) == wanted


@pytest.mark.parametrize(
    "text, wanted",
    [("1/0 +", 5), ("x + 1/0", 0), ("1/0 + x", 1), ("(1/0", 4), ("foo(1/0)", 5), ("max(y, x)", 4), ("abs(1/0, 2)", 5)],
)
def test_the_first_mistake_is_told(text, wanted):
    assert position(text) == wanted


def test_deep_parentheses():
    assert evaluate("(" * 50 + "1" + ")" * 50) == 1
