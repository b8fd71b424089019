# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data: the progress of one VM through its plan, the events that change it, and the wishes for what happens next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from .._lifecycle.errors import ApiError, CommandFailed, PolyvirtError, Timeout
from .._lifecycle.model import ABSENT, POWER_VERBS, Step, Vm

CREATING = frozenset({"create", "clone"})
#: Seconds between two observations of a VM that is busy with other work: growing, from the first to the longest.
FIRST_PAUSE, LONGEST_PAUSE, SHORTEST_PAUSE = 1, 5, 0.1
#: The same of a VM whose own steps are awaited.
FIRST_OBSERVATION, LONGEST_OBSERVATION = 0.1, 1
#: Verbs that change the power state of a VM. A reset does not.
MOVES = POWER_VERBS - {"reset"}
#: Verbs whose success the power state shows.
SHOWN_BY_POWER = MOVES | CREATING | {"delete"}
#: Errors with which a platform answers a request, perhaps because the VM is already where the request leads.
ANSWERS = (ApiError, CommandFailed, Timeout)
#: What is observed while a VM is waited for.
POWER_ONLY = frozenset({"power"})
_CREATED = frozenset({"power", "config"})

# Phases. READY: steps can be sent, or were sent and are not back. RETRYING: the platform was busy. WAITING: the end of
# a segment is awaited. STOPPING: a guest was asked to stop. KILLING: it is powered off. JUDGING: steps failed, and the
# VM's state decides whether that matters. REPLANNING: somebody else changed the VM since it was planned. GUEST: its
# address or SSH is awaited. UNDOING: an unfinished creation is removed. CONFIRMING: all is done or has failed, and the
# final observation is missing. OVER: nothing more.
READY, RETRYING, WAITING, STOPPING, KILLING = "ready", "retrying", "waiting", "stopping", "killing"
JUDGING, REPLANNING, GUEST, UNDOING = "judging", "replanning", "guest", "undoing"
CONFIRMING, OVER = "confirming", "over"
#: Phases whose seconds count as waiting, of which a task has ``timeout``.
PATIENT = frozenset({RETRYING, WAITING, KILLING, JUDGING, REPLANNING, GUEST, UNDOING, CONFIRMING})


@dataclass(frozen=True)
class Sent:
    """Event: steps came back, ``done`` of them complete. ``wrote``: something was changed (None: unknown)."""

    done: int = 0
    error: Optional[PolyvirtError] = None
    wrote: Optional[bool] = True


@dataclass(frozen=True)
class Observed:
    """Event: the VM was observed, or could not be. ``known`` are all names on the platform."""

    vm: Optional[Vm] = None
    error: Optional[PolyvirtError] = None
    known: Sequence[str] = ()


@dataclass(frozen=True)
class Probed:
    """Event: the endpoints were probed; the one that answered, or None."""

    endpoint: Any = None


@dataclass(frozen=True)
class Send:
    """Wish: have the driver carry out ``steps``."""

    steps: Sequence[Step]


@dataclass(frozen=True)
class Observe:
    """Wish: observe at least these facets. ``final``: it can wait until all other VMs need theirs, too."""

    facets: frozenset
    final: bool = False


@dataclass(frozen=True)
class Probe:
    """Wish: probe whether one of these endpoints answers."""

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
    requested_at: float = 0
    pause: float = FIRST_PAUSE
    error: Optional[PolyvirtError] = None
    last_error: Optional[PolyvirtError] = None
    replanned: bool = False
    notes: Mapping = field(default_factory=dict)
    tried: Sequence[Any] = ()
    answered: Any = None

    @property
    def label(self):
        return self.request.label

    @property
    def policy(self):
        return self.request.policy

    @property
    def segment(self):
        """(first, end): the steps between two points where the VM's state must be observed."""
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
        """Whether the VM with this name may be a new one, whose id is not the old one."""
        verbs = [step.verb for step in self.plan.steps[: self.segment[1]]]
        return bool(CREATING & set(verbs)) and self.vm.power == ABSENT


def wrote_with(progress, event):
    """Whether something was changed, after the steps that were sent: True, False, or None if unknown."""
    wrote = event.wrote
    if wrote and all(step.verb == "stop" for step in progress.wish.steps):
        wrote = None  # A guest that ignores the request runs on as before; the next observation shows that.
    return True if wrote or progress.wrote else None if None in (wrote, progress.wrote) else False


def facets_of_end(progress):
    """The facets in which the end of the segment is observed."""
    first, end = progress.segment
    return _CREATED if CREATING & {step.verb for step in progress.plan.steps[first:end]} else POWER_ONLY


def has_arrived(progress):
    """Whether the VM has the power state that the segment leads to."""
    return progress.vm.power == progress.expected.power and not progress.vm.busy


def observe_later(progress, phase, facets, longest=LONGEST_PAUSE, at_most=None):
    """Observe after a pause that grows each time, and not after ``at_most`` seconds."""
    at_most = progress.patience if at_most is None else at_most
    pause = max(min(progress.pause, at_most), SHORTEST_PAUSE)
    longer = min(progress.pause * 1.5, longest)
    return replace(progress, phase=phase, wish=Observe(facets), due=progress.at + pause, pause=longer)
