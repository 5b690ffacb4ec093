"""Repositories of every shape, made in a folder with git, and a model that first breaks and then mends them.

All hold the same small shop in another place: `discount` lets a price fall below zero, which is the task, and a hasty
change of it makes `total` wrong, which only the tests that are there notice.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scenario import Answer, Scenario, fence

TASK = "A price must never fall below zero: fix discount(price, percent), so that a discount above 100 % gives 0."

BEFORE = '''"""What things cost."""


def total(prices):
    """The sum of all prices, rounded to cents."""
    return round(sum(prices), 2)


def discount(price, percent):
    """The price after a discount."""
    return price * (100 - percent) / 100
'''
RIGHT = BEFORE.replace("return price * (100 - percent) / 100", "return max(0, price * (100 - percent) / 100)")
REGRESSING = RIGHT.replace("round(sum(prices), 2)", "round(max(0, *prices), 2)")
"""It does what was asked, and breaks what was not."""

OLD_TESTS = """from {module} import discount, total


def test_total():
    assert total([1.5, 2.25]) == 3.75


def test_total_of_nothing():
    assert total([]) == 0


def test_discount():
    assert discount(200, 25) == 150
"""
UNITTESTS = """import unittest

from {module} import discount, total


class PricesTest(unittest.TestCase):
    def test_total(self):
        self.assertEqual(total([1.5, 2.25]), 3.75)

    def test_total_of_nothing(self):
        self.assertEqual(total([]), 0)

    def test_discount(self):
        self.assertEqual(discount(200, 25), 150)
"""
NEW_TESTS = """from {module} import discount


def test_c1_a_discount_above_100_gives_0():
    assert discount(80, 120) == 0
    assert discount(80, 100) == 0


def test_c1_an_ordinary_one_stays_with_a_larger_one():
    assert [discount(200, 25), discount(10, 500)] == [150, 0]
"""


@dataclass(frozen=True)
class Shape:
    files: Mapping[str, str]
    source: str = "shop/prices.py"
    module: str = "shop.prices"
    test: str = "tests/test_floor.py"
    """Where the new tests go."""
    prepare: Callable[[Path], None] = lambda folder: None
    """After the first commit."""
    failed: tuple[str, ...] = ()
    """Tests that fail before the work begins."""
    flaky: tuple[str, ...] = ()
    passed: int = 3
    """Tests that pass before the work begins."""
    arguments: tuple[str, ...] = ()


def _dirty(folder: Path) -> None:
    (folder / "shop" / "prices.py").write_text(BEFORE.replace("What things cost.", "What things cost, still at work."))
    (folder / "notes.txt").write_text("not for anybody\n")


def _submodule(folder: Path) -> None:
    other = folder.parent / "other"
    other.mkdir()
    (other / "test_theirs.py").write_text("def test_theirs():\n    assert False\n")
    commit(other)
    git(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "vendored")
    git(folder, "commit", "--quiet", "-m", "submodule")


PACKAGE = {"shop/__init__.py": "", "shop/prices.py": BEFORE}
OLD = OLD_TESTS.format(module="shop.prices")
FLAKY = """import os
import random


def test_now_and_then():
    assert random.SystemRandom().random() < 0.5
"""
SHAPES: dict[str, Shape] = {
    "flat": Shape({**PACKAGE, "tests/test_prices.py": OLD}),
    "src layout": Shape(
        {
            "pyproject.toml": '[project]\nname = "shop"\nversion = "1.2.0"\n'
            '[tool.pytest.ini_options]\ntestpaths = ["tests"]\naddopts = "-ra --cov=shop -n auto --strict-markers"\n',
            "src/shop/__init__.py": 'from importlib.metadata import version\n\n__version__ = version("shop")\n',
            "src/shop/prices.py": BEFORE,
            "tests/test_prices.py": OLD,
            "tests/test_program.py": "import subprocess\nimport sys\n\n\ndef test_a_program_finds_it():\n"
            "    code = 'import shop; print(shop.__version__)'\n"
            "    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout == '1.2.0\\n'\n",
        },
        source="src/shop/prices.py",
        passed=4,
    ),
    "monorepo": Shape(
        {
            "packages/shop/pyproject.toml": '[project]\nname = "shop"\n',
            "packages/shop/src/shop/__init__.py": "",
            "packages/shop/src/shop/prices.py": BEFORE,
            "packages/shop/tests/data.txt": "3.75",
            "packages/shop/tests/test_prices.py": OLD,
            "packages/till/pyproject.toml": '[project]\nname = "till"\ndependencies = ["shop"]\n',
            "packages/till/src/till/__init__.py": "from shop.prices import total\n\n\ndef bill(*prices):\n    return f'{total(prices)} EUR'\n",
            "packages/till/tests/data.txt": "3.75",
            "packages/till/tests/test_prices.py": "from pathlib import Path\n\nfrom till import bill\n\n\ndef test_bill():\n"
            "    assert bill(1.5, 2.25) == Path('tests/data.txt').read_text() + ' EUR'\n",
        },
        source="packages/shop/src/shop/prices.py",
        test="packages/shop/tests/test_floor.py",
        passed=4,
    ),
    "unittest only": Shape(
        {**PACKAGE, "tests/__init__.py": "", "tests/testprices.py": UNITTESTS.format(module="shop.prices")}
    ),
    "tox": Shape(
        {
            **PACKAGE,
            "checks/prices_checks.py": OLD,
            "tox.ini": "[tox]\nenvlist = py311\n[testenv]\ndeps =\n    pytest\ncommands =\n    python -m pytest {posargs:checks}\n"
            "[pytest]\npython_files = *_checks.py\n",
        },
        test="checks/test_floor.py",
    ),
    "legacy setup.py": Shape(
        {
            "setup.py": "from setuptools import find_packages, setup\n\nsetup(name='shop', version='0.9', package_dir={'': 'lib'}, "
            "packages=find_packages('lib'))\n",
            "setup.cfg": "[tool:pytest]\naddopts = --cov=shop\n",
            "lib/shop/__init__.py": "",
            "lib/shop/prices.py": BEFORE,
            "lib/shop/tests/__init__.py": "",
            "lib/shop/tests/test_prices.py": OLD,
        },
        source="lib/shop/prices.py",
        test="lib/shop/tests/test_floor.py",
    ),
    "make and a script": Shape(
        {
            **PACKAGE,
            "Makefile": "test:\n\tpython3 run_checks.py\n",
            "run_checks.py": "from shop.prices import total\n\nassert total([1.5, 2.25]) == 3.75\n",
        },
        passed=0,
    ),
    "flaky test": Shape({**PACKAGE, "tests/test_prices.py": OLD, "tests/test_weather.py": FLAKY}),
    "slow test": Shape(
        {
            **PACKAGE,
            "tests/test_prices.py": OLD,
            "tests/test_slow.py": "import time\n\nfrom shop.prices import total\n\n\ndef test_patiently():\n    time.sleep(3)\n    assert total([1]) == 1\n",
            "nightshift.toml": "[sandbox]\ntest_seconds = 2\n",
        },
        passed=4,
    ),
    "failing baseline": Shape(
        {
            **PACKAGE,
            "tests/test_prices.py": OLD + "\n\ndef test_total_of_text():\n    assert total(['1.50', '2']) == 3.5\n",
            "tests/test_elsewhere.py": "import absent_module\n\n\ndef test_nothing():\n    pass\n",
        },
        failed=("tests/test_elsewhere.py", "tests/test_prices.py::test_total_of_text"),
    ),
    "dirty tree": Shape({**PACKAGE, "tests/test_prices.py": OLD}, prepare=_dirty),
    "submodule": Shape({**PACKAGE, "tests/test_prices.py": OLD}, prepare=_submodule),
}


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=A User", "-c", "user.email=user@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def commit(folder: Path) -> None:
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "as it was")


def repository(shape: Shape, folder: Path) -> Path:
    for path, text in shape.files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    commit(folder)
    shape.prepare(folder)
    return folder


def state(folder: Path) -> dict[str, str]:
    """Every file of the user's checkout, and what git says of it."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not {".git", ".nightshift"} & {*p.parts})
    found = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    said = {word: git(folder, *word.split()) for word in ("status --porcelain", "rev-parse HEAD", "stash list")}
    return {**found, **said}


@dataclass
class Maintainer(Scenario):
    """A model that proposes these contents for the source file, one after the other, the last one for ever."""

    @classmethod
    def of(
        cls, source: str, module: str, test: str, *proposals: str, new_tests: str = NEW_TESTS, **others: Answer
    ) -> Maintainer:
        left = list(proposals)

        def propose(prompt: str) -> str:
            return fence(left.pop(0) if len(left) > 1 else left[0])

        answers: dict[str, Answer] = {
            "planner": json.dumps(plan_for(source, test)),
            "tester": fence(new_tests.format(module=module)),
            "builder": propose,
            "repairer": propose,
            "analyst": json.dumps(blaming(source)),
            **others,
        }
        return cls(answers)

    asked: list[tuple[str, str]] = field(default_factory=list)


def plan_for(source: str, test: str, interface: str = "def discount(price, percent): ...") -> dict[str, object]:
    check = {"type": "tests", "path": test}
    return {
        "summary": "A floor for prices.",
        "requires": [],
        "steps": [
            {"path": source, "kind": "source", "purpose": TASK, "interface": interface, "depends_on": []},
            {"path": test, "kind": "test", "purpose": "Prove the floor.", "interface": "", "depends_on": [source]},
        ],
        "criteria": [{"id": "c1", "description": "a discount above 100 % gives 0", "check": check}],
    }


def blaming(source: str) -> dict[str, object]:
    culprit = {"path": source, "blame": "source", "why": "it breaks total"}
    return {
        "whys": ["a test that passed fails", "total is no sum any more"],
        "culprits": [culprit],
        "advice": "Leave total alone.",
    }
