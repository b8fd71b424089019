# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for a guest: its endpoints, and what proves that it answers. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ..._core.errors import PolyvirtError, Timeout
from ..._core.model import RUNNING
from .ending import confirm, fail, finish
from .state import (
    GUEST,
    Observe,
    Probe,
    Probed,
)  # fmt: skip

FACETS = frozenset({"power", "addresses"})
#: Seconds between two rounds of probes.
PAUSE = 0.5
_SSH_PORT = 22


class Endpoint(NamedTuple):
    """``source`` is how the address is known (lease, agent, arp ...), or "forward" for a forwarded port."""

    host: str
    port: int
    source: str


def endpoints(vm, wanted):
    """Return the endpoints to probe for ``wanted`` (address or ssh). A forwarded port is only for SSH."""
    forward = _forward(vm)
    if forward and (wanted == "ssh" or not vm.addresses):
        return [Endpoint(*forward, "forward")]
    port = _SSH_PORT if forward else (vm.ssh or {}).get("port") or _SSH_PORT
    return [Endpoint(one.address, port, one.source) for one in vm.addresses]


def _forward(vm):
    """Return (host, port) of SSH if the host is not one of the guest's own addresses, else None."""
    host = (vm.ssh or {}).get("host")
    is_own = host is None or host in {one.address for one in vm.addresses}
    return None if is_own else (host, vm.ssh.get("port") or _SSH_PORT)


def is_certain(endpoint, wanted):
    """Return whether no probe is needed: an address from an agent is current; a lease may be from an earlier boot."""
    return wanted == "address" and endpoint.source == "agent"


def what_to_probe(endpoint, wanted):
    """Return "ssh" or "address". A forwarded port is open before the guest has booted, so only an SSH banner counts."""
    return "ssh" if endpoint.source == "forward" else wanted


def with_ssh(vm, endpoint):
    """Return the VM with the endpoint that answered as its SSH address."""
    if endpoint.source != "forward" and _forward(vm) is not None:
        return vm
    known = vm.ssh or {"user": None, "scope": "host"}
    return vm.having(ssh={**known, "host": endpoint.host, "port": endpoint.port})


def stopped_running(request, vm):
    return PolyvirtError(
        f"{request.label}: while waiting for its {request.policy.wait_for} it became {vm.power}"
        f" ({vm.reason or 'no reason given'}).",
        "Check its console, and its log on the hypervisor.",
    )


def no_answer(request, tried):
    seconds = request.policy.timeout
    listed = ", ".join(f"{one.host}:{one.port} ({one.source})" for one in tried) or "no address was found"
    return Timeout(
        f"{request.label}: no {request.policy.wait_for} within {seconds} s; last tried: {listed}.",
        seconds,
        "Check its console and its network, or raise timeout.",
    )


def wait_for_guest(progress):
    return replace(progress, phase=GUEST, wish=Observe(FACETS), due=progress.at)


def while_guest_boots(progress, _event):
    if progress.vm.power != RUNNING:
        return fail(progress, stopped_running(progress.request, progress.vm))
    wanted = progress.policy.wait_for
    found = endpoints(progress.vm, wanted)
    if any(is_certain(one, wanted) for one in found):
        return finish(progress)
    # Probe at least once: a task with no time left still finds a guest that answers already.
    if found and (progress.patience > 0 or not progress.tried):
        return replace(progress, wish=Probe(tuple(found)), tried=tuple(found), due=progress.at)
    return after_probe(progress, Probed())


def after_probe(progress, event):
    if event.endpoint is not None:
        return finish(replace(progress, vm=with_ssh(progress.vm, event.endpoint), answered=event.endpoint))
    if progress.patience <= 0:
        return fail(progress, no_answer(progress.request, progress.tried))
    return replace(progress, wish=Observe(FACETS), due=progress.at + min(PAUSE, progress.patience))


def confirm_with_guest(progress, event):
    """After the final observation, set SSH to the endpoint that answered: a lease may be from an earlier boot."""
    answered = progress.answered
    if answered is not None and answered.host in {one.address for one in progress.vm.addresses}:
        progress = replace(progress, vm=with_ssh(progress.vm, answered))
    return confirm(progress, event)
