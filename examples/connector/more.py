#!/usr/bin/env python3
"""file.py, and what only some targets can do besides: tell accounts apart by
more than their names, list and end sessions, and say when something changes.
Part 5 of docs/writing-a-connector.md explains it. Take what your target has.

    lessor connector test -- ./more.py /tmp/target.json
"""

import sys
import time

sys.dont_write_bytecode = True  # this folder stays as it is
import file  # noqa: E402
from file import say  # noqa: E402


def accounts(req):
    """Every account with an id that no other gets, whatever it is called."""
    file.line.read()
    with file.target.opened() as state:
        all = [{"name": n, "id": str(state["ids"][n])} for n in state["accounts"]]
    for i in range(0, len(all), 500):
        say({"id": req["id"], "accounts": all[i : i + 500]})
    return {"end": {"count": len(all)}}


def list_sessions(req):
    """The open sessions of one account, read anew."""
    file.line.read()
    with file.target.opened() as state:
        open_ = state.get("sessions", {}).items()
        mine = [{"id": s, "account": a} for s, a in open_ if a == req["account"]]
    return {"sessions": mine}


def end_session(req):
    """One that is gone is no error, and one that is another's now stays."""
    file.line.read()
    with file.target.opened(write=True) as state:
        sessions = state.get("sessions", {})
        if sessions.get(req["session"]) == req["account"]:
            del sessions[req["session"]]
    return {"ok": True}


def holders():
    file.line.read()
    with file.target.opened() as state:
        return {name: set(o["members"]) for name, o in state["objects"].items()}


def follow(req):
    """Whatever it says is a nudge: Lessor reads those objects anew."""
    before = holders()
    say({"id": req["id"], "changed": []})  # now we listen; any may have changed before
    while True:
        time.sleep(0.05)
        now = holders()
        some = [n for n in before.keys() | now.keys() if before.get(n) != now.get(n)]
        if some:
            say({"id": req["id"], "changed": some})
        before = now


def hello(req):
    about = file_hello(req)["hello"]
    about.update(sessions=True, accounts=True, follows=True)
    if req.get("test"):
        about["test"].update(opens=True, renames=True)
    return {"hello": about}


# ------------------------------------ the verbs of a test, by other means ----


def number(state):
    state["last"] = state.get("last", 0) + 1
    return state["last"]


def test_account(req):
    with file.target.opened(write=True) as state:
        if req["name"] not in state["accounts"]:
            state["accounts"].append(req["name"])
            state.setdefault("ids", {})[req["name"]] = number(state)
    return {"account": req["name"]}


def test_rename(req):
    with file.target.opened(write=True) as state:
        state["accounts"].remove(req["account"])
        state["accounts"].append(req["name"])
        state["ids"][req["name"]] = state["ids"].pop(req["account"])
    return {"account": req["name"]}


def test_open(req):
    with file.target.opened(write=True) as state:
        session = f"s{number(state)}"
        state.setdefault("sessions", {})[session] = req["account"]
    return {"session": session}


def test_alive(req):
    with file.target.opened() as state:
        return {"alive": req["session"] in state.get("sessions", {})}


def test_leave(req):
    with file.target.opened(write=True) as state:
        state.get("sessions", {}).pop(req["session"], None)
    return {"ok": True}


file_hello = file.hello
for f in (hello, accounts, list_sessions, end_session, follow):
    file.verbs[f.__name__] = f
for f in (test_account, test_rename, test_open, test_alive, test_leave):
    file.test_verbs[f.__name__] = f

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: more.py TARGET.json")
    file.target = file.Target(sys.argv[1])
    file.main()
