# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: start and stop distributions, and manage the scheduled task that keeps one started. A step may be sent twice."""

from __future__ import annotations

from ..._core.errors import Refused
from ..._tools.wsl import LOGON_REFUSED, guard, read_running, running_call, task_call, task_definition, wsl
from .traits import KEPT

#: Seconds to wait until a scheduled task has started a distribution, and between two checks.
_START_TIMEOUT, _PAUSE = 60, 1


def start(driver, vm, step):
    driver.started.add(_name(driver, vm))
    if driver.keep_running(vm) in KEPT:
        yield from _start_by_task(driver, vm)
    else:
        arguments = ["-d", vm.name, "-u", "root", "--exec", "/bin/true"]
        yield from driver.run(vm.name, arguments, guard(vm.id, _name(driver, vm)))


def _name(driver, vm):
    """Return the name as WSL stores it: the task may write it in another case."""
    raw = driver.host.raw(vm.id)
    return raw["DistributionName"] if raw else vm.name


def _start_by_task(driver, vm):
    yield [*guard(vm.id, _name(driver, vm)), task_call("Enable", vm.id), task_call("Start", vm.id)]
    clock = driver.windows.clock
    deadline = clock.now() + _START_TIMEOUT
    while True:
        result = yield [running_call(driver.host.file), task_call("Get", vm.id)]
        if _name(driver, vm) in read_running(result.answers[0]):
            return
        code = (result.answers[1].objects or ({},))[0].get("LastTaskResult")
        if clock.now() >= deadline or code in LOGON_REFUSED:
            break
        clock.sleep(_PAUSE)
    if vm.id.lower() in driver.registered:
        yield remove_task(driver, vm)  # This Ansible task has created it.
    raise Refused(
        f"{vm.name}: keep_running: the scheduled task does not start the distribution (result 0x{code or 0:08X}).",
        "Give the user the right to log on as a batch job, or set keep_running: at_logon.",
    )


def kill(driver, vm, step):
    driver.started.discard(_name(driver, vm))
    before = guard(vm.id, _name(driver, vm))
    if driver.has_task(vm):
        # A task that is only stopped would start again, so it is disabled first.
        before += [task_call("Disable", vm.id), task_call("Stop", vm.id)]
    arguments = ["--shutdown"] if driver.options.get("shutdown_all") else ["--terminate", vm.name]
    yield from driver.run(vm.name, arguments, before)


# The scheduled task ---------------------------------------------------------------------------------------------------


def keep_calls(driver, vm, keep_running, is_running):
    """Return the calls that create or remove the task; it is disabled while the distribution is stopped."""
    if keep_running == "false":
        return remove_task(driver, vm)
    sid = driver.about.get("sid")
    definition = task_definition(driver.host.file, _name(driver, vm), sid, keep_running == "at_logon", is_running)
    driver.registered[vm.id.lower()] = keep_running
    calls = [task_call("Register", vm.id, Xml=definition, Force=True)]
    return [*calls, task_call("Start", vm.id)] if is_running else calls


def remove_task(driver, vm):
    """Return the calls that remove the task, if there is one."""
    has_task = driver.has_task(vm)
    if has_task:
        driver.registered[vm.id.lower()] = "false"
    return [task_call(verb, vm.id, go_on=True) for verb in ("Disable", "Stop", "Unregister")] if has_task else []


def pause_source(driver, source):
    """Return the calls that stop the task of a running source, and record that the source must be started again."""
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
