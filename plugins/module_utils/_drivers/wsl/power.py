# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and stopping distributions, and the task that keeps one started. A step may be sent twice."""

from __future__ import annotations

from ..._lifecycle.errors import Refused
from ..._tools.wsl import LOGON_REFUSED, guard, read_running, running_call, task_call, task_definition, wsl
from .traits import KEPT

#: Seconds until a distribution runs that a task has to start, and between two looks.
_STARTING, _LOOKS = 60, 1


def start(driver, vm, step):
    driver.started.add(_name(driver, vm))
    if driver.is_kept(vm) in KEPT:
        yield from _start_by_task(driver, vm)
    else:
        words = ["-d", vm.name, "-u", "root", "--exec", "/bin/true"]
        yield from driver.run(vm.name, words, guard(vm.id, _name(driver, vm)))


def _name(driver, vm):
    """The name as WSL has it: the task may write it in other letters."""
    raw = driver.host.raw(vm.id)
    return raw["DistributionName"] if raw else vm.name


def _start_by_task(driver, vm):
    yield [*guard(vm.id, _name(driver, vm)), task_call("Enable", vm.id), task_call("Start", vm.id)]
    clock = driver.windows.clock
    deadline = clock.now() + _STARTING
    while True:
        result = yield [running_call(driver.host.file), task_call("Get", vm.id)]
        if _name(driver, vm) in read_running(result.answers[0]):
            return
        code = (result.answers[1].objects or ({},))[0].get("LastTaskResult")
        if clock.now() >= deadline or code in LOGON_REFUSED:
            break
        clock.sleep(_LOOKS)
    if vm.id.lower() in driver.registered:
        yield remove_task(driver, vm)  # It was created by this task.
    raise Refused(
        f"{vm.name}: keep_running: the scheduled task does not start the distribution (result 0x{code or 0:08X}).",
        "Give the user the right to log on as a batch job, or set keep_running: at_logon.",
    )


def kill(driver, vm, step):
    driver.started.discard(_name(driver, vm))
    before = guard(vm.id, _name(driver, vm))
    if driver.has_task(vm):
        # Disabled first: it would begin again.
        before += [task_call("Disable", vm.id), task_call("Stop", vm.id)]
    words = ["--shutdown"] if driver.options.get("shutdown_all") else ["--terminate", vm.name]
    yield from driver.run(vm.name, words, before)


# The task -------------------------------------------------------------------------------------------------------------


def keep_calls(driver, vm, how, runs):
    """Calls that create or remove the task; of a distribution that is stopped it is disabled."""
    if how == "false":
        return remove_task(driver, vm)
    sid = (driver.windows.about or {}).get("sid")
    definition = task_definition(driver.host.file, _name(driver, vm), sid, how == "at_logon", runs)
    driver.registered[vm.id.lower()] = how
    calls = [task_call("Register", vm.id, Xml=definition, Force=True)]
    return [*calls, task_call("Start", vm.id)] if runs else calls


def remove_task(driver, vm):
    """Calls that remove the task, if there is one."""
    has_task = driver.has_task(vm)
    if has_task:
        driver.registered[vm.id.lower()] = "false"
    return [task_call(verb, vm.id, go_on=True) for verb in ("Disable", "Stop", "Unregister")] if has_task else []


def pause_source(driver, source):
    """Calls that end the task of a source that runs; it is noted that it has to be started again."""
    raw = driver.host.raw(source.id)
    if raw is None or not driver.host.runs(raw):
        return []
    driver.sources_to_start.add(source.id)
    return [task_call(verb, source.id) for verb in ("Disable", "Stop")] if driver.has_task(source) else []


def resume_source(driver, source):
    """Start the source of a clone again, if it ran."""
    if source.id not in driver.sources_to_start:
        return
    if driver.has_task(source):
        yield from _start_by_task(driver, source)
    else:
        yield [wsl(driver.host.file, ["-d", source.name, "-u", "root", "--exec", "/bin/true"])]
    driver.sources_to_start.discard(source.id)
