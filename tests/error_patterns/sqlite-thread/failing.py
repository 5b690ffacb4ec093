import sqlite3
from concurrent.futures import ThreadPoolExecutor

db = sqlite3.connect(":memory:")
with ThreadPoolExecutor(1) as pool:
    print(pool.submit(db.execute, "SELECT 1").result())
