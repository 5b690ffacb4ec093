import threading
from datetime import date, timedelta

import pytest
from library import Library, LibraryError

DAY = date(2024, 2, 20)


def later(days):
    return DAY + timedelta(days)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "library.db"


@pytest.fixture
def library(path):
    with Library(path) as library:
        library.add_book("1", "Emma", "Jane Austen", copies=2)
        library.add_book("2", "Ulysses", "James Joyce")
        library.add_book("3", "Dubliners", "James Joyce")
        library.add_book("4", "100% Cotton_Wool", "A. Author")
        for name in ("Ann", "Bob", "Cid", "Dan"):
            library.add_member(name)
        yield library


def refused(function, *values):
    with pytest.raises(LibraryError):
        function(*values)


def left(library, isbn):
    return {row[0]: row[3] for row in library.search("")}[isbn]


def test_members_are_numbered(library):
    assert library.add_member("Eve") == 5
    assert library.add_member("Ann") == 6


def test_books_are_added_once(library):
    refused(library.add_book, "1", "Other", "Else")
    assert library.search("Emma") == [("1", "Emma", "Jane Austen", 2)]
    for copies in (0, -1):
        with pytest.raises(ValueError):
            library.add_book("9", "T", "A", copies)
    assert issubclass(LibraryError, Exception)


def test_borrowing_and_giving_back(library):
    assert library.borrow("1", 1, DAY) == date(2024, 3, 5)
    assert left(library, "1") == 1
    assert library.give_back("1", 1, later(14)) == 0
    assert left(library, "1") == 2
    assert library.borrow("1", 1, later(14)) == later(28)


def test_what_cannot_be_borrowed(library):
    refused(library.borrow, "9", 1, DAY)
    refused(library.borrow, "1", 9, DAY)
    library.borrow("1", 1, DAY)
    refused(library.borrow, "1", 1, DAY)
    library.borrow("2", 2, DAY)
    refused(library.borrow, "2", 1, DAY)
    assert library.statistics()["loans"] == 2


def test_a_member_has_only_so_many_books(library):
    for isbn in "123":
        library.borrow(isbn, 1, DAY)
    refused(library.borrow, "4", 1, DAY)
    library.give_back("2", 1, DAY)
    library.borrow("4", 1, DAY)


def test_overdue_books_stop_lending(library):
    library.borrow("1", 1, DAY)
    library.borrow("2", 1, later(14))
    refused(library.borrow, "3", 1, later(15))
    library.give_back("1", 1, later(15))
    library.borrow("3", 1, later(15))


@pytest.mark.parametrize(
    "days, fee", [(0, 0), (13, 0), (14, 0), (15, 20), (20, 120), (63, 980), (64, 1000), (500, 1000)]
)
def test_fees(library, days, fee):
    library.borrow("1", 1, DAY)
    assert library.give_back("1", 1, later(days)) == fee
    assert library.statistics()["fees"] == fee


def test_what_cannot_be_given_back(library):
    refused(library.give_back, "1", 1, DAY)
    library.borrow("1", 1, DAY)
    refused(library.give_back, "1", 2, DAY)
    refused(library.give_back, "1", 1, later(-1))
    library.give_back("1", 1, DAY)
    refused(library.give_back, "1", 1, DAY)


def test_own_limits(path):
    with Library(path, loan_days=3, max_loans=1) as library:
        library.add_book("1", "A", "B")
        library.add_book("2", "C", "D")
        library.add_member("Ann")
        assert library.borrow("1", 1, DAY) == later(3)
        refused(library.borrow, "2", 1, DAY)


def test_the_first_of_the_queue_gets_the_copy(library):
    library.borrow("2", 1, DAY)
    library.reserve("2", 3)
    library.reserve("2", 2)
    for member in (2, 3):
        refused(library.borrow, "2", member, DAY)
    library.give_back("2", 1, DAY)
    for member in (1, 2, 4):
        refused(library.borrow, "2", member, DAY)
    library.borrow("2", 3, DAY)
    library.give_back("2", 3, DAY)
    refused(library.borrow, "2", 3, DAY)
    library.borrow("2", 2, DAY)
    library.give_back("2", 2, DAY)
    library.borrow("2", 3, DAY)


def test_copies_are_kept_for_as_many_as_there_are(library):
    library.borrow("1", 1, DAY)
    library.borrow("1", 2, DAY)
    library.reserve("1", 3)
    library.reserve("1", 4)
    library.give_back("1", 1, DAY)
    library.give_back("1", 2, DAY)
    refused(library.borrow, "1", 1, DAY)
    library.borrow("1", 4, DAY)
    library.borrow("1", 3, DAY)
    assert left(library, "1") == 0


def test_a_copy_beyond_the_queue_is_for_all(library):
    library.borrow("1", 1, DAY)
    library.borrow("1", 2, DAY)
    library.reserve("1", 3)
    library.give_back("1", 1, DAY)
    library.give_back("1", 2, DAY)
    library.borrow("1", 4, DAY)
    refused(library.borrow, "1", 1, DAY)
    library.borrow("1", 3, DAY)


def test_what_cannot_be_reserved(library):
    refused(library.reserve, "2", 1)
    library.borrow("2", 1, DAY)
    refused(library.reserve, "9", 2)
    refused(library.reserve, "2", 9)
    refused(library.reserve, "2", 1)
    library.reserve("2", 2)
    refused(library.reserve, "2", 2)
    library.give_back("2", 1, DAY)
    library.reserve("2", 1)


def test_searching(library):
    library.add_book("0", "Dubliners", "Copy")
    assert [row[0] for row in library.search("joyce")] == ["3", "2"]
    assert [row[0] for row in library.search("DUB")] == ["0", "3"]
    assert [row[0] for row in library.search("0%")] == ["4"]
    assert [row[0] for row in library.search("_")] == ["4"]
    assert library.search("nothing") == []


def test_overdue_loans(library):
    library.borrow("2", 2, DAY)
    library.borrow("3", 1, later(1))
    library.borrow("1", 2, later(1))
    library.borrow("4", 2, later(1))
    assert library.overdue(later(14)) == []
    assert library.overdue(later(15)) == [("Bob", "Ulysses", later(14))]
    assert library.overdue(later(16)) == [
        ("Bob", "Ulysses", later(14)), ("Ann", "Dubliners", later(15)), ("Bob", "100% Cotton_Wool", later(15)),
        ("Bob", "Emma", later(15)),
    ]  # fmt: skip
    library.give_back("2", 2, later(16))
    assert len(library.overdue(later(16))) == 3


def test_statistics(library, tmp_path):
    library.borrow("1", 1, DAY)
    library.borrow("2", 1, DAY)
    library.give_back("1", 1, later(16))
    assert library.statistics() == {"books": 4, "copies": 5, "lent": 1, "loans": 2, "fees": 40}
    with Library(tmp_path / "empty.db") as empty:
        assert empty.statistics() == {"books": 0, "copies": 0, "lent": 0, "loans": 0, "fees": 0}


def test_a_closed_library_is_closed(path):
    with Library(path) as library:
        library.add_member("Ann")
    with pytest.raises(Exception):  # noqa: B017 - of which kind is left open
        library.add_member("Bob")


def test_all_is_there_after_opening_again(library, path):
    library.borrow("2", 1, DAY)
    library.reserve("2", 2)
    library.close()
    with Library(path) as again:
        assert left(again, "2") == 0
        again.give_back("2", 1, DAY)
        refused(again.borrow, "2", 3, DAY)
        again.borrow("2", 2, DAY)


def test_the_last_copy_is_lent_once(path):
    threads, members, rounds = [], 4, 2
    lent, start = [], threading.Barrier(members)
    with Library(path, max_loans=99) as library:
        for number in range(rounds):
            library.add_book(str(number), "T", "A")
        for number in range(members):
            library.add_member(str(number))

    def work(member):
        with Library(path, max_loans=99) as mine:
            for number in range(rounds):
                start.wait(timeout=20)
                try:
                    mine.borrow(str(number), member, DAY)
                    lent.append(number)
                except LibraryError:
                    lent.append(None)

    for number in range(members):
        threads.append(threading.Thread(target=work, args=(number + 1,)))
        threads[-1].start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(number for number in lent if number is not None) == list(range(rounds))
    assert len(lent) == members * rounds
