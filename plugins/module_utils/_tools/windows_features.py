# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Features of Windows, by names that are the same in all languages.

``by_roles``: use ServerManager's roles and features, which only servers have; otherwise optional features (DISM).
"""

from __future__ import annotations

from .._ports.windows_request import call, properties

#: ProductType of Win32_OperatingSystem: workstation, domain controller, server.
CLIENT = 1
ENABLED, PENDING, DISABLED, UNKNOWN = "enabled", "pending", "disabled", "unknown"
_STATES = {"Enabled": ENABLED, "Installed": ENABLED, "EnablePending": PENDING, "InstallPending": PENDING}
#: "Feature name ... is unknown".
_NO_FEATURE = 0x800F080C


def read_calls(by_roles, names):
    """The calls that read features; ``states`` reads their answers."""
    if by_roles:
        show = properties("Name", "InstallState")
        return (call("ServerManager\\Get-WindowsFeature", {"Name": list(names)}, show=show),)
    show = properties("FeatureName", "State")
    return tuple(
        call("Dism\\Get-WindowsOptionalFeature", {"Online": True, "FeatureName": name}, show=show, go_on=True)
        for name in names
    )


def states(by_roles, names, answers):
    """{name: state} in the order of ``names``. Raises the error of a read that failed."""
    found = {}
    for answer in answers:
        if answer.error and _NO_FEATURE not in answer.error.codes:
            raise answer.error
        for one in answer.objects:
            name, state = ("Name", "InstallState") if by_roles else ("FeatureName", "State")
            found[one[name].lower()] = _STATES.get(one[state], DISABLED)
    return {name: found.get(name.lower(), UNKNOWN) for name in names}


def enable_call(by_roles, names):
    """The call that enables features, with those that they need. It never restarts the host."""
    if by_roles:
        return call("ServerManager\\Install-WindowsFeature", {"Name": list(names)})
    arguments = {"Online": True, "FeatureName": list(names), "All": True, "NoRestart": True}
    return call("Dism\\Enable-WindowsOptionalFeature", arguments)
