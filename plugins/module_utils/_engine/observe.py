# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe the VMs of a task through a driver, select those of the task, and keep what is already known of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

from .._core.errors import PolyvirtError, Stale
from .._core.model import DESTRUCTIVE, Target, Vm
from .._core.planner.drives import ejects_iso
from .._core.record.mark import damage_warnings

#: Seconds between two observations of a busy VM; the pause grows from FIRST to LONGEST.
FIRST_PAUSE, LONGEST_PAUSE, SHORTEST_PAUSE = 1, 5, 0.1
#: The facets to observe for the source of a clone.
OF_SOURCE = frozenset({"power", "config", "snapshots", "snapshot_configs"})


class Observed(NamedTuple):
    """Event: the VM was observed, or could not be. ``known`` are all names on the platform."""

    vm: Optional[Vm] = None
    error: Optional[PolyvirtError] = None
    known: Sequence[str] = ()


class Observer:
    """Observes through a driver; ``warnings`` collects the warnings of all observations, each once."""

    def __init__(self, driver):
        self.driver, self.traits, self.warnings = driver, driver.traits(), []

    def observe(self, targets, facets):
        observation = self.driver.observe(targets, facets)
        found = [*observation.warnings, *damage_warnings(observation.vms)]
        self.warnings += [warning for warning in found if warning not in self.warnings]
        return observation

    def jobs(self, vms):
        """Return {id: text} of the VMs on which a long operation of the platform runs; an error if it is not known."""
        try:
            return self.driver.jobs(vms) if vms and hasattr(self.driver, "jobs") else {}
        except PolyvirtError as error:
            return {vm.id: error for vm in vms}

    def observed(self, works, facets):
        """Observe all ``works`` at once; returns [(work, Observed)]. If that fails, each one gets the error."""
        try:
            observation = self.observe([work.target for work in works], facets)
        except PolyvirtError as error:
            return [(work, Observed(error=error)) for work in works]
        return list(zip(works, self.observed_in(observation, works, facets)))

    def observed_in(self, observation, works, facets):
        """Return Observed for the VM of each of ``works``; a VM that is not in ``observation`` is absent."""
        by_key = _by_key(observation.vms)
        return [self._observed(observation, work, _selected(work.target, by_key), facets) for work in works]

    def _observed(self, observation, work, found, facets):
        error = ambiguous(work.request.label, found) if len(found) > 1 else observation.errors.get(work.request.label)
        vm = _merged(work.vm, found[0] if found else Vm.absent(work.name), facets)
        if work.request.backup is None or error is not None or "backups" not in facets:
            return Observed(vm, error, observation.known)
        return self._with_backups(vm, work.request, "backup_contents" in facets, observation.known)

    def _with_backups(self, vm, request, reads_content, known):
        """Add the backups of a VM, also of one that does not exist; a platform without backups has no such method."""
        read = getattr(self.driver, "backups", None)
        try:
            found = tuple(read(vm, request.backup, reads_content)) if read else ()
        except PolyvirtError as error:
            return Observed(vm, error, known)
        taken = getattr(self.driver, "taken_warnings", list)()
        self.warnings += [warning for warning in taken if warning not in self.warnings]
        return Observed(vm.having(backups=found), None, known)

    def sources(self, wanted):
        """Return {(name or id, near): VM} of the sources of clones; a name takes precedence over an equal id.

        ``near``: settings of the clone, as (name, value), by which one of several VMs with the name is chosen.
        """
        names = sorted({name for name, _near in wanted})
        found = self.observe([Target(**{key: one}) for one in names for key in ("name", "id")], OF_SOURCE).vms
        by_key = _by_key(found)
        return {one: self._source(*one, by_key) for one in wanted}

    def _source(self, name, near, by_key):
        for target in (Target(name=name), Target(id=name)):
            fitting = _selected(target, by_key)
            if len(fitting) > 1:
                fitting = [vm for vm in fitting if near and set(near) <= set(_plain(vm.config).items())] or fitting
            if len(fitting) > 1:
                raise ambiguous(f"clone.source: {name}", fitting, "clone.source")
            if fitting:
                return fitting[0]
        return Vm.absent(name)

    def source(self, target):
        """Observe the source of a clone again and return it; it has no known id if it was just created."""
        found = self.observe([target], OF_SOURCE).vms
        if not found:
            raise Stale(f"{target.name}: it was deleted by something else before it was cloned.", "Run the task again.")
        return found[0]


def _by_key(vms):
    """Return {key of a Target: {id: VM}}: a VM that the task names in several spellings is there once for each."""
    found = {}
    for vm in vms:
        for key in (Target(name=vm.name).key, Target(id=vm.id).key):
            found.setdefault(key, {})[vm.id] = vm
    return found


def _selected(target, by_key):
    """Return the VMs that a target selects."""
    return list(by_key.get(target.key, {}).values())


def _plain(config):
    """Return the settings that are texts: only these can be in a set."""
    return {name: value for name, value in config.items() if isinstance(value, str)}


def ambiguous(label, found, option="id"):
    """Return the error for a name that several VMs have. ``option`` selects one of them by its id."""
    ids = ", ".join(sorted(str(vm.id) for vm in found))
    return PolyvirtError(f"{label}: {len(found)} VMs have this name.", f"Set {option} to one of {ids}.")


def _merged(known, observed, facets):
    """Return the observed VM. A quick observation has only power and addresses; other values are those of ``known``."""
    if "config" in facets or known is None or known.id is None or known.id != observed.id:
        return observed
    return known.having(
        power=observed.power,
        reason=observed.reason,
        busy=observed.busy,
        persistent=observed.persistent,
        addresses=observed.addresses,
        ssh=observed.ssh,
    )


def planning_facets(requests, traits, check=False):
    """Return only the facets that are needed to plan these requests.

    In check mode, the files of backups are not read whole, because that can take hours.
    """
    facets = {"power", "config"}
    # Reading which VM uses which file is expensive, so it is done only if a VM may be deleted or recreated.
    destructive = {kind.partition(".")[0] for kind, one in traits.fields.items() if one.cost == DESTRUCTIVE}
    for request in requests:
        if _needs_snapshots(request, traits):
            facets.add("snapshots")
        if request.snapshot is not None and request.snapshot.state == "restored":
            facets.add("snapshot_configs")
        if request.snapshot is not None and request.snapshot.state == "absent":
            facets.add("all_snapshots")
        may_recreate = traits.costs_may_recreate or destructive & request.config.keys()
        if request.state == "absent" or (request.policy.allow_recreate and may_recreate):
            facets.add("files")
        if request.state == "absent":
            facets.add("unfinished")
        if request.policy.wait_for != "state":
            facets.add("addresses")
        if request.backup is not None:
            facets |= _facets_of_backup(request.backup, check)
        if any(nic and nic.get("address") for nic in (request.config.get("networks") or {}).values()):
            facets.add("fixed_addresses")
    return frozenset(facets)


def _needs_snapshots(request, traits):
    deletes_medium = traits.deletes_answer_media and ejects_iso(request.config)
    return request.state == "absent" or request.policy.allow_recreate or request.snapshot is not None or deletes_medium


def _facets_of_backup(asked, check):
    """Return the facets for a task about backups; to replace a VM, which of its files others use is read too."""
    content = {"backup_contents"} if asked.reads_content and not check else set()
    return {"backups", *content, *({"snapshots", "files"} if asked.replace else ())}
