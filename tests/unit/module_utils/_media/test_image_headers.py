# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of an image, such as a token: only the server of its source receives them."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._media.download import Line

from unit.module_utils._media.server import Server, checksum
from unit.module_utils._media.test_images import QCOW2, address_of


def test_headers_are_sent(tasks, server):
    tasks.run(source=address_of(tasks, path="/x/image.qcow2"), headers={"Authorization": "Bearer abc"})
    assert {one.get("Authorization") for one in server.headers} == {"Bearer abc"}


def test_headers_are_sent_to_the_server_of_the_source_only(tasks, server):
    address, other = address_of(tasks, path="/x/image.qcow2"), Server()
    other.files["/SUMS"] = f"{checksum(QCOW2)}  image.qcow2\n".encode()
    server.redirects["/x/image.qcow2"] = f"{other.url}/image.qcow2"
    other.files["/image.qcow2"] = server.files["/x/image.qcow2"]
    tasks.run(source=address, checksum=f"sha256:{other.url}/SUMS", headers={"Authorization": "Bearer abc"})
    other.close()
    assert [path for path, _range in other.requests].count("/SUMS") == 1
    assert "Authorization" not in {name for one in other.headers for name in one}
    assert {one.get("Authorization") for one in server.headers} == {"Bearer abc"}


def test_headers_have_no_server_for_a_name(tasks):
    message = tasks.error(source="debian-13", headers={"Authorization": "Bearer abc"})
    assert "headers are sent only to the server of an address" in message


@pytest.mark.parametrize(
    ("url", "is_same"),
    [
        ("https://ann:x@Files.example/list", True), ("https://files.example:443/list", True),
        ("http://files.example/list", False), ("https://files.example:8443/list", False),
        ("https://files.example.net/list", False), ("", False),
    ],
)  # fmt: skip
def test_origin_is_scheme_host_and_port(url, is_same):
    line = Line(1, {"Authorization": "Bearer abc"}, "https://files.example/x/image.qcow2")
    assert line.headers_for(url) == (line.headers if is_same else None)
