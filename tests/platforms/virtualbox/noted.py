# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task on a VirtualBox, real or played, with the calls that it made."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.driver import VBoxDriver
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import Policy, Request, SnapshotRequest
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage

from .registry import ENGINE

MIB = 1 << 20
#: The smallest machine that starts here.
SMALL = {"cpus": 1, "memory": 16 * MIB, "disks": {"#0": {"size": 2 * MIB}}, "native": ENGINE}
_READING = {"--version", "list", "showvminfo", "showmediuminfo", "guestproperty"}
_READS = ("--version", "list", "showvminfo", "showmediuminfo", "guestproperty enumerate")


class Noting(Commands):
    """Notes the calls of VBoxManage; ``before`` is {word: what happens just before the first call with it}."""

    def __init__(self, before=None):
        self.before, self.calls = dict(before or {}), []

    def run(self, argv, **options):
        if argv[0].endswith("VBoxManage"):
            self.calls.append(tuple(argv[1:]))
            for word in self.before.keys() & set(argv):
                self.before.pop(word)()
        return super().run(argv, **options)


class Killed(BaseException):
    """As SIGKILL would: nobody catches it."""


def killed_after(commands_of, number):
    """Calls of VBoxManage of which the one that changes something for the ``number``-th time is the last."""

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
class Done:
    """What a task came to."""

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
        """The changing calls, each as its words but the machine's UUID."""
        words = [[word for word in call if word != self.vm["id"]] for call in self.calls]
        lines = [" ".join(call) for call in words]
        return [line for line in lines if not line.startswith(_READS) and " showvminfo " not in f" {line} "]

    @property
    def verbs(self):
        """The first words of the changing calls, with the second where that tells what is done."""
        shown = (line.split() for line in self.writes)
        return [" ".join(words[: 2 if words[0] in ("controlvm", "snapshot", "sharedfolder") else 1]) for words in shown]

    def well(self):
        assert not self.outcome.failed, self.outcome.msg
        return self

    def failed(self, *words):
        """With these words in its message, and nothing was changed."""
        assert (self.outcome.failed, self.changed) == (True, False), self.vms
        assert [word for word in words if word not in self.outcome.msg] == [], self.outcome.msg
        return self

    def refused(self, *words):
        """Failed before anything was tried."""
        assert self.failed(*words).writes == []
        return self


def task(box, *names, state="present", config=None, check=False, commands=None, **more):
    """Carry out one task; ``more`` are parts of its policy, its snapshot, or what the machine is made from, and
    ``before`` (see Noting), ``start_type``, ``storage_path``, and ``executable``, which stands before the box's own.
    ``clock`` is what the task waits by.
    """
    policy = {key: more.pop(key) for key in list(more) if key in Policy.__dataclass_fields__}
    snapshot = more.pop("snapshot", None)
    config = (SMALL if config is None and state != "absent" and not snapshot else config) or {}
    commands = commands or Noting(more.pop("before", None))
    clock = more.pop("clock", None)
    tool = VBoxManage(commands, str(more.pop("executable", box.executable)), clock=clock)
    settings = {key: more.pop(key) for key in ("start_type", "storage_path") if key in more}
    driver = VBoxDriver(tool, commands, native_keys=tuple(config.get("native") or ()), **settings)
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
    return Done(run(driver, requests, check=check, clock=clock), commands.calls)


def snapshot(box, name, taken, state="present", **more):
    """Carry out one task about a snapshot."""
    return task(box, name, snapshot={"name": taken, "state": state, **more})
