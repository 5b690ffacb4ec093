"""A chat server over WebSocket."""

import asyncio
import json
import re
from collections import defaultdict, deque
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from frames import BINARY, CLOSE, PING, TEXT, Decoder, WebSocketError, accept_key, encode

WORD = "[A-Za-z0-9]{1,20}"


class HTTPError(Exception):
    """Made of a status."""

    @property
    def status(self) -> int:
        return int(self.args[0])


class Room:
    def __init__(self) -> None:
        self.members: dict[str, asyncio.StreamWriter] = {}
        self.says: deque[dict[str, Any]] = deque(maxlen=10)

    def send(self, message: dict[str, Any], *names: str) -> None:
        """To these, or to all."""
        frame = encode(TEXT, json.dumps(message).encode())
        for name in dict.fromkeys(names) or list(self.members):
            self.members[name].write(frame)


async def start(port: int = 0) -> asyncio.Server:
    rooms: defaultdict[str, Room] = defaultdict(Room)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            room_name, name, key = handshake(request)
            if name in rooms[room_name].members:
                raise HTTPError(409)
            writer.write(response(101, Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Accept=accept_key(key)))
            await converse(rooms, room_name, name, reader, writer)
        except HTTPError as error:
            more = {"Sec_WebSocket_Version": "13"} if error.status == 426 else {}
            writer.write(response(error.status, Connection="close", Content_Length="0", **more))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", port)


def handshake(request: str) -> tuple[str, str, str]:
    """Room, name and key."""
    first, *lines = request.split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, target, *_ = [*first.split(" "), "", ""]
    url = urlsplit(target)
    path = re.fullmatch(f"/chat/({WORD})", url.path)
    name = parse_qs(url.query).get("name", [""])[0]
    upgrades = "upgrade" in [word.strip().lower() for word in headers.get("connection", "").split(",")]
    if method != "GET":
        raise HTTPError(405)
    if not path:
        raise HTTPError(404)
    if headers.get("sec-websocket-version", "13") != "13":
        raise HTTPError(426)
    needed = {"sec-websocket-version", "sec-websocket-key"} <= set(headers)
    if not (needed and upgrades and headers.get("upgrade", "").lower() == "websocket" and re.fullmatch(WORD, name)):
        raise HTTPError(400)
    return path[1], name, headers["sec-websocket-key"]


def response(status: int, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


async def converse(
    rooms: dict[str, Room], room_name: str, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    room, decoder = rooms[room_name], Decoder()
    room.send({"type": "join", "name": name})
    room.members[name] = writer
    room.send({"type": "welcome", "room": room_name, "names": sorted(room.members)}, name)
    try:
        while data := await reader.read(65536):
            for opcode, payload in decoder.feed(data):
                handle(room, name, opcode, payload)
            await writer.drain()
    except WebSocketError as error:
        writer.write(encode(CLOSE, error.code.to_bytes(2, "big")))
    except Closed as closed:
        writer.write(encode(CLOSE, closed.args[0]))
    finally:
        del room.members[name]
        room.send({"type": "leave", "name": name})
        if not room.members:
            del rooms[room_name]


class Closed(Exception):
    """The client said good-bye; with the code it gave."""


def handle(room: Room, name: str, opcode: int, payload: bytes) -> None:
    if opcode == CLOSE:
        raise Closed(payload[:2])
    if opcode == BINARY:
        raise WebSocketError(1003, "only text is understood")
    if opcode == PING:
        room.members[name].write(encode(10, payload))
    if opcode == TEXT:
        try:
            obey(room, name, json.loads(payload))
        except (ValueError, KeyError, TypeError, RecursionError):
            room.send({"type": "error", "reason": "not understood"}, name)


def obey(room: Room, name: str, message: dict[str, Any]) -> None:
    match message["type"]:
        case "say":
            said = {"type": "say", "name": name, "text": checked(message["text"])}
            room.says.append(said)
            room.send(said)
        case "whisper":
            whispered = {"type": "whisper", "name": name, "to": message["to"], "text": checked(message["text"])}
            room.send(whispered, message["to"], name)
        case "history":
            room.send({"type": "history", "says": list(room.says)}, name)
        case _:
            raise ValueError("unknown type")


def checked(text: Any) -> str:
    if not isinstance(text, str) or not 1 <= len(text) <= 500:
        raise ValueError("1 to 500 characters")
    return text
