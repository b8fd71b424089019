# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tasks of the modules for WSL on a host in this process."""

from __future__ import annotations

from contextlib import contextmanager

from platforms.windows.tasks import run_module
from platforms.wsl import reading
from platforms.wsl.double.distro import FILES, packed
from platforms.wsl.double.host import Knobs, WslHost

TAR = "C:\\images\\base.tar"
#: Bytes of a piece of an image that is copied to the host: an archive has several.
PIECE = 4096
NEW = {"name": ["web"], "image": {"source": TAR}}
FLAVOURS, CULTURES = ("inbox", "2.4.4", "2.6.3"), ("en-US", "fr-FR", "de-DE")


def host_with_image(flavour="2.6.3", culture="en-US", **knobs):
    """A host with the image of ``NEW``; ``knobs`` are fields of the double's Knobs."""
    host = WslHost(flavour, culture, Knobs(**knobs))
    host.files.put(TAR, packed(FILES))
    return host


def run(host, about="distro", check=False, **options):
    """Run one task with the host's clock; returns its result."""
    return run_module(host, f"wsl_{about}", check, **options)


def run_ok(host, about="distro", **options):
    """Run a task that must not fail; returns its result."""
    result = run(host, about, **options)
    assert not result["failed"], result["msg"]
    return result


def run_rejected(host, *words, **options):
    """Run a task that must fail with these words in its message, and must not change the host; returns its result."""
    before = state_of(host)
    result = run(host, **options)
    assert result["failed"], options
    assert [word for word in words if word not in result["msg"]] == [], result["msg"]
    assert state_of(host) == before
    return result


def state_of(host):
    """All values of a host that tasks can change."""
    found = {one.name: (reading.vm_state(host, one), one.base, one.version) for one in host.distros.values()}
    return found, sorted(host.files.contents), sorted(host.files.folders), sorted(host.tasks), host.default


class _Gone(Exception):
    """The controller's process has ended."""


@contextmanager
def controller_ends(host):
    """During the block, the controller's process ends with its connection: the task is not continued."""
    answer, ended = host.windows.answer, []

    def end(text):
        if ended:
            raise _Gone
        try:
            return answer(text)
        except ConnectionError:
            ended.append(True)
            raise _Gone from None

    host.windows.answer = end
    yield
    host.windows.answer = answer
