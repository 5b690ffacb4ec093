"""Line ends as a file has them: models write line feeds, and a change of every line hides the one asked for."""

from __future__ import annotations


def written_like(text: str, found: str) -> str:
    """The text with the line ends of the file it replaces; as it is where that has line feeds or both kinds.

    >>> written_like("a = 1\\nb = 2\\r\\n", "a = 0\\r\\n")
    'a = 1\\r\\nb = 2\\r\\n'
    """
    if "\n" not in found or found.count("\n") != found.count("\r\n"):
        return text
    return text.replace("\r\n", "\n").replace("\n", "\r\n")
