# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tasks: in a fork of a prepared process, or by ``ansible-playbook`` (the tour).

Both run the module's ``main()`` with the arguments of a task and the same commands first on PATH. A fork takes 0.02 s.
It does not test how Ansible transfers a module; the tour does.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

from suite import by_ansible, forked
from suite.answer import Answer
from suite.fork_server import NOW
from suite.shim import as_calls

#: A variable of the environment of tests in which the host of each task has the time that the task sets.
SAME_CLOCK = "POLYVIRT_TEST_SAME_CLOCK"
#: The same for all tasks: what two runs leave behind is compared, and it has the time of creation.
_NOW = int(time.time())


def carry(platform, shim, folder, tasks, machines=(), by="forked", secrets=(), reach=()):
    """Run ``tasks`` in their order and return {label: Answer}; every task runs, even after one that failed.

    ``machines`` are names of VMs; their state is read after each task. ``by`` is "forked", or Ansible's way:
    "shipped" or "in_process", which also check that no one of ``secrets`` is shown. ``reach`` are keywords of a play
    that connects in another way than locally.
    """
    if by != "forked":
        answers = by_ansible.play(platform, shim, folder, tasks, machines, secrets, by == "shipped", reach)
    else:
        answers = {task.label: _carry(platform, shim, folder, task, machines) for task in tasks}
    assert_same_plans(tasks, answers)
    return answers


def assert_same_plans(tasks, answers):
    """Assert that a task has the digest that it had in check mode just before, and one only if it changes something."""
    for check, real in zip(tasks, tasks[1:]):
        is_pair = (check.check, real.check) == (True, False)
        if is_pair and replace(check, label="", check=False) == replace(real, label=""):
            plans = [answers[task.label].result.get("plan") for task in (check, real) if not answers[task.label].failed]
            assert len(set(plans)) < 2, f"{real.label}: the plans {plans} differ"
    for task in tasks:
        answer = answers[task.label]
        if "plan" in answer.result and not answer.failed:
            assert bool(answer.result["plan"]) == answer.changed, f"{task.label}: the plan is {answer.result['plan']}"


def carry_one(platform, shim, folder, options, about="vm", check=False):
    """Run one module in a fork, and do not read the VMs' states; the shim counts its calls from 1, and may kill it."""
    arguments = folder / "arguments.json"
    internal = {"_ansible_remote_tmp": str(folder), "_ansible_diff": True, "_ansible_check_mode": check}
    given = {**platform.options(about), **internal, **_of_action(about), **options}
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
    shim.reset_calls()
    environment = {**os.environ, **shim.environment(programs=platform.programs)}
    if SAME_CLOCK in os.environ and "controller_time" in options:
        environment[NOW] = str(options["controller_time"])
        set_host_time(platform, options["controller_time"])
    module = by_ansible.module_of(platform, about).rpartition(".")[2]
    clock = getattr(platform, "clock", None)
    rc, stdout, stderr = forked.run(module, arguments, environment, folder, clock)
    assert rc < 0 or "Traceback" not in stdout + stderr, stdout + stderr
    recorded = platform.recorded_calls() if hasattr(platform, "recorded_calls") else ()
    return Answer(json.loads(stdout) if stdout.strip() else {}, rc, calls=[*shim.calls(), *as_calls("", recorded)])


def set_host_time(platform, now):
    """Set the clock of the double of a host: modules compare it with that of the controller."""
    windows = getattr(getattr(platform, "host", None), "windows", None)
    if windows is not None:
        windows.about["now"] = time.strftime("%Y-%m-%dT%H:%M:%S.0000000Z", time.gmtime(now))
    cluster = getattr(getattr(platform, "world", None), "cluster", None)
    for node in cluster.nodes.values() if cluster else ():
        node.clock_ahead = now - int(time.time())


def _of_action(about):
    """What the action plugin of a module passes to it."""
    return {"controller_time": _NOW} if about in ("vm", "vm_info", "snapshot", "backup") else {}


def _carry(platform, shim, folder, task, machines):
    answer = carry_one(platform, shim, folder, task.options, task.about, task.check)
    return replace(answer, truth=platform.truth(machines))
