"""How a warm cell hears its orders and answers; it ends when nobody is at the other end."""

from __future__ import annotations

import _socket
import json
import os
import struct
from typing import Any

MESSAGE_BYTES = 1 << 16
MOST_FDS = 8
CLOEXEC = 0x40000000


class Channel:
    """Messages, whole or not at all, with descriptors beside them."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._socket = _socket.socket(fileno=fd)

    def hear(self) -> tuple[dict[str, Any], list[int]]:
        room = _socket.CMSG_LEN(MOST_FDS * 4)
        data, ancillary, _, _ = self._socket.recvmsg(MESSAGE_BYTES, room, CLOEXEC)
        if not data:
            os._exit(0)  # whom it serves is gone
        fds = [fd for _, _, raw in ancillary for (fd,) in struct.iter_unpack("i", raw)]
        return json.loads(data), fds

    def say(self, message: dict[str, Any]) -> None:
        self._socket.send(json.dumps(message).encode())

    def close(self) -> None:
        self._socket.close()
