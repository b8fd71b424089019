# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: compute the steps from the current settings of a host to the requested ones. Reads and changes nothing."""

from __future__ import annotations

from ..._core.errors import Refused, Unsupported
from ..._tools.windows_features import ENABLED, PENDING, UNKNOWN, enable_call
from ..._tools.wsl_conf import boolean, edit
from ..._tools.wsl_host import (
    FEATURES,
    PROGRAMS,
    SIZES,
    config_calls,
    default_version_call,
    shutdown_call,
    size_of,
    update_call,
)
from ..course import Step


def plan_host(wanted, host):
    """Return the steps that lead from a WslState to the options of a task. Raises Unsupported and Refused."""
    missing = _missing(host)
    steps = []
    if missing:
        state = ENABLED if wanted["reboot"] else PENDING
        before = {name: host.features[name] for name in missing}
        calls = (enable_call(False, missing),)
        steps.append(Step("features", before, dict.fromkeys(missing, state), calls, ends_round=True))
    restarts = bool(missing) or PENDING in host.features.values()
    reboots = restarts and wanted["reboot"]
    # WSL reads .wslconfig when it starts, so after a restart of the host no shutdown is necessary.
    steps += _config_steps(wanted, host, wanted["shutdown"] and not reboots and may_run(host))
    if reboots:
        steps.append(Step("reboot", False, True, restarts=True))
    waits = restarts and not reboots
    return [*steps, *(_waiting(step) if waits else step for step in _program_steps(wanted, host))]


def may_run(host):
    """Return whether distributions may be running. The package, which has a version, needs only the first feature."""
    is_enabled = set(host.features.values()) == {ENABLED}
    return host.program is not None and (is_enabled or bool(host.version))


def needs_restart(host, steps):
    """Return whether the host still has to be restarted after the steps."""
    is_pending = PENDING in host.features.values() or any(
        PENDING in step.after.values() for step in steps if step.key == "features"
    )
    return is_pending and not any(step.restarts for step in steps)


def _missing(host):
    unknown = [name for name in FEATURES if host.features[name] == UNKNOWN]
    if unknown:
        raise Unsupported(
            f"This release of Windows has no feature {unknown[0]}.",
            "WSL 2 needs Windows 10 2004 or later, or Windows Server 2022 or later.",
        )
    return [name for name in FEATURES if host.features[name] not in (ENABLED, PENDING)]


def _program_steps(wanted, host):
    program = host.program or PROGRAMS[1]
    minimum = wanted["minimum_version"]
    if minimum and host.version < minimum:
        # The update installs the package with its own wsl.exe, which is found when the host is read again.
        before, after = shown(host.version), f"{shown(minimum)} or later"
        yield Step("version", before, after, (update_call(program),), ends_round=True)
    version = wanted["default_version"]
    if version is not None and version != _default_version(host, minimum):
        calls = (default_version_call(program, version),)
        yield Step("default_version", host.default_version, version, calls)


def _default_version(host, minimum):
    """Return the version of new distributions. If it is not set, the package uses 2, and older releases use 1.

    None means an older release where it is not set: then it is always set explicitly.
    """
    if host.default_version is not None:
        return host.default_version
    return 2 if host.version or minimum else None


def shown(version):
    """Return the text of a version, such as 2.4.4, or None."""
    return ".".join(map(str, version)) or None


def _config_steps(wanted, host, with_shutdown):
    """Yield one step for .wslconfig with the keys that differ, after a shutdown if requested."""
    differing = {
        name: value
        for name, value in wanted["config"].items()
        if not _is_same(name, host.values.get(name.lower()), value)
    }
    if not differing:
        return
    if not host.is_editable:
        raise Refused(
            f"config: .wslconfig is in an encoding that WSL does not read, so {', '.join(differing)} cannot be set.",
            "Save the file as UTF-8, and run the task again.",
        )
    if with_shutdown:
        # The shutdown is first: if the task is interrupted, the file still differs, and the next task does both.
        yield Step("shutdown", False, True, (shutdown_call(host.program),))
    before = {name: host.values.get(name.lower()) for name in differing}
    yield Step("config", before, differing, config_calls(edit(host.config, differing), host.mark))


def _is_same(name, current, value):
    if name in SIZES and value is not None:
        return size_of(current) == size_of(value)
    return boolean(current) is boolean(value) if value in ("true", "false") else current == value


def _waiting(step):
    """Return the step as one that is possible only after a restart, which the task does not allow."""
    return Step(step.key, step.before, step.after, waits=True)
