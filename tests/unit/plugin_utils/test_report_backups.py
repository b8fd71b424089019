# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest backup of each VM in a report: what is a finding, what is unknown, and what a platform does not have."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.report.metrics import openmetrics
from ansible_collections.polyvirt.core.plugins.plugin_utils.report.model import build
from ansible_collections.polyvirt.core.plugins.plugin_utils.report.page import html

from unit.plugin_utils.report_samples import ABOUT, failed, record, vm_entry

OLD, NEW = ({"id": day, "start": f"2026-11-{day}T02:00:00Z", "unfinished": "", "damaged": ""} for day in ("24", "25"))
PLANNED = {**NEW, "id": "planned", "start": ABOUT["created"]}
AHEAD = {**NEW, "id": "ahead", "start": "2026-11-28T02:00:00Z"}
DAMAGED = {**NEW, "damaged": "a digest differs"}


def checked(number, backups, verbs=(), **changes):
    """The record of a task of vm_backup in check mode."""
    steps = [{"verb": verb, "done": True, "changes": []} for verb in verbs]
    info = vm_entry(number, backups=backups, changed=bool(verbs))
    event = "drift" if verbs else None
    return record(number, info=info, steps=steps, event=event, changed=bool(verbs), **changes)


def one_of(*records):
    (vm,) = build(records, ABOUT)["vms"]
    return vm


@pytest.mark.parametrize(
    ("backups", "verbs", "status", "newest", "vm_status"),
    [
        ([OLD, NEW], (), "young", "25", "ok"),
        ([OLD, PLANNED], ("backup",), "old", "24", "drift"),
        ([PLANNED], ("backup",), "none", None, "drift"),
        ([OLD, DAMAGED, PLANNED], ("backup",), "old", "24", "drift"),
        # One that is dated ahead of the controller's clock does not count, and is listed after the planned one.
        ([NEW, AHEAD], (), "young", "25", "ok"),
        ([OLD, PLANNED, AHEAD], ("backup",), "old", "24", "drift"),
        ([PLANNED, AHEAD], ("backup",), "none", None, "drift"),
        ([OLD, NEW], ("drop_backup",), "young", "25", "drift"),
    ],
)
def test_newest_backup(backups, verbs, status, newest, vm_status):
    vm = one_of(checked(0, backups, verbs))
    assert (vm["backup"]["status"], vm["backup"]["id"], vm["status"], vm["planned"]) == (
        status,
        newest,
        vm_status,
        False,
    )
    assert [one["path"] for one in vm["differences"]] == (["backup"] if status in ("old", "none") else [])


def test_age_and_time_are_those_of_the_newest_backup():
    report = build([checked(0, [OLD, NEW])], ABOUT)
    (vm,) = report["vms"]
    assert (vm["backup"]["start"], vm["backup"]["age"]) == (NEW["start"], 18 * 3600 + 40 * 60)
    assert "polyvirt_vm_backup_timestamp_seconds{" in openmetrics(report)
    assert "2026-11-25T02:00:00Z, young" in html(report)


def test_backups_that_cannot_be_read_are_unknown():
    vm = one_of(failed(0, "web1: permission denied.", info=vm_entry(0, backups=[])))
    assert (vm["status"], vm["backup"]["status"]) == ("failed", "unknown")


def test_platform_without_backups_is_listed_as_such():
    other = record(1, info=vm_entry(1), platform="virtualbox")
    statuses = {
        one["platform"]: one["backup"] for one in build([checked(0, [NEW], platform="libvirt"), other], ABOUT)["vms"]
    }
    assert statuses["virtualbox"]["status"] == "unsupported"
    # Nothing is said of backups if no task is about them.
    assert one_of(other)["backup"] is None


def test_vm_that_does_not_exist_needs_no_backup():
    absent = failed(0, "web1: the VM does not exist.", info=vm_entry(0, backups=[], state="absent"))
    assert build([absent], ABOUT)["vms"] == []
