# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The long list has the values of ``showvminfo --machinereadable``, on recordings of VBoxManage 7.2.22."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vboxmanage_long as long
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vboxmanage_machine
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage_machine import Forward, SharedFolder

from unit.module_utils._tools.vbox_recordings import recorded, written

WEB = "5bfd9472-3b72-43ff-aa34-ab5707a665e4"
NAMES = [
    "web", "run", 'q"u\\o ü €', "-x", "11111111-2222-3333-4444-555555555599", "nl\nname",
    'a" {11111111-2222-3333-4444-555555555500}\n"b', "a/b", " blank ", "broken", "dup", "dup",
]  # fmt: skip


def names(text):
    return [listed.name for listed in long.vms(text)]


def comparable(machine):
    """The values that both formats have."""
    return {
        "controllers": machine.controllers,
        "slots": [(*place(slot), slot.medium, flags_on(slot)) for slot in used(machine)],
        "nics": [(nic.number, nic.type, nic.forwards, in_both(nic.values)) for nic in machine.nics],
        "folders": [(folder.name, folder.path, folder.transient) for folder in machine.shared_folders],
        "snapshots": machine.snapshots,
    }


def place(slot):
    return slot.controller, slot.port, slot.device


def used(machine):
    return sorted((slot for slot in machine.slots if slot.medium != "none"), key=place)


def flags_on(slot):
    return {key: value for key, value in slot.values.items() if value != "off"}


def in_both(values):
    one_alone = {"nicspeed", "natnet", "nicpromisc", "nicbootprio", "mtu", "sockSnd", "sockRcv", "tcpWndSnd",
                 "tcpWndRcv", "localhostReachable", "forwardBroadcast", "enableTFTP"}  # fmt: skip
    return {key: value for key, value in values.items() if key not in one_alone}


@pytest.mark.parametrize(
    ("index", "name"), [(0, "showvminfo-web"), (1, "showvminfo-running"), (2, "showvminfo-odd-name")]
)
def test_both_formats_give_the_same_values(index, name):
    found = long.vms(recorded("list-long-vms"))[index].machine
    machine_readable = vboxmanage_machine.machine(recorded(name))
    assert comparable(found) == comparable(machine_readable)
    assert found.values == {key: machine_readable.values[key] for key in found.values}
    assert len(found.values) >= 65


def test_names_with_special_characters():
    assert names(recorded("list-long-vms")) == NAMES


def test_inaccessible_vm_has_only_uuid_and_file():
    machines = long.vms(recorded("list-long-vms-inaccessible"))
    assert [machine for machine in machines if machine.machine is None] == [
        long.ListedVm("483a2844-e782-4e5a-83ad-b8876b54d048", "/home/v/vms/broken/broken.vbox", None, None)
    ]
    assert len(machines) == len(NAMES)


def test_description_that_looks_like_a_vm_is_not_parsed_as_one():
    text = recorded("list-long-vms")
    head = f"Name:{' ' * 24}faked\nGroups:{' ' * 22}/\nUUID: none\n"
    faked = text.replace("line2 ünï €\n", head)
    assert faked != text
    assert names(faked) == NAMES
    assert "faked" in long.vms(faked)[0].machine.values["description"]


def test_shared_folders():
    assert long.vms(recorded("list-long-vms"))[0].machine.shared_folders == (
        SharedFolder("src", "/home/v/d", False, True, True, "/mnt/s"),
        SharedFolder("ü", "/home/v/vms", False, False, False, ""),
    )


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        ("guru meditation (since 2026-11-20T12:04:37.832000000)", "gurumeditation"),
        ("live snapshotting (since 2026-11-20T12:04:37.832000000)", "livesnapshotting"),
        ("aborted", "aborted"),
        ("aborted-saved", "aborted-saved"),
        ("powered off", "poweroff"),
    ],
)
def test_states(shown, state):
    text = recorded("list-long-vms").replace("powered off (since 2026-11-20T11:27:58.697000000)", shown)
    assert long.vms(text)[0].machine.values["VMState"] == state


def test_no_vms():
    assert long.vms("") == []


def test_6_1_lists_controllers_and_slots_separately():
    web, bare = (listed.machine for listed in long.vms(written("list-long-vms")))
    assert [(one.name, one.values["type"], one.values["maxportcount"]) for one in web.controllers] == [
        ("IDE", "PIIX4", "2"),
        ('My (0, 0): "Ctl"', "IntelAhci", "30"),
    ]
    assert {one.values["bootable"] for one in web.controllers} == {"on"}
    image = "584294c4-9846-44c9-9917-899d6a5747f1"
    assert [(*place(slot), slot.medium, slot.values.get("ImageUUID")) for slot in web.slots] == [
        ("IDE", 0, 0, "/iso/tools (new).iso", "ca34e2f3-e32a-45d3-a259-ff90719abe5c"),
        ("IDE", 1, 0, "emptydrive", None),
        ('My (0, 0): "Ctl"', 0, 0, f"/home/v/vms/web/Snapshots/{{{image}}}.vdi", image),
        ('My (0, 0): "Ctl"', 2, 0, "emptydrive", None),
    ]
    assert (bare.controllers, bare.slots) == ((), ())


def test_6_1_lists_snapshots_last():
    web, bare = (listed.machine for listed in long.vms(written("list-long-vms")))
    assert web.values["description"] == "one\ntwo"
    assert [(one.name, one.description, one.is_current) for one in web.snapshots] == [
        ("s1", "first\nsecond", False),
        ("s2", "last", True),
    ]
    assert web.snapshots[1].parent == web.snapshots[0].uuid
    assert (bare.snapshots, bare.values.get("description")) == ((), None)


def test_other_values_of_6_1():
    web, bare = (listed.machine for listed in long.vms(written("list-long-vms")))
    assert (web.values["memory"], bare.values["memory"]) == ("1024", "64")
    assert (web.values["VMState"], web.values["recording_enabled"]) == ("poweroff", "off")
    assert web.nics[0].forwards == (Forward("ssh", "tcp", "127.0.0.1", 2222, "", 22),)
    assert web.shared_folders == (SharedFolder("src", "/home/v/d", False, True, True, ""),)


def described(text, description):
    """The list with another description of its first VM, and the descriptions in its settings file."""
    first = long.vms(text)[0]
    before = first.machine.values["description"]
    changed = text.replace(f"Description:\n{before}\n", f"Description:\n{description}\n", 1)
    assert changed != text
    snapshots = tuple(one.description for one in first.machine.snapshots)
    return changed, lambda uuid, _file: (description, *snapshots) if uuid == first.uuid else ()


@pytest.mark.parametrize("properties", ["", " { dest='10.0.0.1', sport='1' }"])
def test_generic_nic_has_the_name_of_its_driver(properties):
    text = recorded("list-long-vms")
    changed = text.replace("Attachment: NAT,", f"Attachment: Generic 'UDPTunnel'{properties},", 1)
    assert changed != text
    nics = [nic for listed in long.vms(changed) if listed.machine for nic in listed.machine.nics]
    assert [nic.values["generic"] for nic in nics if nic.type == "Generic"] == ["UDPTunnel"]


def comparable_list(machines):
    return [(one.uuid, one.name, one.file, one.machine and comparable(one.machine)) for one in machines]


@pytest.mark.parametrize("list_text", [lambda: recorded("list-long-vms"), lambda: written("list-long-vms")])
@pytest.mark.parametrize("first", [True, False])
def test_description_that_contains_a_whole_list_adds_no_vm(list_text, first):
    text = list_text()
    description = text if first else text[text.index("Name:      ", 1) :]
    changed, descriptions_of = described(text, description.rstrip("\n"))
    found = long.vms(changed, descriptions_of)
    assert comparable_list(found) == comparable_list(long.vms(text))
    assert found[0].machine.values["description"] == description.rstrip("\n")


@pytest.mark.parametrize(
    "description", ["* Snapshots:", "a\n* Snapshots:\nb", "a\n* Guest:\nConfigured memory balloon:   0MB", "\n"]
)
def test_settings_file_decides_where_a_description_ends(description):
    changed, descriptions_of = described(recorded("list-long-vms"), description)
    found = long.vms(changed, descriptions_of)[0].machine
    assert found.values["description"] == description
    assert found.snapshots == long.vms(recorded("list-long-vms"))[0].machine.snapshots


def test_snapshot_description_that_looks_like_a_vm_is_not_parsed_as_one():
    text = recorded("list-long-vms")
    first = long.vms(text)[0]
    description = text[: text.index("Description:")].rstrip("\n")
    changed = text.replace('first "snap" \\ x\n', f'{description}\nfirst "snap" \\ x\n', 1)
    assert changed != text
    snapshot = first.machine.snapshots[0].description
    texts = (first.machine.values["description"], f"{description}\n{snapshot}")
    found = long.vms(changed, lambda uuid, _file: texts if uuid == first.uuid else ())
    assert [one.name for one in found] == NAMES


def test_description_is_not_a_vm_even_without_a_readable_settings_file():
    head = "\n".join(recorded("list-long-vms").split("\n")[:7]).replace("web", "phantom")
    text = recorded("list-long-vms").replace("line2 ünï €\n", f"{head}\n", 1)
    assert "phantom" not in [listed.name for listed in long.vms(text, lambda _uuid, _file: None)]
