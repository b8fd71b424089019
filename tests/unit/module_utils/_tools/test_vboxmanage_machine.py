# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs and snapshots in the machine-readable output of VBoxManage 7.2.22 and 6.1."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vboxmanage_machine as machine
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage_machine import (
    Forward,
    SharedFolder,
    Snapshot,
)
from hypothesis import given
from hypothesis import strategies as some

from unit.module_utils._tools.vbox_recordings import recorded

ROOT, CHILD, GRANDCHILD, BRANCH = (
    "3cc2bf36-0437-41eb-9e33-b46d1d7979a7",
    "4cc3abbb-2f15-4db9-98e9-e1bacd7c529a",
    "914776fd-d59d-4ba8-88ae-305b41f18e73",
    "ceec1c1e-7e80-4fde-b9d0-0e44f22756e3",
)
TREE = (
    Snapshot(ROOT, "s1", 'first "snap" \\ x\nSnapshotName="faux"\nline2', None, False),
    Snapshot(CHILD, "s1", "", ROOT, False),
    Snapshot(GRANDCHILD, 'ünï "q" /x', "", CHILD, False),
    Snapshot(BRANCH, "branch", "", ROOT, True),
)
# Output of 6.1, written from its source code: names of controllers and paths of disks are not escaped.
OF_6_1 = r"""name="web"
groups="/"
ostype="Debian (64-bit)"
UUID="3cc2bf36-0437-41eb-9e33-b46d1d7979a7"
CfgFile="D:\\vms\\web\\web.vbox"
VideoMode="720,400,0"@0,0 1
storagecontrollername0="My "Ctl""
storagecontrollertype0="PIIX4"
storagecontrollername1="SATA"
storagecontrollertype1="IntelAhci"
"My "Ctl"-0-0"="C:\iso\x y.iso"
"My "Ctl"-ImageUUID-0-0"="4cc3abbb-2f15-4db9-98e9-e1bacd7c529a"
"My "Ctl"-tempeject"="off"
"My "Ctl"-IsEjected"="off"
"SATA-0-0"="D:\x\y.vdi"
"SATA-ImageUUID-0-0"="914776fd-d59d-4ba8-88ae-305b41f18e73"
nic1="none"
description="one
two"
GuestMemoryBalloon=0
"""


@pytest.fixture(scope="module", name="web")
def _web():
    return machine.machine(recorded("showvminfo-web"))


def test_plain_values(web):
    assert web.values["name"] == "web"
    assert web.values["memory"] == "64"
    assert web.values["VMState"] == "poweroff"
    assert web.values["GuestMemoryBalloon"] == "0"
    assert "SessionName" not in web.values


def test_description_of_several_lines(web):
    assert web.values["description"] == (
        'line1 "q" \\ back\nGuest OS:                    fake\nName:            x\nline2 ünï €'
    )


def test_controllers_and_slots_with_quotes_in_their_names(web):
    assert [controller.name for controller in web.controllers] == ["SATA", 'My "Ctl" ü', "IDE"]
    assert web.controllers[1].values["type"] == "VirtioSCSI"
    slots = {(slot.controller, slot.port, slot.device): slot for slot in web.slots}
    assert len(slots) == 9
    disk = slots['My "Ctl" ü', 0, 0]
    assert disk.medium == "/home/v/vms/a/web/Snapshots/{0a4bcded-9da5-406b-a39e-99633e00ab5e}.vdi"
    assert disk.values["ImageUUID"] == "0a4bcded-9da5-406b-a39e-99633e00ab5e"
    assert slots["SATA", 0, 0].values["hot-pluggable"] == "off"
    assert slots["SATA", 2, 0].medium == "none"
    assert slots["IDE", 1, 0].medium == "emptydrive"


def test_paths_with_quotes_and_backslashes():
    media = [slot.medium for slot in machine.machine(recorded("showvminfo-storage")).slots]
    assert all("\\" not in medium and '"' not in medium for medium in media)
    text = 'storagecontrollername0="S2"\n"S2-1-0"="/home/v/a\\\\b\\"c.vdi"\n'
    assert machine.machine(text).slots[0].medium == '/home/v/a\\b"c.vdi'


def test_forwards_belong_to_the_nic_before_them(web):
    assert {nic.number: nic.forwards for nic in web.nics if nic.forwards} == {
        1: (Forward("dns", "udp", "", 53, "", 53), Forward("ssh", "tcp", "127.0.0.1", 2222, "", 22)),
        3: (Forward("web", "tcp", "", 8080, "10.0.2.15", 80),),
    }


def test_nics_and_their_attachments(web):
    assert [nic.type for nic in web.nics] == [
        "nat", "intnet", "nat", "bridged", "hostonly", "natnetwork", "none", "none",
    ]  # fmt: skip
    assert web.nics[1].values["intnet"] == "lan0"
    assert web.nics[2].values["cableconnected"] == "off"
    assert web.nics[2].values["nictype"] == "virtio"
    assert web.nics[3].values["bridgeadapter"] == "eth0"
    assert web.nics[4].values["hostonlyadapter"] == "vboxnet0"
    assert web.nics[5].values["nat-network"] == "NatNet1"
    assert web.nics[0].values["macaddress"] == "080027C3FAE1"
    assert web.nics[0].values["localhostReachable"] == "0"


def test_36_nics():
    nics = machine.machine(recorded("showvminfo-many-nics")).nics
    assert [nic.number for nic in nics] == list(range(1, 37))
    assert (nics[6].type, nics[6].values["generic"]) == ("Generic", "UDPTunnel")
    assert nics[8].values["cableconnected"] == "off"


def test_first_of_the_values_repeated_per_screen_is_used():
    values = machine.machine(recorded("showvminfo-many-nics")).values
    assert (values["rec_screen_id"], values["rec_screen_enabled"]) == ("0", "on")
    assert values["description"] == 'line1 "q" \\ back\nline2 ünï €'


def test_name_of_a_port_forward_may_have_commas_and_quotes():
    text = 'nic1="nat"\nForwarding(0)="q\\"x,y,tcp,,2010,,22"\n'
    assert machine.machine(text).nics[0].forwards == (Forward('q"x,y', "tcp", "", 2010, "", 22),)


def test_shared_folders(web):
    assert web.shared_folders == (SharedFolder("src", "/home/v/d", False), SharedFolder("ü", "/home/v/vms", False))
    text = 'SharedFolderNameTransientMapping1="t"\nSharedFolderPathTransientMapping1="/t"\n'
    assert machine.machine(text).shared_folders == (SharedFolder("t", "/t", True),)


def test_running_vm():
    running = machine.machine(recorded("showvminfo-running"))
    assert running.values["VMState"] == "running"
    assert running.values["SessionName"] == "headless"
    assert running.values["VideoMode"] == '"640,480,32"@0,0 1'
    assert running.values["vrde"] == "off"
    assert running.values["GuestAdditionsRunLevel"] == "0"
    assert running.snapshots == ()


def test_keys_of_guest_additions_with_spaces():
    text = "GuestAdditionsRunLevel=2\nGuestAdditionsFacility_VirtualBox Base Driver=50,1795152169888\n"
    assert machine.machine(text).values["GuestAdditionsFacility_VirtualBox Base Driver"] == "50,1795152169888"


def test_name_with_special_characters():
    assert machine.machine(recorded("showvminfo-odd-name")).values["name"] == 'q"u\\o ü €'


def test_value_after_a_bandwidth_group_is_parsed():
    found = machine.machine('BandwidthGroup0="bw1",Network,1250000\nname="x"\n').values
    assert found == {"BandwidthGroup0": '"bw1",Network,1250000', "name": "x"}


def test_snapshots_are_a_tree(web):
    assert web.snapshots == TREE
    assert machine.snapshots(recorded("snapshot-list")) == TREE


def test_description_that_looks_like_snapshots():
    text = 'name="x"\ndescription="a\nSnapshotName=\\"s\\"\nSnapshotUUID=\\"u\\""\nmemory=4\n'
    found = machine.machine(text)
    assert found.values["description"] == 'a\nSnapshotName="s"\nSnapshotUUID="u"'
    assert found.values["memory"] == "4"
    assert found.snapshots == ()


def test_current_snapshot_is_not_always_the_last():
    text = (
        f'SnapshotName="a"\nSnapshotUUID="{ROOT}"\nSnapshotDescription="d"\n'
        f'CurrentSnapshotName="a"\nCurrentSnapshotUUID="{ROOT}"\nCurrentSnapshotNode="SnapshotName"\n'
        f'SnapshotName-1="b"\nSnapshotUUID-1="{CHILD}"\nSnapshotDescription-1="e"\n'
    )
    assert machine.snapshots(text) == (Snapshot(ROOT, "a", "d", None, True), Snapshot(CHILD, "b", "e", ROOT, False))


def test_no_snapshots():
    assert machine.snapshots("") == ()


def test_machine_readable_output_of_6_1():
    old = machine.machine(OF_6_1)
    assert old.values["CfgFile"] == "D:\\vms\\web\\web.vbox"
    assert old.values["description"] == "one\ntwo"
    assert [controller.name for controller in old.controllers] == ['My "Ctl"', "SATA"]
    drive, disk = old.slots
    assert (drive.controller, drive.medium, drive.values["IsEjected"]) == ('My "Ctl"', "C:\\iso\\x y.iso", "off")
    assert (disk.medium, disk.values["ImageUUID"]) == ("D:\\x\\y.vdi", "914776fd-d59d-4ba8-88ae-305b41f18e73")


texts = some.text(alphabet=some.sampled_from('ab"\\\n=-,@1ü€ {}'), max_size=12)


def escaped(text):
    """As VirtualBox escapes a value."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


@given(texts, texts)
def test_every_value_is_read_back(one, other):
    found = machine.machine(f'name="{escaped(one)}"\nmemory=64\ndescription="{escaped(other)}"\nGuestMemoryBalloon=0\n')
    assert found.values == {"name": one, "memory": "64", "description": other, "GuestMemoryBalloon": "0"}


@given(some.text(alphabet=some.sampled_from('ab"\\=-1ü '), min_size=1, max_size=8), texts)
def test_every_slot_is_read_back(controller, path):
    name = escaped(controller)
    found = machine.machine(
        f'storagecontrollername0="{name}"\n"{name}-0-1"="{escaped(path)}"\n"{name}-ImageUUID-0-1"="{ROOT}"\nnic1="none"\n'
    )
    assert [(slot.controller, slot.port, slot.device, slot.medium) for slot in found.slots] == [
        (controller, 0, 1, path)
    ]
    assert found.slots[0].values == {"ImageUUID": ROOT}


@given(some.lists(some.tuples(texts, texts), min_size=1, max_size=4))
def test_every_chain_of_snapshots_is_read_back(chain):
    text, uuids = "", []
    for number, (name, description) in enumerate(chain):
        place, uuid = "-1" * number, f"00000000-0000-0000-0000-{number:012}"
        text += f'SnapshotName{place}="{name}"\nSnapshotUUID{place}="{uuid}"\n'
        text += f'SnapshotDescription{place}="{description}"\n' if description else ""
        uuids.append(uuid)
    text += f'CurrentSnapshotName="x"\nCurrentSnapshotUUID="{uuids[-1]}"\nCurrentSnapshotNode="SnapshotName"\n'
    found = machine.snapshots(text)
    assert [(one.name, one.description) for one in found] == chain
    assert [one.parent for one in found] == [None, *uuids[:-1]]
    assert [one.is_current for one in found] == [uuid == uuids[-1] for uuid in uuids]
