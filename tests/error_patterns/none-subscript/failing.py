import sqlite3

db = sqlite3.connect(":memory:")
try:
    print(db.execute("SELECT 1 WHERE 0").fetchone()[0])
finally:
    db.close()
