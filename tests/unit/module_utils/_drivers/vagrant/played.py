# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of the Vagrant modules in this process: programs are doubles, and time passes only while somebody sleeps."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass
from unittest import mock

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import driver as under_test
from ansible_collections.polyvirt.core.plugins.module_utils._info import look_around, look_at_snapshots
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle import options as specs
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import PolyvirtError, Timeout, Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.request import requests, snapshot_requests
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed
from ansible_collections.polyvirt.core.plugins.module_utils._runner import run
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrantfile
from ansible_collections.polyvirt.core.plugins.modules.vagrant_instance import SETTINGS

from unit.module_utils.world import FakeClock
from vagrant import double
from virtualbox import double as virtualbox_double

BOX, FILE = "polyvirt/fast", "Vagrantfile.polyvirt"
#: {what a task is about: (argument spec, what reads its requests)}, and the modules that only report.
_TASKS = {
    "vm": ({**specs.VM, **specs.VAGRANT_INSTANCE}, lambda params: requests(params, SETTINGS)),
    "snapshot": (specs.SNAPSHOT, snapshot_requests),
}
_REPORTS = {"vm_info": look_around, "snapshot_info": look_at_snapshots}


class Killed(BaseException):
    """The task's process was killed."""


class Clock(FakeClock):
    """A program that sleeps beyond ``deadline`` is cut off there."""

    deadline = math.inf

    def sleep(self, seconds):
        left = self.deadline - self.now()
        super().sleep(min(seconds, left))
        if seconds > left:
            raise Timeout("killed", waited=None)


class Programs:
    """The port ``Commands``: ``programs`` are functions of command line and environment, ``calls`` command lines.

    ``processes`` are {number: command line} of what runs beside them. ``kill_at`` is a number of a call, and a half of
    one more to kill the task after it instead of before it.
    """

    def __init__(self, clock, variables):
        self._clock, self.variables = clock, variables
        self.programs, self.processes, self.calls, self.kill_at = {}, {}, [], None

    def find(self, name_or_path, hint=None):
        if name_or_path not in self.programs:
            raise Unavailable(f"{name_or_path} was not found on PATH.", why="not_on_path", remedy=hint)
        return name_or_path

    def environment(self, name):
        return self.variables.get(name)

    def run(self, argv, stdin=None, timeout=60, environment=None):
        self.calls.append(list(argv))
        self._die_at(len(self.calls))
        self._clock.deadline = math.inf if timeout is None else self._clock.now() + timeout
        try:
            answer = self.programs[argv[0]](argv, {**self.variables, **(environment or {})})
        finally:
            self._clock.deadline = math.inf
        self._die_at(len(self.calls) + 0.5)
        return Completed(tuple(argv), *answer)

    def _die_at(self, moment):
        if self.kill_at == moment:
            raise Killed

    def end(self, pid, is_meant):
        if is_meant(self.processes.get(pid, [])):
            del self.processes[pid]


@dataclass
class Answer:
    """How a task ended, as its module returns it; ``calls`` are the command lines it started."""

    calls: list
    vms: list
    changed: bool = False
    failed: bool = False
    msg: str = ""
    diff: tuple = ()
    warnings: tuple = ()
    host: dict | None = None

    @property
    def vm(self):
        """The one VM of a task that succeeded."""
        assert not self.failed, self.msg
        return self.vms[0]

    @property
    def error(self):
        """The message of a task that failed."""
        assert self.failed, self.vms
        return self.msg


class World:
    """A project whose VMs have one provider. ``virtualbox`` is the double of VirtualBox, where that is the provider."""

    def __init__(self, folder, provider="hyperv"):
        boxes = [{"name": BOX, "provider": provider, "version": "0"}]
        self.provider, self.vagrant = provider, double.Vagrant(folder, usable=[provider], boxes=boxes)
        self.clock = self.vagrant.clock = Clock()
        self.variables = {"VAGRANT_HOME": str(folder / "home"), "VAGRANT_DEFAULT_PROVIDER": provider}
        self.port = Programs(self.clock, self.variables)
        self.port.programs["vagrant"] = lambda argv, environment: self.vagrant.answer(argv[1:], environment)
        self.project, self.file = self.vagrant.project, self.vagrant.project / FILE
        if provider == "virtualbox":
            self.virtualbox = virtualbox_double.VirtualBox(folder / "virtualbox")
            self.vagrant.run = lambda argv: self.virtualbox.call(*argv[1:])
            self.port.programs["VBoxManage"] = lambda argv, environment: self.virtualbox.call(*argv[1:])

    def driver(self, **params):
        with mock.patch.object(under_test, "Commands", lambda: self.port):
            return under_test.make_driver({"project_dir": str(self.project), **params})

    def run(self, name="web", about="vm", check=False, **options):
        """One task. ``name`` may be a list, or None for none."""
        spec, read = _TASKS.get(about, (specs.VM_INFO, None))
        asked = {"project_dir": str(self.project), **options}
        asked.update({} if name is None else {"name": [name] if isinstance(name, str) else name})
        params = ArgumentSpecValidator({**spec, **specs.VAGRANT}).validate(asked)
        assert params.error_messages == []
        self.port.calls = []
        try:
            return self._carry_out(params.validated_parameters, about, read, check)
        except PolyvirtError as error:
            return Answer(self.port.calls, [], failed=True, msg=str(error))

    def _carry_out(self, params, about, read, check):
        driver = self.driver(**params)
        done = _REPORTS[about](driver, params) if read is None else vars(run(driver, read(params), check, self.clock))
        return Answer(self.port.calls, **json.loads(json.dumps(done)))

    def create(self, name="web", **options):
        return self.run(name, **{"box": BOX, **options})

    def describe(self, names):
        """Write a managed file, without a task."""
        vms = [{"name": name, "box": BOX, "provider": self.provider} for name in names]
        self.vagrant.write(vagrantfile.render({"machines": vms}))

    def files(self):
        """{path: digest} of all files of the project."""
        paths = [path for path in self.project.rglob("*") if path.is_file()]
        return {os.path.relpath(path, self.project): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}

    def states(self):
        """{name: state} of the VMs that the provider has, in its own words."""
        return {one["name"].removeprefix("project_"): one["state"] for one in self.vagrant.state()["machines"].values()}
