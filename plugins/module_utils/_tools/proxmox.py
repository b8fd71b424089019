# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE's API as one tool: calls whose refusals are errors in words, and tasks that are seen to their end."""

from __future__ import annotations

import re

from .._lifecycle.errors import ApiError, NotFound, Refused, Timeout, Unavailable
from .._ports.ceiling import RAISE_CALL_TIMEOUT
from .._ports.proxmox_api import ConnectionLost

#: Shares of a second until a task is looked at for the first time, and at most.
_FIRST_LOOK, _LONGEST_PAUSE = 0.15, 2
#: For how many seconds a task may be out of sight; it goes on all the same. A look itself may take long.
_LONGEST_BLIND = 120
_LOG_LINES = 500
_SHOWN_LINES = 5
_UPID = re.compile(r"UPID:([^:]+):[^:]+:[^:]+:[^:]+:([^:]+):")
_RIGHT = re.compile(r"Permission check failed \(([^,]+), ([^)]+)\)")
#: Ends of a call between two nodes: never begun, and begun with nothing heard of it since.
_NO_NODE, _SILENT_NODE = 595, 596
#: Nothing is wrong with the server that was asked, but with the one that it asked.
NODE_TROUBLES = (_NO_NODE, _SILENT_NODE, 599)
_PASSING = re.compile(r"can't lock file|VM is locked \((?!suspended\b)|checksum mismatch \(file change")


class Busy(ApiError):
    """Somebody else holds the machine, or has changed it in this moment: it may go well soon."""


class HotplugFailed(ApiError):
    """What was asked is stored, but the running machine did not take it."""


class Proxmox:
    """``api`` makes the calls, ``clock`` tells and passes the time between looks at a task."""

    def __init__(self, api, clock, ceiling=None):
        self.api, self._clock, self._ceiling = api, clock, ceiling
        self._warnings = []

    def get(self, path, **parameters):
        return self._call("GET", path, parameters)

    def put(self, path, **parameters):
        return self._call("PUT", path, parameters)

    def post(self, path, **parameters):
        return self._call("POST", path, parameters)

    def _call(self, method, path, parameters):
        given = {key: _wire(value) for key, value in parameters.items() if value is not None}
        answer = self.api.call(method, path, given)
        if answer.status >= 400:
            raise explained(answer, f"{method} {path}", self.api.who)
        return answer.data

    def warn(self, text):
        """Note what is to be told, once."""
        if text not in self._warnings:
            self._warnings.append(text)

    def taken_warnings(self):
        """What was noted since the last time; any number of threads may note more meanwhile."""
        taken = []
        while self._warnings:
            taken.append(self._warnings.pop(0))
        return taken

    # Tasks ----------------------------------------------------------------------------------------------------------

    def run(self, method, path, **parameters):
        """A call that begins a task, seen to the task's end; some versions do the same at once. The task's type."""
        upid = self._call(method, path, parameters)
        self.finish(upid)
        return upid and _type(upid)

    def upload(self, path, file, **parameters):
        """The same, with a file brought along."""
        answer = self.api.upload(path, {key: _wire(value) for key, value in parameters.items()}, file)
        if answer.status >= 400:
            raise explained(answer, f"POST {path}", self.api.who)
        self.finish(answer.data)

    def finish(self, upid):
        """Look at a task until it ends. What it warned of is kept; raises Busy and ApiError with the end of its log."""
        if upid is None:
            return
        told = self._ended(upid)
        if told == "unexpected status":
            # For a moment a worker that ends looks like one that died.
            told = self._ended(upid)
        if told == "OK":
            return
        lines = self._log(upid)
        if told.startswith("WARNINGS:"):
            self._warn(upid, lines)
            return
        raise _failed(upid, told, lines)

    def _ended(self, upid):
        """How a task ended."""
        pause, began = _FIRST_LOOK, self._clock.now()
        seen = began
        while True:
            self._clock.sleep(pause)
            if self._ceiling is not None and self._clock.now() - began >= self._ceiling:
                message = f"The task {upid} has not ended after {self._ceiling} s."
                raise Timeout(message, self._ceiling, RAISE_CALL_TIMEOUT)
            try:
                told = self.get(f"{_tasks(upid)}/status")
            except (ApiError, Unavailable) as error:
                if self._clock.now() - seen > _LONGEST_BLIND or not _is_out_of_sight(error):
                    raise
                told = {}
            else:
                seen = self._clock.now()
            if told.get("status") == "stopped":
                return told.get("exitstatus", "unexpected status")
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _log(self, upid):
        """The lines of a task's log, without its own last word; the task's end counts without it, too."""
        try:
            lines = [line["t"] for line in self.get(f"{_tasks(upid)}/log", start=0, limit=_LOG_LINES)]
        except ApiError:
            return []
        return [line for line in lines if not line.startswith("TASK ") and line != "no content"]

    def _warn(self, upid, lines):
        texts = [line.removeprefix("WARN: ") for line in lines if line.startswith("WARN: ")]
        for text in texts or ["it ended with warnings; see its log."]:
            self.warn(f"The task {_type(upid)} warned: {text}")


def _wire(value):
    """Truth travels as a number."""
    return int(value) if isinstance(value, bool) else value


def _tasks(upid):
    """A task's path is that of the node on which it works."""
    return f"/nodes/{_UPID.match(upid)[1]}/tasks/{upid}"


def _type(upid):
    return _UPID.match(upid)[2]


def _is_out_of_sight(error):
    """Whether it is the way there that is broken: a proxy may be restarted while a task goes on."""
    return isinstance(error, (ConnectionLost, Unavailable)) or error.status in NODE_TROUBLES


def _failed(upid, told, lines):
    if _PASSING.search(told):
        return Busy(f"{told}.", None)
    if "hotplug problem" in told:
        return HotplugFailed(told, None)
    log = [line for line in lines if line.strip() and line.strip() not in told][-_SHOWN_LINES:]
    shown = f" Its log: {' | '.join(log)}." if log else ""
    return ApiError(f"the task {_type(upid)} failed: {told}.{shown}", None, _remedy(told))


# Refusals in words ----------------------------------------------------------------------------------------------------


def explained(answer, call, who):
    """The error that an answer is, with what to do about it."""
    said = answer.reason.strip().rstrip(".!")
    if answer.status == 401:
        return ApiError(
            f"Proxmox VE does not know {who}: {said}.",
            401,
            "See api_user with its realm, api_token_id and api_token_secret, and that the token has not expired.",
        )
    if answer.status == 403:
        return _forbidden(said, call, who)
    if answer.status == _NO_NODE:
        return ApiError(f"{_node(call)} cannot be reached by the node that was asked ({said}).", _NO_NODE, _SEE_NODE)
    if answer.status in (_SILENT_NODE, 599):
        return Busy(f"{_node(call)} took a call and did not answer it ({said}).", answer.status, _SEE_NODE)
    if answer.errors:
        return _wrong_parameters(answer, said)
    if "hostname lookup" in said:
        return NotFound(f"There is no {_node(call)} in the cluster.", "See pvecm nodes.")
    if _PASSING.search(said):
        return Busy(f"{said}.", answer.status)
    return ApiError(f"{said or f'HTTP {answer.status}'}.", answer.status, _remedy(said))


_SEE_NODE = "See that it is up and in the cluster: pvecm status."


def _node(call):
    found = re.search(r"/nodes/([^/]+)", call)
    return f"node '{found[1]}'" if found else "the node"


def _forbidden(said, call, who):
    right = _RIGHT.search(said)
    if right:
        path, privileges = right[1], " or ".join(right[2].split("|"))
        return Refused(
            f"{who} lacks the privilege {privileges} on {path}.",
            f"Give it a role that has it: pveum acl modify {path}; a token needs it beside its user, unless it was made"
            " without privilege separation.",
        )
    if "does not exist" in said:
        return NotFound(f"{said.replace('Permission check failed (', '').rstrip(')')}.", "Make it, or name another.")
    return Refused(f"{who} may not do this ({call}): {said}.", "See docs/proxmox.md for the privileges needed.")


def _wrong_parameters(answer, said):
    texts = {key: " ".join(str(text).split()) for key, text in sorted(answer.errors.items())}
    told = "; ".join(f"{key}: {text}" for key, text in texts.items())
    if all(text.startswith("hotplug problem") for text in texts.values()):
        return HotplugFailed(told, answer.status)
    return ApiError(f"{said}: {told}.", answer.status, _remedy(told))


#: What is said, and what helps.
_REMEDIES = (
    (r"storage '[^']*' (does not exist|is disabled|is not available)", "Name a storage that the node has (storage)."),
    (r"does not support vm images", "Name a storage whose content has Disk image."),
    (r"already exists", "Name another vmid, or leave it out to have the next free one."),
    (r"no quorum", "Bring back the nodes that are missing: pvecm status."),
    (r"protection mode", "Set protection: false first."),
    (r"used in HA resources|HA resource", "Take it out of the high availability first: ha-manager remove."),
    (r"no space|out of space|not enough space", "Make room on the storage, or name another one."),
    (r"bridge .* does not exist|no such bridge", "Name a bridge of the node."),
    (r"snapshot feature is not available", "Its disks lie on a storage without snapshots; move them first."),
    (r"Linked clone feature is not supported", "Only a template has linked clones; set linked: false."),
    (r"only root can set|Only root may", "Only root@pam itself may do this, and no token."),
    (r"KVM virtualisation configured, but not available", "Set native: {kvm: false}, or switch VT-x or AMD-V on."),
)


def _remedy(said):
    return next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, said)), None)
