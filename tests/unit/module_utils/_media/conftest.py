# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server with a medium, and the module install_medium on a directory of its own."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._media import download as product

from unit.module_utils._media.server import ISO, NAME, Cache, Server, checksum
from unit.module_utils._media.test_images import QCOW2, Tasks


@pytest.fixture(name="server")
def _server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    server.files = {f"/r/{NAME}": ISO, "/r/SUMS": f"{checksum(ISO)}  {NAME}\n".encode()}
    yield server
    server.close()


@pytest.fixture(name="pauses", autouse=True)
def _pauses(monkeypatch):
    """The pauses between attempts; none is waited for."""
    pauses = []
    monkeypatch.setattr(product.Clock, "sleep", lambda self, seconds: pauses.append(seconds))
    return pauses


@pytest.fixture(name="cache")
def _cache(tmp_path, server):
    return Cache(tmp_path, server)


@pytest.fixture(name="tasks")
def _tasks(server, tmp_path):
    tasks = Tasks(server, tmp_path / "store")
    tasks.publish(QCOW2)
    return tasks
