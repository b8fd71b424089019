# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for guests: for an address, or for SSH to answer; one deadline for all machines of a task."""

from __future__ import annotations

from ._lifecycle.errors import PolyvirtError, Timeout
from ._lifecycle.model import RUNNING

_FACETS = frozenset({"power", "addresses"})
SSH_PORT = 22


def wait_for_guests(run):
    """Look at the machines that are to be waited for until all answer, fail, or the deadline passes.

    One silent address costs seconds, and a round goes through all machines: so each probe asks for the time first.
    """
    waiting = [work for work in run.works if work.request.policy.wait_for != "state" and not work.error]
    tried = {}
    while waiting:
        run.look_again(waiting, _FACETS)
        waiting = [work for work in waiting if not work.error and not _answers(run, work, tried)]
        if not waiting:
            return
        if run.clock.now() >= run.deadline:
            for work in waiting:
                work.error = _silent(work, tried.get(id(work), []))
            return
        run.clock.sleep(0.5)


def _answers(run, work, tried):
    if work.vm.power != RUNNING:
        work.error = PolyvirtError(
            f"{work.request.label}: while waiting for its {work.request.policy.wait_for} it became {work.vm.power}"
            f" ({work.vm.reason or 'no reason given'}).",
            "Look at its console.",
        )
        return True
    asked = []
    for host, port, source in _endpoints(work):
        # The very first probe is always made: a task that comes late still finds a guest that is there already.
        if tried and run.clock.now() >= run.deadline and not _is_word_enough(work, source):
            continue
        asked.append((host, port, source))
        tried[id(work)] = asked
        if _is_proven(run, work, host, port, source):
            if source == "forward" or _forward(work.vm) is None:
                known = work.vm.ssh or {"user": None, "scope": "host"}
                work.vm = work.vm.having(ssh={**known, "host": host, "port": port})
            return True
    return False


def _is_proven(run, work, host, port, source):
    """A lease may be left from a former boot, so it counts only when something there answers; an agent's word does."""
    if _is_word_enough(work, source):
        return True
    # A forwarded port is open before any guest is, so only a banner proves one.
    return run.probe(host, port, "ssh" if source == "forward" else work.request.policy.wait_for)


def _is_word_enough(work, source):
    return work.request.policy.wait_for == "address" and source == "agent"


def _forward(vm):
    """(host, port) by which SSH is reached where that is not one of the guest's own addresses, or None."""
    host = (vm.ssh or {}).get("host")
    is_own = host is None or host in {one.address for one in vm.addresses}
    return None if is_own else (host, vm.ssh.get("port") or SSH_PORT)


def _endpoints(work):
    """A guest's own addresses may lead nowhere from here: where a port is forwarded, SSH is what answers there."""
    vm, forward = work.vm, _forward(work.vm)
    if forward and (work.request.policy.wait_for == "ssh" or not vm.addresses):
        return [(*forward, "forward")]
    port = SSH_PORT if forward else (vm.ssh or {}).get("port") or SSH_PORT
    return [(one.address, port, one.source) for one in vm.addresses]


def _silent(work, asked):
    seconds, known = work.request.policy.timeout, _endpoints(work)
    if asked or not known:
        looked = f"last tried: {_listed(asked) or 'no address was found'}"
    else:
        looked = f"no time was left to try {_listed(known)}"
    return Timeout(
        f"{work.request.label}: no {work.request.policy.wait_for} within {seconds} s; {looked}.",
        seconds,
        "See its console, its network, or raise timeout.",
    )


def _listed(endpoints):
    return ", ".join(f"{host}:{port} ({source})" for host, port, source in endpoints)
