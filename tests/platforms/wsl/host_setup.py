# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host without WSL, on which it can be installed: features, restarts, and the update of WSL."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from platforms.hyperv.double.host import COMMANDS
from platforms.windows.failures import Failed
from platforms.windows.objects import NetObject
from platforms.wsl.double.host import PACKAGED, WslHost
from platforms.wsl.double.program import WslError, WslProgram

_START = datetime(2026, 1, 1, tzinfo=timezone.utc)
_COMMANDS = ("Get-WindowsOptionalFeature", "Enable-WindowsOptionalFeature", "Get-CimInstance")
_UNKNOWN = 0x800F080C


class _Program(WslProgram):
    """wsl.exe with ``--update``, which succeeds only with ``--web-download``."""

    def _carry_out(self):
        if self.words[:1] != ["--update"]:
            return super()._carry_out()
        self._check_host()
        if not self.host.has_updates:
            self._need_update("--update")
        if "--web-download" not in self.words:
            raise WslError("access", "Wsl/UpdatePackage/0x80070520")
        if self.host.is_offline:
            raise WslError("no_path", "Wsl/UpdatePackage/0x80072ee7")
        self.host.install(self.host.latest)
        return self._own([], seconds=20.0)


class SetupHost(WslHost):
    """``enabled``: whether the features are enabled. ``latest``: the version that an update installs.

    ``has_updates`` is False for Windows 10 2004 as it was released: its wsl.exe has no ``--update``.
    """

    def __init__(self, flavour="inbox", culture="en-US", enabled=False, latest="2.6.3"):
        super().__init__(flavour, culture)
        self.latest, self.is_offline, self.booted, self.has_updates = latest, False, 0.0, True
        self.features = dict.fromkeys(self.features, "Enabled" if enabled else "Disabled")
        self.windows.commands.update({one.name.lower(): one for one in COMMANDS if one.name in _COMMANDS})
        self._own = {name: getattr(self, name.lower().replace("-", "_")) for name in _COMMANDS}

    def install(self, flavour):
        """Install this version of the package."""
        self.flavour, self.is_inbox = flavour, False
        self.version = tuple(map(int, flavour.split(".")))
        self.files.put(PACKAGED, b"MZ")

    def restart(self):
        pending = {"EnablePending": "Enabled"}
        self.features = {name: pending.get(state, state) for name, state in self.features.items()}
        self.booted = self.clock.now()
        self.reboot()

    def _run(self, file, arguments, stdin, environment, _seconds):
        if self.files.key(file) not in map(self.files.key, self._programs()):
            return None
        program = _Program(self, arguments, stdin, environment)
        self.log.append(("wsl", *program.words))
        return program.finished()

    def _invoke(self, context, command, bound):
        own = self._own.get(command.name)
        if own is None:
            return super()._invoke(context, command, bound)
        self.log.append((command.name, str(bound.values)))
        return list(own(command, bound.values))

    def _feature(self, command, name):
        found = next((one for one in self.features if one.lower() == name.lower()), None)
        if found is None:
            type_ = "System.Runtime.InteropServices.COMException"
            raise Failed(command.owner, "NotSpecified", f"Feature name {name} is unknown.", "", type_, _UNKNOWN)
        return found

    def get_windowsoptionalfeature(self, command, given):
        for name in [self._feature(command, given["FeatureName"])] if given.get("FeatureName") else self.features:
            yield NetObject(
                "Microsoft.Dism.Commands.AdvancedFeatureObject", FeatureName=name, State=self.features[name]
            )

    def enable_windowsoptionalfeature(self, command, given):
        for name in [self._feature(command, one) for one in given["FeatureName"]]:
            if self.features[name] == "Disabled":
                self.features[name] = "EnablePending"
        if not given.get("NoRestart"):
            raise Failed(f"InvalidOperation,{command.owner}", "InvalidOperation", self.text("prompt"))
        yield NetObject("Microsoft.Dism.Commands.ImageObject", Online=True, RestartNeeded=True)

    def get_ciminstance(self, _command, _given):
        about = {"ProductType": 1, "LastBootUpTime": _START + timedelta(seconds=self.booted)}
        yield NetObject("Microsoft.Management.Infrastructure.CimInstance#Win32_OperatingSystem", **about)
