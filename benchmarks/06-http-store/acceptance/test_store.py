import http.client
import json
import socket
import threading

import pytest


@pytest.fixture
def start():
    from store import make_server

    running = []

    def begin(**options):
        server = make_server(**options)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return Client(server.server_address[1])

    yield begin
    for server, thread in running:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


class Client:
    """One connection for all requests."""

    def __init__(self, port):
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def __call__(self, method, path, body=None, **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, names)
        answer = self.connection.getresponse()
        answer.content = answer.read()
        return answer

    def names(self, query=""):
        answer = self("GET", f"/docs{query}")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        return json.loads(answer.content)


@pytest.fixture
def client(start):
    client = start()
    yield client
    client.connection.close()


def refused(answer, status):
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert isinstance(json.loads(answer.content)["error"], str)


def told(answer):
    return answer.status, answer.headers["ETag"], answer.content


def test_putting_and_getting(client):
    assert told(client("PUT", "/docs/a", b"\x00hello", Content_Type="text/x-test")) == (201, '"1"', b"")
    answer = client("GET", "/docs/a")
    assert told(answer) == (200, '"1"', b"\x00hello")
    assert (answer.headers["Content-Type"], answer.headers["Content-Length"]) == ("text/x-test", "6")


def test_changing(client):
    made = client("PUT", "/docs/a", b"one", Content_Type="text/plain")
    changed = client("PUT", "/docs/a", b"")
    assert told(changed) == (204, '"2"', b"")
    assert (made.headers["Content-Length"], changed.headers["Content-Length"]) == ("0", None)
    answer = client("GET", "/docs/a")
    assert told(answer) == (200, '"2"', b"")
    assert (answer.headers["Content-Type"], answer.headers["Content-Length"]) == ("application/octet-stream", "0")


def test_heads(client):
    client("PUT", "/docs/a", b"one", Content_Type="text/plain")
    got, head = client("GET", "/docs/a"), client("HEAD", "/docs/a")
    assert told(head) == (200, '"1"', b"")
    for name in ("Content-Type", "Content-Length"):
        assert got.headers[name] == head.headers[name]
    assert (client("HEAD", "/docs/b").status, client("HEAD", "/nowhere").status, client("HEAD", "/docs").status) == (
        404,
        404,
        200,
    )
    assert client("GET", "/docs/a").content == b"one"


def test_deleting(client):
    client("PUT", "/docs/a", b"1")
    client("PUT", "/docs/a", b"2")
    answer = client("DELETE", "/docs/a")
    assert (answer.status, answer.content) == (204, b"")
    for method in ("GET", "DELETE"):
        refused(client(method, "/docs/a"), 404)
    assert told(client("PUT", "/docs/a", b"3")) == (201, '"1"', b"")


def test_conditions_of_changes(client):
    for tag in ('"1"', "*"):
        refused(client("PUT", "/docs/a", b"x", If_Match=tag), 412)
    refused(client("GET", "/docs/a"), 404)
    assert client("PUT", "/docs/a", b"x", If_None_Match="*").status == 201
    refused(client("PUT", "/docs/a", b"y", If_None_Match="*"), 412)
    assert told(client("PUT", "/docs/a", b"y", If_Match='"1"')) == (204, '"2"', b"")
    refused(client("PUT", "/docs/a", b"z", If_Match='"1"'), 412)
    assert told(client("PUT", "/docs/a", b"z", If_Match="*")) == (204, '"3"', b"")
    refused(client("DELETE", "/docs/a", If_Match='"2"'), 412)
    assert client("GET", "/docs/a").content == b"z"
    assert client("DELETE", "/docs/a", If_Match='"3"').status == 204


def test_conditions_of_reading(client):
    client("PUT", "/docs/a", b"x")
    client("PUT", "/docs/a", b"y")
    for tags in ('"2"', "*", '"1", "2"', '"7","2" , "9"'):
        for method in ("GET", "HEAD"):
            assert told(client(method, "/docs/a", If_None_Match=tags)) == (304, '"2"', b"")
    for tags in ('"1"', '"22"', '"1","3"'):
        assert told(client("GET", "/docs/a", If_None_Match=tags)) == (200, '"2"', b"y")


@pytest.mark.parametrize("name", ["", "a%20b", "a%2Fb", "%C3%A9", "x" * 65, "a~", "a:b"])
def test_wrong_names(client, name):
    for method in ("PUT", "GET", "DELETE"):
        refused(client(method, f"/docs/{name}", b"x" if method == "PUT" else None), 400)
    refused(client("POST", f"/docs/{name}/append", b"x"), 400)


def test_right_names(client):
    for name in ("x" * 64, "A.b_c-9", "-"):
        assert client("PUT", f"/docs/{name}", b"x").status == 201


def test_lists(client):
    assert client.names() == {"names": [], "next": None}
    for name in ("b", "a.2", "a.1", "a.10", "C"):
        client("PUT", f"/docs/{name}", b"x")
    assert client.names() == {"names": ["C", "a.1", "a.10", "a.2", "b"], "next": None}
    assert client.names("?prefix=a.") == {"names": ["a.1", "a.10", "a.2"], "next": None}
    assert client.names("?limit=2") == {"names": ["C", "a.1"], "next": "a.10"}
    assert client.names("?limit=5")["next"] is None
    assert client.names("?limit=1&prefix=%61&after=a.1") == {"names": ["a.10"], "next": "a.2"}
    assert client.names("?after=b") == {"names": [], "next": None}


def test_a_hundred_names_when_not_told(client):
    for number in range(101):
        client("PUT", f"/docs/n{number:03}", b"")
    assert client.names()["next"] == "n100"
    assert len(client.names()["names"]) == 100
    assert len(client.names("?limit=1000")["names"]) == 101


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5"])
def test_wrong_limits(client, limit):
    refused(client("GET", f"/docs?limit={limit}"), 400)


def test_appending(client):
    refused(client("POST", "/docs/a/append", b"x"), 404)
    client("PUT", "/docs/a", b"one ", Content_Type="text/plain")
    assert told(client("POST", "/docs/a/append", b"two")) == (204, '"2"', b"")
    answer = client("GET", "/docs/a")
    assert (told(answer), answer.headers["Content-Type"]) == ((200, '"2"', b"one two"), "text/plain")


def test_appending_at_the_same_time(client):
    client("PUT", "/docs/a", b"")

    def work(letter):
        mine = Client(client.port)
        for _ in range(25):
            assert mine("POST", "/docs/a/append", letter * 10).status == 204
        mine.connection.close()

    threads = [threading.Thread(target=work, args=(letter.encode(),)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    answer = client("GET", "/docs/a")
    parts = [answer.content[start : start + 10] for start in range(0, 1000, 10)]
    assert answer.headers["ETag"] == '"101"'
    assert len(answer.content) == 1000
    assert sorted(parts) == sorted(letter * 10 for letter in (b"a", b"b", b"c", b"d") for _ in range(25))


def test_limits_of_size(start):
    client = start(max_bytes=10)
    assert client("PUT", "/docs/a", b"x" * 10).status == 201
    assert client("PUT", "/docs/b", b"x" * 6).status == 201
    refused(client("POST", "/docs/b/append", b"y" * 5), 413)
    client.connection.close()
    assert client("POST", "/docs/b/append", b"y" * 4).status == 204
    refused(client("PUT", "/docs/c", b"x" * 11), 413)
    client.connection.close()
    assert client.names()["names"] == ["a", "b"]
    client.connection.close()


@pytest.mark.parametrize(
    "method, path, allowed",
    [("POST", "/docs", "GET, HEAD"), ("PUT", "/docs", "GET, HEAD"), ("POST", "/docs/a", "DELETE, GET, HEAD, PUT"),
     ("GET", "/docs/a/append", "POST"), ("DELETE", "/docs/a/append", "POST")],
)  # fmt: skip
def test_other_methods(client, method, path, allowed):
    answer = client(method, path, b"body" if method in ("POST", "PUT") else None)
    refused(answer, 405)
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("path", ["/", "/doc", "/docs/a/b", "/docs/a/append/x", "/other/a"])
def test_other_paths(client, path):
    refused(client("GET", path), 404)
    refused(client("POST", path, b"body"), 404)


@pytest.mark.parametrize("request_line", ["PUT /docs/a", "POST /docs/a/append"])
def test_a_length_is_needed(client, request_line):
    client("PUT", "/docs/a", b"")
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as raw:
        raw.sendall(f"{request_line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := raw.recv(4096):
            answer += piece
    assert answer.split(b"\r\n")[0].split()[1] == b"411"


def test_a_connection_goes_on_after_mistakes(client):
    client("GET", "/docs")
    first = client.connection.sock
    refused(client("POST", "/docs", b"GET /docs/a HTTP/1.1\r\n\r\n"), 405)
    refused(client("PUT", "/docs/a%20", b"junk"), 400)
    refused(client("PUT", "/docs/a", b"junk", If_Match="*"), 412)
    refused(client("POST", "/nowhere", b"junk"), 404)
    assert client("GET", "/docs").status == 200
    assert client.connection.sock is first


def test_servers_share_nothing_and_say_nothing(start, capfd):
    first, second = start(), start()
    first("PUT", "/docs/a", b"x")
    refused(second("GET", "/docs/a"), 404)
    for client in (first, second):
        client.connection.close()
    assert capfd.readouterr() == ("", "")
