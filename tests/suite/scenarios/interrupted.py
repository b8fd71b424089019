# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that run once undisturbed, and then again and again with another backend call disturbed each time."""

from __future__ import annotations

import re

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import NEVER, STOPPED, Change, Vm

from platforms.known import WITH_SNAPSHOTS
from suite.carry import carry_one
from suite.disturbances import NO_RECORD

NAME, SOURCE = "pvk-killed", "pvk-source"
#: Values that differ between two VMs of the same task: ids, and the time at which memory was saved.
_VOLATILE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d-]+Z")
_PARTIAL = re.compile(r"\.\d+\.[0-9a-f]{8}\.polyvirt-partial")


class Interrupted:
    """One scenario on one platform. ``kept`` are files and disks that do not belong to the VM and exist after it."""

    def __init__(self, platform, shim, folder, scenario):
        self.platform, self.shim, self.folder = platform, shim, folder
        self._lefts = set()
        self.fired, self.missed = 0, []
        self.prepare, self.task, self.about = SCENARIOS[scenario](platform)

    def undisturbed(self):
        """Run the task; returns its Answer. ``files`` and ``left`` of each call list the files before and after it."""
        self._prepare()
        self._put_back = self.platform.checkpoint() or self._prepare
        self.begin = self._machine()
        self.shim.forget()
        self.shim.watched = self.platform.storage
        whole = self.run()
        self.shim.watched = ""
        assert whole.rc == 0, whole.msg
        self.end = self.platform_state()
        self._remove("undisturbed")
        return whole

    def disturbed(self, order, number, text=""):
        """Run the task with this order to the shim at this call; returns its Answer, or None if it made fewer calls.

        ``text`` is the error that the order prints, if it is not the usual one.
        """
        self._put_back()
        self.shim.forget()
        self.shim.order(f"{order} {number} {text}".rstrip())
        answer = self.run()
        self.shim.forget()
        if len(answer.calls) < number:
            # The task also reads disks of VMs outside the namespace, and the number of these disks changes.
            self.missed.append((order, number))
            return None
        self.fired += 1
        return answer

    def run(self):
        """Run the task."""
        return self._run(self.task, self.about)

    def assert_completed_by_next_run(self, where):
        if self._is_known_state():
            return
        again = self.run()
        if again.rc and self.platform.is_recorded_late and NO_RECORD in again.msg:
            self._run({"name": [NAME], "state": "absent", "delete_disks": "all"})
            again = self.run()
        assert again.rc == 0, f"{where}: {again.msg}"
        # The state includes the mark, so deleting this VM has the same result as with the undisturbed one.
        assert self.platform_state() == self.end, where

    def _remove(self, where):
        gone = self._run({"name": [NAME], "state": "absent", "stop_mode": "force"})
        assert gone.rc == 0, f"{where}: {gone.msg}"
        assert (self.platform_state()["machine"], self._kept()) == (None, self.kept), where

    def _is_known_state(self):
        """Whether an earlier disturbance left exactly this state, so the next run was already tested with it."""
        storage = self.platform.storage
        sizes = [(_PARTIAL.sub(" partial", name), (storage / name).stat().st_size) for name in self.platform.files()]
        left = _VOLATILE.sub("", repr((self.platform_state(), sizes)))
        is_known = left in self._lefts
        self._lefts.add(left)
        return is_known

    def _prepare(self):
        self.shim.forget()
        self.platform.clean()
        self.platform.base_image()
        self.platform.medium()
        self.kept = self._kept()
        for about, options in self.prepare:
            made = self._run(options, about)
            assert made.rc == 0, made.msg
            if options["name"] != [NAME]:
                self.kept = self._kept()

    def _kept(self):
        return self.platform.files(), self.platform.registered_disks()

    def _run(self, options, about="vm"):
        return carry_one(self.platform, self.shim, self.folder, options, about)

    def _machine(self):
        return self.platform.truth([NAME])[NAME]

    def platform_state(self):
        """The VM without random values, the number of VMs, the files, and the registered disks."""
        truth = self._machine()
        if truth is not None:
            # Of the running VM only the settings, because addresses on its buses depend on earlier changes.
            running = self.platform.settings(truth, "running") if truth["running"] else None
            truth = {**{key: _VOLATILE.sub("", str(value)) for key, value in truth.items()}, "running": running}
        files = sorted(_VOLATILE.sub("", name) for name in self.platform.files())
        disks = sorted(_VOLATILE.sub("", disk) for disk in self.platform.registered_disks())
        return {"machine": truth, "machines": len(self.platform.ids()), "files": files, "disks": disks}


def _create(platform):
    made = {
        **platform.creation,
        "name": [NAME],
        "state": "started",
        "memory": "64M",
        "image": {"source": platform.base_image(), "linked": _has_linked_images(platform)},
        "disks": [{}, {"size": "8M"}],
        "cloud_init": {"ssh_authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAUE= test"]},
        "autostart": True,
    }
    return [], made, "vm"


def _has_linked_images(platform):
    field = platform.traits().fields.get("image.linked")
    return field is None or not field.choices or True in field.choices


def _clone(platform):
    _nothing, made, about = _create(platform)
    # Without autostart: VirtualBox copies the flag to a clone, but not the entry in its autostart database, and removes
    # the source's entry if the clone is deleted again.
    source = {**made, "name": [SOURCE], "state": "present", "autostart": False}
    before, stands_on = [(about, source)], {}
    if _links_to_snapshots_alone(platform):
        stands_on = {"snapshot": "base"}
        before.append(("snapshot", {"name": [SOURCE], **stands_on}))
    cloned = {
        "name": [NAME],
        "state": "started",
        "memory": "96M",
        "clone": {"source": SOURCE, "linked": True, **stands_on},
        **({"disks": [{}, {"size": "12M"}]} if platform.linked_disks_grow else {}),
        "cloud_init": {"ssh_authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAUE= test"]},
    }
    return before, cloned, about


def _links_to_snapshots_alone(platform):
    change = Change("clone", None, {"source": SOURCE, "linked": True})
    return platform.traits().fields["clone"].cost_of(Vm(SOURCE, power=STOPPED), change) == NEVER


def _configure(platform):
    _nothing, made, about = _create(platform)
    # Without a state: a VM that a killed run leaves off is started by the next one.
    changed = {
        **platform.consent,
        **({} if "cpus" in platform.unusable else {"cpus": 2}),
        "name": [NAME],
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
    """One snapshot is created and another deleted, each with its own files for memory and disk."""
    made = {**platform.creation, "name": [NAME], "state": "started"}
    taken = {**platform.snapshot_with_memory, "name": [NAME], "snapshot": "s-1"}
    return [("vm", made), ("snapshot", taken)], {**taken, "snapshot": "s-2", "keep_last": 1}, "snapshot"


def _restore(platform):
    made = {**platform.creation, "name": [NAME]}
    more = {"name": [NAME], "cpus": 2, "tags": ["later"]}
    taken = {"name": [NAME], "snapshot": "s"}
    return [("vm", made), ("snapshot", taken), ("vm", more)], {**taken, "state": "restored"}, "snapshot"


#: {scenario: function of the platform; it returns (list of (about, options) of tasks before, options, about)}.
SCENARIOS = {
    "create": _create,
    "clone": _clone,
    "configure": _configure,
    "remove": _remove,
    "snapshot": _snapshot,
    "restore": _restore,
}
#: Scenarios that a full run has on the real VirtualBox, too: what they destroy is gone.
_ON_REAL = ("remove", "restore")
#: (platform, scenario): real guests, and the double of a real platform. Others are killed in the process of the test
#: (test_killed.py).
CASES = [
    pytest.param(platform, scenario, marks=pytest.mark.real if scenario in _ON_REAL else ())
    for platform in ("libvirt_qemu", "virtualbox", "virtualbox_double")
    for scenario in SCENARIOS
    if platform in WITH_SNAPSHOTS or scenario not in ("snapshot", "restore")
]
