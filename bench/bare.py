"""The baseline: the reads and writes that a task costs, on bare sqlite3 (WAL, NORMAL), with nothing around them."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path


def bare_tasks_a_second(n: int, path: Path) -> float:
    """Plan, send, receive, claim, record, check and delete n tasks in one thread; return tasks a second."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = normal")
    db.execute("create table entity (t, pk, rk, etag int, body, primary key (t, pk, rk)) without rowid")
    db.execute("create table message (id integer primary key, queue, visible real, count int, body, receipt int)")
    db.execute("create index message_visible on message (queue, visible)")
    started = time.perf_counter()
    for shard in range(0, n, 100):
        db.execute("begin immediate")
        rows = [(f"p{shard}", f"{i:04}", json.dumps({"status": "queued", "p": i})) for i in range(100)]
        db.executemany("insert into entity values ('tasks', ?, ?, 1, ?)", rows)
        db.execute("commit")
    for i in range(n):
        db.execute("insert into message (queue, visible, count, body) values ('tasks', 0, 0, ?)", (str(i),))
    for _ in range(n):
        message, body = db.execute(
            "update message set visible = 1e12, count = count + 1, receipt = 1 where id = (select id from message"
            " where queue = 'tasks' and visible <= 1 order by visible, id limit 1) returning id, body"
        ).fetchone()
        pk, rk = f"p{int(body) // 100 * 100}", f"{int(body) % 100:04}"
        for etag, change in ((1, {"status": "processing"}), (2, {"status": "completed", "r": {"message": "hello"}})):
            db.execute(
                "update entity set etag = etag + 1, body = ? where t = 'tasks' and pk = ? and rk = ? and etag = ?",
                (json.dumps(change), pk, rk, etag),
            )
        db.execute(
            "select rk from entity where t = 'tasks' and pk = ? and json_extract(body, '$.status') != 'completed' limit 1",
            (pk,),
        ).fetchone()
        db.execute("delete from message where id = ? and receipt = 1", (message,))
    seconds = time.perf_counter() - started
    db.close()
    return n / seconds
