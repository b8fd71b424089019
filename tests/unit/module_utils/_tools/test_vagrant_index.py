# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant's index: the VM that a name on its command line means."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrant_states

INDEX_ID = "db6b2de665954096bfce17e24bbc697c"
ENTRY = {"name": "mail", "vagrantfile_path": "/srv/post", "vagrantfile_name": ["Vagrantfile.polyvirt"], "provider": "x"}


def _index(home, text):
    file = home / "data" / "machine-index" / "index"
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    return vagrant_states.read_index(files, str(home))


@pytest.mark.parametrize(
    ("names", "file"), [(["Vagrantfile.polyvirt"], "Vagrantfile.polyvirt"), (None, None), ([], None), ("x", "x")]
)
def test_vm_and_its_vagrantfile(tmp_path, names, file):
    index = _index(tmp_path, json.dumps({"version": 1, "machines": {INDEX_ID: {**ENTRY, "vagrantfile_name": names}}}))
    assert index == {INDEX_ID: ("mail", "/srv/post", file)}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"machines": 1}', '{"machines": {"a": 1}}'])
def test_unreadable_index_is_empty(tmp_path, text):
    assert _index(tmp_path, text) == {}


def test_missing_index_is_empty(tmp_path):
    assert vagrant_states.read_index(files, str(tmp_path)) == {}


@pytest.mark.parametrize(
    ("word", "is_taken"), [("db", True), ("d", True), ("web", False), ("db1", False), ("b", False)]
)
def test_name_that_begins_an_id_is_mistaken_for_it(tmp_path, word, is_taken):
    index = _index(tmp_path, json.dumps({"machines": {INDEX_ID: ENTRY}}))
    assert bool(vagrant_states.vm_mistaken_for(index, word, None)) == is_taken
    assert vagrant_states.vm_mistaken_for(index, word, INDEX_ID) is None
