"""Leaves a daemon behind that would write into the tree of whoever comes next."""

import subprocess


def test_daemon():
    subprocess.Popen(["sh", "-c", "sleep 60; touch /tree/late"], start_new_session=True)
