# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``architecture`` on Vagrant: that of the box, which Vagrant has known since 2.4."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import host

from unit.module_utils._drivers.vagrant.in_process import BOX, users_file
from unit.module_utils._drivers.vagrant.test_images import medium, named


@pytest.fixture(autouse=True)
def _of_this_host(monkeypatch, world):
    monkeypatch.setattr(host, "architecture", lambda: "amd64")
    world.vagrant.change(version="2.4.1")


@pytest.fixture(name="is_arm")
def _is_arm(monkeypatch):
    monkeypatch.setattr(host, "architecture", lambda: "arm64")


def written(world):
    return [line.strip() for line in world.file.read_text().split("\n") if "box_architecture" in line][-1:]


def test_architecture_of_the_box_is_written(world):
    check = world.create(architecture="amd64", state="started", check=True)
    created = world.create(architecture="amd64", state="started")
    assert (created.failed, check.diff) == (False, created.diff)
    assert written(world)[0] == 'machine.vm.box_architecture = "amd64"'
    files = world.files()
    again = world.run(architecture="amd64", state="started")
    assert (again.changed, world.files()) == (False, files)


def test_vm_without_it_has_that_of_the_host(world):
    world.create(state="started")
    assert written(world) == []
    assert not world.run(architecture="amd64").changed
    assert "architecture" in world.run(architecture="arm64").error


def test_another_one_can_be_set_before_the_first_start_and_then_recreates_the_vm(world):
    native = {"machine_arch": "aarch64"}
    assert world.create(provider="libvirt", native=native).changed
    check = world.run(architecture="arm64", check=True)
    assert written(world) == []
    assert world.run(architecture="arm64").diff == check.diff
    assert written(world) == ['machine.vm.box_architecture = "arm64"']


def test_another_one_recreates_a_created_vm(world, is_arm):
    """Its files are moved to another host, for instance: the former value was right there."""
    world.create(architecture="arm64", state="started")
    rebuilt = {"architecture": "amd64", "provider": "libvirt", "native": {"machine_arch": "x86_64"}}
    assert "allow_recreate" in world.run(**rebuilt).error
    steps = world.run(check=True, allow_recreate=True, **rebuilt).vm["steps"]
    assert [step["verb"] for step in steps][:2] == ["stop", "delete"]


@pytest.mark.parametrize("check", [True, False])
def test_older_vagrant_is_rejected(world, check):
    world.vagrant.change(version="2.3.4")
    error = world.create(architecture="amd64", check=check).error
    assert "web: architecture: this is Vagrant 2.3.4, and boxes have an architecture since Vagrant 2.4." in error
    assert world.files() == {}


def test_no_version_is_read_without_it(world):
    assert ["vagrant", "--version"] not in world.create().calls


@pytest.mark.parametrize(
    ("provider", "native", "words"),
    [
        ("virtualbox", {}, "the provider virtualbox creates VMs of amd64, as this host is. Omit it, or use a host of"),
        ("libvirt", {}, "the provider libvirt creates VMs of amd64, as this host is. Set native: {machine_arch:"),
        ("libvirt", {"machine_arch": "aarch64"}, None),
        ("libvirt", {"host": "arm.example"}, None),
        ("proxmox", {"endpoint": "https://pve:8006/api2/json"}, None),
    ],
)
def test_another_architecture_than_that_of_the_host_needs_a_provider_that_has_it(world, provider, native, words):
    created = world.create(architecture="arm64", provider=provider, native=native)
    assert words in created.error if words else not created.failed


def test_box_of_the_catalogue_is_that_of_the_architecture(world, is_arm):
    arm64 = {**medium("me/arm", "hyperv"), "architecture": "arm64"}
    image = named("debian-13", medium(BOX, "hyperv"), arm64)
    assert world.run(image=image).vm["settings"]["box"] == "me/arm"
    error = world.run("mail", image=image, architecture="amd64").error
    assert "the provider hyperv creates VMs of arm64" in error


def test_box_of_another_architecture_than_that_of_the_host(world):
    image = named("debian-13", medium(BOX, "libvirt"), {**medium("me/arm", "libvirt"), "architecture": "arm64"})
    emulated = {"provider": "libvirt", "native": {"machine_arch": "aarch64"}, "architecture": "arm64"}
    assert world.run(image=image, **emulated).vm["settings"]["box"] == "me/arm"


def test_native_does_not_set_it(world):
    error = world.create(native={"vm.box_architecture": "arm64"}).error
    assert "Use the option architecture" in error


def test_own_vagrantfile_has_it(world):
    world.vagrant.write(users_file(), "Vagrantfile")
    assert "set it there" in world.run("default", managed=False, architecture="amd64").error
