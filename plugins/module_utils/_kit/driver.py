# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of drivers: every driver implements ``Driver``, and the other protocols if its platform can.

While a task waits, an observation is of power and addresses only (``is_power_only``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Optional, Protocol

from .._core.model import Observation, Plan, Request, Snapshot, Target, Traits, Vm
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


class OptionalParts(Protocol):
    """What a driver has besides, if its platform can do it. The engine checks with ``hasattr`` whether it is there."""

    # For drivers whose platform stores settings as a whole, so that the last of two tasks would win.
    def alone(self, vm: Vm, steps: Sequence) -> AbstractContextManager:
        """Return a block during which no other task on this host carries out such steps for the VM.

        Raises a transient error at once if another task does. Power alone needs no lock. Within the block, the driver
        compares the stored settings with ``vm.revision`` and raises Stale if they differ, before it changes anything.
        """

    # For drivers if the platform carries out long operations that its list of VMs does not show.
    def jobs(self, vms: Sequence[Vm]) -> Mapping:
        """Return {id: text} of those VMs on which such an operation runs now, whoever began it."""

    # For drivers with the field ``snapshot.content`` in their traits.
    def compare_content(self, vm: Vm, before: Snapshot, after: Optional[Snapshot]) -> Sequence[Mapping]:
        """Return the files that differ (``after`` None: from the current VM): change, path, type, mode, size, text."""

    # For drivers of platforms with a channel to an agent in the guest.
    def check_wait(self, plan: Plan, wait_for: str) -> None:
        """Raise Unsupported if this wait can only time out after ``plan``. Optional: not all platforms can know it."""

    def run_in_guest(self, vm: Vm, command: str) -> tuple:
        """Run a shell command in the guest; returns (exit code, standard output).

        Raises Refused if no wait helps, such as for an agent that permits no commands, and any other PolyvirtError if
        the agent does not answer now.
        """

    # For drivers with the option boot_key_seconds.
    def press_key(self, vm: Vm) -> None:
        """Press and release a key of a running VM. Nothing that asks for any key takes this one for an answer."""

    # For drivers if images can be names of the catalogue or addresses.
    def resolve_image(self, request: Request) -> Request:
        """Return the request with the file on the host as its image (``Images.resolved``). Only reads.

        A path is returned as it is. Raises PolyvirtError if there is no image for this host and VM.
        """

    # For drivers that choose settings of new VMs in ``preflight``, such as the node of a cluster.
    def with_choices(self, plan: Plan) -> Plan:
        """Return the plan with what was chosen, so that check mode, the diff and the approved plan show it."""

    # For drivers that can read for many plans at once.
    def expect(self, plans: Sequence[Plan]) -> None:
        """Called before the first observation, so that it can also read what ``preflight`` of these plans needs.

        The plans assume that their VMs do not exist; they are used for those that turn out not to exist.
        """

    def read_ahead(self, plans: Sequence[Plan]) -> None:
        """Read what ``preflight`` needs for these plans; it is called next for each of them."""

    # For drivers that can see whether a file was replaced since its plan was approved.
    def file_version(self, path: str, plan: Plan) -> Optional[Sequence]:
        """Return plain data that changes with the content of a file of a plan; called after its ``preflight``.

        Empty: there is no such file. None: nobody can see whether it is replaced, so the plan cannot be approved. Never
        raises.
        """

    def used_files(self, plan: Plan) -> Sequence[str]:
        """Return further files that a plan uses, besides those that the planner knows. Optional."""

    def file_identity(self, path: str) -> Sequence:
        """Return plain data that remains when a guest writes to a file; empty if it cannot be seen. Optional."""

    # For drivers that can get their host or cluster from the environment. An approved plan contains the host or
    # cluster.
    where: str

    # For drivers if the hosts of VMs have another clock than the process of the task.
    def host_time(self, vm: Vm) -> Optional[str]:
        """Return the time of the host of a VM in ISO 8601; None if it cannot be read."""

    # For drivers if disk images can contain snapshots that the platform itself does not know.
    def leftovers(self, vm: Vm) -> Optional[Sequence]:
        """Return (file, name) of each such snapshot; None if the images cannot be read."""

    # For drivers with the verbs of backups in their traits; each knows where the task wants backups.
    def backups(self, vm: Vm, asked, reads_content: bool) -> Sequence:
        """Return each Backup there of one VM, also incomplete and damaged ones; ``asked`` is a BackupRequest.

        These are the backups of its births (``births_of``), and those of VMs that had the name ``asked.of``; for
        ``is_beside``, and a VM that does not exist, only the latter. With ``reads_content``, the files are read whole
        if the platform can; a backup that was damaged then remains so in later calls. For a restore, each has
        ``config``: the settings that ``vm`` would have. If there is ``taken_warnings``, it returns warnings about them.
        """

    # For drivers of platforms that keep a log of the console, or that know more than their traits.
    def consoles(self, vms: Sequence[Vm]) -> Sequence:
        """Return one ConsoleLog (console.py) for each observed VM, in order."""

    # For drivers if the platform is part of the host, and the host may need preparation.
    def host_facts(self) -> Mapping:
        """Return further keys of ``host`` for the info module, also if the platform cannot be used; never raises."""


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
