# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of drivers: every driver implements ``Driver``.

While a task waits, an observation is of power and addresses only (``is_power_only``).

What a driver has besides, if its platform can do it; the engine asks with ``hasattr``:

* ``alone(vm, steps)``: for platforms that store settings as a whole: a block in which no other task of this host
  carries out such steps for the VM. It raises a transient error at once if another task does, and Stale if the stored
  settings differ from ``vm.revision``. Power alone needs no lock.
* ``jobs(vms)``: {id: text} of the VMs on which a long operation runs that the list of VMs does not show, whoever
  began it.
* ``compare_content(vm, before, after)``: where the traits have ``snapshot.content``: the files that differ (``after``
  None: from the current VM).
* ``check_wait(plan, wait_for)``: raises Unsupported if this wait can only time out after the plan.
* ``run_in_guest(vm, command)``: runs a shell command by the agent in the guest; returns (exit code, output). Raises
  Refused if no wait helps, any other PolyvirtError if the agent does not answer now.
* ``press_key(vm)``: presses and releases a key that answers no question but one for any key.
* ``resolve_image(request)``: the request with the file on the host as its image, for names of the catalogue and
  addresses; only reads.
* ``with_choices(plan)``: the plan with what ``preflight`` has chosen, such as a node, so that check mode and
  approvals show it.
* ``expect(plans)``: called before the first observation, to read also what ``preflight`` needs. These plans assume
  that their VMs do not exist.
* ``read_ahead(plans)``: reads what ``preflight`` needs for these plans; it is called next for each of them.
* ``file_version(path, plan)``: plain data that changes with the content of a file; empty: there is none; None: nobody
  can see it, so the plan cannot be approved. Never raises.
* ``used_files(plan)``: further files that a plan uses, besides those that the planner knows.
* ``file_identity(path)``: plain data that remains when a guest writes to a file; empty if it cannot be seen.
* ``where``: the host or cluster that comes from the environment; an approved plan contains it.
* ``host_time(vm)``: the time of the VM's host in ISO 8601, where that is another clock; None if it cannot be read.
* ``leftovers(vm)``: (file, name) of snapshots in images that the platform does not know; None if the images cannot be
  read.
* ``backups(vm, asked, reads_content)``: each Backup of one VM, also incomplete and damaged ones: of its births
  (``births_of``; for ``is_beside`` those of the VM that has the name ``asked.of`` now), and of VMs that had that name.
  With ``reads_content``, files are read whole; one that was damaged remains so. For a restore, each has ``config``: the
  settings that ``vm`` would have; ``taken_warnings`` returns warnings about them.
* ``consoles(vms)``: one ConsoleLog for each observed VM, in order.
* ``host_facts()``: further keys of ``host`` for the info module, also if the platform cannot be used; never raises.
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
        """Carry out (VM, steps, Permit): what the steps of that VM may destroy.

        Returns for each whether anything was changed (None: all were changed).

        A step that is sent twice has the same result: the answer to the first request may have been lost.

        An error's ``steps_done`` is the number of complete steps, ``wrote`` whether anything was changed (None: not
        known); ``one_by_one`` sets both. If a VM cannot be created, its parts are removed again.
        """


class ForChanges:
    """A base of drivers: what only changes need is imported when it is first used.

    ``file_options`` are options of the platform whose change makes ``step_files`` of its claims return something.
    """

    file_options = ()

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
