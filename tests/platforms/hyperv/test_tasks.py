# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks on Hyper-V: features of this platform only, other languages, and errors on the host."""

from __future__ import annotations

import pytest

from platforms.hyperv.double import snapshots
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB, Knobs, Switch
from platforms.hyperv.tasks import done, run
from platforms.windows.failures import Failed

BASE = "C:\\Hyper-V\\Disks\\base.vhdx"
NEW = {"name": ["web"], "memory": "1G", "disks": [{"size": "8G"}], "networks": [{"type": "network", "source": "lan"}]}
FORCE = {"stop_mode": "force"}


def _host(**options):
    host = HyperV(**options)
    host.switches.append(Switch("lan", "Private"))
    host.disk(BASE, size=4 * GIB)
    return host


def _life(host):
    """Run tasks from the creation of a VM to its deletion; returns [(changed, verbs of the steps)] of the tasks."""
    tasks = [
        ("vm", {**NEW, "image": {"source": BASE}, "state": "started", "integration_services": {"vss": False}}),
        ("vm", {"name": ["WEB"], "description": "second", "networks": [{"vlan": 7}], "iso": ""}),
        ("snapshot", {"name": ["web"], "snapshot": "first"}),
        ("vm", {"name": ["web"], "cpus": 1, "allow_restart": True}),
        ("vm", {"name": ["web"], "state": "paused"}),
        ("vm", {"name": ["web"], "state": "started"}),
        ("vm", {"name": ["web"], "state": "suspended"}),
        ("vm", {"name": ["web"], "state": "started"}),
        ("snapshot", {"name": ["web"], "snapshot": "first", "state": "absent"}),
        ("vm", {"name": ["web"], "state": "restarted", **FORCE}),
        ("vm", {"name": ["web"], "state": "absent"}),
    ]
    reported = []
    for about, options in tasks:
        result = done(host, about, **options)
        assert result["warnings"] == []
        reported.append((result["changed"], [step["verb"] for step in result["vms"][0]["steps"]]))
    assert host.vms == []
    return reported


@pytest.mark.parametrize("culture", ["de-DE", "ja-JP"])
def test_language_of_the_host_changes_nothing(culture):
    assert _life(_host(culture=culture)) == _life(_host())
    assert not run(_host(client=True, culture=culture), **{**NEW, "networks": [{"type": "nat"}]})["failed"]


@pytest.mark.parametrize(
    "knobs",
    [
        {"start_paused": "fails"},
        {"merge_delay": 5.0, "lock_seconds": 3.0},
        {"unknown_switch": "ObjectNotFound"},
        {"stale_objects": True},
        {"deleted_late": 5.0},
        {"start_while_merging": False},
    ],
    ids=str,
)
def test_life_under_each_answer_that_hosts_may_give(knobs):
    _life(_host(knobs=Knobs(**knobs)))
    _life(_host(client=True, knobs=Knobs(**knobs)))


def test_start_after_a_change_in_the_same_task_keeps_the_new_notes():
    host = _host()
    done(host, **NEW)
    done(host, name=["web"], tags=["a"], description="b", disks=[{}, {"size": "1G"}], state="started")
    (vm,) = done(host, "vm_info")["vms"]
    assert (vm["state"], vm["tags"], vm["description"]) == ("running", ["a"], "b")
    done(host, name=["web"], state="absent", **FORCE)
    assert sorted(host.files.contents) == [BASE.lower()]


def test_names_of_two_vms_are_an_error_with_both_ids():
    host = _host()
    ids = sorted(host.add(name).id for name in ("web", "WEB"))
    result = run(host, name=["web"], state="started")
    assert result["failed"]
    assert all(one in result.get("msg") for one in ids)
    done(host, id=ids[0].upper(), state="started")
    assert [vm.state for vm in host.vms if vm.id == ids[0]] == ["Running"]


def test_vm_is_deleted_by_its_id_although_another_one_has_its_name():
    host = _host()
    one, other = (host.add("web", disk=f"C:\\Hyper-V\\Disks\\{number}.vhdx").id for number in (1, 2))
    assert [done(host, name=["web"], id=one, state="absent")["changed"] for _run in range(2)] == [True, False]
    assert [vm.id for vm in host.vms] == [other]


def test_missing_service_and_missing_right_are_no_absent_vm():
    host = _host()
    host.add("web")
    host.is_service_running = False
    result = run(host, name=["web"], state="absent")
    assert result["failed"]
    assert "Start-Service vmms" in result.get("msg")
    host.is_service_running, host.access = True, "denied"
    assert "Hyper-V Administrators" in run(host, name=["web"], state="absent")["msg"]
    host.access = "invisible"
    for check in (True, False):
        for options in ({"disks": [{"size": "1G"}]}, {"state": "absent"}, {"state": "started"}):
            for name in ("web", "new"):
                result = run(host, check=check, name=[name], **options)
                assert (result["failed"], result.get("changed", False)) == (True, False)
                assert f"{name}: it is not listed, but may exist" in result.get("msg")
                assert "Hyper-V Administrators" in result.get("msg")
    assert [vm.name for vm in host.vms] == ["web"]
    info = run(host, "vm_info")
    assert ("Other VMs may exist" in info["warnings"][0], info["vms"]) == (True, [])
    host.access = "hyperv"
    assert run(host, name=["web"], state="absent")["changed"]
    info = run(HyperV(enabled=False), "vm_info")
    assert (info["failed"], info["host"]["why"], info["vms"]) == (False, "missing", [])


def test_base_of_linked_disks_is_protected():
    host = _host()
    done(host, **NEW)
    done(host, name=["copy"], clone={"source": "web", "linked": True})
    for options in ({"state": "started"}, {"disks": [{"size": "16G"}]}):
        result = run(host, name=["web"], **options)
        assert (result["failed"], result["changed"]) == (True, False)
        assert "copy" in result.get("msg")
    kept = done(host, name=["web"], state="absent")["vms"][0]["kept"]
    assert [one["reason"] for one in kept] == ["used by copy"]


@pytest.mark.parametrize("power", ["started", "paused", "suspended"])
def test_vm_that_is_on_is_not_cloned(power):
    """Hyper-V cannot copy disks of a running VM; those of a suspended VM are consistent only with its memory."""
    host = _host()
    done(host, **NEW, state="started")
    done(host, "snapshot", name=["web"], snapshot="one")
    host.files.vhd("C:\\Hyper-V\\Disks\\web-scsi0-0.vhdx").written = "then"
    if power != "started":
        done(host, name=["web"], state=power)
    before, state = host.writes(), host.vm("web").state
    of_checkpoint = {"source": "web", "snapshot": "one"}
    for clone in ("web", {"source": "web", "linked": True}, *([of_checkpoint] if power != "suspended" else ())):
        for check in (True, False):
            result = run(host, check=check, name=["copy"], clone=clone)
            assert (result["failed"], result["changed"]) == (True, False)
            assert "Stop it first; of a suspended VM" in result.get("msg")
    assert host.writes() == before
    if power == "suspended":
        done(host, name=["copy"], clone=of_checkpoint)
        (disk,) = host.vm("copy").hardware.disks()
        assert (host.files.vhd(disk.path).written, host.files.vhd(disk.path).parent) == ("then", "")
        assert (host.vm("web").state, host.vm("copy").state) == (state, "Off")


@pytest.mark.parametrize(("state", "found"), [("paused", "Paused"), ("suspended", "Saved")])
def test_vm_that_is_created_again_gets_its_power_state_back(state, found):
    host = _host()
    done(host, **NEW, state="started")
    done(host, name=["web"], state=state)
    before = host.vm("web").id
    done(host, name=["web"], image={"source": BASE}, firmware="bios", allow_recreate=True, **FORCE)
    assert (host.vm("web").state, host.vm("web").id == before) == (found, False)


@pytest.mark.parametrize(("on_failure", "left"), [("rollback", []), ("keep", ["web"])])
def test_vm_that_does_not_start_is_created_and_not_started(on_failure, left):
    """Creation and start are in one request; the other VM of this request is not affected."""
    host = _host()
    host.memory = GIB
    result = run(host, **{**NEW, "name": ["db", "web"]}, state="started", on_failure=on_failure)
    assert [(vm["failed"], vm["changed"]) for vm in result["vms"]] == [(False, True), (True, bool(left))]
    assert [(vm.name, vm.state) for vm in host.vms] == [("db", "Running"), *((name, "Off") for name in left)]
    assert [path for path in host.files.contents if "web" in path] == [
        f"c:\\hyper-v\\disks\\{name}-scsi0-0.vhdx" for name in left
    ]
    assert result.get("msg").startswith("web: ")


def test_copy_of_a_vm_does_not_own_the_files_of_the_original():
    """A VM that was exported and imported has the notes of the original VM, with its mark."""
    host = _host()
    done(host, **NEW, state="started")
    own = host.files.vhd("C:\\Hyper-V\\Disks\\web-scsi0-0.vhdx")
    host.add("copy", disk="C:\\Hyper-V\\Disks\\copy.vhdx").shown["Notes"] = host.vm("web").shown["Notes"]
    host.delete(host.vm("web"))
    done(host, name=["copy"], tags=["ours from now on"])
    done(host, name=["copy"], state="absent")
    assert host.files.vhd("C:\\Hyper-V\\Disks\\web-scsi0-0.vhdx") is own
    assert host.files.vhd("C:\\Hyper-V\\Disks\\copy.vhdx")


def test_files_of_a_killed_creation_are_removed_with_it():
    """The disk exists, but is not attached yet: only the mark names it."""
    host = _host()
    faults = host.windows.faults
    host.after("New-VHD", lambda: [faults.plan(kind="kill", call=place, before=True) for place in range(1, 999)])
    assert run(host, **NEW)["failed"]
    assert host.files.vhd("C:\\Hyper-V\\Disks\\web-scsi0-0.vhdx")
    faults.planned.clear()
    done(host, name=["web"], state="absent")
    assert (host.vms, host.files.vhd("C:\\Hyper-V\\Disks\\web-scsi0-0.vhdx")) == ([], None)


@pytest.mark.parametrize("names", [["a'b", 'a"b', "a*b", "a_b"], ["ä:1", "ä_1"]], ids=str)
def test_names_with_characters_that_files_cannot_have_do_not_share_files(names):
    host = _host()
    done(host, **{**NEW, "name": names, "cloud_init": {"user_data": {}}})
    assert len(host.vms) == len(names)
    for name in names:
        done(host, name=[name], state="absent")
    assert sorted(host.files.contents) == [BASE.lower()]


def test_checkpoint_that_only_the_guest_can_prepare_needs_its_service():
    host = _host()
    host.add("web", state="Running", disk="C:\\Hyper-V\\Disks\\web.vhdx")
    done(host, name=["web"], checkpoint_type="production_only", integration_services={"vss": False})
    for check in (True, False):
        result = run(host, "snapshot", check=check, name=["web"], snapshot="s")
        assert "web: the guest cannot prepare a production checkpoint" in result.get("msg")
    assert [name for name in host.writes() if "Checkpoint" in str(name)] == []
    done(host, name=["web"], integration_services={"vss": True})
    assert done(host, "snapshot", name=["web"], snapshot="s")["changed"]


def test_error_of_the_deletion_of_a_checkpoint_is_reported():
    host = _host()
    done(host, **NEW)
    done(host, "snapshot", name=["web"], snapshot="one")

    def fail():
        raise Failed("AccessDenied,Microsoft.HyperV", "PermissionDenied", "You have no permission.")

    host.before("Remove-VMSnapshot", fail)
    start = host.clock.now()
    result = run(host, name=["web"], state="absent")
    assert (result["failed"], result.get("msg")) == (True, "web: You have no permission.")
    assert host.clock.now() - start < 60
    done(host, name=["web"], state="absent")


def test_checkpoint_that_somebody_else_deletes_is_no_error():
    host = _host()
    done(host, **NEW)
    done(host, "snapshot", name=["web"], snapshot="one")

    def drop():
        host.vm("web").snapshots.clear()
        snapshots.merge(host, host.vm("web"))

    host.before("Remove-VMSnapshot", drop)
    done(host, name=["web"], state="absent")
    assert host.vms == []


def test_part_that_cannot_be_read_is_no_reason_to_change_it():
    host = _host()
    options = {**NEW, "secure_boot": True, "tpm": True, "nested_virtualization": True, "state": "present"}
    done(host, **options)
    written, first = host.writes(), host.windows.faults.calls
    assert not done(host, **options)["changed"]
    failed = Failed("OperationFailed,Microsoft.HyperV", "NotSpecified")
    for place in range(1, host.windows.faults.calls - first + 1):
        host.windows.faults.plan(kind="fail", call=place, error=failed)
        run(host, **options)
        assert host.writes() == written, place


def test_generation_1():
    host = _host()
    done(host, **{**NEW, "image": {"source": BASE}}, firmware="bios", boot_order=["disk", "network"], state="started")
    assert not done(host, **NEW, boot_order=["disk", "network"])["changed"]
    assert [drive.controller for drive in host.vm("web").hardware.disks()] == ["IDE"]
    assert run(host, name=["web"], firmware="uefi")["failed"]


def test_disk_of_a_vm_with_checkpoints_is_known_by_its_own_file_and_does_not_grow():
    host = _host()
    done(host, **NEW)
    done(host, "snapshot", name=["web"], snapshot="one")
    (disk,) = done(host, "vm_info", name=["web"])["vms"][0]["disks"]
    assert disk["source"].endswith("web-scsi0-0.vhdx")
    result = run(host, name=["web"], disks=[{"size": "16G"}])
    assert result["failed"]
    assert "checkpoints" in result.get("msg")


_PARTS = ["Get-VM", "Get-VMProcessor", "Get-VMMemory", "Get-VMFirmware", "Get-VMSecurity", "Get-VMSnapshot", "Get-VHD"]


@pytest.mark.parametrize("deleted_late", [0.0, 5.0])
@pytest.mark.parametrize("command", _PARTS)
def test_vm_that_disappears_while_it_is_read_is_reported_as_such(command, deleted_late):
    host = _host(knobs=Knobs(deleted_late=deleted_late))
    names = ["a", "web", "z"]
    done(host, **{**NEW, "name": names}, tpm=True)
    host.after(command, lambda: host.delete(host.vm("web")))
    result = done(host, "vm_info")
    found = {vm["name"]: vm for vm in result["vms"]}
    assert [found[name]["disks"][0]["size"] for name in ("a", "z")] == ["8G", "8G"]
    # The task may report data that was read before the deletion; if it omits the VM, a warning names it.
    assert "web" in found or "web: the VM was deleted while it was read." in result["warnings"], result
    host.add("web")
    before = host.writes()
    host.after(command, lambda: host.delete(host.vm("web")))
    result = run(host, name=names, tpm=True)
    assert host.writes() == before
    assert "web" in result.get("msg")
    assert "exception" not in result


def test_vm_of_a_cluster_is_not_changed():
    host = _host()
    host.add("web").is_clustered = True
    result = run(host, name=["web"], cpus=2)
    assert result["failed"]
    assert "failover cluster" in result.get("msg")


def test_switches_of_one_name_are_distinguished_by_their_ids():
    host = _host()
    host.switches.append(Switch("LAN", "Private"))
    first, second = (one.id for one in host.switches)
    result = run(host, **NEW)
    assert (result["failed"], all(one in result.get("msg") for one in (first, second))) == (True, True)
    for name, switch in (("a", first), ("b", second)):
        options = {**NEW, "name": [name], "networks": [{"type": "network", "source": switch}]}
        done(host, **options)
        assert not done(host, **options)["changed"]
        done(host, name=[f"{name}2"], clone=name)
        assert [host.vm(one).hardware.nics[0].switch for one in (name, f"{name}2")] == [switch, switch]
    assert done(host, name=["a"], networks=[{"source": second}])["changed"]
    assert host.vm("a").hardware.nics[0].switch == second
    sources = {vm["name"]: vm["networks"][0]["source"] for vm in done(host, "vm_info")["vms"]}
    assert sources == {"a": second, "a2": first, "b": second, "b2": second}


def test_nic_that_is_added_later_can_serve_nested_vms():
    host = _host()
    done(host, **{**NEW, "nested_virtualization": True})
    done(host, name=["web"], networks=[{}, {"type": "network", "source": "lan"}])
    assert _spoofing(host) == ["On", "On"]
    done(host, name=["web"], networks=[{}, {}, {"type": "network", "source": "lan"}], nested_virtualization=False)
    assert _spoofing(host) == ["On", "On", "Off"]
    done(host, name=["web"], networks=[{}, {}, {}, {"type": "network", "source": "lan"}], nested_virtualization=True)
    assert _spoofing(host) == ["On", "On", "On", "On"]


def _spoofing(host):
    return [nic.shown["MacAddressSpoofing"] for nic in host.vm("web").hardware.nics]


def test_new_vm_has_no_nic_unless_the_task_sets_one():
    """A server has no default switch, and New-VM itself creates each VM with an unconnected NIC."""
    host = _host()
    done(host, **{name: value for name, value in NEW.items() if name != "networks"})
    assert host.vms[0].hardware.nics == []


@pytest.mark.parametrize("key", ["MemoryStartup", "State", "Firmware", "Notes"])
def test_name_of_a_value_that_is_no_native_setting(key):
    host = _host()
    done(host, **NEW)
    for check in (True, False):
        result = run(host, check=check, name=["web"], native={key: 1})
        assert f"native: '{key}' is not supported. Supported keys:" in result.get("msg")
