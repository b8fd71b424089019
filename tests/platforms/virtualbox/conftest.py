# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of this directory: a real VirtualBox, and its double."""

from __future__ import annotations

import tempfile

import pytest

from platforms.virtualbox import double_registry, real


@pytest.fixture(scope="session", name="root")
def _root():
    try:
        return real.build()
    except real.NotAvailable as reason:
        pytest.skip(f"not available: {reason}")


@pytest.fixture(name="folder")
def _folder():
    # The user as which VirtualBox runs cannot open pytest's own directories.
    with tempfile.TemporaryDirectory(prefix="polyvirt-virtualbox-") as folder:
        yield folder


@pytest.fixture(name="box")
def _box(root, folder):
    with real.VirtualBox(root, folder) as box:
        yield box


@pytest.fixture(name="box_of_root")
def _box_of_root(root, folder):
    """A VirtualBox that runs as root: its autostart database needs a user with a name."""
    with real.VirtualBox(root, folder, user=0) as box:
        box.run("setproperty", "autostartdbpath", box.folder / "registry")
        yield box


@pytest.fixture(name="vbox")
def _vbox(box_of_root):
    """That of unit tests of the driver, which have the double by this name."""
    return box_of_root


@pytest.fixture(name="double")
def _double(folder):
    with double_registry.VirtualBox(folder) as box:
        yield box
