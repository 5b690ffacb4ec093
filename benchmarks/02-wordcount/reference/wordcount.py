"""Counts lines, words and characters of files; run as `python wordcount.py [OPTIONS] FILE...`."""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path


def main() -> int:
    options = parsed()
    texts = {}
    for name in options.files:
        try:
            texts[name] = read(name)
        except OSError as error:
            print(f"{name}: {error.strerror}", file=sys.stderr)
    if options.top:
        print_top(texts.values(), options.top)
    else:
        print_counts([name for name in options.files if name in texts], texts, options.columns or [0, 1, 2])
    return 0 if len(texts) == len(set(options.files)) else 1


def parsed():
    parser = argparse.ArgumentParser()
    for column, letter in enumerate("lwc"):
        parser.add_argument(f"-{letter}", dest="columns", action="append_const", const=column)
    parser.add_argument("--top", type=int)
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    if options.top is not None and options.top < 1:
        parser.error("--top must be at least 1")
    return options


def read(name):
    raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    return raw.decode()


def print_top(texts, number):
    words = Counter(word for text in texts for word in re.findall("[a-z']+", text.lower()) if word.strip("'"))
    for word, count in sorted(words.items(), key=lambda item: (-item[1], item[0]))[:number]:
        print(count, word)


def print_counts(names, texts, columns):
    counts = [(text.count("\n"), len(text.split()), len(text)) for text in (texts[name] for name in names)]
    if len(counts) > 1:
        names, counts = [*names, "total"], [*counts, [sum(column) for column in zip(*counts, strict=True)]]
    for name, count in zip(names, counts, strict=True):
        print(*(count[column] for column in sorted(set(columns))), name)


if __name__ == "__main__":
    sys.exit(main())
