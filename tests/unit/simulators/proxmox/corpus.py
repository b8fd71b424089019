# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays recordings of the real API on the simulator, in process and with a driven clock.

A scenario begins with the recordings' fixture. Its steps are requests with their answers, pauses, and changes that no
request makes. Of both sides only what a client decides by is compared; what depends on chance was replaced.
"""

from __future__ import annotations

import json
import lzma
import re
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from simulators.proxmox import archives, behind, fixture, web, wire, worlds
from simulators.proxmox.errors import ApiError, Dropped
from simulators.proxmox.gateway import Answer, Gateway, refused

#: What is compared, the most severe first. ``texts`` are reasons, messages of errors and ends of tasks, and
#: ``statistics`` numbers of the moment and their types: a client does not decide by these.
DECISIVE = ("not replayed", "no answer", "status", "errors", "data", "task")
KINDS = (*DECISIVE, "texts", "statistics")
#: Seconds that a change outside the API takes.
_CHANGE = 5
#: Durations of the recorded server that a scenario needs: its restores took up to 40 s.
_TIMING = {"restore_busy": {"restore_per_gib": 38.0}}


def load(path):
    """The recordings: ``about`` and ``scenarios``."""
    return json.loads(lzma.decompress(path.read_bytes()))


@dataclass
class Outcome:
    """``counts`` is {kind of difference, or "agree": steps}; ``differences`` are (step, kind, real, simulated)."""

    counts: Counter = field(default_factory=Counter)
    differences: list = field(default_factory=list)
    crashes: list = field(default_factory=list)

    @property
    def differing(self):
        return sum(self.counts[kind] for kind in DECISIVE)

    @property
    def first(self):
        """The first difference that counts, or None."""
        return next((found for found in self.differences if found[1] in DECISIVE), None)


class Scenario:
    """One scenario in a world of its own."""

    def __init__(self, about, recorded):
        self._fixture = about["fixture"]
        self._plain = Plain(about["normalisation"])
        self._recorded = recorded
        self.world = fixture.world({**self._fixture, "timing": _TIMING.get(recorded["name"], {})})
        if "web" in recorded:
            self.world.web = fixture.web(recorded["web"]["port"], recorded["web"]["files"])
        self._gateway = Gateway(self.world)
        self._sessions = {}
        self._upid = "UPID:none"

    def outcome(self):
        found = Outcome(crashes=self.world.tasks.crashes)
        for number, step in enumerate(self._recorded["steps"]):
            if "wait" in step and "method" not in step:
                self.world.engine.advance(step["wait"])
            elif "behind" in step:
                behind.asked(self.world, step["behind"])
                self.world.engine.advance(_CHANGE)
            else:
                kind, real, here = self._compared(step)
                found.counts[kind] += 1
                if kind != "agree":
                    found.differences.append((number, kind, real, here))
        return found

    def _compared(self, step):
        try:
            here = self._facets(step, self._answered(step))
        except Dropped:
            return "no answer", step["status"], None
        real = self._plain.recorded(step)
        for kind in KINDS:
            if real.get(kind) != here.get(kind):
                return kind, _only(real.get(kind), here.get(kind)), _only(here.get(kind), real.get(kind))
        return "agree", None, None

    def _answered(self, step):
        try:
            request = self._request(step)
        except ApiError as error:
            return refused(error, self.world.schema.version)
        process = self._gateway.open(request)
        self.world.engine.finish(process)
        if process.error:
            raise process.error
        return process.value

    def _request(self, step):
        method = step["method"]
        given = step.get("params", {}).items()
        params = {key: self._named(value) if isinstance(value, str) else value for key, value in given}
        # An address has the name of a backup in one of its parts.
        parts = [
            quote(self._named(part), safe="") if part.startswith("{") else part for part in step["path"].split("/")
        ]
        path = wire.PREFIX + "/".join(parts).replace(quote("{upid}"), quote(self._upid, safe=""))
        headers, body = {**self._credentials(step), **step.get("headers", {})}, step.get("raw")
        if "file" in step:
            return self._upload(path, headers, step["file"])
        if method in ("GET", "DELETE"):
            path += f"?{urlencode(params, doseq=True)}" if params else ""
        elif step.get("body") == "json":
            body, headers["Content-Type"] = json.dumps(params), "application/json"
        elif body is None:
            body = urlencode(params, doseq=True)
        return wire.request(method, path, headers, (body or "").encode())

    def _named(self, text):
        return archives.named(self.world, text)

    def _upload(self, path, headers, file):
        """The parts of a form are read by aiohttp, see test_server.py; here are those before the file."""
        stored = wire.store(self.world.uploads, web.File(file["content"].encode()))
        params = {**wire.form(file["fields"]), "filename": file["name"], "tmpfilename": stored}
        return wire.request("POST", path, headers, urlencode(params).encode())

    def _credentials(self, step):
        name = step.get("token", self._recorded["token"])
        if name == "nobody":
            return {}
        if name == "root-session":
            login = {"username": "root@pam", "password": worlds.ROOT_PASSWORD}
            made = self._sessions.get(name) or self._gateway.call("POST", "/access/ticket", login).data
            self._sessions[name] = made
            return {"Cookie": f"PVEAuthCookie={made['ticket']}", "CSRFPreventionToken": made["CSRFPreventionToken"]}
        token = self._fixture["tokens"][name]
        return {"Authorization": f"PVEAPIToken={token['user']}!{token['token']}={worlds.TOKEN_SECRET}"}

    def _facets(self, step, answer):
        task = str(answer.data) if step["method"] != "GET" else ""
        end = None
        if task.startswith("UPID:"):
            self._upid = task
            end = self._gateway.finished(task).exitstatus if "task" in step else None
        return self._plain.facets(step, answer, end)


class Plain:
    """Both sides without chance; ``rules`` are those of the recordings."""

    def __init__(self, rules):
        self._rules = rules
        self._patterns = [(re.compile(pattern), text) for pattern, text in rules["patterns"]]

    def recorded(self, step):
        body = {"data": step.get("data"), "errors": step.get("errors")}
        return self.facets(
            step, Answer(step["status"], step["reason"], body), (step.get("task") or {}).get("exitstatus")
        )

    def facets(self, step, answer, end):
        """{kind: what is compared}"""
        errors = answer.errors or {}
        texts = [self.of(answer.reason), self.of(errors), self.of(end)]
        found = {"status": answer.status, "errors": sorted(errors), "task": _success(end), "texts": texts}
        data = _without(answer.data, step.get("ignore", ()))
        if step["method"] != "GET":
            found["data"] = _of_task(data)
        elif answer.status == 200 and step.get("compare") == "keys":
            entries = [self.of(entry) for entry in _entries(data) if isinstance(entry, dict)]
            names = set().union(*entries)
            found["statistics"], found["data"] = sorted(names), sorted(names - set(self._rules["statistics"]))
        elif answer.status == 200 and step.get("compare") == "value":
            found["statistics"], found["data"] = self.of(data), self.of(data, exact=False)
        return found

    def of(self, value, key=None, exact=True):
        """Replace what varies; not ``exact``: without statistics, and numbers as texts."""
        if key in self._rules["always"] or (key in self._rules["numbers"] and _is_number(value)):
            return "<varies>"
        if isinstance(value, dict):
            left_out = set(self._rules["left out of type"].get(value.get("type"), ()))
            left_out |= set(self._rules.get("left out of content", {}).get(value.get("content"), ()))
            left_out |= set() if exact else set(self._rules["statistics"])
            kept = {name: self.of(part, name, exact) for name, part in value.items() if name not in left_out}
            return kept if exact else {name: part for name, part in kept.items() if part is not None}
        if isinstance(value, list):
            return sorted((self.of(part, None, exact) for part in value), key=_sorting)
        if isinstance(value, str):
            return self._text(value, key)
        return value if exact or value is None else str(int(value) if isinstance(value, bool) else value)

    def _text(self, text, key):
        if key in self._rules["sorted"]:
            text = ",".join(sorted(text.split(",")))
        for pattern, replacement in self._patterns:
            text = pattern.sub(replacement, text)
        return text


def _without(value, names):
    """Without these keys, also in the parts of the value."""
    if isinstance(value, dict):
        return {key: _without(part, names) for key, part in value.items() if key not in names}
    return [_without(part, names) for part in value] if isinstance(value, list) else value


def _sorting(value):
    return json.dumps(value, sort_keys=True)


def _is_number(value):
    return not isinstance(value, str) or re.fullmatch(r"-?[\d.]+", value) is not None


def _entries(data):
    return data if isinstance(data, list) else [data]


def _of_task(data):
    """The (type, id) of a started task, in an answer or in a recording."""
    if isinstance(data, dict) and set(data) == {"type", "id"}:
        return data["type"], data["id"]
    return tuple(data.split(":")[5:7]) if isinstance(data, str) and data.startswith("UPID:") else None


def _success(end):
    if end is None:
        return None
    return "WARNINGS" if end.startswith("WARNINGS") else "OK" if end == "OK" else "failed"


def _only(one, other):
    """The part of ``one`` that ``other`` lacks, to be shown."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: part for key, part in one.items() if key not in other or other[key] != part}
    if isinstance(one, list) and isinstance(other, list):
        return [part for part in one if part not in other]
    return one
