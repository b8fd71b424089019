# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of drivers: every driver implements ``Driver``. What some have besides is in docs/architecture.md.

While a task waits, an observation is of power and addresses only (``is_power_only``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Optional, Protocol

from .._core.model import Observation, Plan, Target, Traits, Vm
from .._core.verbs import BACKUP_VERBS, VERBS


class Driver(Protocol):
    """Translates plans for one platform. Raises PolyvirtError; never waits, makes no decisions and never exits."""

    def traits(self) -> Traits:
        """Return what this platform can do; may depend on the version on the host."""

    def observe(self, targets: Optional[Sequence[Target]], facets: frozenset) -> Observation:
        """Return those of ``targets`` (None: all VMs) that exist, with at least these facets.

        Facets: power, config, addresses, snapshots, all_snapshots (also snapshots in disk images that the platform does
        not know, as unfinished ones), snapshot_configs, files, unfinished. With power alone, ``config`` may be empty.
        A VM that is not completely created is returned only with the facet unfinished: to report it, or to delete it.
        """

    def preflight(self, plan: Plan, released: frozenset = frozenset()) -> Optional[Sequence[str]]:
        """Raise if ``plan`` would fail half-way, such as for a missing image. Only reads; runs in check mode too.

        May return warnings.

        ``released`` are {(kind, identity)} of claims (``claims.py``) that earlier plans of the task let go of: files
        that they delete, and ports that they stop to use. If the task also creates the source of a clone, this source
        has no id yet.
        """

    def lane(self, vm: Vm) -> str:
        """VMs of the same lane are not processed in parallel; those of their steps that are ready are sent together."""

    def apply(self, batch: Sequence) -> Optional[Sequence]:
        """Carry out (VM, steps) pairs; returns for each whether anything was changed (None: all were changed).

        A step that is sent twice has the same result: the answer to the first request may have been lost.

        An error's ``steps_done`` is the number of complete steps, ``wrote`` whether anything was changed (None: not
        known); ``one_by_one`` sets both. If a VM cannot be created, its parts are removed again.
        """


class ForChanges:
    """A base of drivers: what only changes need is imported when it is first used."""

    @cached_property
    def space(self):
        from .space import ReservedSpace

        return ReservedSpace()

    @cached_property
    def creations(self):
        from .creation import Creations

        return Creations()


def functions_of(*files):
    """Return {verb: function} of a driver's Python modules; the function for a verb has its name.

    A driver imports the modules when its first step is carried out, because a shipped module compiles what it imports.
    """
    return {verb: getattr(file, verb) for file in files for verb in (*VERBS, *BACKUP_VERBS) if hasattr(file, verb)}


def carry_out(driver, vm, step):
    """Call the driver's function for the verb of a step; for ``in_rounds``, that returns a generator."""
    return driver.verbs[step.verb](driver, vm, step)


_LIGHT = frozenset({"power", "addresses"})


def is_power_only(targets, facets):
    """Return whether only power and addresses are needed, and the ids of all VMs are known."""
    return bool(targets) and facets <= _LIGHT and all(target.id for target in targets)


class KnownSettings:
    """The settings from full observations; quick observations report them again."""

    def __init__(self):
        self._configs = {}

    def remember(self, vms):
        self._configs.update({vm.id: vm.config for vm in vms})

    def of(self, vm_id):
        return self._configs.get(vm_id, {})
