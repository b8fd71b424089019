# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of the modules for WSL on a host in this process."""

from __future__ import annotations

from platforms.windows.tasks import run_module
from platforms.wsl import reading
from platforms.wsl.double.distro import FILES, packed
from platforms.wsl.double.host import Knobs, WslHost

TAR = "C:\\images\\base.tar"
NEW = {"name": ["web"], "image": {"source": TAR}}
FLAVOURS, CULTURES = ("inbox", "2.4.4", "2.6.3"), ("en-US", "fr-FR", "de-DE")


def host_with_image(flavour="2.6.3", culture="en-US", **knobs):
    """A host that has the image of ``NEW``; ``knobs`` are those of the double."""
    host = WslHost(flavour, culture, Knobs(**knobs))
    host.files.put(TAR, packed(FILES))
    return host


def run(host, about="distro", check=False, **options):
    """The result of one task; time is that of the host."""
    return run_module(host, f"wsl_{about}", check, **options)


def run_ok(host, about="distro", **options):
    """The result of a task that must not fail."""
    result = run(host, about, **options)
    assert not result["failed"], result["msg"]
    return result


def run_rejected(host, *words, **options):
    """The result of a task that must fail with these words in its message, and leave the host unchanged."""
    before = state_of(host)
    result = run(host, **options)
    assert result["failed"], options
    assert [word for word in words if word not in result["msg"]] == [], result["msg"]
    assert state_of(host) == before
    return result


def state_of(host):
    """All that tasks can change on a host."""
    found = {one.name: (reading.vm_state(host, one), one.base, one.version) for one in host.distros.values()}
    return found, sorted(host.files.contents), sorted(host.files.folders), sorted(host.tasks), host.default
