# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's tool layer against a real VBoxManage: names, locale, the script's warning, locks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle import errors
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vboxmanage_machine, vboxmanage_output
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage, is_locked, is_not_found

from virtualbox import real

STRANGE_NAMES = ["a b", "it's", 'q"u\\', "-x", "nl\nname", "ü€", "11111111-2222-3333-4444-555555555599", ' "} {', "a/b"]


@pytest.fixture(name="tool")
def _tool(box):
    return VBoxManage(Commands(), str(box.executable))


def test_through_the_script_that_warns(root, folder):
    with real.VirtualBox(root, folder, program=real.WITH_WARNING) as box:
        tool = VBoxManage(Commands(), str(box.executable))
        assert box.run("--version").startswith("WARNING: ")
        assert tool.version() >= (7, 0, 0)
        tool.run("createvm", "--name", "web", "--register")
        ((uuid, _name),) = vboxmanage_output.machines(tool.read("list", "vms"))
        assert vboxmanage_machine.machine(tool.read("showvminfo", uuid, "--machinereadable")).values["name"] == "web"


def test_names_survive_even_where_the_user_has_no_utf_8(tool, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    for name in STRANGE_NAMES:
        tool.run("createvm", f"--name={name}", "--ostype", "Other_64", "--register")
    listed = vboxmanage_output.listed_machines(tool.read("list", "--long", "vms"))
    assert [machine.name for machine in listed] == STRANGE_NAMES
    for machine in listed:
        found = vboxmanage_machine.machine(tool.read("showvminfo", machine.uuid, "--machinereadable"))
        assert (found.values["name"], found.values["CfgFile"]) == (machine.name, machine.file)


def test_descriptions_and_snapshots_are_read_back(tool, box):
    uuid = box.make("web", "ignores")
    text = 'one "two" \\three\\\n\nSnapshotName="x"\nfour ü"'
    tool.run("modifyvm", uuid, "--description", text)
    assert tool.read("snapshot", uuid, "list", "--machinereadable") == ""
    tool.run("snapshot", uuid, "take", 's "1"', "--description", text)
    found = vboxmanage_machine.machine(tool.read("showvminfo", uuid, "--machinereadable"))
    assert found.values["description"] == text
    assert [(one.name, one.description, one.is_current) for one in found.snapshots] == [('s "1"', text, True)]


def test_collisions_are_recognised_as_such(tool, box):
    uuid = box.make("web")

    def read(_number):
        try:
            return tool.read("showvminfo", uuid, "--machinereadable")
        except errors.CommandFailed as error:
            return error.stderr

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(read, range(40)))
    failed = [text for text in said if not text.startswith("name=")]
    assert failed, "four readers of one machine that is off should collide"
    assert [text for text in failed if not is_locked(text)] == []


def test_what_cannot_be_read_does_not_hide_the_others(tool, box):
    web, lost = box.make("web"), box.make("lost")
    box.close()
    (box.machines / "lost" / "lost.vbox").unlink()
    machines = vboxmanage_output.listed_machines(tool.read("list", "--long", "vms"))
    assert [(machine.uuid, machine.name) for machine in machines] == [(web, "web"), (lost, None)]
    with pytest.raises(errors.CommandFailed) as caught:
        tool.run("unregistervm", lost, "--delete")
    # It says that it failed, and did it.
    assert is_locked(caught.value.stderr)
    assert vboxmanage_output.machines(tool.read("list", "vms")) == [(web, "web")]


def test_a_missing_machine(tool):
    with pytest.raises(errors.CommandFailed) as caught:
        tool.read("showvminfo", "nosuch", "--machinereadable")
    assert is_not_found(caught.value.stderr)
