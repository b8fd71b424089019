# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a libvirt storage pool: tables of options, definitions, and the resulting calls."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, PolyvirtError, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.pool_options import OPTIONS, checked
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.pool_plan import PoolState, plan_pool

STORED = """\
<pool type='dir'><name>images</name><uuid>6d2f4f0c-1d1b-4a55-8f5c-4a2f0f2e7c11</uuid><source></source>
<target><path>/srv/images</path><permissions><mode>0711</mode></permissions></target></pool>
"""
#: The running pool has what libvirt found when it started.
RUNNING = STORED.replace("<source>", "<capacity unit='bytes'>100</capacity><source>").replace("0711", "0755")
LOGICAL = """\
<pool type='logical'><name>images</name><source><name>vg0</name></source>
<target><path>/dev/vg0</path></target></pool>"""
FOUND = {"mode": "0711", "owner": 0, "group": 0}


def _wanted(**options):
    return checked({**{name: option.default for name, option in OPTIONS.items()}, "name": "images", **options})


def _state(running=RUNNING, stored=STORED, **more):
    roots = [None if text is None else ET.fromstring(text) for text in (running, stored)]
    return PoolState("images", *roots, **{"directory": FOUND, **more})


def _calls(steps):
    return [call[0] for call in dict.fromkeys(call for step in steps for call in step.calls)]


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({}, []),
        ({"type": "dir", "path": "/srv//images/", "mode": "711"}, []),
        ({"autostart": True}, ["pool-autostart"]),
        ({"state": "refreshed"}, ["pool-refresh"]),
        ({"state": "inactive"}, ["pool-destroy"]),
        ({"state": "absent"}, ["pool-destroy", "pool-undefine"]),
        ({"path": "/srv/other"}, ["pool-define"]),
        ({"path": "/srv/other", "allow_restart": True}, ["pool-define", "pool-destroy", "pool-start"]),
    ],
)
def test_calls(options, calls):
    steps, _after = plan_pool(_wanted(**options), _state())
    assert _calls(steps) == calls


def test_new_pool_and_its_directory():
    new = _state(None, None, directory=None)
    steps, after = plan_pool(_wanted(type="dir", path="/srv/new", mode="0750"), new)
    assert _calls(steps) == ["pool-define", "pool-build", "pool-start"]
    assert after.values["path"] == "/srv/new"
    existing, _after = plan_pool(_wanted(type="dir", path="/srv/new"), _state(None, None))
    assert _calls(existing) == ["pool-define", "pool-start"]
    logical, _after = plan_pool(_wanted(type="logical", volume_group="vg0"), new)
    assert _calls(logical) == ["pool-define", "pool-start"]


def test_directory_of_a_moved_pool():
    """It is created before the restart that needs it, and must have the requested mode if it exists."""
    moved = {"path": "/srv/other", "mode": "0750"}
    steps, _after = plan_pool(_wanted(**moved, allow_restart=True), _state(directory=None))
    assert _calls(steps) == ["pool-define", "pool-destroy", "pool-build", "pool-start"]
    waiting, _after = plan_pool(_wanted(**moved), _state(directory=None))
    assert _calls(waiting) == ["pool-define"]
    with pytest.raises(Refused, match="/srv/other exists with mode 0711"):
        plan_pool(_wanted(**moved), _state())


#: Pools that were not created by this module: all that libvirt knows beyond its own types, with what each needs.
OTHERS = {
    "disk": "<source><device path='/dev/sdb'/><format type='dos'/></source>",
    "iscsi": "<source><host name='10.0.0.1'/><device path='iqn.2013-06.com.example:one'/></source>",
    "iscsi-direct": "<source><host name='10.0.0.1'/><device path='iqn.2013-06.com.example:one'/></source>",
    "scsi": "<source><adapter type='scsi_host' name='host0'/></source>",
    "mpath": "<source></source>",
    "rbd": "<source><host name='ceph1'/><name>rbd</name></source>",
    "zfs": "<source><name>tank</name></source>",
    "gluster": "<source><host name='g1'/><dir path='/'/><name>vol</name></source>",
    "vstorage": "<source><name>cluster</name></source>",
}
WITHOUT_PATH = ("iscsi-direct", "rbd", "gluster")


def _other(kind):
    target = "" if kind in WITHOUT_PATH else "<target><path>/dev/disk/by-path</path></target>"
    return f"<pool type='{kind}'><name>images</name>{OTHERS[kind]}{target}</pool>"


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("is_running", [False, True])
def test_only_a_directory_is_built(kind, is_running):
    """``pool-build`` writes a partition table to a disk; for others it does nothing, so each task would fail."""
    text = _other(kind)
    state = _state(text if is_running else None, text, directory=None)
    verbs = {
        "active": [] if is_running else ["pool-start"],
        "present": [],
        "inactive": ["pool-destroy"] if is_running else [],
        "refreshed": ["pool-refresh"] if is_running else ["pool-start", "pool-refresh"],
    }
    for wanted, calls in verbs.items():
        steps, after = plan_pool(_wanted(state=wanted, autostart=True), state)
        assert _calls(steps) == ["pool-autostart", *calls]
        assert plan_pool(_wanted(state=wanted, autostart=True), after, was_refreshed=True)[0] == []


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("option", ["device", "host", "export", "volume_group", "format", "mode"])
def test_source_of_another_type_of_pool_is_not_changed(kind, option):
    """libvirt drops what the type does not have, so that the task would fail each time."""
    given = {"device": "/dev/sdz", "export": "/other", "mode": "0700"}.get(option, "other")
    with pytest.raises(Refused, match=f"images: {option}: the pool is of the type {kind}, of which"):
        plan_pool(_wanted(state="present", **{option: given}), _state(None, _other(kind)))
    now = {"device": "/dev/sdb", "format": "dos"}
    if kind == "disk" and option in now:
        assert plan_pool(_wanted(state="present", **{option: now[option]}), _state(None, _other(kind)))[0] == []


@pytest.mark.parametrize("kind", sorted({*OTHERS} - {*WITHOUT_PATH}))
def test_pool_of_devices_is_managed_next_to_a_directory_with_its_path(kind):
    state = _state(None, _other(kind), paths={"/dev/disk/by-path": "images2"}, twin="images2")
    assert _calls(plan_pool(_wanted(autostart=True), state)[0]) == ["pool-autostart", "pool-start"]


@pytest.mark.parametrize("kind", WITHOUT_PATH)
def test_path_is_not_added_to_a_pool_without_one(kind):
    with pytest.raises(Refused, match=f"path: the pool is of the type {kind}"):
        plan_pool(_wanted(state="present", path="/srv/other"), _state(None, _other(kind)))


def test_old_pool_in_the_directory_of_another_one_can_be_changed():
    steps, _after = plan_pool(_wanted(path="/srv/images", autostart=True), _state(twin="other"))
    assert _calls(steps) == ["pool-autostart"]


def test_volumes_are_never_deleted():
    """No option, state or type leads to a call that deletes data or overwrites a device."""
    chance, seen = random.Random(41), set()
    for _round in range(300):
        state = chance.choice([
            _state(), _state(None), _state(None, None, directory=None), _state(None, LOGICAL), _state(LOGICAL, LOGICAL)
        ])  # fmt: skip
        wanted = {
            "state": chance.choice(OPTIONS["state"].choices),
            "type": chance.choice([None, "dir", "logical"]),
            "path": chance.choice([None, "/srv/images", "/srv/other"]),
            "volume_group": chance.choice([None, "vg0"]),
            "autostart": chance.choice([None, True, False]),
            "allow_restart": chance.choice([True, False]),
        }
        try:
            steps, after = plan_pool(_wanted(**wanted), state)
        except PolyvirtError:
            continue
        seen.update(_calls(steps))
        assert all("--overwrite" not in call for step in steps for call in step.calls)
        again, _same = plan_pool(_wanted(**wanted), after, was_refreshed=True)
        assert [step.key for step in again if not step.waits] == []
    known = {"define", "build", "start", "destroy", "undefine", "autostart", "refresh"}
    assert seen == {f"pool-{one}" for one in known}


def test_running_vm_protects_the_pool():
    used = _state(guests=("web1",))
    for state in ("absent", "inactive"):
        with pytest.raises(Refused, match=r"images: .*web1"):
            plan_pool(_wanted(state=state), used)
    steps, _after = plan_pool(_wanted(path="/srv/other", allow_restart=True), used)
    assert [step.waits for step in steps] == [False, True]


@pytest.mark.parametrize(
    ("options", "state", "words"),
    [
        ({"type": "fs"}, {}, "cannot be changed"),
        ({"path": "/srv/used"}, {"paths": {"/srv/used": "other"}}, "path of the pool other"),
        ({"path": "/srv/link"}, {"twin": "other"}, "/srv/link is the directory of the pool other"),
        ({"mode": "0700"}, {}, "exists with mode 0711"),
        ({"owner": 5}, {}, "exists with owner 0"),
        ({"device": "/dev/sda1"}, {}, "device: the pool is of the type dir"),
        ({"format": "ext4"}, {}, "format: the pool is of the type dir"),
        ({"state": "refreshed"}, {"directory": None}, "/srv/images does not exist any more"),
        ({"type": "dir"}, {"missing": {"device": "/dev/x"}}, "/dev/x is not a block device of this host"),
        ({"type": "dir"}, {"missing": {"volume_group": "vg1"}}, "vg1 does not exist"),
        ({"path": "/srv/file"}, {"directory": {**FOUND, "is_directory": False}}, "/srv/file is not a directory"),
        (
            {"format": "bogus"},
            {"running": None, "stored": LOGICAL, "formats": {"logical": ("unknown", "lvm2")}},
            "'bogus' is none of a pool of the type logical",
        ),
        ({}, {"unsupported": frozenset({"dir"})}, "libvirt-daemon-driver-storage-dir"),
        ({}, {"running": None, "stored": None}, "set type"),
        ({"type": "netfs", "path": "/mnt"}, {"running": None, "stored": None}, "needs host, export"),
    ],
)
def test_rejected_before_the_first_call(options, state, words):
    with pytest.raises(PolyvirtError, match=words):
        plan_pool(_wanted(**options), _state(**state))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "srv"}, "absolute"),
        ({"mode": "rwx"}, "octal"),
        ({"type": "dir", "host": "a"}, "host cannot be set"),
        ({"type": "dir", "path": "/srv", "format": "ext4"}, "format cannot be set"),
        ({"name": "a/b"}, "name"),
        ({"name": "--all"}, "not a valid name"),
    ],
)
def test_wrong_form(options, words):
    with pytest.raises(InvalidInput, match=words):
        _wanted(**options)
