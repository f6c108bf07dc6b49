# The sqlite3 module: transactions, an index, queries; the journal is a file that comes and goes.
import sqlite3
import sys

db = sqlite3.connect("numbers.db")
db.execute("create table numbers (n integer primary key, square integer, name text)")
for block in range(int(sys.argv[1])):
    with db:
        db.executemany(
            "insert into numbers values (?, ?, ?)",
            ((n, n * n, f"number {n:x}") for n in range(block * 4000, block * 4000 + 4000)),
        )
    if block == 10:
        db.execute("create index by_name on numbers (name)")
    if block % 8 == 7:
        print(block, db.execute("select count(*), max(square) from numbers where name like '%f%'").fetchone())
with db:
    db.execute("update numbers set name = upper(name) where n % 3 = 0")
print(db.execute("pragma integrity_check").fetchone())
db.close()
