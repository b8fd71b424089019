# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between WSL on a host and what a task requests, as steps. Pure: reads and changes nothing."""

from __future__ import annotations

from ..._lifecycle.errors import Unsupported
from ..._lifecycle.host_settings import Step
from ..._tools.windows_features import ENABLED, PENDING, UNKNOWN, enable_call
from ..._tools.wsl_conf import boolean
from ..._tools.wsl_host import (
    FEATURES,
    PROGRAMS,
    config_calls,
    default_version_call,
    edited,
    shutdown_call,
    update_call,
)


def plan_host(wanted, host):
    """The steps that lead from a WslState to the options of a task. Raises Unsupported."""
    missing = _missing(host)
    steps = []
    if missing:
        state = ENABLED if wanted["reboot"] else PENDING
        before = {name: host.features[name] for name in missing}
        calls = (enable_call(False, missing),)
        steps.append(Step("features", before, dict.fromkeys(missing, state), calls, ends_round=True))
    restarts = bool(missing) or PENDING in host.features.values()
    reboots = restarts and wanted["reboot"]
    # WSL reads its file when it starts, so a restart of the host makes a shutdown needless.
    steps += _config_steps(wanted, host, wanted["shutdown"] and not reboots and may_run(host))
    if reboots:
        steps.append(Step("reboot", False, True, restarts=True))
    waits = restarts and not reboots
    return [*steps, *(_waiting(step) if waits else step for step in _program_steps(wanted, host))]


def may_run(host):
    """Whether distributions may be running. The package needs only the first feature, which it reports by itself."""
    is_enabled = set(host.features.values()) == {ENABLED}
    return host.program is not None and (is_enabled or bool(host.version))


def needs_restart(host, steps):
    """Whether a restart remains to be done after the steps."""
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
        # The package has a program of its own, which is found only when the host is read again.
        before, after = shown(host.version), f"{shown(minimum)} or later"
        yield Step("version", before, after, (update_call(program),), ends_round=True)
    version = wanted["default_version"]
    if version is not None and version != _default_version(host, minimum):
        calls = (default_version_call(program, version),)
        yield Step("default_version", host.default_version, version, calls)


def _default_version(host, minimum):
    """The version of new distributions. The package takes 2 if nobody has set it; older releases take 1."""
    if host.default_version is not None:
        return host.default_version
    return 2 if host.version or minimum else None


def shown(version):
    return ".".join(map(str, version)) or None


def _config_steps(wanted, host, with_shutdown):
    """One step for the file, whose diff has the keys that differ."""
    differing = {
        name: value for name, value in wanted["config"].items() if not _is_same(host.values.get(name.lower()), value)
    }
    if not differing:
        return
    if with_shutdown:
        # First, so that an interrupted task leaves nothing that the next one would not see.
        yield Step("shutdown", False, True, (shutdown_call(host.program),))
    before = {name: _as_text(host.values.get(name.lower())) for name in differing}
    yield Step("config", before, differing, config_calls(edited(host.config, differing)))


def _as_text(value):
    """A value of the file, which has one character for each byte."""
    return None if value is None else value.encode("latin-1").decode("utf-8", "replace")


def _is_same(found, value):
    if found is None or value is None:
        return found is value
    if value in ("true", "false"):
        return boolean(found) is boolean(value)
    return _as_text(found) == value


def _waiting(step):
    return Step(step.key, step.before, step.after, waits=True)
