# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of vm.conf, and their effects on other VMs of the host."""

from __future__ import annotations

import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm import needed
from ansible_collections.polyvirt.core.plugins.module_utils._media import disk_header
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed

from unit.module_utils._drivers.vmm.in_process import DISKS, InProcess, foreign, info, openbsd, rejected, task, well


def test_vm_that_is_enabled_and_stopped_is_as_before_after_a_reload(host):
    text = foreign(host)
    host.well("vmctl", "stop", "-fw", "mail")
    planned = task(host, check=True, **DISKS)
    done = well(host, state="present", **DISKS)
    assert planned.vms[0]["steps"][0]["also"] == done.vms[0]["steps"][0]["also"]
    assert "mail: vmd starts it" in done.vms[0]["steps"][0]["also"][0]
    assert host.states() == {"mail": "stopped", "web": "stopped"}
    assert host.text().startswith(text)


def test_staggered_start_of_a_stopped_vm_cannot_be_undone(host):
    foreign(host)
    host.well("vmctl", "stop", "-fw", "mail")
    host.write("/etc/vm.conf", "staggered start parallel 1 delay 60\n" + host.text())
    rejected(host, "mail", "staggered start", **DISKS)
    assert host.states() == {"mail": "stopped"}


def test_own_vm_that_starts_with_the_host_stays_stopped_while_others_change(host):
    well(host, name=["auto"], autostart=True, **DISKS)
    well(host, **DISKS)
    assert host.states() == {"auto": "stopped", "web": "stopped"}
    host.reboot()
    assert host.states()["auto"] == "running"


def test_vm_that_vmd_starts_at_a_reload_is_not_started_again(host):
    well(host, state="started", memory="64M", **DISKS)
    options = {"state": "paused", "autostart": True, "memory": "96M", "allow_restart": True, "stop_mode": "force"}
    assert well(host, **options).vms[0]["state"] == "paused"


def test_tags_need_no_reload(host):
    foreign(host)
    well(host, **DISKS)
    commands = InProcess(host)
    well(host, commands=commands, tags=["b", "a"], description="main")
    assert ("vmctl", "reload") not in commands.calls
    assert '"tags":["a","b"]' in host.text()


def test_changed_memory_of_a_running_vm_waits_for_its_next_start(host):
    well(host, state="started", memory="64M", **DISKS)
    changed = well(host, memory="96M")
    assert (changed.vms[0]["restart_required"], host.states()["web"]) == (["memory"], "running")
    again = well(host, memory="96M")
    assert (again.changed, again.vms[0]["restart_required"]) == (False, ["memory"])
    restarted = well(host, memory="96M", allow_restart=True, stop_mode="force")
    assert [step["verb"] for step in restarted.vms[0]["steps"]] == ["kill", "start"]
    assert restarted.vms[0]["restart_required"] == []
    (row,) = [vm for vm in host.state.look()["vms"] if vm["name"] == "web"]
    assert row["memory"] == 96 << 20


def test_change_that_is_reverted_needs_no_restart(host):
    well(host, state="started", memory="64M", **DISKS)
    well(host, memory="96M")
    back = well(host, memory="64M")
    assert (back.changed, back.vms[0]["restart_required"]) == (True, [])


def test_vm_outside_of_the_marked_lines_is_changed_in_place_with_permission(host):
    text = foreign(host, more="\tdisable\n")
    rejected(host, "allow_foreign_edit", name=["mail"], memory="96M")
    well(host, name=["mail"], memory="96M", allow_foreign_edit=True)
    assert host.text().startswith(text.replace("memory 64M", "memory 96M"))


@pytest.mark.parametrize("more", ["", "\tdisable\n"], ids=["enabled", "disabled"])
def test_stopped_vm_outside_of_the_marked_lines_stays_stopped_after_its_change(host, more):
    foreign(host, more=more)
    host.call("vmctl", "stop", "-fw", "mail")
    well(host, name=["mail"], memory="96M", autostart=True, allow_foreign_edit=True)
    assert host.states() == {"mail": "stopped"}
    well(host, name=["mail"], state="absent", allow_foreign_edit=True)
    assert (host.states(), host.text()) == ({}, "")


@pytest.mark.parametrize(
    ("more", "given", "changed"),
    [
        ("\tdisable\n\tenable\n", {"autostart": False}, "\tdisable\n"),
        ("\tenable\n\tdisable\n", {"memory": "96M"}, "\tenable\n\tdisable\n"),
    ],
)
def test_last_of_several_statements_counts_and_is_changed(host, more, given, changed):
    """An earlier version read every block with ``disable`` as disabled."""
    text = foreign(host, more=more)
    host.call("vmctl", "stop", "-fw", "mail")
    assert info(host, "mail")["vms"][0]["autostart"] is more.endswith("enable\n")
    well(host, **DISKS)
    assert host.states()["mail"] == "stopped"
    assert well(host, name=["mail"], allow_foreign_edit=True, **given).changed
    assert host.text().startswith(text.replace(more, changed).replace("64M", given.get("memory", "64M")))


def test_vm_in_an_included_file_is_changed_there(host):
    host.write("/etc/vm.conf", f'include "{host.file("/etc/mail.conf")}"\n')
    text = foreign(host, more="\tdisable\n", name="/etc/mail.conf")
    well(host, name=["mail"], memory="96M", allow_foreign_edit=True)
    assert host.file("/etc/mail.conf").read_text(encoding="latin-1") == text.replace("64M", "96M")


def test_broken_file_is_reported_and_not_touched(host):
    host.write("/etc/vm.conf", "vm {\n")
    rejected(host, "/etc/vm.conf:1: syntax error", **DISKS)


def test_switch_without_its_interface_would_end_vmd(host):
    host.write("/etc/vm.conf", 'switch "uplink" { interface bridge0 }\n')
    rejected(host, "bridge0", "vmd would exit", **DISKS)
    host.well("ifconfig", "bridge0", "create")
    well(host, networks=[{"type": "network", "source": "uplink"}], **DISKS)


@pytest.mark.parametrize("given", [{"state": "restarted"}, {"memory": "80M", "state": "stopped"}], ids=str)
def test_change_that_vmd_reads_later_would_end_it_as_well(host, given):
    well(host, state="started", memory="64M", **DISKS)
    well(host, memory="96M")
    host.write("/etc/vm.conf", 'switch "uplink" { interface bridge0 }\n' + host.text())
    rejected(host, "web: vmd has to read", "vmd would exit", stop_mode="force", **given)
    assert host.states() == {"web": "running"}
    well(host, state="stopped", stop_mode="force")


def test_disabled_switch_does_not_exist_for_vmd(host):
    """Its interface may be missing, and no VM can use it: vmd would start that VM without a network."""
    host.write("/etc/vm.conf", 'switch "uplink" {\n\tdisable\n\tinterface bridge0\n}\n')
    well(host, **DISKS)
    nics = [{"type": "network", "source": "uplink"}]
    rejected(host, "b: networks[0].source: the switch 'uplink' is disabled", name=["b"], networks=nics, **DISKS)


def test_vm_is_not_started_without_its_switch(host):
    foreign(host, more='\tdisable\n\tinterface { switch "gone" }\n')
    rejected(host, "mail: networks[0].source: vm.conf has no switch 'gone'.", name=["mail"], state="started")
    assert host.states() == {"mail": "stopped"}


@pytest.mark.parametrize("creation", ["image", "clone"])
def test_second_disk_beside_the_one_of_an_image_or_a_clone(host, creation):
    well(host, name=["base"], **DISKS)
    source = "base" if creation == "clone" else host.disk()
    well(host, **{creation: {"source": source}}, disks=[{"slot": "disk1", "size": "16M"}])
    assert host.files()[-2:] == ["web-disk0.qcow2", "web-disk1.qcow2"]
    rejected(host, "so there would be no disk3", disks=[{"slot": "disk3", "size": "16M"}])


def test_failed_reload_restores_the_file_and_removes_new_disks(host):
    text = foreign(host)
    host.fails("vmctl", "reload")
    outcome = task(host, **DISKS)
    assert (outcome.failed, outcome.changed, host.text(), host.files()) == (True, False, text, ["user.qcow2"])
    assert host.states() == {"mail": "running"}


class _LosesAnswer(InProcess):
    """vmd reads vm.conf, but the answer to the first reload is lost. If ``then_fails``, vmd does not read it again."""

    is_lost = then_fails = False

    def run(self, argv, **more):
        if argv[1:] != ["reload"]:
            return super().run(argv, **more)
        if self.is_lost and self.then_fails:
            return Completed(tuple(argv), 1, "", "vmctl: reload failed")
        completed = super().run(argv, **more)
        if self.is_lost:
            return completed
        self.is_lost = True
        return replace(completed, rc=-9)


@pytest.mark.parametrize("state_before", ["absent", "present"])
def test_vm_is_stopped_again_if_the_answer_to_a_reload_is_lost(host, state_before):
    text = foreign(host)
    if state_before == "present":
        well(host, memory="64M", autostart=True, **DISKS)
        text = host.text()
    left = host.files()
    outcome = task(host, commands=_LosesAnswer(host), state="started", memory="96M", autostart=True, **DISKS)
    assert (outcome.failed, outcome.changed, host.text(), host.files()) == (True, False, text, left), outcome.msg
    assert host.states().get("web", "stopped") == "stopped"


def test_vms_are_stopped_again_if_vmd_does_not_read_the_old_file(host):
    text = foreign(host)
    host.call("vmctl", "stop", "-fw", "mail")
    commands = _LosesAnswer(host)
    commands.then_fails = True
    outcome = task(host, commands=commands, state="started", **DISKS)
    assert (outcome.failed, outcome.changed, host.text()) == (True, True, text), outcome.msg
    assert host.states() == {"mail": "stopped", "web": "stopped"}


def test_file_that_was_changed_meanwhile_is_planned_again(host):
    well(host, memory="64M", **DISKS)
    text = host.text()
    change = {"-n": lambda: host.write("/etc/vm.conf", text.replace("memory 64M", "memory 80M"))}
    commands = InProcess(host, before=change)
    well(host, commands=commands, memory="96M")
    assert "memory 96M" in host.text()


def test_mode_and_owner_of_the_file_stay(host):
    foreign(host)
    host.config_file.chmod(0o644)
    well(host, **DISKS)
    assert host.config_file.stat().st_mode & 0o777 == 0o644


def test_symbolic_link_to_the_file_stays(host):
    real = host.folder / "repository" / "vm.conf"
    real.parent.mkdir()
    real.write_text("# mine\n", encoding="utf-8")
    host.config_file.unlink(missing_ok=True)
    host.config_file.symlink_to(real)
    well(host, **DISKS)
    assert (host.config_file.is_symlink(), real.read_text(encoding="utf-8")[:13]) == (True, "# mine\n# BEGI")
    well(host, state="absent")
    assert (host.config_file.is_symlink(), real.read_text(encoding="utf-8")) == (True, "# mine\n")


def test_enlarged_disk_keeps_its_mode_and_the_link_to_it(host):
    real, link = host.folder / "big" / "data.qcow2", host.storage / "link.qcow2"
    real.parent.mkdir()
    os.rename(host.disk(), real)
    real.chmod(0o640)
    link.symlink_to(real)
    well(host, disks=[{"source": str(link)}])
    well(host, disks=[{"slot": "disk0", "size": "32M"}])
    assert (link.is_symlink(), real.stat().st_mode & 0o777, disk_header.capacity(str(real))) == (True, 0o640, 32 << 20)
    assert [path.name for path in real.parent.iterdir()] == ["data.qcow2"]


def test_disk_is_not_enlarged_without_space_for_a_copy(host, monkeypatch):
    well(host, **DISKS)
    monkeypatch.setattr(files, "free_space", lambda folder: 1024)
    rejected(host, "web: disks.disk0.size: enlarging", disks=[{"slot": "disk0", "size": "32M"}])
    raw = {"disks": [{"size": "16M", "format": "raw"}]}
    well(host, name=["raw"], **raw)
    well(host, name=["raw"], disks=[{"slot": "disk0", "size": "32M"}])


@pytest.mark.parametrize("odd", ['own.qcow2"\n\t#', "a\\"])
def test_directory_that_vm_conf_cannot_contain_is_rejected(host, tmp_path, odd):
    """vmd would attach what stands before the quote: the disk of another VM."""
    (tmp_path / odd).mkdir()
    rejected(host, "has a character that vm.conf cannot contain", storage_path=str(tmp_path / odd), **DISKS)


@pytest.mark.parametrize("given", [{"storage_path": "vms"}, {"boot": "bsd.rd"}])
def test_relative_path_is_an_error(host, given):
    with pytest.raises(InvalidInput, match="absolute"):
        task(host, check=True, **DISKS, **given)


def test_directory_of_new_disks_must_exist_unless_it_is_the_default(host, monkeypatch):
    folder = host.folder / "typo"
    rejected(host, f"web: storage_path: the directory {folder} does not exist", storage_path=str(folder), **DISKS)
    monkeypatch.setattr(needed, "STORAGE", str(folder))
    well(host, storage_path=str(folder), **DISKS)
    assert [path.name for path in folder.iterdir()] == ["web-disk0.qcow2"]


def test_new_file_is_readable_by_root_alone(host):
    well(host, **DISKS)
    assert host.config_file.stat().st_mode & 0o777 == 0o600


def test_deletion_that_was_killed_before_the_reload_is_completed(host):
    def killed():
        raise KeyboardInterrupt

    well(host, **DISKS)
    with pytest.raises(KeyboardInterrupt):
        task(host, commands=InProcess(host, {"reload": killed}), state="absent")
    assert (host.states(), 'vm "web"' in host.text()) == ({"web": "stopped"}, False)
    assert well(host, state="absent").changed
    assert (host.states(), host.files()) == ({}, [])
    assert not well(host, state="absent").changed


def test_one_edit_and_one_reload_for_all_vms_of_a_task(host):
    commands = InProcess(host)
    well(host, commands=commands, name=["a", "b", "c"], state="present", **DISKS)
    assert commands.calls.count(("vmctl", "reload")) == 1


def test_nothing_to_do_for_twenty_vms_is_one_process(host):
    names = [f"vm{number}" for number in range(20)]
    well(host, name=names, disks=[{"size": "1M"}])
    commands = InProcess(host)
    assert not well(host, commands=commands, name=names, disks=[{"size": "1M"}]).changed
    assert commands.calls == [("vmctl", "status")]


@pytest.mark.parametrize("release", ["7.4", "7.5", "7.6", "7.7", "7.8"])
def test_vm_lifecycle_on_every_release(release):
    with openbsd(release=release) as host:
        for given, is_changed in (
            ({"state": "started", **DISKS}, True),
            ({"state": "started", **DISKS}, False),
            ({"state": "paused"}, True),
            ({"state": "started"}, True),
            ({"state": "stopped"}, True),
            ({"state": "stopped"}, False),
            ({"state": "absent"}, True),
            ({"state": "absent"}, False),
        ):
            predicted = task(host, check=True, **given)
            assert (predicted.changed, well(host, **given).changed) == (is_changed, is_changed), given
        assert (host.text(), host.files()) == ("", [])


@pytest.mark.parametrize("name", ["größe", "ą", os.fsdecode(b"gr\xf6\xdfe")])
def test_paths_in_the_file_have_the_bytes_of_the_names_of_the_files(host, name):
    disk, iso = host.disk(f"{name}.qcow2"), host.storage / f"{name}.iso"
    iso.write_bytes(bytes(32768) + b"\1CD001\1" + bytes(40000))
    well(host, state="started", iso=str(iso), disks=[{"source": disk}])
    assert host.states() == {"web": "running"}
    text = host.config_file.read_bytes()
    assert os.fsencode(f'disk "{disk}"') in text
    assert os.fsencode(f'cdrom "{iso}"') in text
    assert not well(host, state="started", iso=str(iso), disks=[{"source": disk}]).changed
    well(host, state="stopped", memory="96M", stop_mode="force")
    assert os.fsencode(f'disk "{disk}"') in host.config_file.read_bytes()


def test_path_of_a_vm_of_the_administrator_is_reported_and_found(host):
    disk = host.disk("größe.qcow2")
    host.config_file.write_bytes(f'vm "mail" {{\n\tdisable\n\tdisk "{disk}"\n}}\n'.encode())
    host.well("vmctl", "reload")
    assert info(host, "mail")["vms"][0]["disks"][0]["source"] == disk
    well(host, name=["mail"], state="started")
    assert host.states() == {"mail": "running"}
    well(host, name=["mail"], memory="96M", autostart=True, allow_foreign_edit=True)
    assert f'disk "{disk}"\n'.encode() in host.config_file.read_bytes()


def test_base_of_a_detached_disk_is_kept(host):
    """It can be attached again, and is deleted with its own VM."""
    disks = [{"size": "16M"}, {"size": "16M"}]
    well(host, name=["base"], disks=disks)
    well(host, name=["kid"], clone={"source": "base", "linked": True})
    well(host, name=["kid"], disks=[{"slot": "disk1", "state": "absent"}])
    outcome = task(host, name=["base"], state="absent")
    kept = {one["path"].rpartition("/")[2]: one["reason"] for one in outcome.vms[0]["kept"]}
    assert (outcome.failed, sorted(kept)) == (False, ["base-disk0.qcow2", "base-disk1.qcow2"])
    assert "kid" in kept["base-disk1.qcow2"]
