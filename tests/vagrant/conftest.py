# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Vagrant for each test that asks for one; where it cannot be had, the test says why it is skipped."""

from __future__ import annotations

import os

import pytest

from vagrant import real
from vagrant.played import Played
from virtualbox import double


@pytest.fixture(scope="session")
def box():
    """The file of the small fast box."""
    try:
        return real.build()
    except real.NotAvailable as reason:
        pytest.skip(f"not available: {reason}")


@pytest.fixture
def environment_of_its_own(box, tmp_path):
    """A real Vagrant, with nothing in it."""
    assert box.exists()
    with real.Vagrant(tmp_path, "pvv-real") as found:
        yield found


@pytest.fixture
def played(tmp_path, monkeypatch):
    """A Vagrant that only remembers, with machines of which only it can tell."""
    found = Played(tmp_path)
    for name, value in found.environment().items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def with_virtualbox(tmp_path, monkeypatch):
    """A project whose machines are those of a VirtualBox that only remembers, too."""
    played = Played(tmp_path, provider="virtualbox")
    box = double.VirtualBox(tmp_path / "virtualbox")
    os.symlink(box.executable, played.programs / "VBoxManage")
    path = os.pathsep.join([str(played.programs), os.environ["PATH"]])
    for name, value in {**played.environment(), "PATH": path}.items():
        monkeypatch.setenv(name, value)
    return played, box
