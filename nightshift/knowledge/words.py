"""The telling words of a text, and how much each of them tells: what knowledge is found by.

No meaning is looked up: two texts that say the same in other words share nothing here.
"""

from __future__ import annotations

import re

MAX_WORDS = 400
"""Of one text; evidence can be long."""


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


_IGNORED = _listed(
    """
    a about above add after all also an and any are as assert assertion at back be before below between both
    build but by can code command create def do does down each error even every exception exit fail failed false
    few file for from function given got has have how if implement import in into is it its just keep least less
    let like line made make many max min module more most much must new no none not of off on one only or
    ordinary other out over own per program provide pytest python raise return same self set should show simple
    small so some standard such support supporting than that the their them then there these they this those
    three to too true two under up usage use used using value very want was well what when where which while who
    whose will with within without work write you your
    """
)
_ORDINARY = _listed(
    """access action address amount api app application argument array attribute base body byte
    call calculate cell change character check child class cli client column command compare compute config content
    convert converter copy count course customer data database date day dictionary decode default delete description
    detect digit directory display document draw element encode end entry equal event example execute exit export
    extract field find first flag flask float folder form format frequency game generate get handle handler hash header
    home hour html http id identifier import index info input insert install integer interface item iterate json key
    kind language last length letter level library limit line link list load log long look loop lookup machine main
    manage manager management map match mean member message method minute mode model month move name node note number
    object old open operation option order output package page parse parser part password path pattern player point
    position prefix price print printer process product project property query question queue random range read reader
    record reference remove rename replace report request require response rest result right row rule run save schema
    score script search second section select send sequence series server service session simulate simulation single
    size sort source split sqlite start state status step stop storage store string structure sum system table tag
    target task template terminal test text time timestamp title token tool total track tracker tree tuple turn type
    unit update url user utility valid validate validation variable verify version view wait web website weight width
    window word world year zero"""
)
_SUFFIXES = (
    "ations", "ators", "ation", "ating", "ator", "ated", "ates", "ions", "ings", "ate", "ion", "ing", "ers", "ors",
    "er", "or", "ed", "es", "e", "s",
)  # fmt: skip


def words_of(text: str) -> list[str]:
    """Its stems, each once, in order, without those that stand in any text.

    >>> words_of("Build task-trackers with the JSON lists, parseHeaders")
    ['task', 'track', 'json', 'list', 'pars', 'head']
    """
    parts = re.findall(r"[^\W_]+", re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text).lower())
    stems = dict.fromkeys(stem(word) for word in parts if len(word) > 2 and word not in _IGNORED)
    return [word for word in stems if len(word) > 2 and word not in _IGNORED][:MAX_WORDS]


def stem(word: str) -> str:
    """Forms of one word are one word, mostly."""
    if word.endswith("ies") and len(word) > 5:
        return word[:-3] + "y"
    if word.endswith("ss"):
        return word
    fitting = (end for end in _SUFFIXES if word.endswith(end) and len(word) - len(end) >= (3 if end == "s" else 4))
    return word.removesuffix(next(fitting, ""))


_ORDINARY_STEMS = frozenset(map(stem, _ORDINARY))


def weight(word: str) -> float:
    """How much it tells that two texts share this stem."""
    return 0.5 if word in _ORDINARY_STEMS else 1.0
