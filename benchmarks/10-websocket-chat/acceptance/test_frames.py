import pytest


@pytest.fixture
def frames():
    import frames

    return frames


def frame(opcode, payload=b"", final=True, mask=b"\x01\x02\x03\x04", first=0):
    length = len(payload)
    head = bytes([(0x80 if final else 0) | opcode | first])
    size = (
        bytes([0x80 | length])
        if length < 126
        else b"\xfe" + length.to_bytes(2, "big")
        if length < 65536
        else b"\xff" + length.to_bytes(8, "big")
    )
    return head + size + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def test_the_key_of_the_standard(frames):
    assert frames.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_encoding(frames):
    assert frames.encode(1, b"Hello") == b"\x81\x05Hello"
    assert frames.encode(8, b"") == b"\x88\x00"
    for length, head in (
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65535, b"\x82\x7e\xff\xff"),
        (65536, b"\x82\x7f" + (65536).to_bytes(8, "big")),
    ):
        assert frames.encode(2, b"x" * length) == head + b"x" * length


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 10**6])
def test_messages_in_pieces(frames, size):
    wanted = [
        (1, "é!".encode()),
        (2, b""),
        (9, b"p"),
        (1, b"abc"),
        (2, b"z" * 300),
        (10, b"q" * 125),
        (2, bytes(65536)),
    ]
    stream = (
        frame(1, "é!".encode())
        + frame(2)
        + frame(1, b"a", final=False)
        + frame(9, b"p")
        + frame(0, b"b", final=False)
        + frame(0, b"c")
    )
    stream += frame(2, b"z" * 300) + frame(10, b"q" * 125) + frame(2, bytes(65536), mask=b"\xff\x00\xaa\x55")
    decoder, found = frames.Decoder(), []
    step = size if size > 7 else size * 50 + 1
    for start in range(0, len(stream), step):
        found += decoder.feed(stream[start : start + step])
    assert found == wanted


def test_single_bytes(frames):
    decoder, found = frames.Decoder(), []
    for byte in frame(1, b"hello") + frame(2, b"y" * 130):
        found += decoder.feed(bytes([byte]))
    assert found == [(1, b"hello"), (2, b"y" * 130)]


def test_characters_may_be_cut_between_fragments(frames):
    assert frames.Decoder().feed(frame(1, b"\xc3", final=False) + frame(0, b"\xa9")) == [(1, b"\xc3\xa9")]


def test_nothing_counts_after_a_close(frames):
    decoder = frames.Decoder()
    assert decoder.feed(frame(8, b"\x03\xe8bye") + b"\xff\xff\xff") == [(8, b"\x03\xe8bye")]
    assert decoder.feed(frame(1, b"late")) == []


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 3000, 4999])
def test_codes_that_may_be_sent(frames, code):
    assert frames.Decoder().feed(frame(8, code.to_bytes(2, "big"))) == [(8, code.to_bytes(2, "big"))]


def code_of(frames, *pieces, **options):
    decoder = frames.Decoder(**options)
    for piece in pieces[:-1]:
        decoder.feed(piece)
    with pytest.raises(frames.WebSocketError) as caught:
        decoder.feed(pieces[-1])
    return caught.value.code


@pytest.mark.parametrize(
    "pieces",
    [
        [b"\x81\x05Hello"], [frame(1, b"x", first=0x40)], [frame(1, b"x", first=0x10)], [frame(1, b"x", first=0x20)], [frame(3)], [frame(11)], [frame(15)],
        [frame(9, b"x", final=False)], [frame(9, b"x" * 126)], [frame(8, b"x" * 126)], [frame(0, b"x")], [frame(0, b"x", final=False)],
        [frame(1, b"x", final=False), frame(1, b"y")], [frame(2, b"x", final=False), frame(1, b"y", final=False)], [frame(1, b"a"), frame(0, b"b")], [frame(8, b"x")],
        *([frame(8, code.to_bytes(2, "big"))] for code in (0, 999, 1004, 1005, 1006, 1012, 2999, 5000)), [b"\x01\x00"], [frame(8, b"\x03")],
    ],
)  # fmt: skip
def test_what_is_forbidden(frames, pieces):
    assert code_of(frames, *pieces) == 1002


def test_headers_are_judged_at_once(frames):
    assert code_of(frames, b"\x8b\x80") == 1002
    assert code_of(frames, b"\x82\xff" + (65537).to_bytes(8, "big")) == 1009


def test_text_must_be_utf8(frames):
    assert code_of(frames, frame(1, b"\xff")) == 1007
    assert code_of(frames, frame(1, b"\xc3", final=False), frame(0, b"x")) == 1007
    assert code_of(frames, frame(8, b"\x03\xe8\xff")) == 1007
    assert frames.Decoder().feed(frame(2, b"\xff")) == [(2, b"\xff")]


def test_long_messages(frames):
    assert frames.Decoder(5).feed(frame(2, b"12345") + frame(9, b"control")) == [(2, b"12345"), (9, b"control")]
    assert code_of(frames, frame(2, b"123456"), max_bytes=5) == 1009
    assert code_of(frames, frame(2, b"123", final=False), frame(0, b"456"), max_bytes=5) == 1009
    assert code_of(frames, frame(2, bytes(65537))) == 1009
