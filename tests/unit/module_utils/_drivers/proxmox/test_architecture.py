# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of arm64 on the simulated cluster: only root@pam creates them, and what they do not start with is rejected."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from simulators.proxmox.access import User
from unit.module_utils._drivers.proxmox.simulated import Api, applied, do, machine_of, rejected, unchanged
from unit.module_utils._drivers.proxmox.vendor import images, volume_of

_NEW = {"name": "arm", "node": "pve1", "architecture": "arm64", "disks": [{"size": "1G"}]}


@pytest.fixture(name="root")
def _root(world):
    """The API for root@pam, who has logged in with the password."""
    return Api(world, User("root@pam"))


def test_new_vm_of_arm64_starts(world, root):
    predicted, outcome = (do(world, api=root, check=check, state="started", **_NEW) for check in (True, False))
    assert (outcome.failed, outcome.diff) == (False, predicted.diff), outcome.msg
    assert [text for text in outcome.warnings if "arm: architecture: arm64 is emulated on nodes of amd64" in text]
    options = machine_of(world, "arm").config.current
    assert {key: options.get(key) for key in ("arch", "bios", "scsihw", "vga", "machine", "cpu")} == {
        "arch": "aarch64", "bios": "ovmf", "scsihw": "virtio-scsi-single", "vga": None, "machine": None, "cpu": None,
    }  # fmt: skip
    assert "pre-enrolled-keys=0" in options["efidisk0"]
    unchanged(world, api=root, state="started", **_NEW)


def test_drives_and_display_of_arm64(world, root):
    media = {"cloud_init": {"user": "me"}, "iso": "local:iso/debian.iso", "display": {"type": "vnc"}}
    options = applied(world, api=root, state="started", **_NEW, **media)
    drives = {key: text for key, text in options.items() if "media=cdrom" in text}
    assert {"scsi"} == {key[:4] for key in drives} and len(drives) == 2
    assert options["vga"] == "virtio"


def test_amd64_sends_no_architecture(world):
    """Only root@pam may send it, also if it is that of the node."""
    options = applied(world, **{**_NEW, "architecture": "amd64"})
    assert "arch" not in options
    unchanged(world, name="arm", architecture="amd64")


def test_another_architecture_of_an_existing_vm_is_rejected(world, root):
    rejected(world, "web2", "architecture", api=root, name="web2", architecture="arm64")
    behind.edit(world, 101, arch="aarch64", bios="ovmf")
    unchanged(world, name="web2", architecture="arm64")


def test_token_of_root_may_not_create_a_vm_of_arm64(world):
    words = "arm: architecture: arm64 can be set only by root@pam itself; no token may", "log in as root@pam with its"
    rejected(world, *words, **_NEW)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"firmware": "bios"}, "firmware: bios does not exist for arm64. Set firmware: uefi, or omit it."),
        ({"firmware": "uefi", "secure_boot": True}, "secure_boot is supported only for amd64, and the VM is arm64."),
        ({"nested_virtualization": True}, "nested_virtualization is supported only for amd64"),
        ({"display": {"type": "spice"}}, "display.type: VMs of arm64 have no spice. Set vnc."),
        ({"native": {"machine": "q35"}}, "native: machine: VMs of arm64 do not start with q35."),
        ({"native": {"scsihw": "lsi"}}, "native: scsihw: VMs of arm64 do not start with lsi."),
        ({"native": {"arch": "aarch64"}}, "native: 'arch' cannot be set there. Use the option architecture."),
        ({"disks": [{"slot": "ide0", "size": "1G"}]}, "disks.ide0: VMs of arm64 do not start from the bus ide."),
        ({"cdroms": [{"slot": "sata0", "source": ""}]}, "cdroms.sata0: VMs of arm64 do not start from the bus sata."),
    ],
)
def test_value_that_arm64_does_not_have_is_rejected(world, root, options, words):
    rejected(world, words, api=root, **{**_NEW, **options})


def test_image_of_the_architecture_is_taken_and_is_another_one(world, root, vendor):
    """The names of the files tell the architectures apart: a storage has no records."""
    arm64 = vendor.medium(architecture="arm64", image={"firmware": ["uefi"]})
    image = {"source": "debian-13", "catalogue": {"media": [vendor.medium(), arm64]}}
    for vm in (vendor.vm(image=image), vendor.vm("arm", image=image, architecture="arm64")):
        options = applied(world, api=root, **vm)
    assert images(world) == sorted([volume_of(), volume_of(name="debian-13.arm64")])
    assert (options["arch"], options["bios"], "scsi0" in options) == ("aarch64", "ovmf", True)


@pytest.fixture(name="arm_node")
def _arm_node(world):
    """All nodes are of arm64, as with the ports of Proxmox VE for such CPUs."""
    for node in world.cluster.nodes.values():
        node.machine = "aarch64"


def statuses_read(world):
    return sum(entry.path == "/nodes/pve1/status" for entry in world.journal.requests)


def test_image_without_the_option_is_that_of_an_arm_node(world, arm_node, vendor):
    """A token creates the VM: nothing is set that needs root@pam."""
    arm64 = vendor.medium(architecture="arm64", image={"firmware": ["uefi"]})
    image = {"source": "debian-13", "catalogue": {"media": [vendor.medium(), arm64]}}
    vm = vendor.vm("arm", image=image, state="started", cloud_init={"user": "me"}, display={"type": "vnc"})
    predicted, outcome = (do(world, check=check, **vm) for check in (True, False))
    assert (outcome.failed, outcome.diff) == (False, predicted.diff), outcome.msg
    assert not [text for text in outcome.warnings if "emulated" in text]
    assert images(world) == [volume_of(name="debian-13.arm64")]
    options = machine_of(world, "arm").config.current
    found = {key: options.get(key) for key in ("arch", "machine", "bios", "vga")}
    assert found == {"arch": None, "machine": "virt", "bios": "ovmf", "vga": "virtio"}
    assert {key for key, text in options.items() if "media=cdrom" in text} == {"scsi29", "scsi30"}
    world.journal.clear()
    unchanged(world, **vm)
    assert statuses_read(world) == 0
    rejected(world, "arm", "architecture", **{**vm, "architecture": "amd64"})


def test_architecture_of_an_arm_node_is_not_sent(world, arm_node):
    options = applied(world, **_NEW)
    assert ("arch" in options, options["machine"], options["bios"]) == (False, "virt", "ovmf")


def test_amd64_is_emulated_on_an_arm_node(world, arm_node, root):
    new = {**_NEW, "architecture": "amd64"}
    rejected(world, "arm: architecture: amd64 can be set only by root@pam itself", **new)
    outcome = do(world, api=root, **new)
    assert "architecture: amd64 is emulated on nodes of arm64, which is many times slower." in outcome.warnings[0]
    assert machine_of(world, "arm").config.current["arch"] == "x86_64"
    unchanged(world, **new)


def test_vm_without_arch_has_the_architecture_of_its_node(world, arm_node):
    """A foreign VM, whether it runs or not."""
    for name in ("web1", "web2"):
        unchanged(world, name=name, architecture="arm64")
        rejected(world, name, "architecture", name=name, architecture="amd64")


def test_architecture_is_rejected_if_that_of_the_node_is_unknown(world, vendor):
    """Without Sys.Audit, or on an old version: a wrong guess could delete a VM, by allow_recreate."""
    world.cluster.nodes["pve1"].machine = None
    words = "the architecture of node 'pve1' is unknown, so nothing is compared or created. Give the account Sys.Audit"
    rejected(world, "arm: architecture: ", words, **_NEW)
    rejected(world, "web1: architecture: ", words, name="web1", architecture="arm64", allow_recreate=True)
    outcome = do(world, **vendor.vm())
    assert not outcome.failed, outcome.msg
    assert images(world) == [volume_of()]


def test_no_node_is_asked_without_image_and_architecture(world):
    applied(world, **{**_NEW, "architecture": None})
    assert statuses_read(world) == 0


def test_image_that_is_not_published_for_arm64_is_rejected(world, root, vendor):
    words = "no cloud image of it is known for arm64. It is published for amd64."
    rejected(world, words, api=root, **vendor.vm("arm", architecture="arm64"))


def test_clone_has_the_architecture_of_its_source(world, root):
    """Anyone may create it, and its new drive for cloud-init is where it starts with it."""
    assert not do(world, api=root, **_NEW).failed
    clone = {"name": "copy", "clone": {"source": "arm", "linked": False}, "cloud_init": {"user": "me"}}
    options = applied(world, **clone, state="started", architecture="arm64")
    drives = [key[:4] for key, text in options.items() if "media=cdrom" in text]
    assert (options["arch"], options["bios"], {*drives}) == ("aarch64", "ovmf", {"scsi"})
    unchanged(world, **clone, architecture="arm64")
    rejected(world, "copy", "architecture", **clone, architecture="amd64")


def test_clone_on_an_arm_node_has_the_architecture_of_its_source(world, arm_node):
    assert not do(world, **_NEW).failed
    clone = {"name": "copy", "clone": {"source": "arm", "linked": False}, "cloud_init": {"user": "me"}}
    options = applied(world, **clone, architecture="arm64")
    drives = [key[:4] for key, text in options.items() if "media=cdrom" in text]
    assert ("arch" in options, options["machine"], {*drives}) == (False, "virt", {"scsi"})


@pytest.mark.parametrize(("architecture", "arch"), [("arm64", "aarch64"), ("amd64", None)])
def test_vm_is_created_again_with_another_architecture(world, root, architecture, arch):
    other = {"arm64": "amd64", "amd64": "arm64"}[architecture]
    slot = {"arm64": "scsi30", "amd64": "ide2"}[architecture]
    former = {**_NEW, "iso": "local:iso/debian.iso", "architecture": other}
    assert not do(world, api=root, **former).failed
    drives = [{"slot": slot, "source": "local:iso/debian.iso"}]
    drives += [{"slot": "ide2", "state": "absent"}] if architecture == "arm64" else []
    new = {**_NEW, "cdroms": drives, "architecture": architecture}
    rejected(world, "arm", "architecture", "allow_recreate", api=root, **new)
    assert applied(world, api=root, **new, allow_recreate=True).get("arch") == arch


def test_vm_that_becomes_arm64_loses_its_drives_on_sata_and_ide_only_if_the_task_says_so(world, root):
    drives = {"disks": [{"slot": "sata0", "size": "1G"}], "cdroms": [{"slot": "ide0", "source": ""}]}
    assert not do(world, api=root, name="arm", node="pve1", **drives).failed
    new = {**_NEW, "iso": "local:iso/debian.iso"}
    rejected(world, "arm: architecture cannot be changed", api=root, **new)
    new["allow_recreate"] = True
    words = "do not start from the bus", "If the VM has it already, set "
    rejected(world, "arm: disks.sata0: ", *words, "disks: [{slot: sata0, state: absent}]", api=root, **new)
    new["disks"] = [{"slot": "sata0", "state": "absent"}, {"slot": "scsi0", "size": "1G"}]
    rejected(world, "arm: cdroms.ide0: ", *words, "cdroms: [{slot: ide0, state: absent}]", api=root, **new)
    del new["iso"]
    new["cdroms"] = [{"slot": "ide0", "state": "absent"}, {"slot": "scsi5", "source": "local:iso/debian.iso"}]
    options = applied(world, api=root, **new)
    assert (options["arch"], [key for key in options if key.startswith(("sata", "ide"))]) == ("aarch64", [])


@pytest.mark.parametrize(
    ("kept", "error", "remedy"),
    [
        ({"firmware": "uefi", "secure_boot": True}, "secure_boot is supported only for amd64", {"secure_boot": False}),
        ({"nested_virtualization": True}, "nested_virtualization is supported only", {"nested_virtualization": False}),
        ({"display": {"type": "spice"}}, "display.type: VMs of arm64 have no spice", {"display": {"type": "vnc"}}),
        ({"native": {"vga": "qxl"}}, "display.type: VMs of arm64 have no spice", {"display": {"type": "vnc"}}),
    ],
)
def test_vm_with_what_arm64_lacks_is_not_deleted(world, root, kept, error, remedy):
    """Before, the creation failed when the VM was deleted already."""
    assert not do(world, api=root, name="arm", node="pve1", disks=[{"size": "1G"}], **kept).failed
    drives = [{"slot": "ide2", "state": "absent"}, {"slot": "scsi5", "source": "local:iso/debian.iso"}]
    task = {"name": "arm", "architecture": "arm64", "allow_recreate": True, "cdroms": drives}
    before = machine_of(world, "arm").config.current
    words = f"arm: {error}", "needs to be created again", "Set the option to a value that the new VM can have"
    rejected(world, *words, api=root, **task)
    assert machine_of(world, "arm").config.current == before
    applied(world, api=root, **task, **remedy)
