import asyncio

import pytest

OK = b"+OK\r\n"
INTEGER = b"-ERR value is not an integer or out of range\r\n"


def run(scenario):
    """The scenario with a server of its own."""

    async def main():
        from server import start

        async with asyncio.timeout(20):
            server = await start()
            port = server.sockets[0].getsockname()[1]
            assert server.sockets[0].getsockname()[0] == "127.0.0.1"
            clients = []

            async def connect():
                clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
                return clients[-1]

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

    def send(self, *words):
        words = [str(word).encode() if not isinstance(word, bytes) else word for word in words]
        self.writer.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))

    async def read(self, wanted):
        """Just these bytes must come."""
        got = await asyncio.wait_for(self.reader.readexactly(len(wanted)), 5)
        assert got == wanted

    async def check(self, words, wanted):
        self.send(*(words.split() if isinstance(words, str) else words))
        await self.read(wanted)

    async def all(self, *pairs):
        for words, wanted in pairs:
            await self.check(words, wanted)


def session(*pairs):
    async def scenario(connect):
        await (await connect()).all(*pairs, ("PING end", b"$3\r\nend\r\n"))

    run(scenario)


def test_ping_and_echo():
    session(("PING", b"+PONG\r\n"), ("ping x", b"$1\r\nx\r\n"), ("eChO hi", b"$2\r\nhi\r\n"))


def test_setting_and_getting():
    session(
        ("GET a", b"$-1\r\n"), ("SET a 1", OK), ("GET a", b"$1\r\n1\r\n"), (["set", b"\x00\r\n", b""], OK), (["GET", b"\x00\r\n"], b"$0\r\n\r\n"),
        ("EXISTS a a b", b":2\r\n"), ("DEL a b a", b":1\r\n"), ("GET a", b"$-1\r\n"), ("EXISTS a", b":0\r\n"),
    )  # fmt: skip


def test_setting_only_new_keys():
    session(
        ("SET a 1 NX", OK), ("SET a 2 nx", b"$-1\r\n"), ("SET a 3 EX 100 NX", b"$-1\r\n"), ("GET a", b"$1\r\n1\r\n"), ("TTL a", b":-1\r\n"),
        ("SET b 1 NX ex 100", OK), ("TTL b", b":100\r\n"),
    )  # fmt: skip


def test_counting():
    session(
        ("INCR a", b":1\r\n"), ("INCRBY a 41", b":42\r\n"), ("incrby a -50", b":-8\r\n"), ("GET a", b"$2\r\n-8\r\n"),
        ("SET b 9223372036854775806", OK), ("INCR b", b":9223372036854775807\r\n"), ("INCR b", INTEGER), ("GET b", b"$19\r\n9223372036854775807\r\n"),
        ("SET c -9223372036854775808", OK), ("INCRBY c -1", INTEGER), ("INCRBY c 0", b":-9223372036854775808\r\n"),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "x", "1.5", " 1", "+1", "01", "9223372036854775808", "1\n", "-0"])
def test_what_is_no_number(text):
    session(
        (["SET", "a", text], OK),
        ("INCR a", INTEGER),
        ("SET n 5", OK),
        (["INCRBY", "n", text], INTEGER),
        ("GET n", b"$1\r\n5\r\n"),
    )


def test_time_limits():
    session(
        ("TTL a", b":-2\r\n"), ("EXPIRE a 5", b":0\r\n"), ("SET a 1", OK), ("TTL a", b":-1\r\n"), ("EXPIRE a 50", b":1\r\n"), ("TTL a", b":50\r\n"),
        ("INCR a", b":2\r\n"), ("TTL a", b":50\r\n"), ("SET a 1", OK), ("TTL a", b":-1\r\n"), ("EXPIRE a 0", b":1\r\n"), ("EXISTS a", b":0\r\n"),
        ("SET a 1 EX 10", OK), ("EXPIRE a -1", b":1\r\n"), ("TTL a", b":-2\r\n"), ("SET a 1", OK), ("EXPIRE a x", INTEGER), ("SET a 1 EX x", INTEGER),
        ("SET a 2 EX 0", b"-ERR invalid expire time in 'set' command\r\n"), ("GET a", b"$1\r\n1\r\n"), ("TTL a", b":-1\r\n"),
    )  # fmt: skip


def test_expired_keys_do_not_exist():
    async def scenario(connect):
        client = await connect()
        await client.all(
            ("SET a 5 EX 1", OK), ("SET b 5 EX 1", OK), ("SET c 5", OK), ("EXPIRE c 1", b":1\r\n"), ("TTL a", b":1\r\n")
        )
        await asyncio.sleep(1.05)
        await client.all(
            ("EXISTS a b c", b":0\r\n"), ("GET a", b"$-1\r\n"), ("TTL a", b":-2\r\n"), ("KEYS *", b"*0\r\n"), ("DEL b", b":0\r\n"), ("INCR a", b":1\r\n"),
            ("TTL a", b":-1\r\n"), ("SET b 1 NX", OK),
        )  # fmt: skip

    run(scenario)


def test_keys():
    session(
        ("KEYS *", b"*0\r\n"), ("SET ab 1", OK), ("SET a[b] 1", OK), ("SET b 1", OK), ("SET a.c 1", OK), ("KEYS a*", b"*3\r\n$3\r\na.c\r\n$4\r\na[b]\r\n$2\r\nab\r\n"),
        ("KEYS ?", b"*1\r\n$1\r\nb\r\n"), ("KEYS a[b]", b"*1\r\n$4\r\na[b]\r\n"), ("KEYS *.?", b"*1\r\n$3\r\na.c\r\n"), ("KEYS a", b"*0\r\n"),
    )  # fmt: skip


def test_errors():
    wrong = b"-ERR wrong number of arguments for '%b' command\r\n"
    session(
        ("Dance now", b"-ERR unknown command 'Dance'\r\n"), ("GET", wrong % b"get"), ("Get a b", wrong % b"get"), ("SET a", wrong % b"set"),
        ("DEL", wrong % b"del"), ("INCRBY a", wrong % b"incrby"), ("PING a b", wrong % b"ping"), ("MULTI x", wrong % b"multi"), ("ECHO", wrong % b"echo"),
        ("SET a 1 XX", b"-ERR syntax error\r\n"), ("SET a 1 EX", b"-ERR syntax error\r\n"), ("EXISTS", wrong % b"exists"), ("GET a", b"$-1\r\n"),
        ("SUBSCRIBE", wrong % b"subscribe"), ("PUBLISH a", wrong % b"publish"), ("INCR a 5", wrong % b"incr"), ("KEYS", wrong % b"keys"),
        ("TTL", wrong % b"ttl"), ("EXPIRE a", wrong % b"expire"),
    )  # fmt: skip


def test_pipelining_in_pieces():
    async def scenario(connect):
        client = await connect()
        stream = (
            b"*1\r\n$4\r\nPING\r\n"
            + b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n" * 50
            + b"*0\r\n*-1\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
        )
        client.writer.write(stream[:77])
        await asyncio.sleep(0.01)
        client.writer.write(stream[77:])
        await client.read(b"+PONG\r\n" + b"".join(b":%d\r\n" % n for n in range(1, 51)) + b"$2\r\n50\r\n")

    run(scenario)


def test_connections_share_data_and_servers_do_not():
    async def scenario(connect):
        first, second = await connect(), await connect()
        await first.check("SET shared 1", OK)
        await second.check("GET shared", b"$1\r\n1\r\n")

    run(scenario)
    session(("GET shared", b"$-1\r\n"))


def test_transactions():
    session(
        ("MULTI", OK), ("SET a 5", b"+QUEUED\r\n"), ("INCR a", b"+QUEUED\r\n"), ("SET b x", b"+QUEUED\r\n"), ("INCR b", b"+QUEUED\r\n"), ("GET a", b"+QUEUED\r\n"),
        ("EXEC", b"*5\r\n+OK\r\n:6\r\n+OK\r\n" + INTEGER + b"$1\r\n6\r\n"), ("EXEC", b"-ERR EXEC without MULTI\r\n"), ("MULTI", OK), ("EXEC", b"*0\r\n"),
        ("DISCARD", b"-ERR DISCARD without MULTI\r\n"), ("MULTI", OK), ("DEL a", b"+QUEUED\r\n"), ("MULTI", b"-ERR MULTI calls can not be nested\r\n"),
        ("EXEC", b"*1\r\n:1\r\n"), ("MULTI", OK), ("SET a 9", b"+QUEUED\r\n"), ("DISCARD", OK), ("GET a", b"$-1\r\n"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "words, error",
    [("NOPE", b"-ERR unknown command 'NOPE'\r\n"), ("GET", b"-ERR wrong number of arguments for 'get' command\r\n"),
     ("SUBSCRIBE c", b"-ERR not allowed in MULTI\r\n"), ("QUIT", b"-ERR not allowed in MULTI\r\n")],
)  # fmt: skip
def test_a_spoiled_transaction(words, error):
    session(
        ("NOPE", b"-ERR unknown command 'NOPE'\r\n"), ("MULTI", OK), ("SET a 1", b"+QUEUED\r\n"), (words, error),
        ("EXEC", b"-EXECABORT Transaction discarded because of previous errors.\r\n"), ("GET a", b"$-1\r\n"), ("MULTI", OK), ("PING", b"+QUEUED\r\n"),
        ("EXEC", b"*1\r\n+PONG\r\n"), ("MULTI", OK), (words, error), ("DISCARD", OK), ("MULTI", OK), ("EXEC", b"*0\r\n"),
    )  # fmt: skip


def test_a_transaction_is_of_one_connection():
    async def scenario(connect):
        first, second = await connect(), await connect()
        await first.all(("MULTI", OK), ("INCR a", b"+QUEUED\r\n"))
        await second.all(("INCR a", b":1\r\n"), ("EXEC", b"-ERR EXEC without MULTI\r\n"))
        await first.check("EXEC", b"*1\r\n:2\r\n")

    run(scenario)


def message(what, channel, last):
    return b"*3\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n%b" % (len(what), what, len(channel), channel, last)


def test_publishing():
    async def scenario(connect):
        first, second, third = await connect(), await connect(), await connect()
        await first.check(
            "SUBSCRIBE b a a", message(b"subscribe", b"b", b":1\r\n") + message(b"subscribe", b"a", b":2\r\n") * 2
        )
        await second.check("SUBSCRIBE a", message(b"subscribe", b"a", b":1\r\n"))
        await third.all(("PUBLISH a hi", b":2\r\n"), ("PUBLISH b yo", b":1\r\n"), ("PUBLISH c no", b":0\r\n"))
        await first.read(message(b"message", b"a", b"$2\r\nhi\r\n") + message(b"message", b"b", b"$2\r\nyo\r\n"))
        await second.read(message(b"message", b"a", b"$2\r\nhi\r\n"))
        await first.check("UNSUBSCRIBE c", message(b"unsubscribe", b"c", b":2\r\n"))
        await first.check(
            "UNSUBSCRIBE", message(b"unsubscribe", b"a", b":1\r\n") + message(b"unsubscribe", b"b", b":0\r\n")
        )
        await first.check("UNSUBSCRIBE", b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n")
        await third.all(
            ("PUBLISH a x", b":1\r\n"), ("MULTI", OK), ("PUBLISH a y", b"+QUEUED\r\n"), ("EXEC", b"*1\r\n:1\r\n")
        )
        await second.read(message(b"message", b"a", b"$1\r\nx\r\n") + message(b"message", b"a", b"$1\r\ny\r\n"))

    run(scenario)


def test_a_client_that_goes_away_leaves_nothing():
    async def scenario(connect):
        first, second = await connect(), await connect()
        await first.check("SUBSCRIBE a", message(b"subscribe", b"a", b":1\r\n"))
        first.writer.close()
        await asyncio.sleep(0.1)
        await second.all(("PUBLISH a x", b":0\r\n"), ("PUBLISH a x", b":0\r\n"))

    run(scenario)


def test_quitting():
    async def scenario(connect):
        client = await connect()
        for words in (("PING",), ("QUIT",), ("SET", "a", "1")):
            client.send(*words)
        assert await asyncio.wait_for(client.reader.read(), 5) == b"+PONG\r\n+OK\r\n"
        await (await connect()).check("GET a", b"$-1\r\n")

    run(scenario)


@pytest.mark.parametrize(
    "stream",
    [b"PING\r\n", b"*1\r\n:5\r\n", b"+PING\r\n", b"*2\r\n$4\r\nPING\r\n$-1\r\n", b"$4\r\nPING\r\n", b"*1\r\n$x\r\n"],
)
def test_what_is_no_command_ends_the_connection(stream):
    async def scenario(connect):
        client = await connect()
        await client.check("PING", b"+PONG\r\n")
        client.writer.write(stream)
        assert await asyncio.wait_for(client.reader.read(), 5) == b"-ERR Protocol error\r\n"
        await (await connect()).check("PING", b"+PONG\r\n")

    run(scenario)
