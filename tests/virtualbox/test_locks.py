# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What passes by itself is waited for, the lock of a machine that is on is not: on the double, told what to say."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.busy import Busy
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.driver import VBoxDriver
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage

from virtualbox.noted import MIB, InProcess, task

HELD = (
    "The machine 'web' is already locked for a session (or being unlocked)",
    "The machine 'web' is already locked by a session (or being locked or unlocked)",
    "Cannot unregister the machine 'web' while it is locked",
)
PASSING = (
    "The machine 'web' already has a lock request pending",
    "The machine 'web' was unlocked unexpectedly while attempting to share its session",
    "The object is not ready",
    "Code NS_ERROR_ABORT (0x80004004) - Operation aborted (extended info not available)",
    "Failed to create the VirtualBox object!",
    "Code NS_ERROR_CALL_FAILED (0x800706be) - Call to remote object failed (extended info not available)",
)
OVER = "The graphics controller does not support the given feature"


class Saying(InProcess):
    """The next call of ``command`` does nothing and fails with ``text``."""

    def __init__(self, box, command, text):
        super().__init__(box)
        self.command, self.text = command, text

    def run(self, argv, **options):
        if argv[1] != self.command or self.text is None:
            return super().run(argv, **options)
        said, self.text = f"VBoxManage: error: {self.text}\n", None
        self.calls.append(tuple(argv[1:]))
        return Completed(tuple(argv), 1, "", said)


@pytest.mark.parametrize("text", HELD + PASSING)
def test_a_change_is_made_again(played, text):
    task(played, commands=InProcess(played)).well()
    done = task(played, config={"memory": 20 * MIB}, commands=Saying(played, "modifyvm", text)).well()
    assert (done.verbs, done.vm["memory_mib"]) == (["modifyvm", "modifyvm"], 20)


@pytest.mark.parametrize("text", PASSING)
def test_a_look_is_taken_again(played, text):
    task(played, commands=InProcess(played)).well()
    assert not task(played, commands=Saying(played, "list", text)).well().changed


class Moving(InProcess):
    """Just after the first list another task moves the machine's folder."""

    def __init__(self, box):
        super().__init__(box)
        self.is_moved = False

    def run(self, argv, **options):
        completed = super().run(argv, **options)
        if "list" in argv and not self.is_moved:
            self.is_moved = True
            task(self._box, config={"groups": ("/elsewhere",)}, commands=InProcess(self._box)).well()
        return completed


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_machine_that_has_just_moved_is_there_all_the_same(played, state):
    task(played, commands=InProcess(played)).well()
    done = task(played, state=state, config={}, commands=Moving(played)).well()
    left = len(played.run("list", "vms").splitlines())
    assert (done.changed, left) == ((False, 1) if state == "present" else (True, 0))


@pytest.mark.parametrize("command", ["createvm", "storagectl", "createmedium", "storageattach", "setextradata"])
def test_a_machine_is_made_all_the_same(played, command):
    done = task(played, commands=Saying(played, command, PASSING[0])).well()
    assert done.verbs.count("createvm") == (2 if command == "createvm" else 1)
    assert len(played.run("list", "vms").splitlines()) == 1


def test_what_will_not_pass_is_told_at_once(played):
    task(played, commands=InProcess(played)).well()
    done = task(played, config={"memory": 20 * MIB}, commands=Saying(played, "modifyvm", OVER))
    assert (done.outcome.failed, done.verbs) == (True, ["modifyvm"])
    assert OVER in done.outcome.msg


@pytest.mark.parametrize("text", HELD + PASSING)
def test_of_a_machine_that_is_on_only_its_own_lock_lasts(played, text):
    uuid = task(played, state="started", commands=InProcess(played)).well().vm["id"]
    commands = Saying(played, "modifyvm", text)
    driver = VBoxDriver(VBoxManage(commands, str(played.executable)), commands)
    with pytest.raises(CommandFailed) as caught:
        driver.run(uuid, "modifyvm", uuid, "--memory", "20")
    assert isinstance(caught.value, Busy) == (text in PASSING)
