# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements of a plan on its host: checked before the first step, and queried only if the plan needs them."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LIVE, NEXT_BOOT, Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.simulate import simulate
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import unfinished_mark
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import POWER_VERBS, VERB
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.guards import GUARDS
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import FILE_OPTIONS
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files, permits

from unit.module_utils._drivers.claimed import check_claims
from unit.module_utils._drivers.virsh.answers import (
    UUID,
    FakeVirsh,
    StoringVirsh,
    driver_of,
    machine_xml,
    of_vms,
    with_devices,
)

START = Step("start")
NETWORKS = {("net-list", "--all", "--name"): "default\nlan\n", ("net-list", "--name"): "default\n"}


def check(folder, *steps, nics=(), virsh=None, unfinished=None):
    config = {"networks": {str(place): nic for place, nic in enumerate(nics)}}
    vm = Vm("web", id="u", config=config)
    driver = driver_of(virsh or FakeVirsh(NETWORKS), folder)
    driver.hypervisor = "TEST"  # With QEMU, the result would depend on the CPU of the test host.
    driver.unfinished.update({unfinished.name: unfinished} if unfinished else {})
    driver.preflight(Plan(vm, vm, segments=(steps,)))
    return driver


def check_others(folder, step, vm=None, **host):
    """The same, and what other VMs exclude."""
    driver = check(folder, step, **host) if vm is None else driver_of(host["virsh"], folder)
    before = vm or Vm("web", id=None if step.verb == "create" else "u")
    check_claims(driver, Plan(before, simulate(before, [step]), segments=((step,),)))


def network(source):
    return {"type": "network", "source": source}


@pytest.mark.parametrize(
    ("step", "nics"),
    [
        (START, []),
        (START, [{"type": "user"}]),
        (Step("stop"), [network("nosuch")]),
        (Step("configure", changes=(Change("boot_order", [], ["hd"]),)), [network("nosuch")]),
    ],
)
def test_networks_are_listed_only_if_a_step_needs_one(tmp_path, step, nics):
    virsh = FakeVirsh()
    check(tmp_path, step, nics=nics, virsh=virsh)
    assert virsh.processes == 0


def test_networks_are_listed_once_for_all_plans_until_a_step(tmp_path):
    virsh = FakeVirsh(NETWORKS)
    driver = check(tmp_path, START, nics=[network("default")], virsh=virsh)
    config = {"networks": {"0": network("lan")}}
    plan = Plan(Vm("other", id="o", config=config), Vm("other", id="o", config=config), segments=((START,),))
    with pytest.raises(Refused, match="the network 'lan' is not active"):
        driver.preflight(plan)
    assert virsh.processes == 1
    driver.apply([(plan.before, (Step("kill"),), permits.ANYTHING)])
    virsh.answers["net-list", "--name"] = "default\nlan\n"
    driver.preflight(plan)


def test_limit_that_the_running_vm_does_not_take_is_rejected(tmp_path):
    tuned = "<disk><target dev='vdy'/><iotune><write_iops_sec>5</write_iops_sec></iotune></disk>"
    stored, running = (machine_xml(with_devices(disk)) for disk in ("<disk><target dev='vdy'/></disk>", tuned))
    driver = driver_of(StoringVirsh(UUID, stored, running.replace("<domain", "<domain id='1'", 1)), tmp_path)
    driver.hypervisor = "TEST"
    vm = Vm("m1", id=UUID, power="running", config={"disks": {"vdy": {}}}, active={"disks": {"vdy": {}}})
    for option, cost in (("iops_limit", LIVE), ("iops_limit", NEXT_BOOT), ("bandwidth_limit", LIVE)):
        limit = Change("disks", None, 9, key="vdy", attribute=option, cost=cost)
        is_rejected = (option, cost) == ("iops_limit", LIVE)
        with pytest.raises(Refused, match=r"of the running VM: .* write_iops_sec 5") if is_rejected else nullcontext():
            driver.preflight(Plan(vm, vm, segments=((Step("configure", changes=(limit,)),),)))


def test_topology_of_the_next_start_limits_cpus(tmp_path):
    topology = "</vcpu><cpu><topology sockets='1' dies='1' cores='1' threads='1'/></cpu>"
    plain, fixed = machine_xml(), machine_xml(("</vcpu>", topology))
    vm = Vm("m1", id=UUID, power="running", config={"cpus": 1}, active={"cpus": 1})
    step = Step("configure", changes=(Change("cpus", 1, 3, cost=NEXT_BOOT),))
    for stored, running, is_rejected in ((plain, fixed, False), (fixed, plain, True)):
        driver = driver_of(StoringVirsh(UUID, stored, running.replace("<domain", "<domain id='1'", 1)), tmp_path)
        driver.hypervisor = "TEST"
        with pytest.raises(Refused, match="its CPU topology allows 1 CPU") if is_rejected else nullcontext():
            driver.preflight(Plan(vm, vm, segments=((step,),)))


RAW = {"config": {"disks": {"vda": {"size": 1 << 20, "format": "raw"}}}, "creation": {}}
EXISTING = [(b"", True, False), (b"", False, True), (b"x", True, True), (b"", "path only", True)]


@pytest.mark.parametrize(("content", "is_begun", "refused"), EXISTING)
def test_existing_file_of_new_disk_is_checked_before_first_step(tmp_path, content, is_begun, refused):
    """It is used if the mark of a VM that a killed task has begun names it, and if it is as that task created it."""
    path = tmp_path / "web-vda.raw"
    path.write_bytes(content.ljust(1 << 20, b"\0"))
    identities = {str(path): files.identity(path)} if is_begun is True else {}
    half = Vm("web", id="half", mark=unfinished_mark({"id": "half"}, [str(path)] if is_begun else [], identities))
    error = "already exists, and existing files are never overwritten"
    with pytest.raises(Refused, match=error) if refused else nullcontext():
        check(tmp_path, Step("create", arguments=RAW), virsh=FakeVirsh(of_vms()), unfinished=half)


def test_file_of_a_vm_that_another_task_has_just_created_is_named_as_such(tmp_path):
    (tmp_path / "web-vda.raw").write_bytes(bytes(1 << 20))
    virsh = FakeVirsh(of_vms(machine_xml(("<name>m1", "<name>web"))))
    with pytest.raises(Refused, match="another task created a VM with this name at the same time"):
        check(tmp_path, Step("create", arguments=RAW), virsh=virsh)


def deletion(*paths):
    return Step("delete", arguments={"files": tuple(str(path) for path in paths)})


def test_undeletable_file_is_rejected_before_vm_is_stopped(tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "disk").touch()
    # Root may write everywhere, so the port is patched to return the result for other users.
    monkeypatch.setattr(files, "is_writable", lambda path: path != str(closed))
    with pytest.raises(
        Refused, match=r"web: .*closed/disk cannot be deleted, because its directory is not writable"
    ) as raised:
        check(tmp_path, Step("stop"), deletion(tmp_path / "other", closed / "disk"))
    assert "become" in raised.value.remedy
    check(tmp_path, Step("stop"), deletion(tmp_path / "other", closed / "gone", tmp_path / "nosuch" / "disk"))


# NVRAM and logs -------------------------------------------------------------------------------------------------------


def creation_beside_m1(text, **config):
    """(arguments of ``check``, step that creates a VM with ``config``) for a host with one VM, m1."""
    answers = {("capabilities",): "<capabilities/>", **of_vms(text)}
    arguments = {"config": config, "creation": {}, "power": "stopped"}
    return {"virsh": FakeVirsh(answers)}, Step("create", arguments=arguments)


def test_nvram_file_of_another_vm_is_rejected(tmp_path):
    theirs = machine_xml(("<os>", f"<os firmware='efi'><nvram>{tmp_path}/web.nvram-secure</nvram>"))
    host, step = creation_beside_m1(theirs, firmware="uefi", secure_boot=False)
    check_others(tmp_path, step, **host)
    host, step = creation_beside_m1(theirs, firmware="uefi", secure_boot=True)
    with pytest.raises(Refused, match=r"web: firmware: .*web\.nvram-secure is used by m1"):
        check_others(tmp_path, step, **host)


def test_nvram_file_of_an_earlier_vm_is_rejected_until_it_is_moved(tmp_path):
    host, step = creation_beside_m1(machine_xml(), firmware="uefi", secure_boot=False)
    (tmp_path / "web.nvram-secure").touch()
    check(tmp_path, step, **host)
    (tmp_path / "web.nvram").touch()
    with pytest.raises(Refused, match=r"web: firmware: .*web\.nvram already exists"):
        check(tmp_path, step, **host)


def test_nvram_needs_existing_directory_that_need_not_be_writable(tmp_path, monkeypatch):
    host, step = creation_beside_m1(machine_xml(), firmware="uefi", secure_boot=False)
    with pytest.raises(NotFound, match=r"web: storage_path: the directory .*nosuch does not exist"):
        check(tmp_path / "nosuch", step, **host)
    monkeypatch.setattr(files, "is_writable", lambda path: False)
    host, step = creation_beside_m1(machine_xml(), firmware="uefi", secure_boot=False)
    check(tmp_path, step, **host)


def test_each_option_that_moves_a_new_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "is_writable", lambda path: False)
    host, step = creation_beside_m1(machine_xml(), disks={"vda": {"size": 1 << 30}})
    with pytest.raises(Refused, match="is not writable") as error:
        check(tmp_path, step, **host)
    assert {"storage_path", "image_directory", "become:"} <= set(re.split(r"[ ,]+", error.value.remedy))


def test_nvram_is_checked_for_firmware_change_of_existing_vm(tmp_path):
    theirs = machine_xml(("<os>", f"<os firmware='efi'><nvram>{tmp_path}/web.nvram</nvram>"))
    (arguments, _step), changes = creation_beside_m1(theirs), (Change("firmware", "bios", "uefi"),)
    vm = Vm("web", id="u", config={"firmware": "bios", "secure_boot": False})
    with pytest.raises(Refused, match=r"web: firmware: .*web\.nvram is used by m1"):
        check_others(tmp_path, Step("configure", changes=changes), vm, **arguments)


@pytest.mark.parametrize(
    ("step", "is_about"),
    [
        *((Step(verb), verb not in POWER_VERBS) for verb in VERB if verb != "configure"),
        *(
            (Step("configure", changes=(Change(field, None, "x"),)), field not in ("cpus", "memory", "networks"))
            for field in (*FILE_OPTIONS, "iso", "cdroms", "disks", "shared_folders", "cpus", "memory", "networks")
        ),
    ],
    ids=str,
)
def test_files_are_read_for_steps_that_can_need_some(step, is_about):
    (guard,) = [one for one in GUARDS if "file is missing" in one.protects]
    assert bool({step.verb, *(change.field for change in step.changes)} & {*guard.about}) == is_about
