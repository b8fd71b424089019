# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a command in a guest by its agent."""

from __future__ import annotations

from ..._ports.clock import Clock
from ..._ports.dialogue import Dialogue
from ..._tools.guest_agent import result_of
from ..._tools.guest_agent_virsh import AgentByVirsh

#: Seconds in which an agent answers one request.
_ANSWER = 5


def run_in_guest(driver, vm, command):
    """Return (exit code, standard output)."""
    dialogue = Dialogue(driver.virsh.argv, AgentByVirsh.environment)
    return result_of(AgentByVirsh(vm.id, Clock(), _ANSWER, dialogue), command)
