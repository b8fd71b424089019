# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as OpenMetrics text, for Prometheus: gauges only, which its older text format has too."""

from __future__ import annotations

from ...module_utils._core.record.leases import read_time
from .model import CHANGED, DRIFT, FAILED

_RUNNING = "running"


def _memory(vm):
    return None if vm["memory_mib"] is None else vm["memory_mib"] * 2**20


def _backup(vm):
    return vm["backup"] and read_time(vm["backup"]["start"])


def _failed_tasks(report):
    return report["summary"]["tasks"].get(FAILED, 0)


def _created(report):
    return read_time(report["created"])


#: (name, help, function from the report to the value)
_OF_REPORT = (
    ("polyvirt_report_created_timestamp_seconds", "Time of the report.", _created),
    ("polyvirt_report_check_mode", "Whether the tasks ran in check mode.", lambda report: report["check"]),
    ("polyvirt_report_failed_tasks", "Failed tasks without a VM.", _failed_tasks),
)
#: (name, help, function from the VM to the value, which can be None)
_OF_VM = (
    ("polyvirt_vm_failed", "Whether a task failed for the VM.", lambda vm: vm["status"] == FAILED),
    ("polyvirt_vm_drift", "Whether the VM differs from its tasks.", lambda vm: vm["status"] == DRIFT),
    ("polyvirt_vm_changed", "Whether a task changed the VM.", lambda vm: vm["status"] == CHANGED),
    ("polyvirt_vm_differences", "Number of settings that differ.", lambda vm: len(vm["differences"])),
    ("polyvirt_vm_running", "Whether the VM is running.", lambda vm: vm["state"] == _RUNNING),
    ("polyvirt_vm_cpus", "CPUs at the next start.", lambda vm: vm["cpus"]),
    ("polyvirt_vm_memory_bytes", "Memory at the next start.", _memory),
    ("polyvirt_vm_backup_timestamp_seconds", "Start of the newest backup.", _backup),
    ("polyvirt_vm_snapshots", "Number of snapshots.", lambda vm: len(vm["snapshots"])),
)


def openmetrics(report):
    """The text of the file. Each family is complete before the next one, and no sample occurs twice."""
    lines = []
    for name, text, value_of in _OF_REPORT:
        lines += [*_header(name, text), f"{name} {int(value_of(report))}"]
    for name, text, value_of in _OF_VM:
        samples = [(_labels(vm), value_of(vm)) for vm in report["vms"]]
        lines += _header(name, text)
        lines += [f"{name}{labels} {int(value)}" for labels, value in samples if value is not None]
    return "\n".join([*lines, "# EOF", ""])


def _header(name, text):
    unit = next((unit for unit in ("seconds", "bytes") if name.endswith(f"_{unit}")), None)
    return [f"# TYPE {name} gauge", *([f"# UNIT {name} {unit}"] if unit else []), f"# HELP {name} {text}"]


def _labels(vm):
    """The labels of a VM, which no other VM has."""
    labels = {name: vm[name] for name in ("platform", "host", "node", "name", "id") if vm[name]}
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value):
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
