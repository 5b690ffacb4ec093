"""The place that a task is about is found: by words, by imports in any layout, by tracebacks; long files are opened."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenario import DIAGNOSIS
from test_prompts import TASK, Listening, agents, brief

from nightshift.domain import Tree
from nightshift.errors import ReplyRejected
from nightshift.explore import SIGNATURE_CHARS, overview
from nightshift.source.asked import MAX_ASKED, asked_by, asked_in, opened
from nightshift.source.facts import remember
from nightshift.source.glance import neighbours
from nightshift.source.graph import import_graph, importable
from nightshift.source.outline import outlined, symbol
from nightshift.source.ranking import ranked, relevance, words_of
from nightshift.source.syntax import parses
from nightshift.workspace import open_workspace
from nightshift.workspace.facts import MANY
from nightshift.workspace.files import texts

# Imports, in whatever folders the roots lie.

MONOREPO = {
    "packages/billing/pyproject.toml": "",
    "packages/billing/src/acme/billing/__init__.py": "",
    "packages/billing/src/acme/billing/invoice.py": "from acme.core.money import Money\nfrom . import tax\n",
    "packages/billing/src/acme/billing/tax.py": "",
    "packages/billing/tests/test_invoice.py": "from acme.billing.invoice import total\nimport helpers\n",
    "packages/billing/tests/helpers.py": "",
    "packages/core/setup.py": "",
    "packages/core/src/acme/core/__init__.py": "",
    "packages/core/src/acme/core/money.py": "import json\n",
    "services/api/pyproject.toml": "",
    "services/api/app/__init__.py": "",
    "services/api/app/main.py": "from acme.billing import invoice\nfrom app.routes import index\n",
    "services/api/app/routes.py": "",
    "services/api/tests/test_main.py": "from app.main import run\n",
    "services/web/pyproject.toml": "",
    "services/web/app/__init__.py": "",
    "services/web/app/routes.py": "",
    "services/web/tests/test_routes.py": "from app import routes\n",
}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("packages/billing/src/acme/billing/invoice.py", {"packages/core/src/acme/core/money.py",
                                                          "packages/billing/src/acme/billing/tax.py"}),
        ("packages/billing/tests/test_invoice.py", {"packages/billing/src/acme/billing/invoice.py",
                                                    "packages/billing/tests/helpers.py"}),
        ("packages/core/src/acme/core/money.py", set()),
        ("services/api/app/main.py", {"packages/billing/src/acme/billing/invoice.py", "services/api/app/routes.py"}),
        ("services/api/tests/test_main.py", {"services/api/app/main.py"}),
        ("services/web/tests/test_routes.py", {"services/web/app/routes.py"}),
    ],
)  # fmt: skip
def test_imports_are_resolved_over_several_roots_and_namespace_packages(path: str, wanted: set[str]) -> None:
    """Each project's own module before a namesake in another, a namespace's parts wherever they lie."""
    found = {other for other in import_graph(MONOREPO).imports(path) if not other.endswith("__init__.py")}
    assert found == wanted
    assert {other for other in neighbours(MONOREPO)[path] if not other.endswith("__init__.py")} == wanted


@pytest.mark.parametrize(
    ("path", "root", "name"),
    [
        ("app.py", "", "app"),
        ("src/pkg/a.py", "src", "pkg.a"),
        ("src/pkg/__init__.py", "src", "pkg"),
        ("packages/core/src/acme/core/money.py", "packages/core/src", "acme.core.money"),
        ("services/api/app/main.py", "services/api", "app.main"),
        ("services/api/app/new.py", "services/api", "app.new"),
    ],
)
def test_a_module_is_imported_from_the_innermost_root(path: str, root: str, name: str) -> None:
    assert importable(path, tuple(MONOREPO)) == (root, name)


def test_a_package_is_no_root_though_it_holds_a_setup_or_is_called_src() -> None:
    paths = ("pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/setup.py", "src/__init__.py", "src/calc.py")
    assert importable("pkg/sub/a.py", paths) == ("", "pkg.sub.a")
    assert importable("src/calc.py", paths) == ("", "src.calc")


# Ranking.

SHOP = {
    "shop/cart.py": "from shop.money import Money\nclass Cart:\n    def add_item(self, item): ...\n",
    "shop/money.py": "class Money:\n    def rounded(self): ...\n",
    "shop/mail.py": "def send_newsletter(to): ...\n",
    "shop/templates/cart.html": "<h1>cart</h1> {{ items }}",
    "docs/cart.md": "cart cart cart cart",
    "tests/test_cart.py": "from shop.cart import Cart\n",
}


def test_the_file_that_defines_what_the_task_names_comes_first_and_its_neighbours_follow() -> None:
    order = [*ranked(SHOP, "Cart.add_item must refuse a negative quantity")]
    assert order[0] == "shop/cart.py"
    assert {"tests/test_cart.py", "shop/money.py", "shop/templates/cart.html"} <= set(order)
    assert order.index("shop/money.py") < len(order)
    assert "shop/mail.py" not in order


@pytest.mark.parametrize(
    "told",
    [
        {"task": "newsletter"},
        {"task": "fix shop/mail.py"},
        {"task": "x", "evidence": 'File "/tmp/run/shop/mail.py", line 1, in send'},
        {"task": "x", "recent": ["shop/mail.py", "shop/cart.py"]},
    ],
)
def test_words_paths_tracebacks_and_late_changes_each_lead_to_a_file(told: dict[str, Any]) -> None:
    assert next(iter(ranked(SHOP, **told))) == "shop/mail.py"


def test_nothing_speaks_for_any_file_when_the_task_says_nothing() -> None:
    assert ranked(SHOP, "do it") == {}
    assert ranked({}, "cart") == {}


def test_words_are_identifiers_split_at_case_and_underscore_without_stop_words() -> None:
    assert words_of("The HTTPServer should parse_dates for users") == (
        "httpserver", "parse_dates", "http", "server", "parse", "date",
    )  # fmt: skip


@given(st.dictionaries(st.sampled_from(["a.py", "b/c.py", "d.md"]), st.text(max_size=60)), st.text(max_size=80))
def test_ranking_survives_any_text_and_is_the_same_in_any_order(texts: dict[str, str], task: str) -> None:
    order = ranked(texts, task)
    assert order.keys() <= texts.keys()
    assert ranked(dict(reversed(texts.items())), task) == order
    assert all(score > 0 for score in relevance(texts, words_of(task)).values())


# The map.


def large(files: int = 400) -> dict[str, str]:
    body = "".join(f"def filler_{n}(a, b, c):\n    return {n}\n\n\n" for n in range(40))
    texts = {f"src/app/part{n % 7}/mod_{n}.py": f"import os\n{body}" for n in range(files)}
    return texts | {
        "src/app/billing/invoice.py": "class Invoice:\n    def total_with_tax(self, rate): ...\n" + body,
        "src/app/broken.py": "def broken(:\n",
        "pyproject.toml": "[tool.ruff]\nline-length = 99\n",
        "src/app/templates/invoice.html": "{{ invoice.total_with_tax }}",
    }


def test_of_a_large_project_the_map_shows_the_place_and_stays_within_its_budget() -> None:
    text = overview(Tree(large()), "Not a git repository.", "Invoice.total_with_tax ignores the rate").text
    assert "def total_with_tax(self, rate): ..." in text
    assert "src/app/templates/invoice.html" in text
    assert "src/app/part3/ (" in text
    assert "Lines up to 99 characters" in text
    assert len(text) < SIGNATURE_CHARS + 6000


def test_a_file_that_does_not_parse_is_listed_without_signatures() -> None:
    text = overview(Tree({"a.py": "def a(x): ...\n", "old.py": "print 'x'\n"}), "").text
    assert "old.py" in text
    assert "def a(x): ..." in text


# Long files.

LONG = (
    '"""Doc."""\nimport os\n\nLIMIT = 3\n\n\nclass Store:\n    """All orders."""\n\n    size = 0\n\n'
    + "".join(
        f"    def method_{n}(self, value):\n        total = value + {n}\n        return total\n\n" for n in range(300)
    )
    + "\ndef ship_order(order):\n    weight = sum(order)\n    return weight * LIMIT\n"
)


@pytest.mark.parametrize(
    ("body", "left_out"),
    [
        ("        total = value\n" * 20, "...  # Store.method_200: lines "),
        ("", " are not shown: Store.method_"),
    ],
)
def test_a_long_file_is_outlined_with_what_matters_word_for_word(body: str, left_out: str) -> None:
    """The rest by its signatures, or by its names where signatures are most of the file."""
    long = LONG.replace("        return total\n", f"{body}        return total\n")
    line = long[: long.index("value + 77\n")].count("\n") + 1
    text = outlined(long, "store.py", words=("ship", "order"), lines=[line], limit=50_000 if body else 9000)
    assert f"    def method_77(self, value):\n        total = value + 77\n{body}        return total\n" in text
    assert "def ship_order(order):\n    weight = sum(order)\n" in text
    assert left_out in text
    assert not body or parses(text)


@settings(deadline=None, max_examples=25)
@given(st.integers(200, 40_000), st.sampled_from(["store.py", "store.txt"]), st.sets(st.integers(-5, 2000), max_size=4))
def test_an_outline_never_exceeds_its_limit_by_more_than_its_mark(limit: int, path: str, lines: set[int]) -> None:
    assert len(outlined(LONG, path, lines=lines, limit=limit)) <= limit + len("\n[...]\n")


def test_one_definition_is_opened_by_its_name() -> None:
    assert symbol(LONG, "Store.method_5") == symbol(LONG, "method_5")
    assert "value + 5\n" in str(symbol(LONG, "method_5"))
    assert symbol(LONG, "nothing") is None


# What a model asks to see.


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("NEED: shop/cart.py:Cart.add_item", ("shop/cart.py:Cart.add_item",)),
        ("<think>hm</think>\n- NEED: `./shop/cart.py`\nNEED: Money, send_newsletter\n", ("shop/cart.py", "Money", "send_newsletter")),
        ("```\nNEED: a.py\n```", ("a.py",)),
        ("\n".join(f"NEED: m{n}.py" for n in range(9)), tuple(f"m{n}.py" for n in range(MAX_ASKED))),
        ("I NEED: to think", ()),
        ("NEED: a.py\n```python\nx = 1\n```", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_a_reply_asks_for_texts_only_when_it_does_nothing_else(reply: str, wanted: tuple[str, ...]) -> None:
    assert asked_in(reply) == wanted


@pytest.mark.parametrize("data", [{}, [], None, {"need": "a.py"}, {"need": []}, {"need": ["", "  "]}])
def test_an_empty_or_odd_need_is_none(data: Any) -> None:
    assert asked_by(data) == ()


@pytest.mark.parametrize(
    ("want", "heading", "text"),
    [
        ("shop/cart.py:Cart.add_item", "shop/cart.py:Cart.add_item", "def add_item(self, item)"),
        ("cart.py:add_item()", "shop/cart.py:add_item", "def add_item(self, item)"),
        ("shop/mail.py", "shop/mail.py", "def send_newsletter(to)"),
        ("shop.money", "shop/money.py", "class Money"),
        ("Money", "shop/money.py:Money", "def rounded(self)"),
        ("Money.rounded", "shop/money.py:Money.rounded", "def rounded(self)"),
        ("shop/templates/cart.html", "shop/templates/cart.html", "<h1>"),
        ("shop/cart.py:Cart.add", "no such definition in shop/cart.py; near: Cart.add_item", ""),
        ("shop/carts.py", "no such file or definition in the project; near: shop/cart.py", ""),
        ("../../etc/passwd", "no such file or definition", ""),
    ],
)
def test_what_is_asked_for_is_read_from_the_project_or_said_to_be_missing(want: str, heading: str, text: str) -> None:
    ((told, shown),) = opened(SHOP, [want])
    assert heading in told
    assert text in shown
    assert bool(text) == bool(shown)


def test_what_a_model_asks_to_see_shows_no_key() -> None:
    ((_, shown),) = opened({"pay.py": f"KEY = '{'AKIA' + 'ABCDEFGH12345678'}'\nNAME = 'shop'\n"}, ["pay.py"])
    assert "AKIA" not in shown
    assert "NAME = 'shop'" in shown


def sent(model: Listening) -> list[str]:
    return [request.messages[-1].content for request in model.requests]


CODE = "class Calculator:\n    def add(self, a, b):\n        return a + b\n"


def test_a_builder_that_asks_is_asked_once_more_with_the_texts_and_not_a_third_time() -> None:
    model = Listening("NEED: Money", f"```python\n{CODE}```\n")
    made = asyncio.run(agents(model).build(brief(texts=SHOP), "candidate-1", temperature=0.0))
    assert made.text == CODE
    first, second = sent(model)
    assert "NEED: pkg/mod.py:Class.method" in first
    assert "class Money:\n    def rounded(self): ..." in second
    assert "NEED:" not in second
    with pytest.raises(ReplyRejected, match="were shown"):
        asyncio.run(agents(Listening("NEED: Money")).build(brief(texts=SHOP), "candidate-1", temperature=0.0))


def test_nothing_is_offered_where_all_is_shown() -> None:
    model = Listening(f"```python\n{CODE}```\n")
    asyncio.run(agents(model).build(brief(), "candidate-1", temperature=0.0))
    assert "NEED" not in sent(model)[0]


def test_an_analyst_that_asks_is_asked_once_more_with_the_texts() -> None:
    model = Listening(json.dumps({**DIAGNOSIS, "need": ["shop/cart.py"]}), json.dumps(DIAGNOSIS))
    paths = {"calculator.py": "source"}
    asked = agents(model).diagnose(TASK, "d", evidence="", sources="", paths=paths, texts=SHOP)
    assert [culprit.path for culprit in asyncio.run(asked).culprits] == ["calculator.py"]
    first, second = model.requests
    assert first.schema
    assert second.schema
    assert "need" in first.schema["properties"]
    assert "need" not in second.schema["properties"]
    assert "class Cart:" in second.messages[-1].content


def test_an_analyst_without_a_need_is_asked_once() -> None:
    model = Listening(json.dumps({**DIAGNOSIS, "need": []}))
    paths = {"calculator.py": "source"}
    asyncio.run(agents(model).diagnose(TASK, "d", evidence="", sources="", paths=paths, texts=SHOP))
    assert len(model.requests) == 1


def test_python_comes_first_where_there_is_more_text_than_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("1" * 80)
    (tmp_path / "z.py").write_text("x" * 80)
    assert list(texts(tmp_path, limit=100)) == ["z.py"]
    assert list(texts(tmp_path)) == ["a.json", "z.py"]


def test_the_imports_of_a_large_project_are_kept_for_the_next_run_and_a_damaged_cache_is_ignored(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    for number in range(MANY):
        (folder / f"m{number}.py").write_text(f"import m{number + 1}  # {tmp_path}\n")
    for number in (1, 2, 3):
        with open_workspace(folder, run_id=f"r{number}", trees=tmp_path / "trees") as workspace:
            assert import_graph(workspace.tree().texts).imports("m3.py") == {"m4.py"}
        (kept,) = (tmp_path / "trees" / ".facts").iterdir()
        assert remember(kept.read_bytes())
        kept.write_bytes(b"damaged" if number == 1 else kept.read_bytes())
