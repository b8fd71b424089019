# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one task of the VirtualBox driver, on the real VirtualBox or its double, and record the calls that it makes."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import fields
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request, SnapshotRequest, Target
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.driver import VBoxDriver
from ansible_collections.polyvirt.core.plugins.module_utils._engine.inspect import report_vms
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage

from .registry import ENGINE

MIB = 1 << 20
#: The smallest VM that starts here.
SMALL = {"cpus": 1, "memory": 16 * MIB, "disks": {"#0": {"size": 2 * MIB}}, "native": ENGINE}
#: Any of these words marks a call that changes nothing.
_READING = {"--version", "list", "showvminfo", "showmediuminfo", "guestproperty"}
_READS = ("--version", "list", "showvminfo", "showmediuminfo", "guestproperty enumerate")


class Killed(BaseException):
    """Ends the task like SIGKILL: the product does not catch it."""


def killed_after(commands_of, number):
    """A subclass of ``commands_of`` that raises Killed after the ``number``-th call that changes something."""

    class KilledCommands(commands_of):
        left = number

        def run(self, argv, **options):
            done = super().run(argv, **options)
            if argv[0].endswith("VBoxManage") and not _READING & set(argv[1:]):
                self.left -= 1
                if self.left == 0:
                    raise Killed
            return done

    return KilledCommands


@dataclass
class TaskResult:
    """The outcome of a task, and its calls."""

    outcome: object
    calls: list = field(default_factory=list)

    @property
    def changed(self):
        return self.outcome.changed

    @property
    def vms(self):
        return self.outcome.vms

    @property
    def vm(self):
        return self.vms[0]

    @property
    def writes(self):
        """The calls that change something, each as one line without the VM's UUID."""
        calls = [[word for word in call if word != self.vm["id"]] for call in self.calls]
        lines = [" ".join(call) for call in calls]
        return [line for line in lines if not line.startswith(_READS) and " showvminfo " not in f" {line} "]

    @property
    def verbs(self):
        """The command of each call that changes something, with the subcommand if there is one."""
        calls = (line.split() for line in self.writes)
        return [" ".join(words[: 2 if words[0] in ("controlvm", "snapshot", "sharedfolder") else 1]) for words in calls]

    def succeeded(self):
        assert not self.outcome.failed, self.outcome.msg
        return self

    def failed_late(self, *words):
        """Assert that the task failed, maybe after changes, and that its message contains all ``words``."""
        assert self.outcome.failed, self.vms
        assert [word for word in words if word not in self.outcome.msg] == [], self.outcome.msg
        return self

    def failed(self, *words):
        """Assert the same, and that the task changed nothing."""
        assert not self.changed, self.vms
        return self.failed_late(*words)

    def refused(self, *words):
        """Assert the same, and that no call that changes something was made."""
        assert self.failed(*words).writes == []
        return self


def task(box, *names, state="present", config=None, check=False, commands=None, **more):
    """Run one task. ``more`` contains fields of its Policy, ``snapshot`` (fields of SnapshotRequest), ``before``,
    ``after`` and ``fails`` (see RecordingCommands), ``start_type``, ``storage_path``, ``executable`` (instead of the
    box's own) and ``id``; everything else is passed as ``creation``.
    """
    policy = {key: more.pop(key) for key in list(more) if key in fields(Policy)}
    snapshot = more.pop("snapshot", None)
    config = (SMALL if config is None and state != "absent" and not snapshot else config) or {}
    others = {key: more.pop(key, None) for key in ("before", "after", "fails")}
    commands = commands or box.commands(**others)
    clock = box.clock
    tool = VBoxManage(commands, str(more.pop("executable", box.executable)), clock=clock)
    settings = {key: more.pop(key) for key in ("start_type", "storage_path") if key in more}
    driver = VBoxDriver(tool, commands, {"native": config.get("native"), **settings})
    machine_id = more.pop("id", None)
    requests = [
        Request(
            name=None if machine_id else name,
            id=machine_id,
            state=state,
            config=config,
            creation=more,
            policy=Policy(**{"stop_mode": "force", "timeout": 30, **policy}),
            snapshot=SnapshotRequest(**snapshot) if snapshot else None,
        )
        for name in names or ("web",)
    ]
    return TaskResult(run(driver, requests, check=check, clock=clock), commands.calls)


def rejected(box, *words, name="web", **more):
    """Assert that a task is rejected, in check mode too, with a message that contains all ``words``."""
    for check in (True, False):
        task(box, name, check=check, **more).refused(*words)


def twice(box, *names, **more):
    """Run a task twice; assert that the second run changes nothing. Return the result of the first."""
    done = task(box, *names, **more).succeeded()
    assert task(box, *names, **more).succeeded().writes == []
    return done


def configure(box, name="web", **config):
    """Change settings as in ``twice``."""
    return twice(box, name, config=config)


def several(box, *entries, check=False):
    """Run one task with an entry for each VM: (name, state, other fields of its Request)."""
    commands = box.commands()
    driver = VBoxDriver(VBoxManage(commands, str(box.executable), clock=box.clock), commands, {"native": ENGINE})
    policy = Policy(stop_mode="force", timeout=30)
    requests = [Request(**{"policy": policy, **more}, name=name, state=state) for name, state, more in entries]
    return TaskResult(run(driver, requests, check=check, clock=box.clock), commands.calls)


def snapshot(box, snapshot_name, name="web", state="present", **more):
    """Run one task about a snapshot; ``more`` as in ``task``, and ``children``, ``description``, ``power``."""
    fields = {key: more.pop(key) for key in ("children", "description", "power") if key in more}
    return task(box, name, snapshot={"name": snapshot_name, "state": state, **fields}, **more)


def driver_of(box, commands=None, **settings):
    commands = commands or box.commands()
    return VBoxDriver(VBoxManage(commands, str(box.executable), clock=box.clock), commands, settings)


def observed(box, *facets, name="web", **settings):
    """One VM as the driver observes it."""
    (vm,) = driver_of(box, **settings).observe([Target(name=name)], frozenset({"power", "config", *facets})).vms
    return vm


def info(box, *names, commands=None):
    """What ``vbox_vm_info`` returns."""
    return report_vms(driver_of(box, commands), {"name": list(names) or None}, "virtualbox")
