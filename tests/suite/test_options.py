# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option on every platform: set on creation, changed while off and on, unchanged if omitted, or rejected."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM
from ansible_collections.polyvirt.core.plugins.module_utils._core.units import parse_size

from suite.answer import Task
from suite.scenarios.options import CREATION, POLICY, has, rejection, settings

OFF, ON = "pvc-option-off", "pvc-option-on"
BOTH = [OFF, ON]
#: Options that do not concern the running VM: their value is the same in the stored and the running configuration.
NOT_OF_RUNNING_VM = {"description", "tags", "fleet", "owner", "expires", "autostart"}
RUNS = ("check", "real", "again")


@pytest.mark.core
def test_every_option_has_a_scenario(platform):
    assert POLICY | set(CREATION) | set(settings(platform)) == set(VM) | set(platform.own_settings())


@pytest.mark.core
def test_options_that_the_platform_has(platform, carry):
    platform.clean()
    traits = platform.traits()
    usable = [option for option in settings(platform) if has(traits, option) and option not in platform.unusable]
    known = {option: values for option, values in settings(platform).items() if option in usable}
    first = {option: values[0][0] for option, values in known.items()}
    options = {**platform.creation, "name": BOTH, **first}
    made = carry(platform, [Task(run, options, run == "check") for run in RUNS], BOTH)
    read_back = {option: values[0][1] for option, values in known.items()}
    _is_made(platform, made, read_back)
    platform.move(ON, RUNNING)
    tasks = [
        Task(f"{option} {run}", {**platform.consent, "name": BOTH, option: values[1][0]}, run == "check")
        for option, values in known.items()
        for run in RUNS
    ]
    answers = carry(platform, [*tasks, Task("left out", {"name": BOTH})], BOTH)
    for option, values in known.items():
        read_back[option] = values[1][1]
        _is_changed(platform, [answers[f"{option} {run}"] for run in RUNS], option, read_back)
    last = answers["left out"]
    assert not last.changed
    assert last.truth == answers[tasks[-1].label].truth


@pytest.mark.core
def test_remedy_for_another_file_of_a_disk_detaches_only_this_disk(platform, carry):
    platform.clean()
    if "disks.source" not in platform.traits().fields:
        return
    # vmd rejects a VM without a disk.
    *_others, slot = slots = platform.slots[:2]
    disks = [{"slot": one, "size": platform.disk_size} for one in slots]
    made = carry(platform, [Task("made", {**platform.creation, "name": BOTH, "disks": disks})], BOTH)["made"]
    other = {"name": [OFF], "disks": [{"slot": slot, "source": made.vm(ON)["disks"][-1]["source"]}]}
    failed = carry(platform, [Task("other", other)], BOTH)["other"]
    remedy = yaml.safe_load(re.search(r"in a task with (disks: .*), and attach another\.", failed.msg)[1])
    done = carry(platform, [Task("done", {**platform.consent, "name": [OFF], **remedy})], BOTH)["done"]
    assert (done.failed, done.changed) == (False, True), done.msg
    assert slot not in [one["slot"] for one in done.vm(OFF)["disks"]]


@pytest.mark.real
@pytest.mark.core
def test_the_only_disk_of_a_vm_grows_wherever_it_is(platform, carry):
    """An entry without a slot is that disk, and not a second, empty one in the first slot."""
    platform.clean()
    second, size = platform.slots[1], parse_size(platform.disk_size or "16M", "size")
    new = {**platform.creation, "name": [OFF], "disks": [{"slot": second, "size": f"{size}B"}]}
    made = carry(platform, [Task("made", new)], [OFF])["made"]
    if made.failed:
        # Where slots have no gaps, or a VM has one disk.
        assert second in made.msg or "disk" in made.msg
        return
    grown = {**platform.consent, "name": [OFF], "disks": [{"size": f"{2 * size}B"}]}
    answers = carry(platform, [Task(run, grown, run == "check") for run in RUNS], [OFF])
    check, real, again = (answers[run] for run in RUNS)
    if real.failed:
        assert (check.failed, f"disks.{second}" in real.msg) == (True, True), real.msg
        assert real.truth == made.truth
        return
    assert [change["path"] for step in real.vm(OFF)["steps"] for change in step["changes"]] == [f"disks.{second}.size"]
    assert check.diff == real.diff
    assert (again.failed, again.changed) == (False, False)


def _is_made(platform, answers, read_back):
    check, real, again = (answers[run] for run in RUNS)
    assert not real.failed, real.msg
    assert (check.failed, check.changed, check.diff) == (False, True, real.diff)
    assert check.truth == {OFF: None, ON: None}
    for name in BOTH:
        assert _settings(platform, real, name) == read_back
        assert real.truth[name]["power"] == STOPPED
    _did_nothing(platform, again, real)


def _is_changed(platform, answers, option, read_back):
    check, real, again = answers
    assert not real.failed, f"{option}: {real.msg}"
    assert (check.failed, check.changed, check.diff) == (False, True, real.diff), option
    assert [call.argv for call in check.calls if platform.is_write(call)] == []
    for name in BOTH:
        assert real.vm(name)["changed"], option
        assert _settings(platform, real, name) == read_back, option
    _tells_what_a_restart_brings(platform, real)
    _did_nothing(platform, again, real)


def _tells_what_a_restart_brings(platform, answer):
    """``restart_required`` names exactly the options that are stored and not yet in force. The VM was started without
    the module.
    """
    machine = answer.truth[ON]
    stored, running = (platform.settings(machine, which) for which in ("stored", "running"))
    differing = {option for option in stored if stored[option] != running[option]} - NOT_OF_RUNNING_VM
    left_open = platform.open_by_hand & {option for option in stored if stored[option]}
    others = {name for option in differing for name in platform.changing_with.get(option, ())}
    assert {path.split(".")[0] for path in answer.vm(ON)["restart_required"]} == differing | left_open | others
    assert answer.vm(OFF)["restart_required"] == []


def _did_nothing(platform, answer, before):
    assert (answer.failed, answer.changed, answer.diff) == (False, False, []), answer.msg
    assert [call.argv for call in answer.calls if platform.is_write(call)] == []
    assert answer.truth == before.truth


def _settings(platform, answer, name):
    return platform.settings(answer.truth[name])


def test_options_that_the_platform_lacks(platform, carry):
    platform.clean()
    platform.bring({OFF: STOPPED})
    before = platform.truth(BOTH)
    traits = platform.traits()
    examples = {**{option: values[0][0] for option, values in settings(platform).items()}, **CREATION}
    lacking = {option: value for option, value in examples.items() if not has(traits, option)}
    tasks = [Task(option, {**platform.creation, "name": BOTH, option: value}) for option, value in lacking.items()]
    answers = carry(platform, tasks, BOTH)
    for option in lacking:
        answer = answers[option]
        assert (answer.failed, answer.changed) == (True, False), option
        never = rejection(traits, {option: examples[option]})
        assert never is None or answer.msg == never
        for name in BOTH if never is None else ():
            said = answer.vm(name)["msg"]
            assert said.startswith(f"{name}: {option}") and f" is not supported on {traits.platform}." in said, said
            assert traits.instead[option] in said
        assert [call.argv for call in answer.calls if platform.is_write(call)] == []
        assert answer.truth == before, option
