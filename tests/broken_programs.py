"""Small programs, each broken in one way that small models break them; a check that a right one passes; the fixer's name."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Broken:
    name: str
    fixer: str
    text: str
    check: str
    """A script; the broken file is `shop.py` unless `path` says otherwise."""
    path: str = "shop.py"
    others: dict[str, str] = field(default_factory=dict)
    interface: str = ""


STORE = "class Task:\n    def __init__(self, title, priority=1):\n        self.title = title\n        self.priority = priority\n\n    def done(self):\n        return self.title\n"

BROKEN = (
    Broken("json", "missing-import", "def load(text):\n    return json.loads(text)\n", "import shop\nassert shop.load('[1]') == [1]"),
    Broken("path", "missing-import", '"""Paths."""\n\ndef stem(p):\n    return Path(p).stem\n', "import shop\nassert shop.stem('a/b.c') == 'b'"),
    Broken("dataclass", "missing-import", "@dataclass\nclass P:\n    x: int\n    y: list = field(default_factory=list)\n", "import shop\nassert shop.P(1).y == []"),
    Broken("typing", "missing-import", "from datetime import date\n\n\ndef f(x: Optional[List[int]] = None) -> Dict[str, int]:\n    return {'a': len(x or [])}\n", "import shop\nassert shop.f([1]) == {'a': 1}"),
    Broken("datetime class", "missing-import", "def year():\n    return datetime.now().year - datetime.now().year\n", "import shop\nassert shop.year() == 0"),
    Broken("datetime module", "missing-import", "def day():\n    return datetime.timedelta(days=1).days\n", "import shop\nassert shop.day() == 1"),
    Broken("element tree", "missing-import", "def tag(t):\n    return ET.fromstring(t).tag\n", "import shop\nassert shop.tag('<a/>') == 'a'"),
    Broken("submodule", "missing-import", "import xml\n\n\ndef tag(t):\n    return xml.etree.ElementTree.fromstring(t).tag\n", "import shop\nassert shop.tag('<a/>') == 'a'"),
    Broken("two imports", "missing-import", "def f(t):\n    return Counter(re.findall('a', t))\n", "import shop\nassert shop.f('aab')['a'] == 2"),
    Broken("swallowed", "missing-import", "def f(t):\n    try:\n        return json.loads(t)\n    except Exception:\n        return None\n", "import shop\nassert shop.f('1') == 1"),
    Broken("abstract", "missing-import", "class A(ABC):\n    @abstractmethod\n    def f(self): ...\n\n\nclass B(A):\n    def f(self):\n        return 1\n", "import shop\nassert shop.B().f() == 1"),
    Broken("math name", "missing-import", "def f(x):\n    return sqrt(x) + math.pi - math.pi\n", "import shop\nassert shop.f(4) == 2"),
    Broken("enum", "missing-import", "class C(Enum):\n    A = auto()\n", "import shop\nassert shop.C.A.value == 1"),
    Broken("concurrent", "missing-import", "def f():\n    with concurrent.futures.ThreadPoolExecutor(1) as p:\n        return p.submit(int, 3).result()\n", "import shop\nassert shop.f() == 3"),
    Broken("project class", "project-import", "def make(t):\n    return Task(t)\n", "import shop\nassert shop.make('x').done() == 'x'", others={"models.py": STORE}),
    Broken("project module", "project-import", "def make(t):\n    return models.Task(t)\n", "import shop\nassert shop.make('x').done() == 'x'", others={"models.py": STORE}),
    Broken("relative", "project-import", "from .names import NAME\n\n\ndef make():\n    return Task(NAME).done()\n", "from app.shop import make\nassert make() == 'n'", "app/shop.py", {"app/__init__.py": "", "app/models.py": STORE, "app/names.py": "NAME = 'n'\n"}),
    Broken("from the root", "project-import", "def make():\n    return Task('n').done()\n", "from app.shop import make\nassert make() == 'n'", "app/shop.py", {"app/__init__.py": "", "app/models.py": STORE}),
    Broken("wrong standard home", "moved-import", "from typing import dataclass, List\n\n\n@dataclass\nclass P:\n    x: List\n", "import shop\nassert shop.P(1).x == 1"),
    Broken("collections abc", "moved-import", "from collections import Iterable, deque\n\n\ndef f(x):\n    return isinstance(x, Iterable), deque([1])[0]\n", "import shop\nassert shop.f([]) == (True, 1)"),
    Broken("wrong project home", "moved-import", "from util import Task\n\n\ndef f():\n    return Task('a').done()\n", "import shop\nassert shop.f() == 'a'", others={"models.py": STORE, "util.py": "def other():\n    return 1\n"}),
    Broken("misspelt import", "misspelt-import", "from models import Taks\n\n\ndef f():\n    return Taks('a').done()\n", "import shop\nassert shop.f() == 'a'", others={"models.py": STORE}),
    Broken("misspelt module", "wrong-module", "from model import Task\n\n\ndef f():\n    return Task('a').done()\n", "import shop\nassert shop.f() == 'a'", others={"models.py": STORE}),
    Broken("module in a package", "wrong-module", "from models import Task\n\n\ndef f():\n    return Task('a').done()\n", "from app.shop import f\nassert f() == 'a'", "app/shop.py", {"app/__init__.py": "", "app/models.py": STORE}),
    Broken("misspelt local", "misspelt-name", "def total(items):\n    result = 0\n    for item in items:\n        result += itme\n    return reslut\n", "import shop\nassert shop.total([1, 2]) == 3"),
    Broken("misspelt constant", "misspelt-name", "MAX_ITEMS = 3\n\n\ndef full(n):\n    return n >= MAX_ITEM\n", "import shop\nassert shop.full(3)"),
    Broken("misspelt builtin", "misspelt-name", "def f(x):\n    return sorte(x)\n", "import shop\nassert shop.f([2, 1]) == [1, 2]"),
    Broken("camel case", "misspelt-name", "def f(max_size):\n    return maxSize + 1\n", "import shop\nassert shop.f(1) == 2"),
    Broken("without self", "missing-self", "class A:\n    def __init__(self):\n        self.total = 2\n\n    def get(self):\n        return total\n", "import shop\nassert shop.A().get() == 2"),
    Broken("method without self", "missing-self", "class A:\n    def one(self):\n        return 1\n\n    def two(self):\n        return one() + one()\n", "import shop\nassert shop.A().two() == 2"),
    Broken("no self parameter", "missing-self-parameter", "class A:\n    def __init__(self):\n        self.n = 1\n\n    def get():\n        return self.n\n", "import shop\nassert shop.A().get() == 1"),
    Broken("no self, unused", "missing-self-parameter", "class A:\n    def add(a, b):\n        return a + b\n", "import shop\nassert shop.A().add(1, 2) == 3"),
    Broken("misspelt attribute", "misspelt-attribute", STORE + "\n\ndef show(task):\n    return task.titel\n", "import shop\nassert shop.show(shop.Task('a')) == 'a'"),
    Broken("misspelt self attribute", "misspelt-attribute", "class A:\n    def __init__(self):\n        self.items = [1]\n\n    def n(self):\n        return len(self.itmes)\n\n    def m(self):\n        return self.itmes[0]\n", "import shop\na = shop.A()\nassert (a.n(), a.m()) == (1, 1)"),
    Broken("misspelt list method", "misspelt-attribute", "def f(xs):\n    xs.apend(1)\n    return xs\n", "import shop\nassert shop.f([]) == [1]"),
    Broken("misspelt module attribute", "misspelt-attribute", "import math\n\n\ndef f(x):\n    return math.flor(x)\n", "import shop\nassert shop.f(1.5) == 1"),
    Broken("enum member", "misspelt-attribute", "from enum import Enum\n\n\nclass Color(Enum):\n    GREEN = 1\n\n\ndef f():\n    return Color.GREN.value\n", "import shop\nassert shop.f() == 1"),
    Broken("attribute of another file", "misspelt-attribute", "from models import Task\n\n\ndef f():\n    return Task('a').prio\n", "import shop\nassert shop.f() == 1", others={"models.py": STORE}),
    Broken("datetime.now", "module-for-class", "import datetime\n\n\ndef f():\n    return datetime.now() - datetime.datetime.now() < datetime.timedelta(1)\n", "import shop\nassert shop.f()"),
    Broken("time()", "module-for-class", "import time\n\n\ndef f():\n    return time() > time.time() - 9\n", "import shop\nassert shop.f()"),
    Broken("datetime.timedelta", "class-for-module", "from datetime import datetime\n\n\ndef f():\n    return datetime.now() + datetime.timedelta(days=1) > datetime.datetime.now()\n", "import shop\nassert shop.f()"),
    Broken("time.sleep", "class-for-module", "from time import time\n\n\ndef f():\n    time.sleep(0)\n    return time() > 0\n", "import shop\nassert shop.f()"),
    Broken("wrong keyword", "wrong-keyword", STORE + "\n\ndef make():\n    return Task(titel='a', priority=2)\n", "import shop\nassert shop.make().title == 'a'"),
    Broken("short keyword", "wrong-keyword", "from models import Task\n\n\ndef make():\n    return Task('a', prio=2).priority\n", "import shop\nassert shop.make() == 2", others={"models.py": STORE}),
    Broken("keyword of a dataclass", "wrong-keyword", "from dataclasses import dataclass\n\n\n@dataclass\nclass P:\n    description: str\n    size: int = 1\n\n\ndef make():\n    return P(desc='a').description\n", "import shop\nassert shop.make() == 'a'"),
    Broken("keyword of a function", "wrong-keyword", "def area(width, height):\n    return width * height\n\n\ndef f():\n    return area(widht=2,\n                height=3)\n", "import shop\nassert shop.f() == 6"),
    Broken("tabs and spaces", "mixed-indentation", "def f(x):\n    if x:\n\treturn 1\n    return 2\n", "import shop\nassert shop.f(0) == 2"),
    Broken("all indented", "indented-text", "    def f():\n        return '''a\n        '''\n", "import shop\nassert shop.f()[0] == 'a'"),
    Broken("all but first", "indented-text", "import os\n    def f():\n        return os.sep\n", "import shop\nassert shop.f()"),
    Broken("misaligned", "misaligned-lines", "def f():\n    x = 1\n   y = 2\n    return x + y\n", "import shop\nassert shop.f() == 3"),
    Broken("unexpected indent", "misaligned-lines", "def f():\n    x = 1\n     y = 2\n    return x + y\n", "import shop\nassert shop.f() == 3"),
    Broken("fences inside", "fence-debris", "import os\n```\n\n```python\ndef f():\n    return os.sep\n```\n", "import shop\nassert shop.f()"),
    Broken("fence and import", "fence-debris+missing-import", "def f():\n    return os.sep\n```\n", "import shop\nassert shop.f()"),
    Broken("node in its own class", "late-annotations", "class Node:\n    def next(self) -> Node:\n        return self\n", "import shop\nassert shop.Node().next()"),
    Broken("planned function", "planned-name", "def add_item(a):\n    return [a]\n\n\ndef twice(a):\n    return add_item(a) + add_item(a)\n", "import shop\nassert shop.additem(1) == [1]\nassert shop.twice(1) == [1, 1]", interface="def additem(a): ...\ndef twice(a): ..."),
    Broken("planned method", "planned-name", "class Cart:\n    def addItem(self, a):\n        return a\n\n    def twice(self, a):\n        return self.addItem(a)\n", "import shop\nassert shop.Cart().add_item(1) == 1\nassert shop.Cart().twice(1) == 1", interface="class Cart:\n    def add_item(self, a): ...\n    def twice(self, a): ..."),
    Broken("planned parameter", "planned-parameter", "def area(widht, height):\n    return widht * height\n", "import shop\nassert shop.area(width=2, height=3) == 6", interface="def area(width, height): ..."),
    Broken("misspelt import in a try", "misspelt-import", "def f():\n    from models import Tasks\n    return Tasks('a').done()\n", "import shop\nassert shop.f() == 'a'", others={"models.py": STORE}),
    Broken("two different faults", "missing-import+misspelt-name", "def f(values):\n    return json.dumps(vlaues)\n", "import shop\nassert shop.f([1]) == '[1]'"),
)  # fmt: skip
