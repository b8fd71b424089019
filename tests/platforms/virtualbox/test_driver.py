# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver on the real VirtualBox, where the double would show nothing: processes, readers, messages, exit codes."""

from __future__ import annotations

import os
import re
import signal
import threading
from contextlib import contextmanager, suppress

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage

from platforms.virtualbox.tasks import MIB, SMALL, task
from suite.limits import scaled

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("may_destroy")]


def made(box, **more):
    """Run a task that creates the VM web; returns its UUID."""
    return task(box, **more).succeeded().vm["id"]


def did_nothing(done):
    assert (done.succeeded().changed, done.writes) == (False, [])


def test_aborted_is_stopped(box):
    uuid = made(box, state="started")
    for process in box.processes("VBoxHeadless"):
        os.kill(process, signal.SIGKILL)
    box.wait_for(uuid, "aborted")
    did_nothing(task(box, state="stopped", config={}))
    assert task(box, state="started", config={}).succeeded().verbs == ["startvm"]


def test_vm_that_others_read_is_changed(box):
    uuid = made(box)
    with read_all_the_time(box, uuid):
        for memory in (20, 24, 28):
            answer = task(box, config={"memory": memory * MIB}, timeout=scaled(120)).succeeded()
            assert answer.vm["memory_mib"] == memory


@contextmanager
def read_all_the_time(box, uuid):
    """A context with readers in the background; each locks the stopped VM for a moment."""
    is_over = threading.Event()

    def read():
        with suppress(AssertionError):  # A call that hangs is recorded as a fault of VirtualBox.
            while not is_over.is_set():
                box.call("showvminfo", uuid, "--machinereadable")

    readers = [threading.Thread(target=read) for _number in range(2)]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        is_over.set()
        for reader in readers:
            reader.join()


@pytest.mark.core
def test_failed_start_reports_the_error_of_virtualbox(box):
    made(box)
    box.run("modifyvm", "web", "--nic1", "intnet", "--intnet1", "lan")
    done = task(box, state="started", config={})
    assert done.outcome.failed
    assert "web: VBoxManage startvm" in done.outcome.msg
    assert "Cannot attach to 'lan' in driverless mode" in done.outcome.msg
    assert [noise for noise in ("Waiting for", "%...", "Context", "Details") if noise in done.outcome.msg] == []
    assert done.vm["state"] == "stopped"


def test_a_name_that_is_hard_to_quote(box, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    name = 'n"q\\b ü €'
    states = ("present", "started", "paused", "suspended", "started", "restarted", "stopped")
    for state in states:
        done = task(box, name, state=state, config=SMALL if state == "present" else {}).succeeded()
        assert (done.changed, done.vm["name"]) == (True, name)
        assert [call for call in done.calls if name in call] == []
    assert task(box, name, state="absent").succeeded().changed
    assert box.run("list", "vms") == ""


def test_start_type_gui_without_a_display_is_explained(box):
    uuid = box.make("web")
    done = task(box, state="started", config={}, start_type="gui")
    done.failed("web: ", "VERR_FILE_NOT_FOUND", "DISPLAY", "start_type: headless")
    assert box.state(uuid) == "poweroff"


def test_each_nic_type_on_the_real_virtualbox(box):
    """Host-only interfaces need the kernel driver; all other types work here."""
    box.run("natnetwork", "add", "--netname", "Net 1", "--network", "10.10.0.0/24", "--enable")
    bridge = re.search(r"^Name: +(.*)$", box.run("list", "bridgedifs"), re.M)[1]
    nics = {
        "0": {"type": "nat"},
        "1": {"type": "bridged", "source": bridge},
        "2": {"type": "internal", "source": "lan"},
        "3": {"type": "network", "source": "Net 1"},
    }
    wanted = {**SMALL, "networks": nics}
    task(box, config=wanted).succeeded()
    values = box.values()
    assert (values["bridgeadapter2"], values["intnet3"], values["nat-network4"]) == (bridge, "lan", "Net 1")
    assert not task(box, config=wanted).succeeded().changed
    task(box, config={"networks": {"2": {"type": "hostonly", "source": "vboxnet0"}}}).refused("Available: none")


#: Calls that fail with exit code 0: {state of the VM: calls}.
QUIET = {
    "off": [("discardstate", "web"), ("modifyvm", "web", "--nic40", "nat"), ("guestproperty", "wait", "web", "x",
            "--timeout", "10")],
    "running": [("controlvm", "web", "nic2", "nat"), ("controlvm", "web", "autostart-enabled", "on"),
                ("controlvm", "web", "addencpassword", "x", "/nonexistent")],
    "saved": [("modifyvm", "web", "--nic3", "nat")],
}  # fmt: skip


@pytest.mark.parametrize("state", QUIET)
def test_failure_with_exit_code_0_is_found(box, state):
    made(box, state="stopped" if state == "off" else "started")
    if state == "saved":
        box.run("controlvm", "web", "savestate")
    tool = VBoxManage(Commands(), str(box.executable))
    for words in QUIET[state]:
        with pytest.raises(CommandFailed) as caught:
            tool.run(*words)
        assert caught.value.rc == 0, words
