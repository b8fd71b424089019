# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of VMs with virsh and VBoxManage, and errors that are ignored because the change was already made."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, SUSPENDED
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.in_libvirt import InLibvirt
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.in_virtualbox import InVirtualBox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.provider_vm import Drive
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

TAKE, DELETE = {"name": "a<b", "description": "c&d"}, {"names": ["s1", "s2"], "ids": ["i1", "i2"]}
XML = "<domainsnapshot><name>a&lt;b</name><description>c&amp;d</description></domainsnapshot>"


class Tool:
    """virsh or VBoxManage; with ``error``, every command that changes something fails with it."""

    def __init__(self, error, state):
        self.error, self.state, self.commands = error, state, []

    def run(self, *words, stdin=None, timeout=None):
        self.commands.append((*words, stdin) if stdin else words)
        if self.error and words[0] != "domstate":
            raise CommandFailed(("tool", *words), 1, self.error)
        return self.state


def _act(provider, action, *arguments, error=None, state="shut off\n"):
    tool = Tool(error, state)
    getattr(provider(tool), action)("web", "u", *(one for one in arguments if one))
    return tool.commands


@pytest.mark.parametrize(
    ("action", "arguments", "command"),
    [
        ("shut_down", (), ("shutdown", "u")),
        ("power_off", (SUSPENDED,), ("managedsave-remove", "u")),
        ("restore_snapshot", ({"name": "s1"},), ("snapshot-revert", "u", "--snapshotname", "s1")),
    ],
)
def test_action_is_one_command_of_virsh(action, arguments, command):
    assert _act(InLibvirt, action, *arguments) == [command]


@pytest.mark.parametrize(
    ("provider", "action", "argument", "error", "last_command"),
    [
        (InLibvirt, "power_off", RUNNING, "domain is not running", ("domstate", "u")),
        (InLibvirt, "shut_down", None, "domain is not running", ("domstate", "u")),
        (
            InLibvirt,
            "take_snapshot",
            TAKE,
            "domain snapshot s1 already exists",
            ("snapshot-create", "u", "/dev/stdin", XML),
        ),
        (
            InLibvirt,
            "delete_snapshots",
            DELETE,
            "Domain snapshot not found: s1",
            ("snapshot-delete", "u", "--snapshotname", "s2"),
        ),
        (
            InVirtualBox,
            "delete_snapshots",
            DELETE,
            "Could not find a snapshot named 's1'",
            ("snapshot", "u", "delete", "i2"),
        ),
    ],
)
def test_change_already_made_by_others_is_no_error(provider, action, argument, error, last_command):
    assert _act(provider, action, argument, error=error)[-1] == last_command
    with pytest.raises(CommandFailed, match="other"):
        _act(provider, action, argument, error="other", state="running\n")


@pytest.mark.parametrize(("action", "subcommand"), [("shut_down", "acpipowerbutton"), ("power_off", "poweroff")])
def test_error_of_virtualbox_is_ignored_if_the_vm_is_off(virtualbox_world, action, subcommand):
    world = virtualbox_world
    identifier = world.create(state="started").vm["id"]
    arguments = ("web", identifier, *([RUNNING] if action == "power_off" else []))
    real = world.port.programs["VBoxManage"]

    def failing(argv, environment):
        return (1, "", "VBoxManage: error: other\n") if subcommand in argv else real(argv, environment)

    world.port.programs["VBoxManage"] = failing
    tool = InVirtualBox(VBoxManage(world.port))
    with pytest.raises(CommandFailed, match="other"):
        getattr(tool, action)(*arguments)
    world.virtualbox.run("controlvm", identifier, "poweroff")
    getattr(tool, action)(*arguments)
    with pytest.raises(CommandFailed, match="other"):
        getattr(tool, action)("web", "gone", *arguments[2:])


class _Definitions:
    """virsh with the VM ``u`` and three others: one uses the disk, one is gone, one cannot be read."""

    def run(self, *words):
        assert words == ("list", "--all", "--uuid")
        return "u\nuser\ngone\nunread\n"

    def batch(self, commands):
        errors = {"gone": "error: Domain not found: no domain", "unread": "error: internal error: cannot parse"}
        xml = "<domain><name>{}</name><devices><disk><source file='/images/a.img'/></disk></devices></domain>"
        return [Answer(xml.format(words[1]), errors.get(words[1])) for words in commands]


def test_vm_whose_definition_cannot_be_read_may_use_each_disk():
    provider = InLibvirt(_Definitions())
    unread = "unread, whose definition cannot be read"
    assert provider.users("u", Drive("vda", "/images/a.img", "disk")) == (unread, "user")
    assert provider.users("u", Drive("vdb", "/images/b.img", "disk")) == (unread,)
