# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The consoles of VMs of a Vagrant project, by their providers."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.in_libvirt import InLibvirt

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh

PORT = "<serial type='file'><source path='{}'/></serial>"


def _console(world):
    (vm,) = world.run(None, about="vm_info", console=5).vms
    return vm["console"]


def test_file_that_virtualbox_writes(virtualbox_world, tmp_path):
    path = tmp_path / "web.log"
    path.write_bytes(b"booting\nlogin: ")
    virtualbox_world.create(state="started")
    virtualbox_world.run(state="stopped", stop_mode="force")
    identifier = virtualbox_world.run(None, about="vm_info").vm["id"]
    assert "virtualbox.customize" in _console(virtualbox_world)["how"]
    box = virtualbox_world.virtualbox
    box.run("modifyvm", identifier, "--uart1", "0x3f8", "4", "--uartmode1", "file", str(path))
    found = _console(virtualbox_world)
    assert (found["file"], found["lines"], found["how"]) == (str(path), ["booting", "login: "], None)


def test_vm_without_its_providers_tool(world):
    world.create(state="started")
    found = _console(world)
    assert (found["lines"], found["file"]) == (None, None)
    assert "vagrant ssh web" in found["how"]


def test_file_that_libvirt_writes(tmp_path):
    path = tmp_path / "web.log"
    path.write_bytes(b"booting\n")
    virsh = FakeVirsh({("dumpxml", UUID): f"<domain><devices>{PORT.format(path)}</devices></domain>"})
    log = InLibvirt(virsh).console(UUID)
    assert (log.file, log.data) == (str(path), b"booting\n")
    virsh.uri = "qemu+ssh://hv1/system"
    assert "on the host of qemu+ssh://hv1/system" in InLibvirt(virsh).console(UUID).how
