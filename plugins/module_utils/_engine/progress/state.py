# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data of the state machine: the progress of one VM, the events that change it, and the wishes (next actions)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ..._core.errors import ApiError, CommandFailed, PolyvirtError, Timeout
from ..._core.frozen import Frozen, field, replace
from ..._core.model import ABSENT, UNKNOWN, Step, Vm
from ..._core.verbs import CREATING, POWER_VERBS
from ..observe import FIRST_PAUSE, LONGEST_PAUSE, SHORTEST_PAUSE

#: As FIRST_PAUSE and LONGEST_PAUSE, while waiting for the end of this task's own steps.
FIRST_OBSERVATION, LONGEST_OBSERVATION = 0.1, 1
#: Verbs that change the power state of a VM. A reset does not.
MOVES = POWER_VERBS - {"reset"}
#: The power state shows whether these verbs succeeded.
SHOWN_BY_POWER = MOVES | CREATING | {"delete"}
_LEAD_TO_POWER = SHOWN_BY_POWER | {"restore"}
#: Errors with which a platform rejects a request, perhaps because the VM already has the requested state.
ANSWERS = (ApiError, CommandFailed, Timeout)
#: The facets to observe while waiting for a power state.
POWER_ONLY = frozenset({"power"})
#: The facets to observe after a creation, and before a VM is brought back to its previous power state.
CREATED = frozenset({"power", "config"})

# Phases. READY: steps can be sent, or were sent and have not returned. RETRYING: wait before sending again, as the
# platform was busy. WAITING: wait for the end of a segment. STOPPING: the guest was requested to shut down. KILLING: it
# is powered off. JUDGING: steps failed, and the VM's state decides whether that is an error. REPLANNING: someone else
# changed the VM after planning. EXPIRY: the VM was waited for, and whether it has still expired is read again. KEYS: it
# was started, and keys are pressed. GUEST: wait for its address, a service or cloud-init. UNDOING: an unfinished
# creation is removed. POWER_BACK: the task failed after it stopped or resumed the VM, which may have to get its
# previous power state back. RECORDING, FORGETTING: its power state is recorded before a restart, and removed after it.
# CONFIRMING: all is done or failed; only the final observation is missing. OVER: the end.
READY, RETRYING, WAITING, STOPPING, KILLING = "ready", "retrying", "waiting", "stopping", "killing"
JUDGING, REPLANNING, EXPIRY, KEYS, GUEST, UNDOING = "judging", "replanning", "expiry", "keys", "guest", "undoing"
POWER_BACK, CONFIRMING, OVER = "power_back", "confirming", "over"
RECORDING, FORGETTING = "recording", "forgetting"
#: The time in these phases counts towards the option ``timeout``.
PATIENT = frozenset(
    {RETRYING, WAITING, KILLING, JUDGING, REPLANNING, EXPIRY, KEYS, GUEST, UNDOING, POWER_BACK, CONFIRMING}
)


class Sent(Frozen, eq=False):
    """Event: the driver has returned, ``done`` steps are complete. ``wrote``: something was changed (None: unknown)."""

    done: int = 0
    error: Optional[PolyvirtError] = None
    wrote: Optional[bool] = True


class Probed(Frozen, eq=False):
    """Event: the endpoints were probed; the one that answered, or None."""

    endpoint: Any = None


class Answered(Frozen, eq=False):
    """Event: a command has ended in the guest (``rc``, ``stdout``), or ``error`` is why it could not be run."""

    rc: int = 0
    stdout: str = ""
    error: Optional[PolyvirtError] = None


class Pressed(Frozen, eq=False):
    """Event: a key was pressed, or ``error`` is why not."""

    error: Optional[PolyvirtError] = None


class Send(Frozen, eq=False):
    """Wish: the driver must carry out ``steps``."""

    steps: Sequence[Step]


class Observe(Frozen, eq=False):
    """Wish: observe at least these facets. ``final``: can be delayed until all other VMs need their final one, too."""

    facets: frozenset
    final: bool = False


class Probe(Frozen, eq=False):
    """Wish: probe whether one of these endpoints answers."""

    endpoints: Sequence[Any]


class Ask(Frozen, eq=False):
    """Wish: run a shell command in the guest by its agent."""

    command: str


class Press(Frozen, eq=False):
    """Wish: press a key on the keyboard of the VM."""


class Progress(Frozen, eq=False):
    """``done`` is the number of complete steps; ``patience`` is the remaining time for waiting in seconds.

    ``left_out`` are numbers of steps that were not done, although later ones were: those to the previous power state.
    ``wrote``: something was changed (None: unknown); ``last_wrote`` is the same for the steps that were sent last.
    """

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
    left_out: Sequence[int] = ()
    #: After an error: {power state in which the VM is found: verbs that lead back to its previous one}.
    ways_back: Mapping = field(default_factory=dict)
    wrote: Optional[bool] = False
    last_wrote: Optional[bool] = False
    created: bool = False
    undone: bool = False
    expected: Optional[Vm] = None
    since: float = 0
    requested_at: float = 0
    pause: float = FIRST_PAUSE
    error: Optional[PolyvirtError] = None
    last_error: Optional[PolyvirtError] = None
    #: An error after which the VM had the expected state; the final check reports it if the VM is not as requested.
    ignored_error: Optional[PolyvirtError] = None
    replanned: bool = False
    #: Whether only the plan that was approved may be carried out.
    is_limited: bool = False
    notes: Mapping = field(default_factory=dict)
    tried: Sequence[Any] = ()
    answered: Any = None
    #: The bytes that the disks used when the first key was pressed.
    disk_used: Optional[int] = None
    is_key_pressed: bool = False
    #: Whether the record of the VM has its power state before the restart.
    is_recorded: bool = False
    #: What the result warns of.
    warning: str = ""

    @property
    def label(self):
        return self.request.label

    @property
    def policy(self):
        return self.request.policy

    @property
    def segment(self):
        """(first, end) indexes of the current segment: its steps are sent without an observation between them."""
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
    def completed(self):
        """The numbers of the complete steps."""
        return [number for number in range(self.done) if number not in self.left_out]

    @property
    def is_recreated(self):
        """Whether the VM is being recreated, so that a VM with this name may have a new id."""
        verbs = [step.verb for step in self.plan.steps[: self.segment[1]]]
        return bool(CREATING & set(verbs)) and self.vm.power == ABSENT


def wrote_with(progress, event):
    """Return whether anything was changed after the steps that were sent: True, False, or None if unknown."""
    wrote = event.wrote
    if wrote and all(step.verb == "stop" for step in progress.wish.steps):
        wrote = None  # The guest may ignore the request; the next observation shows that.
    return True if wrote or progress.wrote else None if None in (wrote, progress.wrote) else False


def facets_of_end(progress):
    """Return the facets with which the end of the segment can be observed."""
    first, end = progress.segment
    return CREATED if CREATING & {step.verb for step in progress.plan.steps[first:end]} else POWER_ONLY


def has_arrived(progress):
    """Return whether the segment has ended: with the power state that it leads to, if it leads to one.

    Somebody else may start or stop a VM while this task changes only its settings: that end is not waited for.
    """
    first, end = progress.segment
    leads_to_power = any(step.verb in _LEAD_TO_POWER for step in progress.plan.steps[first:end])
    is_expected = progress.vm.power == progress.expected.power
    return (is_expected or not (leads_to_power or progress.vm.power in (ABSENT, UNKNOWN))) and not progress.vm.busy


def observe_later(progress, phase, facets, longest=LONGEST_PAUSE, at_most=None):
    """Observe after a pause that grows each time, but at most ``at_most`` seconds."""
    at_most = progress.patience if at_most is None else at_most
    pause = max(min(progress.pause, at_most), SHORTEST_PAUSE)
    longer = min(progress.pause * 1.5, longest)
    return replace(progress, phase=phase, wish=Observe(facets), due=progress.at + pause, pause=longer)
