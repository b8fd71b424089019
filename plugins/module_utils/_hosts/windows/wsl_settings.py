# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: the module wsl_host_settings: its options, their validation, and the host that it changes."""

from __future__ import annotations

import re

from ..._core.errors import InvalidInput, PolyvirtError, Unavailable
from ..._core.options.option import Consent, Option, Seconds
from ..._core.options.option_errors import did_you_mean
from ..._ports.windows import connection
from ..._ports.windows_host import WindowsHost
from ..._ports.windows_request import Chain
from ..._tools import windows_features, wsl_host
from ..._tools.wsl import check, number_of
from .wsl_plan import may_run, needs_restart, plan_host, shown

OPTIONS = {
    "minimum_version": Option(),
    "default_version": Option("int", choices=(1, 2)),
    "config": Option("dict", options={name: Option("dict") for name in wsl_host.KEYS}),
    "shutdown": Consent(),
    "reboot": Consent(),
    "reboot_timeout": Seconds(default=1800),
}
_VERSION = re.compile(r"\d+(\.\d+){1,2}")


def make_host(params):
    """Return the host for the parameters of the module. Raises InvalidInput before anything is read."""
    minimum = params["minimum_version"]
    if minimum is not None and not _VERSION.fullmatch(minimum):
        raise InvalidInput(f"minimum_version: {minimum} is not a version such as 2.4.4.")
    if params["reboot_timeout"] < 1:
        raise InvalidInput("reboot_timeout: must be at least 1 second.")
    config = {
        (name := f"{section}.{_known_key(section, key)}"): _checked(name, _text(f"{section}.{key}", value))
        for section, values in (params["config"] or {}).items()
        for key, value in (values or {}).items()
    }
    version = number_of(minimum) if minimum else None
    return WslHost({**params, "minimum_version": version, "config": config})


def _known_key(section, key):
    """Return the key as WSL writes it. Raises InvalidInput."""
    known = {one.lower(): one for one in wsl_host.KEYS[section]}
    if key.lower() in known:
        return known[key.lower()]
    others = [name for name, keys in wsl_host.KEYS.items() if key.lower() in [one.lower() for one in keys]]
    hint = f"It belongs to {others[0]}." if others else did_you_mean(key, known.values()).strip()
    raise InvalidInput(f"config.{section}.{key}: WSL has no such setting.", hint or "Correct the name.")


def _text(where, value):
    """Return a value in the format of .wslconfig; None removes the key."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (int, str)) or "\n" in str(value) or "\0" in str(value):
        raise InvalidInput(f"config.{where}: must be text, a number, true, false, or null to remove it.")
    text = str(value)
    return text.lower() if text.lower() in ("true", "false") else text


def _checked(name, text):
    """Return a value. Raises InvalidInput for one that WSL would ignore."""
    if name in wsl_host.SIZES and text is not None and wsl_host.size_of(text) is None:
        raise InvalidInput(f"config.{name}: '{text}' is not a size.", "Set a whole number and a unit, such as 8GB.")
    return text


class WslHost(WindowsHost):
    """The WSL settings of one host. ``wanted`` are the options of the task."""

    def __init__(self, wanted):
        super().__init__(connection(), wanted["reboot_timeout"])
        self._wanted, self._is_known = wanted, False
        #: The keys of all steps that this task has planned.
        self._planned = set()

    def read(self):
        if not self._is_known:
            self.system()
            self._check_user()
            self._is_known = True
        features, host = self.windows.call(
            [
                Chain("features", windows_features.read_calls(False, wsl_host.FEATURES)),
                Chain("host", wsl_host.read_calls()),
            ]
        )
        states = windows_features.states(False, wsl_host.FEATURES, features.answers)
        if host.error:
            raise PolyvirtError(f"The host cannot be read: {host.error}")
        return wsl_host.read_state(host.answers, states)

    def _check_user(self):
        if (self.windows.about or {}).get("local_system"):
            raise Unavailable(
                "WSL does not work for the user SYSTEM.",
                "not_responding",
                "Connect as the user who owns the distributions.",
            )

    def is_ready(self):
        return windows_features.PENDING not in self.read().features.values()

    def plan(self, state):
        steps = plan_host(self._wanted, state)
        self._planned.update(step.key for step in steps)
        return steps

    def check(self, step, answers):
        for one, answer in zip(step.calls, answers):
            if one["op"] == "run" and answer.error is None:
                check(answer, step.key, " ".join(word[1:] for word in one["arguments"]))

    def facts(self, state, steps):
        return {
            "reboot_required": needs_restart(state, steps),
            "rebooted": self.restarted or any(step.restarts for step in steps),
            "shutdown_required": (
                "config" in self._planned and not {"shutdown", "reboot"} & self._planned and may_run(state)
            ),
            "host": {
                "features": dict(state.features),
                "version": shown(state.version),
                "default_version": state.default_version,
            },
        }
