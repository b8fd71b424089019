# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each call of a task that restarts a running VM for a change fails: the VM is running again, and the result is true.

Only a start that the platform has rejected is not repeated. The same task again always succeeds.
"""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import PAUSED, STOPPED, SUSPENDED

from suite.answer import Task
from suite.belts import share
from suite.carry import carry_one

NAME, GUEST = "pvc-power-back", "pvg-power-back"
#: The number of calls that fail in a full run; a deep run tests all.
_EVERY_DAY = 6
#: {platform: two values of an option that needs a restart}; on the other platforms, the number of CPUs.
_VALUES = {"vmm": ("memory", ("128M", "160M")), "wsl": ("systemd", (True, False))}
#: Platforms that need no call to change a VM that is off.
_WITHOUT_CALLS = ("vagrant",)
#: Platforms whose guests ignore requests here.
_DEAF = ("virtualbox",)
_STATES = ("present", "started")


class Restarts:
    """Tasks that change a running VM, each of which needs a restart."""

    def __init__(self, platform, shim, folder):
        self.platform, self.shim, self.folder = platform, shim, folder
        self.option, self._values = _VALUES.get(platform.name, ("cpus", (1, 2)))
        self._made = 0

    def create(self):
        made = self.run({**self.platform.creation, self.option: self._values[0], "state": "started"})
        assert not made.failed, made.msg

    def next(self):
        """The options of the next task."""
        self._made += 1
        value, state = self._values[self._made % 2], _STATES[self._made // 2 % 2]
        return {self.option: value, "state": state, "allow_restart": True, "stop_mode": "force"}

    def run(self, options):
        return carry_one(self.platform, self.shim, self.folder, {"name": [NAME], **options})

    def start_if_it_may_be_off(self, options):
        """A start that has failed is repeated only by a task that requests it."""
        if options["state"] == "present":
            assert not self.run({"state": "started"}).failed

    def found(self):
        """(power state, stored settings) of the VM."""
        truth = self.platform.truth([NAME])[NAME]
        return truth["power"], self.platform.settings(truth)


@pytest.fixture(name="restarts")
def _restarts(platform, shim, tmp_path):
    restarts = Restarts(platform, shim, tmp_path)
    platform.clean()
    restarts.create()
    yield restarts
    platform.fail_no_call(shim)
    restarts.run({"state": "absent", "stop_mode": "force"})


@pytest.mark.core
def test_failed_call_leaves_no_vm_off(restarts, platform, pytestconfig):
    total = platform.count_calls(lambda: restarts.run(restarts.next()))
    assert restarts.found()[0] == "running"
    places, back = share(pytestconfig, range(1, total + 1), _EVERY_DAY), []
    for place in places:
        options, before = restarts.next(), restarts.found()
        platform.fail_call(restarts.shim, place)
        answer = restarts.run(options)
        platform.fail_no_call(restarts.shim)
        where = f"call {place} of {total}: {answer.result}"
        if answer.failed:
            back += [place] if _check_result(answer, before, restarts.found(), where) else []
            answer = restarts.run(options)
        assert not answer.failed, f"{where}; again: {answer.msg}"
        restarts.start_if_it_may_be_off(options)
        assert restarts.found()[0] == "running", where
    assert back or len(places) < total or platform.name in _WITHOUT_CALLS, "no call failed while the VM was off"


def test_failed_deletion_leaves_no_complete_vm_off(restarts, platform, pytestconfig):
    deletion = {"state": "absent", "stop_mode": "force", "timeout": 1}
    total = platform.count_calls(lambda: restarts.run(deletion))
    for place in share(pytestconfig, range(1, total + 1), _EVERY_DAY // 2):
        restarts.create()
        before = restarts.found()
        platform.fail_call(restarts.shim, place)
        answer = restarts.run(deletion)
        platform.fail_no_call(restarts.shim)
        truth = platform.truth([NAME])[NAME]
        where = f"call {place} of {total}: {answer.result}"
        if truth is not None and answer.failed and answer.vms:
            assert answer.vm(NAME)["state"] in (truth["power"], "unknown"), where
            assert restarts.found() == before or _has_lost_files(answer, place), where
        assert not restarts.run(deletion).failed, where
        assert platform.truth([NAME])[NAME] is None, where


def _has_lost_files(answer, place):
    """On libvirt, files are removed before the definition, so this VM is no longer complete."""
    return "undefine" in answer.calls[place - 1].argv


def _check_result(answer, before, after, where):
    """Check that the result is true; returns whether the VM was brought back to its previous power state."""
    if not answer.vms:
        assert before == after, where  # The VM could not be observed, so nothing was done.
        return False
    entry = answer.vm(NAME)
    # If the last observation fails, the state is not known.
    assert entry["msg"] and entry["state"] in (after[0], "unknown"), where
    assert entry["changed"] == answer.changed, where
    assert answer.changed or before == after, where
    done = [step["verb"] for step in entry["steps"] if step["done"]]
    if after[0] != "running":
        planned = [step["verb"] for step in entry["steps"]]
        assert done == planned[: planned.index("start")], f"not because its start failed: {where}"
    assert answer.changed or not done, where
    return any("previous power state" in step["note"] for step in entry["steps"] if step["done"])


def test_guest_that_does_not_shut_down_leaves_a_saved_or_paused_vm_as_it_was(platform, shim, tmp_path):
    """It has to run to shut down. On some platforms a guest of the test obeys, or a saved VM counts as stopped."""
    platform.clean()
    power = next((one for one in (SUSPENDED, PAUSED) if one in platform.finds), None)
    if power is None:
        assert platform.name == "wsl", "only distributions of WSL cannot be saved or paused"
        return
    platform.bring({NAME: power})
    options = {"name": [NAME], "state": "stopped", "stop_mode": "graceful", "stop_timeout": 3, "timeout": 20}
    answer = carry_one(platform, shim, tmp_path, options)
    after = platform.truth([NAME])[NAME]["power"]
    assert after == power if answer.failed else after in (STOPPED, power), answer.result
    assert answer.vm(NAME)["state"] == after
    assert answer.failed or platform.name not in _DEAF, answer.result


@pytest.mark.parametrize("state", _STATES)
def test_definition_that_libvirt_rejects_leaves_the_vm_running(qemu, carry, state):
    """libvirt judges the definition before the first step: the VM is not even stopped."""
    qemu.clean()
    permitted = {"name": [GUEST], "state": state, "allow_restart": True, "stop_mode": "force"}
    tasks = [
        Task("create", {**qemu.creation, "name": [GUEST], "state": "started"}),
        Task("invalid", {**permitted, "native": {"devices/memballoon@model": "nonsense"}}),
        Task("valid", {**permitted, "native": {"devices/memballoon@model": "none"}}),
        Task("delete", {"name": [GUEST], "state": "absent", "stop_mode": "force"}),
    ]
    answers = carry(qemu, tasks, [GUEST])
    assert [label for label, answer in answers.items() if answer.failed] == ["invalid"]
    assert [answers[label].truth[GUEST]["power"] for label in ("invalid", "valid")] == ["running", "running"]
    assert "Invalid value for attribute 'model'" in answers["invalid"].msg
    assert (answers["invalid"].changed, answers["invalid"].diff_of(GUEST)) == (False, None)


@pytest.mark.core
def test_new_vm_that_does_not_start_is_deleted(platform, shim, tmp_path):
    """Whichever call fails, what a task has created is undone without an error."""

    def run(**options):
        return carry_one(platform, shim, tmp_path, {"name": [NAME], **options})

    platform.clean()
    total = platform.count_calls(lambda: run(**platform.creation, state="started"))
    for place in range(total // 2, total):
        run(state="absent", stop_mode="force")
        platform.fail_call(shim, place)
        answer = run(**platform.creation, state="started")
        platform.fail_no_call(shim)
        assert "Undoing" not in answer.msg, answer.msg
    run(state="absent", stop_mode="force")
