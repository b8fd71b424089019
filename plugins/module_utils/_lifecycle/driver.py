# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver has to offer, as protocols: all of ``Driver``, and of the others what its platform can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional, Protocol

from .model import Observation, Plan, Snapshot, Target, Traits, Vm


class Driver(Protocol):
    """A platform's translation. Errors are raised as PolyvirtError; nothing waits, decides or exits."""

    def traits(self) -> Traits:
        """What this platform can do; may depend on the host's version."""

    def observe(self, targets: Optional[Sequence[Target]], facets: frozenset) -> Observation:
        """The VMs that exist of ``targets`` (None: all), with at least these facets.

        Facets: power, config, addresses, snapshots, all_snapshots (with those that the platform does not know, as
        unfinished ones), snapshot_configs, files, unfinished. With power alone, ``config`` may be empty. A VM that a
        task has only begun to create exists where unfinished ones are requested: to be reported, or to be deleted.
        """

    def preflight(self, plan: Plan) -> None:
        """Raise what would make ``plan`` fail half-way (a missing image, say); reads only, in check mode too."""

    def lane(self, vm: Vm) -> str:
        """VMs of one lane are not worked on at the same time; what is ready together is sent together."""

    def apply(self, batch: Sequence) -> Optional[Sequence]:
        """Carry out (VM, steps) pairs; returns for each whether anything was changed (None: all were).

        Every step ends the same when it is sent twice: its answer may have been lost.

        An error has in ``steps_done`` how many steps are complete, and in ``wrote`` whether anything was changed (None:
        nobody knows); ``one_by_one`` sees to both. A VM that could not be created is not left half-created.
        """


class ComparesContent(Protocol):
    """Of a driver whose traits have the field ``snapshot.content``."""

    def compare_content(self, vm: Vm, before: Snapshot, after: Optional[Snapshot]) -> Sequence[Mapping]:
        """The files that differ between two points (None: as it is now): change, path, type, mode, size, text."""


class ReadsAhead(Protocol):
    """Of a driver that can read for many plans at once."""

    def expect(self, plans: Sequence[Plan]) -> None:
        """Called before the first observation, which can read what ``preflight`` of these plans needs.

        They are the plans of VMs that may not exist, and hold for those that do not.
        """

    def read_ahead(self, plans: Sequence[Plan]) -> None:
        """Read what ``preflight`` of these plans needs, which is called next for each of them."""


class HasLeftovers(Protocol):
    """Of a driver whose disk images can hold snapshots that the platform itself does not know."""

    def leftovers(self, vm: Vm) -> Optional[Sequence]:
        """(file, name) of each such snapshot; None where the images cannot be read."""


class HasHostFacts(Protocol):
    """Of a driver whose platform is a part of its host, so that the host itself may have to be prepared for it."""

    def host_facts(self) -> Mapping:
        """What ``host`` of the info module has besides, also where the platform cannot be used; never raises."""
