# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays the recorded calls on the simulator, and tells both sides in a form in which only chance was taken out."""

from __future__ import annotations

import json
import re

from simulators.proxmox import worlds
from simulators.proxmox.access import User
from simulators.proxmox.cluster import Machine
from simulators.proxmox.gateway import Gateway
from simulators.proxmox.storage import GIB, Volume

_MAC = re.compile(r"(?:BC:24:11)(?::[0-9A-F]{2}){3}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SUSPENDED = "lock: suspended\nmemory: 512\nname: susp\nvmstate: local-lvm:vm-121-state-suspend-2026-01-01\n"
_RUNNING = ("runningcpu", "running-nets-host-mtu")


class Replay:
    """``difference(record)`` is None, or what the record says and what the simulator did."""

    def __init__(self):
        self.world = worlds.recorded()
        self.gateway = Gateway(self.world)
        #: ``(method, path, params, user)`` to an Answer: in process, or over the wire.
        self.call = self.gateway.call
        #: {address of the recording: address of the simulator}
        self._macs = {}

    def difference(self, record):
        """Make one recorded call and compare."""
        self._prepare(record)
        machines = self.world.cluster.machines
        before = {vmid: machine.text for vmid, machine in machines.items()}
        self.world.journal.clear()
        method, path = record["request"].split(" ")
        user = User(*record.get("user", "root@pam").split("!"))
        answer = self.call(method, path, self._translated(record["params"]), user)
        found = {"http": answer.status}
        if answer.status >= 400:
            found |= {"reason": answer.reason, "errors": answer.errors}
        if "task" in record and isinstance(answer.data, str):
            found |= self._task(answer.data)
        elif "data" in record:
            found["data"] = answer.data
        changed = {vmid: machine.text for vmid, machine in machines.items() if before.get(vmid) != machine.text}
        changed.update({vmid: None for vmid in before if vmid not in machines})
        found["config_after"] = next(iter(changed.values()), "unchanged")
        found["storage"] = self._effects()
        self._learn(record.get("config_after"), found["config_after"])
        expected = _expected(record)
        return None if _plain(found) == _plain(expected) else {"found": _plain(found), "expected": _plain(expected)}

    def _prepare(self, record):
        setup = record.get("setup", "")
        machines = self.world.cluster.machines
        if "VM 120 appears" in setup:
            machines[120] = Machine(120, "pve1", "lock: clone\nmemory: 512\nname: locked\n")
        elif "121" in setup:
            machines[121] = Machine(121, "pve1", _SUSPENDED)
            storage = self.world.storages.get("local-lvm")
            storage.volumes["pve1", "vm-121-state-suspend-2026-01-01"] = Volume(GIB, vmid=121)
        self.world.faults.hotplug_fails = "hotplug fails" in setup
        vmid = re.search(r"/qemu/(\d+)", record["request"])
        machine = machines.get(int(vmid.group(1))) if vmid else None
        if machine:
            machine.running = bool(record.get("running"))
            machine.qmp = "paused" if record.get("paused") else "running"

    def _task(self, upid):
        task = self.gateway.finished(upid)
        log = "".join(f"{line}\n" for line in task.log)
        return {"task": {"exitstatus": task.exitstatus, "type": task.type, "log": log}, "upid_id": task.id}

    def _effects(self):
        told = [effect.text for effect in self.world.journal.effects]
        # The recording did not note what has no volume and no device.
        return [text for text in told if text != "POWERDOWN"]

    def _translated(self, params):
        return {
            key: _MAC.sub(lambda found: self._macs.get(found.group(), found.group()), value)
            if isinstance(value, str)
            else value
            for key, value in params.items()
        }

    def _learn(self, recorded, simulated):
        if recorded and simulated:
            pairs = zip(_MAC.findall(recorded), _MAC.findall(simulated))
            self._macs.update(dict(pairs))


def _expected(record):
    expected = {key: record[key] for key in ("http", "reason", "errors", "data", "upid_id") if key in record}
    if record["http"] >= 400:
        expected.setdefault("errors", None)
    if "task" in record:
        expected["task"] = {"log": "", **record["task"]}
    expected["config_after"] = record.get("config_after", "unchanged")
    expected["storage"] = record.get("storage", [])
    return expected


def _plain(value, key=""):
    """Without chance: addresses, numbers, times and digests become their kind; lists without order get one."""
    if isinstance(value, dict):
        if value.get("key") == "digest":
            return {"key": "digest"}
        return {name: _plain(inner, name) for name, inner in value.items() if name not in _RUNNING}
    if isinstance(value, list):
        plain = [_plain(inner, key) for inner in value]
        return sorted(plain, key=lambda entry: json.dumps(entry, sort_keys=True)) if key == "data" else plain
    if key == "digest":
        return "a digest" if re.fullmatch("[0-9a-f]{40}", value) else value
    if key in ("snaptime", "ctime"):
        return "a time"
    return _plain_text(value) if isinstance(value, str) else value


def _plain_text(text):
    text = _UUID.sub("a uuid", _MAC.sub("a mac", text))
    text = re.sub(r"(ctime=|snaptime: )\d+", r"\1a time", text)
    # The stub of the recording told one machine type of all machines.
    text = re.sub(r"pc-(?:i440fx|q35)-10\.1\+pve0", "a machine type", text)
    # Nor did it know with which CPU and NICs a VM ran; api.json.xz has these.
    return re.sub(r"runningcpu: .*\n", "runningcpu: a model\n", re.sub(r"running-nets-host-mtu: .*\n", "", text))
