# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the double knows: one JSON file, the locks of machines, and a note of each call."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import time
from contextlib import contextmanager
from copy import deepcopy

from . import texts
from .speech import Failure

_NEW = {
    "version": "2.3.4",
    "boxes": [{"name": "polyvirt/fast", "provider": "libvirt", "version": "0"}],
    "plugins": {"vagrant-libvirt": "0.11.2"},
    "known": ["virtualbox", "docker", "hyperv", "libvirt"],
    "usable": ["libvirt"],
    "machines": {},
    "uploaded": [],
    "guests": {},
    "seconds": {},
    "busy": 0,
    "fail": [],
}


def run_program(argv):
    """How another program answered: returncode, stdout and stderr."""
    return subprocess.run(argv, capture_output=True, text=True, check=False)


class Registry:
    """The state in ``folder``. Nobody else sees it while it is open, so it is open for moments only."""

    def __init__(self, folder, clock=time, run=run_program):
        self.folder, self._clock, self.run = folder, clock, run
        self._path = os.path.join(folder, "state.json")
        os.makedirs(folder, exist_ok=True)

    @contextmanager
    def open(self):
        """The state as a mapping; changes are kept."""
        with open(f"{self._path}.lock", "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.look()
            yield state
            with open(f"{self._path}.new", "w", encoding="utf-8") as file:
                json.dump(state, file)
            os.replace(f"{self._path}.new", self._path)

    def look(self):
        """The state as a mapping of its own; changes are lost."""
        return {**deepcopy(_NEW), **json.loads(_read(self._path) or "{}")}

    def note(self, words, environment):
        """What was called, in which project, and when."""
        ours = {name: value for name, value in environment.items() if name.startswith("VAGRANT_")}
        with open(os.path.join(self.folder, "calls"), "a", encoding="utf-8") as file:
            file.write(json.dumps({"words": list(words), "environment": ours, "time": time.time()}) + "\n")

    def sleep(self, seconds):
        if seconds:
            self._clock.sleep(seconds)

    @contextmanager
    def held(self, machine, action):
        """The machine is this call's alone, as long as the action takes."""
        name = hashlib.sha256(machine.folder.encode()).hexdigest()[:16]
        with open(os.path.join(self.folder, f"{name}.lock"), "a", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _locked(machine, action) from None
            with self.open() as state:
                is_busy = state["busy"] > 0
                state["busy"] -= is_busy
            if is_busy:
                raise _locked(machine, action)
            self._obey_orders(machine, action)
            yield

    def _obey_orders(self, machine, action):
        """Take as long as told, and fail as told: [command, machine or empty, class, text], once each."""
        with self.open() as state:
            seconds = state["seconds"].get(action, 0)
            order = next((one for one in state["fail"] if one[0] == action and one[1] in ("", machine.name)), None)
            if order:
                state["fail"].remove(order)
        self.sleep(seconds)
        if order:
            raise Failure(order[2], order[3])


def _locked(machine, action):
    return Failure("MachineActionLockedError", texts.LOCKED.format(action=action, name=machine.name))


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
