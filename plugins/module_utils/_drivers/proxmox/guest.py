# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a command in a guest by its agent."""

from __future__ import annotations

from ..._core.errors import Unsupported
from ..._ports.clock import Clock
from ..._tools import proxmox_values as values
from ..._tools.guest_agent import result_of
from ..._tools.guest_agent_proxmox import AgentByApi

#: Seconds in which an agent answers one request; the node itself gives up before.
_ANSWER = 5


def run_in_guest(driver, vm, command):
    """Return (exit code, standard output)."""
    path = f"/nodes/{driver.node_of(vm.id)}/qemu/{vm.id}/agent"
    return result_of(AgentByApi(vm.id, Clock(), _ANSWER, driver.tool, path), command)


def check_agent(plan):
    """Raise Unsupported if the VM will be created without a channel for the agent; a clone has that of its source."""
    if plan.steps[0].verb not in ("create", "fetch"):
        return
    agent = (plan.after.config.get("native") or {}).get("agent") or "0"
    if values.parse("agent", str(agent)).get("enabled") != "1":
        raise Unsupported(
            f"{plan.after.name}: wait_for: cloud_init asks the guest agent, but the VM will have no channel for it.",
            AgentByApi.add_channel,
        )
