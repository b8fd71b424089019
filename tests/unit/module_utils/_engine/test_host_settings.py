# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that change host settings, with a host in memory: rounds, lost connections, results of failed tasks."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.course import Step, run


class Lost(PolyvirtError):
    """The connection was lost."""


class Host:
    """``values`` must become those of ``wanted``, in its order. Those in ``stubborn`` do not change."""

    transient = Lost

    def __init__(self, wanted, stubborn=(), ends_round=()):
        self.wanted, self.values = wanted, dict.fromkeys(wanted)
        self.stubborn, self.ends_round = set(stubborn), set(ends_round)
        self.applied, self.reconnects, self.events = [], 0, []

    def read(self):
        return dict(self.values)

    def plan(self, state):
        return [
            Step(key, state[key], value, ends_round=key in self.ends_round)
            for key, value in self.wanted.items()
            if state[key] != value
        ]

    def apply(self, steps):
        self.applied.append([step.key for step in steps])
        for step in steps:
            event = self.events.pop(0) if self.events else None
            if isinstance(event, PolyvirtError) and not isinstance(event, Lost):
                raise event
            if step.key not in self.stubborn:
                self.values[step.key] = step.after
            if event:
                raise event

    def reconnect(self):
        self.reconnects += 1

    def facts(self, state, steps):
        return {"host": state}


def test_check_mode_and_run_report_the_same():
    host = Host({"a": 1, "b": 2}, ends_round=["a"])
    predicted = run(host, True, Approval())
    assert (host.applied, host.values) == ([], {"a": None, "b": None})
    done = run(host, False, Approval())
    assert host.applied == [["a"], ["b"]]
    assert done["diff"] == predicted["diff"] == {"before": {"a": None, "b": None}, "after": {"a": 1, "b": 2}}
    assert run(host, False, Approval())["changed"] is False


def test_host_is_read_again_after_a_lost_connection():
    host = Host({"a": 1, "b": 2})
    host.events = [None, Lost("lost"), Lost("lost")]
    done = run(host, False, Approval())
    assert (done["changed"], host.reconnects, host.values) == (True, 1, {"a": 1, "b": 2})
    host = Host({"a": 1})
    host.stubborn, host.events = {"a"}, [Lost("lost")] * 9
    done = run(host, False, Approval())
    assert (done["failed"], done["changed"], host.reconnects) == (True, False, 5)


def test_failed_task_reports_what_was_changed():
    host = Host({"a": 1, "b": 2})
    host.events = [None, Refused("b cannot be set.")]
    done = run(host, False, Approval())
    assert (done["failed"], done["msg"], done["changed"]) == (True, "b cannot be set.", True)
    assert done["diff"] == {"before": {"a": None}, "after": {"a": 1}}


def test_setting_that_does_not_change_is_an_error():
    done = run(Host({"a": 1, "b": 2}, stubborn=["b"]), False, Approval())
    assert done["msg"].startswith("b: the host accepted the change, but has not made it. Its version may not")
    assert done["diff"]["after"] == {"a": 1}


def test_value_that_changed_to_another_one_is_reported():
    host = Host({"a": 3}, stubborn=["a"])
    host.reconnect = lambda: host.values.update(a=2)
    host.events = [Lost("lost"), Refused("a cannot be set.")]
    done = run(host, False, Approval())
    assert (done["changed"], done["diff"]["after"]) == (True, {"a": 2})


@pytest.mark.parametrize("check", [False, True])
def test_steps_that_wait_are_listed_and_not_carried_out(check):
    host = Host({"a": 1})
    host.plan = lambda state: [Step("a", None, 1, waits=True)]
    done = run(host, check, Approval())
    assert (done["changed"], done["pending"], host.applied) == (False, ["a"], [])
