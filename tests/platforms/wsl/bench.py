# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of a host with WSL in the process of a test, for generated tasks."""

from __future__ import annotations

from contextlib import nullcontext
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.modules import wsl_distro
from hypothesis import strategies as st

from platforms.windows.bench import WindowsBench
from platforms.wsl import reading
from platforms.wsl.double.distro import FILES, packed, unpacked
from platforms.wsl.double.host import is_write
from platforms.wsl.double.program import WslProgram
from platforms.wsl.tasks import TAR, host_with_image, run, state_of
from suite import lists
from suite.pairs import cases

OTHER = "C:\\images\\other.tar"
#: Directories, two of them the default ones of distributions, and exports: each in several spellings.
LOCATIONS = (
    *("D:\\vms\\x", "d:/VMS/X", "D:\\vms\\x\\", "D:\\vms\\sub\\..\\X"),
    *("D:\\vms\\y", "d:/vms/Y/", "C:\\WSL\\a", "c:/wsl/B/"),
)
EXPORTS = ("C:\\images\\out.tar", "c:/IMAGES/Out.TAR", "C:\\images\\sub\\..\\out.tar", "C:\\images\\two.tar", OTHER)
#: A file in which each distribution has the ID of the first one that had its content.
MARKED = "/root/id"
_SETTINGS = {
    "description": st.sampled_from(["", 'one "two"\nthree']),
    "tags": st.sampled_from([[], ["a"]]),
    "default_user": st.sampled_from(["root", "anna"]),
    "systemd": st.booleans(),
    "native": st.sampled_from([{"network.hostname": "web"}, {"network.hostname": "ü # x"}]),
    "keep_running": st.sampled_from(["true", "false", "at_logon"]),
    "disks": st.sampled_from([[{"size": "1T"}], [{"size": "2T"}]]),
    "install_location": st.sampled_from(["C:\\WSL\\web", "D:\\moved\\web"]),
}


def _options(choose, _is_new):
    """Options of an entry that only WSL has."""
    values = {"install_location": (5, LOCATIONS), "export": (8, EXPORTS), "default": (15, (True,))}
    return {name: choose.choice(some) for name, (rarity, some) in values.items() if choose.randrange(rarity) == 0}


class OnWsl(WindowsBench):
    """A host with two tarballs."""

    name, module = "wsl", wsl_distro
    unread_while_stopped, is_recorded_late = ("native",), True
    cases = cases(
        _SETTINGS,
        (ABSENT, STOPPED, RUNNING),
        ("present", "started", "stopped", "restarted", "absent"),
        purge=(),
        stop_mode=st.just("force"),
    )
    creation: ClassVar = {"image": {"source": TAR}}
    has_snapshots = False
    about_info = "distro_info"
    clones: ClassVar = {"full": None}
    #: Values of the registry, and texts of wsl.conf.
    foreign = (
        {"DefaultUid": 1007}, {"Flags": 8}, {"KernelCommandLine": "quiet"}, {"DefaultEnvironment": ["EDITOR=vi"]},
        b'# mine\r\n[ boot ]\r\n[Boot]\r\ncommand = "a # b" # run\r\nSYSTEMD=0\r\n[x]\r\nnot a line\r\n',
        b"\xef\xbb\xbf[network]\nhostname=\xc3\xbc\nhostname=b\ngenerateHosts = FALSE\n", b"[user]\ndefault=nobody",
        b"",
        b"[user]\ndefault = daemon\n[automount]\noptions = \"metadata,uid=1000\"\n\n\n[user]\ndefault=root\n",
    )  # fmt: skip
    common: ClassVar = {"stop_mode": "force", "allow_restart": True}
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
        self.host, self._place = host_with_image(idle_seconds=1e9), place
        self.host.files.put(OTHER, packed(FILES))
        self.host.files.make("C:\\images\\sub")

    @classmethod
    def opened(cls, place=0, ground=None):
        return nullcontext(cls(place))

    def change(self, definition):
        distro = self.host.find("web")
        if isinstance(definition, bytes):
            distro.files["/etc/wsl.conf"] = definition
        distro.values.update({} if isinstance(definition, bytes) else definition)

    def is_writing(self, arguments, stdin, environment):
        return is_write(("wsl", *WslProgram(self.host, arguments, stdin, environment).words))

    def run_module(self, about, check, machines=(), **options):
        if about == self.about_info:
            return run(self.host, about, **options)
        known, files = set(self.host.distros), set(self.host.files.contents)
        result = run(self.host, check=check, machines=machines, **options)
        new = [one for guid, one in self.host.distros.items() if guid not in known]
        if not result["failed"] and not check:
            self._assert_contents(machines, {one.name for one in new}, set(self.host.files.contents) - files)
        for distro in new:
            distro.files.setdefault(MARKED, distro.guid.encode())
        self.host.tick(2)
        return result

    def _assert_contents(self, entries, new, exports):
        """Clones and exports have the content of the distribution that they are made from."""
        for entry in entries:
            distro = self.host.find(entry["name"]) if "name" in entry else self.host.distros.get(entry["id"].lower())
            path = self.host.files.key(entry.get("export", ""))
            if path in exports:
                assert unpacked(self.host.files.contents[path]).get(MARKED) == distro.files.get(MARKED), path
            if distro is not None and distro.name in new and "clone" in entry:
                source = self.host.find(entry["clone"]["source"])
                assert distro.files.get(MARKED) == source.files.get(MARKED), distro.name

    def id_of(self, name):
        """The ID; on each second host in capital letters, which are the same."""
        found = self.host.find(name)
        return found and (found.guid.upper() if self._place % 2 else found.guid)

    def state(self):
        return state_of(self.host), {one.name: one.files.get(MARKED) for one in self.host.distros.values()}

    def end_state(self):
        """All but ids and the marks of the bench, and empty directories outside of that for distributions."""
        self.host.tick(2)
        distros = {
            one.name: (reading.vm_state(self.host, one), one.base, one.version, one.uid, one.clients > 0)
            for one in self.host.distros.values()
        }
        for stands, *_more in distros.values():
            del stands["id"]
        tasks = sorted((task.words[1], task.is_enabled, task.is_running) for task in self.host.tasks.values())
        default = self.host.distros[self.host.default].name if self.host.default else None
        return distros, tasks, sorted(self.host.files.contents), default

    def found(self):
        """With a VM for the tarballs of the user, which miss a file if a task has overwritten it."""
        files = self.host.files
        below = {path: None for path in files.contents if files.vhd(path)}
        kept = [files.key(path) for path in (TAR, OTHER)]
        below.update({path: None for path in kept if files.contents.get(path) == packed(FILES)})
        user = lists.Seen("stopped", tuple(kept))
        return lists.Found({"user": user, **{one.name: self._seen(one) for one in self.host.distros.values()}}, below)

    def _seen(self, distro):
        """Two distributions never have one directory, whether they run or not; so it is compared like a MAC."""
        vm, folder = reading.vm_state(self.host, distro), self.host.files.key(distro.base)
        return lists.Seen(vm["power"], (self.host.files.key(distro.disk),), (("directory", folder),))
