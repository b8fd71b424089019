# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step may be sent twice, because the answer to it was lost: the result is the same as if it was sent once."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from suite.sent_twice import comparable, each_step_twice
from unit.module_utils._drivers.vbox.in_process import MIB, SMALL, snapshot, task, virtualbox

ISO = (b"\0" * 32769 + b"CD001").ljust(65536, b"\0")
#: In each list, one entry stays, one is changed and one is removed by CHANGES, which also add one.
CONFIG = {
    **SMALL,
    "disks": {"#0": {"size": 2 * MIB}, "SATA 1": {"size": 2 * MIB}, "SATA 2": {"size": MIB}},
    "networks": {"0": {"type": "nat"}, "1": {"type": "internal", "source": "a"}, "2": {"type": "nat"}},
    "port_forwards": {name: {"host_port": port, "guest_port": 80} for name, port in (("b", 81), ("c", 82))},
    "shared_folders": {name: {"host_path": "{}/machines"} for name in ("t", "u")},
    "tags": ("a",),
}
CHANGES = {
    "disk added": {"disks": {"SATA 3": {"size": MIB}}},
    "disk attached": {"disks": {"SATA 3": {"source": "{}/user.vdi"}}},
    "disk grown": {"disks": {"SATA 1": {"size": 4 * MIB}}},
    "disk detached": {"disks": {"SATA 2": None}},
    "disks": {"disks": {"SATA 2": None, "SATA 3": {"size": MIB}, "NVMe 0": {"size": MIB}, "SATA 1": {"size": 3 * MIB}}},
    "nic added": {"networks": {"3": {"type": "internal"}}},
    "nic changed": {"networks": {"1": {"source": "b", "model": "virtio", "mac": "08:00:27:00:00:01"}}},
    "nic of another type": {"networks": {"1": {"type": "nat"}, "0": {"type": "internal", "source": "b"}}},
    "nic removed": {"networks": {"2": None}},
    "forward added": {"port_forwards": {"d": {"host_port": 83, "guest_port": 80}, "e": {"guest_port": 80}}},
    "forward changed": {"port_forwards": {"b": {"host_port": 84, "host_address": "127.0.0.1", "protocol": "udp"}}},
    "forwards exchanged": {"port_forwards": {"b": {"host_port": 82}, "c": {"host_port": 81}}},
    "forward removed": {"port_forwards": {"c": None}},
    "ssh forward": {"ssh_forward": False},
    "share added": {"shared_folders": {"v": {"host_path": "{}/machines", "read_only": True}}},
    "share changed": {"shared_folders": {"t": {"read_only": True}}},
    "share removed": {"shared_folders": {"u": None}},
    "iso": {"iso": "{}/a.iso"},
    "plain": {"cpus": 2, "memory": 24 * MIB, "description": "a\nb", "tags": ("b",), "boot_order": ("disk",),
              "native": {"hpet": "on"}, "groups": ("/a",), "firmware": "uefi", "tpm": True},
}  # fmt: skip
LIVE = ("disk added", "disk attached", "nic of another type", "forward added", "forward changed", "forwards exchanged",
        "forward removed", "ssh forward", "iso")  # fmt: skip


def expanded(value, folder):
    if isinstance(value, dict):
        return {key: expanded(one, folder) for key, one in value.items()}
    return value.replace("{}", str(folder)) if isinstance(value, str) else value


def state_of(vbox):
    """The VMs, images, marks and files, without random values."""
    lists = [vbox.run("list", "--long", what) for what in ("vms", "hdds")]
    marks = [vbox.run("getextradata", name, "enumerate") for name in names_of(vbox)]
    files = sorted(comparable(path, vbox.folder) for path in vbox.files())
    return [*comparable("\n".join([*lists, *marks]), vbox.folder).splitlines(), *files]


def names_of(vbox):
    return [line.split('"')[1] for line in vbox.run("list", "vms").splitlines()]


def assert_same_result(prepare, act):
    """Assert that ``act`` has the same result if each of its steps is carried out once or twice."""
    results = []
    for times in (nullcontext, each_step_twice):
        with virtualbox() as vbox:
            (vbox.folder / "a.iso").write_bytes(ISO)
            vbox.disk()
            prepare(vbox)
            with times() as errors:
                done = act(vbox).succeeded()
            assert not errors
            results.append((state_of(vbox), done.changed, [vm["state"] for vm in done.vms]))
    assert results[0][1:] == results[1][1:]
    assert results[0][0] == results[1][0]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("state", ["present", "started"])
def test_change_of_an_existing_vm_sent_twice(state, change):
    def prepare(vbox):
        task(vbox, state=state, config=expanded(CONFIG, vbox.folder)).succeeded()

    def act(vbox):
        return task(vbox, config=expanded(CHANGES[change], vbox.folder), allow_restart=change not in LIVE)

    assert_same_result(prepare, act)


@pytest.mark.parametrize(("before", "state", "more"), [
    ("present", "started", {}), ("started", "stopped", {"stop_mode": "graceful"}), ("started", "stopped", {}),
    ("started", "paused", {}), ("paused", "started", {}), ("started", "suspended", {}), ("suspended", "started", {}),
    ("suspended", "stopped", {}), ("paused", "stopped", {}), ("started", "restarted", {}),
    ("paused", "stopped", {"stop_mode": "graceful"}), ("present", "absent", {}), ("started", "absent", {}),
])  # fmt: skip
def test_power_change_sent_twice(before, state, more):
    def prepare(vbox):
        task(vbox, state="present" if before == "present" else "started", image=vbox.image("obeys")).succeeded()
        task(vbox, state=before).succeeded()
        vbox.clock.sleep(2)

    assert_same_result(prepare, lambda vbox: task(vbox, state=state, config={}, **more))


@pytest.mark.parametrize("state", ["present", "started"])
@pytest.mark.parametrize("kind", ["empty disk", "image", "clone", "linked clone"])
def test_creation_sent_twice(kind, state):
    def prepare(vbox):
        task(vbox, "base", config=expanded(CONFIG, vbox.folder)).succeeded()
        snapshot(vbox, "s", "base").succeeded()

    def act(vbox):
        if kind == "empty disk":
            return task(vbox, state=state, config=expanded(CONFIG, vbox.folder), cloud_init={"user": "a"})
        if kind == "image":
            return task(vbox, state=state, config=SMALL, image=vbox.image("obeys"))
        clone = {"source": "base", "linked": kind == "linked clone", **({"snapshot": "s"} if "linked" in kind else {})}
        return task(vbox, state=state, config={"memory": 20 * MIB}, clone=clone)

    assert_same_result(prepare, act)


@pytest.mark.parametrize("power", ["present", "started", "suspended"])
@pytest.mark.parametrize("state", ["present", "absent", "restored"])
def test_snapshot_sent_twice(state, power):
    def prepare(vbox):
        task(vbox, state="present" if power == "present" else "started").succeeded()
        task(vbox, state=power).succeeded()
        if state != "present":
            for name in ("s", "t"):
                snapshot(vbox, name).succeeded()

    more = {"children": True} if state == "absent" else {}
    assert_same_result(prepare, lambda vbox: snapshot(vbox, "s", state=state, allow_restart=True, **more))
