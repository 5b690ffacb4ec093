import sqlite3

db = sqlite3.connect(":memory:")
db.execute("CREATE TABLE users (name TEXT)")
print(db.execute("SELECT * FROM users").fetchall())
db.close()
