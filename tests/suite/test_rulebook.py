# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebook restart_crashed by the real ansible-rulebook, with libvirt's events of a real VM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.by_ansible import configured
from suite.limits import scaled, wait_until

#: It needs Java and an environment of its own (tests/requirements-rulebook.txt).
pytestmark = pytest.mark.deep("tests/suite/test_events.py, and restart_vm there; the engine of rules is not ours")
_READ = "VMs are known"


class Rulebook:
    """ansible-rulebook with the rulebook of this collection, for the VMs of a platform."""

    def __init__(self, platform, folder):
        self.folder, self.log = folder, folder / "rulebook.log"
        options = platform.options("vm_info")
        source = {"platform": platform.traits().platform, "name": "here", "options": options}
        self._write("vms.polyvirt.yml", {"plugin": "polyvirt.core.vms", "sources": [source]})
        variables = {"restart_options": {"here": platform.options("vm")}}
        self._write("hosts.json", {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}, "vars": variables}})
        watched = {"polyvirt_inventory": str(folder / "vms.polyvirt.yml"), "polyvirt_interval": 3600}
        self._write("variables.json", {**watched, "polyvirt_libvirt_uris": {"here": platform.uri}})

    def _write(self, name, content):
        (self.folder / name).write_text(json.dumps(content), encoding="utf-8")

    @contextmanager
    def running(self):
        environment = Path(os.environ["POLYVIRT_TEST_RULEBOOK"])
        around = {**os.environ, **configured(self.folder), "PATH": f"{environment / 'bin'}:{os.environ['PATH']}"}
        around["ANSIBLE_PYTHON_INTERPRETER"] = str(environment / "bin" / "python")
        words = ["--rulebook", "polyvirt.core.restart_crashed", "-i", "hosts.json", "--vars", "variables.json"]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [environment / "bin" / "ansible-rulebook", *words, "--verbose", "--print-events"],
                cwd=self.folder, env=around, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            try:
                yield process
            finally:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(scaled(60))
                finally:
                    if process.poll() is None:
                        os.killpg(process.pid, signal.SIGKILL)

    def output(self):
        return self.log.read_text(encoding="utf-8", errors="replace")


def _process_of(name):
    return int(Path(f"/run/libvirt/qemu/{name}.pid").read_text(encoding="ascii"))


def _crash(name):
    """Kill the emulator of a VM; returns the ID of its process."""
    number = _process_of(name)
    os.kill(number, signal.SIGKILL)
    return number


def test_vm_that_has_crashed_is_started_again_once(qemu, tmp_path):
    name, other = f"{qemu.prefix}rulebook", f"{qemu.prefix}rulebook-other"
    qemu.clean()
    qemu.bring({name: RUNNING, other: RUNNING})
    rulebook = Rulebook(qemu, tmp_path)

    def power(vm):
        return qemu.truth([vm])[vm]["power"]

    with rulebook.running():
        # The second reading is when virsh is connected.
        wait_until(lambda: rulebook.output().count(_READ) >= 2, rulebook.output, 120)
        first = _crash(name)
        wait_until(lambda: power(name) == RUNNING and _process_of(name) != first, rulebook.output, 120)
        wait_until(lambda: "changed=1" in rulebook.output(), rulebook.output, 120)
        # Within ten minutes, it is not started again. The other VM has a limit of its own, and shows that the rule
        # was applied to the events until then.
        second, third = _crash(name), _crash(other)
        wait_until(lambda: power(other) == RUNNING and _process_of(other) != third, rulebook.output, 120)
        assert power(name) == STOPPED, (second, rulebook.output())
    assert rulebook.output().count("changed=1") == 2, rulebook.output()
