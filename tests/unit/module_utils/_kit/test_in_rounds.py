# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps as generators of calls, for several VMs in parallel, with a backend that records its requests."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError, SomeFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._kit.in_rounds import Last, in_rounds
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits

CREATE, START, PAUSE = Step("create"), Step("start"), Step("pause")


class Backend:
    """``done`` are the calls that were carried out. Calls in ``failing`` fail; the request number ``lost`` is lost."""

    def __init__(self, failing=(), lost=None):
        self.failing, self.lost = set(failing), lost
        self.requests, self.done, self.ended = [], [], []

    def send(self, calls):
        self.requests.append(calls)
        if len(self.requests) == self.lost:
            return {place: [(PolyvirtError("lost"), None)] for place in calls}
        return {place: list(self._outcomes(parts)) for place, parts in calls.items()}

    def _outcomes(self, parts):
        for part in parts:
            for place, call in enumerate(part):
                if call in self.failing:
                    self.failing.remove(call)
                    yield PolyvirtError(f"{call} failed"), place > 0
                    return
                self.done.append(call)
            yield [f"{call} done" for call in part], True

    # Steps ------------------------------------------------------------------------------------------------------------

    def step(self, vm, step):
        return getattr(self, f"_{step.verb}")(vm)

    def _create(self, vm):
        yield [f"{vm.name} begin"]
        try:
            results = yield Last([f"{vm.name} disks", f"{vm.name} name"])
        except PolyvirtError:
            yield [f"{vm.name} undo"]
            raise
        assert results == [f"{vm.name} disks done", f"{vm.name} name done"]
        self.ended.append(vm.name)

    def _start(self, vm):
        if vm.name == "locked":
            raise PolyvirtError("it is locked")
        yield [f"{vm.name} start"]

    def _pause(self, vm):
        yield [f"{vm.name} pause"]


def _carried_out(backend, *names, steps=(CREATE, START, PAUSE)):
    return in_rounds(
        backend.step, backend.send, [(Vm(name), steps, permits.ANYTHING) for name in names], permits.granted
    )


def test_first_calls_of_a_step_are_sent_with_the_last_ones_of_the_previous_step():
    backend = Backend()
    assert _carried_out(backend, "a", "b") == [True, True]
    assert [request[0] for request in backend.requests] == [
        [["a begin"]],
        [["a disks", "a name"], ["a start"]],
        [["a pause"]],
    ]
    assert (backend.ended, len(backend.done)) == (["a", "b"], 10)


def test_step_after_a_failed_step_does_not_begin():
    backend = Backend(failing=["a name"])
    with pytest.raises(SomeFailed) as caught:
        _carried_out(backend, "a", "b")
    (error,) = caught.value.by_index.values()
    assert (str(error), error.steps_done, error.wrote) == ("a name failed", 0, True)
    assert (backend.ended, backend.done[-2:]) == (["b"], ["a undo", "b pause"])
    assert "a start" not in backend.done


def test_failed_step_leaves_the_previous_step_complete():
    backend = Backend(failing=["a start"])
    with pytest.raises(PolyvirtError, match="a start failed") as caught:
        _carried_out(backend, "a")
    assert (caught.value.steps_done, caught.value.wrote, backend.ended) == (1, True, ["a"])


def test_error_at_the_beginning_of_a_step_is_raised_after_the_previous_step():
    backend = Backend()
    with pytest.raises(PolyvirtError, match="it is locked") as caught:
        _carried_out(backend, "locked")
    assert (caught.value.steps_done, backend.ended) == (1, ["locked"])


@pytest.mark.parametrize(("lost", "steps_done", "wrote"), [(1, 0, None), (2, 0, True), (3, 2, True)])
def test_lost_request_completes_no_step(lost, steps_done, wrote):
    backend = Backend(lost=lost)
    with pytest.raises(PolyvirtError, match="lost") as caught:
        _carried_out(backend, "a")
    assert (caught.value.steps_done, caught.value.wrote) == (steps_done, wrote)


def test_bug_fails_only_one_vm():
    backend = Backend()
    backend._start = lambda vm: 1 / 0 if vm.name == "a" else Backend._start(backend, vm)
    with pytest.raises(SomeFailed) as caught:
        _carried_out(backend, "a", "b")
    assert [(place, error.steps_done) for place, error in caught.value.by_index.items()] == [(0, 1)]
    assert "b pause" in backend.done
