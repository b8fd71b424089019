# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What plans claim while they are carried out and afterwards, on a platform in memory."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.backup.backup import Backup
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    LIVE,
    NEXT_BOOT,
    STOPPED,
    Field,
    File,
    Plan,
    Snapshot,
    SnapshotRequest,
    Step,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import (
    BASE,
    COPY,
    DELETE,
    FILE,
    GROW,
    READ,
    RESTORE,
    SHARED,
    SNAPSHOT,
    WRITE,
    Claim,
    Held,
    claims_of_config,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.losses import can_claim, claims_of_plan

from unit.module_utils._engine.claiming import DISK, IMAGE, LINK, Claiming, Host, MemoryClaims, path_of
from unit.module_utils._engine.tasks import new, vm
from unit.module_utils._engine.world import GIB

TOP, MIDDLE, BOTTOM = "/data/top.img", "/data/middle.img", "/data/bottom.img"
MAC = "52:54:00:00:00:01"
HOST = Host(files={TOP: MIDDLE, MIDDLE: BOTTOM, BOTTOM: None})
DRIVER = MemoryClaims(HOST, "system")
TRAITS = Claiming(HOST).traits()


def found(name="web", power=STOPPED, disks=None, snapshots=(), files=(), **config):
    disks = {slot: {"source": path, "size": GIB} for slot, path in (disks or {DISK: path_of(name, DISK)}).items()}
    config = {"cpus": 1, "memory": GIB, "disks": disks, **config}
    mark = {"id": f"id-{name}", "files": ()}
    return Vm(name, f"id-{name}", power, config=config, snapshots=snapshots, files=files, mark=mark)


def planned(request, before=None, source=None):
    made = plan(before or Vm.absent(request.name), request, TRAITS, (), source)
    assert made.refusal is None, made.refusal
    assert made.changed
    return made


def claimed(request, before=None, own=None, source=None, holds=(), copies_running=False, driver=DRIVER):
    """What a plan claims while it is carried out and afterwards: [(mode or kind, option, text)]. ``own`` by default all
    that the settings say."""
    own = claims_of_config(before.config, driver) if own is None and before else own or []
    held = Held(f"id-{source.name}", source.name, source.power, tuple(holds)) if source else None
    during, after = claims_of_plan(planned(request, before, source), own, driver, held, copies_running)
    return [[(one.mode or one.kind, one.option, one.text) for one in claims] for claims in (during, after)]


WEB = [(WRITE, f"disks.{DISK}", "/vms/web-disk0.img")]


# Creating -------------------------------------------------------------------------------------------------------------


def test_vm_from_an_image_copies_it_and_writes_to_a_new_file():
    assert claimed(new("web")) == [[(COPY, "image", IMAGE)], WEB]


def test_linked_vm_has_the_image_and_what_is_below_it_as_bases():
    during, after = claimed(vm("web", image=TOP, linked=True))
    assert (during, after) == ([], [(BASE, "image", TOP), (BASE, "image", MIDDLE), (BASE, "image", BOTTOM), *WEB])


def test_image_that_is_copied_is_read_with_all_that_is_below_it():
    (during, _after) = claimed(vm("web", image=TOP))
    assert during == [(COPY, "image", TOP)]


def test_settings_of_a_new_vm_are_claimed():
    settings = {
        "disks": {"disk1": {"source": TOP}, "disk2": {"size": GIB}},
        "iso": "/iso/a.iso",
        "networks": {"0": {"type": "network", "source": "lan", "mac": MAC.upper(), "address": "10.0.0.2"}, "1": {}},
        "port_forwards": {"ssh": {"guest_port": 22, "host_port": 2222}, "web": {"guest_port": 80}},
    }
    _during, after = claimed(new("web", **settings))
    assert sorted(after) == sorted([
        *WEB,
        (WRITE, "disks.disk2", "/vms/web-disk2.img"),
        (WRITE, "disks.disk1", TOP), (BASE, "disks.disk1", MIDDLE), (BASE, "disks.disk1", BOTTOM),
        (READ, "iso", "/iso/a.iso"),
        ("mac", "networks.0", MAC.upper()), ("address", "networks.0", "10.0.0.2"),
        ("port", "port_forwards.ssh", "2222"),
    ])  # fmt: skip


def test_new_files_are_marked_as_new():
    _during, after = claims_of_plan(planned(new("web", disks={"disk1": {"source": TOP}})), (), DRIVER)
    assert {claim.text: claim.is_new for claim in after} == {
        "/vms/web-disk0.img": True, TOP: False, MIDDLE: False, BOTTOM: False,
    }  # fmt: skip


def test_of_an_unfinished_vm_only_its_bases_remain_claimed():
    own = [Claim(FILE, "/old", WRITE, "disks.old", "/old"), Claim(FILE, "/base", BASE, "disks.old", "/base")]
    assert claimed(new("web"), own=own)[1] == [(BASE, "disks.old", "/base"), *WEB]


# Clones ---------------------------------------------------------------------------------------------------------------

HOLDS = [
    Claim(FILE, (None, TOP), WRITE, f"disks.{DISK}", TOP),
    Claim(FILE, (None, MIDDLE), BASE, f"disks.{DISK}", MIDDLE),
    Claim(FILE, "/iso", READ, "iso", "/iso"),
    Claim(FILE, "/nvram", WRITE, "nvram", "/nvram"),
    Claim(FILE, "/old", BASE, "snapshots.one", "/old"),
    Claim("mac", MAC, "", "networks.0", MAC),
]
SOURCE = found("src", disks={DISK: TOP})


def test_full_clone_copies_the_disks_of_its_source():
    assert claimed(vm("web", clone="src"), source=SOURCE, holds=HOLDS) == [[(COPY, "clone", TOP)], WEB]


def test_linked_clone_has_the_disks_of_its_source_and_their_bases_as_bases():
    during, after = claimed(vm("web", clone="src", linked=True), source=SOURCE, holds=HOLDS)
    assert (during, after) == ([], [*WEB, (BASE, "clone", TOP), (BASE, "clone", MIDDLE)])


@pytest.mark.parametrize(
    ("linked", "snapshot", "copies_running", "while_on"),
    [
        (False, None, False, False),
        (False, None, True, True),
        (True, None, True, False),
        (False, "one", False, True),
        (True, "one", False, True),
    ],
)
def test_source_may_run_while_its_snapshot_is_cloned_or_where_the_platform_can(
    linked, snapshot, copies_running, while_on
):
    source = replace(SOURCE, snapshots=(Snapshot("one", config={"disks": {DISK: {"source": MIDDLE}}}),))
    request = vm("web", clone="src", linked=linked, snapshot=snapshot)
    held = Held("id-src", "src", STOPPED, tuple(HOLDS))
    during, after = claims_of_plan(planned(request, source=source), (), DRIVER, held, copies_running)
    of_source = [claim for claim in [*during, *after] if claim.option == "clone"]
    assert {(claim.source, claim.while_on) for claim in of_source} == {("id-src", while_on)}
    assert {claim.mode for claim in of_source} == {BASE if linked else COPY}
    assert of_source[0].text == (MIDDLE if snapshot else TOP)


def test_linked_clone_of_a_snapshot_has_the_files_below_it_as_bases():
    source = replace(SOURCE, snapshots=(Snapshot("one", config={"disks": {DISK: {"source": MIDDLE}}}),))
    _during, after = claimed(vm("web", clone="src", linked=True, snapshot="one"), source=source, holds=HOLDS)
    assert after == [*WEB, (BASE, "clone", MIDDLE), (BASE, "clone", BOTTOM)]


def test_clone_of_a_planned_source_claims_what_that_will_hold():
    request = new("src")
    source = planned(request).after
    _during, holds = claims_of_plan(planned(request), (), DRIVER)
    during, after = claimed(vm("web", clone="src"), source=source, holds=holds)
    assert (during, after) == ([(COPY, "clone", "/vms/src-disk0.img")], WEB)
    assert source.id is None


def test_claims_on_files_that_do_not_exist_yet_become_claims_on_existing_ones():
    """A clone of a new VM waits for its file, and needs it."""
    _during, holds = claims_of_plan(planned(new("src")), (), DRIVER)
    held = Held("src", "src", STOPPED, tuple(holds))
    source = planned(new("src")).after
    request = vm("web", clone="src", linked=True)
    _during, after = claims_of_plan(planned(request, source=source), (), DRIVER, held)
    assert [claim.is_new for claim in after if claim.option == "clone"] == [False]


# Changing -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "during", "after"),
    [
        ({"cpus": 2}, [], WEB),
        ({"disks": {"disk1": {"size": GIB}}}, [], [*WEB, (WRITE, "disks.disk1", "/vms/web-disk1.img")]),
        (
            {"disks": {"disk1": {"source": MIDDLE}}}, [],
            [*WEB, (WRITE, "disks.disk1", MIDDLE), (BASE, "disks.disk1", BOTTOM)],
        ),
        ({"disks": {DISK: None}}, [], []),
        ({"disks": {DISK: {"source": BOTTOM}}}, [], [(WRITE, f"disks.{DISK}", BOTTOM)]),
        ({"disks": {DISK: {"size": 2 * GIB}}}, [(GROW, f"disks.{DISK}", "/vms/web-disk0.img")], WEB),
        ({"iso": "/iso/a.iso"}, [], [*WEB, (READ, "iso", "/iso/a.iso")]),
        ({"networks": {"0": {"mac": MAC}}}, [], [*WEB, ("mac", "networks.0", MAC)]),
        ({"port_forwards": {"a": {"guest_port": 1, "host_port": 2}}}, [], [*WEB, ("port", "port_forwards.a", "2")]),
        ({"log": "/log/web"}, [], [*WEB, (WRITE, "log", "/log/web")]),
    ],
    ids=str,
)  # fmt: skip
def test_change_adds_and_removes_claims_of_its_entry(wanted, during, after):
    assert claimed(vm("web", **wanted), before=found()) == [during, after]


def test_detached_disk_still_needs_its_bases():
    """Its file is kept, so nothing below it may be written or deleted."""
    before = found(disks={DISK: path_of("web", DISK), "disk1": TOP})
    bases = [(BASE, "disks.disk1", MIDDLE), (BASE, "disks.disk1", BOTTOM)]
    assert claimed(vm("web", disks={"disk1": None}), before=before) == [[], [*WEB, *bases]]


def test_only_the_disk_that_grows_is_written():
    """Its bases are not, and another disk is not."""
    before = found(disks={DISK: TOP, "disk1": path_of("web", "disk1")})
    during, after = claimed(vm("web", disks={DISK: {"size": 2 * GIB}}), before=before)
    assert during == [(GROW, f"disks.{DISK}", TOP)]
    assert after == claimed(vm("web", cpus=2), before=before)[1]


def test_growth_names_the_option():
    during, _after = claims_of_plan(
        planned(vm("web", disks={DISK: {"size": 2 * GIB}}), found()), claims_of_config(found().config, DRIVER), DRIVER
    )
    assert [claim.path for claim in during] == [f"disks.{DISK}.size"]


@pytest.mark.parametrize(
    ("change", "where"),
    [({"source": "wan"}, (None, ("network", "wan"))), ({"type": "bridged"}, (None, ("bridged", "lan")))],
)
def test_nic_that_moves_claims_its_mac_on_the_new_network(change, where):
    before = found(networks={"0": {"type": "network", "source": "lan", "mac": MAC, "address": "10.0.0.2"}})
    request = vm("web", networks={"0": change})
    _during, after = claims_of_plan(planned(request, before), claims_of_config(before.config, DRIVER), DRIVER)
    assert {claim.kind: claim.where for claim in after if claim.option == "networks.0"} == {
        "mac": where, "address": where,
    }  # fmt: skip


def test_port_that_changes_is_claimed_instead_of_the_old_one():
    before = found(port_forwards={"ssh": {"guest_port": 22, "host_port": 1}})
    request = vm("web", port_forwards={"ssh": {"host_port": 2, "host_address": "127.0.0.1"}})
    _during, after = claims_of_plan(planned(request, before), claims_of_config(before.config, DRIVER), DRIVER)
    assert [(one.identity, one.where) for one in after if one.kind == "port"] == [((None, "tcp", 2), "127.0.0.1")]


@pytest.mark.parametrize(
    ("power", "cost", "state", "kept"),
    [
        ("running", NEXT_BOOT, "present", True),
        ("running", LIVE, "present", False),
        ("running", NEXT_BOOT, "stopped", False),
        ("stopped", NEXT_BOOT, "present", False),
    ],
)
def test_running_vm_uses_what_it_had_until_its_next_start(power, cost, state, kept):
    before = found(power=power, port_forwards={"ssh": {"guest_port": 22, "host_port": 1}})
    before = before.having(active=before.config if before.on else None)
    request = vm("web", state, port_forwards={"ssh": {"host_port": 2}})
    traits = replace(TRAITS, fields={**TRAITS.fields, "port_forwards.host_port": Field(cost=cost)})
    _during, after = claims_of_plan(plan(before, request, traits, ()), claims_of_config(before.config, DRIVER), DRIVER)
    assert sorted(claim.text for claim in after if claim.kind == "port") == ["1", "2"][1 - kept :]


def test_claims_that_settings_do_not_name_remain():
    own = [*claims_of_config(found().config, DRIVER), Claim(FILE, "/nvram", WRITE, "nvram", "/nvram")]
    _during, after = claimed(vm("web", cpus=2, iso="/iso/a.iso"), before=found(), own=own)
    assert after == [*WEB, (WRITE, "nvram", "/nvram"), (READ, "iso", "/iso/a.iso")]


def test_snapshot_writes_to_the_files_that_the_driver_names():
    before = found(disks={DISK: TOP})
    request = replace(vm("web"), snapshot=SnapshotRequest("one"))
    during, after = claimed(request, before=before)
    assert during == [(SNAPSHOT, "snapshot", TOP)]
    assert after == [(WRITE, f"disks.{DISK}", TOP), (BASE, f"disks.{DISK}", MIDDLE), (BASE, f"disks.{DISK}", BOTTOM)]


# Deleting, restoring, recreating --------------------------------------------------------------------------------------


def files(*paths, **details):
    return tuple(File(path, "disk", True, **details) for path in paths)


def test_deleted_vm_holds_nothing():
    before = found(files=files("/vms/web-disk0.img"), networks={"0": {"mac": MAC, "type": "nat"}})
    assert claimed(vm("web", "absent"), before=before) == [[(DELETE, "", "/vms/web-disk0.img")], []]


def test_disk_that_is_kept_still_needs_its_bases():
    """But nobody holds it any more, so that another VM can take it over."""
    before = found(disks={DISK: TOP}, files=files(TOP))
    request = vm("web", "absent", policy={"delete_disks": "none"}.items())
    assert claimed(request, before=before) == [
        [], [(BASE, f"disks.{DISK}", MIDDLE), (BASE, f"disks.{DISK}", BOTTOM)],
    ]  # fmt: skip


def test_only_kept_disks_need_their_bases():
    before = found(disks={DISK: TOP, "disk1": LINK}, files=(*files(TOP), File(LINK, "disk")))
    assert claimed(vm("web", "absent"), before=before) == [[(DELETE, "", TOP)], []]


def test_disk_that_is_deleted_by_another_spelling_is_not_kept():
    before = found(disks={DISK: TOP}, files=files("/data/../data/top.img"))
    assert claimed(vm("web", "absent"), before=before) == [[(DELETE, "", "/data/../data/top.img")], []]


def restored(before, **options):
    request = replace(vm("web"), snapshot=SnapshotRequest("one", "restored"))
    return claimed(request, before=before, **options)


def test_restore_writes_to_all_disks_of_the_vm():
    before = found(disks={DISK: TOP}, snapshots=(Snapshot("one"),))
    own = [*claims_of_config(before.config, DRIVER), Claim(FILE, "/shared", SHARED, "disks.disk1", "/shared")]
    during, after = restored(before, own=own)
    assert during == [(RESTORE, "snapshots", TOP)]
    assert len(after) == len(own)


def test_restored_settings_are_claimed_again():
    """Another VM may have taken them since the snapshot."""
    config = {
        "disks": {DISK: {"source": path_of("web", DISK)}, "disk1": {"source": BOTTOM}},
        "networks": {"0": {"type": "network", "source": "lan", "mac": MAC}},
        "port_forwards": {},
    }
    rule = {"ssh": {"guest_port": 22, "host_port": 1}}
    before = found(snapshots=(Snapshot("one", config=config),), iso="/iso/a.iso", port_forwards=rule)
    _during, after = restored(before)
    assert sorted(after) == sorted([*WEB, (WRITE, "disks.disk1", BOTTOM), ("mac", "networks.0", MAC)])


def test_entries_that_a_restore_does_not_change_keep_their_claims():
    """Such as a claim that is shared because the platform says so."""
    config = {"disks": {DISK: {"source": TOP, "size": GIB // 2}}, "cpus": 2}
    before = found(disks={DISK: TOP}, snapshots=(Snapshot("one", config=config),))
    own = [Claim(FILE, (None, TOP), SHARED, f"disks.{DISK}", TOP)]
    assert restored(before, own=own) == [[], [(SHARED, f"disks.{DISK}", TOP)]]


def _from_backup(before, *steps):
    """(during, after) of steps with the settings of a backup; the VM has what its settings say."""
    config = {
        "disks": {DISK: {"source": "/vms/restored.img"}},
        "networks": {"0": {"type": "network", "source": "lan", "mac": MAC}},
    }
    backup = Backup(id="b1", vm="web", birth="id-web", start=0, config=config)
    arguments = {"id": "b1", "backup": backup, "files": [path_of("web", DISK)]}
    made = Plan(before, before, tuple((Step(verb, arguments=arguments),) for verb in steps))
    assert can_claim(made)
    claims = claims_of_plan(made, claims_of_config(before.config, DRIVER), DRIVER)
    return [[(one.mode or one.kind, one.option, one.text) for one in part] for part in claims]


RESTORED = [(WRITE, f"disks.{DISK}", "/vms/restored.img"), ("mac", "networks.0", MAC)]


def test_vm_from_a_backup_claims_the_settings_that_it_gets():
    assert _from_backup(Vm.absent("web"), "create_from_backup") == [[], RESTORED]


def test_vm_that_a_backup_replaces_deletes_its_former_disks_at_the_end():
    during, after = _from_backup(found(), "prepare_restore", "restore_backup", "finish_restore")
    assert (during, after) == ([(DELETE, "", "/vms/web-disk0.img")], RESTORED)


def test_recreated_vm_deletes_its_old_disk_and_has_a_new_one():
    before = found(firmware="bios", files=files("/vms/web-disk0.img"), disks={DISK: "/vms/web-disk0.img"})
    request = new("web", firmware="uefi", policy={"allow_recreate": True}.items())
    during, after = claimed(request, before=before)
    assert during == [(DELETE, "", "/vms/web-disk0.img"), (COPY, "image", IMAGE)]
    assert after == WEB


def test_recreated_vm_keeps_the_disks_of_others():
    before = found(firmware="bios", files=files("/vms/web-disk0.img"), disks={DISK: path_of("web", DISK), "disk1": TOP})
    request = new("web", firmware="uefi", policy={"allow_recreate": True}.items())
    _during, after = claimed(request, before=before)
    assert {mode for mode, option, text in after if text == TOP} == {WRITE}
