"""What a fresh process and a fresh tree look like; run twice in a row, it must say the same."""

import builtins
import ctypes
import gc
import hashlib
import logging
import os
import random
import re
import signal
import socket
import struct
import sys
import tempfile
import threading
import warnings
from multiprocessing import shared_memory

import pytest


def test_nothing_was_left():
    assert not hasattr(builtins, "nightshift_was_here")
    assert os.listdir("/dev/shm") == []
    # An interpreter or a pytest that lies below /tmp is shown there too.
    shown = [path.split("/")[2] for path in (os.path.realpath(sys.prefix), pytest.__file__) if path.startswith("/tmp/")]
    assert set(os.listdir("/tmp")) <= {"home", *shown}
    assert os.listdir("/tmp/home") == []
    assert sorted(os.listdir(".")) == ["test_first_things.py"]
    assert os.getcwd() == "/tree"


def test_a_port_that_was_just_used(tmp_path):
    """Closing first leaves the address waiting; the next run has a network of its own."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 8765))
        server.listen()
        client = socket.create_connection(("127.0.0.1", 8765))
        served, _ = server.accept()
        served.close()
        assert client.recv(1) == b""
        client.close()


def test_shared_memory():
    memory = shared_memory.SharedMemory(name="nightshift", create=True, size=10)
    memory.buf[0] = 1
    memory.close()


def test_system_v_memory():
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.shmget(4711, 4096, 0o600) < 0
    assert libc.shmget(4711, 4096, 0o1600) >= 0


def test_process():
    assert threading.active_count() == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert os.getsid(0) == os.getpid()
    assert gc.isenabled()
    assert struct.calcsize("P") == 8
    assert len(hashlib.sha256(b"").hexdigest()) == 64
    assert tempfile.gettempdir() == "/tmp"
    assert not logging.getLogger("nightshift").handlers
    assert warnings.filters


def test_order_of_a_set():
    print(list({"alpha", "beta", "gamma", "delta"}), hash("nightshift"))
    raise AssertionError("to show it")


def test_chance():
    assert random.random() != random.Random(0).random()


@pytest.mark.parametrize(
    "name", ["nightshift", "config", "memory", "agents", "cell_server", "_nightshift_plugin", "kernel"]
)
def test_our_modules_are_not_here(name):
    assert name not in sys.modules
    with pytest.raises(ImportError):
        __import__(name)


def test_descriptors():
    kinds = [
        os.readlink(f"/proc/self/fd/{fd}").partition(":")[0]
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    ]
    print(sorted(re.sub(r"#\d+", "", kind) for kind in kinds))
    assert "socket" not in kinds
    raise AssertionError("to show them")
