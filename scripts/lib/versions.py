# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the table of supported versions, from the files and the code that decide them."""

from __future__ import annotations

import re

import yaml

#: {platform: (what has the version, oldest supported version)}. None: the code of the platform decides it. README.md
#: has the same.
PLATFORMS = {
    "libvirt": ("libvirt", "5.6"),
    "virtualbox": ("VirtualBox", None),
    "vagrant": ("Vagrant", "2.2"),
    "proxmox": ("Proxmox VE", None),
    "vmd": ("vmd: OpenBSD", "7.4"),
    "hyperv": ("Hyper-V: Windows 10 Pro, Windows Server", "2016"),
    "wsl": ("WSL: Windows 10 build 19041, Windows Server", "2022"),
}
#: {platform: directory of the recordings}. Hyper-V, WSL and vmd have no recordings by version.
_RECORDINGS = {"libvirt": "virsh", "virtualbox": "vbox", "vagrant": "vagrant", "proxmox": "proxmox"}


def version_lines(checkout, checked):
    """Return the table. ``checked``: {platform: oldest version, as a tuple} for what the modules check themselves."""
    lines = ["| what | supported | tested with |", "|---|---|---|"]
    lines.append(f"| ansible-core | {_oldest_core(checkout)} and later | {', '.join(cores_of_tests(checkout))} |")
    lines.append(f"| Python on the controller | as ansible-core needs | {', '.join(_pythons(checkout))} |")
    lines.append(
        f"| Python where modules run | {_oldest_python(checkout)} and later | the sanity tests of ansible-core |"
    )
    lines += [f"| {what} | {oldest} and later | {tested} |" for what, oldest, tested in platforms(checkout, checked)]
    return lines


def platforms(checkout, checked):
    """Return (what, oldest version, versions of the recordings) of each platform."""
    for platform, (what, documented) in PLATFORMS.items():
        oldest = documented or ".".join(map(str, checked[platform]))
        folder = checkout / "tests" / "unit" / "fixtures" / _RECORDINGS.get(platform, "none")
        found = [path.name for path in folder.glob("*")] if folder.exists() else []
        recorded = sorted((one for one in found if re.match(r"\d", one)), key=_numbers)
        yield what, oldest, f"recordings of {', '.join(recorded)}" if recorded else "a simulated host"


def _numbers(version):
    return [int(part) for part in re.findall(r"\d+", version)]


def _oldest_core(checkout):
    runtime = yaml.safe_load((checkout / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    return re.search(r">=(\d+\.\d+)", runtime["requires_ansible"])[1]


def _oldest_python(checkout):
    modules = yaml.safe_load((checkout / "tests" / "config.yml").read_text(encoding="utf-8"))["modules"]
    return modules["python_requires"].removeprefix(">=")


def cores_of_tests(checkout):
    """Return the versions of ansible-core that the tests use, the oldest first."""
    tests = checkout / "tests"
    files = [tests / f"constraints{name}.txt" for name in ("", "-oldest", "-next")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    between = re.search(
        r"_CORES_BETWEEN=\((.*?)\)", (checkout / "scripts/lib/stages_text.sh").read_text(encoding="utf-8")
    )
    found = {*re.findall(r"^ansible-core==(\S+)", text, re.MULTILINE), *between[1].split()}
    return sorted(found, key=_numbers)


def _pythons(checkout):
    """Return the versions of Python for which the packages of the tests are pinned."""
    text = (checkout / "tests" / "constraints.txt").read_text(encoding="utf-8")
    return sorted({*re.findall(r'python_version [=>]= "(3\.\d+)"', text)}, key=_numbers)
