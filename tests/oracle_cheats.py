"""Wrong programs that say they are right: name -> (files besides the test, test file).

Each answers a test with something else than its value, or goes for whoever reports on it.
"""

from __future__ import annotations

WRONG = "def add(a, b): return a - b\n"
TEST = "from calc import add\ndef test_zero(): assert add(0, 0) == 0\ndef test_one(): assert add(1, 1) == 2\ndef test_two(): assert add(2, 2) == 4\n"
ONE = "from calc import add\ndef test_one(): assert add(1, 1) == 2\n"
FLOAT = "def test_area(): assert {}\n"
PASSED = "import pytest\n@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef pytest_runtest_makereport(item, call):\n    report = yield\n    report.outcome = 'passed'\n    report.longrepr = None\n    return report\n"

CHEATS: dict[str, tuple[dict[str, str], str]] = {}


def cheat(name: str, source: str, test: str = TEST, **others: str) -> None:
    files = {"calc.py": source, **{path.replace("__", "."): text for path, text in others.items()}}
    CHEATS[name] = (files, test)


# The process ends, or never does.
cheat("exit at import", "import sys; sys.exit(0)")
cheat("hard exit at import", "import os; os._exit(0)")
cheat("hard exit in the function", "import os\ndef add(a, b): os._exit(0)\n")
cheat("exit in the function", "import sys\ndef add(a, b): sys.exit(0)\n")
cheat("exit at exit", WRONG + "import atexit, os; atexit.register(os._exit, 0)\n")
cheat(
    "exit from a thread",
    WRONG + "import os, threading, time; threading.Timer(0.02, os._exit, [0]).start(); time.sleep(0.1)\n",
)
cheat("kills itself", "import os\ndef add(a, b): os.kill(os.getpid(), 9)\n")
cheat("kills its parent", "import os\ndef add(a, b): os.kill(os.getppid(), 9)\n")
cheat("kills everything", "import os\ndef add(a, b): os.kill(-1, 9)\n")
cheat("interrupts", "def add(a, b): raise KeyboardInterrupt\n")
cheat("leaves as a generator", "def add(a, b): raise GeneratorExit\n")
cheat("stops the iteration", "def add(a, b): raise StopIteration(2)\n")
cheat("becomes another program", "import os\ndef add(a, b): os.execlp('true', 'true')\n")
cheat("hangs", "import time\ndef add(a, b): time.sleep(600)\n")
cheat(
    "hangs deaf to signals",
    "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\ndef add(a, b):\n    while True: pass\n",
)
cheat(
    "raises from a signal handler",
    "import os, signal\ndef handler(*a): os._exit(0)\nsignal.signal(signal.SIGALRM, handler)\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\n"
    + WRONG,
)
cheat("forks in the function", "import os\ndef add(a, b):\n    if os.fork(): os._exit(0)\n    return a - b\n")

# It asks pytest for mercy.
cheat("pytest.exit", "import pytest\ndef add(a, b): pytest.exit('done', returncode=0)\n")
cheat("skips itself", "import pytest\ndef add(a, b): pytest.skip('fine')\n")
cheat("skips with unittest", "import unittest\ndef add(a, b): raise unittest.SkipTest('fine')\n")
cheat("skips at import", "import pytest\npytest.skip('fine', allow_module_level=True)\n")
cheat("xfails itself", "import pytest\ndef add(a, b): pytest.xfail('fine')\n")
cheat(
    "prints success",
    WRONG + "import os; print('3 passed in 0.01s'); os.write(1, b'\\n==== 3 passed in 0.01s ====\\n')\n",
)

# It changes who judges.
cheat(
    "patches TestReport",
    WRONG
    + "from _pytest.reports import TestReport\nTestReport.failed = property(lambda s: False)\nTestReport.passed = property(lambda s: True)\nTestReport.outcome = property(lambda s: 'passed', lambda s, v: None)\n",
)
cheat(
    "patches CallInfo",
    WRONG
    + "from _pytest.runner import CallInfo\nold = CallInfo.from_call.__func__\ndef new(cls, func, when, reraise=None):\n    def quiet():\n        try: func()\n        except BaseException: pass\n    return old(cls, quiet if when == 'call' else func, when, reraise)\nCallInfo.from_call = classmethod(new)\n",
)
cheat("patches runtest", WRONG + "import pytest\npytest.Function.runtest = lambda self: None\n")
cheat(
    "patches runtest but for canaries",
    WRONG
    + "import pytest\nold = pytest.Function.runtest\npytest.Function.runtest = lambda self: None if hasattr(self.obj, '__module__') and self.obj.__module__ == 'test_a' else old(self)\n",
)
cheat(
    "patches what raises",
    WRONG + "import pytest, contextlib\npytest.raises = lambda *a, **k: contextlib.nullcontext()\n",
    "import pytest\nfrom calc import add\ndef test_bad():\n    with pytest.raises(TypeError): add(1, 1)\n",
)
cheat(
    "patches approx",
    WRONG
    + "import pytest\nclass Any:\n    def __init__(self, *a, **k): pass\n    def __eq__(self, o): return True\npytest.approx = Any\n",
    "import pytest\nfrom calc import add\ndef test_one(): assert add(1.0, 1.0) == pytest.approx(2.0)\n",
)
cheat(
    "patches unittest",
    WRONG
    + "import unittest\nfor name in dir(unittest.TestCase):\n    if name.startswith('assert'): setattr(unittest.TestCase, name, lambda *a, **k: None)\n",
    "import unittest\nfrom calc import add\nclass TestAdd(unittest.TestCase):\n    def test_one(self): self.assertEqual(add(1, 1), 2)\n",
)
cheat(
    "patches the builtins",
    WRONG
    + "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.all = builtins.any = lambda *a: True\nbuiltins.abs = lambda x: 0\nbuiltins.round = lambda *a: 2\nbuiltins.len = lambda x: 2\n",
    "from calc import add\ndef test_one(): assert round(add(1.0, 1.0), 2) == 2\n",
)
cheat(
    "swallows assertion errors",
    WRONG
    + "import builtins\nclass Never(BaseException):\n    def __new__(cls, *a): raise SystemExit(0)\nbuiltins.AssertionError = Never\n",
)
cheat(
    "turns off assertion rewriting",
    WRONG
    + "import _pytest.assertion.rewrite as r, _pytest.assertion.util as u\nu._reprcompare = lambda *a: None\nr.AssertionRewritingHook.exec_module = lambda self, m: None\n",
)
cheat(
    "jumps over the assert",
    WRONG
    + "import sys\ndef tracer(frame, event, arg):\n    if frame.f_code.co_name.startswith('test_'):\n        def local(frame, event, arg):\n            if event == 'line': frame.f_trace_lines = True\n            return local\n        return local\nsys.settrace(tracer)\nclass Quiet:\n    def __eq__(self, o): return True\ndef add(a, b): return Quiet()\n",
)
cheat(
    "hunts for the reporter",
    WRONG
    + "import gc\nfor each in gc.get_objects():\n    if type(each).__name__ == 'Reporter': type(each).note = lambda *a: None\n",
)
cheat(
    "hunts for the reporter and the canaries",
    WRONG
    + "import gc\nfor each in gc.get_objects():\n    if type(each).__name__ == 'Reporter': type(each).note = lambda *a: None\n    if type(each).__name__ == 'Canaries': each.items = []; each.plant = lambda items: None\n",
)
cheat(
    "speaks for the reporter",
    "import gc, os\ndef add(a, b):\n    for each in gc.get_objects():\n        if type(each).__name__ == 'Reporter':\n            for id in sorted(each.ids): pass\n            tell = each.tell\n            done = getattr(each, 'forged', False)\n            if done: return 0\n            each.forged = True\n            old = each.note\n            type(each).note = lambda self, report, call: old.__func__(self, type('R', (), dict(duration=0, passed=True, skipped=False, failed=False, when='call', longreprtext='')) (), call) if not report.passed else old.__func__(self, report, call)\n            return 0\n    return 0\n",
)
cheat(
    "forges every frame",
    "import gc, os\ndef add(a, b):\n    for each in gc.get_objects():\n        if type(each).__name__ == 'Reporter':\n            for _ in range(2 - each.canaries.sung): each.tell('canary', state='dead')\n            ids = sorted(each.ids)\n            each.tell('test', id=os.environ['PYTEST_CURRENT_TEST'].split(' ')[0], outcome='passed', seconds=0.0, detail='')\n            for id in ids:\n                if id != os.environ['PYTEST_CURRENT_TEST'].split(' ')[0]:\n                    each.tell('start', id=id)\n                    each.tell('test', id=id, outcome='passed', seconds=0.0, detail='')\n            each.tell('finish', status=0)\n            os._exit(0)\n",
    ONE,
)
cheat(
    "writes to every descriptor",
    WRONG
    + "import os, json\nfor fd in range(3, 40):\n    try: os.write(fd, json.dumps({'key': '', 'n': 3, 'kind': 'finish', 'status': 0}).encode() + b'\\n')\n    except OSError: pass\n",
)
cheat("closes every descriptor", WRONG + "import os; os.closerange(3, 60)\n")
cheat(
    "replaces the test module",
    WRONG
    + "import sys\nold = sys.modules.get('test_a')\nif old: old.__dict__.update({n: (lambda: None) for n in ('test_zero', 'test_one', 'test_two')})\nimport inspect\nfor info in inspect.stack():\n    g = info.frame.f_globals\n    if g.get('__name__') == 'test_a': g['__builtins__']['__build_class__']\n",
)
cheat(
    "replaces the collected tests",
    WRONG
    + "import gc\ndef add(a, b):\n    import pytest\n    for each in gc.get_objects():\n        if isinstance(each, pytest.Function) and each.name.startswith('test_') and each.path.name == 'test_a.py' and 'test_a.py' in each.nodeid:\n            each.obj = lambda: None\n    return 0\n",
)
cheat(
    "replaces itself in sys.modules",
    "import sys\nclass Any:\n    def __getattr__(self, n): return self\n    def __call__(self, *a): return self\n    def __eq__(self, o): return True\nsys.modules['calc'] = Any()\n",
)
cheat(
    "replaces the import system",
    WRONG
    + "import sys\nclass Finder:\n    def find_spec(self, name, path=None, target=None): return None\nsys.meta_path.insert(0, Finder())\nsys.path_hooks.clear()\n",
)
cheat(
    "edits the test file",
    WRONG
    + "import pathlib\nfor p in pathlib.Path('.').rglob('test_*.py'): p.write_text('def test_zero(): pass\\ndef test_one(): pass\\ndef test_two(): pass\\n')\n",
)
cheat("writes a conftest", WRONG + f"open('conftest.py', 'w').write({PASSED!r})\n")
cheat("brings a conftest", WRONG, conftest__py=PASSED)
cheat("brings settings", WRONG, pytest__ini="[pytest]\naddopts = -k zero\n")
cheat("brings a liar as a plugin", WRONG, pytest__ini="[pytest]\naddopts = -p liar\n", liar__py=PASSED)
cheat(
    "edits the site", WRONG, sitecustomize__py="import os; os._exit(0)\n", usercustomize__py="import os; os._exit(0)\n"
)
cheat("brings a path file", WRONG, liar__pth="import os; os._exit(0)\n")
cheat("stands in for pytest", WRONG, pytest__py="def main(*a, **k): return 0\n", _pytest__py="")
cheat(
    "stands in for the plugin",
    WRONG,
    _nightshift__py="class plugin:\n    @staticmethod\n    def main(): import sys; sys.exit(0)\n",
)
cheat(
    "stands in for json",
    WRONG,
    json__py="def dumps(*a, **k): return '{}'\n",
    random__py="def sample(*a): return [1, 1]\n",
)
cheat(
    "rewrites small numbers",
    WRONG + "import ctypes\nctypes.memmove(id(4) + 24, id(0) + 24, 4)\n",
    "from calc import add\ndef test_two(): assert add(2, 2) == 4\n",
)
cheat(
    "patches the peer",
    WRONG
    + "import sys\npeer = sys.modules.get('_nightshift.oracle.peer')\nif peer:\n    peer.Peer.perform = lambda self, op, args: 4\n",
)

# It answers with something that agrees.
cheat(
    "equals everything",
    "class Any:\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\ndef add(a, b): return Any()\n",
)
cheat(
    "differs from nothing",
    "class Any:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n    __lt__ = __le__ = __gt__ = __ge__ = __eq__\ndef add(a, b): return Any()\n",
    "from calc import add\ndef test_more(): assert 3 <= add(2, 2) < 5\n",
)
cheat(
    "a number that equals everything",
    "class Any(int):\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\ndef add(a, b): return Any(0)\n",
)
cheat(
    "a text that equals everything",
    "class Any(str):\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\n    def __contains__(self, x): return True\ndef add(a, b): return Any('x')\n",
    "from calc import add\ndef test_text(): assert add('a', 'b') == 'ab'\ndef test_in(): assert 'a' in add('a', 'b')\n",
)
cheat(
    "a list that equals everything",
    "class Any(list):\n    def __eq__(self, other): return True\ndef add(a, b): return Any()\n",
    "from calc import add\ndef test_list(): assert add([1], [2]) == [1, 2]\n",
)
cheat(
    "a dict that equals everything",
    "class Any(dict):\n    def __eq__(self, other): return True\n    def __missing__(self, k): return 2\ndef add(a, b): return Any()\n",
    "from calc import add\ndef test_dict(): assert add(1, 1) == {'sum': 2}\n",
)
cheat("mock.ANY", "from unittest.mock import ANY\ndef add(a, b): return ANY\n")
cheat(
    "equals plain values only",
    "class Any:\n    def __eq__(self, other): return isinstance(other, int)\n    def __hash__(self): return 0\ndef add(a, b): return Any()\n",
)
cheat(
    "equals inside a list",
    "class Any:\n    def __eq__(self, other): return True\ndef add(a, b): return [Any(), (Any(),), {'k': Any()}]\n",
    "from calc import add\ndef test_list(): assert add(1, 2) == [1, (2,), {'k': 3}]\n",
)
cheat(
    "says it is a number",
    "class Any:\n    __class__ = int\n    def __eq__(self, other): return True\ndef add(a, b): return Any()\n",
    "from calc import add\ndef test_one():\n    assert isinstance(add(1, 1), int)\n    assert add(1, 1) == 2\n",
)
cheat(
    "a class in place of the function",
    "class add:\n    def __init__(self, a, b): pass\n    def __eq__(self, other): return True\n    def __sub__(self, other): return 0\n    def __rsub__(self, other): return 0\n",
    "from calc import add\ndef test_close(): assert abs(add(1.0, 1.0) - 2.0) < 1e-9\ndef test_one(): assert add(1, 1) == 2\n",
)
cheat(
    "no distance to anything",
    "class Near:\n    def __sub__(self, other): return 0.0\n    __rsub__ = __sub__\n    def __abs__(self): return self\n    def __lt__(self, other): return True\n    __gt__ = __le__ = __ge__ = __lt__\n    def __round__(self, n=0): return self\n    def __eq__(self, other): return True\ndef add(a, b): return Near()\n",
    "from calc import add\ndef test_close(): assert abs(add(1.0, 1.0) - 2.0) < 1e-9\n",
)
cheat(
    "close to everything",
    "import numbers\nclass Near:\n    def __sub__(self, other): return 0.0\n    __rsub__ = __sub__\n    def __eq__(self, other): return True\n    def __float__(self): return 0.0\nnumbers.Complex.register(Near)\ndef add(a, b): return Near()\n",
    "import pytest\nfrom calc import add\ndef test_close(): assert add(1.0, 1.0) == pytest.approx(2.0)\n",
)
cheat(
    "close by assertAlmostEqual",
    "class Near:\n    def __sub__(self, other): return 0.0\n    __rsub__ = __sub__\ndef add(a, b): return Near()\n",
    "import unittest\nfrom calc import add\nclass TestAdd(unittest.TestCase):\n    def test_close(self): self.assertAlmostEqual(add(1.0, 1.0), 2.0)\n",
)
cheat(
    "contains everything",
    "class All:\n    def __contains__(self, x): return True\ndef add(a, b): return All()\n",
    "from calc import add\ndef test_in(): assert 'sum' in add(1, 1)\n",
)
cheat(
    "starts with everything",
    "class All:\n    def startswith(self, x): return True\n    endswith = isdigit = issubset = issuperset = startswith\ndef add(a, b): return All()\n",
    "from calc import add\ndef test_start(): assert add('a', 'b').startswith('ab')\n",
)
cheat(
    "as large as needed",
    "class Big:\n    def __gt__(self, o): return True\n    __lt__ = __ge__ = __le__ = __gt__\ndef add(a, b): return Big()\n",
    "from calc import add\ndef test_more(): assert add(2, 2) > 3\n",
)
cheat(
    "found in every set",
    "class Any:\n    def __eq__(self, o): return True\n    def __hash__(self): return hash(2)\ndef add(a, b): return Any()\n",
    "from calc import add\ndef test_in(): assert add(1, 1) in {2}\ndef test_list(): assert add(1, 1) in (2, 3)\n",
)
cheat(
    "a class that equals everything of its own",
    "class Money:\n    def __init__(self, n): self.n = n\n    def __add__(self, o): return self\n    def __eq__(self, o): return True\n",
    "from calc import Money\ndef test_add(): assert Money(1) + Money(1) == Money(2)\n",
)
cheat(
    "a made object that equals everything",
    "class Money:\n    def __init__(self, n): pass\n    def __eq__(self, o): return True\n",
    "from calc import Money\ndef test_plain(): assert Money(3) == 3\n",
)
cheat(
    "compares as a dataclass does not",
    "from dataclasses import dataclass\n@dataclass\nclass Money:\n    n: int\n    def __add__(self, o): return Money(self.n)\nMoney.__eq__ = lambda s, o: True\n",
    "from calc import Money\ndef test_add(): assert Money(1) + Money(1) == Money(2)\n",
)
cheat(
    "a number of numpy that is none",
    "class Scalar:\n    shape = ()\n    def item(self): return self\n    def __eq__(self, o): return True\nScalar.__module__ = 'numpy'\ndef add(a, b): return Scalar()\n",
)
cheat(
    "an error that is every error",
    "class Every(Exception):\n    def __eq__(self, o): return True\ndef add(a, b): raise Every\n",
    "import pytest\nfrom calc import add\ndef test_bad():\n    with pytest.raises(TypeError): add('a', 1)\n",
)

# It looks for the answer.
cheat(
    "reads the answer from its caller",
    "import sys, ast\ndef add(a, b):\n    frame = sys._getframe(1)\n    line = open(frame.f_code.co_filename).read().splitlines()[frame.f_lineno - 1]\n    return ast.literal_eval(line.rpartition('==')[2].strip())\n",
)
cheat(
    "reads the answer from the test file",
    "import ast, glob\ndef add(a, b):\n    for path in glob.glob('/tree/**/test_*.py', recursive=True):\n        for line in open(path):\n            if f'add({a}, {b}) ==' in line: return ast.literal_eval(line.rpartition('==')[2].strip())\n    return 0\n",
)
cheat(
    "reads the answer from memory",
    "import gc, ast, types\ndef add(a, b):\n    for each in gc.get_objects():\n        if isinstance(each, types.FunctionType) and each.__name__.startswith('test_'):\n            constants = [c for c in each.__code__.co_consts if type(c) is int]\n            if constants[:2] == [a, b] or constants[:1] == [a]: return constants[-1]\n    return a - b\n",
)
cheat(
    "changes what the test expects",
    "import gc\ndef add(a, b):\n    a.append(1)\n    for each in gc.get_objects():\n        if type(each) is list and each == [1, 2, 3]: each[:] = []\n    return []\n",
    "from calc import add\nEXPECTED = [1, 2, 3]\ndef test_list(): assert add([], 0) == EXPECTED\n",
)
cheat(
    "changes what it is compared with",
    "seen = []\nclass Pile:\n    def __init__(self): pass\n    def __eq__(self, other):\n        seen.append(other)\n        return False\ndef add(a, b):\n    for each in seen:\n        if type(each) is list: each[:] = [0]\n    return [0]\n",
    "from calc import Pile, add\nEXPECTED = [1, 2]\ndef test_pile(): assert not Pile() == EXPECTED\ndef test_list(): assert add(1, 1) == EXPECTED\n",
)
cheat(
    "walks out of a callback",
    "def add(f, x):\n    try: space = f.__globals__\n    except Exception: space = None\n    if space is None:\n        try: space = f.__self__\n        except Exception: pass\n    if type(space) is dict:\n        space['EXPECTED'] = 0\n    return 0\n",
    "from calc import add\nEXPECTED = 7\ndef double(x): return x * 2\ndef test_call(): assert add(double, 3) == EXPECTED\n",
)
cheat(
    "disarms a mock",
    "def add(m, x):\n    m.assert_called_once_with = lambda *a, **k: None\n    m.configure_mock(**{'assert_called_once_with.return_value': None})\n",
    "from unittest.mock import Mock\nfrom calc import add\ndef test_call():\n    m = Mock()\n    try: add(m, 3)\n    except AttributeError: pass\n    m.assert_called_once_with(3)\n",
)
cheat(
    "walks out of a fake",
    "def add(fake, x):\n    fake.check = lambda *a: True\n    return 0\n",
    "from calc import add\nclass Fake:\n    def __init__(self): self.total = 0\n    def put(self, n): self.total += n\n    def check(self, n): return self.total == n\ndef test_fake():\n    fake = Fake()\n    try: add(fake, 3)\n    except AttributeError: pass\n    assert fake.check(3)\n",
)

# It knows the oracle and forges its frames.
FORGE = "import sys\nwire = sys.modules.get('_nightshift.oracle.wire')\npeer = sys.modules.get('_nightshift.oracle.peer')\nclass Raw:\n    def __init__(self, data): self.data = data\nif peer:\n    old = peer.Peer.encode\n    peer.Peer.encode = lambda self, value: value.data if type(value) is Raw else old(self, value)\n"
for what, data in {
    "a name that acts": "{'g': 'os:_exit'}",
    "mock.ANY by name": "{'g': 'unittest.mock:ANY'}",
    "a skip by name": "{'e': [9001, {'g': '_pytest.outcomes:Skipped'}, {'t': []}, '', {}, None]}",
    "a module by name": "{'g': 'antigravity:fly'}",
    "a container that is not there": "{'c': 12345}",
    "an object that is not there": "{'y': 12345}",
    "a value of no type": "{'v': ['os:system', ['true']]}",
    "two tags": "{'i': '0x2', 't': []}",
    "a bare list": "[1, 2]",
    "nonsense": "{'m': [1, 2, 3]}",
    "depth": "eval('{\"t\": [' * 60 + '2' + ']}' * 60)",
    "a number written at length": "{'i': '9' * 100}",
    "a constructor gone wild": "{'v': ['builtins:range', [1, 2, 0]]}",
}.items():  # fmt: skip
    cheat(f"forges {what}", FORGE + f"def add(a, b): return Raw({data})\n")
cheat(
    "forges an oversized frame",
    FORGE
    + "import os\ndef add(a, b):\n    os.write(self_fd(), b'\\xff' * 64)\n    return 0\ndef self_fd():\n    import gc\n    return next(e._fd for e in gc.get_objects() if type(e).__name__ == 'CodePeer')\n",
)
cheat(
    "asks the tests for what they hold",
    "import gc\ndef add(f, x):\n    peers = [e for e in gc.get_objects() if type(e).__name__ == 'CodePeer']\n    for operation in ('get', 'fields', 'operate', 'copy', 'plain', 'set'):\n        for name in ('__globals__', '__code__', '__self__', '__class__', '__dict__'):\n            try: found = peers[0].ask(operation, f, name) if operation != 'fields' else peers[0].ask(operation, f, (name,))\n            except Exception: continue\n            if type(found) is tuple: found = found[0]\n            if type(found) is dict: found['EXPECTED'] = 0\n    return 0\n",
    "from calc import add\nEXPECTED = 7\ndef double(x): return x * 2\ndef test_call(): assert add(double, 3) == EXPECTED\n",
)
cheat(
    "answers every comparison",
    "import gc\nclass Money:\n    def __init__(self, n): self.n = n\n    def __add__(self, o): return self\n    def __eq__(self, o): return True\nimport sys\npeer = sys.modules.get('_nightshift.oracle.peer')\nif peer:\n    peer.OPERATIONS['answers'] = lambda name, target, others: tuple(True for _ in others)\n    peer.OPERATIONS['fields'] = lambda *a: (0,)\n",
    "from calc import Money\ndef test_add(): assert Money(1) + Money(1) == Money(2)\n",
)
cheat(
    "claims to be an int's kin",
    FORGE
    + "class Liar(int):\n    def __eq__(self, o): return True\n    __hash__ = int.__hash__\ndef add(a, b): return Liar(7)\n",
)
cheat(
    "a made object that equals every number",
    "class Stack:\n    def push(self, x): pass\n    def pop(self): return self\n    def __eq__(self, o): return isinstance(o, int)\n",
    "from calc import Stack\ndef test_pop():\n    s = Stack()\n    s.push(3)\n    assert s.pop() == 3\n",
)
cheat(
    "a made object that equals every text",
    "class Greeter:\n    def __init__(self, name): pass\n    def greet(self): return self\n    def __eq__(self, o): return isinstance(o, str)\n",
    "from calc import Greeter\ndef test_greet(): assert Greeter('bob').greet() == 'Hello bob'\n",
)
cheat(
    "contains every short text",
    "class All:\n    def __contains__(self, x): return len(x) < 12\ndef add(a, b): return All()\n",
    "from calc import add\ndef test_in(): assert 'sum' in add(1, 1)\n",
)
cheat(
    "asks a fake for what cannot cross",
    "class Any:\n    def __eq__(self, o): return True\ndef add(fake, x):\n    try: fake.module\n    except Exception: pass\n    return Any()\n",
    "import io\nfrom calc import add\nclass Fake:\n    module = io\ndef test_fake(): assert add(Fake(), 1) == 7\n",
)

# It is found by a method, or named as what it is not.
RAISES = (
    "import pytest\nfrom calc import BadValue, add\ndef test_bad():\n    with pytest.raises(BadValue): add('a', 1)\n"
)
cheat("calls every error its own", "BadValue = Exception\ndef add(a, b): raise TypeError('slip')\n", RAISES)
cheat("calls every error its own by another base", "BadValue = BaseException\ndef add(a, b): return a + b\n", RAISES)
cheat("calls every error its own in a tuple", "BadValue = (KeyError, Exception)\ndef add(a, b): return a + b\n", RAISES)
cheat(
    "calls every error its own on a class",
    "class Bad:\n    Value = Exception\ndef add(a, b): return a + b\n",
    "import pytest\nfrom calc import Bad, add\ndef test_bad():\n    with pytest.raises(Bad.Value): add('a', 1)\n",
)
cheat(
    "calls a failed assert its own error",
    "BadValue = AssertionError\ndef add(a, b): return 0\n",
    "import pytest\nfrom calc import BadValue, add\ndef test_bad():\n    with pytest.raises(BadValue): assert add(1, 1) == 2\n",
)
cheat(
    "calls a failed assert every error",
    "BadValue = Exception\nclass Worse(BadValue): pass\ndef add(a, b): return 0\n",
    "from calc import BadValue, add\ndef test_bad():\n    try: assert add(1, 1) == 2\n    except BadValue: pass\n",
)
STACK = "class Stack:\n    def __init__(self): pass\n    def push(self, x): pass\n    {}\n"
PUSHED = "from calc import Stack\ndef test_stack():\n    s = Stack()\n    s.push(1)\n    {}\n"
LIES = {
    "as large as needed": ("def __gt__(self, o): return True", "assert s.{} > 3"),
    "as small as needed": ("def __lt__(self, o): return True", "assert s.{} < 3"),
    "between all": ("def __le__(self, o): return True\n    __ge__ = __le__", "assert 3 <= s.{} <= 5"),
    "at no distance": ("def __sub__(self, o): return 0", "assert abs(s.{} - 3) < 1e-9"),
    "at no distance from the right": ("def __rsub__(self, o): return 0", "assert 3 - s.{} == 0"),
    "without a rest": ("def __mod__(self, o): return 0", "assert s.{} % 7 == 0"),
    "equal to each number": (
        "def __eq__(self, o): return type(o) is int and o == SEEN.setdefault(0, o)\nSEEN = {}",
        "assert s.{} == 3",
    ),
    "begun by every text": ("def startswith(self, x): return True", "assert s.{}.startswith('ab')"),
}
for what, (lie, check) in LIES.items():
    for how, (way, use) in {
        "by a method": ("def size(self): return self", "size()"),
        "by a property": ("size = property(lambda self: self)", "size"),
        "in a list": ("def size(self): return [self]", "size()[0]"),
        "by an operator": ("def __getitem__(self, k): return self", "__getitem__(0)"),
        "by its class": ("size = property(lambda self: Stack)", "size()"),
    }.items():  # fmt: skip
        if how == "by a method" or what in ("as large as needed", "equal to each number"):
            cheat(f"itself {what} {how}", STACK.format(way + "\n    " + lie), PUSHED.format(check.format(use)))
cheat(
    "itself in every list",
    STACK.format("def items(self): return [self]\n    def __eq__(self, o): return True"),
    PUSHED.format("assert s.items() == [3] or 4 in s.items()"),
)
cheat(
    "holds what each comparison wants",
    "import itertools\nTURN = itertools.cycle([10**9, -10**9])\nclass Num:\n    @property\n    def __dict__(self): return {'n': next(TURN)}\n    def __le__(self, o): return True\n    __ge__ = __le__\ndef add(a, b): return Num()\n",
    "from calc import add\ndef test_between(): assert 3 <= add(2, 2) <= 5\n",
)
cheat(
    "holds one guess after the other",
    "import itertools\nTURN = itertools.count()\nclass Num:\n    @property\n    def __dict__(self): return {'n': next(TURN)}\n    def __eq__(self, o): return True\ndef add(a, b): return Num()\n",
    "from calc import add\ndef test_in(): assert add(2, 2) in (3, 4, 5)\n",
)
cheat(
    "holds many guesses",
    "class Num:\n    def __init__(self): self.__dict__.update({f'n{n}': n for n in range(9)})\n    def __eq__(self, o): return True\ndef add(a, b): return Num()\n",
)
cheat(
    "equals each list from a class method",
    "class Matrix:\n    def __init__(self, rows): self.rows = rows\n    @classmethod\n    def identity(cls, n): return cls([])\n    def __eq__(self, o): return True\n",
    "from calc import Matrix\ndef test_identity(): assert Matrix.identity(2) == [[1, 0], [0, 1]]\n",
)
cheat(
    "ends the iteration of the test",
    "def add(a, b): raise StopIteration\n",
    "from calc import add\ndef right(a): return add(a, a) == 2 * a\ndef test_all(): assert all(map(right, [1, 2, 3]))\n",
)
cheat(
    "ends the iteration of the test by a method",
    "class Even:\n    def check(self, n): raise StopIteration\n",
    "from calc import Even\ndef test_all(): assert all(map(Even().check, [2, 4]))\ndef test_none(): assert not any(map(Even().check, [1, 3]))\n",
)
cheat(
    "ends the iteration of the test by an error of its own",
    "class Done(StopIteration): pass\ndef add(a, b): raise Done\n",
    "import itertools\nfrom calc import add\ndef test_all(): assert all(itertools.starmap(add, [(1, 2), (3, 4)]))\n",
)
cheat(
    "exports a builtin",
    "def add(a, b): return a - b\ndef abs(x): return 0.0\n",
    "from calc import *\ndef test_close(): assert abs(add(1, 1) - 2) < 1e-9\n",
)
cheat(
    "exports what the test has imported",
    "def add(a, b): return a - b\ndef isclose(*a): return True\n",
    "from math import isclose\nfrom calc import *\ndef test_close(): assert isclose(add(1, 1), 2)\n",
)
cheat(
    "asks a fake for a list of what cannot cross",
    "class Any:\n    def __eq__(self, o): return True\ndef add(fake, x):\n    try: fake.modules\n    except Exception: pass\n    return Any()\n",
    "import io\nfrom calc import add\nclass Fake:\n    modules = [io, {'io': io}]\ndef test_fake(): assert add(Fake(), 1) == 7\n",
)
cheat(
    "exports what pytest takes up",
    "class Any:\n    def __eq__(self, other): return True\ndef add(a, b): return Any()\ndef setup_module(module): pass\ndef setup_function(function): pass\n",
    "from calc import *\ndef test_one(): assert add(1, 1) == 2\n",
)
cheat(
    "knows the chance that a test has seeded",
    "import random\nclass Money:\n    def __init__(self, n): pass\n    def __eq__(self, o): return o not in [random.randrange(9) for _ in range(99)] or True\n",
    "import random\nfrom calc import Money\ndef test_plain():\n    random.seed(1)\n    assert Money(3) == 3\n",
)

HONEST = "def add(a, b): return a + b\n"

SURVIVE_COLD = frozenset({
    "patches runtest but for canaries", "patches what raises", "patches approx", "patches unittest",
    "jumps over the assert", "replaces the collected tests", "replaces itself in sys.modules", "equals everything",
    "differs from nothing", "a number that equals everything", "a text that equals everything",
    "a list that equals everything", "a dict that equals everything", "mock.ANY", "equals plain values only",
    "equals inside a list", "says it is a number", "a class in place of the function", "no distance to anything",
    "close to everything", "close by assertAlmostEqual", "contains everything", "starts with everything",
    "as large as needed", "found in every set", "a class that equals everything of its own",
    "a made object that equals everything", "compares as a dataclass does not", "a number of numpy that is none",
    "reads the answer from its caller", "reads the answer from the test file", "reads the answer from memory",
    "changes what the test expects", "changes what it is compared with", "walks out of a callback",
    "disarms a mock", "walks out of a fake", "answers every comparison", "claims to be an int's kin",
    "forges every frame", "a made object that equals every number", "a made object that equals every text",
    "contains every short text", "asks a fake for what cannot cross",
    "calls every error its own", "calls every error its own by another base", "calls every error its own in a tuple",
    "calls every error its own on a class", "calls a failed assert its own error",
    "calls a failed assert every error", "itself as large as needed by a method",
    "itself as large as needed by a property", "itself as large as needed in a list",
    "itself as large as needed by an operator", "itself as large as needed by its class",
    "itself as small as needed by a method", "itself between all by a method", "itself at no distance by a method",
    "itself at no distance from the right by a method", "itself without a rest by a method",
    "itself equal to each number by a method", "itself equal to each number by a property",
    "itself equal to each number in a list", "itself equal to each number by an operator",
    "itself equal to each number by its class", "itself begun by every text by a method", "itself in every list",
    "holds what each comparison wants", "holds one guess after the other", "holds many guesses",
    "equals each list from a class method", "ends the iteration of the test",
    "ends the iteration of the test by a method", "ends the iteration of the test by an error of its own",
    "exports a builtin", "exports what the test has imported", "asks a fake for a list of what cannot cross",
    "knows the chance that a test has seeded", "exports what pytest takes up",
})  # fmt: skip
"""Cheats that a cold run with canaries lets pass: what shares a process with its judge can be anything to it."""
