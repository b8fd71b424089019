# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at any backend call: the same task, run again, ends as if nothing had happened, and leaves nothing behind.

After every call that writes, and before every call at which something has changed since the call before it: a backend
changes by its calls alone, and files are looked at before each. Else all stands as it did one call earlier.
"""

from __future__ import annotations

import re

import pytest

from conformance.direct import run_module

SCENARIOS = ("create", "clone", "configure", "remove", "snapshot", "restore")
NAME, SOURCE = "pvk-killed", "pvk-source"
#: What differs between two machines made alike.
_VOLATILE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_every_call(qemu_aside, shim, tmp_path, scenario):
    kill = _Kill(qemu_aside, shim, tmp_path, scenario)
    whole = kill.undisturbed()
    print(f"{scenario}: {len(whole.calls)} calls")
    seen = None
    for call in whole.calls:
        if call.files != seen:
            kill.at("kill-before", call.number)
        seen = call.files
        if qemu_aside.is_write(call):
            kill.at("kill-after", call.number)
            seen = None
    print(f"{scenario}: {kill.fired} kills, and never came to {kill.missed}")
    # The last calls are cut off too: only those about disks of machines beside the namespace may have gone meanwhile.
    assert len(kill.missed) <= kill.fired, kill.missed


class _Kill:
    """One scenario, to be run whole once and then cut off at one call after the other."""

    def __init__(self, platform, shim, folder, scenario):
        self.platform, self.shim, self.folder = platform, shim, folder
        shim.watched = platform.storage
        self.lefts = set()
        self.fired, self.missed = 0, []
        self.prepare, self.task, self.about = _SCENARIOS[scenario](platform)

    def undisturbed(self):
        self._begin()
        whole = self._run(self.task, self.about)
        assert whole.rc == 0, whole.result
        self.end = self._standing()
        return whole

    def at(self, when, number):
        order = f"{when} {number}"
        self._begin()
        self.shim.order(order)
        killed = self._run(self.task, self.about)
        if len(killed.calls) < number:
            # Disks of machines beside the namespace are looked at too, and those come and go.
            self.missed.append(order)
            return
        assert killed.rc == -9, f"{order}: {killed}"
        self.fired += 1
        self.shim.forget()
        if self._was_left_like_this_before():
            return
        again = self._run(self.task, self.about)
        assert again.rc == 0, f"{order}: {again.result.get('msg')}"
        assert self._standing() == self.end, order
        gone = self._run({"name": [NAME], "state": "absent", "stop_mode": "force"})
        assert gone.rc == 0, f"{order}: {gone.result.get('msg')}"
        assert (self._standing()["machine"], self.platform.files()) == (None, self.kept), order

    def _was_left_like_this_before(self):
        """Between two reads nothing changes: the way on from exactly here was shown already."""
        partial = re.compile(r"\.\d+\.polyvirt-partial")
        storage = self.platform.storage
        sizes = [(partial.sub(" partial", name), (storage / name).stat().st_size) for name in self.platform.files()]
        left = repr((self._standing()["machine"], sizes))
        if left in self.lefts:
            return True
        self.lefts.add(left)
        return False

    def _begin(self):
        self.shim.forget()
        self.platform.clean()
        self.platform.base_image()
        self.platform.medium()
        self.kept = self.platform.files()
        for about, options in self.prepare:
            made = self._run(options, about)
            assert made.rc == 0, made.result
            if options["name"] != [NAME]:
                self.kept = self.platform.files()

    def _run(self, options, about="vm"):
        return run_module(self.platform, self.shim, self.folder, options, about)

    def _standing(self):
        """The machine but for what is drawn by lot, the number of machines, and the files."""
        truth = self.platform.truth([NAME])[NAME]
        if truth is not None:
            # Of what runs only the settings: addresses on its buses depend on the way it got there.
            running = self.platform.settings(truth, "running") if truth["running"] else None
            truth = {**{key: _VOLATILE.sub("", str(value)) for key, value in truth.items()}, "running": running}
        return {"machine": truth, "machines": len(self.platform.ids()), "files": self.platform.files()}


def _create(platform):
    """(tasks beforehand, task, what its module is about); the tasks beforehand are (about, options)."""
    made = {
        "name": [NAME],
        "state": "started",
        "cpus": 1,
        "memory": "64M",
        "image": {"source": platform.base_image(), "linked": True},
        "disks": [{}, {"size": "8M"}],
        "networks": [],
        "cloud_init": {"ssh_authorized_keys": ["ssh-ed25519 AAAA test"]},
        "autostart": True,
    }
    return [], made, "vm"


def _clone(platform):
    _nothing, made, about = _create(platform)
    cloned = {
        "name": [NAME],
        "state": "started",
        "memory": "96M",
        "clone": {"source": SOURCE, "linked": True},
        "disks": [{}, {"size": "12M"}],
        "cloud_init": {"ssh_authorized_keys": ["ssh-ed25519 AAAA test"]},
    }
    return [(about, {**made, "name": [SOURCE], "state": "present"})], cloned, about


def _configure(platform):
    _nothing, made, about = _create(platform)
    changed = {
        "name": [NAME],
        "cpus": 2,
        "description": "second",
        "tags": ["b"],
        "autostart": False,
        "disks": [{}, {"size": "12M"}, {"size": "8M"}],
        "iso": platform.medium(),
    }
    return [(about, {**made, "tags": ["a"]})], changed, about


def _remove(platform):
    _nothing, made, about = _create(platform)
    return [(about, made)], {"name": [NAME], "state": "absent", "stop_mode": "force"}, about


def _snapshot(platform):
    """One is taken and another goes, each with files of its own for memory and disk."""
    made = {**platform.creation, "name": [NAME], "state": "started"}
    taken = {"name": [NAME], "snapshot": "s-1", "kind": "external", "include_memory": True}
    return [("vm", made), ("snapshot", taken)], {**taken, "snapshot": "s-2", "keep_last": 1}, "snapshot"


def _restore(platform):
    made = {**platform.creation, "name": [NAME]}
    more = {"name": [NAME], "cpus": 2, "tags": ["later"]}
    taken = {"name": [NAME], "snapshot": "s"}
    return [("vm", made), ("snapshot", taken), ("vm", more)], {**taken, "state": "restored"}, "snapshot"


_SCENARIOS = dict(zip(SCENARIOS, (_create, _clone, _configure, _remove, _snapshot, _restore)))
