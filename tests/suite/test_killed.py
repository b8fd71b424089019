# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at any backend call: the same task, run again, ends as if nothing had happened, and leaves nothing behind.

After every call that writes, and before every call at which something has changed since the call before it: a backend
changes by its calls alone, and files are looked at around each. Else all stands as it did one call earlier.
"""

from __future__ import annotations

import re

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import NEVER, STOPPED, Change, Vm

from suite.carry import carry_one
from suite.depth import share

SCENARIOS = ("create", "clone", "configure", "remove", "snapshot", "restore")
NAME, SOURCE = "pvk-killed", "pvk-source"
#: How many of the points of a scenario one day takes; in process, the doubles are killed at all of them every day.
EVERY_DAY = 2
#: What differs between two machines made alike: ids, and the moment at which memory was saved.
_VOLATILE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d-]+Z")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_every_call(aside, shim, tmp_path, scenario, pytestconfig):
    kill = _Kill(aside, shim, tmp_path, scenario)
    whole = kill.undisturbed()
    points = list(_points(aside, whole.calls))
    for when, number in share(pytestconfig, points, EVERY_DAY):
        kill.at(when, number)
    print(f"{scenario}: {len(points)} points in {len(whole.calls)} calls; killed at {kill.fired}, missed {kill.missed}")
    # The last calls are cut off too: only those about disks of machines beside the namespace may have gone meanwhile.
    assert len(kill.missed) <= kill.fired, kill.missed


def _points(platform, calls):
    """(when, number of the call) of all kills that may leave something else than those before."""
    seen = None
    for call in calls:
        if call.files != seen:
            yield "kill-before", call.number
        seen = call.files
        if platform.is_write(call):
            yield "kill-after", call.number
            seen = call.left


class _Kill:
    """One scenario, to be run whole once and then cut off at one call after the other."""

    def __init__(self, platform, shim, folder, scenario):
        self.platform, self.shim, self.folder = platform, shim, folder
        self.lefts = set()
        self.fired, self.missed = 0, []
        self.prepare, self.task, self.about = _SCENARIOS[scenario](platform)

    def undisturbed(self):
        self._prepare()
        self.put_back = self.platform.checkpoint() or self._prepare
        self.shim.forget()
        self.shim.watched = self.platform.storage
        whole = self._run(self.task, self.about)
        self.shim.watched = ""
        assert whole.rc == 0, whole.result.get("msg")
        self.end = self._standing()
        self._remove("undisturbed")
        return whole

    def at(self, when, number):
        order = f"{when} {number}"
        self.put_back()
        self.shim.forget()
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
        # The mark is part of it: so this one goes as the undisturbed one went.
        assert self._standing() == self.end, order

    def _remove(self, order):
        gone = self._run({"name": [NAME], "state": "absent", "stop_mode": "force"})
        assert gone.rc == 0, f"{order}: {gone.result.get('msg')}"
        assert (self._standing()["machine"], self._kept()) == (None, self.kept), order

    def _was_left_like_this_before(self):
        """Between two reads nothing changes: the way on from exactly here was shown already."""
        partial = re.compile(r"\.\d+\.polyvirt-partial")
        storage = self.platform.storage
        sizes = [(partial.sub(" partial", name), (storage / name).stat().st_size) for name in self.platform.files()]
        left = _VOLATILE.sub("", repr((self._standing(), sizes)))
        if left in self.lefts:
            return True
        self.lefts.add(left)
        return False

    def _prepare(self):
        self.shim.forget()
        self.platform.clean()
        self.platform.base_image()
        self.platform.medium()
        self.kept = self._kept()
        for about, options in self.prepare:
            made = self._run(options, about)
            assert made.rc == 0, made.result.get("msg")
            if options["name"] != [NAME]:
                self.kept = self._kept()

    def _kept(self):
        """What the machine has no part in: it is there before it, and after it."""
        return self.platform.files(), self.platform.registered_disks()

    def _run(self, options, about="vm"):
        return carry_one(self.platform, self.shim, self.folder, options, about)

    def _standing(self):
        """The machine but for what is drawn by lot, the number of machines, and the files."""
        truth = self.platform.truth([NAME])[NAME]
        if truth is not None:
            # Of what runs only the settings: addresses on its buses depend on the way it got there.
            running = self.platform.settings(truth, "running") if truth["running"] else None
            truth = {**{key: _VOLATILE.sub("", str(value)) for key, value in truth.items()}, "running": running}
        files = sorted(_VOLATILE.sub("", name) for name in self.platform.files())
        disks = sorted(_VOLATILE.sub("", disk) for disk in self.platform.registered_disks())
        return {"machine": truth, "machines": len(self.platform.ids()), "files": files, "disks": disks}


def _create(platform):
    """(tasks beforehand, task, what its module is about); the tasks beforehand are (about, options)."""
    made = {
        **platform.creation,
        "name": [NAME],
        "state": "started",
        "memory": "64M",
        "image": {"source": platform.base_image(), "linked": _has_linked_images(platform)},
        "disks": [{}, {"size": "8M"}],
        "cloud_init": {"ssh_authorized_keys": ["ssh-ed25519 AAAA test"]},
        "autostart": True,
    }
    return [], made, "vm"


def _has_linked_images(platform):
    field = platform.traits().fields.get("image.linked")
    return field is None or not field.choices or True in field.choices


def _clone(platform):
    _nothing, made, about = _create(platform)
    before, stands_on = [(about, {**made, "name": [SOURCE], "state": "present"})], {}
    if _links_to_snapshots_alone(platform):
        stands_on = {"snapshot": "base"}
        before.append(("snapshot", {"name": [SOURCE], **stands_on}))
    cloned = {
        "name": [NAME],
        "state": "started",
        "memory": "96M",
        "clone": {"source": SOURCE, "linked": True, **stands_on},
        "disks": [{}, {"size": "12M"}],
        "cloud_init": {"ssh_authorized_keys": ["ssh-ed25519 AAAA test"]},
    }
    return before, cloned, about


def _links_to_snapshots_alone(platform):
    change = Change("clone", None, {"source": SOURCE, "linked": True})
    return platform.traits().fields["clone"].cost_of(Vm(SOURCE, power=STOPPED), change) == NEVER


def _configure(platform):
    _nothing, made, about = _create(platform)
    # It says that the machine shall run: else one that was killed while it was off for the change would stay so.
    changed = {
        **platform.consent,
        "name": [NAME],
        "state": "started",
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
    taken = {**platform.snapshot_with_memory, "name": [NAME], "snapshot": "s-1"}
    return [("vm", made), ("snapshot", taken)], {**taken, "snapshot": "s-2", "keep_last": 1}, "snapshot"


def _restore(platform):
    made = {**platform.creation, "name": [NAME]}
    more = {"name": [NAME], "cpus": 2, "tags": ["later"]}
    taken = {"name": [NAME], "snapshot": "s"}
    return [("vm", made), ("snapshot", taken), ("vm", more)], {**taken, "state": "restored"}, "snapshot"


_SCENARIOS = dict(zip(SCENARIOS, (_create, _clone, _configure, _remove, _snapshot, _restore)))
