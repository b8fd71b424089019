# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small programs that report properties of the host, and ``fw_update``."""

from __future__ import annotations

from . import options
from .options import Failure

FIRMWARE = "/etc/firmware/vmm-bios"
_CPUS = {
    "vmx": ("GenuineIntel", "Intel(R) Xeon(R) CPU", "VMX/EPT"),
    "svm": ("AuthenticAMD", "AMD EPYC Processor", "SVM/RVI"),
    "none": ("GenuineIntel", "Intel(R) Xeon(R) CPU", ""),
}


def dmesg_text(state):
    vendor, model, kind = _CPUS[state["cpu"]]
    lines = [
        f"OpenBSD {state['release']} (GENERIC.MP) #54: Thu Oct  9 20:39:26 MDT 2025",
        "    deraadt@amd64.openbsd.org:/usr/src/sys/arch/amd64/compile/GENERIC.MP",
        "mainbus0 at root",
        f"cpu0: {model}, 2400.00 MHz, {vendor}",
        *([f"vmm0 at mainbus0: {kind}"] if kind else []),
    ]
    return "".join(f"{line}\n" for line in lines)


def dmesg(world, _words):
    return 0, dmesg_text(world.state.look()), ""


def _known_values(state):
    vendor, model, _kind = _CPUS[state["cpu"]]
    return {
        "kern.ostype": "OpenBSD",
        "kern.osrelease": state["release"],
        "kern.version": dmesg_text(state).splitlines()[0],
        "hw.machine": "amd64",
        "hw.model": model,
        "hw.vendor": vendor,
        "hw.ncpu": "4",
        "hw.ncpuonline": "4",
        "hw.smt": "0",
        "hw.physmem": str(16 << 30),
    }


def sysctl(world, words):
    found, names = options.parse(words, "Aanqw")
    is_short, is_quiet = ("n", None) in found, ("q", None) in found
    out, code, err = [], 0, ""
    for word in names:
        name, has_value, value = word.partition("=")
        with world.state.open() as state:
            known = {**_known_values(state), **state["sysctls"]}
            if name not in known:
                parts = name.split(".")
                code, err = 1, f"{err}sysctl: second level name {parts[-1]} in {name} is invalid\n"
                continue
            if has_value and (world.host.uid or name not in state["sysctls"]):
                code, err = 1, f"{err}sysctl: {name}: Operation not permitted\n"
                continue
            if has_value:
                state["sysctls"][name] = value
        if has_value:
            out += [] if is_quiet else [value if is_short else f"{name}: {known[name]} -> {value}"]
        else:
            out.append(known[name] if is_short else f"{name}={known[name]}")
    return code, "".join(f"{line}\n" for line in out), err


def uname(world, words):
    release = world.state.look()["release"]
    values = {"s": "OpenBSD", "n": "host.example.org", "r": release, "v": "GENERIC.MP#54", "m": "amd64"}
    letters = {letter for letter, _value in options.parse(words, "amnprsv")[0]} or {"s"}
    if "p" in letters:
        return 0, "amd64\n", ""
    return 0, " ".join(values[key] for key in values if key in letters or "a" in letters) + "\n", ""


def fw_update(world, words):
    found, names = options.parse(words, "adFlnp:v")
    state = world.state.look()
    if world.host.uid:
        raise Failure("need root privileges\n")
    is_wanted = "vmm" in names or any("vmm-firmware" in name for name in names)
    is_wanted = is_wanted or (not names and state["cpu"] != "none")
    if not is_wanted:
        return 0, "fw_update: add none; update none\n", ""
    if world.host.exists(FIRMWARE):
        return 0, "fw_update: add none; update none; keep vmm\n", ""
    is_local = "p" in dict(found) or any(name.endswith(".tgz") for name in names)
    if not is_local and not state["network"]:
        place = f"http://firmware.openbsd.org/firmware/{state['release']}/SHA256.sig"
        return 1, "fw_update: failed.\n", f"Cannot fetch {place}\n"
    if ("n", None) not in found:
        world.host.write(FIRMWARE, "firmware\n")
    return 0, "fw_update: add vmm; update none\n", ""
