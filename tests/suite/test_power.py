# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power table on every platform: check mode changes nothing and predicts the run; a second run changes nothing."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import STATES

from suite.answer import Task, writes
from suite.belts import DOUBLES, is_deep
from suite.limits import scaled
from suite.power_expected import EXPECTED
from suite.scenarios.options import rejection
from suite.scenarios.power import MODES, cells

#: The rows that a full run has on the real VirtualBox, too, each with one stop mode.
_ON_REAL = {"paused": "force", "suspended": "force", "restarted": "force", "absent": "graceful"}


def _verbs(is_wanted):
    """All that is done in these rows; ``is_wanted(row, mode)``."""
    done = [
        moves
        for (asked, _found), cell in EXPECTED.items()
        for mode, moves in zip(MODES, cell)
        if is_wanted(asked, mode) and not moves.startswith("refused: ")
    ]
    return {verb for moves in done for verb in moves.split()}


def test_rows_on_the_real_virtualbox_do_all_that_any_row_does():
    """Other tests of a full run create VMs there."""
    on_real = _verbs(lambda row, mode: _ON_REAL.get(row) == mode)
    assert _verbs(lambda row, mode: True) - on_real == {"create"}


def _task(platform, label, row, check, mode=None):
    lacks_timeout = rejection(platform.traits(), {"stop_timeout": 1})
    options = {
        **platform.creation,
        # The VMs that exist are of others, and on WSL each creation has an image.
        **({"adopt": True} if "image" in platform.creation else {}),
        "name": [cell.name for cell in row],
        "state": row[0].asked,
        "stop_mode": mode or row[0].mode,
        # Proxmox VE deletes disks with their VM, also those that this collection did not create.
        **({"delete_disks": "all"} if (row[0].asked, platform.traits().platform) == ("absent", "proxmox") else {}),
        **({} if lacks_timeout else {"stop_timeout": round(scaled(60))}),
    }
    return Task(label, options, check)


def _tasks(platform, mode, row):
    """(tasks, their cells) of a row: of all cells that fail (one error ends the whole task), and of all others."""
    refused, done = [cell for cell in row if cell.refusal], [cell for cell in row if not cell.refusal]
    if refused:
        runs = ("check", "real")
        yield [_task(platform, f"{mode} refused {run}", refused, run == "check") for run in runs], refused
    if done:
        # A second run changes nothing, except a restart. It uses force, because guests that just started do not react.
        again = _task(platform, f"{mode} again", done, False, "force" if row[0].asked == "restarted" else None)
        yield [*(_task(platform, f"{mode} {run}", done, run == "check") for run in ("check", "real")), again], done


def _carried_out(platform, carry, row):
    """{label: Answer} of all tasks of a row; after each, only the state of its own VMs is read."""
    answers = {}
    for mode in MODES:
        for tasks, about in _tasks(platform, mode, [cell for cell in row if cell.mode == mode]):
            answers |= carry(platform, tasks, [cell.name for cell in about])
    return answers


@pytest.mark.parametrize(
    "asked", [pytest.param(state, marks=pytest.mark.real if state in _ON_REAL else ()) for state in STATES]
)
def test_row_of_the_power_table(platform, carry, asked, request):
    platform.clean()
    row = cells(asked, platform, platform.traits())
    if platform.name in DOUBLES and not is_deep(request.config):
        row = [cell for cell in row if cell.mode == _ON_REAL[asked]]
    # Only VMs that are shut down gracefully need a guest.
    obeying = {cell.name for cell in row if "stop" in cell.verbs}
    platform.bring({cell.name: cell.found for cell in row}, obeying)
    names = [cell.name for cell in row]
    before = platform.truth(names)
    answers = _carried_out(platform, carry, row)
    never = rejection(platform.traits(), {"state": asked})
    if never:
        assert {answer.msg for answer in answers.values()} == {never}
        assert [writes(platform, answer) for answer in answers.values() if writes(platform, answer)] == []
        assert platform.truth(names) == before
        return
    for cell in row:
        if cell.refusal:
            _is_refused(platform, cell, answers, before)
        else:
            _is_done(platform, cell, answers, before)


def _is_refused(platform, cell, answers, before):
    for run in ("check", "real"):
        answer = answers[f"{cell.mode} refused {run}"]
        assert answer.failed
        assert not answer.changed
        own = answer.vm(cell.name)
        assert (own["failed"], own["changed"], own["steps"]) == (True, False, [])
        assert own["msg"].startswith(f"{cell.name}: ")
        assert cell.refusal in own["msg"]
        assert own["msg"] in answer.msg
        assert writes(platform, answer) == []
        assert answer.truth[cell.name] == before[cell.name]


def _is_done(platform, cell, answers, before):
    check, real, again = (answers[f"{cell.mode} {run}"] for run in ("check", "real", "again"))
    for answer in (check, real, again):
        assert not answer.failed, answer.msg
    assert writes(platform, check) == []
    assert check.truth[cell.name] == before[cell.name]
    for answer in (check, real):
        own = answer.vm(cell.name)
        done = ([step["verb"] for step in own["steps"]], own["changed"])
        assert done == (list(cell.verbs), bool(cell.verbs)), (writes(platform, answer), platform.end_of_log(cell.name))
    assert check.diff_of(cell.name) == real.diff_of(cell.name)
    assert check.vm(cell.name)["state"] == real.vm(cell.name)["state"] == cell.ends
    _stands(cell, real.truth[cell.name], before[cell.name])
    if cell.asked == "restarted":
        assert again.vm(cell.name)["changed"]
        return
    assert not again.changed
    assert again.diff == []
    assert writes(platform, again) == []
    assert again.truth[cell.name] == real.truth[cell.name]


def _stands(cell, truth, before):
    """Assert that the VM is as requested, and still the same VM."""
    if cell.ends == ABSENT:
        assert truth is None
        return
    assert truth["power"] == cell.ends
    if before is not None:
        assert (truth["id"], truth["stored"]) == (before["id"], before["stored"])
