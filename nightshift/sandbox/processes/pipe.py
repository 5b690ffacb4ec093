"""What a process writes, bounded: nothing waits for the end of a pipe, which a survivor may hold open for ever."""

from __future__ import annotations

import os
import time


class Pipe:
    """A pipe of which the head and the tail are kept; the middle of a long stream is counted and dropped."""

    def __init__(self, cap: int) -> None:
        self.read, self.write = os.pipe()
        os.set_blocking(self.read, False)
        self.cap = cap
        self.head, self._tail = bytearray(), bytearray()
        self.total = 0
        self.last = time.monotonic()

    def take(self) -> bool:
        """Takes what is there; False when nothing is there or ever will be."""
        try:
            data = os.read(self.read, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            return False
        self.total += len(data)
        self.last = time.monotonic()
        room = max(0, self.cap - self.cap // 2 - len(self.head))
        self.head += data[:room]
        self._tail += data[room:]
        del self._tail[: max(0, len(self._tail) - self.cap // 2)]
        return True

    @property
    def left_out(self) -> int:
        return self.total - len(self.head) - len(self._tail)

    def kept(self) -> bytes:
        gap = b"\n... %d bytes left out ...\n" % self.left_out if self.left_out else b""
        return bytes(self.head) + gap + bytes(self._tail)
