# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lookup of a distribution by its name does not read the whole catalogue: variables are evaluated again and again."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.lookup.distribution import LookupModule


class _Lookup(LookupModule):
    """With the options of a lookup that has none, and a list of the files that it reads."""

    def set_options(self, **_given):
        self.read, self._loader = [], self

    def get_option(self, option):
        return () if option == "directories" else None

    def load_from_file(self, path):
        self.read.append(Path(path).name)
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "read"), [("debian-13", ["debian.yml"]), ("windows-server-2025", ["windows.yml"])])
def test_lookup_of_a_name_reads_the_file_of_its_distribution_only(name, read):
    lookup = _Lookup()
    (found,) = lookup.run([name])
    assert (found["name"], lookup.read) == (name, read)


def test_lookup_finds_a_name_in_a_file_with_another_name():
    assert _Lookup().run(["windows-11"])[0]["name"] == "windows-11"
