# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of a project as their providers report them, pending changes, and the number of calls of an observation."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Target
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.differences import pending
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import observe as observing
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.driver import make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.in_libvirt import InLibvirt
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.project import ssh_record
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrant_output import Ssh
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

from unit.module_utils._drivers.vagrant.in_process import World

ID, OTHER = "u-web", "u-other"
LEASE = " vnet0      52:54:00:80:72:a6    ipv4         192.168.121.59/24\n"
SNAPSHOT = """<domainsnapshot><name>{name}</name><description>why</description><state>{state}</state>
<parent><name>{parent}</name></parent><creationTime>1795199864</creationTime></domainsnapshot>"""
NAMES = ["first", "second", "third"]
DESCRIPTION = {"name": "web", "provider": "libvirt", "box": "a/b", "cpus": 2, "memory": 512}


class FakeVirsh:
    """``answers`` is {command or its first two words: Answer}; for other commands, the domain does not exist."""

    def __init__(self, answers):
        self.answers, self.processes = answers, 0

    def batch(self, requests, timeout=None):
        self.processes += 1
        unknown = Answer("", "failed to get domain 'x'")
        return [self.answers.get(command) or self.answers.get(command[:2]) or unknown for command in requests]


def _virsh_output(power="running (booted)"):
    return {
        ("list", "--all"): Answer("", None),
        ("domstate", ID): Answer(f"{power}\n", None),
        ("dominfo", ID): Answer("CPU(s):         1\nMax memory:     131072 KiB\n", None),
        ("domifaddr", ID): Answer(LEASE, None),
    }


def _provider_vm(answers, facets=frozenset({"power"})):
    return InLibvirt(FakeVirsh(answers)).observe([ID], facets)[ID]


def test_domain_state_is_mapped_to_power_state():
    """As that of a VM of virsh is: _drivers/virsh/test_observe.py has all states."""
    provider_vm = _provider_vm(_virsh_output("paused (saving)"))
    assert (provider_vm.power, provider_vm.busy) == ("paused", "saving")


def test_domain_with_managed_save_is_suspended():
    answers = {**_virsh_output("shut off (saved)"), ("list", "--all"): Answer(f"{ID}\n", None)}
    assert _provider_vm(answers).power == "suspended"


def test_one_process_reads_all_vms_and_omits_missing_ones():
    virsh = FakeVirsh(_virsh_output())
    assert list(InLibvirt(virsh).observe([ID, OTHER], frozenset({"power"}))) == [ID]
    assert virsh.processes == 1


def test_running_settings_and_addresses_come_from_libvirt():
    provider_vm = _provider_vm(_virsh_output())
    assert provider_vm.running == {"cpus": 1, "memory": 128 << 20}
    assert [one.address for one in provider_vm.addresses] == ["192.168.121.59"]


def test_snapshots_are_reported_as_a_tree():
    texts = {name: SNAPSHOT.format(name=name, state="running", parent="a") for name in "ab"}
    more = {("snapshot-list", ID): Answer("a\nb\n", None), ("snapshot-current", ID): Answer("b\n", None)}
    more.update({("snapshot-dumpxml", ID, "--snapshotname", name): Answer(text, None) for name, text in texts.items()})
    one, two = _provider_vm({**_virsh_output(), **more}, frozenset({"power", "snapshots"})).snapshots
    assert (one.name, one.current, two.name, two.current, two.parent) == ("a", False, "b", True, "a")
    assert (two.power, two.description, two.created) == ("running", "why", 1795199864)


@pytest.fixture
def driver(tmp_path):
    params = {"project_dir": str(tmp_path), "vagrantfile": None, "managed": True, "executable": "true", "name": ["web"]}
    vagrant_driver = make_driver(params)
    vagrant_driver.project.define(DESCRIPTION)
    folder = tmp_path / ".vagrant" / "machines" / "web" / "libvirt"
    folder.mkdir(parents=True)
    (folder / "id").write_text(ID, encoding="ascii")
    return vagrant_driver


def _observed(driver, answers, **target):
    driver.provider_tool_of = lambda known: InLibvirt(FakeVirsh(answers)) if known.created else None
    return driver.observe([Target(**target)], frozenset({"power", "config"})).vms


def test_setting_left_to_the_box_is_not_pending(driver):
    driver.project.define({key: value for key, value in DESCRIPTION.items() if key not in ("cpus", "memory")})
    (vm,) = _observed(driver, _virsh_output(), name="web")
    assert pending(vm) == []


@pytest.mark.parametrize(("more", "port"), [({}, 22), ({"port": 2222}, 2222)])
def test_active_settings_unknown_to_libvirt_come_from_the_record(driver, more, port):
    driver.project.record(
        "web", ran={**DESCRIPTION, "port_forwards": []}, ssh={"user": "me", "key_file": "/key", **more}
    )
    driver.project.define({**DESCRIPTION, "description": "new", "provisioners": [{"inline": "true"}]})
    (vm,) = _observed(driver, _virsh_output(), name="web")
    assert (vm.config["provisioners"], vm.active["provisioners"]) == (({"inline": "true"},), ())
    assert vm.active["description"] == "new"
    assert vm.ssh == {"host": "192.168.121.59", "port": port, "user": "me", "key_file": "/key", "scope": "host"}


@pytest.mark.parametrize(("host", "port"), [("192.168.121.59", 2222), ("127.0.0.1", None)])
def test_ssh_record_omits_a_forwarded_port(host, port):
    assert ssh_record(Ssh(host, 2222, "me", "/key")).get("port") == port


@pytest.mark.parametrize(
    ("native", "variables", "uri"),
    [
        ({}, {}, "qemu:///system"),
        ({}, {"LIBVIRT_DEFAULT_URI": "test:///default"}, "test:///default"),
        ({"qemu_use_session": True}, {}, "qemu:///session"),
        ({"qemu_use_session": True}, {"LIBVIRT_DEFAULT_URI": "test:///default"}, "test:///default"),
        ({"uri": "qemu:///embed"}, {"LIBVIRT_DEFAULT_URI": "test:///default"}, "qemu:///embed"),
        ({"connect_via_ssh": True}, {}, None),
        ({"host": "kvm2"}, {}, None),
        ({"socket": "/run/there"}, {}, None),
        ({"uri": "unknown"}, {}, None),
    ],
)
def test_libvirt_vms_are_read_at_their_connection(tmp_path, monkeypatch, native, variables, uri):
    """VMs on another host, and VMs that the connection does not have, are read with Vagrant."""
    connections = []

    class Virsh:
        def __init__(self, _commands, _executable, uri):
            self.uri = uri

        def batch(self, requests, timeout=None):
            connections.append(self.uri)
            error = "failed to get domain 'x'" if self.uri == "unknown" else None
            return [Answer("running (booted)\n" if command[0] == "domstate" else "", error) for command in requests]

    monkeypatch.setattr(observing, "Virsh", Virsh)
    world = World(tmp_path, "libvirt")
    world.port.programs["virsh"] = None
    world.variables.update(variables)
    assert not world.create(NAMES, native=native, state="started").failed
    connections.clear()
    answer = world.run(NAMES, state="started")
    assert [vm["state"] for vm in answer.vms] == ["running"] * len(NAMES)
    assert (answer.changed, [call[1] for call in answer.calls]) == (False, [] if uri else ["status"])
    assert connections == [uri or "unknown"] * bool(uri or native.get("uri"))
    if native.get("uri") == "unknown":
        _check_tasks_for_vms_missing_at_the_connection(world)


def _check_tasks_for_vms_missing_at_the_connection(world):
    assert world.vagrant.call("snapshot", "save", "first", "one").returncode == 0
    restore = {"about": "snapshot", "snapshot": "one", "state": "restored"}
    stop = {"state": "stopped"}
    for options in (stop, {**stop, "stop_mode": "graceful"}, {"about": "snapshot", "snapshot": "two"}, restore):
        assert "not on the connection that was used" in world.run("first", **options).error
    assert not world.run(NAMES, **stop, stop_mode="graceful_then_force").failed


def test_one_call_of_vagrant_reports_all_vms(world):
    assert world.create(NAMES, state="stopped").calls == []
    assert world.vagrant.call("up").returncode == 0
    answer = world.run(NAMES, state="started")
    assert (answer.failed, answer.changed, [call[1] for call in answer.calls]) == (False, False, ["status"])


@pytest.mark.parametrize(("user_features", "passed"), [(None, "{}"), ("other", "other,{}")])
def test_experimental_features_are_added_to_those_of_the_user(world, user_features, passed):
    world.variables["VAGRANT_EXPERIMENTAL"] = user_features or ""
    world.create(state="started")
    lines = (world.vagrant.folder / "known" / "calls").read_text(encoding="utf-8").splitlines()
    found = {json.loads(line)["environment"]["VAGRANT_EXPERIMENTAL"] for line in lines}
    assert found == {passed.format(observing.EXPERIMENTS["VAGRANT_EXPERIMENTAL"])}
