# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plays of the guide run as written, by the user with the role of the guide."""

from __future__ import annotations

import re

import pytest
import yaml

from simulators.proxmox import behind, worlds
from simulators.proxmox.access import Account, Token, User
from unit.module_utils._drivers.proxmox.simulated import Api, do

#: The row of the guide about images that a node downloads.
_DOWNLOAD = re.compile(r"^\| an `image` that is downloaded \|.*$", re.MULTILINE)
LOOKUP = "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43} me@host"


@pytest.mark.parametrize(("source", "name"), [("debian-12", "web1"), ("debian-13", "web1"), ("tmpl", "web3")])
def test_play_of_the_guide_runs_as_written(checkout, source, name):
    text = (checkout / "docs/proxmox.md").read_text()
    blocks = re.findall(r"^ *```yaml\n(.*?)^ *```$", text, re.S | re.M)
    (play,) = yaml.safe_load(next(block for block in blocks if f"source: {source}," in block).replace(LOOKUP, KEY))
    requested = next(task["polyvirt.core.proxmox_vm"] for task in play["tasks"] if "polyvirt.core.proxmox_vm" in task)
    world = worlds.with_cases()
    behind.edit(world, 9000, name=source)
    behind.edit(world, 100, name="other")
    role = re.search(r'pveum role add Machines --privs "(.*?)"', text, re.S)[1]
    world.access.accounts["ansible@pve"] = Account(tokens={"ci": Token("s", separated=False)})
    world.access.roles["Machines"] = frozenset(role.replace("\\", "").split())
    world.access.allow("/", "ansible@pve", "Machines")
    api = Api(world, User("ansible@pve", "ci"))
    check, real, again = (do(world, check=check, api=api, **requested) for check in (True, False, False))
    assert (real.failed, real.changed, real.vms[0]["name"]) == (False, True, name), real.msg
    assert (check.diff, again.failed, again.changed) == (real.diff, False, False), again.msg


def test_account_of_the_first_steps_may_download_an_image(checkout):
    """The page names the privileges of the guide's table that its account does not have yet."""
    guide, page = ((checkout / "docs" / name).read_text() for name in ("proxmox.md", "first-steps.md"))
    needed = _DOWNLOAD.search(guide)[0].partition("or both `Sys.Audit`")[0]
    added = re.search(r'pveum role modify Machines --append 1 --privs "(.*?)"', page)[1].split()
    assert set(added) == {"Datastore.AllocateTemplate", "Sys.AccessNetwork"}
    assert set(re.findall(r"`((?:Datastore|Sys)\.\w+)`", needed)) == set(added)
