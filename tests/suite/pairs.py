# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated pairs of an existing VM and a task about it, on any platform: check mode predicts the run.

A third of the runs is disturbed: one call fails, or its answer is lost or late. The reported result must be true
nevertheless, and a second run of the task must complete it. POLYVIRT_PAIRS is the number of pairs for each platform;
``--deep`` sets it to 10,000.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, PAUSED, RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import STATES
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from suite import belts
from suite.disturbances import FAILS, LATE, LOST, UNDISTURBED, Disturbance

_DISTURBED = st.tuples(st.sampled_from([FAILS, LOST, LATE]), st.integers(1, 6))


#: States that can only be reached from a VM that is on.
_STATES_OF_VMS_THAT_ARE_ON = ("paused", "suspended", "restarted")


@dataclass(frozen=True)
class Case:
    """A VM in the state ``power`` with the options ``found``, and the options ``asked`` of a task about it."""

    power: str
    found: dict
    asked: dict


@st.composite
def cases(draw, found, powers=(ABSENT, STOPPED, RUNNING, PAUSED), states=STATES, purge=("networks", "disks"), **more):
    """A Case of ``found``: {option: strategy of its values}; the task may also set those of ``more``."""
    # Always set: by default, a task waits for a guest that may not obey.
    stops = {"stop_mode": more.pop("stop_mode")}
    asked = draw(st.fixed_dictionaries(stops, optional={**found, **more}))
    asked |= {"state": draw(st.sampled_from(states)), "allow_restart": draw(st.booleans())}
    purged = [name for name in purge if name in asked]
    if purged and draw(st.booleans()):
        asked["purge"] = [draw(st.sampled_from(purged))]
    return Case(draw(st.sampled_from(powers)), draw(st.fixed_dictionaries(found)), asked)


#: How a task stops VMs, for ``more`` of ``cases``.
STOPS = st.sampled_from(["graceful", "force"])


class Pair:
    """A Bench with a VM, and one task."""

    #: Paths of ``restart_required`` that check mode does not know.
    not_foretold = frozenset()

    def __init__(self, bench, task):
        self._bench, (self._about, self._options) = bench, task
        self.state = self._options.get("state", "present")
        self.is_in_doubt = bench.is_in_doubt

    def run(self, check=False, disturbance=UNDISTURBED, again=False):
        """Run the task; returns its Outcome. ``again``: without actions that each run repeats, such as a restart."""
        restarts = again and self.state == "restarted"
        options = {**self._options, "state": "started"} if restarts else self._options
        return self._bench.task((self._about, options), check, disturbance)

    def platform_state(self):
        """Everything that exists, as the platform itself reports it."""
        return self._bench.state()

    def assert_sound(self):
        """Assert that the platform itself reports no inconsistency."""
        self._bench.assert_sound()

    def assert_same(self, foretold, found):
        """Assert that check mode predicts other values of a VM that it must know on this platform."""


def number_of_pairs(usual, at_most=None):
    """The number of pairs of a test: POLYVIRT_PAIRS, by default ``usual``, and not more than ``at_most``."""
    requested = int(os.environ.get("POLYVIRT_PAIRS") or usual)
    return requested if at_most is None else min(requested, at_most)


def pairs(usual, *strategies, at_most=None):
    """A decorator for a test of generated pairs; its last argument is the disturbance or None.

    ``at_most`` limits the number of pairs for platforms on which a pair takes seconds.
    """
    return generated(usual, *strategies, st.none() | st.none() | _DISTURBED, at_most=at_most)


def generated(usual, *strategies, at_most=None):
    """A decorator for a test of values that are generated from the seed of the run."""

    def decorate(test):
        count = number_of_pairs(usual, at_most)
        # Failing pairs are small, so they are not shrunk.
        limits = settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        )
        return seed(belts.seed())(limits(given(*strategies)(test)))

    return decorate


def assert_true(pair, disturbance):
    """Assert everything that must hold for a pair; ``disturbance`` is (kind, number) or None."""
    begin = pair.platform_state()
    check = pair.run(check=True)
    assert pair.platform_state() == begin, "check mode has written"
    real = pair.run(disturbance=Disturbance(*disturbance or ()))
    pair.assert_sound()
    end = pair.platform_state()
    assert real.failed == any(vm["failed"] for vm in real.vms)
    if check.failed or not (real.failed and disturbance):
        _assert_predicted(pair, check, real, begin, end)
        # If the answer to a start was lost, it is not known whether the guest was configured.
        assert disturbance or _pending(pair, check) == _pending(pair, real), "restart_required"
    else:
        if not _assert_reported(pair, real, begin, end):
            return
        done = pair.run()
        assert not done.failed, f"run again: {done.msg}"
        pair.assert_sound()
        end = pair.platform_state()
    if check.failed:
        return
    again = pair.run(again=True)
    assert (again.failed, again.changed, again.diff) == (False, False, []), again.msg
    assert pair.platform_state() == end, "a run that has nothing to do has written"


def _pending(pair, outcome):
    return [] if outcome.failed else [{*vm.get("restart_required", ())} - pair.not_foretold for vm in outcome.vms]


def _assert_predicted(pair, check, real, begin, end):
    assert (check.failed, check.msg) == (real.failed, real.msg)
    assert (check.changed, check.diff) == (real.changed, real.diff)
    # On some platforms a restart is not visible in the state.
    assert real.changed == (begin != end) or (real.changed and pair.state == "restarted")
    if check.failed:
        return
    plans = [[vm["plan"] for vm in outcome.vms] for outcome in (check, real)]
    assert plans[0] == plans[1] and None not in plans[0], "the digest of the plan"
    for foretold, found in zip(check.vms, real.vms):
        for key in ("name", "state", "changed", "cpus", "memory_mib"):
            # Check mode cannot know values that the platform chooses.
            assert foretold.get(key) in (None, found.get(key)), key
        assert [step["verb"] for step in foretold["steps"]] == [step["verb"] for step in found["steps"]]
        pair.assert_same(foretold, found)


def _may_look_the_same(pair, vm):
    """Whether a changed VM may look as before: it was stopped and is on again, or is in the middle of something."""
    was_stopped = any(step["verb"] in ("stop", "kill") for step in vm["steps"])
    return pair.state == "restarted" or was_stopped or vm["state"] == "unknown" or pair.is_in_doubt


def _assert_reported(pair, real, begin, end):
    """Assert that a failed task has changed what it reports, and nothing else. Returns whether it can be completed."""
    assert real.msg
    assert real.changed or begin == end
    assert begin != end or not real.changed or _may_look_the_same(pair, real.vms[0])
    assert real.changed or not real.diff
    rest = pair.run(check=True)
    if rest.failed:
        # The VM was stopped for a change, and these states need a VM that is on.
        assert pair.state in _STATES_OF_VMS_THAT_ARE_ON and "is not possible" in rest.msg, rest.msg
        return False
    found = {key: value for one in real.diff for key, value in one["after"].items()}
    left = {key: value for one in rest.diff for key, value in one["before"].items()}
    shared = found.keys() & left.keys() - {"restarted", "restored"}
    assert {key: found[key] for key in shared} == {key: left[key] for key in shared}, "the diff is not what is there"
    return True
