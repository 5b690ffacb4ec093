"""Stubs import, construct and answer nothing, whatever the plan says."""

import asyncio
import subprocess
import sys
import types
from pathlib import Path

import pytest
from hypothesis import given, settings
from test_source_interfaces import INTERFACES

from nightshift.domain import CommandCheck, Criterion, Plan, Step
from nightshift.source.interfaces import interface_of, missing_from, parse_interface, render
from nightshift.source.stubs import stub_module, stub_texts

INTERFACE = """
from .other import Thing
from enum import Enum, IntEnum

LIMIT: int = 3
NAMES = ("a", "b")

class Status(str, Enum):
    TODO = "todo"
    DONE = ...
class Level(IntEnum):
    LOW = auto()
    HIGH = "high"

@dataclass(frozen=True)
class Base
    id: int = 0
@dataclass
class Task(Base)
    title: str
    status: Status = Status.TODO
    tags: list[str] = field(default_factory=list)
    total: ClassVar[int] = 0
    def done(self, at: datetime = datetime.now()) -> bool

class Point(NamedTuple)
    x: int
    y: int = 1
class Row(TypedDict)
    name: str

class Later(Earlier)
    def m(self, a, *rest, b: int = 2, **more) -> int
class Earlier(Unknown)
    kind: str = "x"
class Store:
    def __init__(self, path: Path, mode: Mode = Mode.READ) -> None
    def __enter__(self) -> Store
    def __exit__(self, *exc) -> None
    def __len__(self) -> int
    def __repr__(self) -> str
    @property
    def size(self) -> int
    @classmethod
    def open(cls, path) -> Store
    @staticmethod
    def check(path) -> bool
class Stack(Generic[T])
    def push(self, item: T)
class NotFound(KeyError)
    def __init__(self, key: str)
class Worse(NotFound)
class Shape(ABC)
    @abstractmethod
    def area(self) -> float
class Flag(bool)

@app.route("/")
def index(request: Request = Depends(get)) -> Response
@contextmanager
def session(path: str) -> Iterator[Store]
async def go(a, /, b, *, c=1) -> int
def main(argv: list[str] | None = None) -> int
"""


def load(source: str) -> types.SimpleNamespace:
    module = types.ModuleType("stub")
    module.__package__ = ""
    sys.modules["stub"] = module  # dataclasses look their module up
    try:
        exec(compile(source, "stub.py", "exec"), module.__dict__)
    finally:
        del sys.modules["stub"]
    return module


@pytest.mark.parametrize(("variant", "answer"), [(0, None), (1, 0)])
def test_everything_planned_can_be_called_and_answers_nothing(variant: int, answer: object) -> None:
    stub = load(stub_module(INTERFACE, variant=variant))
    assert stub.LIMIT is None
    assert stub.NAMES is None
    assert stub.main() == answer
    assert stub.main(["x"]) == stub.index() == stub.index(request=1) == answer
    assert asyncio.run(stub.go(1, b=2, c=3)) == answer
    assert stub.Later().m(1, 2, 3, b=4, c=5) == answer
    assert stub.Store("p").size == stub.Store.open("p") == stub.Store.check("p") == answer
    with stub.session("p") as session:
        assert session == answer


@pytest.mark.parametrize("variant", [2, 3])
def test_everything_planned_answers_nonsense_of_its_type(variant: int) -> None:
    stub = load(stub_module(INTERFACE, variant=variant))
    assert stub.LIMIT is None
    assert stub.main() == stub.main(["x"]) == stub.index() == asyncio.run(stub.go(1, b=2)) == -7919
    store = stub.Store("p")
    assert len(store) == 1
    assert store.size == -7919
    assert isinstance(stub.Store.open("p"), stub.Store)
    assert stub.Store.check("p") is (variant == 2)
    assert stub.Shape().area() == -7919.25
    assert stub.Task(1, "a").done() is (variant == 2)
    with stub.session("p") as session:
        assert isinstance(session, stub.Store)
    with store as entered:
        assert entered is store


TYPES = """
from .other import Thing
from enum import Enum
@dataclass
class Plain
    id: int = 0
@dataclass
class Full
    id: int
class Mode(Enum)
    A = 1
class Row(TypedDict)
    name: str
class Point(NamedTuple)
    x: int
class Failure(Exception)
    def __init__(self, code)
class Needy
    def __init__(self, a, b)
    def same(self) -> Self
    def __eq__(self, other)
    def __iter__(self) -> Iterator[str]
    def __contains__(self, item)
"""
WORD = "nonsense-7919"
ANNOTATED = [
    ("int", -7919), ("float", -7919.25), ("str", WORD), ("bytes", WORD.encode()), ("None", None), ("Any", -7919),
    ("datetime", -7919), ("T", -7919), ("Callable[[int], str]", -7919), ("x.y.int", -7919),
    ("list", [-7919]), ("list[str]", [WORD]), ("List['int']", [-7919]), ("typing.Sequence[float]", [-7919.25]),
    ("tuple", (-7919,)), ("tuple[str, ...]", (WORD,)), ("tuple[int, str]", (-7919, WORD)), ("tuple[()]", (-7919,)),
    ("set", {-7919}), ("set[str]", {WORD}), ("set[list[str]]", {-7919}), ("frozenset[int]", frozenset({-7919})),
    ("dict", {-7919: -7919}), ("dict[str, list[int]]", {WORD: [-7919]}), ("Mapping[Plain, str]", {-7919: WORD}),
    ("Optional[str]", WORD), ("str | None", WORD), ("None | float", -7919.25), ("Union[None, int, str]", -7919),
    ("'str'", WORD), ("Annotated[str, 'x']", WORD), ("Literal['a', 'b']", WORD), ("list[str | None]", [WORD]),
    ("Row", {WORD: -7919}), ("list[Row]", [{WORD: -7919}]), ("Thing", -7919), ("Unknown", -7919), ("", -7919),
]  # fmt: skip


@pytest.mark.parametrize("variant", [2, 3])
@pytest.mark.parametrize(("annotation", "answer"), ANNOTATED)
def test_nonsense_has_the_annotated_type_and_is_true(annotation: str, answer: object, variant: int) -> None:
    arrow = f" -> {annotation}" if annotation else ""
    stub = load(stub_module(f"{TYPES}def f(a){arrow}", variant=variant))
    assert stub.f(1) == answer
    assert type(stub.f(1)) is type(answer)
    assert answer is None or stub.f(1)


@pytest.mark.parametrize("name", ["Plain", "Full", "Mode", "Point", "Failure", "Needy"])
def test_nonsense_of_a_planned_class_is_an_instance_of_it(name: str) -> None:
    stub = load(stub_module(f"{TYPES}def f() -> {name}\ndef g() -> list[{name}] | None", variant=2))
    expected = -7919 if name == "Point" else getattr(stub, name)
    for found in (stub.f(), stub.g()[0]):
        assert found == expected if name == "Point" else isinstance(found, expected)


def test_a_bool_is_true_in_one_variant_of_nonsense_and_false_in_the_other() -> None:
    for variant in (2, 3):
        stub = load(stub_module(f"{TYPES}def f() -> bool\ndef g() -> list[bool]", variant=variant))
        needy = stub.Needy(1, 2)
        answers = [stub.f(), *stub.g(), needy == needy, "x" in needy]
        assert answers == [variant == 2] * 4
        assert [*needy] == [WORD]
        assert isinstance(needy.same(), stub.Needy)


@pytest.mark.parametrize(
    ("check", "weak"),
    [
        ("isinstance(stub.total([1]), int)", True), ("stub.names()", True), ("all(stub.names())", True),
        ("stub.total([1]) is not None", True), ("len(stub.names()) > 0", True), ("stub.find('x')", True),
        ("stub.total([1]) == 1", False), ("stub.names() == ['a']", False), ("stub.ok()", False), ("not stub.ok()", False),
        ("stub.Box() == stub.Box()", False), ("stub.find('x').name == 'x'", False),
    ],
)  # fmt: skip
def test_what_holds_for_both_kinds_of_nonsense_asks_for_type_or_truth_alone(check: str, weak: bool) -> None:
    text = (
        "def total(items) -> int\ndef names() -> list[str]\ndef ok() -> bool\ndef find(name) -> Box | None\n"
        "class Box\n    name: str\n    def __eq__(self, other)"
    )
    held = [bool(eval(check, {"stub": load(stub_module(text, variant=variant))})) for variant in (2, 3)]
    assert all(held) is weak


def test_a_tree_of_stubs_has_the_variant_asked_for() -> None:
    steps = plan(Step("a.py", "source", "", "def f() -> str"))
    answers = [load(stub_texts(steps, variant=variant)["a.py"]).f() for variant in range(4)]
    assert answers == [None, 0, WORD, WORD]


def test_classes_can_be_constructed_as_planned() -> None:
    stub = load(stub_module(INTERFACE))
    task = stub.Task(1, "a", tags=["x"])
    assert (task.id, task.title, task.tags, task.status) == (1, "a", ["x"], None)
    assert stub.Task.total is None
    assert stub.Point(1)._fields == ("x", "y")
    assert stub.Row(name="a") == {"name": "a"}
    assert isinstance(stub.Later(1, k=2), stub.Earlier)
    with stub.Store("p") as store:
        assert len(store) == 0
        assert "Store object" in repr(store)
    assert stub.Stack[int]().push(1) is None
    assert stub.Shape().area() is None
    assert stub.Flag(1)


def test_enum_members_exist_because_tests_name_them_while_collected() -> None:
    stub = load(stub_module(INTERFACE))
    assert [(s.name, s.value) for s in stub.Status] == [("TODO", "todo"), ("DONE", "DONE")]
    assert [level.name for level in stub.Level] == ["LOW", "HIGH"]


def test_exceptions_stay_exceptions() -> None:
    stub = load(stub_module(INTERFACE))
    with pytest.raises(KeyError):
        raise stub.Worse("k")
    with pytest.raises(stub.NotFound):
        raise stub.Worse("k")


def test_a_stub_meets_its_interface_in_names_and_parameters() -> None:
    interface = parse_interface(INTERFACE)
    missing = missing_from(interface_of(stub_module(INTERFACE)), interface)
    assert not [problem for problem in missing if "derive" not in problem and "__repr__" not in problem]


@settings(deadline=None, max_examples=40)
@given(INTERFACES)
@pytest.mark.slow
def test_any_interface_gives_an_importable_stub(interface) -> None:
    for variant in range(4):
        load(stub_module(render(interface), variant=variant))


def test_an_interface_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="Write one definition per line"):
        stub_module("class X: add(self, a), sub(self, a)")


def plan(*steps: Step) -> Plan:
    return Plan("p", steps, (Criterion("c1", "runs", CommandCheck(("python3", "-m", "pkg.cli"))),))


def test_a_tree_of_stubs_imports_and_a_command_line_does_nothing(tmp_path: Path) -> None:
    texts = stub_texts(
        plan(
            Step("pkg/models.py", "source", "", "class Task:\n    id: int"),
            Step("pkg/cli.py", "source", "", "from .models import Task\ndef main(argv=None) -> int"),
            Step("pkg/deep/er/x.py", "source", ""),
            Step("src/lib/y.py", "source", "", "def f()"),
            Step("top.py", "source", "", "def g()"),
            Step("my-scripts/z.py", "source", "", ""),
            Step("static/page.html", "source", ""),
            Step("tests/test_x.py", "test", ""),
            Step("README.md", "other", ""),
        )
    )
    assert sorted(texts) == [
        "my-scripts/z.py", "pkg/__init__.py", "pkg/cli.py", "pkg/deep/__init__.py", "pkg/deep/er/__init__.py",
        "pkg/deep/er/x.py", "pkg/models.py", "src/lib/__init__.py", "src/lib/y.py", "top.py",
    ]  # fmt: skip
    for path, text in texts.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    run = subprocess.run(
        [sys.executable, "-m", "pkg.cli", "add", "1"], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_a_planned_init_file_is_a_stub_and_not_empty() -> None:
    texts = stub_texts(
        plan(
            Step("pkg/__init__.py", "source", "", "from .a import f\n__all__ = ['f']"),
            Step("pkg/a.py", "source", "", "def f(x)"),
        )
    )
    assert sorted(texts) == ["pkg/__init__.py", "pkg/a.py"]
    assert "from .a import f" in texts["pkg/__init__.py"]


def test_stubs_of_modules_that_import_each_other_import(tmp_path: Path) -> None:
    texts = stub_texts(
        plan(
            Step("pkg/__init__.py", "source", "", "from .a import f\nfrom .b import Missing"),
            Step("pkg/a.py", "source", "", "from .b import g\ndef f(x)"),
            Step("pkg/b.py", "source", "", "from .a import f\ndef g(x)"),
        )
    )
    (tmp_path / "pkg").mkdir()
    for path, text in texts.items():
        (tmp_path / path).write_text(text)
    code = "import pkg; assert pkg.f(1) is None; assert pkg.Missing is None; from pkg.b import g; assert g(1) is None"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=30)
