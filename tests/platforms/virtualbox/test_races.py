# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes by other clients during a task, which a failing task must not undo, on the real VirtualBox."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage_file import settings_in

from platforms.virtualbox.tasks import MIB, SMALL, task
from suite.limits import scaled

pytestmark = pytest.mark.deep("what others do meanwhile on the double: unit belt, test_create.py")

TWO_DISKS = {**SMALL, "disks": {"#0": {"size": 2 * MIB}, "SATA 1": {"size": 2 * MIB}}}
CLONE = {"source": "source", "linked": False, "snapshot": None}


def _fails():
    raise CommandFailed(["VBoxManage"], 1, "disk full", "VBoxManage modifyvm failed: disk full")


def _images(box):
    return {path.name for path in box.machines.rglob("*.vdi")}


def test_failed_clone_deletes_nothing_of_its_source(box):
    """A new clone has its source's mark, which names a detached disk of the source, until it gets its own mark."""
    rules = {"web": {"host_port": 20002, "guest_port": 80}}
    task(box, "source", config={**TWO_DISKS, "port_forwards": rules}).succeeded()
    task(box, "source", config={"disks": {"SATA 1": None}}).succeeded()
    before = _images(box)
    failed = task(box, "clone", config={}, clone=CLONE, before={"modifyvm": _fails})
    assert "disk full" in failed.outcome.msg
    assert _images(box) == before
    task(box, "clone", config={}, clone=CLONE).succeeded()
    assert before < _images(box)


def test_loser_of_a_race_undoes_nothing(box):
    """Another task creates the VM while this one waits. That this one's start fails is no reason to delete the VM."""
    created, lost = threading.Event(), threading.Event()

    def slow():
        created.set()
        assert lost.wait(30)

    winner = threading.Thread(target=lambda: task(box, before={"createmedium": slow}).succeeded())
    winner.start()
    assert created.wait(30)
    threading.Timer(1, lost.set).start()
    loser = task(box, state="started", before={"startvm": _fails})
    winner.join()
    assert loser.outcome.failed
    assert task(box, check=True).succeeded().outcome.changed is False
    assert _images(box) == {"web-SATA-0.vdi"}


def test_vm_created_first_by_another_task_is_used(box):
    """The task uses the VM that the other task created."""
    done = task(box, before={"createvm": lambda: task(box).succeeded()})
    assert not done.outcome.failed, done.outcome.msg
    assert box.run("list", "vms").count('"web"') == 1


def test_log_of_a_former_vm_says_nothing_about_a_new_one(box_of_root):
    logs = box_of_root.machines / "web" / "Logs"
    logs.mkdir(parents=True)
    (logs / "VBox.log").write_text("of a machine that VirtualBox forgot\n", encoding="ascii")
    task(box_of_root).succeeded()
    assert _images(box_of_root) == {"web-SATA-0.vdi"}
    assert task(box_of_root).succeeded().writes == []


def test_ssh_forward_port_is_never_that_of_another_vm(box):
    """A VM cloned by hand has the same rule, and another program may use the port while the VM is stopped."""
    first = task(box, "first", state="started").succeeded().vm
    task(box, "first", state="stopped", config={}).succeeded()
    box.run("clonevm", first["id"], "--name", "second", "--register")
    ports = [task(box, name, state="started", config={}).succeeded().vm["ssh"]["port"] for name in ("first", "second")]
    assert ports[0] == first["ssh"]["port"] != ports[1]
    task(box, "first", state="stopped", config={}).succeeded()
    with socket.create_server(("127.0.0.1", ports[0])):
        again = task(box, "first", state="started", config={}).succeeded().vm["ssh"]["port"]
    assert again not in ports
    assert task(box, "first", state="started", config={}).succeeded().writes == []


def test_vm_deleted_meanwhile_is_reported(box):
    machine = task(box, state="started").succeeded().vm

    def remove():
        box.run("controlvm", machine["id"], "poweroff")
        box.run("unregistervm", machine["id"], "--delete")

    changed = {**SMALL, "memory": 20 * MIB}
    done = task(box, state="started", config=changed, allow_restart=True, before={"poweroff": remove})
    assert done.outcome.failed
    assert "Unexpected" not in done.outcome.msg


def test_vm_deleted_during_its_creation_is_reported(box):
    def remove():
        (machine,) = [line.split("{")[1][:-1] for line in box.run("list", "vms").splitlines()]
        box.run("unregistervm", machine, "--delete")

    done = task(box, before={"storagectl": remove})
    assert done.outcome.failed
    assert "Could not find a registered machine" in done.outcome.msg
    assert box.run("list", "vms") == ""


@contextmanager
def _changed_all_the_time(box, machine):
    over = threading.Event()

    def change():
        while not over.is_set():
            box.call("modifyvm", machine, "--description", "changed")

    other = threading.Thread(target=change)
    other.start()
    try:
        yield
    finally:
        over.set()
        other.join()


def test_query_of_snapshots_is_repeated_while_others_hold_the_lock(box):
    """The driver's query of snapshots needs the VM's lock, which another client takes again and again."""
    machine = task(box).succeeded().vm["id"]
    box.run("snapshot", machine, "take", "first")
    asked = {"name": "first", "state": "restored"}
    with _changed_all_the_time(box, machine):
        for _attempt in range(5):
            task(box, config={}, snapshot=asked, check=True, timeout=scaled(60)).succeeded()


def test_settings_file_is_found_while_it_is_replaced(box):
    """Without its file, the VM would look like one that is not created yet, that is, absent."""
    machine = task(box).succeeded().vm["id"]
    path = str(box.machines / "web" / "web.vbox")
    with _changed_all_the_time(box, machine):
        lost = [attempt for attempt in range(50_000) if settings_in(path) is None]
    assert lost == []
