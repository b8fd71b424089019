# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each step sent twice ends as if it had been sent once: a step is sent again when its answer was lost.

Two VMs live the same life, one with every step sent twice. After each task both stand alike.
"""

from __future__ import annotations

import re

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import SUSPENDED

from suite.answer import Task
from suite.fork_server import TWICE

ONCE, AGAIN, SOURCE = "pvt-once", "pvt-more", "pvt-source"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
GIVEN_MACS = ["52:54:00:00:00:0a", "52:54:00:00:00:0b"]


_DEEP = pytest.mark.deep("most of it on libvirt's test driver; what runs: unit belt, virsh/test_sent_twice.py")


@pytest.fixture(params=("libvirt_test", pytest.param("libvirt_qemu", marks=_DEEP)))
def alone(request, ground):
    """A platform with VMs that no other test knows."""
    return ground.open(request.param, "pvt-")


def _settings(platform, name):
    """What a VM is created with."""
    return {
        **platform.creation,
        "disks": [{"size": platform.disk_size}, {"slot": "vdb", "size": platform.disk_size}],
        "networks": [platform.card, {**platform.card, "model": "e1000e"}],
        "tags": ["a"],
        "description": name,
        "autostart": True,
        "iso": "",
    }


def _power(platform):
    force = {"stop_mode": "force"}
    suspended = ["suspended", "started"] if SUSPENDED in platform.traits().powers else []
    states = ["started", "started", "paused", "started", *suspended, "restarted", "stopped", "started"]
    return [("vm", {"state": state, **force}) for state in states]


def _changes(platform):
    """Tasks that change a VM that runs; the first five then one that is stopped, too."""
    card, size = platform.card, platform.disk_size
    return [
        {"networks": [{}, {}, card, card]},
        {"networks": [{}, {}], "purge": ["networks"]},
        {"networks": [{"model": "e1000"}, {}]},
        {"disks": [{}, {"slot": "vdc", "size": size}]},
        {"disks": [{"slot": "vdb", "state": "absent"}]},
        {"disks": [{"slot": "vdc", "state": "absent"}, {"slot": "vdb", "size": size}]},
        {"iso": platform.medium()},
        {"iso": ""},
        {"cpus": 2, "max_cpus": 4, "memory": "96M", "max_memory": "160M"},
        {"cpus": 1, "max_cpus": 1, "memory": "64M", "max_memory": "64M"},
        {"description": "other", "tags": ["b", "c"], "autostart": False},
        {"native": platform.native_values[0][0], "boot_order": ["cdrom", "disk"]},
        {"shared_folders": [{"name": "src", "host_path": "/srv"}]},
        {"shared_folders": [], "purge": ["shared_folders"]},
    ]


def _changes_of_machinery(platform, name):
    """What only a VM with real devices has."""
    if platform.name == "libvirt_test":
        return []
    log = str(platform.storage / f"{name}.log")
    return [
        {"disks": [{"size": "24M"}]},
        {"firmware": "uefi"},
        {"secure_boot": True},
        {"firmware": "bios", "tpm": True, "display": {"type": "vnc", "video_memory": "16M"}},
        {"serial_log": log},
        {"serial_log": "", "tpm": False, "display": {"type": "none"}},
    ]


def _snapshots():
    return [
        ("snapshot", {"snapshot": "one"}),
        ("snapshot", {"snapshot": "two"}),
        ("snapshot", {"snapshot": "one", "state": "restored"}),
        ("snapshot", {"snapshot": "one", "state": "absent", "children": True}),
    ]


def _life(platform, name):
    yield "vm", _settings(platform, name)
    yield from _power(platform)
    for change in [*_changes(platform), *_changes_of_machinery(platform, name)]:
        yield "vm", change
    yield "vm", {"state": "stopped", "stop_mode": "force"}
    yield from _snapshots()
    yield "vm", {"networks": [{"mac": mac} for mac in GIVEN_MACS]}
    yield "vm", {"networks": [{"mac": mac} for mac in reversed(GIVEN_MACS)]}
    for change in _changes(platform)[:5]:
        yield "vm", change
    yield "vm", {"state": "absent", "delete_disks": "all"}


def test_every_step_may_be_sent_twice(alone, carry, monkeypatch):
    alone.clean()
    for once, again in zip(_life(alone, ONCE), _life(alone, AGAIN)):
        ends = [_end(alone, carry, monkeypatch, *task) for task in ((ONCE, *once, ""), (AGAIN, *again, "yes"))]
        assert ends[0] == ends[1], once


@pytest.mark.parametrize("linked", [False, True], ids=["full", "linked"])
def test_a_clone_may_be_sent_twice(alone, carry, monkeypatch, linked):
    alone.clean()
    carry(alone, [Task("source", {**alone.creation, "name": [SOURCE]})])
    clone = {"clone": {"source": SOURCE, "linked": linked}, "memory": "96M", "autostart": True}
    ends = [_end(alone, carry, monkeypatch, *task) for task in ((ONCE, "vm", clone, ""), (AGAIN, "vm", clone, "yes"))]
    assert ends[0] == ends[1]


def _end(platform, carry, monkeypatch, name, about, options, twice):
    """How a VM stands after a task, in words that two VMs share."""
    monkeypatch.setenv(TWICE, twice)
    answer = carry(platform, [Task("task", {"name": [name], **options}, about=about)], [name])["task"]
    assert not answer.failed, (name, options, answer.msg)
    truth = answer.truth[name]
    files = [_alike(file, name) for file in sorted(platform.files())]
    mine = [file for file in files if "NAME" in file]
    if truth is None:
        return answer.changed, mine
    stored = _alike(truth["stored"], name)
    running = platform.settings(truth, "running") if truth["running"] else None
    shown = {**running, "description": ""} if running else None
    snapshots = [[_TIME.sub("TIME", _alike(line, name)) for line in truth["snapshots"][0]], truth["snapshots"][1]]
    return answer.changed, truth["power"], truth["autostart"], stored, shown, snapshots, mine


def _alike(text, name):
    """``text`` without what no two VMs share: names, ids, and MACs that were drawn."""
    for pattern, word in ((_UUID, "UUID"), (_MAC, "MAC")):
        kept = GIVEN_MACS if pattern is _MAC else ()
        text = pattern.sub(lambda match, word=word, kept=kept: match[0] if match[0] in kept else word, text)
    return text.replace(name, "NAME")
