# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several VMs share in VirtualBox: stored host ports, and images by any of their names."""

from __future__ import annotations

import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request
from ansible_collections.polyvirt.core.plugins.module_utils._engine.together import run_together

from unit.module_utils._drivers.vbox.in_process import SMALL, driver_of, several, task

WEB = {"web": {"host_port": 8080, "guest_port": 80}}
BOTH = pytest.mark.parametrize("check", [True, False])


# Ports ----------------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("state", ["started", "restarted"])
def test_vms_with_one_stored_port_are_not_started_together(vbox, state, check):
    """VirtualBox would start both, and the second forward would be dead."""
    names = ("one", "two")
    task(vbox, *names, config={**SMALL, "port_forwards": WEB}).succeeded()
    if state == "restarted":
        task(vbox, "one", state="started").succeeded()
    task(vbox, *names, state=state, config={}, check=check).refused("8080 is used by", "Set another host_port")


def test_port_of_a_vm_that_the_task_stops_is_free(vbox):
    task(vbox, "one", "two", config={**SMALL, "port_forwards": WEB}).succeeded()
    task(vbox, "one", state="started", config={}).succeeded()
    vbox.listening = {8080}  # By the first VM, until it is stopped.
    entries = [("one", "stopped", {}), ("two", "started", {})]
    several(vbox, *entries[::-1], check=True).refused("8080 is used by one", "List one before two.")
    assert several(vbox, *entries, check=True).succeeded().changed
    done = several(vbox, *entries).succeeded()
    assert [vm["state"] for vm in done.vms] == ["stopped", "running"]
    starts = [line.split()[0] for line in done.writes if line.startswith(("startvm", "controlvm"))]
    assert starts == ["controlvm", "startvm"]


@BOTH
def test_port_of_a_vm_that_another_driver_of_the_task_stops_is_free(vbox, check):
    """Entries with different ``native`` have different drivers."""
    task(vbox, "one", "two", config={**SMALL, "port_forwards": WEB}).succeeded()
    task(vbox, "one", state="started", config={}).succeeded()
    vbox.listening = {8080}
    policy = Policy(stop_mode="force")
    requests = [Request("one", state="stopped", policy=policy), Request("two", state="started", policy=policy)]
    parts = [(driver_of(vbox), [request], False) for request in requests]
    outcome = run_together(parts, requests, check, clock=vbox.clock, probe=None)
    assert not outcome.failed, outcome.msg


# Images ---------------------------------------------------------------------------------------------------------------


@BOTH
def test_image_is_the_same_by_a_symbolic_link(vbox, check):
    """VirtualBox registers an image by its real path."""
    disk, link = vbox.disk(), f"{vbox.folder}/link.vdi"
    os.symlink(disk, link)
    task(vbox, "one", config={**SMALL, "disks": {"SATA 0": {"source": disk}}}).succeeded()
    config = {**SMALL, "disks": {"SATA 0": {"source": link}}}
    task(vbox, "two", config=config, check=check).refused(f"{disk} is a disk of one")
    twice = {**SMALL, "disks": {"SATA 0": {"source": disk}, "SATA 1": {"source": link}}}
    task(vbox, "one", state="absent").succeeded()
    task(vbox, "two", config=twice, check=check).refused("is also that of disks.SATA")


@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_image_is_attached_by_the_path_that_virtualbox_knows(vbox, make):
    """VirtualBox rejects another path of an image that it knows. The same task by either path changes nothing."""
    disk, link = vbox.disk(), f"{vbox.folder}/link.vdi"
    make(disk, link)
    vbox.run("showmediuminfo", "disk", disk)
    by_link = {**SMALL, "disks": {"SATA 0": {"source": link}}}
    check = task(vbox, config=by_link, check=True).succeeded()
    done = task(vbox, config=by_link).succeeded()
    assert (done.vm["disks"][0]["source"], check.outcome.diff) == (disk, done.outcome.diff)
    for source in (link, disk):
        assert task(vbox, config={"disks": {"SATA 0": {"source": source}}}).succeeded().writes == []
