# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints about tasks: status, log, lists, stop."""

from __future__ import annotations

from .schema import split_list

_FINISHED_SHOWN = 25


def _task(call):
    """The task of the path, if the caller may see it."""
    task = call.world.tasks.get(call.get("upid"))
    if task.user != call.user.id and task.user != call.user.userid:
        call.world.access.require(call.user, f"/nodes/{call.node}", ["Sys.Audit"])
    return task


def task_status(call):
    task = _task(call)
    user, token = _user(task)
    found = {
        "upid": task.upid,
        "node": task.node,
        "pid": task.pid,
        "pstart": _second(task, 3),
        "starttime": int(task.began),
        "type": task.type,
        "id": task.id,
        "user": user,
        **token,
        "status": "running" if task.ended is None else "stopped",
    }
    if task.ended is not None:
        found["exitstatus"] = task.exitstatus
    return found


def task_log(call):
    tasks = call.world.tasks
    if tasks.is_unknown(call.get("upid")):
        call.world.access.require(call.user, f"/nodes/{call.node}", ["Sys.Audit"])
        return Listed([{"n": 1, "t": "unable to open file - No such file or directory"}], 1)
    task = _task(call)
    lines = task.log + ([task.last_line] if task.ended is not None else [])
    start, limit = call.number("start", 0), call.number("limit", 50)
    numbered = [{"n": number, "t": text} for number, text in enumerate(lines or ["no content"], 1)]
    return Listed(numbered[start : start + limit] if limit else numbered[start:], max(len(lines), 1))


class Listed(list):
    """A part of a list; ``total`` in the answer is the length of the whole list."""

    def __init__(self, entries, total):
        super().__init__(entries)
        self.total = total


def stop_task(call):
    task = call.world.tasks.get(call.get("upid"))
    if task.user != call.user.id:
        call.world.access.require(call.user, f"/nodes/{call.node}", ["Sys.Modify"])
    call.world.tasks.interrupt(task)


def index(call):
    _task(call)
    return [{"name": "log"}, {"name": "status"}]


def _shown(task):
    user, token = _user(task)
    found = {
        "upid": task.upid,
        "node": task.node,
        "pid": task.pid,
        "pstart": _second(task, 3),
        "starttime": int(task.began),
        "type": task.type,
        "id": task.id,
        "user": user,
        **token,
    }
    if task.ended is not None:
        found |= {"endtime": int(task.ended), "status": task.exitstatus}
    return found


def _running(task):
    """A running task as the file of active tasks has it: with the token in the name of the user (task_stopped)."""
    entry = {key: value for key, value in _shown(task).items() if key != "tokenid"}
    return entry | {"user": task.user, "saved": "0", "status": "RUNNING"}


def _user(task):
    user, _mark, token = task.user.partition("!")
    return user, {"tokenid": token} if token else {}


def _second(task, part):
    return int(task.upid.split(":")[part], 16)


def _visible(call, node):
    everything = call.world.access.may(call.user, f"/nodes/{node}", ["Sys.Audit"])
    return [
        task
        for task in call.world.tasks.by_upid.values()
        if task.node == node and (everything or task.user == call.user.id)
    ]


def cluster_tasks(call):
    found = []
    for node in call.world.cluster.nodes:
        tasks = _visible(call, node)
        running = [task for task in tasks if task.ended is None]
        found += running + [task for task in tasks if task.ended is not None][-_FINISHED_SHOWN:]
    return [_shown(task) for task in reversed(found)]


def _kind(task):
    """The kind of a task's result, by which lists are filtered."""
    if task.exitstatus == "OK":
        return "ok"
    if task.exitstatus.startswith("WARNINGS"):
        return "warning"
    return "unknown" if task.exitstatus == "unexpected status" else "error"


def _chosen(call, task):
    kinds = split_list(call.get("statusfilter", ""))
    if task.ended is not None and (kinds or call.flag("errors")) and _kind(task) not in (kinds or ["error", "unknown"]):
        return False
    return (
        call.get("vmid") in (None, task.id)
        and call.get("typefilter") in (None, task.type)
        and call.get("userfilter", "") in task.user
        and call.number("since", 0) <= task.began <= call.number("until", 1 << 40)
    )


def node_tasks(call):
    source = call.get("source", "archive")
    tasks = [task for task in _visible(call, call.node) if _chosen(call, task)]
    if source != "all":
        tasks = [task for task in tasks if (task.ended is None) == (source == "active")]
    start, limit = call.number("start", 0), call.number("limit", 50)
    shown = [_shown(task) if task.ended else _running(task) for task in reversed(tasks)]
    return Listed(shown[start : start + limit], len(shown))
