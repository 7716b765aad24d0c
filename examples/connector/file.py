#!/usr/bin/env python3
"""A connector for Lessor in Python, standard library only. Its target is one
JSON file of accounts, objects and who holds what:

    {"accounts": ["ann"], "objects": {"db": {"members": ["ann"], "inner": []}}}

Copy it and replace part 1. docs/writing-a-connector.md explains each step.
Run it against a file set aside for testing:

    lessor connector test -- ./file.py /tmp/target.json
"""

import contextlib
import fcntl
import json
import os
import sys
import threading

# ---------------------------------------------------------------- errors ---
# What became of a write is said by which of these is raised. Anything else,
# a bug of ours included, is "unanswered": nobody knows what became of it.


class Failure(Exception):
    kind = "unanswered"


class Refused(Failure):
    """The target said no, and nothing changed."""

    kind = "refused"


class NoObject(Failure):
    """The object or the account is not there."""

    kind = "no_object"


class Unreachable(Failure):
    """Nothing was sent."""

    kind = "unreachable"


# ------------------------------------------------------- 1. the target -----


class Target:
    """One JSON file. Every call reads it anew; every write replaces it whole."""

    def __init__(self, path):
        self.path = path

    @contextlib.contextmanager
    def opened(self, write=False):
        with open(self.path + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX if write else fcntl.LOCK_SH)
            try:
                with open(self.path, encoding="utf-8") as f:
                    state = json.load(f)
            except FileNotFoundError:
                state = {"accounts": [], "objects": {}}
            yield state
            if write:
                with open(self.path + ".new", "w", encoding="utf-8") as f:
                    json.dump(state, f, ensure_ascii=False)
                os.replace(self.path + ".new", self.path)

    def change(self, account, object, want):
        """Make one holding be there, or not be there. Idempotent both ways."""
        line.read()
        with self.opened() as state:
            there = account in state["accounts"] and object in state["objects"]
        if not there and want:
            raise NoObject("no such account or object")
        if not there:  # nothing can be held at or by what is not there
            return
        line.write(lambda: self.put(account, object, want))

    def put(self, account, object, want):
        with self.opened(write=True) as state:
            held = state["objects"].get(object)
            if held is None:
                return
            if want and account not in held["members"]:
                held["members"].append(account)
            if not want and account in held["members"]:
                held["members"].remove(account)

    def look(self, refs):
        """See each holding: directly, and by any other way."""
        line.read()
        with self.opened() as state:
            return [self.see(state, r["account"], r["object"]) for r in refs]

    def see(self, state, account, object):
        direct, ways, been, todo = False, [], {object}, [object]
        while todo:
            name = todo.pop(0)
            held = state["objects"].get(name)
            if held is None:
                continue
            if account in held["members"]:
                if name == object:
                    direct = True
                else:
                    ways.append("through " + name)
            for inner in held["inner"]:
                if inner not in been:
                    been.add(inner)
                    todo.append(inner)
        return {
            "account": account,
            "object": object,
            "direct": direct,
            "effective": direct or bool(ways),
            "residual": ways,
            "path": "members and inner in " + os.path.basename(self.path),
        }

    def observe(self, objects):
        """Yield every holding of the objects, or of all if objects is None."""
        line.read()
        with self.opened() as state:
            for name, held in state["objects"].items():
                if objects is None or name in objects:
                    for account in held["members"]:
                        yield {"account": account, "object": name}


# --------------------------- 2. the line to the target, which a test breaks -


class Line:
    """Stands between us and the target, and in a test fails as it is told to."""

    def __init__(self):
        self.fault, self.held, self.changed = None, 0, threading.Condition()

    def read(self):
        if self.fault == "down":
            raise Unreachable("the target is down")

    def write(self, effect):
        fault = self.fault
        if fault == "refuse":
            raise Refused("the target will not")
        if fault == "lie":
            return
        if fault == "late":
            with self.changed:
                self.held += 1
                self.changed.wait_for(lambda: self.fault != "late")
        effect()
        if fault == "late":
            with self.changed:
                self.held -= 1
                self.changed.notify_all()
        if fault == "lost answer":
            raise TimeoutError("no answer from the target")

    def break_as(self, fault):
        with self.changed:
            self.fault = fault
            self.changed.notify_all()
            if fault is None:  # what was held back takes effect before we go on
                self.changed.wait_for(lambda: self.held == 0)


# --------------------------------------- 3. the verbs, as Lessor asks them --


def apply(req):
    results = []
    for c in req["changes"]:
        result = {"account": c["account"], "object": c["object"]}
        try:
            target.change(c["account"], c["object"], c["want"])
        except Exception as e:  # one bad change stops none of the others
            result["error"] = error(e)
        results.append(result)
    return {"results": results}


def look(req):
    return {"seen": target.look(req["refs"])}


def observe(req):
    some, count = [], 0
    for holding in target.observe(None if req.get("all") else req["objects"]):
        some.append(holding)
        count += 1
        if len(some) == 500:
            say({"id": req["id"], "holdings": some})
            some = []
    if some:
        say({"id": req["id"], "holdings": some})
    return {"end": {"count": count}}


def ping(req):
    return {"ok": True}


def hello(req):
    if req["protocol"] != 1:
        raise Refused("this program speaks protocol 1")
    about = {
        "protocol": 1,
        "name": "file",
        "batch": 100,
        "in_flight": 8,
        "effective": True,
        "sessions": False,
        "fences": False,
        "lingers_ms": 0,
    }
    if req.get("test"):
        verbs.update(test_verbs)
        about["test"] = {
            "faults": ["lost answer", "lie", "late", "refuse", "down"],
            "nests": True,
            "rings": True,
            "large": 400,
        }
    return {"hello": about}


# ------------------- 4. the verbs of a test: the target by its own means ----


def test_account(req):
    with target.opened(write=True) as state:
        if req["name"] not in state["accounts"]:
            state["accounts"].append(req["name"])
    return {"account": req["name"]}


def test_drop_account(req):
    with target.opened(write=True) as state:
        if req["account"] in state["accounts"]:
            state["accounts"].remove(req["account"])
        for held in state["objects"].values():
            if req["account"] in held["members"]:
                held["members"].remove(req["account"])
    return {"ok": True}


def test_object(req):
    with target.opened(write=True) as state:
        state["objects"][req["name"]] = {"members": [], "inner": []}
    return {"object": req["name"]}


def test_drop_object(req):
    with target.opened(write=True) as state:
        state["objects"].pop(req["object"], None)
    return {"ok": True}


def test_put(req):
    with target.opened(write=True) as state:
        members = state["objects"][req["object"]]["members"]
        members.extend(a for a in req.get("accounts", []) if a not in members)
    return {"ok": True}


def test_members(req):
    with target.opened() as state:
        return {"members": state["objects"][req["object"]]["members"]}


def test_nest(req):
    with target.opened(write=True) as state:
        state["objects"][req["object"]]["inner"].append(req["inner"])
    return {"ok": True}


def test_break(req):
    line.break_as(req["fault"])
    return {"ok": True}


def test_mend(req):
    line.break_as(None)
    return {"ok": True}


verbs = {f.__name__: f for f in (hello, ping, apply, look, observe)}
test_verbs = {
    f.__name__: f
    for f in (
        test_account,
        test_drop_account,
        test_object,
        test_drop_object,
        test_put,
        test_members,
        test_nest,
        test_break,
        test_mend,
    )
}

# --------------------------------------------- 5. lines in, lines out -------

printing = threading.Lock()


def say(answer):
    text = json.dumps(answer, ensure_ascii=False) + "\n"
    with printing:
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()


def error(e):
    kind = e.kind if isinstance(e, Failure) else "unanswered"
    return {"kind": kind, "message": f"{type(e).__name__}: {e}"}


def serve(req):
    try:
        if req["verb"] not in verbs:
            raise Refused("no such verb")
        answer = verbs[req["verb"]](req)
    except Exception as e:
        answer = {"error": error(e)}
    say({"id": req["id"], **answer})


def main():
    asked = []
    for text in sys.stdin.buffer:
        if not text.endswith(b"\n"):
            break  # a request that broke off is none
        thread = threading.Thread(target=serve, args=(json.loads(text),), daemon=True)
        thread.start()
        asked = [t for t in asked if t.is_alive()] + [thread]
    # Our input has ended: finish what was asked, but do not stay for it.
    for thread in asked:
        thread.join(0.5 / len(asked))
    os._exit(0)


line = Line()
if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: file.py TARGET.json")
    target = Target(sys.argv[1])
    main()
