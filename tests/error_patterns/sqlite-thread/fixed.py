import sqlite3
from concurrent.futures import ThreadPoolExecutor


def ask():
    db = sqlite3.connect(":memory:")
    try:
        return db.execute("SELECT 1").fetchone()
    finally:
        db.close()


with ThreadPoolExecutor(1) as pool:
    print(pool.submit(ask).result())
