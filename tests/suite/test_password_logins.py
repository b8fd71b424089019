# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests and hosts that have a password instead of a key, with the variables of the user guide."""

from __future__ import annotations

import pytest

from suite.by_ansible import ansible_playbook
from suite.sshd import sshd

pytestmark = pytest.mark.full

_PASSWORD = "correct-horse-battery"


def test_modules_work_on_a_host_with_a_password(tmp_path):
    """Plays reach a guest and a host of VMs, and the password is in no output."""
    with sshd(tmp_path, password=_PASSWORD) as reach:
        assert "ansible_ssh_private_key_file" not in reach["vars"]
        tasks = [
            {"polyvirt.core.guest_status": {"timeout": 60}, "register": "status"},
            {"polyvirt.core.virsh_vm_info": {"uri": "test:///default", "facets": ["list"]}, "register": "found"},
            {"ansible.builtin.assert": {"that": ["status.guest.os | length > 0", "found.vms | length == 1"]}},
        ]
        output = ansible_playbook(
            tmp_path, {"hosts": "all", "gather_facts": False, "tasks": tasks, **reach}, ["-i", "localhost,", "-vvv"]
        )
    assert _PASSWORD not in output
