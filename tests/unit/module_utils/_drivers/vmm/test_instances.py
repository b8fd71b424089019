# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of a template: what they inherit, what they cannot have, and what vmd does while they run."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vmm.in_process import DISKS, info, rejected, task, well

TEMPLATE = 'vm "base" {{\n\tdisable\n\tmemory 64M\n\tdisk "{disk}"\n{more}}}\n'
NIC = "\tlocal interface\n\tallow instance { memory, disk }\n"


def template(host, more=NIC):
    host.write("/etc/vm.conf", TEMPLATE.format(disk=host.disk(), more=more))
    host.well("vmctl", "reload")


def block(host):
    """The block of the VM web in vm.conf, as lines."""
    return host.text().partition('instance "web" {\n')[2].partition("}\n")[0].split("\n\t")


def known(host, name="web"):
    (vm,) = [vm for vm in host.state.look()["vms"] if vm["name"] == name]
    return vm


def without_macs(vm):
    return [{key: value for key, value in nic.items() if key != "mac"} for nic in vm["networks"]]


@pytest.mark.parametrize("networks", [{}, {"networks": []}], ids=["omitted", "empty"])
def test_instance_inherits_what_the_task_does_not_set(host, networks):
    template(host, f"{NIC}\tinterface\n\towner root:operator\n")
    predicted = task(host, check=True, instance_of="base", **networks, **DISKS)
    done = well(host, instance_of="base", **networks, **DISKS)
    assert [line.split()[0] for line in block(host)] == ["disable", "disk", "owner"]
    assert (known(host)["memory"], len(known(host)["interfaces"])) == (64 << 20, 2)
    (vm,) = info(host, "web")["vms"]
    assert (vm["memory_mib"], known(host)["owner"], len(vm["networks"])) == (64, [0, 5], 2)
    for outcome in (predicted, done):
        (reported,) = outcome.vms
        assert (reported["memory_mib"], without_macs(reported)) == (64, without_macs(vm))
    assert not well(host, instance_of="base", **networks, **DISKS).changed
    host.write("/etc/vm.conf", host.text().replace("memory 64M", "memory 96M"))
    assert info(host, "web")["vms"][0]["memory_mib"] == 96


def test_instance_has_what_the_task_sets(host):
    template(host)
    well(host, instance_of="base", memory="96M", networks=[{}, {}], **DISKS)
    assert (known(host)["memory"], len(known(host)["interfaces"])) == (96 << 20, 2)
    well(host, memory="64M", disks=[{"slot": "disk1", "size": "16M"}], networks=[{}, {}, {}])
    assert (known(host)["memory"], len(known(host)["interfaces"])) == (64 << 20, 3)
    assert not any("memory" in line for line in block(host))


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("vmd_owner", {"vmd_owner": "nobody"}),
        ("networks[].mac", {"networks": [{"mac": "fe:e1:bb:d1:00:99"}]}),
        ("iso", {"iso": ""}),
    ],
)
def test_instance_cannot_differ_from_its_template(host, option, given):
    iso = host.storage / "a.iso"
    iso.write_bytes(bytes(32768) + b"\1CD001\1" + bytes(40000))
    template(host, f'{NIC}\tcdrom "{iso}"\n')
    words = f"web: {option}: an instance has that of its template 'base'"
    rejected(host, words, instance_of="base", **given, **DISKS)
    well(host, instance_of="base", **DISKS)
    rejected(host, words, **given)


def test_nic_of_the_template_cannot_be_removed(host):
    template(host)
    well(host, instance_of="base", **DISKS)
    rejected(host, "web: networks: an instance has that of its template 'base'", networks=[], purge=["networks"])


def test_template_is_not_deleted_before_its_instances(host):
    template(host)
    well(host, instance_of="base", **DISKS)
    rejected(host, "template of web", name=["base"], state="absent", allow_foreign_edit=True)


def test_nothing_that_vmd_has_to_read_is_changed_while_an_instance_runs(host):
    """vmd would reject the whole file, because the instance exists already."""
    template(host)
    well(host, instance_of="base", **DISKS)
    well(host, state="started", memory="96M")
    for given in ({"name": ["new"], **DISKS}, {"name": ["base"], "memory": "96M", "allow_foreign_edit": True}):
        rejected(host, "because web runs, which is an instance of base. Stop web first.", **given)
    assert host.states() == {"base": "stopped", "web": "running"}
    well(host, memory="64M", tags=["a"])
    well(host, memory="64M", allow_restart=True, stop_mode="force")
    assert known(host)["memory"] == 64 << 20
    well(host, state="absent", stop_mode="force")
