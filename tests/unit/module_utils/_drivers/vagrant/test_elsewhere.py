# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connection, user and host answer about a VM: another one that does not know its id says nothing about it."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import observe

from unit.module_utils._drivers.vagrant.in_process import FILE, Killed, World, users_file

MADE = {"provider": "libvirt", "state": "started"}
OTHER_URI = {"LIBVIRT_DEFAULT_URI": "test:///default"}


def _unknown_in_every_task(world, *texts, **options):
    """Its provider, as this task asks it, has no VM; nothing of the project may change."""
    machines = world.vagrant.state()["machines"]
    before = world.files()
    world.vagrant.change(machines={})
    (vm,) = world.run(about="vm_info", **options).vms
    assert vm["state"] == "unknown"
    for asked in ({"state": "absent"}, {"state": "started"}, {"state": "absent", "delete_disks": "all"}):
        world.rejected(*texts, **asked, **options)
    assert world.files() == before
    world.vagrant.change(machines=machines)


@pytest.mark.parametrize("virsh", [True, False], ids=["virsh", "no virsh"])
@pytest.mark.parametrize("who", ["uri", "user", "host"])
def test_id_that_another_connection_does_not_know_is_unknown(tmp_path, monkeypatch, who, virsh):
    world = World(tmp_path, "libvirt", virsh=virsh)
    assert world.create(**MADE).vm
    place = f"qemu:///system as user {os.geteuid()} on {os.uname().nodename}"
    with monkeypatch.context() as other:
        if who == "uri":
            other.setitem(world.variables, *next(iter(OTHER_URI.items())))
        elif who == "user":
            other.setattr(observe.os, "geteuid", lambda: 4711)
        else:
            other.setattr(observe.files, "host_name", lambda: "elsewhere")
        _unknown_in_every_task(world, f"is {place}", "does not know it")
    assert world.run(about="vm_info").vm["state"] == "running"


def test_registry_of_virtualbox_is_part_of_the_place(tmp_path):
    world = World(tmp_path, "virtualbox")
    assert world.create(state="started").vm
    (record,) = world.project.glob(".vagrant/machines/web/virtualbox/polyvirt.json")
    assert json.loads(record.read_text())["place"].startswith("virtualbox as user ")
    world.variables["VBOX_USER_HOME"] = "/srv/registry"
    identifier = (record.parent / "id").read_text(encoding="ascii")
    world.virtualbox.run("controlvm", identifier, "poweroff")
    world.virtualbox.run("unregistervm", identifier)
    world.rejected("/srv/registry as user", state="absent")
    del world.variables["VBOX_USER_HOME"]
    assert not world.run(state="absent").failed


def test_vm_without_a_record_of_its_connection_is_unknown(tmp_path):
    """Vagrant itself started it, or an earlier version of this collection; the next start records it."""
    world = World(tmp_path, "libvirt", virsh=True)
    assert world.create(**MADE).vm
    (path,) = world.project.glob(".vagrant/machines/web/libvirt/polyvirt.json")
    record = json.loads(path.read_text())
    del record["place"]
    path.write_text(json.dumps(record))
    _unknown_in_every_task(world, "is not recorded")
    assert not world.run(state="stopped").failed
    assert not world.run(state="started").failed
    assert "place" in json.loads(path.read_text())


def test_connection_of_a_first_start_that_was_killed_is_known(tmp_path):
    world = World(tmp_path, "libvirt", virsh=True)
    world.vagrant.change(interrupt="id")
    with pytest.raises(Killed):
        world.create(**MADE)
    world.variables.update(OTHER_URI)
    _unknown_in_every_task(world, "is qemu:///system as user")
    del world.variables["LIBVIRT_DEFAULT_URI"]
    assert world.create(**MADE).vm["state"] == "running"


def test_vm_of_a_users_own_file_is_unknown(tmp_path):
    """Only Vagrant knows its connection."""
    world = World(tmp_path, "libvirt", virsh=True)
    world.vagrant.write(users_file("web"), "Vagrantfile")
    assert world.run(managed=False, state="started").vm
    _unknown_in_every_task(world, "is not recorded", managed=False)


def test_two_ids_are_named(tmp_path):
    world = World(tmp_path, "libvirt", virsh=True)
    assert world.create(**MADE).vm
    folder = world.project / ".vagrant/machines/web"
    (folder / "virtualbox").mkdir()
    (folder / "virtualbox" / "id").write_text("old", encoding="ascii")
    (vm,) = world.run(about="vm_info").vms
    assert vm["state"] == "unknown"
    for state in ("absent", "started"):
        world.rejected(str(folder / "virtualbox"), str(folder / "libvirt"), state=state)
    (folder / "virtualbox" / "id").unlink()
    assert world.run(about="vm_info").vm["state"] == "running"
    assert (world.project / FILE).exists()
