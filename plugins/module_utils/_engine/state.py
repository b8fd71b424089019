# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of one VM's way through its plan, what happens to it (events), what it asks for (wishes). Data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from .._lifecycle.errors import PolyvirtError
from .._lifecycle.model import ABSENT, Step, Vm

CREATING = frozenset({"create", "clone"})
#: Seconds between two observations of a VM that somebody else works on: growing, from the first to the longest.
FIRST_PAUSE, LONGEST_PAUSE, SHORTEST_PAUSE = 1, 5, 0.1

# Phases. READY: steps can be sent, or were sent and are not back. RETRYING: the platform was busy. WAITING: the end of
# a segment is awaited. PRESSING: a guest was asked to stop. CUT: it is powered off without its consent. JUDGING: steps
# failed, and the VM's state decides whether that matters. GUEST: its address or SSH is awaited. UNDOING: an unfinished
# creation is removed. SETTLED: all is done or has failed, and the final observation is missing. OVER: nothing more.
READY, RETRYING, WAITING, PRESSING, CUT = "ready", "retrying", "waiting", "pressing", "cut"
JUDGING, GUEST, UNDOING, SETTLED, OVER = "judging", "guest", "undoing", "settled", "over"
#: Phases whose seconds count as waiting, of which a task has ``timeout``.
PATIENT = frozenset({RETRYING, WAITING, CUT, JUDGING, GUEST, UNDOING, SETTLED})


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


@dataclass(frozen=True)
class Progress:
    """``done`` counts complete steps; ``patience`` is how many seconds of waiting are left."""

    request: Any
    traits: Any
    plan: Any
    vm: Vm
    patience: float
    phase: str = READY
    wish: Any = None
    due: float = 0
    at: float = 0
    done: int = 0
    wrote: Optional[bool] = False
    created: bool = False
    undone: bool = False
    expected: Optional[Vm] = None
    since: float = 0
    asked: float = 0
    pause: float = FIRST_PAUSE
    error: Optional[PolyvirtError] = None
    trouble: Optional[PolyvirtError] = None
    notes: Mapping = field(default_factory=dict)
    tried: Sequence[Any] = ()

    @property
    def label(self):
        return self.request.label

    @property
    def policy(self):
        return self.request.policy

    @property
    def segment(self):
        """(first, end): the steps between two points where the VM's state must be seen."""
        first = 0
        for segment in self.plan.segments:
            if self.done < first + len(segment):
                return first, first + len(segment)
            first += len(segment)
        return first, first

    @property
    def last_step(self):
        return self.plan.steps[self.segment[1] - 1]

    @property
    def is_recreated(self):
        """Whether what has the VM's name may be another one than was found: its id is not the old one then."""
        verbs = [step.verb for step in self.plan.steps[: self.segment[1]]]
        return bool(CREATING & set(verbs)) and self.vm.power == ABSENT
