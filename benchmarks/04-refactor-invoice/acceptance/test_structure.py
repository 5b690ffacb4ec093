import ast
from pathlib import Path

import invoice
import pytest

BLOCKS = (ast.For, ast.While, ast.If, ast.With, ast.Try)


@pytest.fixture(name="pricing")
def _pricing():
    import pricing

    return pricing


def functions():
    for name in ("invoice.py", "pricing.py"):
        tree = ast.parse(Path(name).read_text(encoding="utf-8"))
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def depth(node):
    """Of blocks below a node; an `elif` is no deeper than its `if`."""
    deepest = 0
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                is_elif = (
                    isinstance(node, ast.If) and field == "orelse" and len(value) == 1 and isinstance(child, ast.If)
                )
                deepest = max(deepest, depth(child) + (isinstance(child, BLOCKS) and not is_elif))
    return deepest


def bread(**fields):
    return {"name": "Bread", "kind": "food", "price": 1000, "quantity": 1, **fields}


def test_the_total_of_a_line(pricing):
    assert pricing.line_total(bread(), "DE") == (1000, 70)
    assert pricing.line_total(bread(kind="other", quantity=10), "FR") == (9500, 1900)
    assert pricing.line_total(bread(quantity=100), "CH") == (85_000, 2550)


def test_the_rates_are_a_table(pricing):
    assert pricing.TAX_RATES == {
        "DE": {"food": 7, "book": 7, "other": 19}, "FR": {"food": 5, "other": 20}, "CH": {"food": 3, "book": 3, "other": 8},
    }  # fmt: skip


def test_a_new_country_is_one_entry(pricing, monkeypatch):
    monkeypatch.setitem(pricing.TAX_RATES, "IS", {"food": 11})
    assert pricing.line_total(bread(), "IS") == (1000, 110)
    assert "Tax                              1.10\n" in invoice.render(
        {"number": 1, "country": "IS", "items": [bread()]}
    )


def test_discounts_are_a_table(pricing, monkeypatch):
    assert sorted(pricing.DISCOUNTS) == [(10, 5), (100, 15)]
    for table in ([(3, 50), (5, 10)], [(5, 10), (3, 50)]):
        monkeypatch.setattr(pricing, "DISCOUNTS", table)
        assert [pricing.line_total(bread(quantity=n), "DE")[0] for n in (2, 3, 4, 5)] == [2000, 1500, 2000, 4500]
    monkeypatch.setattr(pricing, "DISCOUNTS", [])
    assert pricing.line_total(bread(quantity=1000), "DE")[0] == 1_000_000


def test_errors_of_a_line(pricing):
    for item, country in ((bread(), "XX"), (bread(kind="toy"), "DE"), (bread(quantity=0), "DE")):
        with pytest.raises(ValueError):
            pricing.line_total(item, country)


def test_the_invoice_knows_no_country():
    strings = {
        node.value for node in ast.walk(ast.parse(Path("invoice.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    }  # fmt: skip
    assert not strings & {"DE", "FR", "CH"}


def test_functions_are_short():
    assert [node.name for node in functions() if (node.end_lineno or 0) - node.lineno + 1 > 25] == []


def test_functions_are_flat():
    assert [node.name for node in functions() if depth(node) > 3] == []
