# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of the ownership record that say what is not complete, also as earlier versions have written them."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.record import mark as marks

OWN = marks.empty_mark("1")


def test_vm_is_unfinished_until_its_mark_is_finished():
    begun = marks.unfinished_mark(OWN, ["/a", "/b"])
    assert (marks.is_unfinished(begun), marks.making_of(begun)) == (True, ("/a", "/b"))
    assert marks.finished_mark({**begun, "name": "web"}, "name") == OWN
    assert not marks.is_unfinished(OWN) and not marks.is_unfinished(None)


def test_files_that_a_step_creates_for_an_existing_vm_do_not_make_it_unfinished():
    changed = marks.making_mark(OWN, ["/c"])
    assert (marks.is_unfinished(changed), marks.making_of(changed)) == (False, ("/c",))
    assert marks.making_mark(changed, []) == OWN
    assert marks.making_of(None) == ()


@pytest.mark.parametrize("mark", [None, marks.empty_mark("2"), {**marks.empty_mark(None), "disks": ["/theirs"]}])
def test_mark_of_another_vm_is_replaced(mark):
    assert marks.mark_for("1", mark) == OWN
    assert marks.mark_for("1", {**OWN, "disks": ["/own"]})["disks"] == ["/own"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"id":null,"new":true,"making":["/a"]}', {"id": None, "unfinished": True, "making": ["/a"]}),
        ('{"id":"web","adding":["/a"]}', {"id": "web", "unfinished": False, "making": ["/a"]}),
        ('{"id":"1","unfinished":true}', {"id": "1", "unfinished": True}),
    ],
    ids=["Hyper-V and WSL", "vmd", "VirtualBox and Proxmox VE"],
)
def test_keys_of_earlier_versions_are_read(text, expected):
    assert marks.parsed(text) == expected


@pytest.mark.parametrize(
    "parts",
    [
        '"a":' + "[" * 3900 + "]" * 3900, '"a":' + "[" * 90 + "]" * 90, '"a":' + '{"b":' * 9 + "1" + "}" * 9,
        '"inputs":{"image":5}', '"inputs":{"appliance":[1]}', '"inputs":[]', '"births":5', '"snapshots_expire":[]',
        '"v":"x"', '"checkpoints":3', '"snapshots":"x"', '"replacing":[1]', '"expires":{}', '"owner":1',
        '"v":' + "9" * 5000, '"fleet":1', '"created":1', '"birth":[]', '"checkpoints_expire":[]',
        '"inputs":{"bases":[1]}', '"inputs":{"bases":"x"}',
        '"a":1e400', '"a":NaN', '"a":-' + "9" * 5000, '"v":true', '"v":0',
    ],
)  # fmt: skip
def test_text_that_no_version_has_written_is_a_damaged_mark(parts):
    """Whoever may edit a VM writes what he wants: it costs the record of this VM, and no list that contains it."""
    assert list(marks.parsed(f'{{"id":"101",{parts}}}')) == [marks.DAMAGED]


@pytest.mark.parametrize("value", ["5", "[1]"])
@pytest.mark.parametrize(
    "key", ["disks", "files", "tags", "nvram", "making", "adding", "reservations", "answers", "births"]
)
def test_mark_with_a_wrong_list_is_not_valid(key, value):
    assert marks.parsed(f'{{"id":"1","{key}":{value}}}') == {marks.DAMAGED: f"its key '{key}' is not valid"}


def test_mark_has_at_most_eight_levels():
    levels = ['{"id":"1","a":' + "[" * count + "]" * count + "}" for count in (7, 8)]
    assert [marks.DAMAGED in marks.parsed(text) for text in levels] == [False, True]


def test_mark_of_a_later_version_is_damaged_and_cannot_say_so_itself():
    assert "version '99' is unknown" in marks.parsed('{"id":"1","v":99}')[marks.DAMAGED]
    assert marks.parsed('{"id":"1","damaged":"x"}') == {"id": "1"}
    assert marks.parsed("") is marks.parsed(None) is None


def _is_attached(path):
    return path == "attached"


@pytest.mark.parametrize(
    ("host", "disks", "making"),
    [
        ({"host": "here"}, ["attached", "other"], ["attached", "other"]),
        ({"host": "there"}, ["attached"], ["attached"]),
        ({}, ["attached", "other"], ["attached"]),
    ],
)
def test_mark_names_no_file_of_another_host(host, disks, making):
    files = ["attached", "other"]
    mark = marks.mark_on("here", {**OWN, **host, "disks": files, "making": files}, _is_attached)
    assert (mark["host"], mark["disks"], mark["making"]) == ("here", disks, making)


@pytest.mark.parametrize(
    ("mark", "why"), [({"host": "here"}, ""), ({"host": "there"}, "the host there"), ({}, "without a host")]
)
def test_record_says_why_a_file_may_be_one_of_others(mark, why):
    assert marks.why_elsewhere(mark, "here").endswith(why)
    assert bool(marks.why_elsewhere(mark, "here")) == bool(why)


def test_vm_that_was_restored_after_its_loss_comes_from_the_backup():
    inputs = {"image": "debian-13", "cloud_init": {"user": "d"}}
    assert (marks.sources_in(inputs), marks.sources_in({**inputs, "backup": "b"})) == (
        {"image": "debian-13"},
        {"backup": "b"},
    )
