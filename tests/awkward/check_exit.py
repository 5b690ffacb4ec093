"""Code that ends its process, or tries to."""

import os
import sys
import threading

import pytest


def test_first():
    pass


def test_system_exit():
    sys.exit(3)


def test_exit_in_a_thread():
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()


def test_keyboard_interrupt_is_caught():
    with pytest.raises(KeyboardInterrupt):
        raise KeyboardInterrupt


def test_really():
    os._exit(0)
