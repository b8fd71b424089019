# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sentinels.py compares after every test can be seen to change."""

from __future__ import annotations

import pytest

from suite.sentinels import CONTENTS, NAME, Sentinels

pytestmark = pytest.mark.full


class World:
    """A platform with one directory and one thing."""

    thing = "as before"

    def __init__(self, folder):
        self.folder = folder

    def clean(self):
        for path in self.folder.iterdir():
            path.unlink()

    def folders_of_sentinels(self):
        return [self.folder]

    def put_sentinels(self):
        self.thing = "as before"

    def remove_sentinels(self):
        self.thing = None

    def sentinels(self):
        return {"thing": self.thing}


@pytest.mark.parametrize("suffix", CONTENTS)
@pytest.mark.parametrize("change", ["delete", "write", "mode"])
def test_changed_file_is_found(tmp_path, suffix, change):
    world = World(tmp_path)
    sentinels, path = Sentinels(world), tmp_path / f"{NAME}{suffix}"
    world.clean()
    sentinels.compare()
    {"delete": path.unlink, "write": lambda: path.write_text("x"), "mode": lambda: path.chmod(0o600)}[change]()
    with pytest.raises(AssertionError, match="somebody else"):
        sentinels.compare()
    sentinels.compare()  # Each change is reported once.


def test_changes_are_found_before_they_are_cleaned_away(tmp_path):
    world = World(tmp_path)
    Sentinels(world)
    world.clean()
    world.thing = "changed"
    with pytest.raises(AssertionError, match="somebody else"):
        world.clean()


def test_changed_thing_is_found(tmp_path):
    world = World(tmp_path)
    sentinels = Sentinels(world)
    world.clean()
    world.thing = "changed"
    with pytest.raises(AssertionError, match="somebody else"):
        sentinels.compare()
    sentinels.remove()
    sentinels.compare()
