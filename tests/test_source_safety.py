"""Source files that reach for the test runner are refused; ordinary code that looks alike is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.source.source_safety import unsafe_source_reason

EQ = "class X:\n    def __eq__(self, other):\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import pytest\n", "pytest"),
        ("import pytest as p, os\n", "pytest"),
        ("from pytest import fixture\n", "pytest"),
        ("import _pytest.runner\n", "_pytest.runner"),
        ("def f():\n    from _pytest.python import Function\n", "_pytest.python"),
        ("from pluggy import HookimplMarker\n", "pluggy"),
        ("__import__('pytest').exit()\n", "pytest"),
        ("import importlib\nimportlib.import_module('_pytest.reports')\n", "_pytest.reports"),
        ("from importlib import import_module as load\nload('pluggy')\n", "pluggy"),
        (EQ + "        return True\n", "__eq__"),
        (EQ + "        '''Equal.'''\n        return True\n", "__eq__"),
        (EQ + "        print(other)\n        return 1\n", "__eq__"),
        (EQ + "        if other:\n            return True\n        return True\n", "__eq__"),
        ("class X:\n    def __ne__(self, other):\n        return False\n", "__ne__"),
        ("class X:\n    __eq__ = lambda self, other: True\n", "__eq__"),
        ("def always(a, b):\n    return True\nclass X:\n    __eq__ = always\n", "__eq__"),
        ("class X: ...\nX.__eq__ = lambda a, b: True\n", "__eq__"),
        ("class X: ...\nsetattr(X, '__eq__', lambda a, b: True)\n", "__eq__"),
        ("X = type('X', (), {'__eq__': lambda a, b: True})\n", "__eq__"),
        ("from unittest.mock import ANY\ndef f():\n    return ANY\n", "unittest.mock.ANY"),
        ("import os\ndef f():\n    os._exit(0)\n", "os._exit"),
        ("from os import _exit as leave\ndef f():\n    leave(0)\n", "os._exit"),
        ("import os\ngetattr(os, '_exit')(0)\n", "os._exit"),
        ("import sys\nsys.exit(0)\n", "sys.exit"),
        ("import sys\nif sys.argv:\n    sys.exit(0)\n", "sys.exit"),
        ("import sys\nif __name__ != '__main__':\n    sys.exit(0)\n", "sys.exit"),
        ("import sys\nif __name__ == '__main__':\n    pass\nelse:\n    sys.exit(0)\n", "sys.exit"),
        ("import sys\nclass X:\n    sys.exit(0)\n", "sys.exit"),
        ("import sys\ndef f(a=sys.exit(0)): ...\n", "sys.exit"),
        ("exit(0)\n", "exit"),
        ("raise SystemExit\n", "SystemExit"),
        ("raise SystemExit(0)\n", "SystemExit"),
        ("import os\nos.kill(os.getpid(), 9)\n", "os.kill"),
        ("import signal\nsignal.signal(signal.SIGALRM, print)\n", "signal.signal"),
        ("from signal import raise_signal, SIGTERM\nraise_signal(SIGTERM)\n", "signal.raise_signal"),
        ("import sys\nsys.modules['pkg'] = None\n", "sys.modules"),
        ("import sys as s\ndef f():\n    return s.modules.values()\n", "sys.modules"),
        ("from sys import modules\nmodules.clear()\n", "sys.modules"),
        ("import sys\ngetattr(sys, 'modules').clear()\n", "sys.modules"),
        ("import sys\nsys.modules[__name__] = None\n", "sys.modules"),
        ("import sys\nsys.meta_path.insert(0, None)\n", "sys.meta_path"),
        ("import sys\nsys.settrace(print)\n", "sys.settrace"),
        ("import builtins\nbuiltins.len = lambda x: 1\n", "builtins.len"),
        ("import builtins\nsetattr(builtins, 'len', print)\n", "setattr"),
        ("import builtins as b\nvars(b)['len'] = print\n", "vars"),
        ("import builtins\nbuiltins.__dict__['len'] = print\n", "builtins.__dict__"),
        ("__builtins__['len'] = print\n", "__builtins__"),
        ("import gc\ndef f():\n    return gc.get_objects()\n", "gc.get_objects"),
        ("import sys\ndef f():\n    return sys._getframe(1)\n", "sys._getframe"),
        ("import inspect\ndef f():\n    return inspect.stack()\n", "inspect.stack"),
        ("from inspect import currentframe\ndef f():\n    return currentframe()\n", "inspect.currentframe"),
        ("def f(frame):\n    return frame.f_back.f_locals\n", "f_back"),
        ("import atexit\natexit.register(print)\n", "atexit.register"),
        ("import atexit\n@atexit.register\ndef bye(): ...\n", "atexit.register"),
        ("x = " + "[" * 199 + "]" * 199 + "\n", "deeply"),
    ],
)  # fmt: skip
def test_a_source_that_reaches_for_the_test_runner_is_refused_in_a_sentence(text: str, says: str) -> None:
    reason = unsafe_source_reason(text, "pkg/app.py")
    assert reason is not None
    assert says in reason
    assert reason.endswith(".")
    assert "\n" not in reason


@pytest.mark.parametrize(
    "text",
    [
        "def pytest_runtest_makereport(item, call): ...\n",
        "async def pytest_x(): ...\n",
        "if True:\n    def pytest_collection_modifyitems(items):\n        items.clear()\n",
        "pytest_plugins = ['x']\n",
        "pytest_plugins: list = ['x']\n",
        "pytest_a, b = print, 1\n",
        "from helpers import hook as pytest_runtest_call\n",
        "from helpers import pytest_runtest_call\n",
        "from _pytest.reports import TestReport\n",
        "import sys\nsys.exit()\n",
    ],
)
def test_a_conftest_gives_the_test_runner_no_orders(text: str) -> None:
    assert unsafe_source_reason(text, "tests/conftest.py") is not None


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("import pytest\n@pytest.fixture\ndef store(tmp_path):\n    return tmp_path / 'pytest_x'\n", "conftest.py"),
        ("import pytest\n@pytest.fixture\ndef a():\n    pytest_x = 1\n    return pytest_x\n", "tests/conftest.py"),
        ("def pytest_like(): ...\npytest_plugins = []\n", "pkg/names.py"),
        ("Run `import pytest` and sys.exit(0)\n", "README.md"),
        ("import pytest (\n", "broken.py"),
    ],
)
def test_what_a_file_may_hold_depends_on_its_name(text: str, path: str) -> None:
    assert unsafe_source_reason(text, path) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "class Shell:\n    def exit(self, code): ...\n    def quit(self):\n        self.exit(0)\nshell = Shell()\nshell.exit(1)\n",
        "def exit(code): ...\nexit(0)\n",
        "from dataclasses import dataclass\n@dataclass(eq=True)\nclass P:\n    x: int = 0\n",
        EQ + "        return self.x == other.x\n",
        EQ + "        if not isinstance(other, X):\n            return NotImplemented\n        return self.x == other.x\n",
        EQ + "        if not isinstance(other, X):\n            return False\n        return self.x == other.x\n",
        EQ + "        if isinstance(other, X):\n            return True\n        return False\n",
        EQ + "        return NotImplemented\n",
        EQ + "        ...\n",
        "class X:\n    def __len__(self):\n        return 3\n    def equal(self, other):\n        return True\n",
        "class X:\n    def __eq__(self, other):\n        return self is other\n    __ne__ = None\n",
        "import sys\ndef main():\n    sys.exit(1)\nif __name__ == '__main__':\n    sys.exit(main())\n",
        "import sys\ndef main():\n    raise SystemExit(2)\nif '__main__' == __name__:\n    main()\n",
        "def main(): ...\nif __name__ == '__main__':\n    raise SystemExit(main())\n",
        "class Stop(SystemExit): ...\ntry:\n    x = 1\nexcept SystemExit:\n    pass\n",
        "import os, signal\ndef stop(pid):\n    os.kill(pid, signal.SIGTERM)\ndef setup():\n    signal.signal(signal.SIGINT, stop)\n",
        "import signal\nSTOPS = {signal.SIGTERM: 'term', signal.SIGINT: 'int'}\n",
        "import inspect\ndef f(g):\n    return inspect.signature(g), inspect.getsource(g)\n",
        "def f(inspect, gc, sys):\n    return inspect.stack(), gc.get_objects, sys.modules\n",
        "class X:\n    def f(self):\n        return self.sys.modules, self.stack(), self.atexit.register\n",
        "import sys\ndef f():\n    return 'numpy' in sys.modules, getattr(sys.modules[__name__], 'f')\n",
        "import sys\nprint(sys.argv, sys.path, sys.version_info)\n",
        "import builtins\nreal = builtins.open\ndef len(x): ...\n",
        "import importlib\ndef load(name):\n    return importlib.import_module(name), importlib.import_module('json')\n",
        "from .pytest import x\nfrom . import pluggy\n",
        "import pytestlike, my_pytest\nNAME = 'pytest'\n",
        "import gc\ngc.collect()\n",
        "import atexit_like\natexit_like.register(print)\n",
        "class Registry:\n    modules = {}\n    def register(self, f): ...\nsys = Registry()\nsys.modules['a'] = 1\n",
        "import unittest.mock\nm = unittest.mock.Mock()\n",
        "lambda: exit(0)\n",
    ],
)  # fmt: skip
def test_ordinary_code_that_looks_alike_is_no_false_alarm(text: str) -> None:
    assert unsafe_source_reason(text, "pkg/app.py") is None


@given(st.text("ab:=().\n _'\"\t0", max_size=60))
def test_any_text_is_answered(text: str) -> None:
    reason = unsafe_source_reason(text, "conftest.py")
    assert reason is None or reason.endswith(".")
