# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A vendor of archives for WSL, and a host with the directory of its controller."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._media.windows import copy as windows_copy

from platforms.wsl.double.distro import FILES, packed
from platforms.wsl.tasks import PIECE, host_with_image
from suite.media_server import ArchiveVendor


@pytest.fixture(name="world")
def _world(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    store = tmp_path / "controller"
    monkeypatch.setenv("POLYVIRT_IMAGE_DIRECTORY", str(store))
    monkeypatch.setattr(windows_copy, "PIECE", PIECE)
    vendor = ArchiveVendor()
    vendor.publish(packed(FILES))
    yield SimpleNamespace(host=host_with_image(), vendor=vendor, store=store)
    vendor.close()
