# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the double: one JSON file with a lock, the simulated time, and a record of each call."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from copy import deepcopy

from .host import GROUPS, USERS, Host
from .system import dmesg_text

#: The seconds by which the time advances with each call.
_TICK = 0.5
NEW = {
    # Behaviour, described in README.md.
    "release": "7.8",
    "root": None,
    "uid": 0,
    "cpu": "vmx",
    "network": True,
    "mirror_is_signed": True,
    "guests": {},
    "status_gap": 0,
    "pause_hangs": False,
    "fail": [],
    "users": {name: list(ids) for name, ids in USERS.items()},
    "groups": GROUPS,
    # State.
    "now": 1_000_000.0,
    "tick": _TICK,
    "vmd": {"running": False, "socket": False, "next_id": 0, "next_pid": 40000, "known": {}, "settings": {}, "log": []},
    "vms": [],
    "switches": [],
    "addresses": 0,
    "sysctls": {"net.inet.ip.forwarding": "0", "net.inet6.ip6.forwarding": "0"},
    "services": {},
    "interfaces": {
        "lo0": {"flags": ["UP", "LOOPBACK", "RUNNING", "MULTICAST"], "inet": [["127.0.0.1", 8]], "groups": ["lo"]},
        "em0": {
            "flags": ["UP", "BROADCAST", "RUNNING", "SIMPLEX", "MULTICAST"],
            "lladdr": "52:54:00:12:34:56",
            "inet": [["192.168.1.10", 24]],
            "groups": ["egress"],
        },
    },
    "arp": [],
    "vnds": {},
    "installed": {},
}
FILES = ("/dev/vmm", "/dev/tap0", "/dev/tap1", "/dev/tap2", "/dev/tap3", "/etc/firmware/vmm-bios")
_NETSTART = '#!/bin/sh\nexec netstart "$@"\n'


class State:
    """The state in ``folder``. It is locked only for moments, never while a command waits."""

    def __init__(self, folder, environment=None):
        self.folder = str(folder)
        self._path = os.path.join(self.folder, "state.json")
        self._environment = environment or {}
        if not os.path.exists(self._path):
            self._create()

    def _create(self):
        """Create the state of a newly installed host, with the files below its root directory."""
        os.makedirs(self.folder, exist_ok=True)
        with self._locked():
            if not os.path.exists(self._path):
                self._save(deepcopy(NEW))
                if self.host(NEW).root:
                    self.populate(FILES)

    def populate(self, paths=()):
        """Write files of an installed host: ``paths`` as empty files, and those with content."""
        state = self.look()
        host = self.host(state)
        for path in paths:
            host.write(path, "")
        host.write("/etc/netstart", _NETSTART)
        host.write("/var/run/dmesg.boot", dmesg_text(state))

    @contextmanager
    def open(self):
        """A context with the locked state as a mapping; changes are saved."""
        with self._locked():
            state = self.look()
            yield state
            self._save(state)

    @contextmanager
    def _locked(self):
        with open(f"{self._path}.lock", "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _save(self, state):
        with open(f"{self._path}.new", "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.replace(f"{self._path}.new", self._path)

    def look(self):
        """A copy of the state; changes to it are not saved."""
        with open(self._path, encoding="utf-8") as file:
            return {**deepcopy(NEW), **json.load(file)}

    def host(self, state, cwd=""):
        """The file system as the caller can use it."""
        root = self._environment.get("POLYVIRT_VMM_ROOT") or state["root"] or "1"
        root = os.path.join(self.folder, "root") if root == "1" else root
        uid = int(self._environment.get("POLYVIRT_VMM_UID", state["uid"]))
        users = {name: tuple(ids) for name, ids in state["users"].items()}
        return Host(root, cwd, uid, users, state["groups"])

    def note(self, **call):
        """Record a call as one line of JSON: arguments, uid, exit code, stdout, stderr, the simulated time."""
        with open(os.path.join(self.folder, "calls"), "a", encoding="utf-8") as file:
            file.write(json.dumps(call) + "\n")

    def calls(self):
        try:
            with open(os.path.join(self.folder, "calls"), encoding="utf-8") as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []
