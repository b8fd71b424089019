# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks wait for a lock, but not for the lock of a running VM."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import Busy

from unit.module_utils._drivers.vbox.in_process import MIB, InProcess, driver_of, task

LOCKED = (
    "The machine 'web' is already locked for a session (or being unlocked)",
    "The machine 'web' is already locked by a session (or being locked or unlocked)",
    "Cannot unregister the machine 'web' while it is locked",
)
TRANSIENT = (
    "The machine 'web' already has a lock request pending",
    "The machine 'web' was unlocked unexpectedly while attempting to share its session",
    "The object is not ready",
    "Code NS_ERROR_ABORT (0x80004004) - Operation aborted (extended info not available)",
    "Failed to create the VirtualBox object!",
    "Code NS_ERROR_CALL_FAILED (0x800706be) - Call to remote object failed (extended info not available)",
)
OTHER_ERROR = "The graphics controller does not support the given feature"


LARGER = {"memory": 20 * MIB}


@pytest.mark.parametrize("text", LOCKED + TRANSIENT)
def test_change_is_repeated(vbox, text):
    task(vbox).succeeded()
    done = task(vbox, config=LARGER, fails={"modifyvm": text}).succeeded()
    assert (done.verbs, done.vm["memory_mib"]) == (["modifyvm", "modifyvm"], 20)


@pytest.mark.parametrize("text", TRANSIENT)
def test_observation_is_repeated(vbox, text):
    task(vbox).succeeded()
    assert not task(vbox, fails={"list": text}).succeeded().changed


@pytest.mark.parametrize("state", ["present", "absent"])
def test_vm_that_others_have_just_moved_is_found(vbox, state):
    """Another task moves the VM's directory just after the first list."""
    task(vbox).succeeded()
    move = {"list": lambda: task(vbox, config={"groups": ("/elsewhere",)}).succeeded()}
    done = task(vbox, state=state, config={}, after=move).succeeded()
    count = len(vbox.run("list", "vms").splitlines())
    assert (done.changed, count) == ((False, 1) if state == "present" else (True, 0))


@pytest.mark.parametrize("command", ["createvm", "storagectl", "createmedium", "storageattach", "setextradata"])
def test_creation_is_repeated(vbox, command):
    done = task(vbox, fails={command: TRANSIENT[0]}).succeeded()
    assert done.verbs.count("createvm") == (2 if command == "createvm" else 1)
    assert len(vbox.run("list", "vms").splitlines()) == 1


def test_other_error_is_not_repeated(vbox):
    task(vbox).succeeded()
    assert task(vbox, config=LARGER, fails={"modifyvm": OTHER_ERROR}).failed_late(OTHER_ERROR).verbs == ["modifyvm"]


@pytest.mark.parametrize("text", LOCKED + TRANSIENT)
def test_running_vm_holds_its_own_lock(vbox, text):
    uuid = task(vbox, state="started").succeeded().vm["id"]
    with pytest.raises(CommandFailed) as caught:
        driver_of(vbox, InProcess(vbox, fails={"modifyvm": text})).run(uuid, "modifyvm", uuid, "--memory", "20")
    assert isinstance(caught.value, Busy) == (text in TRANSIENT)


def test_lock_of_an_unknown_vm_is_transient(vbox):
    with pytest.raises(Busy):
        driver_of(vbox, InProcess(vbox, fails={"modifyvm": LOCKED[0]})).run("nosuch", "modifyvm", "nosuch")
