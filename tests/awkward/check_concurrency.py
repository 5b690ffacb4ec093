"""Event loops, threads, processes and databases."""

import asyncio
import multiprocessing
import queue
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen


def double(number):
    return number * 2


def test_event_loop():
    async def work():
        async with asyncio.timeout(5):
            return sum(await asyncio.gather(*(asyncio.sleep(0.001, n) for n in range(5))))

    assert asyncio.run(work()) == 10


def test_subprocess_of_a_loop():
    async def work():
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(1)", stdout=asyncio.subprocess.PIPE)
        return (await process.communicate())[0]

    assert asyncio.run(work()) == b"1\n"


def test_threads():
    box = queue.Queue()
    threads = [threading.Thread(target=box.put, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(box.queue) == list(range(5))
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(double, [1, 2])) == [2, 4]


def test_processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        assert list(pool.map(double, [1, 2])) == [2, 4]


def test_subprocess():
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getcwd())"], capture_output=True, text=True)
    assert done.stdout == "/tree\n"
    assert subprocess.run(["sh", "-c", "exit 3"]).returncode == 3


def test_database(tmp_path):
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("create table t (x)")
        database.executemany("insert into t values (?)", [(1,), (2,)])
        assert database.execute("select sum(x) from t").fetchone() == (3,)
    database.close()


def test_server():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

    with ThreadingHTTPServer(("127.0.0.1", 8000), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        with urlopen("http://127.0.0.1:8000/") as reply:
            assert reply.read() == b"hello"
        server.shutdown()
