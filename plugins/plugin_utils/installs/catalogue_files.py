# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the catalogue: those of this collection, and the user's directories, which take precedence."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .catalogue import as_result, entries_of, merged
from .catalogue_media import InvalidCatalogue

_SHIPPED = Path(__file__).parents[3] / "templates" / "catalogue"
#: Types of media from which VMs are created; of the others, errors need to know only that they exist.
_IMAGES = ("cloud", "box", "wsl")
_KNOWN = ("type", "architecture")


class CatalogueFiles:
    """``load(path)`` parses a YAML file. Raises InvalidCatalogue."""

    def __init__(self, load, directories=()):
        self._load, self._directories = load, [Path(one) for one in directories]

    def entries(self):
        """Return {name: entry} of the whole catalogue."""
        return self._merged(map(_files_in, [_SHIPPED, *self._directories]))

    def find(self, name):
        """Return the entry with this name, or None. The file of its distribution is often the only one that is read."""
        files = [path for path in _files_in(_SHIPPED) if f"{name}-".startswith(f"{path.stem}-")]
        found = self._merged([files, *map(_files_in, self._directories)])
        # A file of another name may have it, such as that of Windows 11.
        return found.get(name) or self.entries().get(name)

    def _merged(self, groups):
        return merged(_checked(file, self._load) for files in groups for file in files)


def _files_in(directory):
    if not directory.is_dir():
        raise InvalidCatalogue(f"{directory} is not a directory; correct 'directories'.")
    return sorted([*directory.glob("*.yml"), *directory.glob("*.yaml")])


@cache
def _checked(file, load):
    """Variables of a role ask for an entry twenty times in one task; a loader of Ansible reads a file once, too."""
    return entries_of(load(str(file)), file)


def knowledge_of(name, catalogue, today, mirrors):
    """Return the suboption ``catalogue`` of an image with this name, see plugin_utils/tasks/image_names.py."""
    entry = catalogue.find(name.lower())
    if entry is None:
        return {"names": {name: one.get("codename") or "" for name, one in sorted(catalogue.entries().items())}}
    known = as_result(entry, today)
    of_installers = {"installer": known["installer"]}
    ended = f"{entry['name']} has had no support by its vendor since {known['end_of_life']}."
    return {
        "media": [
            one if one["type"] in _IMAGES else {**of_installers, **{key: one[key] for key in _KNOWN}}
            for one in entry["media"]
        ],
        "version": entry["version"],
        "mirrors": mirrors,
        "warnings": [ended] if known["end_of_life_reached"] else [],
    }
