# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vmd driver with the double of an OpenBSD host in this process: no program is started, and time is simulated."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Timeout
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import option as options
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import argument_spec
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm import edit, guards, host, observe
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.driver import VmmDriver
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.options import VM, VMM
from ansible_collections.polyvirt.core.plugins.module_utils._engine.inspect import report_vms
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import in_full
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter as counted
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands, Completed
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vmctl import Vmctl

from platforms.vmm.double.options import TimedOut
from platforms.vmm.double_host import OpenBSD
from unit.module_utils._engine.world import FakeClock

OPTIONS = VMM.supported({**options.VM, **VM})
#: The block of a VM of the administrator.
FOREIGN = 'vm "mail" {{\n\tmemory 64M # small\n\tdisk "{disk}"\n{more}}}\n'
#: The options of a VM with one small disk.
DISKS = {"disks": [{"size": "16M"}]}


class Host(OpenBSD):
    """A host on which vmd runs. Its time passes while a task sleeps, and with each call."""

    def __init__(self, folder, **known):
        super().__init__(folder, **known)
        self.folder, self.storage, self.timer = Path(folder), Path(folder) / "vms", _Timer(self)
        self.storage.mkdir()
        self.write("/var/run/dmesg.boot", "vmm0 at mainbus0: VMX/EPT\n")
        for action in ("enable", "start"):
            self.well("rcctl", action, "vmd")

    def well(self, *words):
        """Return the output of a call that must succeed."""
        answer = self.call(*words)
        assert answer.returncode == 0, (words, answer)
        return answer.stdout

    @property
    def config_file(self):
        return self.file("/etc/vm.conf")

    def text(self):
        return self.config_file.read_text(encoding="latin-1") if self.config_file.exists() else ""

    def states(self):
        """Return {name: state} from vmctl status."""
        rows = [line.split() for line in self.call("vmctl", "status").stdout.splitlines()[1:]]
        return {row[8]: row[7] for row in rows}

    def disk(self, name="user.qcow2", size="16M"):
        """Return the path of a disk image that no task has created."""
        path = self.storage / name
        if not path.exists():
            self.well("vmctl", "create", "-s", size, str(path))
        return str(path)

    def files(self):
        return sorted(path.name for path in self.storage.iterdir())


class _Timer(FakeClock):
    """A clock that the host shares."""

    def __init__(self, host):
        super().__init__()
        self._host = host

    def sleep(self, seconds):
        super().sleep(seconds)
        self._host.sleep(seconds)


class InProcess(Commands):
    """Runs programs for the driver on the double.

    ``before`` is {argument: function}: the function is called before the first call with this argument, and does what
    another client does.
    """

    def __init__(self, machine, before=None):
        self._host, self.calls, self.before = machine, [], dict(before or {})

    def find(self, name_or_path, hint=None):
        return name_or_path

    def run(self, argv, stdin=None, timeout=60, environment=None, writes=False):
        program = os.path.basename(argv[0])
        if program in ("xorriso", "genisoimage"):
            return _make_iso(argv)
        self.calls.append((program, *argv[1:]))
        for word in self.before.keys() & set(argv):
            self.before.pop(word)()
        if program == "ssh":
            return self._by_ssh(argv)
        try:
            answer = self._host.call(program, *argv[1:], patience=timeout)
        except TimedOut:
            counted.note(doubtful=True)
            raise Timeout(f"{argv[0]} did not end.", waited=timeout) from None
        if writes and answer.returncode == 0:
            counted.note()
        return Completed(tuple(argv), answer.returncode, answer.stdout, answer.stderr)

    def _by_ssh(self, argv):
        """Shut down the running guests, as the command of guest_shutdown would."""
        for vm in self._host.state.look()["vms"]:
            if vm.get("running"):
                self._host.well("vmctl", "stop", "-fw", vm["name"])
        return Completed(tuple(argv), 0, "", "")


def _make_iso(argv):
    path, folder = argv[argv.index("-o") + 1], Path(argv[-1])
    content = b"".join(file.read_bytes() for file in sorted(folder.iterdir()))
    Path(path).write_bytes(content.ljust(65536, b"\0"))
    return Completed(tuple(argv), 0, "", "")


@contextmanager
def openbsd(**known):
    """Yield a host. The driver reads files with fixed paths below the root of the host."""
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "host").mkdir()
        found = Host(folder / "host", **known)
        places = [
            (guards, "_FIRMWARE", "/etc/firmware/vmm-bios"),
            (guards, "_DEVICES", "/dev"),
            (host, "_FIRMWARE", "/etc/firmware/vmm-bios"),
            (host, "_DMESG", "/var/run/dmesg.boot"),
            (observe, "LEASES", "/var/db/dhcpd.leases"),
        ]
        clock = partial(mock.patch.object, attribute="Clock", new=lambda: found.timer, create=True)
        with clock(edit), clock(observe):
            for module, name, path in places:
                mock.patch.object(module, name, str(found.file(path))).start()
            yield found
    finally:
        mock.patch.stopall()
        shutil.rmtree(folder)


def driver_of(machine, commands=None, **given):
    """Return (driver, all options with defaults) of a task with these options."""
    of_host = {"config_file": str(machine.config_file), "storage_path": str(machine.storage)}
    checked = ArgumentSpecValidator(argument_spec(OPTIONS)).validate({**of_host, **given})
    assert not checked.error_messages, checked.error_messages
    params = in_full(checked.validated_parameters, OPTIONS, VMM)
    commands = commands or InProcess(machine)
    return VmmDriver(Vmctl(commands), commands, params), params


def task(machine, check=False, commands=None, probe=lambda *_probed: True, **given):
    """Return the Outcome of a task about the VM web, or about those in ``name``."""
    driver, params = driver_of(machine, commands, **{"name": ["web"], **given})
    return run(driver, requests(params, OPTIONS), check, clock=machine.timer, probe=probe)


def well(machine, **given):
    """Return the Outcome of a task that must not fail."""
    outcome = task(machine, **given)
    assert not outcome.failed, outcome.msg
    return outcome


def rejected(machine, *words, **given):
    """Assert that a task fails in check mode and without it, with all words in its message, and changes no file."""
    before = machine.text(), machine.files()
    for check in (True, False):
        outcome = task(machine, check=check, **given)
        assert (outcome.failed, outcome.changed) == (True, False), outcome.msg
        assert [word for word in words if word not in outcome.msg] == [], outcome.msg
        assert (machine.text(), machine.files()) == before


def info(machine, *names, **more):
    """Return the result of vmm_vm_info."""
    driver, _params = driver_of(machine, name=["web"])
    return report_vms(driver, {"name": list(names) or None, **more}, "vmd")


def foreign(host, more="", name="/etc/vm.conf", before=""):
    """Define the VM mail of the administrator in vm.conf after ``before``; return the text that vmd reads."""
    host.write(name, before + FOREIGN.format(disk=host.disk(), more=more))
    host.well("vmctl", "reload")
    return host.file(name).read_text(encoding="latin-1")
