# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL on a host as a whole: its version, its defaults, and .wslconfig. Output of wsl.exe is in the host's language."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .._lifecycle.errors import CommandFailed
from .._ports.windows_request import call, properties, read, run, write
from .wsl_conf import edit, parse

#: WSL 2 needs the first one, WSL 1 and releases without a package the second one. Both take effect after a restart.
FEATURES = ("VirtualMachinePlatform", "Microsoft-Windows-Subsystem-Linux")
CONFIG_FILE = "%USERPROFILE%\\.wslconfig"
_LIMIT = 1 << 20
#: The package's own program; the one of Windows leads to it, or is all there is. The alias of the Store is never used.
PROGRAMS = ("%ProgramW6432%\\WSL\\wsl.exe", "%SystemRoot%\\System32\\wsl.exe")
_LXSS = "HKCU:\\Software\\Microsoft\\Windows\\CurrentVersion\\Lxss"
_UTF8 = {"WSL_UTF8": "1"}
#: Seconds: of a question, and of a download with its installation.
_SHORT, _LONG = 60, 1800
_VERSION = re.compile(rb"\d+(?:\.\d+)+")

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


@dataclass(frozen=True)
class WslState:
    """What a host has. ``program`` is the wsl.exe to call, None if there is none."""

    features: dict
    program: str | None = None
    #: Of the package, such as (2, 6, 3, 0); empty for a release that is a part of Windows.
    version: tuple = ()
    #: As the registry has it; None if nobody has set it.
    default_version: int | None = None
    #: The content of .wslconfig, one character for each byte; None if the file does not exist.
    config: str | None = None
    values: dict = field(default_factory=dict)


def read_calls():
    """The calls that read a host; ``read_state`` reads their answers."""
    return (
        *(run(program, ["--version"], _SHORT, environment=_UTF8, reads=True, go_on=True) for program in PROGRAMS),
        call(
            "Microsoft.PowerShell.Management\\Get-ItemProperty",
            {"LiteralPath": [_LXSS]},
            show=properties("DefaultVersion"),
            go_on=True,
        ),
        read(CONFIG_FILE, _LIMIT),
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
            version = _version_of(answer)
    text = config.bytes().decode("latin-1") if config.details["exists"] else None
    found = registry.objects[0].get("DefaultVersion") if registry.objects else None
    return WslState(features, program, version, found and int(found), text, parse(text or ""))


def _version_of(answer):
    """The first number with dots, whatever the language and the encoding; releases in Windows know no --version."""
    if answer.details.get("exit_code") != 0:
        return ()
    found = _VERSION.search(answer.bytes("stdout").replace(b"\0", b""))
    return tuple(map(int, found[0].split(b"."))) if found else ()


def update_call(program):
    """From Microsoft's server: the Store does not work in sessions without a desktop."""
    return run(program, ["--update", "--web-download"], _LONG, environment=_UTF8)


def default_version_call(program, version):
    return run(program, ["--set-default-version", str(version)], _SHORT, environment=_UTF8)


def shutdown_call(program):
    """Stops all distributions of the user."""
    return run(program, ["--shutdown"], _SHORT, environment=_UTF8)


def config_calls(text):
    return (write(CONFIG_FILE, text.encode("latin-1")),)


def edited(text, values):
    """The text of .wslconfig with {section.key: value, None to remove it}."""
    stored = {name: None if value is None else value.encode().decode("latin-1") for name, value in values.items()}
    return edit(text or "", stored)


def check_program(key, words, answer):
    """Raise for a call of wsl.exe that failed: it prints its errors on its output."""
    code = answer.details.get("exit_code")
    if code == 0:
        return
    said = " ".join(decoded(answer.bytes("stdout") or answer.bytes("stderr")).split())
    ended = f"exit code {code}" if answer.details.get("ended") else "it did not end in time"
    raise CommandFailed(
        ["wsl.exe", *words], code, said, f"{key}: wsl.exe {' '.join(words)} failed ({ended}): {said or 'no output'}"
    )


def decoded(content):
    """Own output of wsl.exe is UTF-16LE, unless it knows WSL_UTF8."""
    is_utf16 = len(content) % 2 == 0 and content[1::2].count(0) * 2 > len(content) // 2
    return content.decode("utf-16-le" if is_utf16 else "utf-8", "replace")
