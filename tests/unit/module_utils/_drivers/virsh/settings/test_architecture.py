# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of another architecture than amd64: what is planned, what is written, and what is rejected before a step."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused, Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Policy, Request, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.simulate import simulate
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import empty_mark
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.create import new_definition
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.images import LibvirtImages
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import architecture
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.cdroms import BUSES
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.described import not_modelled
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.table import SETTINGS
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._tools import virsh_output
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.claimed import run_guard
from unit.module_utils._drivers.virsh.answers import CAPABILITIES, UUID, FakeVirsh, driver_of, recorded

GIB = 1 << 30
#: Hosts by what they can run. The one of arm64 is that with both, with another CPU and without the other emulators.
HOSTS = {
    "amd64": CAPABILITIES,
    "both": recorded("capabilities-with-arm64.xml"),
    "arm64": recorded("capabilities-arm64-host.xml"),
}
AMD, BOTH, ARM = HOSTS
EXISTING = Vm("web", id=UUID, config={"architecture": "arm64", "firmware": "uefi", "disks": {}, "cdroms": {}})
OURS = {**empty_mark(UUID), "created": "2026-11-27T00:00:00Z"}
IMAGE = {"image": {"source": "/a.qcow2"}}


def traits(host="amd64", version="9.0.0", local=True):
    return virsh_traits("QEMU", version, local, host=SimpleNamespace(is_local=False, host_architecture=host))


def planned(config, vm=None, host="amd64", creation=None, source=None, allow_recreate=False):
    vm = vm or Vm.absent("web")
    request = Request(
        name="web",
        state="present",
        config=config,
        creation=creation or {},
        policy=Policy(allow_recreate=allow_recreate),
    )
    return plan(vm, request, traits(host), source=source)


def driver(folder, host=BOTH, **options):
    one = driver_of(FakeVirsh({("capabilities",): HOSTS[host]}), folder, **options)
    one.hypervisor, one.library = "QEMU", "9.0.0"
    return one


def creating(config):
    return Step("create", arguments={"config": config, "creation": {}})


# Planning -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "host", "expected"),
    [
        ({}, "amd64", (None, None, {"sata0": {"source": ""}})),
        ({"architecture": "amd64"}, "amd64", ("amd64", None, {"sata0": {"source": ""}})),
        ({"architecture": "arm64"}, "amd64", ("arm64", "uefi", {"sda": {"source": ""}})),
        ({}, "arm64", ("arm64", "uefi", {"sda": {"source": ""}})),
        ({"architecture": "amd64"}, "arm64", ("amd64", None, {"sata0": {"source": ""}})),
        ({"disks": {"sda": {"size": GIB}}}, "arm64", ("arm64", "uefi", {"sdb": {"source": ""}})),
    ],
)
def test_new_vm_has_the_architecture_of_its_host_by_default(config, host, expected):
    (step,) = planned({"disks": {"vda": {"size": GIB}}, **config}, host=host).steps
    found = step.arguments["config"]
    assert (found.get("architecture"), found.get("firmware"), found["cdroms"]) == expected
    assert found.get("secure_boot") == (False if expected[1] else None)


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"firmware": "bios"}, r"web: firmware: bios does not exist for arm64\."),
        (
            {"disks": {"sata0": {"size": GIB}}},
            r"web: disks\.sda: the firmware of arm64 does not start from the bus sata",
        ),
        ({"disks": {"hda": {"size": GIB}}}, r"web: disks\.hda: .* from the bus ide\."),
        ({"cdroms": {"sata1": {"source": ""}}}, r"web: cdroms\.sata1: .* from the bus sata\."),
        ({"nested_virtualization": True}, r"web: nested_virtualization is supported only for amd64"),
        ({"nested_virtualization": False}, r"web: nested_virtualization is supported only for amd64"),
        (
            {"native": {"features/hyperv/relaxed@state": "on"}},
            r"web: native: 'features/hyperv/relaxed@state' exists only",
        ),
        ({"native": {"cpu/model": "cortex-a15"}}, r"web: native: 'cpu/model': cortex-a15 does not work .* arm64\."),
        ({"native": {"cpu/model": "cortex-m33"}}, r"web: native: 'cpu/model': cortex-m33 does not work .* arm64\."),
        (
            {"native": {"devices/serial/target@type": "isa-serial"}},
            r"web: native: 'devices/serial/target@type': isa-serial does not work in a VM of arm64\.",
        ),
    ],
)
def test_value_that_arm64_does_not_have_is_rejected(config, error):
    asked = {"disks": {"vda": {"size": GIB}}, **config}
    for vm, architecture_of_task in ((None, {"architecture": "arm64"}), (EXISTING, {})):
        refusal = planned({**asked, **architecture_of_task}, vm=vm).refusal
        assert re.match(error, refusal.message), refusal
        assert refusal.remedy


def test_another_architecture_needs_permission():
    ours = EXISTING.having(mark=OURS, id=UUID)
    for vm, remedy in ((EXISTING, "delete the VM yourself first"), (ours, "Set allow_recreate: true")):
        refusal = planned({"architecture": "amd64"}, vm=vm).refusal
        assert refusal.message == "web: architecture cannot be changed on an existing VM."
        assert remedy in refusal.remedy
    assert planned({"architecture": "arm64"}, vm=EXISTING).steps == []


def test_vm_that_becomes_arm64_loses_its_drive_on_sata_only_if_the_task_says_so():
    drives = {"cdroms": {"sata0": {"source": ""}}}
    vm = Vm("web", id=UUID, mark=OURS, config={"architecture": "amd64", "firmware": "bios", **drives})
    task = {"architecture": "arm64", "disks": {"vda": {"size": GIB}}}
    assert (
        planned(task, vm=vm, creation=IMAGE).refusal.message == "web: architecture cannot be changed on an existing VM."
    )
    config = planned(task, vm=vm, creation=IMAGE, allow_recreate=True).steps[1].arguments["config"]
    remedy = r"Use .* set cdroms: \[\{slot: sata0, state: absent\}\]"
    with pytest.raises(Refused, match=rf"web: cdroms\.sata0: .* bus sata\. {remedy}"):
        architecture.check_buses("web", architecture.row_of(config), config, BUSES)
    drives = {"cdroms": {"sata0": None, "sdb": {"source": ""}}}
    steps = planned({**task, **drives}, vm=vm, creation=IMAGE, allow_recreate=True).steps
    assert [step.verb for step in steps] == ["delete", "create"]
    config = steps[1].arguments["config"]
    assert (config["architecture"], config["firmware"], config["cdroms"]) == ("arm64", "uefi", {"sdb": {"source": ""}})


def test_nested_vm_is_not_deleted_for_arm64():
    config = {"architecture": "amd64", "disks": {"vda": {"size": GIB}}, "nested_virtualization": True}
    vm = Vm("web", id=UUID, mark=OURS, config=config)
    again = {"creation": IMAGE, "allow_recreate": True}
    refusal = planned({"architecture": "arm64"}, vm=vm, **again).refusal
    assert "web: nested_virtualization is supported only for amd64, and the VM is arm64. The VM needs" in str(refusal)
    assert "in this task or in one before it" in refusal.remedy
    off = vm.having(config={**config, "nested_virtualization": False})
    steps = planned({"architecture": "arm64"}, vm=off, **again).steps
    assert [step.verb for step in steps] == ["delete", "create"]
    assert "nested_virtualization" not in steps[1].arguments["config"]


def test_clone_has_the_architecture_of_its_source():
    source = EXISTING.having(name="db", id="u-db", config={**EXISTING.config, "disks": {"vda": {"format": "qcow2"}}})
    clone = {"clone": {"source": "db", "linked": False}}
    (step,) = planned({}, creation=clone, source=source).steps
    assert step.arguments["config"]["architecture"] == "arm64"
    refusal = planned({"architecture": "amd64"}, creation=clone, source=source).refusal
    assert refusal.message == "web: architecture of a clone cannot differ from its source 'db'."


def test_connection_without_the_files_of_the_host_has_no_architecture():
    assert "architecture" not in traits(local=False).fields
    assert traits(local=False).inherited({}) == {}


# A definition ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "virt_type", "cpu", "gic"),
    [(BOTH, "qemu", ("custom", "cortex-a72"), "3"), (ARM, "kvm", ("host-passthrough", None), None)],
)
def test_new_definition_of_arm64(tmp_path, host, virt_type, cpu, gic):
    made = new_definition(driver(tmp_path, host), "web", UUID, {"architecture": "arm64"})
    assert made.root.get("type") == virt_type
    assert (made.native("os/type@arch"), made.native("os/type@machine")) == ("aarch64", "virt")
    assert (made.native("cpu@mode"), made.native("cpu/model"), made.native("features/gic@version")) == (*cpu, gic)
    assert made.root.find("features/apic") is None
    assert len(made.root.findall("devices/controller[@model='pcie-root-port']")) == 14
    assert made.root.find("devices/controller[@model='qemu-xhci']") is not None
    assert made.root.find("devices/memballoon") is not None


def test_new_definition_of_amd64_is_as_before(tmp_path):
    made = new_definition(driver(tmp_path, AMD), "web", UUID, {})
    assert (made.native("os/type@arch"), made.native("os/type@machine")) == ("x86_64", "q35")
    assert (made.native("cpu@mode"), made.native("devices/video/model@type")) == ("host-passthrough", "vga")
    assert made.root.find("features/apic") is not None
    assert made.root.find("features/gic") is None


def written(name, *changes):
    row = architecture.row_of({"architecture": name})
    text = f"<domain><os><type arch='{row.arch}' machine='{row.machine}'>hvm</type></os><devices/></domain>"
    definition = Definition(text)
    for change in changes:
        SETTINGS[change.field].write(definition, change)
    return definition


@pytest.mark.parametrize(("name", "smm", "video"), [("amd64", "on", "vga"), ("arm64", None, "virtio")])
def test_secure_boot_and_display(name, smm, video):
    changes = [Change("firmware", None, "uefi"), Change("secure_boot", None, True)]
    found = written(name, *changes, Change("display", None, "vnc", attribute="type"))
    assert found.native("features/smm@state") == smm
    assert found.native("devices/video/model@type") == video


@pytest.mark.parametrize(
    ("arch", "name"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("i686", "i686"), ("riscv64",) * 2]
)
def test_architecture_is_read(arch, name):
    assert architecture.read_architecture(Definition(f"<domain><os><type arch='{arch}'/></os></domain>")) == name


def test_description_names_only_another_architecture_than_that_of_the_host():
    for host, named in (("amd64", True), ("arm64", False)):
        shown = traits(host).as_options(EXISTING, EXISTING.config)
        assert ("architecture" in shown) is named


def test_everything_of_a_new_arm64_vm_is_described():
    """The definition is that of a VM that this collection created with libvirt 9.0."""
    found = not_modelled(Definition(recorded("arm64-vm.xml")))
    assert set(found) == {"virt_type"}


# The host -------------------------------------------------------------------------------------------------------------


def test_capabilities():
    assert virsh_output.host_architecture(HOSTS[BOTH]) == "x86_64"
    assert virsh_output.host_architecture(HOSTS[ARM]) == "aarch64"
    assert virsh_output.guests(HOSTS[BOTH])["aarch64"] == {"qemu"}
    assert virsh_output.guests(HOSTS[ARM])["aarch64"] == {"kvm", "qemu"}


@pytest.mark.parametrize(
    ("host", "config", "options", "error"),
    [
        (AMD, {"architecture": "arm64"}, {}, "no emulator for arm64. Install qemu-system-arm"),
        (ARM, {"architecture": "amd64"}, {}, "no emulator for amd64. Install qemu-system-x86"),
        (BOTH, {"architecture": "arm64"}, {"virt_type": "kvm"}, "cannot run arm64 with kvm, only with qemu. Omit"),
        (BOTH, {"architecture": "riscv64"}, {}, "architecture riscv64 cannot be created, only of amd64 and arm64"),
    ],
)
def test_host_that_cannot_run_a_vm(tmp_path, host, config, options, error):
    with pytest.raises(Unsupported, match=f"web: .*{error}"):
        architecture.check_architecture(driver(tmp_path, host, **options), "web", config)


def test_new_vm_of_amd64_costs_no_call_but_the_one_that_every_creation_makes(tmp_path):
    """The capabilities are read once for each task that creates a VM, also without this option (read_place)."""
    one = driver(tmp_path, AMD, uri="qemu:///system", virt_type="kvm")
    one.claims.read_place()
    before = list(one.virsh.done)
    new = SimpleNamespace(after=Vm("web", config={"memory": GIB}), steps=[creating({})])
    architecture.check_architecture(one, "web", {"networks": {"0": {}}})
    architecture.architecture_warnings(one, new)
    new_definition(one, "web", UUID, {})
    LibvirtImages(str(tmp_path), one).needs(Request(name="web"))
    assert before == one.virsh.done == [("capabilities",)]


def test_existing_vms_cost_no_call(monkeypatch):
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(machine="x86_64"))
    # Without host_architecture: it is not read.
    found = virsh_traits("QEMU", "9.0.0", True, host=SimpleNamespace(is_local=True))
    config = {"architecture": "amd64", "firmware": "bios", "cpus": 1}
    vm = Vm("web", id=UUID, config=config)
    assert "architecture" not in found.as_options(vm, config)
    for target, request in (
        (vm, Request(name="web", config={"cpus": 1})),
        (vm, Request(name="web", config={"architecture": "amd64"})),
        (Vm.absent("web"), Request(name="web", state="absent")),
    ):
        assert plan(target, request, found).steps == []


def test_missing_rom_is_rejected(monkeypatch, tmp_path):
    found = []
    monkeypatch.setattr(architecture.files, "exists", lambda path: path == "/etc/debian_version" or path in found)
    config = {"architecture": "arm64", "networks": {"0": {}}}
    with pytest.raises(Refused, match=r"efi-virtio.rom for a NIC of arm64, .* Install ipxe-qemu"):
        _check_rom(tmp_path, config)
    for other in ({**config, "networks": {}}, {**config, "architecture": "amd64"}):
        _check_rom(tmp_path, other)
    # Also for a NIC that an existing VM gets.
    added = Step("configure", changes=(Change("networks", None, {"type": "user"}, key="0"),))
    with pytest.raises(Refused, match=r"web: networks: QEMU needs efi-virtio.rom"):
        driver(tmp_path).preflight(Plan(EXISTING, simulate(EXISTING, [added]), segments=((added,),)))
    found.append("/usr/lib/ipxe/qemu/efi-virtio.rom")
    _check_rom(tmp_path, config)


def _check_rom(folder, config):
    run_guard(architecture.check_rom, driver(folder), Vm("web", config=config), creating(config))


@pytest.mark.parametrize(
    ("host", "config", "words"),
    [
        (BOTH, {"architecture": "arm64", "memory": GIB}, ["arm64 is emulated on this amd64 host"]),
        (ARM, {"architecture": "arm64", "memory": GIB}, []),
        (ARM, {"architecture": "arm64", "memory": GIB // 8}, ["memory: 128M may be too small .* at least 256M"]),
        (AMD, {"memory": GIB // 8}, []),
    ],
)
def test_warnings(tmp_path, host, config, words):
    vm = Vm("web", config=config)
    new = SimpleNamespace(after=vm, steps=[creating(config)])
    found = architecture.architecture_warnings(driver(tmp_path, host), new)
    assert len(found) == len(words)
    assert all(re.search(word, text) for word, text in zip(words, found))


def test_only_arm64_requires_a_libvirt_that_selects_firmware(tmp_path):
    one = driver(tmp_path)
    one.library = "7.0.0"
    architecture.check_architecture(one, "web", {"architecture": "amd64"})
    with pytest.raises(Unsupported, match=r"web: architecture: VMs of arm64 require libvirt 7\.2 or later"):
        architecture.check_architecture(one, "web", {"architecture": "arm64"})


def test_the_test_driver_of_libvirt_has_the_usual_architecture(tmp_path):
    """It reports i686 on any host, for which no cloud has images."""
    one = driver(tmp_path)
    one.hypervisor = "TEST"
    assert one.host_architecture == "amd64"


@pytest.mark.parametrize(
    ("host", "config", "expected"),
    [
        (AMD, {}, ("amd64", "bios")),
        (BOTH, {"architecture": "arm64"}, ("arm64", "uefi")),
        (ARM, {}, ("arm64", "uefi")),
        (BOTH, {"architecture": "arm64", "firmware": "uefi"}, ("arm64", "uefi")),
    ],
)
def test_image_has_the_architecture_of_the_vm(tmp_path, host, config, expected):
    needs = LibvirtImages(str(tmp_path), driver(tmp_path, host)).needs(Request(name="web", config=config))
    assert (needs.architecture, needs.firmware) == expected
    assert needs.cpu is None or expected[0] == "amd64"
