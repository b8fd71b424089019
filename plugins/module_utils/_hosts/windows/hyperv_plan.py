# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: compute the steps from the current state of a host to the requested one. Reads and changes nothing."""

from __future__ import annotations

from ..._core.errors import Refused, Unsupported
from ..._tools.hyperv import MODULE
from ..._tools.hyperv_host import CLIENT_FEATURES, CLIENT_TOOLS, SERVER_FEATURES, SERVER_TOOLS, HostState, path_calls
from ..._tools.windows_features import ENABLED, PENDING, UNKNOWN, enable_call
from ..._tools.windows_files import check_no_file, key_of
from ..course import Step
from .hyperv_switches import switch_steps

_PATHS = {"vm_path": "VirtualMachinePath", "disk_path": "VirtualHardDiskPath"}


def wanted_features(is_server, with_tools):
    """Return {Windows feature to enable: whether it works only after a restart}."""
    features, tools = (SERVER_FEATURES, SERVER_TOOLS) if is_server else (CLIENT_FEATURES, CLIENT_TOOLS)
    return {**features, **(tools if with_tools else {})}


def plan_host(wanted, host):
    """Return the steps that lead from a HostState to the options of a task. Raises PolyvirtError."""
    features = wanted_features(host.is_server, wanted["management_tools"])
    missing = _missing(features, host)
    needs_restart = PENDING in host.features.values() or any(features[name] for name in missing)
    _check_cpu(missing, features, host)
    steps = _feature_steps(missing, host, wanted["reboot"] and needs_restart)
    if needs_restart and wanted["reboot"]:
        steps.append(Step("reboot", False, True, restarts=True))
    known = host if host.usable else _without_hyperv(host)
    waits = needs_restart and not wanted["reboot"] and not host.usable
    settings = [*_path_steps(wanted, known), *switch_steps(wanted, known)]
    return [*steps, *(Step(step.key, step.before, step.after, waits=True) if waits else step for step in settings)]


def needs_restart(host, steps):
    """Return whether the host still has to be restarted after the steps."""
    is_pending = PENDING in host.features.values() or any(PENDING in _states_after(step) for step in steps)
    return is_pending and not any(step.restarts for step in steps)


def _states_after(step):
    """Return the states of the features that a step enables."""
    return step.after.values() if step.key == "features" else ()


def _missing(features, host):
    missing = [name for name in features if host.features.get(name) not in (ENABLED, PENDING)]
    unknown = [name for name in missing if host.features.get(name) == UNKNOWN]
    platform = next(iter(features), "")
    if platform in unknown:
        raise Unsupported(
            f"This edition of Windows has no Hyper-V (the feature {platform} is unknown).",
            "Use Windows Pro, Enterprise or Education, or Windows Server.",
        )
    tools = [name for name in unknown if name in {**SERVER_TOOLS, **CLIENT_TOOLS}]
    if tools:
        raise Unsupported(
            f"management_tools: this edition of Windows has no feature {tools[0]}.",
            "Remove the option; PowerShell's module for Hyper-V is installed without it.",
        )
    # Older releases of Windows have fewer features.
    return [name for name in missing if name not in unknown]


def _check_cpu(missing, features, host):
    if any(features[name] for name in missing) and not host.has_hypervisor and not host.firmware_allows:
        raise Refused(
            "Hyper-V cannot run on this host: virtualization is disabled in its firmware.",
            "Enable Intel VT-x or AMD-V there (in a VM: nested virtualization). Nothing was changed.",
        )


def _feature_steps(missing, host, restarts):
    if not missing:
        return []
    before = {name: host.features[name] for name in missing}
    features = wanted_features(host.is_server, with_tools=True)
    after = {name: PENDING if features[name] and not restarts else ENABLED for name in missing}
    return [Step("features", before, after, (enable_call(host.is_server, missing),), ends_round=True)]


def _without_hyperv(host):
    """Return the state of the host as it will be right after the installation of Hyper-V: no switches, no paths."""
    return HostState(
        host.is_server, host.features, adapters=host.adapters, addresses=host.addresses, nats=host.nats,
        exists=host.exists, are_files=host.are_files,
    )  # fmt: skip


def _path_steps(wanted, host):
    for option, parameter in _PATHS.items():
        path, current = wanted[option], getattr(host, option)
        if path is None or key_of(path) == key_of(current):
            continue
        _check_drive(option, path, host)
        check_no_file(option, path, host.are_files)
        yield Step(option, current or None, path, path_calls(parameter, path), modules=(MODULE,))


def _check_drive(option, path, host):
    root = root_of(path)
    if host.exists.get(root) is False:
        raise Refused(f"{option}: {path}: the host has no {root}", "Use an existing drive. Nothing was changed.")


def root_of(path):
    """Return the drive or share of an absolute path."""
    if path.startswith("\\\\"):
        return "\\".join(path.split("\\")[:4])
    return path[:3]
