# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/windows.md: the inventory for tomorrow has the variables of the playbook, and its options exist."""

from __future__ import annotations

import re

import yaml

from collection_path import CHECKOUT

GUIDE = (CHECKOUT / "docs" / "windows.md").read_text(encoding="utf-8")
BOOK = yaml.safe_load((CHECKOUT / "playbooks" / "windows.meta.yml").read_text(encoding="utf-8"))
HOST = yaml.safe_load((CHECKOUT / "playbooks" / "vars" / "windows.yml").read_text(encoding="utf-8"))["windows_host"]


def inventory():
    """The inventory of the guide."""
    return yaml.safe_load(re.search(r"```yaml\n(# windows[.]yml\n.*?)```", GUIDE, re.DOTALL)[1])


def test_inventory_has_the_variables_of_the_playbook():
    variables = inventory()["windows"]["vars"]
    given = dict(re.findall(r"'(ansible_(?:port|winrm\w+))': '?(\w+)'?", HOST.replace("22", "", 1)))
    shared = {name: str(variables[name]) for name in variables if name in given}
    assert shared == {name: given[name] for name in shared}
    assert {"ansible_port", "ansible_winrm_transport", "ansible_winrm_server_cert_validation"} <= set(shared)
    assert variables["ansible_user"] == BOOK["argument_specs"]["windows"]["options"]["windows_user"]["default"]


def test_commands_have_options_of_the_playbook():
    options = BOOK["argument_specs"]["windows"]["options"]
    commands = re.findall(r"ansible-playbook polyvirt[.]core[.]windows (.*(?:\n  .*)*)", GUIDE)
    assert len(commands) >= 3
    for command in commands:
        assert set(re.findall(r"-e '?(\w+)=", command)) <= set(options)
