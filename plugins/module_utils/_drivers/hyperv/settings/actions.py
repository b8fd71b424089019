# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: what the host itself does with a VM: start and stop with the host, checkpoints, integration services."""

from __future__ import annotations

from ...._core.model import LIVE
from ...._kit.settings import Setting
from ...._ports.windows_request import Ref, pick
from ...._tools.hyperv import SERVICES, hyperv, service_id
from .values import value

_CHECKPOINTS = {
    "production": "Production",
    "production_only": "ProductionOnly",
    "standard": "Standard",
    "disabled": "Disabled",
}
#: The only service that is not enabled in a new VM.
_NOT_ENABLED = "guest_service_interface"
_STOP_ACTIONS = {"save": "Save", "shut_down": "ShutDown", "turn_off": "TurnOff"}
_AUTOSTART = {True: "Start", False: "Nothing", None: "StartIfRunning"}


def _read_services(raw, _found):
    enabled = {one["Id"].upper().rpartition("\\")[2]: one["Enabled"] for one in raw.get("VMIntegrationService") or ()}
    return {name: enabled[guid] for name, guid in SERVICES.items() if guid in enabled}


def service_responds(raw, service):
    """Return whether an integration service is enabled and the guest responds to it."""
    services = raw.get("VMIntegrationService") or ()
    found = [one for one in services if one["Id"].upper().endswith(SERVICES[service])]
    return any(one["Enabled"] and one.get("PrimaryOperationalStatus") == "Ok" for one in found)


def service_calls(vm_id, requested, current=None):
    """Return the calls that enable and disable integration services, {name: whether to enable it}.

    They are selected by id, because their names are in the language of the host. ``current`` is {id: whether it is
    enabled}; services that already are as requested need no call.
    """
    calls = []
    for name, is_on in requested.items():
        if (current or {}).get(service_id(vm_id, name).lower()) == is_on:
            continue
        command = "Enable-VMIntegrationService" if is_on else "Disable-VMIntegrationService"
        calls.append(pick("vm", name, path=["VMIntegrationService"], conditions={"Id": service_id(vm_id, name)}))
        calls.append(hyperv(command, {"VMIntegrationService": Ref(name)}))
    return calls


ACTIONS = {
    "autostart": value("Set-VM", "AutomaticStartAction", names=_AUTOSTART, cost=LIVE, default=False),
    "stop_action": value("Set-VM", "AutomaticStopAction", names=_STOP_ACTIONS, cost=LIVE, unset="save"),
    "checkpoint_type": value("Set-VM", "CheckpointType", names=_CHECKPOINTS, cost=LIVE, unset="production"),
    "automatic_checkpoints": value("Set-VM", "AutomaticCheckpointsEnabled", absent=False, cost=LIVE),
    "integration_services": Setting(read=_read_services),
    **{f"integration_services.{name}": Setting(LIVE, unset=name != _NOT_ENABLED) for name in SERVICES},
}
