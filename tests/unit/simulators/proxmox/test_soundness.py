# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is asked in whatever order, the cluster stays sound and the simulator does not break."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.proxmox import worlds
from simulators.proxmox.gateway import Gateway
from simulators.proxmox.invariants import orphans, violations

_PATHS = {100: "/nodes/pve1/qemu/100", 101: "/nodes/pve2/qemu/101", 200: "/nodes/pve1/qemu/200"}
_DRIVES = ("scsi0", "scsi1", "virtio0", "sata0", "ide2", "unused0")
_VALUES = ("local-lvm:1", "nfs:1", "local:1,format=qcow2", "none,media=cdrom", "local:iso/debian.iso,media=cdrom")

_actions = st.one_of(
    st.tuples(st.just("POST"), st.sampled_from(["start", "stop", "shutdown", "suspend", "resume", "reboot"])).map(
        lambda pair: (pair[0], f"/status/{pair[1]}", {})
    ),
    st.tuples(st.sampled_from(_DRIVES[:-1]), st.sampled_from(_VALUES)).map(
        lambda pair: ("PUT", "/config", {pair[0]: pair[1]})
    ),
    st.tuples(st.sampled_from([*_DRIVES, "net0", "memory"]), st.booleans()).map(
        lambda pair: ("PUT", "/config", {"delete": pair[0], **({"force": 1} if pair[1] else {})})
    ),
    st.sampled_from(
        [
            ("PUT", "/config", {"net1": "virtio,bridge=vmbr0"}),
            ("PUT", "/config", {"memory": 4096, "name": "other"}),
            ("PUT", "/config", {"scsi2": "local-lvm:cloudinit"}),
            ("PUT", "/config", {"revert": "scsi1,sata0,net1"}),
            ("POST", "/status/suspend", {"todisk": 1}),
            ("POST", "/snapshot", {"snapname": "one"}),
            ("POST", "/snapshot", {"snapname": "two", "vmstate": 1}),
            ("POST", "/snapshot/one/rollback", {}),
            ("POST", "/snapshot/two/rollback", {}),
            ("DELETE", "/snapshot/one", {}),
            ("DELETE", "/snapshot/two", {}),
            ("PUT", "/resize", {"disk": "scsi0", "size": "+1G"}),
            ("POST", "/move_disk", {"disk": "scsi0", "storage": "nfs"}),
            ("POST", "/move_disk", {"disk": "scsi0", "storage": "nfs", "delete": 1}),
            ("POST", "/clone", {"newid": 200, "full": 1}),
            ("POST", "/clone", {"newid": 200, "full": 0}),
            ("POST", "/template", {}),
            ("DELETE", "", {"purge": 1}),
            ("DELETE", "", {}),
        ]
    ),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(_PATHS)), _actions), max_size=12))
def test_the_cluster_stays_sound(asked):
    world = worlds.with_cases()
    gateway = Gateway(world)
    for vmid, (method, path, params) in asked:
        answer = gateway.call(method, _PATHS[vmid] + path, params)
        if isinstance(answer.data, str) and answer.data.startswith("UPID:"):
            gateway.finished(answer.data)
        assert world.tasks.crashes == []
        assert violations(world) == []
    assert orphans(world) == []
