"""Groups the rows of CSV files and prints figures of each group."""

import argparse
import csv
import json
import sys
from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation


class InputError(Exception):
    """Says which file, line and column."""


def mean(numbers):
    return (sum(numbers) / len(numbers)).quantize(Decimal("0.01"), ROUND_HALF_EVEN)


FIGURES = {"sum": sum, "mean": mean, "min": min, "max": max}


def main():
    options = parsed()
    try:
        groups = grouped(options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    rows = [row_of(name, groups[name], options) for name in sorted(groups)]
    if options.sort:
        rows.sort(key=lambda row: sort_key(row[options.sort]), reverse=True)
    write(rows, options)
    return 0


def parsed():
    parser = argparse.ArgumentParser()
    parser.add_argument("--by", required=True)
    for name in FIGURES:
        parser.add_argument(f"--{name}", dest="figures", action="append", type=lambda column, n=name: (n, column))
    parser.add_argument("--where", action="append", default=[])
    parser.add_argument("--sort")
    parser.add_argument("--format", choices=("csv", "json"), default="csv")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    options.figures = options.figures or []
    options.names = [options.by, "count", *(f"{figure}({column})" for figure, column in options.figures)]
    if options.sort not in (None, *options.names):
        parser.error(f"--sort {options.sort}: the columns are {', '.join(options.names)}")
    if any("=" not in condition for condition in options.where):
        parser.error("--where needs COLUMN=VALUE")
    options.where = [condition.split("=", 1) for condition in options.where]
    return options


def grouped(options):
    """Of each group its rows: a list of numbers (or None) per figure."""
    groups = defaultdict(list)
    for path in options.files:
        for line, row in rows_of(path, options):
            if all(row[column] == value for column, value in options.where):
                cells = [number(row[column], path, line, column) for _, column in options.figures]
                groups[row[options.by]].append(cells)
    return groups


def rows_of(path, options):
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            for column in [options.by, *(c for _, c in options.figures), *(c for c, _ in options.where)]:
                if column not in header:
                    raise InputError(f"{path}: no column {column}")
            for row in filter(None, reader):
                if len(row) != len(header):
                    raise InputError(f"{path}:{reader.line_num}: {len(row)} cells, the header has {len(header)}")
                yield reader.line_num, dict(zip(header, row, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: {error}") from error


def number(cell, path, line, column):
    if not cell.strip():
        return None
    try:
        value = Decimal(cell.strip())
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise InputError(f"{path}:{line}: {column}: {cell!r} is no number")
    return value


def row_of(name, cells, options):
    row = {options.by: name, "count": len(cells)}
    for i, (figure, column) in enumerate(options.figures):
        values = [numbers[i] for numbers in cells if numbers[i] is not None]
        row[f"{figure}({column})"] = FIGURES[figure](values) if values else None
    return row


def sort_key(value):
    return (value is not None, value)


def write(rows, options):
    if options.format == "json":
        print(json.dumps(rows, default=str))
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(options.names)
    writer.writerows(row.values() for row in rows)


if __name__ == "__main__":
    sys.exit(main())
