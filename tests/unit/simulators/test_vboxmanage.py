# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of VBoxManage says what the real one said."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools import (
    vboxmanage_long,
    vboxmanage_machine,
    vboxmanage_output,
)
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage

from platforms.virtualbox import double_registry
from platforms.virtualbox.drives import check_drives
from platforms.virtualbox.session import transcript
from unit.module_utils._tools.test_vboxmanage_long import comparable
from unit.module_utils._tools.vbox_recordings import recorded


@pytest.fixture(name="box")
def _box(tmp_path):
    with double_registry.VirtualBox(tmp_path) as box:
        yield box


@pytest.fixture(name="tool")
def _tool(box):
    return VBoxManage(Commands(), str(box.executable))


def test_a_session_is_word_for_word_the_recorded_one(box):
    assert transcript(box.call, box.machines) == recorded("session-transcript")


def test_it_is_a_program_like_the_real_one(box, tool):
    uuid = box.make("web ü", "ignores")
    assert tool.version() == (7, 2, 22)
    assert tool.read("list", "vms") == f'"web ü" {{{uuid}}}\n'
    found = vboxmanage_machine.machine(tool.read("showvminfo", uuid, "--machinereadable"))
    assert (found.values["name"], found.slots[0].medium) == ("web ü", str(box.machines / f"{uuid}.vdi"))
    (listed,) = vboxmanage_long.vms(tool.read("list", "--long", "vms"))
    assert (listed.uuid, listed.name, listed.file) == (uuid, "web ü", f"{box.machines}/web ü/web ü.vbox")


def test_the_long_list_tells_what_showvminfo_tells_at_every_step(box):
    compared = 0

    def answer(*words):
        nonlocal compared
        done = box.call(*words)
        for listed in vboxmanage_long.vms(box.call("list", "--long", "vms").stdout):
            told = vboxmanage_machine.machine(box.call("showvminfo", listed.uuid, "--machinereadable").stdout)
            # Time passes between the two: a guest may have crashed meanwhile.
            values = {key: value for key, value in listed.machine.values.items() if not key.startswith("VMState")}
            assert values == {key: told.values[key] for key in values}, words
            assert comparable(listed.machine) == comparable(told), words
            compared += 1
        return done

    transcript(answer, box.machines)
    assert compared > 150


def test_drives_and_what_is_on_at_a_slot(box):
    image = box.machines / "seed.iso"
    image.write_bytes(b"\0" * 64 * 1024)
    check_drives(box, image)


def older(tmp_path, version):
    box = double_registry.VirtualBox(tmp_path, version)
    return box.call, box.make("web")


def test_the_texts_of_6_1(tmp_path):
    say, uuid = older(tmp_path, "6.1.50r161033")
    assert say("--version").stdout == "6.1.50r161033\n"
    assert say("controlvm", uuid, "poweroff").stderr.endswith(f"Machine '{uuid}' is not currently running\n")
    say("storagectl", uuid, "--name", 'My "Ctl"', "--add", "ide")
    drive = ("--storagectl", 'My "Ctl"', "--port", "0", "--device", "0", "--type", "dvddrive")
    say("storageattach", uuid, *drive, "--medium", "emptydrive")
    text = say("showvminfo", uuid, "--machinereadable").stdout
    assert "encryption=" not in text
    assert '"My "Ctl"-IsEjected"="off"' in text
    found = vboxmanage_machine.machine(text)
    assert [controller.name for controller in found.controllers] == ["SATA", 'My "Ctl"']
    assert "BIOS NVRAM File" in found.values
    say("guestproperty", "set", uuid, "/my/prop", "a, flags: b")
    assert say("guestproperty", "enumerate", uuid).stdout.startswith("Name: /my/prop, value: a, flags: b, timestamp: ")
    assert vboxmanage_output.ostypes(say("list", "ostypes").stdout)[0].id == "Other"


@pytest.mark.parametrize(("version", "told"), [("7.0.0r153978", 0), ("7.0.14r161095", 2)])
def test_7_0_0_keeps_several_rules_from_programs(tmp_path, version, told):
    """Not from people: the driver reads what these are told, and is spared."""
    say, uuid = older(tmp_path, version)
    say("modifyvm", uuid, "--nic1", "nat", "--natpf1", "a,tcp,,1,,1")
    assert say("showvminfo", uuid, "--machinereadable").stdout.count("Forwarding(") == 1
    say("modifyvm", uuid, "--natpf1", "b,tcp,,2,,2")
    assert say("showvminfo", uuid, "--machinereadable").stdout.count("Forwarding(") == told
    (listed,) = vboxmanage_long.vms(say("list", "--long", "vms").stdout)
    assert [rule.name for rule in listed.machine.nics[0].forwards] == ["a", "b"]
