# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors name the cause, and the remedy that they name works."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.traits import vbox_traits

from unit.module_utils._drivers.vbox.in_process import MIB, info, rejected, task
from unit.module_utils._drivers.vbox.recorded_registry import driver_on, recorded_vm


def test_vm_that_was_unregistered_can_be_registered_again(vbox):
    """Its disk alone must not be moved: the VM would lose it."""
    uuid = task(vbox).succeeded().vm["id"]
    vbox.run("unregistervm", uuid)
    register = f"VBoxManage registervm {vbox.machines}/web/web.vbox"
    rejected(vbox, register, "move its directory with all its files away")
    vbox.run(*register.split()[1:])
    assert task(vbox).succeeded().writes == []


def test_disk_at_a_floppy_controller_is_rejected(vbox):
    vbox.make("web")
    vbox.run("storagectl", "web", "--name", "Floppy", "--add", "floppy")
    disk = {"disks": {"Floppy 0": {"size": MIB}}}
    rejected(vbox, "disks.Floppy 0: controller 'Floppy' has only floppy drives", config=disk)


def test_vm_with_an_iscsi_disk_can_be_started(tmp_path):
    """Such a disk is not a file, so it cannot be missing."""
    driver, _commands = driver_on(tmp_path)
    vm = recorded_vm(driver, "linked")
    started = plan(vm, Request(name="linked", state="started"), vbox_traits((7, 2, 22)))
    (tmp_path / "m.iso").touch()
    with pytest.raises(NotFound, match=r"linked: disks\.SATA 0: .* does not exist, so the VM cannot start"):
        driver.preflight(started)
    media = driver.listing().media
    media.update({uuid: replace(one, format="iSCSI", location="10.0.0.9|iqn|1") for uuid, one in media.items()})
    driver.preflight(started)


def test_vm_in_a_guru_meditation_is_stopped_with_any_stop_mode(vbox):
    vm = task(vbox, image=vbox.image("crashes"), state="started").succeeded().vm
    vbox.wait_for(vm["id"], "gurumeditation")
    assert info(vbox)["vms"][0]["reason"] == "gurumeditation"
    task(vbox, state="started", config={}, stop_mode="graceful").refused("state: stopped", "stop_mode: force")
    done = task(vbox, state="stopped", config={}, stop_mode="graceful").succeeded()
    assert done.verbs == ["controlvm poweroff"]


def test_saved_memory_that_cannot_be_restored_can_be_discarded(vbox):
    task(vbox, state="started").succeeded()
    task(vbox, state="suspended", config={}).succeeded()
    broken = {"startvm": "The VM session was closed before any attempt to power it on"}
    task(vbox, state="started", config={}, fails=broken).failed("discard it: state: stopped with stop_mode: force")
    assert task(vbox, state="stopped", config={}, stop_mode="force").succeeded().verbs == ["discardstate"]
    done = task(vbox, state="started", config={}, fails=broken).failed("Check Logs/VBox.log")
    assert "saved memory" not in done.outcome.msg
