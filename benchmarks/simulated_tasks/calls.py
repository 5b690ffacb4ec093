"""Calls of a task's reference and what they give: all that the simulated tester knows to ask, and the right answers.

Calls are made up from the interfaces of the reference and the words of the prompt; command lines from its sub-commands
and web pages from its routes. No acceptance test is read. A call of which nothing can be written down (it gives no
literal, or not always the same) is left out.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nightshift.domain import ExecLimits, Sandbox, Tree
from nightshift.source.graph import module_name
from nightshift.source.interfaces import signatures
from nightshift.source.probes import probes

LIMIT = 60
"""Calls of one task."""
LIMITS = ExecLimits(seconds=280.0, output_bytes=8 << 20, processes=64)
UNTELLING = frozenset({"!TypeError", "!AttributeError", "!NameError", "!ImportError", "!AssertionError", "!slow"})
"""What a call gives that nobody would make."""


@dataclass(frozen=True, slots=True)
class Call:
    path: str
    """Of the file it is about."""
    text: str
    """Statements separated by `; `; the last is an expression."""
    value: str
    """As a test writes it; an exception after an exclamation mark."""

    @property
    def words(self) -> str:
        found = re.findall(r"[a-z]+", re.sub(r"^it = [^;]*; ", "", self.text).lower())
        return "_".join(found)[:36].strip("_") or "call"


HELPERS = """
def cli(program, *words, given=""):
    command = [sys.executable, os.path.join(ROOT, program), *words]
    done = subprocess.run(command, capture_output=True, text=True, input=given, timeout=20)
    return done.returncode, done.stdout


def page(make, verb, path, **more):
    client = make("site.db").test_client() if callable(make) else make.test_client()
    answer = getattr(client, verb)(path, **more)
    return answer.status_code, answer.get_json(silent=True)
"""
_HELP_IMPORTS = "import os\nimport subprocess\nimport sys\n"

_DRIVER = (
    _HELP_IMPORTS
    + """
import ast, importlib, json, signal, tempfile
ROOT = os.getcwd()
sys.path.insert(0, ROOT)
"""
    + HELPERS
    + """

def told(call, names):
    first, _, last = call.rpartition("; ")
    exec(first, names)
    value = eval(last, names)
    text = repr(value)
    try:
        return text if len(text) <= 300 and ast.literal_eval(text) == value else "?"
    except (ValueError, SyntaxError):
        return "?"


def child(call, modules, pipe):
    os.chdir(tempfile.mkdtemp(dir=ROOT))
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    os.dup2(1, 2)
    signal.alarm(4)
    try:
        names = {"cli": cli, "page": page}
        for module in modules:
            names.update({k: v for k, v in vars(importlib.import_module(module)).items() if k[:1] != "_"})
        text = told(call, names)
    except Exception as error:
        text = "!" + type(error).__name__
    except BaseException:
        text = "?"
    os.write(pipe, text.encode())
    os._exit(0)


def value_of(call, modules):
    reads, writes = os.pipe()
    process = os.fork()
    if not process:
        child(call, modules, writes)
    os.close(writes)
    with os.fdopen(reads, "rb") as stream:
        text = stream.read().decode()
    os.waitpid(process, 0)
    return text or "!slow"


with open("asked.json") as file:
    asked = json.load(file)
print("\\n" + json.dumps([value_of(call, asked["modules"]) for call in asked["calls"]]))
"""
)


def calls_of(prompt: str, reference: Tree, sources: Sequence[str], sandbox: Sandbox) -> tuple[Call, ...]:
    """Calls whose value is a literal, and the same twice."""
    made = list(dict.fromkeys(_made(prompt, reference.texts, sources)))
    texts = [text for _, text in made]
    first, again = (values(reference, sources, texts, sandbox) for _ in range(2))
    return tuple(
        Call(path, text, value)
        for (path, text), value, other in zip(made, first, again, strict=True)
        if value == other and value != "?" and value not in UNTELLING and value != "None"
    )


def values(tree: Tree, sources: Sequence[str], calls: Sequence[str], sandbox: Sandbox) -> list[str]:
    """What each call gives in a tree; `?` for what cannot be told."""
    asked = {"modules": [module_name(path) for path in sources if path.endswith(".py")], "calls": list(calls)}
    driven = Tree({**tree.texts, "asked.json": json.dumps(asked), "ask_all.py": _DRIVER}, tree.base)
    result = sandbox.run(driven, ("python3", "ask_all.py"), limits=LIMITS)
    try:
        told: list[str] = json.loads(result.stdout.strip().rpartition("\n")[2])
    except ValueError:
        return ["?"] * len(calls)
    return told


def _made(prompt: str, texts: Mapping[str, str], sources: Sequence[str]) -> Iterator[tuple[str, str]]:
    python = [path for path in sources if path.endswith(".py")]
    yield from ((path, call) for path in python for call in _lines_of_commands(path, texts[path], prompt))
    yield from ((path, call) for path in python for call in _pages(texts[path]))
    whole = "\n".join(map(signatures, (texts[path] for path in python)))
    literals = "values = " + repr(_words(prompt))
    owner = {name: path for path in python for name in _names(texts[path])}
    for probe in probes(whole, tests=[literals, *(texts[path] for path in python)], limit=LIMIT):
        name = re.match(r"(?:it = )?(\w+)", probe)
        if name and name[1] in owner:
            yield from ((owner[name[1]], call) for call in _beginnings(probe))


def _beginnings(probe: str) -> Iterator[str]:
    """The call with fewer steps, and whole."""
    steps = probe.split("; ")
    if probe.startswith("it = ") and all(_parses(step) for step in steps):
        yield from ("; ".join(steps[:count]) for count in (2, 3, len(steps)) if count <= len(steps))
    else:
        yield probe


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _names(text: str) -> list[str]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [node.name for node in ast.parse(text).body if isinstance(node, kinds)]


def _words(prompt: str) -> list[str]:
    """What stands in backticks or quotes, short things first."""
    found = re.findall(r"`([^`\n]{1,40})`|\"([^\"\n]{1,40})\"", prompt)
    return sorted({one or other for one, other in found}, key=len)[:40]


def _lines_of_commands(path: str, text: str, prompt: str) -> Iterator[str]:
    if "__main__" not in text:
        return
    verbs = list(dict.fromkeys(re.findall(r"add_parser\(\s*[\"'](\w[\w-]*)", text)))
    program = repr(path)
    yield f"cli({program})"
    yield f"cli({program}, '--no-such-option')"
    yield f"cli({program}, given='b a\\nb c\\n')"
    yield f"open('a.txt', 'w').write('b a\\nb c\\n') and None; cli({program}, 'a.txt')"
    for verb in verbs:
        yield f"cli({program}, {verb!r})"
        yield f"cli({program}, {verb!r}, '1')"
        yield f"cli({program}, {verb!r}, 'Buy milk')"
        yield f"cli({program}, {verbs[0]!r}, 'Buy milk'); cli({program}, {verb!r})"
        yield f"cli({program}, {verbs[0]!r}, 'Buy milk'); cli({program}, {verb!r}, '1')"


def _pages(text: str) -> Iterator[str]:
    makes = [name for name in _names(text) if name in ("create_app", "make_app", "build_app")]
    found = re.findall(r"\.(get|post|put|patch|delete)\(\s*[\"'](/[^\"']*)", text)
    routed = re.findall(r"\.route\(\s*[\"'](/[^\"']*)[\"'](?:, methods=\[[\"'](\w+))?", text)
    found += [(verb.lower() or "get", path) for path, verb in routed]
    for verb, path in dict.fromkeys(found) if makes else ():
        where = re.sub(r"<[^>]*>", "1", path)
        yield f"page({makes[0]}, {verb!r}, {where!r})"
        if verb in ("post", "put", "patch"):
            yield f"page({makes[0]}, {verb!r}, {where!r}, json={{}})"
            yield f"page({makes[0]}, {verb!r}, {where!r}, json={{'name': 'a', 'title': 'a', 'url': 'http://a.example'}})"
