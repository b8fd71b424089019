# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the progress of a VM is told (events) and what it asks for (wishes). Plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

from .._lifecycle.errors import PolyvirtError
from .._lifecycle.model import Step, Vm


@dataclass(frozen=True)
class Sent:
    """Event: steps came back, ``done`` of them complete. ``wrote``: something was changed (None: nobody knows)."""

    done: int = 0
    error: Optional[PolyvirtError] = None
    wrote: Optional[bool] = True


@dataclass(frozen=True)
class Seen:
    """Event: the VM was observed, or could not be. ``known`` are all names on the platform."""

    vm: Optional[Vm] = None
    error: Optional[PolyvirtError] = None
    known: Sequence[str] = ()


@dataclass(frozen=True)
class Probed:
    """Event: the endpoints wished for were tried; the one that answered, or None."""

    endpoint: Any = None


@dataclass(frozen=True)
class Send:
    """Wish: have the driver carry out ``steps``."""

    steps: Sequence[Step]


@dataclass(frozen=True)
class Look:
    """Wish: observe at least these facets. ``final``: it can wait until all other VMs need theirs, too."""

    facets: frozenset
    final: bool = False


@dataclass(frozen=True)
class Probe:
    """Wish: see whether one of these endpoints answers."""

    endpoints: Sequence[Any]
