# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What could not be read of a VM is neither empty nor absent: nothing that a task sets is equal to it."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Snapshot, SnapshotRequest
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import SETTING, VM
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import new_mark

from generate import _traits
from unit.tables.rows import ask, ask_snapshot, found

TRAITS = {platform: traits[0] for platform, traits in _traits()[1].items()}
REASON = "node pve2 does not answer"
UNREAD = found("unknown", mark=None, reason=REASON)
#: Values that mean "none", or that an unread VM could seem to have: {option: value, with what else of the task}.
NOTHING = {
    "iso": {"iso": ""},
    "skip_boot_prompt": {"skip_boot_prompt": False},
    "description": {"description": ""},
    "tags": {"tags": []},
    "fleet": {"fleet": ""},
    "owner": {"owner": ""},
    "expires": {"expires": ""},
    "autostart": {"autostart": False},
    "architecture": {"architecture": "amd64"},
    "cpus": {"cpus": 2},
    "memory": {"memory": 2048},
    "os_type": {"os_type": "linux"},
    "firmware": {"firmware": "bios"},
    "secure_boot": {"secure_boot": False},
    "tpm": {"tpm": False},
    "rtc": {"rtc": "utc"},
    "nested_virtualization": {"nested_virtualization": False},
    "display": {"display": {"type": "none"}},
    "native": {"native": {"key": ""}},
    "cdroms": {"cdroms": [{"slot": "sata1", "state": "absent"}]},
    "all cdroms": {"cdroms": [], "purge": ["cdroms"]},
    "disks": {"disks": [{"slot": "slot", "state": "absent"}]},
    "all disks": {"disks": [], "purge": ["disks"]},
    "networks": {"networks": []},
    "all networks": {"networks": [], "purge": ["networks"]},
    "port_forwards": {"port_forwards": [], "purge": ["port_forwards"]},
    "shared_folders": {"shared_folders": [], "purge": ["shared_folders"]},
    "devices": {"devices": [], "purge": ["devices"]},
    "image": {"image": {"source": "/images/a.qcow2"}},
    "clone": {"clone": {"source": "db"}},
}


def test_every_setting_of_the_modules_is_listed():
    settings = {name for name, option in VM.items() if option.role == SETTING}
    assert settings <= {name.removeprefix("all ") for name in NOTHING} | {"cloud_init"}


@pytest.mark.parametrize("platform", TRAITS)
@pytest.mark.parametrize("option", NOTHING)
def test_unread_setting_is_never_as_requested(platform, option):
    planned = plan(UNREAD, ask(**NOTHING[option]), TRAITS[platform])
    assert not planned.changed
    assert f"{option.removeprefix('all ')}: its settings are unknown ({REASON})" in str(planned.refusal)


@pytest.mark.parametrize("platform", TRAITS)
@pytest.mark.parametrize("state", ["started", "stopped", "restarted", "absent"])
def test_state_that_is_not_known_is_not_changed(platform, state):
    planned = plan(UNREAD, ask(state), TRAITS[platform])
    assert (planned.changed, planned.refusal is None) == (False, False)


@pytest.mark.parametrize("platform", TRAITS)
def test_task_that_compares_nothing_is_no_error(platform):
    planned = plan(UNREAD, ask(), TRAITS[platform])
    assert (planned.changed, planned.refusal) == (False, None)


def test_setting_that_the_platform_reports_nevertheless_is_compared():
    vm = UNREAD.having(config={"node": "pve2", "tags": ("a",)})
    assert plan(vm, ask(tags=["a"], node="pve2"), TRAITS["proxmox"]).refusal is None
    assert "its state is unknown" in str(plan(vm, ask(tags=[]), TRAITS["proxmox"]).refusal)


def test_image_of_a_vm_with_its_record_is_not_compared():
    vm = UNREAD.having(mark=new_mark(UNREAD.id, created=""))
    planned = plan(vm, ask(image={"source": "/images/a.qcow2"}), TRAITS["proxmox"])
    assert (planned.refusal, planned.not_compared) == (None, ["image"])
    adopted = plan(UNREAD, ask(image={"source": "/images/a.qcow2"}, adopt=True), TRAITS["proxmox"])
    assert adopted.refusal is None


@pytest.mark.parametrize("requested", [SnapshotRequest("s1", state="absent"), SnapshotRequest("s1", keep_last=2)])
def test_snapshots_that_could_not_be_read_are_not_absent(requested):
    asked = replace(ask_snapshot("s1"), snapshot=requested)
    assert REASON in str(plan(UNREAD, asked, TRAITS["proxmox"]).refusal)
    listed = UNREAD.having(snapshots=(Snapshot("s1"),))
    assert plan(listed, ask_snapshot("s1"), TRAITS["proxmox"]).refusal is None
