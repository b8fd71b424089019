# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tasks of the Vagrant modules in this process: programs are doubles, and the clock advances only by sleeping."""

from __future__ import annotations

import json
import math
from functools import partial
from types import SimpleNamespace
from unittest import mock

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError, Timeout, Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests, snapshot_requests
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import driver, observe
from ansible_collections.polyvirt.core.plugins.module_utils._engine import together
from ansible_collections.polyvirt.core.plugins.module_utils._engine.inspect import report_snapshots, report_vms
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter as counted
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed
from ansible_collections.polyvirt.core.plugins.modules import (
    vagrant_instance,
    vagrant_instance_info,
    vagrant_snapshot,
    vagrant_snapshot_info,
)

from platforms.vagrant import double_project
from platforms.vagrant.double.registry import Interrupted
from platforms.vagrant.double.virsh import Virsh
from platforms.virtualbox import double_registry as virtualbox_double
from unit.module_utils._engine.world import FakeClock

BOX, FILE = "polyvirt/fast", "Vagrantfile.polyvirt"
_MODULES = {
    "vm": vagrant_instance,
    "vm_info": vagrant_instance_info,
    "snapshot": vagrant_snapshot,
    "snapshot_info": vagrant_snapshot_info,
}
_OPTIONS = vagrant_instance.MODULE.options
_REPORTS = {"vm_info": partial(report_vms, options=_OPTIONS), "snapshot_info": report_snapshots}


def users_file(*names):
    """A user's own Vagrantfile with VMs of these names, or with one VM without a name."""
    vms = "".join(f'  config.vm.define "{name}"\n' for name in names)
    return f'Vagrant.configure("2") do |config|\n  config.vm.box = "{BOX}"\n{vms}end\n'


class Killed(BaseException):
    """The task's process was killed."""


class Clock(FakeClock):
    """A clock that ends the sleep of a program at ``deadline``."""

    deadline = math.inf

    def sleep(self, seconds):
        left = self.deadline - self.now()
        super().sleep(min(seconds, left))
        if seconds > left:
            self.deadline = math.inf
            raise Timeout("The program was killed.", waited=left)


class Programs:
    """The port ``Commands``, simulated.

    ``programs`` is {name: function(argv, environment) that returns (rc, stdout, stderr)}, ``processes`` {PID: command
    line}, ``calls`` the command lines so far.
    """

    def __init__(self, clock, variables):
        self._clock, self._variables = clock, variables
        self.programs, self.processes, self.calls = {}, {}, []

    def find(self, name_or_path, hint=None):
        if name_or_path not in self.programs:
            raise Unavailable(f"{name_or_path} was not found on PATH.", why="not_on_path", remedy=hint)
        return name_or_path

    def environment(self, name):
        return self._variables.get(name) or None

    def run(self, argv, stdin=None, timeout=60, environment=None, writes=False):
        self.calls.append(list(argv))
        self.stdin = stdin
        assert len(self.calls) < 100, "The task does not end."
        self._clock.deadline = self._clock.now() + (timeout or math.inf)
        try:
            result = self.programs[argv[0]](argv, {**self._variables, **(environment or {})})
        except Interrupted:
            raise Killed from None
        self._clock.deadline = math.inf
        completed = Completed(tuple(argv), *result)
        if writes and completed.rc == 0:
            counted.note()
        return completed

    def end(self, pid, is_meant):
        if is_meant(self.processes.get(pid, [])):
            del self.processes[pid]


class Answer(SimpleNamespace):
    """What the module returned, and the command lines that it ran (``calls``)."""

    changed = failed = False

    @property
    def vm(self):
        """The first VM of a task that succeeded."""
        assert not self.failed, self.msg
        return self.vms[0]

    @property
    def error(self):
        """The message of a task that failed."""
        assert self.failed, self.vms
        return self.msg


class World:
    """A project of VMs of one provider; ``virtualbox`` is the double of VirtualBox, if this is the provider.

    ``virsh``: this host has virsh.
    """

    def __init__(self, folder, provider="hyperv", virsh=False):
        box = {"name": BOX, "provider": provider, "version": "0"}
        self.vagrant = double_project.Vagrant(folder, usable=[provider], boxes=[box])
        self.clock = self.vagrant.clock = Clock()
        self.variables = {"VAGRANT_HOME": str(folder / "home"), "VAGRANT_DEFAULT_PROVIDER": provider}
        self.port = Programs(self.clock, self.variables)
        self.port.programs["vagrant"] = lambda argv, environment: self.vagrant.answer(argv[1:], environment)
        self.project, self.file = self.vagrant.project, self.vagrant.project / FILE
        if provider == "virtualbox":
            self.virtualbox = virtualbox_double.VirtualBox(folder / "virtualbox")
            self.vagrant.run = lambda argv, environment=None: self.virtualbox.call(*argv[1:])
            self.port.programs["VBoxManage"] = self.vagrant.run
        self.virsh = Virsh(self.vagrant.registry)
        if virsh:
            self.port.programs["virsh"] = lambda argv, _environment: self.virsh(argv, self.port.stdin)

    def driver(self, **params):
        with mock.patch.object(observe, "Commands", lambda _maximum: self.port):
            return driver.make_driver({"project_dir": str(self.project), **params})

    def run(self, name="web", about="vm", check=False, **options):
        """Run one task. ``name`` may be a list, or None if the task names no VM; ``about`` selects the module."""
        params = {"project_dir": str(self.project), "name": [name] if isinstance(name, str) else name, **options}
        validated = ArgumentSpecValidator(_MODULES[about].MODULE.argument_spec).validate(params)
        self.port.calls = []
        rejected = _MODULES[about].MODULE.platform.rejected(params, _MODULES[about].MODULE.options)
        assert rejected or validated.error_messages == []
        try:
            if rejected:
                raise rejected
            done = self._run_module(validated.validated_parameters, about, check)
        except PolyvirtError as error:
            done = {"vms": [], "failed": True, "msg": str(error)}
        return Answer(calls=self.port.calls, **json.loads(json.dumps(done)))

    def run_all(self, entries, check=False, **options):
        """Run one task with ``machines: entries``, as the module itself does."""
        module = _MODULES["vm"].MODULE
        params = {"project_dir": str(self.project), "machines": entries, **options}
        validated = ArgumentSpecValidator(module.argument_spec).validate(params)
        assert validated.error_messages == []
        self.port.calls = []
        with (
            mock.patch.object(observe, "Commands", lambda _maximum: self.port),
            mock.patch.object(together, "Clock", lambda: self.clock),
        ):
            done = module.result(validated.validated_parameters, SimpleNamespace(check_mode=check))
        assert "exception" not in done, done["exception"]
        return Answer(calls=self.port.calls, **{"msg": "", "vms": [], "diff": [], **json.loads(json.dumps(done))})

    def _run_module(self, params, about, check):
        if about in _REPORTS:
            return _REPORTS[about](self.driver(**params), params, "vagrant")
        to_requests = requests if about == "vm" else snapshot_requests
        requested = to_requests(params, _MODULES[about].MODULE.options)
        return vars(run(self.driver(**params), requested, check, clock=self.clock))

    def create(self, name="web", **options):
        return self.run(name, **{"box": BOX, **options})

    def rejected(self, *texts, **options):
        """Assert that a task fails in check mode and without it, with all texts in its error, and changes nothing."""
        before = self.states()
        for check in (True, False):
            answer = self.run(check=check, **options)
            assert [text for text in texts if text not in answer.error] == [], answer.error
            assert (answer.changed, self.states()) == (False, before)

    def elsewhere(self, name):
        """The folder of another project, with the same provider."""
        other = self.project.parent / "elsewhere" / name
        other.mkdir(parents=True)
        return str(other)

    def files(self):
        """{path: contents} of all files of the project."""
        paths = [path for path in self.project.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.project)): path.read_bytes() for path in paths}

    def states(self):
        """{name: state} of the provider's VMs, in the provider's terms."""
        return {one["name"].removeprefix("project_"): one["state"] for one in self.vagrant.state()["machines"].values()}
