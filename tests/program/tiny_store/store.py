#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A tiny replicated store, for drills through a driver that is a program.

One line asks, one answers: "append KEY ELEMENT", "read KEY null", "role", "promote",
"members"; "ok VALUE" (a mere "ok" among nodes) or "fail WHY". The primary sends its log
to every peer. In mode async it answers first, and its replica is lazy: it applies an
entry when the next one comes, or after 50 ms, so that stale reads are certain. In mode
sync an entry is applied by the replicas, then by the primary, then acknowledged. A
replica starts empty and is sent everything. Started by the drill, which says who and
where in the environment.
"""
import json
import os
import socket
import socketserver
import sys
import threading
import time

LAZY_S = 0.05
lists = {}  # key: its elements
log = []  # what was applied here, in order: (key, element)
held = []  # of a lazy replica: the entry that is not applied yet, and since when
members = set()  # the peers that mode sync waits for
data = threading.Lock()  # of the four above
writing = threading.Lock()  # one write at a time
primary = threading.Event()
is_sync = os.environ.get("MODE") == "sync"


def apply(key, element):
    lists.setdefault(key, []).append(element)
    log.append((key, element))


def flush(age_s=0.0):
    if held and time.monotonic() - held[1] >= age_s:
        apply(*held[0])
        held.clear()


class Link:
    """The way to a peer; through the drill's proxy."""

    def __init__(self, name):
        where = os.environ[name.upper() + "_HOST"], os.environ[name.upper() + "_PORT"]
        self.name, self.where, self.stream, self.lock = name, where, None, threading.Lock()

    def ask(self, line):
        print(line, file=self.stream, flush=True)
        if self.stream.readline() != "ok\n":
            raise OSError("refused")

    def catch_up(self, more=()):
        """Sends what the peer lacks, and more that nobody has yet."""
        with self.lock:
            if not self.stream:
                self.stream = socket.create_connection(self.where).makefile("rw")
                self.ask("reset")
                self.sent = 0
            for key, element in [*log[self.sent :], *more]:
                self.ask(f"apply {key} {element}")
                self.sent += 1

    def try_to(self, more=()):
        try:
            self.catch_up(more)
            return True
        except OSError:
            self.stream = None
            time.sleep(0.05)
            return False

    def follow(self):
        """Keeps the peer up to date while this is the primary."""
        while primary.wait():
            if self.try_to() and self.name not in members:
                with writing:  # nothing is written between its last entry and the next
                    members.update([self.name] if self.try_to() else [])
            time.sleep(0.001)


def append(key, element):
    if not primary.is_set():
        return "fail read-only"
    with writing:
        for link in links if is_sync else ():
            while link.name in members and not link.try_to([(key, element)]):
                pass
        with data:
            apply(key, element)
    return "ok null"


def promote():
    with data:
        flush()
        members.clear()  # the lost primary is one again when it has caught up
    primary.set()
    return "ok"


def replicate(word, key=None, element=None):
    if primary.is_set():
        return "fail it is a primary itself"
    with data:
        if word == "reset":
            lists.clear(), log.clear(), held.clear()
        elif is_sync:
            apply(key, int(element))
        else:
            flush()
            held.extend([(key, int(element)), time.monotonic()])
    return "ok"


def answer(word, *rest):
    if word == "append":
        return append(rest[0], int(rest[1]))
    if word in ("reset", "apply"):
        return replicate(word, *rest)
    if word == "read":
        with data:
            return "ok " + json.dumps(lists.get(rest[0], []))
    if word == "role":
        return "ok primary" if primary.is_set() else "ok standby"
    if word == "members":
        return " ".join(["ok", *members])
    return promote() if word == "promote" else "fail unsupported"


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write((answer(*line.decode().split()) + "\n").encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def be_lazy():
    while True:
        time.sleep(LAZY_S / 5)
        with data:
            flush(LAZY_S)


def ask(word):
    """For the drill's commands: status 0 if the answer is ok, which is printed."""
    with socket.create_connection(where) as link, link.makefile("rw") as stream:
        print(word, file=stream, flush=True)
        what, _, value = stream.readline().partition(" ")
    print(value.strip() or what)
    return what.strip() != "ok"


where = os.environ["NODE_HOST"], int(os.environ["NODE_PORT"])
if len(sys.argv) > 1:
    sys.exit(ask(sys.argv[1]))
links = [Link(name) for name in os.environ["NODES"].split() if name != os.environ["NODE"]]
if os.environ["NODE"] == os.environ["PRIMARY"]:
    primary.set()
for target in [be_lazy, *(link.follow for link in links)]:
    threading.Thread(target=target, daemon=True).start()
Server(where, Handler).serve_forever()
