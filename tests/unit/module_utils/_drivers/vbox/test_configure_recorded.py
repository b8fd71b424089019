# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of VBoxManage that change settings, on the recorded registry."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.traits import vbox_traits

from unit.module_utils._drivers.claimed import check_claims
from unit.module_utils._drivers.vbox.recorded_registry import driver_on, recorded_vm

MIB = 1 << 20
TRAITS = vbox_traits((7, 2, 22))


def changing_calls(folder, name, native_keys=(), allow_restart=False, purge=(), **config):
    """The calls of a task with this config that change something, without the VM's UUID."""
    driver, commands = driver_on(folder, native=native_keys)
    vm = recorded_vm(driver, name)
    policy = Policy(allow_restart=allow_restart, stop_mode="force", purge=frozenset(purge))
    planned = plan(vm, Request(name=name, config=config, policy=policy), TRAITS)
    assert planned.refusal is None, planned.refusal
    for segment in planned.segments:
        driver.apply([(vm, segment)])
    return [" ".join(word for word in call if word != vm.id) for call in commands.calls]


def test_all_settings_go_into_one_call(tmp_path):
    calls = changing_calls(
        tmp_path, "web", cpus=2, memory=20 * MIB, description="x", firmware="uefi", tpm=False,
        display={"video_memory": 32 * MIB}, boot_order=("network",),
        networks={"0": {"type": "internal", "source": "lan"}, "1": {"model": "virtio"}},
    )  # fmt: skip
    assert calls == [
        "modifyvm --description x --firmware efi --memory 20 --cpus 2 --vram 32 --tpm-type none --boot1 net"
        " --boot2 none --boot3 none --boot4 none --nic1 intnet --intnet1 lan --nictype2 virtio"
    ]


def test_changed_rule_is_deleted_and_added_again(tmp_path):
    calls = changing_calls(
        tmp_path,
        "web",
        port_forwards={"web": {"host_port": 18081}, "dns": {"protocol": "udp", "host_port": 53, "guest_port": 53}},
    )
    assert calls == ["modifyvm --natpf1 delete web --natpf1 web,tcp,,18081,,80 --natpf1 dns,udp,,53,,53"]


def test_new_rule_goes_to_the_nic_that_will_be_nat(tmp_path):
    calls = changing_calls(
        tmp_path, "web", networks={"0": {"type": "internal", "source": "l"}},
        port_forwards={"n": {"protocol": "tcp", "host_port": 1, "guest_port": 2}},
    )  # fmt: skip
    assert calls == ["modifyvm --nic1 intnet --intnet1 l --natpf2 n,tcp,,1,,2"]


def test_omitted_host_port_is_chosen_and_stays_the_same(tmp_path):
    entry = {"protocol": "tcp", "guest_port": 5000}
    first, again = (changing_calls(tmp_path / word, "web", port_forwards={"n": entry}) for word in "ab")
    assert first == again
    assert 20000 <= int(first[0].split(",")[3]) < 30000


def test_running_vm_is_changed_with_controlvm(tmp_path):
    calls = changing_calls(
        tmp_path, "run", native_keys=("clipboard-mode", "cableconnected1"), ssh_forward=False,
        native={"clipboard-mode": "bidirectional", "cableconnected1": "off"},
    )  # fmt: skip
    assert calls == [
        "controlvm clipboard mode bidirectional",
        "controlvm setlinkstate1 off",
        "controlvm natpf1 delete polyvirt-ssh",
    ]


def test_overlay_of_a_disk_with_snapshots_grows(tmp_path):
    driver, _commands = driver_on(tmp_path / "observed")
    vbox_vm = driver.vbox_vms()[recorded_vm(driver, "web").id]
    overlay = next(slot.values["ImageUUID"] for slot in vbox_vm.disks if slot.port == 0)
    assert changing_calls(tmp_path / "changed", "web", disks={"SATA 0": {"size": 14 * MIB}}) == [
        f"modifymedium disk {overlay} --resize 14"
    ]


def test_disk_is_detached_and_share_is_changed(tmp_path):
    calls = changing_calls(tmp_path, "web", disks={"SATA 1": None}, shared_folders={"s": {"host_path": "/var"}})
    assert calls == [
        "storageattach --storagectl SATA --port 1 --device 0 --type hdd --medium none",
        "sharedfolder remove --name s",
        "sharedfolder add --name s --hostpath /var --automount --readonly --auto-mount-point /mnt",
    ]


def test_autostart_is_switched_on_while_the_vm_runs(tmp_path):
    assert changing_calls(tmp_path, "run", autostart=True) == ["controlvm autostart-enabled on"]


def test_tags_are_stored_in_the_mark(tmp_path):
    (call,) = changing_calls(tmp_path, "run", tags=("a", "b"))
    assert call.startswith("setextradata polyvirt/mark ")
    assert '"tags":["a","b"]' in call


def test_vm_that_linked_clones_need_is_not_deleted(tmp_path):
    driver, _commands = driver_on(tmp_path)
    vm = recorded_vm(driver, "web", "files")
    with pytest.raises(errors.Refused, match="needed by linked"):
        check_claims(driver, plan(vm, Request(name="web", state="absent"), TRAITS), traits=TRAITS)


def test_clone_is_deleted_with_its_own_images(tmp_path):
    driver, commands = driver_on(tmp_path)
    vm = recorded_vm(driver, "linked", "files")
    (step,) = plan(vm, Request(name="linked", state="absent"), TRAITS).steps
    assert all("/linked/Snapshots/" in path for path in step.arguments["files"])
    assert len(step.arguments["files"]) == 2
    driver.apply([(vm, (step,))])
    assert [call[:1] + call[2:] for call in commands.calls] == [("unregistervm", "--delete")]


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"memory": 1000}, "multiple of 1M"),
        ({"disks": {"vda": {"size": MIB}}}, "is not a valid slot"),
        ({"native": {"memory": "4"}}, "option memory"),
        *(
            ({"native": {name: "on"}}, "cannot be read back")
            for name in ("bioslogofadein", "natdnshostresolver1", "natdnsproxy1", "natbindip1", "cpuhotplug")
        ),
        ({"networks": {"0": {"type": "bridged"}}}, "source is required for a NIC of type"),
        ({"networks": {"0": {"type": "nat", "source": "x"}}}, "source is not supported"),
        ({"port_forwards": {"a,b": {"guest_port": 1}}}, "'a,b' is not a valid name: it contains a comma"),
        (
            {"port_forwards": {"polyvirt-ssh": {"guest_port": 1}}},
            "'polyvirt-ssh' is not a valid name: it is used by ssh_forward",
        ),
        (
            {"port_forwards": {"x%s%s%n": {"guest_port": 1}}},
            "'x%s%s%n' is not a valid name: it contains a percent sign",
        ),
        ({"port_forwards": {"a\n": {"guest_port": 1}}}, "'a\\n' is not a valid name: it contains a line break"),
        ({"port_forwards": {"a\rb": {"guest_port": 1}}}, "'a\\rb' is not a valid name: it contains a line break"),
        ({"port_forwards": {"a": {"guest_port": 1, "host_address": "localhost"}}}, "not an IPv4 address"),
        ({"networks": {"0": {"type": "internal"}}, "ssh_forward": True}, "no NIC"),
        ({"groups": ("web",)}, "is not a valid group"),
        ({"shared_folders": {"a b": {"host_path": "/"}}}, "is not a valid name"),
    ],
)
def test_invalid_setting_is_rejected(config, text):
    with pytest.raises(errors.Refused) as caught:
        TRAITS.normalize(Vm.absent("new"), config)
    assert text in str(caught.value)
    assert caught.value.remedy


def test_rule_needs_a_nat_nic_that_remains(tmp_path):
    driver, _commands = driver_on(tmp_path)
    config = {"networks": {}, "port_forwards": {"n": {"protocol": "tcp", "host_port": 1, "guest_port": 2}}}
    policy = Policy(allow_restart=True, purge=frozenset({"networks"}))
    refusal = plan(recorded_vm(driver, "run"), Request(name="run", config=config, policy=policy), TRAITS).refusal
    assert "the VM has no NIC of type nat" in str(refusal)


def test_short_names_of_os_types_and_nics_are_normalized():
    requested = {"os_type": "Debian", "networks": {"0": {"type": "user", "model": "e1000"}}}
    assert TRAITS.normalize(Vm.absent("new"), requested) == {
        "os_type": "Debian_64",
        "networks": {"0": {"type": "nat", "model": "82540EM"}},
    }


def test_virtualbox_6_1_has_no_tpm():
    assert "tpm" not in vbox_traits((6, 1, 50)).fields
