# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol of creations: what counts as created by this task, and undoing, for functions and for generators."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import (
    CommandFailed,
    CreatedMeanwhile,
    PolyvirtError,
    Timeout,
    Unexpected,
)
from ansible_collections.polyvirt.core.plugins.module_utils._kit.creation import (
    Creations,
    undone_in_rounds,
    undone_on_failure,
)

FAILED = CommandFailed(["tool"], 1, "disk full")


def test_step_that_was_not_sent_before_reads_nothing():
    assert not Creations().is_complete("web", lambda vm_id: pytest.fail("read"))


@pytest.mark.parametrize("is_finished", [True, False])
def test_step_that_was_sent_before_is_complete_if_its_vm_is(is_finished):
    creations = Creations()
    assert creations.record("web", "id of web") == "id of web"
    asked = []
    assert creations.is_complete("web", lambda vm_id: asked.append(vm_id) or is_finished) == is_finished
    assert asked == [creations.id_of("web")]
    assert creations.id_of("db") is None


@pytest.mark.parametrize("vm_id", ["of another task", None])
def test_vm_of_another_task_is_an_error_with_its_remedy(vm_id):
    creations = Creations()
    creations.record("web", "own")
    creations.check_own("web", "own")
    with pytest.raises(CreatedMeanwhile, match=r"web: another task created a VM with this name at the same time\. Run"):
        creations.check_own("web", vm_id)


def by_function(error, undo, *doubtful):
    with undone_on_failure(undo, *doubtful):
        raise error


def by_generator(error, undo, *doubtful):
    def step():
        yield ["create"]
        raise error

    def undoing(failed):
        yield ["undo"]
        return undo(failed)

    run = undone_in_rounds(step(), undoing, *doubtful)
    assert next(run) == ["create"]
    requests = list(run)
    assert requests == [["undo"]]


FORMS = pytest.mark.parametrize("form", [by_function, by_generator])


@FORMS
def test_failed_creation_is_undone_and_its_error_is_raised(form):
    undone = []
    with pytest.raises(CommandFailed, match="disk full"):
        form(FAILED, undone.append, Timeout)
    assert undone == [FAILED]


@FORMS
def test_nothing_is_undone_if_the_step_is_sent_again(form):
    with pytest.raises(CommandFailed, match="disk full"):
        form(FAILED, lambda error: pytest.fail("undone"), Timeout, CommandFailed)


@FORMS
def test_undoing_can_find_a_better_error(form):
    with pytest.raises(CreatedMeanwhile) as raised:
        form(FAILED, lambda error: CreatedMeanwhile("web"))
    assert raised.value.__cause__ is FAILED


@FORMS
def test_first_error_is_raised_if_undoing_fails_too(form):
    def fail(_error):
        raise PolyvirtError("no connection")

    with pytest.raises(CommandFailed, match="disk full"):
        form(FAILED, fail)


@FORMS
def test_creation_with_a_bug_is_undone_too(form):
    undone = []
    with pytest.raises(KeyError):
        form(KeyError("disk"), undone.append)
    assert [type(error) for error in undone] == [Unexpected]


def test_result_of_a_generator_is_returned():
    def step():
        result = yield ["create"]
        return f"{result} done"

    run = undone_in_rounds(step(), lambda error: pytest.fail("undone"))
    next(run)
    with pytest.raises(StopIteration, match="created done"):
        run.send("created")
