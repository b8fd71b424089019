# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of consoles, as the providers of the VMs write them."""

from __future__ import annotations

from ..._core.results.console import ConsoleLog


def consoles(observer, vms):
    """[ConsoleLog] of the VMs. Those without their provider's tool on this host have none."""
    project_vms = observer.project.read().vms
    return [_log(observer, project_vms.get(vm.name)) for vm in vms]


def _log(observer, project_vm):
    tool = observer.provider_tool_of(project_vm) if project_vm else None
    return ConsoleLog() if tool is None else tool.console(project_vm.created.id)
