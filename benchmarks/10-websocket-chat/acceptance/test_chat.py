import asyncio
import json

import pytest

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = {
    "Host": "x",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def run(scenario):
    async def main():
        from chat import start

        async with asyncio.timeout(20):
            server = await start()
            host, port = server.sockets[0].getsockname()
            assert host == "127.0.0.1"
            clients = []

            async def connect(path, method="GET", **changes):
                client = Client(*await asyncio.open_connection("127.0.0.1", port))
                clients.append(client)
                headers = {**HEADERS, **{name.replace("_", "-"): value for name, value in changes.items()}}
                lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items() if value)]
                client.writer.write("\r\n".join([*lines, "", ""]).encode())
                client.head = (await client.reader.readuntil(b"\r\n\r\n")).decode()
                client.status = int(client.head.split()[1])
                return client

            try:
                await scenario(connect)
            finally:
                for client in clients:
                    client.writer.close()
                server.close()
                await asyncio.sleep(0.02)

    asyncio.run(main())


class Client:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, opcode, payload):
        mask = b"\x05\x06\x07\x08"
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
        self.writer.write(
            bytes([0x80 | opcode]) + size + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        )

    def say(self, **message):
        self.send(1, json.dumps(message).encode())

    async def frame(self):
        first, length = await asyncio.wait_for(self.reader.readexactly(2), 5)
        if length > 125:
            length = int.from_bytes(await self.reader.readexactly({126: 2, 127: 8}[length]), "big")
        return first, await self.reader.readexactly(length)

    async def gets(self, *wanted):
        for message in wanted:
            first, payload = await self.frame()
            assert (first, json.loads(payload)) == (0x81, message)

    async def ends(self, payload):
        assert await self.frame() == (0x88, payload)
        assert await asyncio.wait_for(self.reader.read(), 5) == b""


def welcome(*names, room="r"):
    return {"type": "welcome", "room": room, "names": list(names)}


def event(kind, name):
    return {"type": kind, "name": name}


def said(name, text):
    return {"type": "say", "name": name, "text": text}


def test_the_handshake():
    async def scenario(connect):
        client = await connect("/chat/r?name=ann")
        head = client.head.lower()
        assert client.head.startswith("HTTP/1.1 101 Switching Protocols\r\n")
        assert "upgrade: websocket\r\n" in head
        assert "connection: upgrade\r\n" in head
        assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n".lower() in head
        assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in client.head
        await client.gets(welcome("ann"))
        loose = await connect("/chat/r?name=bob", Upgrade="WebSocket", Connection="keep-alive, upgrade")
        await loose.gets(welcome("ann", "bob"))
        other = await connect(
            "/chat/q?name=ann",
            Sec_WebSocket_Version=None,
            Sec_WebSocket_Key=None,
            **{"sec-websocket-version": "13", "SEC-WEBSOCKET-KEY": KEY},
        )
        await other.gets(welcome("ann", room="q"))

    run(scenario)


@pytest.mark.parametrize(
    "path, changes, status",
    [
        ("/chat/r?name=a", {"method": "POST"}, 405), ("/chat", {}, 404), ("/chat/r/x?name=a", {}, 404), ("/chat/a-b?name=a", {}, 404), ("/chat/?name=a", {}, 404),
        (f"/chat/{'x' * 21}?name=a", {}, 404), ("/chat/r?name=a", {"Sec_WebSocket_Version": "12"}, 426), ("/chat/r", {}, 400), ("/chat/r?name=", {}, 400),
        ("/chat/r?name=a-b", {}, 400), (f"/chat/r?name={'x' * 21}", {}, 400), ("/chat/r?name=a", {"Upgrade": None}, 400), ("/chat/r?name=a", {"Upgrade": "h2c"}, 400),
        ("/chat/r?name=a", {"Connection": "close"}, 400), ("/chat/r?name=a", {"Sec_WebSocket_Key": None}, 400), ("/chat/r?name=a", {"Sec_WebSocket_Version": None}, 400),
        ("/x", {"method": "PUT"}, 405), ("/x", {"Sec_WebSocket_Version": "8"}, 404), ("/chat/r", {"Sec_WebSocket_Version": "8"}, 426), ("/chat/r?name=taken", {}, 409),
        ("/chat/r?name=taken", {"Upgrade": None}, 400),
    ],
)  # fmt: skip
def test_refused_handshakes(path, changes, status):
    async def scenario(connect):
        first = await connect("/chat/r?name=taken")
        client = await connect(path, **changes)
        assert client.status == status
        assert ("sec-websocket-version: 13\r\n" in client.head.lower()) == (status == 426)
        await asyncio.wait_for(client.reader.read(), 5)
        await first.gets(welcome("taken"))
        first.say(type="history")
        await first.gets({"type": "history", "says": []})

    run(scenario)


def test_the_longest_names():
    async def scenario(connect):
        room, name = "R9" * 10, "N9" * 10
        await (await connect(f"/chat/{room}?name={name}")).gets(welcome(name, room=room))

    run(scenario)


async def three(connect):
    clients = [await connect(f"/chat/r?name={name}") for name in ("bob", "ann", "cid")]
    await clients[0].gets(welcome("bob"), event("join", "ann"), event("join", "cid"))
    await clients[1].gets(welcome("ann", "bob"), event("join", "cid"))
    await clients[2].gets(welcome("ann", "bob", "cid"))
    return clients


def test_saying():
    async def scenario(connect):
        clients = await three(connect)
        other = await connect("/chat/q?name=ann")
        clients[0].say(type="say", text='hé "you"')
        for client in clients:
            await client.gets(said("bob", 'hé "you"'))
        await other.gets(welcome("ann", room="q"))
        other.say(type="history")
        await other.gets({"type": "history", "says": []})

    run(scenario)


def test_whispering():
    async def scenario(connect):
        bob, ann, cid = await three(connect)
        bob.say(type="whisper", to="ann", text="psst")
        bob.say(type="whisper", to="bob", text="me")
        bob.say(type="say", text="all")
        told = {"type": "whisper", "name": "bob", "to": "ann", "text": "psst"}
        await bob.gets(told, {**told, "to": "bob", "text": "me"}, said("bob", "all"))
        await ann.gets(told, said("bob", "all"))
        await cid.gets(said("bob", "all"))

    run(scenario)


def test_the_history():
    async def scenario(connect):
        client = await connect("/chat/r?name=ann")
        for number in range(12):
            client.say(type="say", text=str(number))
        client.say(type="whisper", to="ann", text="secret")
        client.say(type="history")
        says = [said("ann", str(number)) for number in range(12)]
        await client.gets(
            welcome("ann"),
            *says,
            {"type": "whisper", "name": "ann", "to": "ann", "text": "secret"},
            {"type": "history", "says": says[2:]},
        )
        late = await connect("/chat/r?name=bob")
        late.say(type="history")
        await late.gets(welcome("ann", "bob"), {"type": "history", "says": says[2:]})
        for each in (client, late):
            each.writer.close()
        await asyncio.sleep(0.1)
        new = await connect("/chat/r?name=ann")
        new.say(type="history")
        await new.gets(welcome("ann"), {"type": "history", "says": []})

    run(scenario)


WRONG = [
    b"", b"{", b"[]", b"5", b"null", b"{}", b'"say"', b'{"type": "dance"}', b'{"type": "say"}', b'{"type": "say", "text": ""}', b'{"type": "say", "text": 5}',
    b'{"type": ["say"], "text": "x"}', b'{"type": "whisper", "text": "x"}', b'{"type": "whisper", "to": "zoe", "text": "x"}', b'{"type": "whisper", "to": [], "text": "x"}',
    b'{"type": "whisper", "to": "ann"}', b'{"type": "whisper", "to": "ann", "text": ""}', json.dumps({"type": "say", "text": "x" * 501}).encode(),
]  # fmt: skip


def test_what_is_not_understood():
    async def scenario(connect):
        client = await connect("/chat/r?name=ann")
        await client.gets(welcome("ann"))
        for text in WRONG:
            client.send(1, text)
            answer = json.loads((await client.frame())[1])
            assert (set(answer), answer["type"]) == ({"type", "reason"}, "error")
            assert isinstance(answer["reason"], str)
            assert answer["reason"]
        client.say(type="say", text="x" * 500)
        await client.gets(said("ann", "x" * 500))

    run(scenario)


def test_leaving_in_every_way():
    async def scenario(connect):
        watcher = await connect("/chat/r?name=watcher")
        await watcher.gets(welcome("watcher"))
        endings = [
            (lambda c: c.send(8, b"\x0f\xa0bye"), b"\x0f\xa0"), (lambda c: c.send(8, b""), b""), (lambda c: c.send(2, b"x"), b"\x03\xeb"),
            (lambda c: c.send(1, b"\xff"), b"\x03\xef"), (lambda c: c.writer.write(b"\x81\x01x"), b"\x03\xea"),
            (lambda c: c.writer.write(b"\x82\xff" + (2**40).to_bytes(8, "big")), b"\x03\xf1"),
        ]  # fmt: skip
        for end, payload in endings:
            client = await connect("/chat/r?name=ann")
            await client.gets(welcome("ann", "watcher"))
            await watcher.gets(event("join", "ann"))
            end(client)
            await client.ends(payload)
            await watcher.gets(event("leave", "ann"))
        client = await connect("/chat/r?name=ann")
        client.writer.transport.abort()
        await watcher.gets(event("join", "ann"), event("leave", "ann"))

    run(scenario)


def test_pings_and_fragments():
    async def scenario(connect):
        client = await connect("/chat/r?name=ann")
        await client.gets(welcome("ann"))
        client.send(10, b"ignored")
        client.writer.write(b"\x01\x8a\0\0\0\0" + b'{"type": "')
        client.send(9, b"are you there")
        assert await client.frame() == (0x8A, b"are you there")
        client.writer.write(b"\x80\x8a\0\0\0\0" + b'history"} ')
        await client.gets({"type": "history", "says": []})

    run(scenario)


def test_all_see_the_same_order():
    async def scenario(connect):
        clients = await three(connect)
        for number in range(20):
            for client in clients:
                client.say(type="say", text=str(number))
        seen = []
        for client in clients:
            seen.append([json.loads((await client.frame())[1]) for _ in range(60)])
        assert seen[0] == seen[1] == seen[2]
        for name in ("ann", "bob", "cid"):
            assert [each["text"] for each in seen[0] if each["name"] == name] == [str(number) for number in range(20)]

    run(scenario)
