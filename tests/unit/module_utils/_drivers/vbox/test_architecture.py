# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs on an Arm host: their type, firmware and drives; and VMs of another architecture, which no host starts."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import host

from unit.module_utils._drivers.vbox.in_process import MIB, SMALL, observed, rejected, task, twice

_NEW = {**SMALL, "disks": {"#0": {"size": 2 * MIB}}}


@pytest.fixture(name="arm")
def _arm(vbox, monkeypatch):
    """VirtualBox on an Arm host."""
    monkeypatch.setattr(host, "architecture", lambda: "arm64")
    vbox.is_on_arm()
    return vbox


def test_new_vm_on_an_arm_host_starts(arm):
    check = task(arm, check=True, state="started", config=_NEW).succeeded()
    done = task(arm, state="started", config=_NEW).succeeded()
    assert check.outcome.diff == done.outcome.diff
    assert done.writes[0].startswith("createvm --name=web --ostype Linux_arm64 --platform-architecture=arm ")
    (modified,) = [line for line in done.writes if line.startswith("modifyvm")]
    assert "--mouse usbtablet --usbxhci on --keyboard usb" in modified
    found = observed(arm).config
    assert (found["architecture"], found["firmware"], found["os_type"]) == ("arm64", "uefi", "Linux_arm64")
    assert sorted([*found["disks"], *found["cdroms"]]) == ["VirtIO 0", "VirtIO 15"]
    assert task(arm, state="started", config={**_NEW, "architecture": "arm64"}).succeeded().writes == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("debian", "Debian_arm64"), ("rocky", "RedHat10_arm64"), ("opensuse", "OpenSUSE_Leap_arm64"),
        ("gentoo", "Linux_arm64"), ("Debian12_arm64", "Debian12_arm64"),
    ],
)  # fmt: skip
def test_type_of_the_operating_system_is_one_of_the_architecture(arm, asked, found):
    twice(arm, config={**_NEW, "os_type": asked})
    assert observed(arm).config["os_type"] == found


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"architecture": "amd64"},
            "runs only VMs of the architecture of its host, which is arm64. Set arm64, or omit",
        ),
        ({"firmware": "bios"}, "firmware: bios does not exist for arm64."),
        ({"nested_virtualization": True}, "nested_virtualization is supported only for amd64 hosts."),
        ({"native": {"x86-hpet": True}}, "native: 'hpet' exists only on x86, and the VM is arm64."),
        ({"native": {"chipset": "ich9"}}, "native: 'chipset' exists only on x86"),
        ({"disks": {"IDE 0": {"size": 2 * MIB}}}, "disks.IDE 0: VMs of arm64 do not start from the bus ide."),
        ({"os_type": "WindowsNT"}, "os_type: WindowsNT is not a type of arm64."),
    ],
)
def test_value_that_arm64_does_not_have_is_rejected(arm, options, words):
    rejected(arm, words, config={**_NEW, **options})


def test_amd64_host_runs_no_vms_of_arm64(vbox):
    words = "VirtualBox runs only VMs of the architecture of its host, which is amd64."
    task(vbox, config={**_NEW, "architecture": "arm64"}).refused(words)
    task(vbox, config={**_NEW, "architecture": "amd64"}).succeeded()
    found = observed(vbox).config
    assert (found["architecture"], list(found["disks"])) == ("amd64", ["SATA 0"])


@pytest.mark.parametrize("linked", [False, True])
def test_clone_on_an_arm_host_has_the_architecture_of_its_source(arm, linked):
    source = task(arm, config=_NEW).succeeded().vm
    if linked:
        arm.run("snapshot", source["id"], "take", "s")
    clone = {"source": "web", "linked": linked, **({"snapshot": "s"} if linked else {})}
    settings = twice(arm, "copy", config={"architecture": "arm64"}, clone=clone).vm["settings"]
    assert (settings["architecture"], settings["firmware"], settings["os_type"]) == ("arm64", "uefi", "Linux_arm64")
    assert task(arm, "copy", config={"architecture": "amd64"}, clone=clone).outcome.failed


def test_own_vm_of_x86_is_not_created_again_on_an_arm_host(vbox, monkeypatch):
    """Its files come from another host. Its type, firmware and drives would be kept, so that it would not start."""
    assert task(vbox, config=_NEW).succeeded().vm["settings"]["architecture"] == "amd64"
    monkeypatch.setattr(host, "architecture", lambda: "arm64")
    vbox.is_on_arm()
    config = {**_NEW, "architecture": "arm64", "iso": str(vbox.machines / "x.iso")}
    words = "web: architecture is 'amd64' and cannot be changed to 'arm64'. Omit the option, or delete the VM"
    rejected(vbox, words, config=config, allow_recreate=True)
    task(vbox, state="absent").succeeded()
    assert task(vbox, config=_NEW).succeeded().vm["settings"]["architecture"] == "arm64"


def test_other_architecture_of_an_existing_vm_is_rejected(arm):
    arm.run("createvm", "--name", "web", "--ostype", "Debian_64", "--register")
    assert observed(arm).config["architecture"] == "amd64"
    task(arm, config={"architecture": "arm64"}).refused("architecture")
    task(arm, config={**_NEW, "architecture": "arm64"}, state="started", allow_recreate=True).refused()
    task(arm, state="started").failed_late("platform architecture x86 is not supported on ARM")
