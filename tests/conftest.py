"""Started in the background, a program ignores Ctrl-C, and so would every program that the tests start and interrupt."""

import signal

from hypothesis import settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A machine under load is no failure: speed is never tested.
settings.register_profile("nightshift", deadline=None)
settings.load_profile("nightshift")
