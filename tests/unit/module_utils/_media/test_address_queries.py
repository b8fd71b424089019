# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images at addresses with a query: it can be a signature, and it can decide which file it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._media.store import FolderStore

from unit.module_utils._media.server import checksum
from unit.module_utils._media.test_images import QCOW2

_PATH, _QUERY = "/x/image.qcow2", "?X-Amz-Signature=S3cret"


def _published(tasks, query=_QUERY, content=QCOW2):
    tasks.server.files[f"{_PATH}{query}"] = content
    return f"{tasks.server.url}{_PATH}{query}"


def _record_of(image):
    return Path(f"{image['source']}.json")


def test_query_is_in_no_record_and_no_message(tasks):
    address = _published(tasks)
    image = tasks.run(source=address)
    shown = f"{_record_of(image).read_text()}{image['name']}{image['source']}{image['warnings']}{image['fetch'].note}"
    assert "S3cret" not in shown
    assert image["name"].startswith(f"{tasks.server.url}{_PATH}?query-")
    assert tasks.run(source=address)["fetch"] is None
    assert "S3cret" not in tasks.error(source=f"{address}x")


def test_addresses_that_differ_in_their_query_are_two_images(tasks):
    first, second = _published(tasks, "?version=1"), _published(tasks, "?version=2", QCOW2 + b"newer")
    images = [tasks.run(source=one) for one in (first, second)]
    assert [Path(one["source"]).read_bytes() for one in images] == [QCOW2, QCOW2 + b"newer"]
    assert [tasks.run(source=one)["source"] for one in (first, second)] == [one["source"] for one in images]


def test_record_of_an_earlier_version_has_the_whole_query(tasks):
    address = _published(tasks)
    image = tasks.run(source=address)
    record = json.loads(_record_of(image).read_text())
    _record_of(image).write_text(json.dumps({**record, "name": address, "address": address}))
    (stored,) = FolderStore(str(tasks.folder)).all()
    assert (stored.name, "S3cret" in f"{stored}") == (image["name"], False)
    assert tasks.run(source=address)["fetch"] is None


def test_checksum_that_only_begins_as_that_of_a_stored_image_is_rejected(tasks):
    address, right = _published(tasks, ""), f"sha256:{checksum(QCOW2)}"
    tasks.run(source=address, checksum=right)
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    message = tasks.error(source=address, checksum=wrong)
    assert f"is stored with the checksum {right}, and it must be {wrong}" in message
    assert tasks.run(source=address, checksum=right)["fetch"] is None


def test_empty_file_is_no_image(tasks):
    with pytest.raises(Refused, match="is not an image in the format qcow2"):
        tasks.resolved(source=_published(tasks, "", b""))
