# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform in the process of a test, which carries out generated tasks: what the belts need to know about it.

The belts are the questions that every platform is asked: test_generated_pairs.py, test_generated_lists.py,
test_sent_twice.py and test_killed.py. ``platforms/benches.py`` lists the benches.
"""

from __future__ import annotations

from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, PAUSED, STOPPED, SUSPENDED

from suite.disturbances import UNDISTURBED
from suite.sent_twice import comparable

#: The VM of pairs.
NAME = "web"
#: The time of the controller, in seconds since 1970.
NOW = 1_800_000_000
_HELD = {PAUSED: "paused", SUSPENDED: "suspended"}


class Bench:
    """One platform, empty at the begin. A task is (about, options); entries are options of VMs in one task."""

    name = ""
    #: The numbers of pairs and of lists of a full run, and the largest ones of any run.
    pair_count, list_count, at_most = 60, 40, None
    #: A strategy of ``suite.pairs.Case``, and the Vocabulary of lists; None: this belt does not use the platform.
    cases = words = None
    #: Options that each entry of a list has, and options of the new VM of a pair.
    common: ClassVar = {"stop_mode": "force"}
    creation: ClassVar = {"disks": [{}]}
    #: Odd parts of definitions, from the files of users.
    foreign = ()
    #: The module of VMs.
    module = None
    #: Settings of the smallest VM; its clones: {"linked": what they stand on, if it is not the VM itself}, or None; and
    #: whether its tasks can be about snapshots. ``stories`` are of this platform only: suite/stories.py.
    small: ClassVar = {}
    clones: ClassVar = {}
    has_snapshots = True
    stories: ClassVar = {}
    #: Whether nothing shows what a failed command has done, so that it may have changed the VM; and the settings that
    #: are not read, and not described, while a VM is stopped.
    is_in_doubt = False
    unread_while_stopped = ()
    #: Whether one call creates a VM with its disks, and another one its record. In between, it may be a user's VM.
    is_recorded_late = False
    #: Whether a call is answered before it is carried out: if the answer is lost, the end of the task may come first.
    answers_before_it_acts = False
    #: Options with values that only the platform can judge, and only in the run (the guide says which).
    unforeseen = ()
    #: The directory of the platform; its name differs from run to run.
    folder = "/nowhere"
    disturbance = UNDISTURBED

    @classmethod
    def opened(cls, place=0, ground=None):
        """A context with an empty Bench. ``place`` is a number of the test; ``ground`` opens real platforms."""
        raise NotImplementedError

    def run(self, entries, check=False):
        """Carry out a task with ``machines: entries``, disturbed by ``disturbance``; returns its Outcome."""
        raise NotImplementedError

    def run_snapshot(self, options, check):
        """The same for a task about a snapshot."""
        raise NotImplementedError

    def described(self):
        """All VMs, as the info module of the platform reports them with ``describe: true``."""
        raise NotImplementedError

    def task(self, task, check=False, disturbance=UNDISTURBED):
        """Carry out (about, options), and return its Outcome."""
        about, options = task
        self.disturbance = disturbance
        try:
            if about == "snapshot":
                return self.run_snapshot(options, check)
            return self.run([{"name": NAME, **options}], check)
        finally:
            self.disturbance = UNDISTURBED

    def delete(self, task):
        """Delete the VM of a task with its disks, whoever has created it."""
        self.done(("vm", {"name": task[1].get("name", NAME), "state": "absent", "delete_disks": "all"}))

    def done(self, *tasks):
        """Carry out tasks that must not fail."""
        for one in tasks:
            outcome = self.task(one)
            assert not outcome.failed, (one, outcome.msg)

    def prepare(self, case):
        """Bring the VM of a pair into the state that the case describes."""
        if case.power == ABSENT:
            return
        state = "present" if case.power == STOPPED else "started"
        self.done(("vm", {**self.creation, **case.found, "state": state}))
        if case.power in _HELD:
            self.done(("vm", {"state": _HELD[case.power]}))

    def exists(self, case):
        """Whether the VM of a pair exists after ``prepare``."""
        return case.power != ABSENT

    def change(self, definition):
        """Change the VM of a pair as another tool does, by one of ``foreign``; what the platform rejects remains."""
        raise NotImplementedError

    def asked(self, case):
        """The task of a pair. A VM that it may create needs a source."""
        creation = {} if case.asked["state"] == "absent" else self.creation
        return "vm", {**creation, **case.asked}

    def state(self):
        """Everything that exists, as the backend reports it, to be compared."""
        raise NotImplementedError

    def end_state(self):
        """The same as text without values that are chosen by chance or by the clock."""
        return comparable(repr(self.state()), self.folder)

    def assert_sound(self):
        """Assert that the platform itself reports no inconsistency."""

    def after_kill(self):
        """Undo what a killed task cannot undo, and the next run does not know."""

    # For lists --------------------------------------------------------------------------------------------------------

    def id_of(self, name):
        """The ID of an existing VM in one of its spellings, or None."""
        raise NotImplementedError

    def found(self):
        """Everything that exists as ``suite.lists.Found``."""
        raise NotImplementedError

    def label(self, entry):
        """How messages name the VM of an entry."""
        return entry.get("name") or entry["id"]

    def compared(self, entries):
        """Names of the VMs whose MACs a task compares, None: all VMs."""

    def share(self, first, second):
        """Give the second VM what the first one has, as a user can do with the platform's own tools."""
