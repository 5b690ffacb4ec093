from datetime import UTC, datetime, timedelta

import pytest

FIELDS = {"id", "url", "title", "tags", "created_at", "updated_at"}


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "bookmarks.db")


@pytest.fixture
def client(path):
    from app import create_app

    return create_app(path).test_client()


def add(client, number=1, **fields):
    answer = client.post(
        "/bookmarks", json={"url": f"https://example.org/{number}", "title": f"Title {number}", **fields}
    )
    assert answer.status_code == 201, answer.text
    return answer.json


def refused(answer, status=400):
    assert answer.status_code == status
    assert set(answer.json) == {"error"}
    assert isinstance(answer.json["error"], str)
    assert answer.json["error"]


def listed(client, query=""):
    answer = client.get(f"/bookmarks{query}")
    assert answer.status_code == 200
    return [item["id"] for item in answer.json["items"]]


def test_adding(client):
    made = add(client, title="  Hello ", tags=["B", " a ", "b"])
    assert set(made) == FIELDS
    assert (made["id"], made["url"], made["title"], made["tags"]) == (1, "https://example.org/1", "Hello", ["a", "b"])
    created = datetime.fromisoformat(made["created_at"])
    assert created.utcoffset() == timedelta(0)
    assert abs(created - datetime.now(UTC)) < timedelta(seconds=30)
    assert client.get("/bookmarks/1").json == made
    assert client.get("/bookmarks/1").status_code == 200


def test_tags_may_be_missing(client):
    assert add(client)["tags"] == []


@pytest.mark.parametrize(
    "body",
    [
        {}, {"url": "https://e.org"}, {"title": "x"}, [1], "text", None,
        {"url": "ftp://e.org", "title": "x"}, {"url": "https://", "title": "x"}, {"url": 5, "title": "x"},
        {"url": "see https://e.org", "title": "x"}, {"url": "https://e.org/" + "x" * 1987, "title": "x"},
        {"url": "https://e.org", "title": " "}, {"url": "https://e.org", "title": "x" * 201}, {"url": "https://e.org", "title": 1},
        {"url": "https://e.org", "title": "x", "tags": "a"}, {"url": "https://e.org", "title": "x", "tags": [1]},
        {"url": "https://e.org", "title": "x", "tags": [" "]}, {"url": "https://e.org", "title": "x", "tags": ["x" * 31]},
        {"url": "https://e.org", "title": "x", "tags": [str(n) for n in range(11)]},
        {"url": "https://e.org", "title": "x", "colour": "red"},
    ],
)  # fmt: skip
def test_wrong_bodies_are_refused(client, body):
    refused(client.post("/bookmarks", json=body))
    assert listed(client) == []


def test_a_body_that_is_no_json(client):
    refused(client.post("/bookmarks", data="{oops", content_type="application/json"))


def test_the_limits_themselves_are_fine(client):
    tags = [f"{n}".rjust(30, "x") for n in range(10)]
    made = add(client, url="http://e.org/" + "x" * 1987, title="x" * 200, tags=[*tags, tags[0].upper()])
    assert made["tags"] == tags
    assert len(made["url"]) == 2000


def test_a_known_url_is_a_conflict(client):
    first = add(client)
    refused(client.post("/bookmarks", json={"url": first["url"], "title": "again"}), 409)
    second = add(client, 2)
    refused(client.put("/bookmarks/2", json={"url": first["url"], "title": "changed"}), 409)
    assert client.get("/bookmarks/2").json == second
    assert client.put("/bookmarks/1", json={"url": first["url"]}).status_code == 200


def test_updating(client):
    made = add(client, tags=["a"])
    changed = client.put("/bookmarks/1", json={"title": " New "})
    assert changed.status_code == 200
    assert changed.json == {**made, "title": "New", "updated_at": changed.json["updated_at"]}
    assert changed.json["updated_at"] > made["updated_at"]
    assert client.put("/bookmarks/1", json={"tags": ["z", "c"]}).json["tags"] == ["c", "z"]
    assert client.put("/bookmarks/1", json={"url": "http://other.org"}).json["url"] == "http://other.org"
    assert client.get("/bookmarks/1").json["title"] == "New"


@pytest.mark.parametrize("body", [{}, {"title": ""}, {"url": "x"}, {"id": 5}, {"tags": None}, []])
def test_wrong_updates_change_nothing(client, body):
    made = add(client)
    refused(client.put("/bookmarks/1", json=body))
    assert client.get("/bookmarks/1").json == made


def test_deleting(client):
    add(client, 1, tags=["a"])
    add(client, 2)
    answer = client.delete("/bookmarks/2")
    assert (answer.status_code, answer.data) == (204, b"")
    assert listed(client) == [1]
    assert add(client, 2)["id"] == 3
    client.delete("/bookmarks/1")
    assert client.get("/tags").json == {}


def test_what_is_not_there(client):
    for answer in (
        client.get("/bookmarks/9"),
        client.put("/bookmarks/9", json={"title": "x"}),
        client.delete("/bookmarks/9"),
        client.get("/nowhere"),
    ):
        refused(answer, 404)
    refused(client.patch("/bookmarks"), 405)


def test_pages(client):
    for number in range(1, 46):
        add(client, number)
    first = client.get("/bookmarks").json
    assert [item["id"] for item in first["items"]] == list(range(45, 25, -1))
    assert {name: first[name] for name in first if name != "items"} == {
        "page": 1,
        "per_page": 20,
        "total": 45,
        "pages": 3,
    }
    assert listed(client, "?page=3") == [5, 4, 3, 2, 1]
    assert listed(client, "?page=4") == []
    assert listed(client, "?page=2&per_page=2") == [43, 42]
    assert client.get("/bookmarks?per_page=9").json["pages"] == 5
    assert len(listed(client, "?per_page=100")) == 45


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page=", "per_page=0", "per_page=101", "per_page=1.5"]
)
def test_wrong_parameters(client, query):
    refused(client.get(f"/bookmarks?{query}"))


def test_searching_by_tag(client):
    add(client, 1, tags=["a", "b"])
    add(client, 2, tags=["b"])
    add(client, 3, tags=["ab"])
    assert listed(client, "?tag=b") == [2, 1]
    assert listed(client, "?tag=a&tag=b") == [1]
    answer = client.get("/bookmarks?tag=none").json
    assert (answer["items"], answer["total"], answer["pages"]) == ([], 0, 0)
    assert client.get("/bookmarks?tag=b&per_page=1").json["total"] == 2


def test_searching_by_text(client):
    add(client, 1, title="Python tips")
    add(client, 2, url="https://PYTHON.org/x_y")
    add(client, 3, title="100% sure")
    assert listed(client, "?q=python") == [2, 1]
    assert listed(client, "?q=PyTh") == [2, 1]
    assert listed(client, "?q=%25") == [3]
    assert listed(client, "?q=_") == [2]
    assert listed(client, "?q=tips&tag=a") == []


def test_counts_of_tags(client):
    add(client, 1, tags=["a", "b"])
    add(client, 2, tags=["b"])
    assert client.get("/tags").json == {"a": 1, "b": 2}
    client.put("/bookmarks/1", json={"tags": ["c"]})
    assert client.get("/tags").json == {"b": 1, "c": 1}


def test_another_app_sees_the_same(client, path):
    from app import create_app

    made = add(client, tags=["a"])
    assert create_app(path).test_client().get("/bookmarks/1").json == made
