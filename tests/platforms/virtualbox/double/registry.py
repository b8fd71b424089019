# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double's state: one JSON file, used by one caller at a time. Guests advance with the time between calls."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
import uuid
from contextlib import contextmanager
from copy import deepcopy

from . import images
from .failures import Failure, Misuse, held, not_found
from .file import is_readable, write_existing

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
ON = ("running", "paused", "gurumeditation", "stopping", "teleportingin")
#: The names of states in human-readable output and in error messages.
STATE_NAMES = {
    "poweroff": "PoweredOff",
    "saved": "Saved",
    "aborted": "Aborted",
    "running": "Running",
    "paused": "Paused",
    "gurumeditation": "GuruMeditation",
    "stopping": "Stopping",
    "teleportingin": "TeleportingIn",
}
#: Seconds after which guests boot, crash, react to the button, and stop; the real ones (guests.py) take longer.
_BOOT, _CRASH, _REACT, _STOP = 0.5, 0.4, 0.2, 0.4
_NEW = {"version": "7.2.22_Debianr175245", "machines": {}, "media": {}, "properties": {}, "busy": [], "ends": 0}


class Registry:
    """``busy`` in the file is a list of lock errors: each of the next calls that lock a stopped VM fails with one.

    ``ends`` is the number of next calls of clonevm in which the daemon ends. The real one (7.2.22) ended in one of
    twenty linked clones on a busy host. The files of the clone remain, its disks registered, but not the VM.

    ``now`` returns the seconds since 1970; a test may pass a clock of its own.
    """

    def __init__(self, folder, now=time.time):
        self.folder, self.now = folder, now
        self.path = os.path.join(folder, "registry.json")
        self.stdout, self.stderr = [], []

    @contextmanager
    def open(self):
        with open(f"{self.path}.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.data = self._load()
            self._pass_time()
            try:
                yield self
            finally:
                self._save()

    def _load(self):
        if not os.path.exists(self.path):
            self._before = None
            return deepcopy(_NEW)
        with open(self.path, encoding="utf-8") as file:
            self._before = file.read()
        return json.loads(self._before)

    def _save(self):
        text = json.dumps(self.data)
        if text == self._before:
            return
        write_existing(self.data["machines"].values())
        with open(f"{self.path}.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(f"{self.path}.new", self.path)

    @property
    def machines(self):
        return self.data["machines"]

    @property
    def media(self):
        return self.data["media"]

    @property
    def architecture(self):
        """That of the host, as VirtualBox calls it."""
        return self.data.get("architecture", "x86")

    @property
    def version(self):
        """(major, minor); the output depends on it."""
        return tuple(int(number) for number in self.data["version"].split(".")[:2])

    @property
    def machine_folder(self):
        return self.data["properties"].get("machinefolder", os.path.join(self.folder, "machines"))

    def print(self, text):
        self.stdout.append(f"{text}\n")

    def print_error(self, failure):
        """Print an error and continue, like VBoxManage: the exit code stays 0."""
        self.stderr.append(failure.text(self.data["version"]))

    def find(self, text):
        """The VM with this UUID, or the first VM with this name."""
        if is_uuid(text):
            if text not in self.machines:
                raise not_found(f"Could not find a registered machine with UUID {{{text}}}")
            return self.machines[text]
        for machine in self.machines.values():
            if machine["name"] == text and is_readable(machine):
                return machine
        raise not_found(f"Could not find a registered machine named '{text}'")

    def lock(self, text, write=True):
        """Lock a VM and return it. A VM that is on can be locked for reading only: its process has the write lock."""
        machine = self.find(text)
        if not is_readable(machine):
            raise Failure("The object functionality is limited", code="E_ACCESSDENIED", part="MachineWrap")
        if machine["state"] in ON:
            if write:
                raise held(f"The machine '{machine['name']}' is already locked for a session (or being unlocked)")
        elif self.data["busy"]:
            raise held(self.data["busy"].pop(0).format(machine["name"]))
        return machine

    def end_daemon_if_told(self):
        if self.data["ends"]:
            self.data["ends"] -= 1
            raise Failure("Code NS_ERROR_ABORT (0x80004004) - Operation aborted (extended info not available)")

    def new_uuid(self):
        return str(uuid.uuid4())

    def medium_of(self, text):
        """The medium with this UUID or path. An unknown file is registered."""
        for known in self.media.values():
            if text in (known["uuid"], known["location"]):
                return known
        if not text.startswith("/"):
            raise Failure(
                f"The given path '{text}' is not fully qualified", code="VBOX_E_FILE_ERROR", part="MediumWrap"
            )
        if not os.path.exists(text):
            raise Failure(
                f"Could not find file for the medium '{text}' (VERR_FILE_NOT_FOUND)",
                code="VBOX_E_FILE_ERROR",
                part="MediumWrap",
            )
        return self._open_medium(text)

    def _open_medium(self, path):
        medium = images.read(path, self.new_uuid)
        self.media[medium["uuid"]] = medium
        return medium

    def chain(self, medium):
        """An image and its backing images, nearest first."""
        found = [medium]
        while found[-1]["parent"]:
            found.append(self.media[found[-1]["parent"]])
        return found

    def base_of(self, medium):
        return self.chain(medium)[-1]

    def set_state(self, machine, state):
        machine["state"] = state
        machine["since"] = self.now()
        if state == "running":
            machine["started"] = self.now()
        if state not in ("running", "paused", "stopping"):
            machine["pressed"] = None
        if state not in ON:
            folders = machine["config"]["folders"]
            machine["config"]["folders"] = [folder for folder in folders if not folder[3]]

    def _pass_time(self):
        now = self.now()
        for machine in self.machines.values():
            guest = self._guest_of(machine)
            if machine["state"] == "running" and guest == "crashes" and now - machine["started"] > _CRASH:
                self.set_state(machine, "gurumeditation")
            pressed = machine.get("pressed")
            if machine["state"] in ("running", "stopping") and pressed and guest == "obeys":
                # The guest reacts to the button after it has booted.
                reaction = max(pressed, machine["started"] + _BOOT) + _REACT
                if now > reaction + _STOP:
                    self.set_state(machine, "poweroff")
                elif now > reaction and machine["state"] == "running":
                    self.set_state(machine, "stopping")

    def _guest_of(self, machine):
        """The guest of the first disk's source, until the disk's first sector is overwritten."""
        attached = (slot["medium"] for slots in machine["config"]["slots"].values() for slot in slots.values())
        for name in attached:
            if name in self.media:
                guest, boots = self.base_of(self.media[name]).get("guest") or (None, None)
                return guest if guest and images.boots_with(self.chain(self.media[name])) == boots else None
        return None


def is_uuid(text):
    return bool(_UUID.match(text))


def folder_of(machine):
    return os.path.dirname(machine["file"])


def options(words, values=(), flags=(), unknown=None):
    """Parse arguments: (positional arguments, {option: value}). ``--a=b`` equals ``--a b``."""
    plain, found = [], {}
    words = list(words)
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            plain.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        if name in flags:
            found[name] = value if equals else True
        elif name in values:
            found[name] = value if equals else (words.pop(0) if words else "")
        else:
            raise (unknown or _unknown)(word)
    return plain, found


def _unknown(word):
    return Misuse(f"Unknown option: {word}", gap=False)
