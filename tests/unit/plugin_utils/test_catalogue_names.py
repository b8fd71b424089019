# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task knows of each name of the catalogue: its media, or what to do if it has no image."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._media.choose import Needs, resolve
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.catalogue_files import CatalogueFiles, knowledge_of

FILES = CatalogueFiles(lambda path: yaml.safe_load(Path(path).read_text(encoding="utf-8")))
NEEDS = Needs("libvirt", "amd64", ("qcow2", "raw"), decompressors=("xz", "gz", "zst", "bz2"))


@pytest.mark.parametrize("name", sorted(FILES.entries()))
def test_each_name_has_media_or_an_error_that_says_how_to_install_it(name):
    media = knowledge_of(name, FILES, date(2026, 1, 1), {})["media"]
    assert media
    try:
        assert resolve(media, NEEDS, name).medium in media
    except Refused as error:
        wanted = "the playbook polyvirt.core.windows with the ISO" if "windows" in name else "unattended_install"
        assert wanted in error.remedy, name


@pytest.mark.parametrize("name", ["windows-12", "*", "[", "debian"])
def test_name_that_does_not_exist_gets_all_names(name):
    assert "windows-11" in knowledge_of(name, FILES, date(2026, 1, 1), {})["names"]


def test_each_file_is_read_once(tmp_path):
    """Templates of a role look names up many times in one task."""
    loaded = []

    def load(path):
        loaded.append(path)
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))

    document = {"distribution": "debian", "title": "Own", "versions": [{"version": "13"}], "media": [], "platforms": []}
    (tmp_path / "own.yml").write_text(json.dumps(document), encoding="utf-8")
    for _time in range(2):
        files = CatalogueFiles(load, [tmp_path])
        assert files.find("debian-13")["title"] == "Own"
        assert files.find("debian-12") == FILES.find("debian-12")
        assert (files.entries().keys(), files.find("nothing")) == (FILES.entries().keys(), None)
    assert sorted(loaded) == sorted(set(loaded))
