import csv
import io
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

SECRET = "a secret of at least thirty-two bytes, for HS256"
TODAY = datetime.now(UTC).date()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "expenses.db")


@pytest.fixture
def app(path):
    from app import create_app

    return create_app(path, SECRET)


class User:
    def __init__(self, app, name, password="long password"):
        self.http = app.test_client()
        self.login = {"username": name, "password": password}
        self.id = ok(self.http.post("/register", json=self.login), 201)["id"]
        self.tokens = ok(self.http.post("/login", json=self.login))

    def __call__(self, method, path, body=None, token=None):
        header = {"Authorization": f"Bearer {token or self.tokens['access_token']}"}
        given = {} if body is None else {"json": body}
        return self.http.open(path, method=method, headers=header, **given)

    def category(self, name):
        return ok(self("POST", "/categories", {"name": name}), 201)

    def spend(self, amount=500, category="food", date="2024-02-10", **more):
        return ok(self("POST", "/expenses", {"amount": amount, "category": category, "date": date, **more}), 201)

    def listed(self, query=""):
        return [each["id"] for each in ok(self("GET", f"/expenses{query}"))]

    def budget(self, body, category="food", month="2024-02"):
        return self("PUT", f"/budgets/{category}/{month}", body)


def ok(answer, status=200):
    assert answer.status_code == status, answer.text
    return answer.json


def refused(answer, status=400):
    assert answer.status_code == status, answer.text
    assert set(answer.json) == {"error"}
    assert answer.json["error"]


@pytest.fixture
def ann(app):
    ann = User(app, "Ann_1")
    ann.category("food")
    ann.category("rent")
    return ann


@pytest.fixture
def bob(app):
    bob = User(app, "bob")
    bob.category("food")
    return bob


def test_registering(app, path):
    http = app.test_client()
    assert ok(http.post("/register", json={"username": "Ann", "password": "12345678"}), 201) == {
        "id": 1,
        "username": "Ann",
    }
    refused(http.post("/register", json={"username": "aNN", "password": "12345678"}), 409)
    assert ok(http.post("/register", json={"username": "x" * 30, "password": "p" * 72}), 201)["id"] == 2


WRONG_REGISTRATIONS = [
        {}, [], {"username": "Ann"}, {"password": "12345678"}, {"username": "An", "password": "12345678"},
        {"username": "x" * 31, "password": "12345678"}, {"username": "A b", "password": "12345678"},
        {"username": "Ännn", "password": "12345678"}, {"username": "Ann", "password": "1234567"},
        {"username": "Ann", "password": "p" * 73}, {"username": "Ann", "password": "pässword"}, {"username": 1, "password": "12345678"},
        {"username": "Ann", "password": "12345678", "admin": True},
    ]  # fmt: skip


def test_wrong_registrations(app):
    for body in WRONG_REGISTRATIONS:
        refused(app.test_client().post("/register", json=body))


def test_only_a_hash_of_the_password_is_stored(ann, path):
    with open(path, "rb") as file:
        content = file.read()
    assert b"long password" not in content
    assert b"$2b$" in content


def test_logging_in(app, ann):
    http = app.test_client()
    assert set(ok(http.post("/login", json={"username": "ANN_1", "password": "long password"}))) == {
        "access_token",
        "refresh_token",
    }
    for login in (
        {"username": "Ann_1", "password": "Long password"},
        {"username": "nobody", "password": "long password"},
    ):
        refused(http.post("/login", json=login), 401)
    refused(http.post("/login", json={"username": "Ann_1"}))
    refused(http.post("/login", data="{", content_type="application/json"))


def test_claims_of_tokens(ann):
    import jwt

    now = time.time()
    for kind, seconds in (("access", 900), ("refresh", 604_800)):
        claims = jwt.decode(ann.tokens[f"{kind}_token"], SECRET, algorithms=["HS256"])
        assert (claims["sub"], claims["type"]) == (str(ann.id), kind)
        assert abs(claims["iat"] - now) < 30
        assert claims["exp"] - claims["iat"] == seconds


def test_refreshing(ann, app):
    http = app.test_client()
    first = ann.tokens["refresh_token"]
    new = ok(http.post("/refresh", json={"refresh_token": first}))
    assert set(new) == {"access_token", "refresh_token"}
    assert ok(ann("GET", "/categories", token=new["access_token"]))
    refused(http.post("/refresh", json={"refresh_token": first}), 401)
    assert ok(http.post("/refresh", json={"refresh_token": new["refresh_token"]}))
    for wrong in (ann.tokens["access_token"], "nonsense"):
        refused(http.post("/refresh", json={"refresh_token": wrong}), 401)
    for body in ({}, {"refresh_token": 5}):
        refused(http.post("/refresh", json=body))


def forged(sub, secret=SECRET, seconds=60, kind="access"):
    import jwt

    now = int(time.time())
    return jwt.encode({"sub": sub, "type": kind, "iat": now - 100, "exp": now + seconds}, secret, algorithm="HS256")


def test_who_may_ask(ann):
    assert ok(ann("GET", "/categories", token=forged("1")))
    wrong = [
        ann.tokens["refresh_token"], "nonsense", forged("1", secret="another secret of thirty-two bytes or more"), forged("1", seconds=-5),
        forged("99"), forged("1", kind="refresh"),
    ]  # fmt: skip
    for token in wrong:
        refused(ann("GET", "/categories", token=token), 401)
    for header in (
        {},
        {"Authorization": ann.tokens["access_token"]},
        {"Authorization": f"Basic {ann.tokens['access_token']}"},
    ):
        refused(ann.http.get("/expenses", headers=header), 401)
        refused(ann.http.post("/expenses", headers=header, json={}), 401)


def test_categories_are_unique_per_user(ann, bob):
    refused(ann("POST", "/categories", {"name": " food "}), 409)
    assert bob.category(" rent ")["name"] == "rent"
    assert [each["name"] for each in ok(ann("GET", "/categories"))] == ["food", "rent"]
    assert set(ok(bob("GET", "/categories"))[0]) == {"id", "name"}
    for name in ("", " ", "x" * 51, 5, None, "a/b"):
        refused(ann("POST", "/categories", {"name": name}))
    assert len(ok(ann("GET", "/categories"))) == 2
    assert ann.category("x" * 50)["name"] == "x" * 50


def test_an_expense(ann):
    made = ann.spend(1, date=TODAY.isoformat(), description="x" * 200)
    wanted = {"id": 1, "amount": 1, "category": "food", "description": "x" * 200, "date": TODAY.isoformat()}
    assert made == {**wanted, "warning": None}
    assert ok(ann("GET", "/expenses/1")) == wanted
    assert ann.spend()["description"] == ""


WRONG_EXPENSES = [
        {"amount": 0}, {"amount": -5}, {"amount": 1.5}, {"amount": "5"}, {"amount": True}, {"amount": None}, {"category": "none"},
        {"category": 5}, {"date": "2024-02-30"}, {"date": "10.02.2024"}, {"date": "20240210"}, {"date": 5},
        {"date": (TODAY + timedelta(2)).isoformat()}, {"description": 5}, {"description": "x" * 201}, {"colour": "red"},
    ]  # fmt: skip


def test_wrong_expenses(ann):
    made = ann.spend()
    del made["warning"]
    for change in WRONG_EXPENSES:
        refused(ann("POST", "/expenses", {"amount": 5, "category": "food", "date": "2024-01-01", **change}))
        refused(ann("PUT", "/expenses/1", {"amount": 7, **change}))
        assert ok(ann("GET", "/expenses")) == [made]


def test_missing_fields(ann):
    whole = {"amount": 5, "category": "food", "date": "2024-01-01"}
    for name in whole:
        refused(ann("POST", "/expenses", {key: value for key, value in whole.items() if key != name}))
    ann.spend()
    refused(ann("PUT", "/expenses/1", {}))


def test_changing_and_deleting(ann):
    ann.spend(500, description="old")
    changed = ok(ann("PUT", "/expenses/1", {"amount": 700, "category": "rent"}))
    wanted = {"id": 1, "amount": 700, "category": "rent", "description": "old", "date": "2024-02-10"}
    assert changed == {**wanted, "warning": None}
    assert ok(ann("GET", "/expenses/1")) == wanted
    answer = ann("DELETE", "/expenses/1")
    assert (answer.status_code, answer.data) == (204, b"")
    for method in ("GET", "DELETE"):
        refused(ann(method, "/expenses/1"), 404)


def test_lists(ann):
    for number, date in enumerate(["2024-02-10", "2024-03-01", "2024-02-10", "2023-12-31"]):
        ann.spend(number + 1, ["food", "rent"][number % 2], date)
    assert ann.listed() == [2, 3, 1, 4]
    assert ann.listed("?from=2024-02-10") == [2, 3, 1]
    assert ann.listed("?to=2024-02-10") == [3, 1, 4]
    assert ann.listed("?from=2023-12-31&to=2024-02-29&category=food") == [3, 1]
    assert ann.listed("?category=none") == []
    for query in ("from=x", "to=2024-02-30"):
        refused(ann("GET", f"/expenses?{query}"))
        refused(ann("GET", f"/expenses.csv?{query}"))


def test_users_do_not_see_each_other(ann, bob):
    ann.spend()
    ok(ann.budget({"amount": 900}))
    for method, body in (("GET", None), ("PUT", {"amount": 1}), ("DELETE", None)):
        refused(bob(method, "/expenses/1", body), 404)
    assert bob.listed() == []
    refused(bob("GET", "/budgets/food/2024-02"), 404)
    assert ok(bob("GET", "/summary/2024-02")) == {"month": "2024-02", "total": 0, "categories": {}}
    assert bob("GET", "/expenses.csv").text == "id,date,category,amount,description\r\n"
    assert bob.spend(9999)["warning"] is None
    assert ann.listed() == [1]
    refused(bob("PUT", "/budgets/rent/2024-02", {"amount": 5}), 404)


def test_csv(ann):
    ann.spend(100, date="2024-02-10", description='say "hi", you')
    ann.spend(200, date="2024-01-10", description="=1+1")
    ann.spend(300, date="2024-02-10", category="rent", description="-2")
    ann.spend(400, date="2024-03-10")
    answer = ann("GET", "/expenses.csv?to=2024-02-28")
    assert answer.status_code == 200
    assert answer.mimetype == "text/csv"
    assert answer.text.endswith("\r\n")
    assert list(csv.reader(io.StringIO(answer.text))) == [
        ["id", "date", "category", "amount", "description"],
        ["2", "2024-01-10", "food", "200", "'=1+1"],
        ["1", "2024-02-10", "food", "100", 'say "hi", you'],
        ["3", "2024-02-10", "rent", "300", "'-2"],
    ]
    assert '"say ""hi"", you"\r\n' in answer.text
    for number, text in enumerate(("+1", "@x", "'ok", "a=b")):
        ann.spend(date=f"2020-01-0{number + 1}", description=text)
    rows = list(csv.reader(io.StringIO(ann("GET", "/expenses.csv?to=2020-12-31&category=food").text)))
    assert [row[-1] for row in rows[1:]] == ["'+1", "'@x", "'ok", "a=b"]


def test_budgets_have_versions(ann):
    refused(ann("GET", "/budgets/food/2024-02"), 404)
    assert ok(ann.budget({"amount": 900})) == {"category": "food", "month": "2024-02", "amount": 900, "version": 1}
    assert ok(ann.budget({"amount": 800, "version": 1}))["version"] == 2
    refused(ann.budget({"amount": 700, "version": 1}), 409)
    refused(ann.budget({"add": 700, "version": 0}), 409)
    assert ok(ann("GET", "/budgets/food/2024-02")) == {
        "category": "food",
        "month": "2024-02",
        "amount": 800,
        "version": 2,
    }
    assert ok(ann.budget({"amount": 5, "version": 0}, month="2024-03"))["version"] == 1
    refused(ann.budget({"amount": 5, "version": 1}, month="2024-04"), 409)


def test_budgets_are_changed_by_an_amount(ann):
    assert ok(ann.budget({"add": 300}))["amount"] == 300
    assert ok(ann.budget({"add": -300, "version": 1}))["amount"] == 0
    refused(ann.budget({"add": -1}))
    assert ok(ann("GET", "/budgets/food/2024-02"))["version"] == 2
    assert ok(ann.budget({"amount": 0}))["version"] == 3


WRONG_BUDGETS = [
    {},
    {"amount": -1},
    {"amount": "5"},
    {"amount": True},
    {"amount": 1, "add": 1},
    {"add": 1.5},
    {"version": 0},
    {"amount": 1, "x": 1},
]


def test_wrong_budgets(ann):
    for body in WRONG_BUDGETS:
        refused(ann.budget(body))
        refused(ann("GET", "/budgets/food/2024-02"), 404)


def test_places_of_budgets(ann):
    for month in ("2024-13", "2024-00", "2024-1", "x"):
        refused(ann.budget({"amount": 1}, month=month))
        refused(ann("GET", f"/budgets/food/{month}"))
        refused(ann("GET", f"/summary/{month}"))
    refused(ann.budget({"amount": 1}, category="none"), 404)
    ann.category("a b é")
    assert ok(ann.budget({"amount": 1}, category="a%20b%20%C3%A9"))["category"] == "a b é"


def test_warnings(ann):
    ok(ann.budget({"amount": 1000}))
    assert ann.spend(1000)["warning"] is None
    assert ann.spend(5000, date="2024-03-01")["warning"] is None
    assert ann.spend(5000, category="rent")["warning"] is None
    warning = {"category": "food", "month": "2024-02", "budget": 1000, "spent": 1001}
    assert ann.spend(1, date="2024-02-29")["warning"] == warning
    assert ok(ann("PUT", "/expenses/4", {"amount": 2}))["warning"] == {**warning, "spent": 1002}
    assert ok(ann("PUT", "/expenses/4", {"date": "2024-01-31"}))["warning"] is None
    assert ok(ann("PUT", "/expenses/4", {"date": "2024-02-01"}))["warning"] == {**warning, "spent": 1002}


def test_the_summary(ann):
    ann.category("fun")
    ann.category("idle")
    ann.spend(700, date="2024-02-01")
    ann.spend(600, date="2024-02-29")
    ann.spend(50, category="rent")
    ann.spend(9, date="2024-03-01")
    ann.spend(9, date="2024-01-31")
    ok(ann.budget({"amount": 1000}))
    ok(ann.budget({"amount": 0}, category="fun"))
    assert ok(ann("GET", "/summary/2024-02")) == {
        "month": "2024-02", "total": 1350,
        "categories": {
            "food": {"spent": 1300, "budget": 1000, "remaining": -300},
            "rent": {"spent": 50, "budget": None, "remaining": None},
            "fun": {"spent": 0, "budget": 0, "remaining": 0},
        },
    }  # fmt: skip


def test_changes_at_the_same_time_all_count(app, ann):
    statuses = []

    def work():
        http = app.test_client()
        header = {"Authorization": f"Bearer {ann.tokens['access_token']}"}
        for _ in range(5):
            statuses.append(http.put("/budgets/food/2024-02", json={"add": 10}, headers=header).status_code)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert statuses == [200] * 30
    budget = ok(ann("GET", "/budgets/food/2024-02"))
    assert (budget["amount"], budget["version"]) == (300, 30)


def test_of_changes_with_a_version_one_wins(app, ann):
    statuses, start = [], threading.Barrier(5)

    def work():
        http = app.test_client()
        header = {"Authorization": f"Bearer {ann.tokens['access_token']}"}
        start.wait(timeout=30)
        answer = http.put("/budgets/food/2024-02", json={"amount": 10, "version": 0}, headers=header)
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(statuses) == [200, 409, 409, 409, 409]


def test_another_app_sees_the_same(ann, path):
    from app import create_app

    ann.spend()
    again = create_app(path, SECRET).test_client()
    header = {"Authorization": f"Bearer {ann.tokens['access_token']}"}
    assert len(ok(again.get("/expenses", headers=header))) == 1
    refused(again.post("/register", json=ann.login), 409)


def test_what_is_not_there(ann):
    refused(ann("GET", "/nowhere"), 404)
    refused(ann("DELETE", "/categories"), 405)
