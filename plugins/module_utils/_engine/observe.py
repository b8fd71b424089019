# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observing the VMs of a task through a driver: which of those found is meant, and what stays known of it."""

from __future__ import annotations

from .._lifecycle.errors import PolyvirtError
from .._lifecycle.model import DESTRUCTIVE, Target, Vm
from .state import Seen

#: What is observed of a VM to be cloned.
OF_SOURCE = frozenset({"power", "config", "snapshots", "snapshot_configs"})


class Observer:
    """A driver's observations; ``warnings`` are all of its warnings, each once."""

    def __init__(self, driver):
        self.driver, self.traits, self.warnings = driver, driver.traits(), []

    def observe(self, targets, facets):
        observation = self.driver.observe(targets, facets)
        self.warnings += [warning for warning in observation.warnings if warning not in self.warnings]
        return observation

    def seen(self, works, facets):
        """[(work, Seen)] of one observation for all ``works``; whatever goes wrong, each gets its answer."""
        try:
            observation = self.observe([work.target for work in works], facets)
        except PolyvirtError as error:
            return [(work, Seen(error=error)) for work in works]
        return [(work, self.seen_in(observation, work, facets)) for work in works]

    def seen_in(self, observation, work, facets):
        """Which VM of ``observation`` is the one of ``work``; one that does not exist is seen as absent."""
        found = [vm for vm in observation.vms if work.target.selects(vm)]
        error = ambiguous(work.request.label, found) if len(found) > 1 else observation.errors.get(work.request.label)
        vm = found[0] if found else Vm.absent(work.name)
        return Seen(_merged(work.vm, vm, facets), error, observation.known)

    def sources(self, words):
        """{word: VM} of the VMs to be cloned, by what the task calls them: a name comes before an equal id."""
        if not words:
            return {}
        found = self.observe([Target(**{key: word}) for word in words for key in ("name", "id")], OF_SOURCE).vms
        return {word: self._source(word, found) for word in words}

    def _source(self, word, found):
        for target in (Target(name=word), Target(id=word)):
            fitting = [vm for vm in found if target.selects(vm)]
            if len(fitting) > 1:
                raise ambiguous(word, fitting)
            if fitting:
                return fitting[0]
        return Vm.absent(word)

    def source(self, vm):
        """One VM to be cloned as it is now."""
        return self.observe([Target(id=vm.id)], OF_SOURCE).vms[0]


def ambiguous(label, found):
    """The error about a name that several VMs have."""
    ids = ", ".join(sorted(str(vm.id) for vm in found))
    return PolyvirtError(f"{label}: {len(found)} machines have this name.", f"Name one by its id: {ids}.")


def _merged(known, seen, facets):
    """A light observation brings power and addresses only; what was known besides stays."""
    if "config" in facets or known is None or known.id is None or known.id != seen.id:
        return seen
    return known.having(
        power=seen.power,
        reason=seen.reason,
        busy=seen.busy,
        persistent=seen.persistent,
        addresses=seen.addresses,
        ssh=seen.ssh,
    )


def planning_facets(requests, traits):
    """What has to be observed to plan these requests: no more is asked of the platform."""
    facets = {"power", "config"}
    # Who uses which file is expensive to learn; a cost that depends on the VM is never that of rebuilding it.
    rebuilds = any(one.cost == DESTRUCTIVE for one in traits.fields.values())
    for request in requests:
        if request.state == "absent" or request.policy.allow_recreate or request.snapshot is not None:
            facets.add("snapshots")
        if request.snapshot is not None and request.snapshot.state == "restored":
            facets.add("snapshot_configs")
        if request.snapshot is not None and request.snapshot.state == "absent":
            facets.add("all_snapshots")
        if request.state == "absent" or (request.policy.allow_recreate and rebuilds):
            facets.add("files")
        if request.state == "absent":
            facets.add("unfinished")
        if request.policy.wait_for != "state":
            facets.add("addresses")
    return frozenset(facets)
