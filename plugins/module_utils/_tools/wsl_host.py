# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL on a host: its version, its defaults, and .wslconfig. The output of wsl.exe is in the language of the host."""

from __future__ import annotations

import re

from .._core.frozen import Frozen, field
from .._ports.windows_request import call, properties, read, write
from .wsl import INBOX, LXSS, PACKAGED, SETTINGS_FILE, number_of, read_versions, version_call, wsl
from .wsl_conf import decoded, encoded, is_editable, parse

#: WSL 2 needs the first feature; WSL 1, and releases without a package, the second. Both take effect after a restart.
FEATURES = ("VirtualMachinePlatform", "Microsoft-Windows-Subsystem-Linux")
#: wsl.exe of the package, else that of Windows, which calls the former if it is installed. The alias of the Store is
#: never used.
PROGRAMS = (PACKAGED, INBOX)
_LIMIT = 1 << 20
#: Timeout in seconds of an update, which is downloaded and installed.
_UPDATE = 1800

#: {section: keys of .wslconfig}. Source: WslCoreConfig.h of microsoft/WSL, 2.9.
KEYS = {
    "wsl2": (
        "autoProxy", "crashDumpFolder", "debugConsole", "debugConsoleLogFile", "defaultVhdSize", "dhcp", "dhcpTimeout",
        "distributionStartTimeout", "dnsProxy", "dnsTunneling", "earlyBootLogging", "firewall", "gpuSupport",
        "guiApplications", "hardwarePerformanceCounters", "hostFileSystemAccess", "ipv6", "isolateDistroCgroup",
        "kernel", "kernelBootTimeout", "kernelCommandLine", "kernelDebugPort", "kernelModules",
        "loadDefaultKernelModules", "loadKernelModules", "localhostForwarding", "macAddress", "maxCrashDumpCount",
        "memory", "mountDeviceTimeout", "nestedVirtualization", "networkingMode", "processors", "safeMode", "swap",
        "swapFile", "systemDistro", "telemetry", "virtio", "virtio9p", "virtiofs", "vmIdleTimeout", "vmSwitch",
    ),
    "general": ("distributionInstallPath", "guiApplications", "instanceIdleTimeout"),
    "experimental": (
        "autoMemoryReclaim", "autoProxy", "bestEffortDnsParsing", "dnsTunneling", "dnsTunnelingIpAddress", "firewall",
        "hostAddressLoopback", "ignoredPorts", "initialAutoProxyTimeout", "networkingMode", "sparseVhd",
    ),
}  # fmt: skip
#: The keys with a size, and the forms of a size that WSL reads.
SIZES = ("wsl2.memory", "wsl2.swap", "wsl2.defaultVhdSize")
_SIZE = re.compile(r"\s*(\d+)(?:([KMGT])B?|B)?", re.IGNORECASE | re.ASCII)


def size_of(value):
    """The bytes of a size in .wslconfig; None if WSL does not read it as one."""
    found = _SIZE.fullmatch(value or "")
    return int(found[1]) << 10 * (" KMGT".index(found[2].upper()) if found[2] else 0) if found else None


class WslState(Frozen):
    """WSL on a host. ``program`` is the wsl.exe to call, None if there is none."""

    features: dict
    program: str | None = None
    #: The version of the package, such as (2, 6, 3); empty for a release that is a part of Windows.
    version: tuple = ()
    #: The value in the registry; None if it is not set.
    default_version: int | None = None
    #: The text of .wslconfig, one character for each byte; empty if the file does not exist.
    config: str = ""
    #: The byte order mark of .wslconfig, and whether it can be edited: WSL reads its encoding.
    mark: bytes = b""
    is_editable: bool = True
    values: dict = field(default_factory=dict)


def read_calls():
    """The calls that read a host; ``read_state`` reads their answers."""
    return (
        *map(version_call, PROGRAMS),
        call(
            "Microsoft.PowerShell.Management\\Get-ItemProperty",
            {"LiteralPath": [LXSS]},
            show=properties("DefaultVersion"),
            go_on=True,
        ),
        read(SETTINGS_FILE, _LIMIT),
    )


def read_state(answers, features):
    """The WslState from the answers to ``read_calls``. Raises the error of a file that cannot be read."""
    packaged, inbox, registry, config = answers
    if config.error:
        raise config.error
    program, version = None, ()
    for path, answer in zip(PROGRAMS, (packaged, inbox)):
        if answer.error is None and program is None:
            program = path
            version = number_of("".join(read_versions(answer)[:1]))
    content = config.bytes() if config.details["exists"] else b""
    mark, text = decoded(content)
    found = registry.objects[0].get("DefaultVersion") if registry.objects else None
    default = found and int(found)
    return WslState(features, program, version, default, text, mark, is_editable(content), parse(text))


def update_call(program):
    """Update WSL from Microsoft's server: the Store does not work in sessions without a desktop."""
    return wsl(program, ["--update", "--web-download"], _UPDATE)


def default_version_call(program, version):
    return wsl(program, ["--set-default-version", str(version)])


def shutdown_call(program):
    """Stop all distributions of the user."""
    return wsl(program, ["--shutdown"])


def config_calls(text, mark):
    return (write(SETTINGS_FILE, encoded(mark, text)),)
