import sqlite3


def connect():
    return sqlite3.connect(":memory:")


connect().execute("CREATE TABLE users (name TEXT)")
print(connect().execute("SELECT * FROM users").fetchall())
