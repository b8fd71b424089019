# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for images: a vendor, and a host with the directory of its controller."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._media.windows import copy as windows_copy

from platforms.hyperv.double.host import HyperV
from platforms.hyperv.stored_images import PIECE
from suite.media_server import Vendor, as_published


@pytest.fixture(name="vendor")
def _vendor(tmp_path):
    source = tmp_path / "source.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", source, "16M"], check=True)
    vendor = Vendor()
    vendor.publish(as_published(str(source), tmp_path / "published.qcow2"))
    yield vendor
    vendor.close()


@pytest.fixture(name="world")
def _world(vendor, tmp_path, monkeypatch):
    """A host, a vendor, and the directory of the controller."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    store = tmp_path / "controller"
    monkeypatch.setenv("POLYVIRT_IMAGE_DIRECTORY", str(store))
    monkeypatch.setattr(windows_copy, "PIECE", PIECE)
    return SimpleNamespace(host=HyperV(), vendor=vendor, store=store)
