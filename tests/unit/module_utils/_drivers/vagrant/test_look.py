# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of a project as their providers tell them: what runs, and what waits for the next start."""

from __future__ import annotations

import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import by_status
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.driver import make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.in_libvirt import InLibvirt
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.sight import Sight
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.words import note_of_ssh
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.differences import pending
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import Address, Target
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrant_output import Ssh
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh_states import state

ID, OTHER = "u-web", "u-other"
LEASE = " vnet0      52:54:00:80:72:a6    ipv4         192.168.121.59/24\n"
SNAPSHOT = """<domainsnapshot><name>{name}</name><description>why</description><state>{state}</state>
<parent><name>{parent}</name></parent><creationTime>1795199864</creationTime></domainsnapshot>"""
MACHINE = {"name": "web", "provider": "libvirt", "box": "a/b", "cpus": 2, "memory": 512}


class ToldVirsh:
    """Answers questions by their words; what is not told is an unknown domain."""

    def __init__(self, answers):
        self.answers, self.processes = answers, 0

    def batch(self, requests, timeout=None):
        self.processes += 1
        unknown = Answer("", "failed to get domain 'x'")
        return [self.answers.get(words) or self.answers.get(words[:2]) or unknown for words in requests]


def _told(power="running (booted)"):
    return {
        ("list", "--all"): Answer("", None),
        ("domstate", ID): Answer(f"{power}\n", None),
        ("dominfo", ID): Answer("CPU(s):         1\nMax memory:     131072 KiB\n", None),
        ("domifaddr", ID): Answer(LEASE, None),
    }


def _sight(answers, facets=frozenset({"power"})):
    return InLibvirt(ToldVirsh(answers)).look([ID], facets)[ID]


@pytest.mark.parametrize(
    ("words", "power", "busy"),
    [
        ("running (booted)", "running", None),
        ("shut off (destroyed)", "stopped", None),
        ("paused (user)", "paused", None),
        ("paused (I/O error)", "failed", None),
        ("paused (saving)", "paused", "saving"),
        ("in shutdown", "running", "stopping"),
        ("crashed", "failed", None),
        ("what is this", "unknown", None),
    ],
)
def test_words_of_libvirt(words, power, busy):
    sight = _sight(_told(words))
    assert (sight.power, sight.busy) == (power, busy)
    assert state(Answer(words, None), saved=False)[:2] == (power, busy)


def test_what_is_saved_to_disk_is_suspended():
    assert _sight({**_told("shut off (saved)"), ("list", "--all"): Answer(f"{ID}\n", None)}).power == "suspended"


def test_one_process_tells_of_all_and_leaves_out_what_is_gone():
    virsh = ToldVirsh(_told())
    assert list(InLibvirt(virsh).look([ID, OTHER], frozenset({"power"}))) == [ID]
    assert virsh.processes == 1


def test_what_it_runs_with():
    sight = _sight(_told())
    assert sight.running == {"cpus": 1, "memory": 128 << 20}
    assert [one.address for one in sight.addresses] == ["192.168.121.59"]


def test_snapshots_as_a_tree():
    texts = {name: SNAPSHOT.format(name=name, state="running", parent="a") for name in "ab"}
    more = {("snapshot-list", ID): Answer("a\nb\n", None), ("snapshot-current", ID): Answer("b\n", None)}
    more.update({("snapshot-dumpxml", ID, "--snapshotname", name): Answer(text, None) for name, text in texts.items()})
    one, two = _sight({**_told(), **more}, frozenset({"power", "snapshots"})).snapshots
    assert (one.name, one.current, two.name, two.current, two.parent) == ("a", False, "b", True, "a")
    assert (two.power, two.description, two.created) == ("running", "why", 1795199864)


# A project of which a machine was made ------------------------------------------------------------------------------


@pytest.fixture
def driver(tmp_path):
    params = {"project_dir": str(tmp_path), "vagrantfile": None, "managed": True, "executable": "true", "name": ["web"]}
    found = make_driver(params)
    found.project.define(MACHINE)
    folder = tmp_path / ".vagrant" / "machines" / "web" / "libvirt"
    folder.mkdir(parents=True)
    (folder / "id").write_text(ID, encoding="ascii")
    return found


def _seen(driver, answers, **target):
    driver.host_of = lambda known: InLibvirt(ToldVirsh(answers)) if known.made else None
    return driver.observe([Target(**target)], frozenset({"power", "config"})).vms


def test_what_runs_otherwise_than_described_waits_for_a_start(driver):
    (vm,) = _seen(driver, _told(), name="web")
    assert (vm.config["cpus"], vm.active["cpus"]) == (2, 1)
    assert (vm.config["memory"], vm.active["memory"]) == (512 << 20, 128 << 20)
    assert vm.owned


def test_what_is_left_to_the_box_waits_for_nothing(driver):
    driver.project.define({key: value for key, value in MACHINE.items() if key not in ("cpus", "memory")})
    (vm,) = _seen(driver, _told(), name="web")
    assert pending(vm) == []


def test_our_note_tells_what_else_it_runs_with(driver):
    driver.project.note("web", ran={**MACHINE, "port_forwards": []}, ssh={"user": "me", "key_file": "/key"})
    driver.project.define({**MACHINE, "description": "new", "provisioners": [{"inline": "true"}]})
    (vm,) = _seen(driver, _told(), name="web")
    assert (vm.config["provisioners"], vm.active["provisioners"]) == (({"inline": "true"},), ())
    assert vm.active["description"] == "new"
    assert vm.ssh == {"host": "192.168.121.59", "port": 22, "user": "me", "key_file": "/key", "scope": "host"}


def test_another_port_than_usual_is_the_boxs_to_say(driver):
    driver.project.note("web", ran=MACHINE, ssh={"user": "me", "key_file": "/key", "port": 2222})
    (vm,) = _seen(driver, _told(), name="web")
    assert (vm.ssh["host"], vm.ssh["port"]) == ("192.168.121.59", 2222)


@pytest.mark.parametrize(("host", "port"), [("192.168.121.59", 2222), ("127.0.0.1", None)])
def test_a_forwarded_port_is_none_of_the_guests(host, port):
    assert note_of_ssh(Ssh(host, 2222, "me", "/key")).get("port") == port


def test_a_machine_is_found_by_its_id(driver):
    assert [vm.name for vm in _seen(driver, _told(), id=ID)] == ["web"]
    assert _seen(driver, _told(), id=OTHER) == []


def test_one_that_its_provider_has_lost_is_only_described(driver):
    (vm,) = _seen(driver, {("list", "--all"): Answer("", None)}, name="web")
    assert (vm.power, vm.id) == ("stopped", None)
    assert os.path.exists(os.path.join(driver.project.dotfile, "machines", "web", "libvirt", "id"))


def test_whether_a_start_that_is_not_noted_has_set_up_the_guest_is_not_known(driver):
    driver.project.define({**MACHINE, "provisioners": [{"inline": "true"}]})
    (vm,) = _seen(driver, _told(), name="web")
    assert "provisioners" in pending(vm)


def test_one_that_libvirt_does_not_know_here_is_asked_of_vagrant(driver, monkeypatch):
    """The box's own Vagrantfile, or the user's, may lead to the libvirt of another host."""
    told = {"web": Sight("running", addresses=(Address("192.0.2.7", "vagrant"),))}
    monkeypatch.setattr(by_status, "look", lambda *_given: ({"web": None}, told))
    (vm,) = _seen(driver, {("list", "--all"): Answer("", None)}, name="web")
    assert (vm.power, vm.id) == ("running", ID)
