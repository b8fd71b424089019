# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role vm: the host key of a VM on the controller is that of this VM, not that of an earlier one with its name."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "state, is_new, remaining",
    [("present", False, ["keys", "keys/ed25519"]), ("present", True, ["keys"]), ("absent", False, [])],
    ids=["existing VM", "new VM", "deleted VM"],
)
def test_host_key_of_an_earlier_vm_is_removed(play, checkout, tmp_path, state, is_new, remaining):
    controller = tmp_path / "controller"
    (controller / "keys").mkdir(parents=True)
    (controller / "keys" / "ed25519").touch()
    variables = {"__vm_access": {"state": state}, "__vm_is_new": is_new, "__vm_known_hosts": str(controller / "keys")}
    tasks = {"ansible.builtin.include_tasks": str(checkout / "roles" / "vm" / "tasks" / "known_hosts.yml")}
    code, output = play({"localhost": variables}, tasks)
    assert code == 0, output
    assert sorted(str(path.relative_to(controller)) for path in controller.rglob("*")) == remaining
    assert "changed=0" in output
