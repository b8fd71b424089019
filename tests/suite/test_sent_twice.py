# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each step sent twice ends as if it had been sent once: a step is sent again when its answer was lost.

On the doubles in process, generated pairs are asked. With the real tool, a VM lives the same life two times, the second
time with each step sent twice. After each task it is the same.
"""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, PAUSED, SUSPENDED

from platforms.benches import DOUBLES
from suite.answer import Task
from suite.fork_server import TWICE
from suite.pairs import generated
from suite.rerun import proofs
from suite.scenarios.options import has, rejection, settings
from suite.sent_twice import comparable, each_step_twice
from suite.stories import stories, story_task

NAME, SOURCE, BASE = "pvt-twice", "pvt-source", "base"
#: Options that are also changed back, while the VM is stopped.
BACK = {"cpus", "memory", "description", "tags", "autostart", "networks", "iso"}
FORCE = {"stop_mode": "force"}
_DEEP = pytest.mark.deep("libvirt's test driver, and the doubles in process, below")
_IN_TURN = pytest.param("libvirt_test", marks=pytest.mark.full)
_SELDOM = [pytest.param(name, marks=_DEEP) for name in ("vagrant", "libvirt_qemu", "virtualbox")]


@pytest.fixture(params=[_IN_TURN, *_SELDOM])
def alone(request, ground):
    """A platform with VMs that no other test knows."""
    return ground.open(request.param, "pvt-")


def _known(platform):
    """{option: its two values} of all options that the platform has."""
    traits = platform.traits()
    return {
        option: (first[0], second[0])
        for option, (first, second) in settings(platform).items()
        if has(traits, option) and option not in platform.unusable | platform.not_for_every_power
    }


def _power(platform):
    words = {"paused": PAUSED, "suspended": SUSPENDED}
    there_and_back = [word for word, power in words.items() if power in platform.traits().powers]
    states = ["started", "started", *(state for word in there_and_back for state in (word, "started"))]
    return [("vm", {"state": state, **FORCE}) for state in (*states, "restarted", "stopped", "started")]


def _snapshots():
    return [
        ("snapshot", {"snapshot": "one"}),
        ("snapshot", {"snapshot": "two"}),
        ("snapshot", {"snapshot": "one", "state": "restored"}),
        ("snapshot", {"snapshot": "two", "state": "absent"}),
    ]


def _life(platform):
    known = _known(platform)
    yield "vm", {**platform.creation, **{option: first for option, (first, _second) in known.items()}}
    yield from _power(platform)
    for option, (_first, second) in known.items():
        yield "vm", {option: second, **platform.consent}
    for change in platform.changes_while_running():
        yield "vm", {**change, **platform.consent}
    yield "vm", {"state": "stopped", **FORCE}
    for option in sorted(BACK & known.keys()):
        yield "vm", {option: known[option][0]}
    yield from _snapshots() if platform.has_snapshots else ()
    all_disks = {"delete_disks": "all"}
    yield "vm", {"state": "absent", **({} if rejection(platform.traits(), all_disks) else all_disks), **FORCE}


def _clone(platform, linked):
    """(tasks before, the clone); a linked one of what the platform can link to."""
    before = [("vm", {**platform.creation, "name": [SOURCE]})]
    stands_on = {}
    if linked and platform.linked_needs == "snapshot":
        before.append(("snapshot", {"name": [SOURCE], "snapshot": BASE}))
        stands_on = {"snapshot": BASE}
    elif linked and platform.linked_needs == "template":
        before.append(("vm", {"name": [SOURCE], "template": True}))
    more = {"memory": "96M", "autostart": True, "description": "cloned"}
    more = {option: value for option, value in more.items() if has(platform.traits(), option)}
    return before, {"clone": {"source": SOURCE, "linked": linked, **stands_on}, **more}


def test_every_step_may_be_sent_twice(alone, carry, monkeypatch):
    _assert_alike(alone, carry, monkeypatch, [], list(_life(alone)))


@pytest.mark.parametrize("linked", [False, True], ids=["full", "linked"])
def test_a_clone_may_be_sent_twice(alone, carry, monkeypatch, linked):
    before, clone = _clone(alone, linked)
    never = rejection(alone.traits(), clone)
    if never or not has(alone.traits(), "clone"):
        answer = carry(alone, [Task("clone", {**alone.creation, "name": [NAME], **clone})])["clone"]
        assert (never or alone.traits().instead["clone"]) in answer.msg
        return
    _assert_alike(alone, carry, monkeypatch, before, [("vm", clone)])


def _assert_alike(platform, carry, monkeypatch, before, tasks):
    once, twice = (_ends(platform, carry, monkeypatch, before, tasks, times) for times in ("", "twice"))
    for task, expected, found in zip(tasks, once, twice):
        assert found == expected, task


def _ends(platform, carry, monkeypatch, before, tasks, times):
    """How the VM stands after each of ``tasks``."""
    platform.clean()
    platform.medium()
    for about, asked in before:
        answer = carry(platform, [Task("before", asked, about=about)])["before"]
        assert not answer.failed, answer.msg
    with monkeypatch.context() as patched:
        patched.setenv(TWICE, times)
        ends, power = [], ABSENT
        for about, asked in tasks:
            assert _power_of(platform) == power, (asked, platform.end_of_log(NAME))
            ends.append(_end(platform, carry, about, {"name": [NAME], **asked}))
            power = _power_of(platform)
    platform.clean()
    return ends


def _power_of(platform):
    truth = platform.truth([NAME])[NAME]
    return truth["power"] if truth else ABSENT


def _end(platform, carry, about, asked):
    answer = carry(platform, [Task("task", asked, about=about)], [NAME])["task"]
    assert not answer.failed, (asked, answer.msg)
    truth = answer.truth[NAME]
    # Both here, while the platform still has what proves that a VM died by a fault of its own: one that died after its
    # task was only seen by the next task, as a VM that was stopped.
    assert answer.vm(NAME)["state"] == (truth["power"] if truth else ABSENT), (asked, answer.vms)
    assert not proofs(platform), (asked, answer.vms)
    if truth is not None:
        # Of what runs only the settings: addresses on its buses depend on the way it got there.
        truth = {**truth, "running": platform.settings(truth, "running") if truth["running"] else None}
    return answer.changed, *(comparable(str(one), platform.storage) for one in (truth, platform.files()))


@pytest.mark.parametrize("bench", DOUBLES)
def test_generated_task_may_be_sent_twice(bench):
    @generated(bench.pair_count // 6, bench.cases, at_most=1000)
    def holds(case):
        def prepare(platform):
            platform.prepare(case)
            return platform.asked(case)

        _assert_same_end(bench, prepare)

    holds()


@pytest.mark.parametrize("bench", DOUBLES)
def test_story_may_be_sent_twice(bench):
    with bench.opened() as platform:
        labels = list(stories(platform))
    for label in labels:
        _assert_same_end(bench, lambda platform, label=label: story_task(platform, label))


def _assert_same_end(bench, prepare):
    ends = []
    for times in (nullcontext, each_step_twice):
        with bench.opened() as platform:
            task = prepare(platform)
            with times():
                outcome = platform.task(task)
            platform.assert_sound()
            reported = comparable(repr((outcome.failed, outcome.msg, outcome.changed, outcome.diff)), platform.folder)
            ends.append((reported, platform.end_state()))
    assert ends[0] == ends[1]
