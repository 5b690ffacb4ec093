import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path("report.py").resolve()
SALES = """\
region,product,amount,note
north,apple,0.10,"a, b"
south,pear,5,
north,apple,0.20,x
south,apple,,x
east,pear, ,"two
lines"
north,pear,-3.5,y=z
"""


@pytest.fixture
def run(tmp_path):
    assert PROGRAM.is_file()
    (tmp_path / "sales.csv").write_text(SALES, encoding="utf-8")
    (tmp_path / "more.csv").write_text("amount,region,product\n7.25,west,fig\n\n2,north,fig\n", encoding="utf-8")

    def call(*words):
        return subprocess.run(
            [sys.executable, str(PROGRAM), *words], cwd=tmp_path, capture_output=True, timeout=20
        )  # fmt: skip

    return call


def out(done):
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_groups_are_counted_in_order(run):
    assert out(run("--by", "region", "sales.csv")) == "region,count\neast,1\nnorth,3\nsouth,2\n"


def test_sums_are_exact(run):
    wanted = "product,count,sum(amount)\napple,3,0.30\npear,3,1.5\n"
    assert out(run("--by", "product", "--sum", "amount", "sales.csv")) == wanted


def test_figures_in_the_order_of_the_command_line(run):
    words = ("--max", "amount", "--mean", "amount", "--min", "amount", "--sum", "amount")
    assert out(run("--by", "region", *words, "sales.csv")) == (
        "region,count,max(amount),mean(amount),min(amount),sum(amount)\n"
        "east,1,,,,\nnorth,3,0.20,-1.07,-3.5,-3.20\nsouth,2,5,5.00,5,5\n"
    )


def test_means_are_rounded_half_to_even(run, tmp_path):
    (tmp_path / "m.csv").write_text("g,v\na,0.01\na,0.02\nb,0.02\nb,0.03\n")
    assert out(run("--by", "g", "--mean", "v", "m.csv")) == "g,count,mean(v)\na,2,0.02\nb,2,0.02\n"


def test_files_are_one_table_whatever_the_order_of_their_columns(run):
    assert out(run("--by", "region", "--sum", "amount", "sales.csv", "more.csv")) == (
        "region,count,sum(amount)\neast,1,\nnorth,4,-1.20\nsouth,2,5\nwest,1,7.25\n"
    )


def test_where_is_exact_and_all_must_hold(run):
    assert out(run("--by", "region", "--where", "product=apple", "sales.csv")) == "region,count\nnorth,2\nsouth,1\n"
    words = ("--where", "product=apple", "--where", "note=x")
    assert out(run("--by", "region", *words, "sales.csv")) == "region,count\nnorth,1\nsouth,1\n"
    assert out(run("--by", "region", "--where", "note=y=z", "sales.csv")) == "region,count\nnorth,1\n"
    assert out(run("--by", "region", "--where", "note=", "sales.csv")) == "region,count\nsouth,1\n"
    assert out(run("--by", "region", "--where", "product=app", "sales.csv")) == "region,count\n"


def test_sorting_from_large_to_small(run):
    assert out(run("--by", "region", "--sort", "count", "sales.csv")) == "region,count\nnorth,3\nsouth,2\neast,1\n"
    words = ("--by", "region", "--sum", "amount", "--sort", "sum(amount)")
    assert out(run(*words, "sales.csv", "more.csv")).splitlines()[1:] == [
        "west,1,7.25",
        "south,2,5",
        "north,4,-1.20",
        "east,1,",
    ]


def test_equals_stay_in_order(run):
    assert out(run("--by", "product", "--sort", "count", "sales.csv")) == "product,count\napple,3\npear,3\n"
    assert out(run("--by", "region", "--sort", "region", "more.csv")) == "region,count\nwest,1\nnorth,1\n"


def test_cells_are_quoted_where_needed(run):
    rows = out(run("--by", "note", "sales.csv"))
    assert rows == 'note,count\n,1\n"a, b",1\n"two\nlines",1\nx,2\ny=z,1\n'


def test_json(run):
    text = out(run("--by", "region", "--sum", "amount", "--mean", "amount", "--format", "json", "sales.csv"))
    assert json.loads(text) == [
        {"region": "east", "count": 1, "sum(amount)": None, "mean(amount)": None},
        {"region": "north", "count": 3, "sum(amount)": "-3.20", "mean(amount)": "-1.07"},
        {"region": "south", "count": 2, "sum(amount)": "5", "mean(amount)": "5.00"},
    ]


@pytest.mark.parametrize(
    "text, named",
    [
        ("g,v\na,1\n\na,x\n", ["bad.csv", "4", "v"]),
        ('g,v\n"a\nb",1\na,1.2.3\n', ["bad.csv", "4", "v"]),
        ("g,v\na,nan\n", ["bad.csv", "2", "v"]),
        ("g,v\na,Infinity\n", ["bad.csv", "2", "v"]),
        ("g,v\na,1\na,1,2\n", ["bad.csv", "3"]),
        ("g,v\na,1\na\n", ["bad.csv", "3"]),
        ("g,w\na,1\n", ["bad.csv", "v"]),
        ("h,v\na,1\n", ["bad.csv", "g"]),
        ("", ["bad.csv"]),
    ],
)
def test_mistakes_name_their_place(run, tmp_path, text, named):
    (tmp_path / "good.csv").write_text("g,v\nz,1\n")
    (tmp_path / "bad.csv").write_text(text)
    done = run("--by", "g", "--sum", "v", "good.csv", "bad.csv")
    assert (done.returncode, done.stdout) == (1, b"")
    message = done.stderr.decode()
    assert len(message.splitlines()) == 1
    assert all(word in message for word in named)


def test_a_missing_file_and_a_missing_column_of_where(run):
    done = run("--by", "region", "sales.csv", "absent.csv")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"absent.csv" in done.stderr
    assert run("--by", "region", "--where", "colour=red", "sales.csv").returncode == 1


def test_numbers_are_checked_only_where_asked(run, tmp_path):
    (tmp_path / "mixed.csv").write_text("g,v,k\na,oops,no\nb,2,yes\n")
    assert out(run("--by", "g", "--sum", "v", "--where", "k=yes", "mixed.csv")) == "g,count,sum(v)\nb,1,2\n"
    assert out(run("--by", "g", "mixed.csv")) == "g,count\na,1\nb,1\n"


@pytest.mark.parametrize(
    "words",
    [("sales.csv",), ("--by", "region"), ("--by", "region", "--sort", "sum(amount)", "sales.csv"),
     ("--by", "region", "--where", "product", "sales.csv"), ("--by", "region", "--format", "xml", "sales.csv")],
)  # fmt: skip
def test_wrong_usage_exits_with_2(run, words):
    assert run(*words).returncode == 2
