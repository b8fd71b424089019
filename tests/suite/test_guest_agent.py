# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection plugin guest_agent with the real virsh, and a VM with an agent that does not run."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError, Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING
from ansible_collections.polyvirt.core.plugins.plugin_utils.guests.guest_agents import agent_of

from suite.answer import Task

VM = "pvg-agent"


def test_real_virsh_reports_why_no_agent_answers(qemu, carry):
    """One virsh process answers several requests, each with its own error, and writes no history file."""
    qemu.clean()
    assert not carry(qemu, [Task("create", {**qemu.creation, "name": [VM]})])["create"].failed
    options = {"platform": "libvirt", "vm": VM, "timeout": 1, "uri": qemu.uri}
    agent = agent_of(options.get)
    try:
        with pytest.raises(Unavailable, match=f"{VM}: the guest agent does not answer: .*domain is not running"):
            agent.connect()
        qemu.virsh("start", VM)
        with pytest.raises(Unavailable, match=r"QEMU guest agent is not connected.*Check that the VM runs"):
            agent.connect()
        # A request with all characters that are special for a parser, and larger than the buffer of a pipe.
        with pytest.raises(PolyvirtError, match="QEMU guest agent is not connected"):
            agent.start(["/bin/sh", "-c", "echo 'it''s' \"\\ $HOME; #\tü"], b"x" * 100_000)
    finally:
        agent.close()
    _end_of_cloud_init_is_not_known(qemu, carry)


def _end_of_cloud_init_is_not_known(qemu, carry):
    """A guest without an agent fails the task with a message of its own, long before the end of ``timeout``."""
    waiting = Task("wait", {"name": [VM], "state": "started", "wait_for": "cloud_init", "timeout": 6})
    answer = carry(qemu, [waiting], [VM])["wait"]
    assert answer.failed
    assert f"{VM}: the end of cloud-init is not known, because no guest agent answered for" in answer.msg
    assert "QEMU guest agent is not connected" in answer.msg
    assert "packages: [qemu-guest-agent]" in answer.msg
    assert answer.truth[VM]["power"] == RUNNING
