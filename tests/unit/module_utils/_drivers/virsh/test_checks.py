# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements of a plan on its host: checked before the first step, and queried only if the plan needs them."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import checks
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.checks import check_plan
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import Change, Plan, Step, Vm

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh, driver_of, machine_xml, recorded

GIB = 1 << 30
START = Step("start")
NETWORKS = {("net-list", "--all", "--name"): "default\nlan\n", ("net-list", "--name"): "default\n"}


def check(folder, *steps, nics=(), virsh=None):
    config = {"networks": {str(place): nic for place, nic in enumerate(nics)}}
    vm = Vm("web", id="u", config=config)
    driver = driver_of(virsh or FakeVirsh(NETWORKS), folder)
    driver.hypervisor = "TEST"  # With QEMU, what may be made depends on the processor under these tests.
    check_plan(driver, Plan(vm, vm, segments=(steps,)))


def network(source):
    return {"type": "network", "source": source}


def put(nic):
    return Step("configure", changes=(Change("networks", None, nic, key="0"),))


def test_a_network_that_does_not_exist_names_those_that_do(tmp_path):
    with pytest.raises(NotFound) as caught:
        check(tmp_path, put(network("lna")), nics=[network("lna")])
    assert str(caught.value) == "web: networks: libvirt has no network 'lna'. Available networks: default, lan."


def test_a_network_that_is_not_active_stops_a_start_and_nothing_else(tmp_path):
    check(tmp_path, put(network("lan")), nics=[network("lan")])
    with pytest.raises(Refused, match=r"the network 'lan' is not active\. Start it first: virsh net-start lan"):
        check(tmp_path, START, nics=[network("lan")])


@pytest.mark.parametrize(
    ("step", "nics"),
    [
        (START, []),
        (START, [{"type": "user"}]),
        (Step("stop"), [network("nosuch")]),
        (Step("configure", changes=(Change("memory", 1, 2),)), [network("nosuch")]),
    ],
)
def test_networks_are_asked_about_only_where_one_is_needed(tmp_path, step, nics):
    virsh = FakeVirsh()
    check(tmp_path, step, nics=nics, virsh=virsh)
    assert virsh.processes == 0


def test_a_network_card_without_a_name_beside_one_with_a_wrong_name(tmp_path):
    with pytest.raises((NotFound, Refused)):
        check(tmp_path, START, nics=[{"type": "network"}, network("nosuch")])


def test_a_medium_must_be_one(tmp_path):
    change = Change("iso", "", str(tmp_path / "nosuch.iso"))
    with pytest.raises(NotFound, match=r"web: iso: .*nosuch\.iso does not exist on the hypervisor"):
        check(tmp_path, Step("configure", changes=(change,)))


def test_a_creation_needs_its_folder(tmp_path):
    arguments = {"config": {"disks": {"vda": {"size": GIB}}}, "creation": {}}
    with pytest.raises(NotFound, match=r"storage_path: .*nosuch is not a directory"):
        check(
            tmp_path / "nosuch",
            Step("create", arguments=arguments),
            virsh=FakeVirsh({("list", "--all", "--uuid", "--name"): ""}),
        )


def test_nothing_was_written_by_looking(tmp_path):
    arguments = {"config": {"disks": {"vda": {"size": GIB}}}, "creation": {"cloud_init": {"user": "admin"}}}
    virsh = FakeVirsh({("list", "--all", "--uuid", "--name"): ""})
    check(tmp_path, Step("create", arguments=arguments), virsh=virsh)
    assert list(tmp_path.iterdir()) == []
    assert [words[0] for words in virsh.done] == ["list"]


@pytest.mark.parametrize(("content", "refused"), [(b"", False), (b"x" * 4096, True)])
def test_a_file_in_a_disks_place_is_found_before_anything_is_done(tmp_path, content, refused):
    (tmp_path / "web-vda.raw").write_bytes(content + bytes(1 << 20))
    arguments = {"config": {"disks": {"vda": {"size": 1 << 20, "format": "raw"}}}, "creation": {}}
    virsh = FakeVirsh({("list", "--all", "--uuid", "--name"): ""})
    with pytest.raises(Refused, match="already exists and has different content") if refused else nullcontext():
        check(tmp_path, Step("create", arguments=arguments), virsh=virsh)


def deletion(*paths):
    return Step("delete", arguments={"files": tuple(str(path) for path in paths)})


def test_a_file_that_cannot_be_removed_is_found_before_the_machine_stops(tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "disk").touch()
    # Root may write everywhere, so the port is patched to return the result for other users.
    monkeypatch.setattr(checks.files, "is_writable", lambda path: path != str(closed))
    with pytest.raises(
        Refused, match=r"web: .*closed/disk cannot be deleted, because its directory is not writable"
    ) as raised:
        check(tmp_path, Step("stop"), deletion(tmp_path / "other", closed / "disk"))
    assert "become" in raised.value.remedy
    check(tmp_path, Step("stop"), deletion(tmp_path / "other", closed / "gone", tmp_path / "nosuch" / "disk"))


# NVRAM and logs -------------------------------------------------------------------------------------------------------


def beside(text, **config):
    """Check a new VM with ``config`` on a host with one VM, m1, and all features of QEMU."""
    question = ("domcapabilities", "--virttype", "qemu", "--arch", "x86_64", "--machine", "q35")
    answers = {
        ("capabilities",): "<capabilities/>",
        question: recorded("domcapabilities-q35.xml"),
        ("list", "--all", "--uuid", "--name"): f"{UUID} m1\n",
        ("dumpxml", UUID): text,
        ("dumpxml", UUID, "--inactive"): text,
    }
    return {"virsh": FakeVirsh(answers)}, Step("create", arguments={"config": config, "creation": {}})


def test_nvram_that_another_machine_uses_is_not_taken(tmp_path):
    theirs = machine_xml(("<os>", f"<os firmware='efi'><nvram>{tmp_path}/web.nvram-secure</nvram>"))
    host, step = beside(theirs, firmware="uefi", secure_boot=False)
    check(tmp_path, step, **host)
    host, step = beside(theirs, firmware="uefi", secure_boot=True)
    with pytest.raises(Refused, match=r"web: .*web\.nvram-secure is used by m1"):
        check(tmp_path, step, **host)


def test_nvram_needs_its_folder_which_only_libvirt_must_be_able_to_write(tmp_path, monkeypatch):
    host, step = beside(machine_xml(), firmware="uefi", secure_boot=False)
    with pytest.raises(NotFound, match=r"storage_path: .*nosuch is not a directory"):
        check(tmp_path / "nosuch", step, **host)
    monkeypatch.setattr(checks.files, "is_writable", lambda path: False)
    host, step = beside(machine_xml(), firmware="uefi", secure_boot=False)
    check(tmp_path, step, **host)


def test_a_log_that_another_machine_writes_is_not_taken(tmp_path):
    log = str(tmp_path / "log")
    theirs = machine_xml(("<devices>", f"<devices><serial type='pty'><log file='{log}'/></serial>"))
    host, step = beside(theirs, serial_log=log)
    with pytest.raises(Refused, match=f"web: serial_log: {log} is already written by m1"):
        check(tmp_path, step, **host)
    with pytest.raises(Refused, match=f"web: serial_log: {log} is already written by m1"):
        check(tmp_path, Step("configure", changes=(Change("serial_log", "", log),)), **host)
    check(tmp_path, Step("configure", changes=(Change("serial_log", log, ""),)))


def test_firmware_of_a_machine_that_is_there_is_looked_at_as_well(tmp_path):
    theirs = machine_xml(("<os>", f"<os firmware='efi'><nvram>{tmp_path}/web.nvram</nvram>"))
    (arguments, _step), changes = beside(theirs), (Change("firmware", "bios", "uefi"),)
    vm = Vm("web", id="u", config={"firmware": "bios", "secure_boot": False})
    with pytest.raises(Refused, match=r"web: .*web\.nvram is used by m1"):
        check_plan(
            driver_of(arguments["virsh"], tmp_path), Plan(vm, vm, segments=((Step("configure", changes=changes),),))
        )
