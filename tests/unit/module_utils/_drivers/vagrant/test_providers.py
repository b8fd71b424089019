# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to VMs by the tools of their providers, which are asked by command lines and answer as recorded."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.in_libvirt import InLibvirt
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.in_virtualbox import InVirtualBox
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import RUNNING, SUSPENDED

GONE = {
    "virsh": "Domain snapshot not found: no domain snapshot with matching name 's1'",
    "VBoxManage": "VBoxManage: error: Could not find a snapshot named 's1'",
}
NOT_RUNNING = "VBoxManage: error: Machine 'u' is not currently running"


class Tool:
    """Virsh or VBoxManage: the first word of a command that fails has an error in ``errors``."""

    def __init__(self, errors, state):
        self.errors, self.state, self.commands, self.given = errors, state, [], None

    def run(self, *words, stdin=None, timeout=None):
        self.commands.append(words)
        self.given = stdin
        if words[0] in self.errors:
            raise CommandFailed(("tool", *words), 1, self.errors[words[0]])
        return self.state

    def read(self, *words):
        return ""


def _act(provider, action, *arguments, state="shut off\n", **errors):
    tool = Tool({command.replace("_", "-"): error for command, error in errors.items()}, state)
    getattr(provider(tool), action)("web", "u", *arguments)
    return tool


@pytest.mark.parametrize(
    ("provider", "action", "arguments", "commands"),
    [
        (InLibvirt, "ask_to_stop", (), [("shutdown", "u")]),
        (InLibvirt, "cut", (RUNNING,), [("destroy", "u")]),
        (InLibvirt, "cut", (SUSPENDED,), [("managedsave-remove", "u")]),
        (InLibvirt, "take", ({"name": "s1", "description": "d"},), [("snapshot-create", "u", "/dev/stdin")]),
        (
            InLibvirt,
            "drop",
            ({"names": ["s1", "s2"], "ids": [None, None]},),
            [("snapshot-delete", "u", "--snapshotname", name) for name in ("s1", "s2")],
        ),
        (InLibvirt, "restore", ({"name": "s1", "id": "s1"},), [("snapshot-revert", "u", "--snapshotname", "s1")]),
        (InVirtualBox, "ask_to_stop", (), [("controlvm", "u", "acpipowerbutton")]),
        (InVirtualBox, "cut", (RUNNING,), [("controlvm", "u", "poweroff")]),
        (InVirtualBox, "cut", (SUSPENDED,), [("discardstate", "u")]),
        (InVirtualBox, "take", ({"name": "s1", "description": ""},), [("snapshot", "u", "take", "s1")]),
        (
            InVirtualBox,
            "take",
            ({"name": "s1", "description": "d"},),
            [("snapshot", "u", "take", "s1", "--description", "d")],
        ),
        (
            InVirtualBox,
            "drop",
            ({"names": ["s1", "s2"], "ids": ["i1", "i2"]},),
            [("snapshot", "u", "delete", one) for one in ("i1", "i2")],
        ),
        (InVirtualBox, "restore", ({"name": "s1", "id": "i1"},), [("snapshot", "u", "restore", "i1")]),
    ],
)
def test_command_of_an_action(provider, action, arguments, commands):
    assert _act(provider, action, *arguments).commands == commands


def test_snapshot_of_libvirt_is_described_in_xml():
    tool = _act(InLibvirt, "take", {"name": "a<b", "description": "c&d"})
    assert tool.given == "<domainsnapshot><name>a&lt;b</name><description>c&amp;d</description></domainsnapshot>"


TAKE, DROP = {"name": "s1", "description": ""}, {"names": ["s1", "s2"], "ids": ["i1", "i2"]}


@pytest.mark.parametrize(
    ("provider", "action", "argument", "errors"),
    [
        (InLibvirt, "cut", RUNNING, {"destroy": "domain is not running"}),
        (InLibvirt, "take", TAKE, {"snapshot_create": "domain snapshot s1 already exists"}),
        (InLibvirt, "drop", DROP, {"snapshot_delete": GONE["virsh"]}),
        (InVirtualBox, "cut", RUNNING, {"controlvm": NOT_RUNNING}),
        (InVirtualBox, "drop", DROP, {"snapshot": GONE["VBoxManage"]}),
    ],
)
def test_what_somebody_else_has_done_is_no_error(provider, action, argument, errors):
    tool = _act(provider, action, argument, **errors)
    assert tool.commands[0][0].replace("-", "_") in errors
    assert action != "drop" or len(tool.commands) == 2
    with pytest.raises(CommandFailed, match="other"):
        _act(provider, action, argument, state="running\n", **dict.fromkeys(errors, "other"))
