# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step may be sent twice, because the answer to it was lost: the result is the same as if it was sent once."""

from __future__ import annotations

import json
import re
import time
from contextlib import nullcontext
from dataclasses import replace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import snapshots

from suite.sent_twice import comparable, each_step_twice
from unit.module_utils._drivers.vagrant.in_process import World

SCRIPT = {"inline": "true"}
OPTIONS = {
    "cpus": 1, "memory": "64M", "networks": [{"type": "nat"}, {"type": "hostonly"}, {"type": "bridged"}],
    "port_forwards": [{"name": name, "host_port": port, "guest_port": 80} for name, port in (("b", 81), ("c", 82))],
    "shared_folders": [{"name": name, "host_path": "/"} for name in ("t", "u")], "provisioners": [SCRIPT],
}  # fmt: skip
CHANGES = {
    "plain": {"cpus": 2, "memory": "96M", "description": "a", "tags": ["b"], "environment": {"A": "1"}},
    "nic added": {"networks": [*OPTIONS["networks"], {"type": "hostonly"}]},
    "nic changed": {"networks": [{"type": "nat"}, {"type": "bridged", "source": "eth0"}]},
    "nic removed": {"networks": OPTIONS["networks"][:2], "purge": ["networks"]},
    "forward added": {"port_forwards": [{"name": "d", "host_port": 83, "guest_port": 80}]},
    "forwards exchanged": {"port_forwards": [{"name": "b", "host_port": 82, "guest_port": 80},
                                             {"name": "c", "host_port": 81, "guest_port": 80}]},
    "forward removed": {"port_forwards": OPTIONS["port_forwards"][:1], "purge": ["port_forwards"]},
    "share added": {"shared_folders": [{"name": "v", "host_path": "/"}]},
    "share changed": {"shared_folders": [{"name": "t", "host_path": "/tmp"}]},
    "share removed": {"shared_folders": OPTIONS["shared_folders"][:1], "purge": ["shared_folders"]},
    "provisioners": {"provisioners": [{"inline": "false"}]},
}  # fmt: skip


def state_of(world):
    """The files of the project, and the provider's VMs."""
    folder, found = world.project.parent, sorted(world.files().items())
    files = {comparable(path, folder): text.decode() for path, text in found if not path.endswith("action_provision")}
    state = {**files, "machines": list(world.vagrant.state()["machines"].values())}
    text = json.dumps(state, indent=1)
    if hasattr(world, "virtualbox"):
        text += world.virtualbox.run("list", "--long", "vms")
    text = re.sub(r"(project_\w+?)_[0-9a-f]{8}\b", r"\1", text.replace('\\"', '"'))
    return comparable(text, folder).splitlines()


def assert_same_result(tmp_path, provider, prepare, act):
    """Assert that ``act`` has the same result if each of its steps is carried out once or twice."""
    results = []
    for name, times in (("once", nullcontext), ("twice", each_step_twice)):
        world = World(tmp_path / name, provider)
        prepare(world)
        with times() as errors:
            done = act(world)
        assert not errors
        assert not done.failed, done.msg
        results.append((done.changed, [vm["state"] for vm in done.vms], state_of(world)))
    assert results[0][:2] == results[1][:2]
    assert results[0][2] == results[1][2]


@pytest.fixture(name="provider", params=["hyperv", "vmware_desktop", "virtualbox"])
def _provider(request):
    return request.param


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("state", ["present", "started"])
def test_change_of_an_existing_vm_sent_twice(tmp_path, state, change):
    def prepare(world):
        assert world.create(state=state, **OPTIONS).vm

    def act(world):
        return world.run(**CHANGES[change], allow_restart=True, stop_mode="force")

    assert_same_result(tmp_path, "virtualbox", prepare, act)


@pytest.mark.parametrize(("before", "state", "stop_mode"), [
    (None, "present", "force"), (None, "started", "force"), ("present", "started", "force"),
    ("started", "stopped", "force"), ("started", "stopped", "graceful_then_force"), ("started", "suspended", "force"),
    ("suspended", "started", "force"), ("suspended", "stopped", "force"), ("started", "restarted", "force"),
    ("suspended", "stopped", "graceful_then_force"), ("started", "absent", "force"), ("present", "absent", "force"),
])  # fmt: skip
def test_power_change_sent_twice(tmp_path, provider, before, state, stop_mode):
    kept = {"suspended": "paused"} if provider == "hyperv" else {}

    def prepare(world):
        for name in ("started", before) if before == "suspended" else (before,) if before else ():
            assert world.create(state=kept.get(name, name), **OPTIONS if provider == "virtualbox" else {}).vm
        world.clock.sleep(2)

    def act(world):
        return world.create(state=kept.get(state, state), stop_mode=stop_mode, stop_timeout=5)

    assert_same_result(tmp_path, provider, prepare, act)


@pytest.mark.parametrize("power", ["started", "stopped"])
@pytest.mark.parametrize("state", ["present", "absent", "restored"])
def test_snapshot_sent_twice(tmp_path, provider, state, power):
    def prepare(world):
        assert world.create(state="started", cpus=1).vm
        assert world.run(state=power, stop_mode="force").vm
        if state != "present":
            assert world.run(about="snapshot", snapshot="s").vm
            assert world.create(cpus=2, allow_restart=True, stop_mode="force").vm

    def act(world):
        return world.run(about="snapshot", snapshot="s", state=state)

    assert_same_result(tmp_path, provider, prepare, act)


@pytest.mark.parametrize("state", ["started", "absent"])
def test_power_change_of_a_vm_of_the_users_file_sent_twice(tmp_path, provider, state):
    def prepare(world):
        world.vagrant.write(
            'Vagrant.configure("2") do |config|\n  config.vm.box = "polyvirt/fast"\nend\n', "Vagrantfile"
        )
        if state == "absent":
            assert world.run("default", managed=False, state="started").vm

    def act(world):
        return world.run("default", managed=False, state=state, stop_mode="force")

    assert_same_result(tmp_path, provider, prepare, act)


def test_snapshot_keeps_the_time_of_the_first_request(tmp_path, monkeypatch):
    """With the time of the second request, half an hour later, the record would not match the snapshot."""
    world = World(tmp_path, "virtualbox")
    assert world.create(state="started", cpus=1).vm
    run, lost = world.port.run, []
    monkeypatch.setattr(snapshots, "epoch", lambda: time.time() + world.clock.now())

    def lose_one_answer(argv, **more):
        done = run(argv, **more)
        if "take" in argv and not lost:
            lost.append(argv)
            world.clock.sleep(1800)
            return replace(done, rc=1, stderr="VBoxManage: error: The object is not ready\n")
        return done

    world.port.run = lose_one_answer
    assert world.run(about="snapshot", snapshot="s", timeout=3600).vm["changed"]
    assert world.create(cpus=2).vm
    assert world.run(state="stopped", stop_mode="force").vm
    assert world.run(about="snapshot", snapshot="s", state="restored").vm
    assert world.create().vm["cpus"] == 1
