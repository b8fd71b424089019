# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double's state: one JSON file, the locks of VMs, and the record of all calls."""

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
from .output import Failure

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
    "interrupt": "",
}


class Interrupted(BaseException):
    """The caller, and the command with it, are killed."""


def run_program(argv):
    """Run another program: an object with returncode, stdout and stderr."""
    return subprocess.run(argv, capture_output=True, text=True, check=False)


class Registry:
    """The state in ``folder``. While it is open, other processes wait for it, so it is open only for moments."""

    def __init__(self, folder, clock=time, run=run_program):
        self.folder, self._clock, self.run = folder, clock, run
        self._path = os.path.join(folder, "state.json")
        os.makedirs(folder, exist_ok=True)

    @contextmanager
    def open(self):
        """A context with the state as a dict; changes are saved."""
        with open(f"{self._path}.lock", "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.read()
            yield state
            with open(f"{self._path}.new", "w", encoding="utf-8") as file:
                json.dump(state, file)
            os.replace(f"{self._path}.new", self._path)

    def read(self):
        """A copy of the state; changes to it are not saved."""
        return {**deepcopy(_NEW), **json.loads(_read(self._path) or "{}")}

    def record_call(self, words, environment):
        """Record the arguments, the VAGRANT_* variables and the time of a call."""
        ours = {name: value for name, value in environment.items() if name.startswith("VAGRANT_")}
        with open(os.path.join(self.folder, "calls"), "a", encoding="utf-8") as file:
            file.write(json.dumps({"words": list(words), "environment": ours, "time": time.time()}) + "\n")

    def sleep(self, seconds):
        if seconds:
            self._clock.sleep(seconds)

    def interrupt(self, place):
        """Kill the command if the state's ``interrupt`` is this place in ``up``; once."""
        if self.read()["interrupt"] == place:
            with self.open() as state:
                state["interrupt"] = ""
            raise Interrupted

    @contextmanager
    def locked(self, machine, action):
        """Hold the lock of a VM during an action. If another command holds it, fail at once."""
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
            self._simulate_time_and_failure(machine, action)
            yield

    def _simulate_time_and_failure(self, machine, action):
        """Sleep the seconds set for this action; then fail if the state's ``fail`` requests it.

        Entries of ``fail`` are [action, VM name or "", error class, text]; each is used once.
        """
        with self.open() as state:
            seconds = state["seconds"].get(action, 0)
            entry = next((one for one in state["fail"] if one[0] == action and one[1] in ("", machine.name)), None)
            if entry:
                state["fail"].remove(entry)
        self.sleep(seconds)
        if entry:
            raise Failure(entry[2], entry[3])


def _locked(machine, action):
    return Failure("MachineActionLockedError", texts.LOCKED.format(action=action, name=machine.name))


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
