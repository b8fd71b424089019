# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recording of acceptance contains nothing of the host, whatever a platform answers."""

from __future__ import annotations

import json
import random
import runpy
import subprocess
import sys

import pytest

from collection_path import CHECKOUT
from suite.belts import seed
from unit.playbooks.recordings import planted_values, read_recording

FILE = CHECKOUT / "playbooks/files/acceptance_recording.py"
SCRIPT = runpy.run_path(str(FILE))
OWN, CLONE, FLEET = "polyvirt-acceptance-abcdefgh", "polyvirt-acceptance-abcdefgh-clone", "polyvirt-acceptance"
SECRETS = (
    "hv7.corp.example", "alice", "/srv/customers/acme", "C:\\\\Users\\\\alice", "52:54:00:12:34:56", "10.20.30.40",
    "fe80::5054:ff", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "hunter2", "payroll", "Zahlungen GmbH", "acme1",
)  # fmt: skip
VM = {
    "name": OWN, "fleet": FLEET, "created": "2026-11-27T20:00:00Z", "platform": "libvirt", "state": "running",
    "cpus": 1, "memory_mib": 128, "changed": True, "tags": ["acceptance"], "id": SECRETS[7], "description": "payroll",
    "disks": [{"slot": "vda", "bus": "virtio", "size": "64M", "format": "qcow2", "source": "/srv/customers/acme"}],
    "networks": [{"type": "network", "source": "hv7.corp.example", "mac": SECRETS[4], "model": "virtio"}],
    "snapshots": [{"name": "payroll", "current": True, "kind": "internal", "state": "stopped"}],
    "console": {"lines": ["login: alice"]}, "restart_required": ["memory"],
}  # fmt: skip
CAN = {"verbs": ["create"], "states": ["running"], "options": ["cpus", "memory", "tags"], "stop_modes": ["force"]}


def run_of(*vms, **more):
    """What the playbook hands to the script, with a result of these VMs."""
    diff = [{"before": {"state": "absent"}, "after": {"state": "running", "cpus": 1, "payroll": 1}}]
    result = {"changed": True, "vms": list(vms), "msg": "/srv/customers/acme", "diff": diff}
    step = {"step": "create and start", "outcome": "passed", "seconds": 1.5, "details": "alice", "check": result}
    about = {"platform": "libvirt", "version": "9.0.0", "ansible": "2.19.14"}
    return {**about, "fleet": FLEET, "names": [OWN, CLONE], "capabilities": CAN, "steps": [step], **more}


@pytest.fixture(name="recorded")
def _recorded(tmp_path):
    """The lines of the recording of a run."""
    path = tmp_path / "acceptance.tar"

    def recorded(run):
        SCRIPT["write"](run, path)
        return read_recording(path)

    return recorded


def test_playbook_starts_it_with_the_answers_on_the_standard_input(tmp_path):
    path = tmp_path / "acceptance.tar"
    subprocess.run([sys.executable, FILE, path], input=json.dumps(run_of(VM)), text=True, check=True)
    assert len(read_recording(path)) == 3


def test_recording_has_the_answers_about_the_vm_of_the_run(recorded):
    about, can, step = recorded(run_of(VM))
    assert about == {"platform": "libvirt", "version": "9.0.0", "ansible": "2.19.14"}
    assert can == CAN
    (vm,) = step["check"].pop("vms")
    assert step == {
        "step": "create and start", "outcome": "passed", "seconds": 1.5,
        "check": {"changed": True, "failed": False, "differ": ["cpus", "state"]},
    }  # fmt: skip
    assert vm == {
        "platform": "libvirt", "state": "running", "cpus": 1, "memory_mib": 128, "changed": True,
        "tags": ["acceptance"],
        "disks": [{"slot": "vda", "bus": "virtio", "size": "64M", "format": "qcow2"}],
        "networks": [{"type": "network", "model": "virtio"}],
        "snapshots": [{"current": True, "kind": "internal", "state": "stopped"}],
    }  # fmt: skip


def test_empty_values_are_recorded_as_they_are(recorded):
    snapshot = {"kind": "", "current": False, "state": None}
    assert recorded(run_of({**VM, "snapshots": [snapshot]}))[2]["check"]["vms"][0]["snapshots"] == [snapshot]


@pytest.mark.parametrize(
    "change", [{"name": "web"}, {"fleet": ""}, {"fleet": "other"}, {"created": None}, {"name": f"{OWN}-2"}], ids=str
)
def test_vm_without_the_record_of_the_run_is_not_recorded(recorded, change):
    assert recorded(run_of({**VM, **change}))[2]["check"]["vms"] == []


def planted(value, draw):
    """The same value, with one of the secrets in place of some texts, names and lists."""
    if isinstance(value, dict):
        return {name: planted(one, draw) for name, one in [*value.items(), (draw.choice(SECRETS), "x")]}
    if isinstance(value, list):
        return [planted(one, draw) for one in [*value, draw.choice(SECRETS)]]
    return draw.choice((value, draw.choice(SECRETS), {draw.choice(SECRETS): 1}, [draw.choice(SECRETS)]))


def test_no_line_of_a_recording_names_something_of_the_host(recorded, record_property):
    """VMs of others, and answers with a secret at any place, also where a platform has numbers."""
    draw, count = random.Random(seed()), 0
    for _case in range(40):
        run = run_of()
        vms = [
            {**planted(VM, draw), **dict.fromkeys(("name", "fleet", "created"), None), **kept(draw)} for _ in "abcde"
        ]
        step = {
            "step": "clone",
            "outcome": draw.choice(SECRETS),
            "seconds": draw.choice(SECRETS),
            "details": SECRETS[0],
        }
        run["steps"] = [{**step, "run": {"vms": vms, "diff": planted(VM, draw)}, "check": planted({"vms": vms}, draw)}]
        run.update({name: draw.choice((run[name], *SECRETS)) for name in ("platform", "version", "ansible")})
        recording = recorded(run)
        count += len(recording)
        assert planted_values(recording, SECRETS) == []
    record_property("summary", f"recordings of acceptance: {count} lines read")


def kept(draw):
    """The record of the run, or that of another VM."""
    own = {name: VM[name] for name in ("name", "fleet", "created")}
    return draw.choice((own, own, {**own, "name": "payroll"}, {**own, "fleet": "acme1"}))
