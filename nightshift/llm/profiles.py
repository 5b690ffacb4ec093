"""What has been learned of each model on each server: how it counts tokens, how fast it is, what it refuses.

Kept between runs in one JSON file; a file that cannot be read is set aside, since all of it can be learned again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from nightshift.disk import write_atomically
from nightshift.llm.endpoint import Target

Key = tuple[str, str]
"""URL and model."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One model on one server."""

    bytes_per_token: float = 0.0
    """Of the prompts sent, UTF-8; 0 until replies have told."""
    replies: int = 0
    """Replies that `bytes_per_token` was learned from."""
    schemas: bool = True
    """False once it refused a JSON schema."""
    thinking: bool = True
    """False once it refused to be told whether to think."""
    prefill: float = 0.0
    """Prompt tokens read in a second; 0 unknown."""
    decode: float = 0.0
    """Tokens written in a second by one slot; 0 unknown."""
    context: int = 0
    """Tokens a slot was seen to hold when that is fewer than asked for; 0 unknown."""
    counts: bool = True
    """False once the server was found unable to count a prompt's tokens."""


PASSING = ("context", "counts")
"""Facts of the server as it was started: the next run finds them out anew."""


class Profiles:
    def __init__(self, known: Mapping[Key, Profile] | None = None, *, note: str = "") -> None:
        self._known = dict(known or {})
        self._learned: set[Key] = set()
        self.note = note
        """What the user should know of how they were loaded; usually nothing."""

    @classmethod
    def load(cls, path: Path) -> Profiles:
        """Those in the file; none when there is no file. One that cannot be read is renamed, and `note` says so."""
        try:
            return cls(_read(path))
        except FileNotFoundError:
            return cls()
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            aside = path.with_name(f"{path.name}.damaged")
            os.replace(path, aside)
            return cls(note=f"{path} cannot be read ({error}); it is now {aside.name}, what it held is learned anew")

    def save(self, path: Path) -> None:
        """Writes them beside what others wrote there meanwhile; of two that learned of one model the last stays."""
        # Another process may save between these two lines; what is lost then is learned again.
        there = Profiles.load(path)._known
        learned = {key: self._known[key] for key in self._learned}
        write_atomically(path, _as_text({**self._known, **there, **learned}))

    def of(self, target: Target) -> Profile:
        return self._known.get(_key(target), Profile())

    def learn(self, target: Target, **changes: Any) -> Profile:
        """The profile with these fields changed, which is also what `of` returns from now on."""
        profile = replace(self.of(target), **changes)
        self._known[_key(target)] = profile
        self._learned.add(_key(target))
        return profile


def _key(target: Target) -> Key:
    return target.endpoint.url, target.model


def _read(path: Path) -> dict[Key, Profile]:
    entries = json.loads(path.read_text(encoding="utf-8"))["profiles"]
    return {(str(entry["url"]), str(entry["model"])): _profile(entry) for entry in entries}


def _profile(entry: Mapping[str, Any]) -> Profile:
    """Fields that are unknown here, or of another type, are passed over: another version may have written them."""
    known = {field.name: getattr(Profile(), field.name) for field in fields(Profile)}
    values = {name: entry[name] for name in known if name in entry}
    return Profile(**{name: value for name, value in values.items() if _fits(value, known[name])})


def _fits(value: Any, like: Any) -> bool:
    if isinstance(like, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(like, bool)
    return isinstance(value, int | type(like)) and 0 <= value < 1e9


def _as_text(known: Mapping[Key, Profile]) -> str:
    entries = [{"url": url, "model": model, **_lasting(profile)} for (url, model), profile in sorted(known.items())]
    return json.dumps({"profiles": entries}, indent=1) + "\n"


def _lasting(profile: Profile) -> dict[str, Any]:
    return {name: value for name, value in asdict(profile).items() if name not in PASSING}
