"""Which names Python's own modules offer. Only modules whose import has no side effect are asked.

The lists of single names are what programs commonly import from a module; a test holds them against the
running Python. The first module that offers a name is its home.
"""

from __future__ import annotations

import importlib
from functools import cache
from types import MappingProxyType

_FROM = """
abc: ABC ABCMeta abstractmethod
argparse: ArgumentParser Namespace
bisect: bisect_left bisect_right insort
collections: ChainMap Counter OrderedDict defaultdict deque namedtuple
collections.abc: *
contextlib: ExitStack asynccontextmanager closing contextmanager nullcontext redirect_stdout suppress
copy: copy deepcopy
dataclasses: asdict astuple dataclass field fields is_dataclass replace
datetime: date datetime time timedelta timezone
decimal: Decimal InvalidOperation ROUND_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP getcontext localcontext
enum: *
fractions: Fraction
functools: cache cached_property cmp_to_key lru_cache partial partialmethod reduce singledispatch total_ordering wraps
hashlib: md5 sha1 sha256 sha512
heapq: heapify heappop heappush heappushpop heapreplace nlargest nsmallest
http: HTTPStatus
io: BytesIO StringIO TextIOWrapper
itertools: *
json: JSONDecodeError JSONDecoder JSONEncoder
logging: getLogger
math: *
numbers: Number Real Integral
operator: add attrgetter itemgetter methodcaller mul sub truediv
pathlib: Path PosixPath PurePath PurePosixPath
queue: Empty Full LifoQueue PriorityQueue Queue
random: choice choices randint randrange shuffle uniform
re: Match Pattern
secrets: token_bytes token_hex token_urlsafe
statistics: mean median mode pstdev pvariance stdev variance
string: ascii_letters ascii_lowercase ascii_uppercase digits punctuation
tempfile: NamedTemporaryFile TemporaryDirectory mkdtemp mkstemp
textwrap: dedent indent
threading: Barrier Condition Event Lock RLock Semaphore Thread Timer
time: monotonic perf_counter sleep
types: GenericAlias MappingProxyType ModuleType SimpleNamespace TracebackType
typing: *
unittest: TestCase
unittest.mock: AsyncMock MagicMock Mock mock_open patch sentinel
urllib.parse: parse_qs quote unquote urlencode urljoin urlparse urlsplit
uuid: UUID uuid4
zoneinfo: ZoneInfo
"""

_WHOLE = """
array ast asyncio base64 calendar cmath codecs concurrent concurrent.futures configparser csv ctypes difflib email
email.message email.mime.text fnmatch functools getpass glob gzip hmac html http.client http.server importlib
importlib.metadata importlib.resources importlib.util inspect ipaddress locale logging.config logging.handlers mimetypes
multiprocessing os pickle platform pprint shelve shlex shutil signal smtplib socket sqlite3 ssl stat struct
subprocess sys timeit tokenize traceback unicodedata urllib urllib.error urllib.request warnings weakref xml
xml.dom.minidom xml.etree xml.etree.ElementTree zipfile zlib
"""

SHORT_NAMES = MappingProxyType({"ET": "xml.etree.ElementTree", "dt": "datetime", "mp": "multiprocessing"})
"""Names that modules are usually imported as."""

_LISTED = MappingProxyType(
    {module: names.split() for module, _, names in (line.partition(": ") for line in _FROM.strip().split("\n"))}
)
MODULES = frozenset([*_WHOLE.split(), *_LISTED])


@cache
def names_of(module: str) -> frozenset[str]:
    """What `module.` may be followed by, its known submodules included; nothing for a module not asked."""
    if module not in MODULES:
        return frozenset()
    inner = {name.removeprefix(f"{module}.") for name in MODULES if name.startswith(f"{module}.")}
    return frozenset(dir(importlib.import_module(module))) | {name for name in inner if "." not in name}


@cache
def attributes_of(module: str, name: str) -> frozenset[str]:
    return frozenset(dir(getattr(importlib.import_module(module), name, None)))


def home_of(name: str) -> str | None:
    """The module to import a class or function from."""
    for module, names in _LISTED.items():
        if name in (_all(module) if names == ["*"] else names):
            return module
    return None


@cache
def _all(module: str) -> frozenset[str]:
    found = importlib.import_module(module)
    public = [name for name in dir(found) if not name.startswith("_")]
    return frozenset(getattr(found, "__all__", public))
