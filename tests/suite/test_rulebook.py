# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebooks of this collection by the real ansible-rulebook, with events of real VMs of libvirt."""

from __future__ import annotations

import calendar
import json
import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.answer import Task
from suite.by_ansible import configured
from suite.limits import scaled, wait_until
from suite.scenarios.snapshots import snapshot

#: It needs Java and an environment of its own (tests/requirements-rulebook.txt).
pytestmark = pytest.mark.deep("tests/suite/test_events.py, and restart_vm there; the engine of rules is not ours")
_READ = "VMs are known"
#: The host of the inventory that manages the VMs.
_HOST = "hypervisor"
#: A snapshot with such a name keeps its VM from being deleted.
_OF_A_RUN = "guarded-site-20260102-030405-abcd"
_RULEBOOKS = Path(__file__).resolve().parents[2] / "extensions" / "eda" / "rulebooks"


class Rulebook:
    """ansible-rulebook with a rulebook of this collection, and VMs of a platform; ``variables``: of its inventory."""

    def __init__(self, platform, folder, rulebook, variables, interval=3600):
        self.folder, self.log, self._rulebook = folder, folder / "rulebook.log", rulebook
        options = platform.options("vm_info")
        source = {"platform": platform.traits().platform, "name": "here", "options": options}
        self._write("vms.polyvirt.yml", {"plugin": "polyvirt.core.vms", "sources": [source]})
        here = {"ansible_connection": "local"}
        hosts = {"another": {}, _HOST: here, "localhost": here}
        self._write("hosts.json", {"all": {"hosts": hosts, "vars": variables}})
        watched = {"polyvirt_inventory": str(folder / "vms.polyvirt.yml"), "polyvirt_interval": interval}
        self._write("variables.json", {**watched, "polyvirt_libvirt_uris": {"here": platform.uri}})

    def _write(self, name, content):
        (self.folder / name).write_text(json.dumps(content), encoding="utf-8")

    @contextmanager
    def running(self):
        environment = Path(os.environ["POLYVIRT_TEST_RULEBOOK"])
        around = {**os.environ, **configured(self.folder), "PATH": f"{environment / 'bin'}:{os.environ['PATH']}"}
        around["ANSIBLE_PYTHON_INTERPRETER"] = str(environment / "bin" / "python")
        words = ["--rulebook", self._rulebook, "-i", "hosts.json", "--vars", "variables.json"]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [environment / "bin" / "ansible-rulebook", *words, "--verbose", "--print-events"],
                cwd=self.folder, env=around, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            try:
                # The second reading is when virsh is connected.
                wait_until(lambda: self.output().count(_READ) >= 2, self.output, 120)
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


def _quick(folder, name, throttle, seconds):
    """The path of a copy of a rulebook with a shorter throttle."""
    text = (_RULEBOOKS / name).read_text(encoding="utf-8")
    assert text.count(throttle) == 1
    quick = folder / "quick.yml"
    quick.write_text(text.replace(throttle, f"{throttle.partition(':')[0]}: {scaled(seconds):.0f} seconds"), "utf-8")
    return str(quick)


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
    variables = {"restart_options": {"here": qemu.options("vm")}, "restart_hosts": {"here": _HOST}}
    rulebook = Rulebook(qemu, tmp_path, "polyvirt.core.restart_crashed", variables)

    def power(vm):
        return qemu.truth([vm])[vm]["power"]

    with rulebook.running():
        first = _crash(name)
        wait_until(lambda: power(name) == RUNNING and _process_of(name) != first, rulebook.output, 120)
        wait_until(lambda: "changed=1" in rulebook.output(), rulebook.output, 120)
        # Within ten minutes, it is not started again. The other VM has a limit of its own, and shows that the rule
        # was applied to the events until then.
        second, third = _crash(name), _crash(other)
        wait_until(lambda: power(other) == RUNNING and _process_of(other) != third, rulebook.output, 120)
        assert power(name) == STOPPED, (second, rulebook.output())
    assert rulebook.output().count("changed=1") == 2, rulebook.output()
    assert rulebook.output().count(f"changed: [another -> {_HOST}") == 2, rulebook.output()


def test_changes_of_vms_become_one_report(qemu, tmp_path):
    names = [f"{qemu.prefix}report", f"{qemu.prefix}report-other"]
    qemu.clean()
    qemu.bring(dict.fromkeys(names, STOPPED))
    variables = {
        "vm_platform": qemu.traits().platform, "vm_module_options": qemu.options("vm"),
        "vm_machines": [{"name": name, "state": "stopped"} for name in names],
        "drift_report_hosts": _HOST, "drift_report_folder": str(tmp_path), "drift_report_formats": ["json"],
    }  # fmt: skip
    quick = _quick(tmp_path, "report_drift.yml", "once_after: 5 minutes", 5)
    rulebook = Rulebook(qemu, tmp_path, quick, variables)
    report = tmp_path / "report.json"
    with rulebook.running():
        for name in names:
            qemu.move(name, RUNNING)
        wait_until(lambda: "PLAY RECAP" in rulebook.output(), rulebook.output, 120)
        found = {vm["name"]: vm["status"] for vm in json.loads(report.read_text(encoding="utf-8"))["vms"]}
    assert found == dict.fromkeys(names, "drift"), rulebook.output()
    assert rulebook.output().count("PLAY RECAP") == 1, rulebook.output()


def test_expired_vms_are_deleted_whatever_the_throttle_drops(qemu, carry, tmp_path):
    """The first deletion fails, and another VM expires while the throttle lets no event through."""
    first, second = (f"{qemu.prefix}expired-{number}" for number in "12")
    qemu.clean()
    create = Task("create", {**qemu.creation, "name": [first, second]})
    answers = carry(qemu, [create, snapshot("take", [first], _OF_A_RUN)])
    assert not any(one.failed for one in answers.values()), answers
    quick = _quick(tmp_path, "reap_expired.yml", "once_within: 10 minutes", 15)
    rulebook = Rulebook(qemu, tmp_path, quick, {}, interval=2)

    def expire(name):
        past = {"name": [name], "expires": "2020-01-31", "controller_time": calendar.timegm((2020, 1, 1, 0, 0, 0))}
        answer = carry(qemu, [Task("expire", past)])["expire"]
        assert not answer.failed, answer.msg

    with rulebook.running():
        expire(first)
        wait_until(lambda: "belongs to a guarded run" in rulebook.output(), rulebook.output, 120)
        expire(second)
        qemu.virsh("snapshot-delete", first, _OF_A_RUN)
        wait_until(lambda: not any(qemu.truth([first, second]).values()), rulebook.output, 120)
