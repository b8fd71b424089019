# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones, with definitions in the form of libvirt and real images."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, CreatedMeanwhile, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.clone import clone
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import file_of, target_of

from unit.module_utils._drivers.virsh.answers import UUID, fail_second_define, failed
from unit.module_utils._drivers.virsh.rich import DISK, RICH, SEED

pytestmark = pytest.mark.usefixtures("may_destroy")

KEYS = {"cloud_init": {"user": "admin", "ssh_authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAUE= me"]}}


def cloned(rich, snapshot=None, linked=False, networks=None, drives=(), **creation):
    """The definition of a clone named copy."""
    requested = {"clone": {"source": "rich", "snapshot": snapshot, "linked": linked}, **creation}
    arguments = {
        "config": {"tags": ["t"]},
        "creation": requested,
        "source": rich.vm,
        "networks": networks,
        "drives": drives,
    }
    clone(rich.driver(), Vm.absent("copy"), Step("clone", arguments=arguments))
    return rich.virsh.defined(times=2)


def copy_of(rich, slot="vda", image_format="qcow2"):
    return rich.path(f"copy-{slot}.{image_format}")


# Identity -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snapshot", [None, "s1"])
def test_clone_has_no_identity_of_source(rich, snapshot):
    rich.snapshot_inside()
    definition = cloned(rich, snapshot)
    text = definition.text()
    for trace in ("52:54:00:d4:9a:11", "richcard0", "43dc0cf8", "4711", "5977", "5777", "45551", "disk.console",
                  "rich.socket", "rich.log", "rich.agent", "rich-vda", SEED):  # fmt: skip
        assert trace not in text, trace
    assert text.count(RICH) == 1  # In the mark: the source.
    assert "<polyvirt:mark" in text
    assert definition.root.tag == "domain"
    assert definition.name == "copy"
    assert definition.uuid != RICH and len(definition.uuid) == 36
    assert definition.root.find("genid") is not None  # Empty: libvirt generates a new value.


@pytest.mark.parametrize("wanted", [None, {"0": {"mac": "52:54:00:aa:bb:cc"}}])
def test_seed_of_clone_contains_macs_of_its_nics(rich, wanted):
    addressed = {"cloud_init": {"ip_config": ["ip=10.0.0.5/24"]}}
    (nic, *_others) = cloned(rich, networks=wanted, **addressed).interfaces()
    seed = Path(rich.path("copy.polyvirt-seed.iso")).read_bytes()
    mac = wanted["0"]["mac"] if wanted else nic.find("mac").get("address")
    assert f'"macaddress": "{mac}"'.encode() in seed


def test_seed_of_clone_is_not_where_the_task_adds_a_drive(rich):
    """Nor where the source has one."""
    drives = cloned(rich, drives={"sata1": {"source": "/a.iso"}}, cloud_init={"user": "me"}).drives("cdrom")
    assert [target_of(one) for one in drives][-1] == "sdc"


def test_clone_has_no_devices_of_the_host(rich):
    rich.replace("</devices>", "<hostdev mode='subsystem' type='pci'><source/></hostdev></devices>")
    assert cloned(rich).root.find("devices/hostdev") is None


def test_clone_keeps_settings_that_are_no_identity(rich):
    definition = cloned(rich)
    source = rich.definition
    assert definition.native("os/type@machine") == source.native("os/type@machine")
    assert definition.get("sysinfo/system/entry") == "Example"
    assert [nic.find("source").get("network") for nic in definition.interfaces()] == ["default"]
    assert definition.get("devices/disk/serial") == "disk-one"
    assert [port.get("type") for port in definition.root.findall("devices/serial")] == ["pty", "pty", "pty"]
    targets = [target_of(disk) for disk in definition.root.findall("devices/disk")]
    assert targets == ["vda", "vdb", "sda"]


def test_clone_gets_free_display_port_and_keeps_connecting_serial_port(rich):
    rich.replace("<source mode='bind' host='127.0.0.1'", "<source mode='connect' host='127.0.0.1'")
    rich.replace("<listen type='address' address='127.0.0.1'/>", "<listen type='socket' socket='/run/rich.vnc'/>")
    definition = cloned(rich)
    (screen,) = definition.root.findall("devices/graphics")
    assert (screen.get("autoport"), screen.get("port"), screen.get("websocket")) == ("yes", None, None)
    assert screen.find("listen").attrib == {"type": "socket"}
    assert [port.get("type") for port in definition.root.findall("devices/serial")] == ["pty", "pty", "tcp"]
    assert definition.root.find("devices/serial[@type='tcp']/protocol") is not None


# Disks ----------------------------------------------------------------------------------------------------------------


def test_raw_disk_with_qcow2_header_is_copied_unchanged(rich, images, tmp_path):
    """The guest wrote a header with a file of the host as backing file: no clone may contain that file."""
    (tmp_path / "secret").write_bytes(b"secret" * 100)
    rich.make_raw()
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", tmp_path / "secret", rich.path(DISK)], check=True
    )
    header = (tmp_path / DISK).read_bytes()
    cloned(rich)
    assert (tmp_path / "copy-vda.raw").read_bytes()[: len(header)] == header
    rich.virsh.done.clear()
    cloned(rich, linked=True)
    assert [image.path for image in images.chain(copy_of(rich))] == [copy_of(rich), rich.path(DISK)]


def test_mark_of_linked_clone_lists_all_backing_files(rich, images, tmp_path):
    base = str(tmp_path / "base")
    images.create(base, "qcow2", 1 << 20)
    images.overlay(rich.path(DISK), base, "qcow2")
    definition = cloned(rich, linked=True)
    assert [image.path for image in images.chain(copy_of(rich))] == [copy_of(rich), rich.path(DISK), base]
    assert definition.mark["inputs"]["bases"] == sorted([base, rich.path(DISK)])
    assert definition.root.find(".//backingStore") is None


def test_shareable_disk_is_not_copied(rich):
    rich.replace("<serial>disk-one</serial>", "<serial>disk-one</serial><shareable/>")
    definition = cloned(rich)
    assert file_of(definition.root.find("devices/disk")) == rich.path(DISK)
    assert definition.mark["disks"] == []


# Seeds and firmware ---------------------------------------------------------------------------------------------------


def test_nvram_is_copied_to_directory_of_disks(rich, tmp_path):
    (tmp_path / "nvram").mkdir()
    variables = rich.give_nvram("nvram/rich_VARS.fd")
    variables.write_bytes(b"boot entries".ljust(1024))
    definition = cloned(rich)
    own = tmp_path / "copy.nvram"
    assert (definition.get("os/nvram"), definition.mark["nvram"]) == (str(own), [str(own)])
    assert own.read_bytes() == variables.read_bytes()


def test_clone_of_vm_that_never_ran_has_no_nvram_file(rich, tmp_path):
    rich.give_nvram()
    assert cloned(rich).get("os/nvram") == f"{tmp_path}/copy.nvram"
    assert not (tmp_path / "copy.nvram").exists()


def test_nvram_of_clone_created_by_another_task_is_kept(rich, tmp_path):
    rich.give_nvram().write_bytes(bytes(1024))
    rich.others[UUID, "copy"] = rich.text.replace("rich_VARS.fd", "copy.nvram")
    fail_second_define(rich.virsh, failed("domain 'copy' already exists with uuid 1"))
    with pytest.raises(CreatedMeanwhile, match="at the same time"):
        cloned(rich)
    assert (tmp_path / "copy.nvram").exists()
    assert not os.path.exists(copy_of(rich))


# Failing --------------------------------------------------------------------------------------------------------------


def test_linked_clone_is_undone_if_source_was_started_meanwhile(rich, tmp_path):
    rich.virsh.answers["domstate", RICH] = "running\n"
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(Refused, match="copy: 'rich' was started while it was being cloned"):
        cloned(rich, linked=True)
    done = [words[0] for words in rich.virsh.done if words[0] in ("define", "undefine")]
    assert done == ["define", "define", "undefine"]
    assert sorted(os.listdir(tmp_path)) == before


def test_rejected_clone_leaves_no_files(rich, tmp_path):
    rich.give_nvram().write_bytes(bytes(1024))
    before = sorted(os.listdir(tmp_path))
    fail_second_define(rich.virsh, failed("unsupported configuration"))
    with pytest.raises(CommandFailed, match="unsupported configuration"):
        cloned(rich, **KEYS)
    assert sorted(os.listdir(tmp_path)) == before
