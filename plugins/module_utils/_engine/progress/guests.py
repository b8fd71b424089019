# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for a guest: its endpoints, and what proves that it answers. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..._core.errors import PolyvirtError, Timeout
from ..._core.frozen import replace
from ..._core.model import RUNNING
from ..._core.options.cloud_init import COMMAND
from ..._core.options.guest_conditions import forwarded
from .ending import confirm, fail, finish
from .state import (
    GUEST,
    POWER_ONLY,
    Ask,
    Observe,
    Probe,
    Probed,
)  # fmt: skip

FACETS = frozenset({"power", "addresses"})
CLOUD_INIT = "cloud_init"
#: Seconds between two rounds of probes.
PAUSE = 0.5
_SSH_PORT = 22
_THROUGH_FORWARD = {"address": "ssh", "port": "answer"}


class Endpoint(NamedTuple):
    """``source`` is how the address is known (lease, agent, arp ...), or "forward" for a forwarded port.

    ``what`` proves that the guest answers: "address", "ssh", "port" (it is open), "answer" (the server there sends
    something) or Http.
    """

    host: str
    port: int
    source: str
    what: Any


def endpoints(vm, policy):
    """Return the endpoints to probe. A forwarded port is only for the port of the guest that it leads to."""
    awaited = policy.services
    return _of_services(vm, awaited) if awaited else _of_ssh(vm, policy.wait_for)


def _of_ssh(vm, wanted):
    """Return the endpoints for ``wanted``: address or ssh."""
    forward = _forward(vm)
    if forward and (wanted == "ssh" or not vm.addresses):
        return [Endpoint(*forward, "forward", what_to_probe("forward", wanted))]
    port = _SSH_PORT if forward else (vm.ssh or {}).get("port") or _SSH_PORT
    return [Endpoint(one.address, port, one.source, what_to_probe(one.source, wanted)) for one in vm.addresses]


def _of_services(vm, awaited):
    """Return the endpoints for {port of the guest: what to probe}: forwarded ports, or those of its addresses."""
    forwards = ((vm.active or vm.config or {}).get("port_forwards") or {}).values()
    leading = {port: forwarded(forwards, port) for port in awaited}
    found = [Endpoint(*end, "forward", what_to_probe("forward", awaited[port])) for port, end in leading.items() if end]
    return found or [
        Endpoint(one.address, port, one.source, what) for one in vm.addresses for port, what in awaited.items()
    ]


def _forward(vm):
    """Return (host, port) of SSH if the host is not one of the guest's own addresses, else None."""
    host = (vm.ssh or {}).get("host")
    is_own = host is None or host in {one.address for one in vm.addresses}
    return None if is_own else (host, vm.ssh.get("port") or _SSH_PORT)


def is_certain(endpoint, wanted):
    """Return whether no probe is needed: an address from an agent is current; a lease may be from an earlier boot."""
    return wanted == "address" and endpoint.source == "agent"


def what_to_probe(source, wanted):
    """Return what proves that the guest answers. A forwarded port is open before the guest has booted."""
    return _THROUGH_FORWARD.get(wanted, wanted) if source == "forward" else wanted


def _proven(progress, endpoint):
    """Return the endpoint of SSH that the answer proves; None if it proves none."""
    if not progress.policy.services:
        return endpoint
    # The guest has the address, and the answer says nothing about the port of SSH.
    port = (progress.vm.ssh or {}).get("port") or _SSH_PORT
    return None if endpoint.source == "forward" else endpoint._replace(port=port)


def with_ssh(vm, endpoint):
    """Return the VM with the endpoint that answered as its SSH address."""
    if endpoint.source != "forward" and _forward(vm) is not None:
        return vm
    known = vm.ssh or {"user": None, "scope": "host"}
    return vm.having(ssh={**known, "host": endpoint.host, "port": endpoint.port})


def stopped_running(request, vm):
    return PolyvirtError(
        f"{request.label}: while waiting for its {request.policy.awaited} it became {vm.power}"
        f" ({vm.reason or 'no reason given'}).",
        "Check its console, and its log on the hypervisor.",
    )


def no_answer(request, tried):
    seconds = request.policy.timeout
    listed = ", ".join(f"{one.host}:{one.port} ({one.source})" for one in tried) or "no address was found"
    return Timeout(
        f"{request.label}: no {request.policy.awaited} within {seconds} s; last tried: {listed}.",
        seconds,
        "Check its console and its network, or raise timeout.",
    )


def wait_or_finish(progress):
    """Wait for the guest if the task does; otherwise finish."""
    is_awaited = progress.request.awaits(progress.vm) and progress.error is None
    return wait_for_guest(progress) if is_awaited else finish(progress)


def wait_for_guest(progress):
    policy = progress.policy
    facets = POWER_ONLY if policy.wait_for == CLOUD_INIT else FACETS
    if policy.services and progress.plan.changed:
        facets |= {"config"}  # The steps may have changed the forwarded ports.
    return replace(progress, phase=GUEST, wish=Observe(facets), due=progress.at, since=progress.at)


def while_guest_boots(progress, _event):
    if progress.vm.power != RUNNING:
        return fail(progress, stopped_running(progress.request, progress.vm))
    wanted = progress.policy.wait_for
    if wanted == CLOUD_INIT:
        return replace(progress, wish=Ask(COMMAND), due=progress.at)
    found = endpoints(progress.vm, progress.policy)
    if any(is_certain(one, wanted) for one in found):
        return finish(progress)
    # Probe at least once: a task with no time left still finds a guest that answers already.
    if found and (progress.patience > 0 or not progress.tried):
        return replace(progress, wish=Probe(tuple(found)), tried=tuple(found), due=progress.at)
    return after_probe(progress, Probed())


def after_probe(progress, event):
    if event.endpoint is not None:
        proven = _proven(progress, event.endpoint)
        vm = progress.vm if proven is None else with_ssh(progress.vm, proven)
        return finish(replace(progress, vm=vm, answered=proven))
    if progress.patience <= 0:
        return fail(progress, no_answer(progress.request, progress.tried))
    return replace(progress, wish=Observe(FACETS), due=progress.at + min(PAUSE, progress.patience))


def confirm_with_guest(progress, event):
    """After the final observation, set SSH to the endpoint that answered: a lease may be from an earlier boot."""
    answered = progress.answered
    if answered is not None and answered.host in {one.address for one in progress.vm.addresses}:
        progress = replace(progress, vm=with_ssh(progress.vm, answered))
    return confirm(progress, event)
