#!/usr/bin/env python3
"""Recomputes the chain of hashes of a keyturner.db from docs/chain.md alone, with nothing of Keyturner's code."""
import hashlib
import sqlite3
import struct
import sys

PERSON = ("auth_id", "auth_name", "code_id", "code_name", "user_name", "raw")
TYPES = {int: (b"i", lambda v: struct.pack(">q", v)), float: (b"r", lambda v: struct.pack(">d", v)),
         str: (b"t", lambda v: v.encode()), bytes: (b"b", bytes)}


def digest(label, names, row):
    data = label
    for name in names:
        if row[name] is not None:
            kind, encode = TYPES[type(row[name])]
            value = encode(row[name])
            data += name.encode() + b"\0" + kind + struct.pack(">Q", len(value)) + value
    return hashlib.sha256(data).digest()


def main(path):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    columns = [row["name"] for row in db.execute("pragma table_info(events)")]
    others = [name for name in columns if name not in PERSON]
    last, before = tuple(db.execute("select id, hash from chain_start").fetchone())
    for link in db.execute("select * from chain order by id"):
        event = db.execute("select * from events where id = ?", (link["id"],)).fetchone()
        content, person = link["content"], link["person"]
        if link["removed_by"] is None:
            content = digest(b"keyturner content 1\n", others, event)
        if link["salt"] is not None:
            person = digest(b"keyturner person 1\n" + link["salt"], PERSON, event)
        if link["id"] != last + 1 or link["person"] != person:
            sys.exit(f"event {link['id']} is not as it was written")
        last, before = link["id"], hashlib.sha256(before + content + person).digest()
        if link["hash"] != before:
            sys.exit(f"event {link['id']} is not as it was written")
    print(f"{last}:{before.hex()}")


main(sys.argv[1])
