# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPUs and memory with a maximum: requested values, costs of changes, parsing and writing."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LIVE, NEXT_BOOT, Change, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings import memory_cpus
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.table import SETTINGS, config_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import UUID, machine_xml
from unit.module_utils._drivers.virsh.test_configure import change, virsh_with, written
from unit.module_utils._drivers.virsh.test_definition import edited

MIB, GIB = 1 << 20, 1 << 30
TRAITS = virsh_traits("QEMU", "9.0.0", local=True)
ONE_OF_ONE = "<vcpu placement='static'>1<"
FOUR = (ONE_OF_ONE, "<vcpu placement='static'>4<")
TWO_OF_FOUR = (ONE_OF_ONE, "<vcpu placement='static' current='2'>4<")
#: The recorded machine has 512 MiB, all of it.
HALF = ("<currentMemory unit='KiB'>524288<", "<currentMemory unit='KiB'>262144<")
TOPOLOGY = ("</cpu>", "<topology sockets='4' dies='1' cores='1' threads='1'/></cpu>")


def written_by(text, field, new):
    """The changes of a definition by writing one field."""
    return edited(text, lambda definition: SETTINGS[field].write(definition, Change(field, None, new)))


def off(**config):
    return Vm("web", id="u", config=config)


def running(stored, active):
    return Vm("web", id="u", power="running", config=stored, active=active)


# Normalizing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "requested", "normalized"),
    [
        ({"cpus": 2}, {"cpus": 4}, {"cpus": 4}),
        ({"cpus": 2}, {"max_cpus": 4}, {"max_cpus": 4}),
        ({"cpus": 2}, {"max_cpus": 2}, {"max_cpus": None}),
        ({"cpus": 2, "max_cpus": 4}, {"cpus": 3}, {"cpus": 3}),
        ({"cpus": 2, "max_cpus": 4}, {"cpus": 4}, {"cpus": 4, "max_cpus": None}),
        ({"cpus": 2, "max_cpus": 4}, {"cpus": 6}, {"cpus": 6, "max_cpus": None}),
        ({"cpus": 2, "max_cpus": 4}, {"cpus": 6, "max_cpus": 8}, {"cpus": 6, "max_cpus": 8}),
        ({"memory": GIB}, {"max_memory": 2 * GIB}, {"max_memory": 2 * GIB}),
        ({"memory": GIB}, {"max_memory": 1500000}, {"max_memory": "refused"}),
        ({"memory": MIB}, {"max_memory": 1500000}, {"max_memory": 1465 * 1024}),
    ],
)
def test_maximum_is_normalized_to_form_in_which_it_is_read(found, requested, normalized):
    if "refused" in normalized.values():
        with pytest.raises(Refused):
            TRAITS.normalize(off(**found), requested)
    else:
        assert TRAITS.normalize(off(**found), requested) == normalized


@pytest.mark.parametrize(
    ("requested", "error"),
    [
        (
            {"max_memory": GIB // 2},
            "web: max_memory: 512M is less than memory, which is 1G. Set max_memory to at least 1G",
        ),
        (
            {"cpus": 4, "max_cpus": 3},
            "web: max_cpus: 3 is less than cpus, which is 4. Set max_cpus to at least 4, or reduce cpus.",
        ),
    ],
)
def test_maximum_below_value_is_rejected(requested, error):
    with pytest.raises(Refused) as caught:
        TRAITS.normalize(off(cpus=2, memory=GIB), requested)
    assert str(caught.value).startswith(error)


# Costs ----------------------------------------------------------------------------------------------------------------


def costs(vm, **requested):
    """{field: cost} of all requested changes."""
    normalized = TRAITS.normalize(vm, requested)
    changes = [Change(field, vm.config.get(field), new, beside=normalized) for field, new in normalized.items()]
    return {one.field: memory_cpus.MEMORY_CPUS[one.field].cost_of(vm, one) for one in changes}


ROOM = {"cpus": 2, "max_cpus": 4, "memory": GIB, "max_memory": 4 * GIB}
FULL = {"cpus": 2, "max_cpus": None, "memory": GIB, "max_memory": None}


@pytest.mark.parametrize(
    ("stored", "active", "requested", "cost"),
    [
        pytest.param(ROOM, ROOM, {"cpus": 4}, {"cpus": LIVE, "max_cpus": LIVE}, id="up to the maximum"),
        pytest.param(ROOM, ROOM, {"cpus": 1}, {"cpus": NEXT_BOOT}, id="fewer"),
        pytest.param(ROOM, ROOM, {"cpus": 5}, {"cpus": NEXT_BOOT, "max_cpus": NEXT_BOOT}, id="more than the maximum"),
        pytest.param(ROOM, FULL, {"cpus": 3}, {"cpus": NEXT_BOOT}, id="only the stored definition has a maximum"),
        pytest.param(FULL, ROOM, {"max_cpus": 4}, {"max_cpus": LIVE}, id="the running VM already has that maximum"),
        pytest.param(
            {**ROOM, "cpus": 1, "max_cpus": 2}, {**ROOM, "cpus": 2, "max_cpus": None}, {"max_cpus": 1},
            {"max_cpus": LIVE}, id="neither has a maximum then",
        ),
        pytest.param(ROOM, {**ROOM, "cpus": 1}, {"cpus": 2}, {"cpus": LIVE}, id="the running VM has fewer"),
        pytest.param(ROOM, ROOM, {"memory": GIB // 2}, {"memory": LIVE}, id="less memory"),
        pytest.param(FULL, FULL, {"memory": GIB // 2}, {"memory": NEXT_BOOT}, id="less, and the maximum with it"),
        pytest.param(
            FULL, FULL, {"memory": GIB // 2, "max_memory": GIB}, {"memory": LIVE, "max_memory": LIVE},
            id="less, same maximum",
        ),
        pytest.param(
            ROOM, ROOM, {"memory": GIB // 2, "max_memory": GIB // 2},
            {"memory": NEXT_BOOT, "max_memory": NEXT_BOOT}, id="less, smaller maximum",
        ),
        pytest.param(
            ROOM, ROOM, {"memory": 2 * GIB, "max_memory": 8 * GIB},
            {"memory": LIVE, "max_memory": NEXT_BOOT}, id="more, larger maximum",
        ),
    ],
)  # fmt: skip
def test_cost_for_running_vm(stored, active, requested, cost):
    assert costs(running(stored, active), **requested) == cost


# Reading --------------------------------------------------------------------------------------------------------------


def read(*replacements):
    found = config_of(Definition(machine_xml(*replacements)), {})
    return {name: found[name] for name in ("cpus", "max_cpus", "memory", "max_memory")}


def waiting_differences(stored, active):
    """Names of the settings in which the running VM differs from the stored definition."""
    config, runs_with = read(*stored), read(*active)
    memory_cpus.align_maxima(config, runs_with, Definition(machine_xml(*stored)), Definition(machine_xml(*active)))
    return {name for name in config if config[name] != runs_with[name]}


@pytest.mark.parametrize(
    ("stored", "active", "differ"),
    [
        pytest.param([HALF], [], set(), id="the balloon differs from the requested size"),
        pytest.param([], [HALF], set(), id="the guest has released memory"),
        pytest.param([TWO_OF_FOUR], [FOUR], {"cpus"}, id="fewer at the next start"),
        pytest.param([TWO_OF_FOUR], [], {"cpus", "max_cpus"}, id="a maximum at the next start"),
        pytest.param([FOUR], [], {"cpus"}, id="more at the next start"),
        pytest.param([(">524288<", ">262144<")], [], {"memory"}, id="less at the next start"),
        pytest.param(
            [("<memory unit='KiB'>524288<", "<memory unit='GiB'>1<")], [HALF], {"max_memory"},
            id="a larger maximum at the next start",
        ),
    ],
)  # fmt: skip
def test_differences_that_wait_for_next_start(stored, active, differ):
    assert waiting_differences(stored, active) == differ


# Writing --------------------------------------------------------------------------------------------------------------


NUMA = ("</cpu>", "<numa><cell id='0' cpus='0' memory='524288' unit='KiB'/></numa></cpu>")


@pytest.mark.parametrize(
    ("layout", "field", "new", "changes"),
    [
        ([TWO_OF_FOUR], "cpus", 3, {"/vcpu[1]@current": ("2", "3")}),
        ([TWO_OF_FOUR], "cpus", 4, {"/vcpu[1]@current": ("2", None)}),
        ([TWO_OF_FOUR], "cpus", 6, {"/vcpu[1]": ("4", "6"), "/vcpu[1]@current": ("2", None)}),
        ([TWO_OF_FOUR], "max_cpus", 8, {"/vcpu[1]": ("4", "8")}),
        ([TWO_OF_FOUR], "max_cpus", 3, {"/vcpu[1]": ("4", "3")}),
        ([TWO_OF_FOUR], "max_cpus", None, {"/vcpu[1]": ("4", "2"), "/vcpu[1]@current": ("2", None)}),
        ([FOUR, TOPOLOGY], "cpus", 2, {"/vcpu[1]@current": (None, "2")}),
        ([NUMA], "memory", 256 * MIB, {"/currentMemory[1]": ("524288", "262144")}),
        ([HALF], "max_memory", GIB, {"/memory[1]": ("524288", "1048576")}),
        ([HALF], "max_memory", None, {"/memory[1]": ("524288", "262144")}),
    ],
)
def test_values_and_their_maxima_are_written(layout, field, new, changes):
    """The maximum is changed with its value only if it has to be; a CPU topology and NUMA cells fix it."""
    assert written_by(machine_xml(*layout), field, new) == changes


@pytest.mark.parametrize(("field", "new"), [("cpus", 5), ("max_cpus", 5), ("max_cpus", 3)])
def test_topology_fixes_maximum_of_cpus(field, new):
    with pytest.raises(Refused) as caught:
        written_by(machine_xml(TWO_OF_FOUR, TOPOLOGY), field, new)
    assert str(caught.value).startswith(f"m1: its CPU topology allows 4 CPUs, not {new}.")
    assert "cpu/topology@sockets" in caught.value.remedy


@pytest.mark.parametrize(
    ("field", "new", "beside", "shown"),
    [
        ("memory", GIB, {}, "1G"),
        ("max_memory", GIB, {}, "1G"),
        ("max_memory", 384 * MIB, {}, "384M"),
        ("max_memory", None, {"memory": 384 * MIB}, "384M"),
    ],
)
def test_numa_cells_fix_maximum_of_memory(field, new, beside, shown):
    with pytest.raises(Refused) as caught:
        memory_cpus.check_fixed_maximum(Definition(machine_xml(HALF, NUMA)), Change(field, None, new, beside=beside))
    expected = f"m1: {field}: its NUMA cells and memory devices have 512M, not {shown}."
    assert str(caught.value).startswith(expected)
    assert "cpu/numa/cell" in caught.value.remedy


@pytest.mark.parametrize(
    ("layout", "change"),
    [
        ((HALF, NUMA), Change("memory", None, 512 * MIB)),
        ((HALF, NUMA), Change("max_memory", None, None, beside={"memory": 512 * MIB})),
        ((TWO_OF_FOUR, TOPOLOGY), Change("max_cpus", 4, None, beside={"cpus": 4})),
        ((HALF,), Change("memory", None, GIB)),
    ],
)
def test_value_up_to_a_fixed_maximum_is_accepted(layout, change):
    memory_cpus.check_fixed_maximum(Definition(machine_xml(*layout)), change)


def test_list_of_single_cpus_is_removed():
    listed = "</vcpu><vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/></vcpus>"
    definition = Definition(machine_xml(("</vcpu>", listed)))
    memory_cpus.write_cpus(definition, Change("cpus", 1, 2))
    assert definition.root.find("vcpus") is None


# Running VMs ----------------------------------------------------------------------------------------------------------


def test_running_vm_is_changed_before_stored_definition(tmp_path):
    changes = [Change("cpus", 2, 3, cost=LIVE), Change("memory", 256 * MIB, 300 * MIB, cost=LIVE)]
    virsh = change(tmp_path, virsh_with(machine_xml(TWO_OF_FOUR, HALF)), *changes, power="running")
    assert written(virsh) == [
        ("setvcpus", UUID, "3", "--live"),
        ("setmem", UUID, "307200KiB", "--live"),
        ("define", "/dev/stdin"),
    ]
    assert (virsh.defined().cpus, virsh.defined().memory) == (3, 300 * MIB)


# Memory with the content of a file ------------------------------------------------------------------------------------

_CELL = "<numa><cell id='0' cpus='0' memory='131072' unit='KiB'/></numa>"


def _with_memory_device(model, current):
    """As libvirt 9.0 stores it: ``memory`` counts the device, ``currentMemory`` may count it."""
    device = f"<memory model='{model}'><target><size unit='KiB'>262144</size></target></memory>"
    return Definition(
        f"<domain><name>a</name><memory unit='KiB'>393216</memory><currentMemory unit='KiB'>{current}</currentMemory>"
        f"<vcpu>1</vcpu><cpu>{_CELL}</cpu><devices>{device}</devices></domain>"
    )


@pytest.mark.parametrize(
    ("model", "current", "memory", "maximum"),
    [
        ("nvdimm", 393216, 128, None),
        ("nvdimm", 131072, 128, None),
        ("nvdimm", 65536, 64, 128),
        ("virtio-pmem", 393216, 128, None),
        ("dimm", 393216, 384, None),
        ("virtio-mem", 393216, 384, None),
    ],
)
def test_persistent_memory_is_no_memory(model, current, memory, maximum):
    definition = _with_memory_device(model, current)
    assert definition.memory == memory * MIB
    assert memory_cpus.read_max_memory(definition) == (maximum and maximum * MIB)


def test_written_memory_counts_the_device_as_libvirt_does():
    definition = _with_memory_device("nvdimm", 393216)
    memory_cpus.write_memory(definition, Change("memory", 128 * MIB, 64 * MIB, beside={}))
    assert (definition.get("memory"), definition.get("currentMemory")) == ("393216", "65536")
    assert (definition.memory, definition.max_memory) == (64 * MIB, 128 * MIB)
