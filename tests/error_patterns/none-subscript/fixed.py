import sqlite3

db = sqlite3.connect(":memory:")
row = db.execute("SELECT 1 WHERE 0").fetchone()
db.close()
print(row[0] if row else None)
