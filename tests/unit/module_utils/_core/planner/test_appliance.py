# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An appliance as the source of a VM: its disks, and what is rejected."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.contents import (
    contents_of,
    has_unread_source,
    warnings_of,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.plan_content import (
    content_of,
    digest,
    lines_of,
    used_files,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import entry
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import MAC, HoldsClaims
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.losses import claims_of_plan
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.traits import hyperv_traits
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.traits import proxmox_traits
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.traits import vbox_traits

from unit.tables import virsh
from unit.tables.rows import G, absent, ask, created, found

ASKED = {"source": "/srv/x.ova", "accept_eula": False}


def _part(offset):
    return {"source": "/srv/x.ova", "format": "vmdk", "part": (offset, 512), "size": 8 * G}


READ = {
    **ASKED,
    "slots": {"sata0": {}, "sata1": {}, "sata2": {"size": G}},
    "disks": {"sata0": _part(512), "sata1": _part(1024)},
    "not_carried": ["sound card"],
    "warnings": ["no manifest"],
}


def _read(**config):
    request = ask(**config)
    return replace(request, creation={**request.creation, "appliance": READ})


class HoldsNothing(HoldsClaims):
    def file_identity(self, path):
        return path


def test_its_files_are_read_before_the_plan_counts():
    request = ask(appliance=ASKED)
    assert has_unread_source(plan(absent(), request, virsh.TRAITS))
    assert not has_unread_source(plan(absent(), _read(), virsh.TRAITS))
    assert warnings_of(_read().creation) == ["no manifest"]


@pytest.mark.parametrize("traits", [virsh.TRAITS, vbox_traits((7, 2, 0)), proxmox_traits("9.1"), hyperv_traits(None)])
@pytest.mark.parametrize("config", [{"secure_boot": True}, {"skip_boot_prompt": True}])
def test_settings_that_depend_on_the_firmware_are_checked_when_it_is_known(traits, config):
    request = Request("web", config=config, creation={"appliance": ASKED})
    assert plan(absent(), request, traits).refusal is None
    read = {**ASKED, "slots": {}, "disks": {}}
    known = [
        Request("web", config={**config, "firmware": firmware}, creation={"appliance": read})
        for firmware in ("uefi", "bios")
    ]
    refusals = [plan(absent(), one, traits).refusal for one in known]
    assert refusals[1] is not None
    if "secure_boot" in config:
        assert refusals[0] is None


def test_each_disk_has_its_content_or_is_empty():
    arguments = created(plan(absent(), _read(), virsh.TRAITS))
    assert {slot: disk.get("size") for slot, disk in arguments["config"]["disks"].items()} == {
        "sda": None,
        "sdb": None,
        "sdc": G,
    }
    assert {slot: one["part"][0] for slot, one in contents_of(arguments["creation"], "vda").items()} == {
        "sda": 512,
        "sdb": 1024,
    }


def test_entries_of_the_task_are_the_disks_of_the_appliance():
    disks = [{"size": "20G"}, {"slot": "sata2", "serial": "data"}]
    config = created(plan(absent(), _read(disks=disks), virsh.TRAITS))["config"]
    assert {slot: disk.get("size") for slot, disk in config["disks"].items()} == {"sda": 20 * G, "sdb": None, "sdc": G}
    assert config["disks"]["sdc"]["serial"] == "data"


@pytest.mark.parametrize(
    ("disk", "expected"), [({"state": "absent"}, "it cannot be absent"), ({"source": "/x.qcow2"}, "it cannot be set")]
)
def test_disk_of_the_appliance_cannot_be_another_one(disk, expected):
    planned = plan(absent(), _read(disks=[{"slot": "sata1", **disk}]), virsh.TRAITS)
    assert expected in planned.refusal.message
    assert "the appliance creates" in planned.refusal.message


def test_existing_vm_is_compared_with_the_task_alone():
    vm = found(disks={"sda": {"size": 8 * G, "source": "/a", "bus": "sata"}})
    planned = plan(vm, ask(appliance=ASKED, adopt=True), virsh.TRAITS)
    assert (planned.changed, planned.refusal, list(planned.not_compared)) == (False, None, ["appliance"])


def test_foreign_vm_is_rejected():
    planned = plan(found(mark={}), ask(appliance=ASKED), virsh.TRAITS)
    assert "appliance is set, but the VM exists" in planned.refusal.message


def test_vm_is_not_created_again():
    """What its descriptor says would replace settings that were changed since."""
    request = ask(appliance=ASKED, architecture="arm64", allow_recreate=True)
    vm = found(architecture="amd64")
    planned = plan(vm, request, virsh.TRAITS)
    assert "but what the appliance says would replace settings" in planned.refusal.message


def test_one_source_at_most():
    for other in ({"image": {"source": "/x.qcow2"}}, {"clone": {"source": "db"}}):
        with pytest.raises(InvalidInput, match="appliance are both set"):
            ask(appliance=ASKED, **other)


def test_complete_list_of_disks_is_rejected():
    """The disks of the appliance are in its descriptor, which is read only for a new VM."""
    with pytest.raises(InvalidInput, match="purge"):
        ask(appliance=ASKED, disks=[{"slot": "vda", "size": "1G"}], purge=["disks"])


def test_approval_is_of_this_appliance():
    planned = plan(absent(), _read(), virsh.TRAITS)
    other = {**READ, "disks": {**READ["disks"], "sata1": _part(4096)}}
    request = replace(_read(), creation={"appliance": other})
    changed = plan(absent(), request, virsh.TRAITS)
    assert digest(content_of(planned, _read(), {}, "")) != digest(content_of(changed, request, {}, ""))
    assert used_files(planned) == ["/srv/x.ova"]
    assert "  appliance: /srv/x.ova" in lines_of(planned)


def test_result_lists_what_is_not_carried():
    planned = plan(absent(), _read(), virsh.TRAITS)
    assert entry(planned.after, "libvirt", planned)["not_carried"] == ["sound card"]


@pytest.mark.parametrize("keeps", [True, False])
def test_macs_that_it_keeps_are_those_of_no_other_vm(keeps):
    """On any network: a NIC in a network of its own, such as NAT, has no place to be compared."""
    request = _read(networks=[{"type": "user", "mac": "52:54:00:00:00:01"}])
    appliance = {**READ, "keep_macs": keeps}
    made = plan(absent(), replace(request, creation={"appliance": appliance}), virsh.TRAITS)
    _during, after = claims_of_plan(made, (), HoldsNothing())
    assert [(one.identity, one.is_reserved) for one in after if one.kind == MAC] == [("52:54:00:00:00:01", keeps)]


def test_other_manifest_of_a_backup_is_another_plan():
    """It has the digests of all files, also of those that the VM does not get."""
    digests = set()
    for one in ("a", "b"):
        request = replace(_read(), creation={"appliance": {**READ, "checksum": f"sha256:{one * 64}"}})
        planned = plan(absent(), request, virsh.TRAITS)
        digests.add(digest(content_of(planned, request, {}, "")))
    assert len(digests) == 2
