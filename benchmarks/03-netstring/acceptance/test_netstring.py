import pytest
from netstring import Decoder, NetstringError, decode, encode

CONTENTS = [b"hello", b"", b"1:a,", bytes(range(256)), b"x" * 1000, b",", b"0"]
STREAM = b"".join(b"%d:%b," % (len(content), content) for content in CONTENTS)


@pytest.mark.parametrize("data, wanted", [(b"hello", b"5:hello,"), (b"", b"0:,"), (b"a" * 12, b"12:aaaaaaaaaaaa,")])
def test_encoding(data, wanted):
    assert encode(data) == wanted


def test_decoding_a_sequence():
    assert decode(STREAM) == CONTENTS
    assert decode(b"") == []


def test_decode_has_no_limit():
    big = b"y" * 200_000
    assert decode(encode(big)) == [big]


@pytest.mark.parametrize(
    "data",
    [b"5:hello", b"5:hell,", b"4:hello,", b"05:hello,", b"00:,", b":,", b"-1:,", b"a", b"1", b"1:", b"1:a;", b" 1:a,", b"1 :a,",
     b"1:a, ", b"1:a,1", b"+1:a,", b"1:a,x:,", b"1_0:aaaaaaaaaa,"],
)  # fmt: skip
def test_what_is_wrong_is_refused(data):
    with pytest.raises(NetstringError):
        decode(data)
    assert issubclass(NetstringError, ValueError)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 5000])
def test_pieces_may_end_anywhere(size):
    decoder, found = Decoder(), []
    for start in range(0, len(STREAM), size):
        found += decoder.feed(STREAM[start : start + size])
    decoder.close()
    assert found == CONTENTS


def test_contents_come_with_the_piece_that_completes_them():
    decoder = Decoder()
    assert decoder.feed(b"1:a,2:b") == [b"a"]
    assert decoder.feed(b"c") == []
    assert decoder.feed(b",") == [b"bc"]
    assert decoder.feed(b"") == []


@pytest.mark.parametrize("pieces", [[b"1"], [b"1:"], [b"1:a"], [b"0:,", b"3:ab"]])
def test_closing_inside_a_netstring(pieces):
    decoder = Decoder()
    for piece in pieces:
        decoder.feed(piece)
    with pytest.raises(NetstringError):
        decoder.close()


@pytest.mark.parametrize(
    "fine, wrong",
    [(b"", b":"), (b"", b"x"), (b"", b","), (b"1", b"x"), (b"0", b"1"), (b"0", b"0"), (b"6", b"5"), (b"1:a", b"b"), (b"0:", b"x"),
     (b"2:a", b"b;"), (b"3:abc,", b"z"), (b"", b"65:")],
)  # fmt: skip
def test_mistakes_are_told_at_once(fine, wrong):
    decoder = Decoder(limit=64)
    decoder.feed(fine)
    with pytest.raises(NetstringError):
        decoder.feed(wrong)


def test_the_limit_itself_is_allowed():
    assert Decoder(limit=64).feed(encode(b"z" * 64)) == [b"z" * 64]
    assert Decoder(limit=0).feed(b"0:,") == [b""]
    assert Decoder().feed(encode(b"z" * 65536)) == [b"z" * 65536]
    with pytest.raises(NetstringError):
        Decoder().feed(b"65537")
    with pytest.raises(NetstringError):
        Decoder().feed(b"9" * 5000)


def test_a_broken_stream_stays_broken():
    decoder = Decoder()
    with pytest.raises(NetstringError):
        decoder.feed(b"1:a,oops")
    for call in (lambda: decoder.feed(b"1:a,"), lambda: decoder.feed(b""), decoder.close):
        with pytest.raises(NetstringError):
            call()
