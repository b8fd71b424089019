# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated tasks with several distributions that share something, with the WSL driver on its double."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

from platforms.wsl import reading
from platforms.wsl.double.distro import FILES, packed, unpacked
from platforms.wsl.tasks import TAR, host_with_image, run, state_of
from suite import lists
from suite.pairs import number_of_pairs

OTHER = "C:\\images\\other.tar"
#: Directories, two of them the default ones of distributions, and exports: each in several spellings.
LOCATIONS = (
    *("D:\\vms\\x", "d:/VMS/X", "D:\\vms\\x\\", "D:\\vms\\sub\\..\\X"),
    *("D:\\vms\\y", "d:/vms/Y/", "C:\\WSL\\a", "c:/wsl/B/"),
)
EXPORTS = ("C:\\images\\out.tar", "c:/IMAGES/Out.TAR", "C:\\images\\sub\\..\\out.tar", "C:\\images\\two.tar", OTHER)
#: A file in which each distribution has the ID of the first one that had its content.
MARKED = "/root/id"


def _options(choose, _is_new):
    """Options of an entry that only WSL has."""
    values = {"install_location": (5, LOCATIONS), "export": (8, EXPORTS), "default": (15, (True,))}
    return {name: choose.choice(some) for name, (rarity, some) in values.items() if choose.randrange(rarity) == 0}


class OnWsl(lists.Platform):
    """A host with two tarballs."""

    words = lists.Vocabulary(
        image=(*[TAR] * 4, TAR.upper(), "c:/images/sub/../base.tar", *[OTHER] * 3, EXPORTS[1]),
        files=(),
        slots=("disk0",),
        sizes=("1T", "2T"),
        macs=(),
        ports=(),
        links=(),
        ignores_case=True,
        delete_disks=(),
        more=_options,
    )

    def __init__(self, place):
        self._host, self._place = host_with_image(idle_seconds=1e9), place
        self._host.files.put(OTHER, packed(FILES))
        self._host.files.make("C:\\images\\sub")

    def run(self, entries, check=False):
        known, files = set(self._host.distros), set(self._host.files.contents)
        result = run(self._host, check=check, machines=entries, stop_mode="force", allow_restart=True)
        assert "exception" not in result, result["exception"]
        new = [one for guid, one in self._host.distros.items() if guid not in known]
        if not result["failed"] and not check:
            self._assert_contents(entries, {one.name for one in new}, set(self._host.files.contents) - files)
        for distro in new:
            distro.files.setdefault(MARKED, distro.guid.encode())
        return SimpleNamespace(**{"changed": False, "msg": "", "diff": [], **result})

    def _assert_contents(self, entries, new, exports):
        """Clones and exports have the content of the distribution that they are made from."""
        for entry in entries:
            distro = self._host.find(entry["name"]) if "name" in entry else self._host.distros.get(entry["id"].lower())
            path = self._host.files.key(entry.get("export", ""))
            if path in exports:
                assert unpacked(self._host.files.contents[path]).get(MARKED) == distro.files.get(MARKED), path
            if distro is not None and distro.name in new and "clone" in entry:
                source = self._host.find(entry["clone"]["source"])
                assert distro.files.get(MARKED) == source.files.get(MARKED), distro.name

    def id_of(self, name):
        """The ID; on each second host in capital letters, which are the same."""
        found = self._host.find(name)
        return found and (found.guid.upper() if self._place % 2 else found.guid)

    def state(self):
        return state_of(self._host), {one.name: one.files.get(MARKED) for one in self._host.distros.values()}

    def found(self):
        """With a VM for the tarballs of the user, which miss a file if a task has overwritten it."""
        files = self._host.files
        below = {path: None for path in files.contents if files.vhd(path)}
        kept = [files.key(path) for path in (TAR, OTHER)]
        below.update({path: None for path in kept if files.contents.get(path) == packed(FILES)})
        user = lists.Seen("stopped", tuple(kept))
        return lists.Found({"user": user, **{one.name: self._seen(one) for one in self._host.distros.values()}}, below)

    def _seen(self, distro):
        """Two distributions never have one directory, whether they run or not; so it is compared like a MAC."""
        vm, folder = reading.vm_state(self._host, distro), self._host.files.key(distro.base)
        return lists.Seen(vm["power"], (self._host.files.key(distro.disk),), (("directory", folder),))


def test_generated_lists():
    lists.assert_all_true(number_of_pairs(40), lambda place: nullcontext(OnWsl(place)))
