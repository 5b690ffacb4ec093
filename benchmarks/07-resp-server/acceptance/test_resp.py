import pytest


@pytest.fixture
def resp():
    import resp

    return resp


@pytest.mark.parametrize(
    "value, wanted",
    [("OK", b"+OK\r\n"), ("", b"+\r\n"), (5, b":5\r\n"), (-7, b":-7\r\n"), (b"hello", b"$5\r\nhello\r\n"), (b"", b"$0\r\n\r\n"), (None, b"$-1\r\n"),
     ([], b"*0\r\n"), ([b"a", 1, [None, "x"]], b"*3\r\n$1\r\na\r\n:1\r\n*2\r\n$-1\r\n+x\r\n")],
)  # fmt: skip
def test_encoding_and_parsing(resp, value, wanted):
    assert resp.encode(value) == wanted
    assert resp.Parser().feed(wanted) == [value]


def test_errors_are_values(resp):
    assert resp.encode(resp.RespError("ERR no")) == b"-ERR no\r\n"
    (error,) = resp.Parser().feed(b"-ERR no\r\n")
    assert isinstance(error, resp.RespError)
    assert error.args == ("ERR no",)


def test_what_has_no_form(resp):
    for value in (True, 1.5, {}, object(), [1, 2.5]):
        with pytest.raises(TypeError):
            resp.encode(value)
    for text in ("a\r\nb", "a\n", "\r"):
        with pytest.raises(ValueError):
            resp.encode(text)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_pieces_may_end_anywhere(resp, size):
    values = [b"a\r\nb", [b"x", [1, None], "y"], 12, b"", [], "z", [[]]]
    stream = b"".join(map(resp.encode, values)) + b"*-1\r\n"
    parser, found = resp.Parser(), []
    for start in range(0, len(stream), size):
        found += parser.feed(stream[start : start + size])
    assert found == [*values, None]


def test_values_come_with_the_piece_that_completes_them(resp):
    parser = resp.Parser()
    assert parser.feed(b":1\r\n$3\r\nab") == [1]
    assert parser.feed(b"c\r") == []
    assert parser.feed(b"\n") == [b"abc"]


@pytest.mark.parametrize(
    "fine, wrong",
    [(b"", b"x"), (b"", b"PING\r\n"), (b"$", b"x\r\n"), (b":", b"1.5\r\n"), (b":", b"\r\n"), (b"*", b"+1\r\n"), (b"$-", b"2\r\n"), (b"*-2", b"\r\n"),
     (b"$1\r\na", b"bc"), (b"$1\r\na\r", b"x"), (b"*2\r\n:1\r\n", b"!"), (b"", b":1\r\n?\r\n"), (b":", b" 1\r\n"), (b"+" + b"x" * 65536, b"yz")],
)  # fmt: skip
def test_what_is_not_resp(resp, fine, wrong):
    parser = resp.Parser()
    assert parser.feed(fine) == []
    for piece in (wrong, b":1\r\n", b""):
        with pytest.raises(resp.ProtocolError):
            parser.feed(piece)


def test_the_longest_line(resp):
    assert resp.Parser().feed(b"+" + b"x" * 65536 + b"\r\n") == ["x" * 65536]
    with pytest.raises(resp.ProtocolError):
        resp.Parser().feed(b"+" + b"x" * 65537 + b"\r\n")


def test_a_long_stream_in_small_pieces(resp):
    parser, content = resp.Parser(), bytes(range(256)) * 8000
    stream, found = resp.encode(content), []
    for start in range(0, len(stream), 100):
        found += parser.feed(stream[start : start + 100])
    assert found == [content]
