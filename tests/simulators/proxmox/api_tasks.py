# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints about tasks: status, log, lists, stop."""

from __future__ import annotations

_FINISHED_SHOWN = 25


def _task(call):
    """The task of the path, if the caller may see it."""
    task = call.world.tasks.get(call.get("upid"))
    if task.user != call.user.id and task.user != call.user.userid:
        call.world.access.require(call.user, f"/nodes/{call.node}", ["Sys.Audit"])
    return task


def task_status(call):
    task = _task(call)
    user, _mark, token = task.user.partition("!")
    parts = task.upid.split(":")
    found = {
        "upid": task.upid,
        "node": task.node,
        "pid": task.pid,
        "pstart": int(parts[3], 16),
        "starttime": int(task.began),
        "type": task.type,
        "id": task.id,
        "user": user,
        "status": "running" if task.ended is None else "stopped",
    }
    if token:
        found["tokenid"] = token
    if task.ended is not None:
        found["exitstatus"] = task.exitstatus
    return found


def task_log(call):
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
    task = _task(call)
    if task.user != call.user.id:
        call.world.access.require(call.user, f"/nodes/{call.node}", ["Sys.Modify"])
    call.world.tasks.interrupt(task)


def _shown(task):
    found = {
        "upid": task.upid,
        "node": task.node,
        "pid": task.pid,
        "starttime": int(task.began),
        "type": task.type,
        "id": task.id,
        "user": task.user,
    }
    if task.ended is not None:
        found |= {"endtime": int(task.ended), "status": task.exitstatus}
    return found


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


def node_tasks(call):
    source = call.get("source", "archive")
    tasks = [task for task in _visible(call, call.node) if call.get("vmid") in (None, task.id)]
    if source == "active":
        tasks = [task for task in tasks if task.ended is None]
    elif source == "archive":
        tasks = [task for task in tasks if task.ended is not None]
    if "typefilter" in call.params:
        tasks = [task for task in tasks if task.type == call.get("typefilter")]
    start, limit = call.number("start", 0), call.number("limit", 50)
    shown = [_shown(task) | ({} if task.ended else {"status": "RUNNING"}) for task in reversed(tasks)]
    return Listed(shown[start : start + limit], len(shown))
