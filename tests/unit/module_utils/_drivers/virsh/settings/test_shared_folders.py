# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared folders: the driver, parsing and writing, and errors."""

from __future__ import annotations

import json
from contextlib import nullcontext

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused, Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import shared_folders
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.table import write_setting
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import (
    UUID,
    FakeVirsh,
    driver_of,
    failed,
    machine_xml,
    recorded,
    with_devices,
)
from unit.tables.rows import ask

CAPABILITIES = recorded("domcapabilities-qemu.xml")
ONLY_VIRTIOFS = CAPABILITIES.replace("<value>path</value>", "")
TRAITS = virsh_traits("QEMU", "9.0.0", local=True)
STORED = ("dumpxml", UUID, "--inactive", "--security-info")


@pytest.fixture(name="daemons", autouse=True)
def _daemons(tmp_path, monkeypatch):
    """The directory with the descriptions of vhost-user programs, among them virtiofsd."""
    folder = tmp_path / "vhost-user"
    folder.mkdir()
    program = tmp_path / "virtiofsd"
    program.touch()
    (folder / "50-virtiofsd.json").write_text(json.dumps({"type": "fs", "binary": str(program)}))
    (folder / "40-gpu.json").write_text(json.dumps({"type": "gpu", "binary": str(program)}))
    monkeypatch.setattr(shared_folders, "_DAEMONS", (str(tmp_path / "nosuch"), str(folder)))
    return folder


def connection(folder, version="9.0.0", uri="qemu:///system", capabilities=CAPABILITIES, stored=None):
    virsh = FakeVirsh({("domcapabilities",): capabilities, STORED: stored or machine_xml()})
    virsh.uri = uri
    driver = driver_of(virsh, folder)
    driver.library = version
    return driver


def share(text, driver, *changes):
    """The definition after changes."""
    definition = Definition(text)
    for change in changes:
        write_setting(driver, definition, change)
    return definition


def add(name="data", **entry):
    return Change("shared_folders", None, {"host_path": "/srv", **entry}, key=name)


def drivers(definition):
    return {
        one.find("target").get("dir"): one.find("driver").get("type")
        for one in definition.devices.findall("filesystem")
    }


# Choosing a driver ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "options", "driver"),
    [
        pytest.param({}, {}, "virtiofs", id="supported by the host"),
        pytest.param({"read_only": True}, {}, "path", id="libvirt 9 does not support read-only"),
        pytest.param({"read_only": True}, {"version": "10.10.0"}, "path", id="nor does libvirt 10"),
        pytest.param({"read_only": True}, {"version": "11.0.0"}, "virtiofs", id="libvirt 11 does"),
        pytest.param({}, {"uri": "qemu:///session"}, "path", id="not in a session before libvirt 10"),
        pytest.param({}, {"uri": "qemu:///session", "version": "10.0.0"}, "virtiofs", id="in a session"),
        pytest.param({}, {"capabilities": failed("not supported by the connection driver")}, "path", id="test driver"),
        pytest.param({}, {"capabilities": "<domainCapabilities/>"}, "path", id="an old libvirt reports nothing"),
    ],
)
def test_virtiofs_is_used_if_supported(tmp_path, entry, options, driver):
    assert drivers(share(machine_xml(), connection(tmp_path, **options), add(**entry))) == {"data": driver}


@pytest.mark.parametrize(
    "description", ["", "{}", '{"type": "fs"}', '{"type": "fs", "binary": "/nonexistent/virtiofsd"}']
)
def test_virtiofs_is_not_used_without_its_daemon(tmp_path, daemons, description):
    (daemons / "50-virtiofsd.json").write_text(description)
    assert drivers(share(machine_xml(), connection(tmp_path), add())) == {"data": "path"}


def test_private_memory_stays_private(tmp_path):
    text = machine_xml(("<vcpu ", "<memoryBacking><access mode='private'/></memoryBacking><vcpu "))
    definition = share(text, connection(tmp_path), add())
    assert drivers(definition) == {"data": "path"}
    assert definition.root.find("memoryBacking/access").get("mode") == "private"


def test_host_without_suitable_driver_is_reported(tmp_path):
    with pytest.raises(Unsupported) as caught:
        share(machine_xml(), connection(tmp_path, capabilities=ONLY_VIRTIOFS), add(read_only=True))
    assert str(caught.value).startswith("m1: shared_folders.data: the hypervisor cannot share a directory read-only")
    assert "virtiofsd" in caught.value.remedy


# Reading and writing --------------------------------------------------------------------------------------------------


def test_written_shares_are_read_back(tmp_path):
    definition = share(machine_xml(), connection(tmp_path), add(), add("etc", host_path="/etc", read_only=True))
    assert shared_folders.read_shares(definition) == {
        "data": {"host_path": "/srv", "read_only": False},
        "etc": {"host_path": "/etc", "read_only": True},
    }
    virtiofs, ninep = definition.devices.findall("filesystem")
    assert (virtiofs.get("accessmode"), ninep.get("accessmode")) == ("passthrough", "mapped")


def test_virtiofs_shares_memory_of_guest(tmp_path):
    backing = share(machine_xml(), connection(tmp_path), add()).root.find("memoryBacking")
    assert (backing.find("source").get("type"), backing.find("access").get("mode")) == ("memfd", "shared")
    assert share(machine_xml(), connection(tmp_path), add(read_only=True)).root.find("memoryBacking") is None


def test_huge_pages_are_kept_and_shared(tmp_path):
    text = machine_xml(("<vcpu ", "<memoryBacking><hugepages/></memoryBacking><vcpu "))
    backing = share(text, connection(tmp_path), add()).root.find("memoryBacking")
    assert [child.tag for child in backing] == ["hugepages", "access"]


def test_shared_memory_remains_if_share_is_removed(tmp_path):
    definition = share(machine_xml(), connection(tmp_path), add(), Change("shared_folders", {}, None, key="data"))
    assert shared_folders.read_shares(definition) == {}
    assert definition.root.find("memoryBacking/access") is not None


def test_changed_path_keeps_rest_of_share(tmp_path):
    tuned = (
        "<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs' queue='1024'/>"
        "<binary path='/opt/virtiofsd'/><source dir='/srv'/><target dir='data'/></filesystem>"
    )
    change = Change("shared_folders", "/srv", "/opt", key="data", attribute="host_path")
    definition = share(machine_xml(with_devices(tuned)), connection(tmp_path), change)
    element = definition.devices.find("filesystem")
    assert (element.find("source").get("dir"), element.find("driver").get("queue")) == ("/opt", "1024")
    assert element.find("binary") is not None


def test_driver_is_changed_for_read_only_and_then_kept(tmp_path):
    driver = connection(tmp_path)
    definition = share(machine_xml(), driver, add())
    write_setting(driver, definition, Change("shared_folders", False, True, key="data", attribute="read_only"))
    assert drivers(definition) == {"data": "path"}
    assert shared_folders.read_shares(definition) == {"data": {"host_path": "/srv", "read_only": True}}
    write_setting(driver, definition, Change("shared_folders", True, False, key="data", attribute="read_only"))
    assert shared_folders.read_shares(definition) == {"data": {"host_path": "/srv", "read_only": False}}
    assert drivers(definition) == {"data": "path"}, "a sufficient driver is kept"


def test_shares_that_are_not_directories_are_not_reported():
    socket = "<filesystem type='mount'><driver type='virtiofs'/><source socket='/run/x'/><target dir='t'/></filesystem>"
    assert shared_folders.read_shares(Definition(machine_xml(with_devices(socket)))) == {}


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x" * 32, "ü" * 16])
def test_invalid_shares_are_rejected(name):
    planned = plan(Vm("web", id="u"), ask(shared_folders=[{"name": name, "host_path": "/srv"}]), TRAITS)
    assert "is not a valid mount tag" in str(planned.refusal)


def test_shares_change_at_next_start_and_can_be_purged():
    stored = {"shared_folders": {"data": {"host_path": "/srv", "read_only": False}, "old": {"host_path": "/old"}}}
    vm = Vm("web", id="u", power="running", config=stored, active=stored)
    planned = plan(vm, ask(shared_folders=[{"name": "data", "host_path": "/srv/"}], purge=["shared_folders"]), TRAITS)
    assert [(one.path, one.new, one.cost) for one in planned.steps[0].changes] == [
        ("shared_folders.old", None, "next_boot")
    ]


def checked(folder, after, *steps, before="m1"):
    vm = Vm("m1", id=UUID if before else None, config={"shared_folders": after})
    shared_folders.check_shares(connection(folder), Plan(vm, vm, segments=(steps,)))


def configured(name):
    return Step("configure", changes=(Change("shared_folders", None, {}, key=name),))


def test_only_new_and_changed_shares_are_checked(tmp_path):
    shares = {"data": {"host_path": str(tmp_path)}, "old": {"host_path": "/nonexistent"}}
    checked(tmp_path, shares, configured("data"))
    checked(tmp_path, shares, Step("start"))
    checked(tmp_path, {"data": shares["data"]}, configured("gone"))


# Saving memory --------------------------------------------------------------------------------------------------------

SUSPEND, RESTART = [Step("suspend")], [Step("kill"), Step("start"), Step("suspend")]
_VIRTIOFS = "<filesystem type='mount'><driver type='virtiofs'/><source dir='/srv'/><target dir='data'/></filesystem>"
_9P = _VIRTIOFS.replace("virtiofs", "path")
_OF_A_SOCKET = _VIRTIOFS.replace("dir='/srv'", "socket='/run/x'")


def snapshot(kind, include_memory=None):
    return [Step("snapshot", arguments={"name": "s", "kind": kind, "include_memory": include_memory})]


def removed(name):
    return Step("configure", changes=(Change("shared_folders", {"host_path": "/srv"}, None, key=name),))


def preflight(folder, steps, running=_VIRTIOFS, stored="", version="9.0.0", power="running", shares=()):
    """Check a plan for a running VM with these elements; returns the commands that libvirt got."""
    driver = connection(folder, version=version, stored=machine_xml(with_devices(stored)))
    driver.virsh.answers["dumpxml", UUID] = machine_xml(with_devices(running))
    driver.virsh.answers.update({("list", "--all", "--uuid", "--name"): "", ("capabilities",): "<capabilities/>"})
    driver.hypervisor = "QEMU"
    disk = {"source": str(folder / "web.qcow2"), "format": "qcow2"}
    vm = Vm("m1", id=UUID, power=power, config={"disks": {"vda": disk}, "shared_folders": {}})
    after = vm.having(config={**vm.config, "shared_folders": dict(shares)})
    driver.preflight(Plan(vm, after, segments=(tuple(steps),)))
    return driver.virsh.done


@pytest.mark.parametrize(
    ("steps", "more", "is_possible"),
    [
        pytest.param(SUSPEND, {}, False, id="suspended"),
        pytest.param(SUSPEND, {"power": "paused"}, False, id="suspended from paused"),
        pytest.param(SUSPEND, {"running": _OF_A_SOCKET}, False, id="virtiofsd of others"),
        pytest.param(snapshot("internal"), {}, False, id="internal snapshot"),
        pytest.param(snapshot("external", include_memory=True), {}, False, id="external snapshot with memory"),
        pytest.param(RESTART, {"running": "", "stored": _VIRTIOFS}, False, id="in use after a restart"),
        pytest.param([configured("data"), *RESTART], {"running": "", "shares": True}, False, id="added by the plan"),
        pytest.param(SUSPEND, {"running": ""}, True, id="no folders"),
        pytest.param(SUSPEND, {"running": _9P}, True, id="9p"),
        pytest.param(SUSPEND, {"running": "", "stored": _VIRTIOFS}, True, id="not yet in use"),
        pytest.param(SUSPEND, {"version": "10.0.0"}, True, id="a newer libvirt may do it"),
        pytest.param(snapshot("external"), {}, True, id="external snapshot without memory"),
        pytest.param(snapshot("internal"), {"power": "stopped"}, True, id="snapshot of a stopped VM"),
        pytest.param([removed("data"), *RESTART], {"stored": _VIRTIOFS}, True, id="removed by the same plan"),
    ],
)
def test_memory_of_a_vm_with_virtiofs_cannot_be_saved(tmp_path, steps, more, is_possible):
    if "shares" in more:
        more = {**more, "shares": {"data": {"host_path": str(tmp_path)}}}
    error = (
        "m1: its memory cannot be saved, because the shared folder data uses virtiofs,"
        r" which libvirt 9\.0\.0 cannot save\."
    )
    with nullcontext() if is_possible else pytest.raises(Refused, match=error):
        preflight(tmp_path, steps, **more)
