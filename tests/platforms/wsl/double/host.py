# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host with WSL: its state, methods with which tests prepare and observe it, and the dispatch of calls."""

from __future__ import annotations

import io
import lzma
import re
import tarfile
import zlib
from dataclasses import dataclass, field

from platforms.hyperv.double.calls import Call
from platforms.hyperv.double.files import FileSystem, base, extension
from platforms.windows.failures import Failed
from platforms.windows.host import WindowsHost
from platforms.windows.objects import NetObject
from platforms.windows.programs import Finished, split
from platforms.wsl.double import commands
from platforms.wsl.double.conf import read_conf
from platforms.wsl.double.distro import FILES, Distro, disk_with
from platforms.wsl.double.program import WslProgram
from platforms.wsl.double.texts import LANGUAGES

TAR = "C:\\Windows\\System32\\tar.exe"
PACKAGED, INBOX = "C:\\Program Files\\WSL\\wsl.exe", "C:\\Windows\\System32\\wsl.exe"
SID = "S-1-5-21-1-2-3-1001"
_READS = ("Get-", "Test-")
_ENVIRONMENT = {
    "SystemRoot": "C:\\Windows",
    "ProgramW6432": "C:\\Program Files",
    "ProgramFiles": "C:\\Program Files",
    "USERPROFILE": "C:\\Users\\admin",
    "LOCALAPPDATA": "C:\\Users\\admin\\AppData\\Local",
    "PROCESSOR_ARCHITECTURE": "AMD64",
    "TEMP": "C:\\Temp",
}


@dataclass
class Knobs:
    """Settings in which hosts differ, and known problems.

    ``refuses_session``: wsl.exe of the Store cannot be executed from session 0. ``create_vm_fails``: WSL cannot start,
    because nobody has logged on. ``refuses_s4u``: scheduled tasks cannot log on with S4U. ``ignores_utf8``: output is
    UTF-16 in spite of WSL_UTF8. ``warns``: wsl.exe writes its own warnings before the errors of a program.
    ``denies_disk_images``: the sizes of disks cannot be read. ``long_paths``: the registry has paths with the prefix of
    long paths.
    """

    idle_seconds: float = 15.0
    seconds: dict = field(
        default_factory=lambda: {"import": 5.0, "export": 5.0, "convert": 10.0, "start": 1.0, "scheduled start": 1.0}
    )
    refuses_session: bool = False
    create_vm_fails: bool = False
    refuses_s4u: bool = False
    ignores_utf8: bool = False
    warns: bool = False
    denies_disk_images: bool = False
    long_paths: bool = False


class _Files(FileSystem):
    """Files by paths, which may have the prefix of long paths (``\\\\?\\``)."""

    def _key(self, path):
        return super()._key(path.removeprefix("\\\\?\\"))


class WslHost:
    """``flavour``: the version of WSL's package, or "inbox". ``windows`` answers requests."""

    def __init__(self, flavour="2.6.3", culture="en-US", knobs=None):
        self.flavour, self.culture, self.knobs = flavour, culture, knobs or Knobs()
        self.is_inbox = flavour == "inbox"
        self.version = (0,) if self.is_inbox else tuple(map(int, flavour.split(".")))
        self.files = _Files()
        self.files.environment = dict(_ENVIRONMENT)
        for folder in ("C:\\Windows\\System32", "C:\\Users\\admin\\AppData\\Local\\wsl", "C:\\WSL", "C:\\images"):
            self.files.make(folder)
        self.distros, self.tasks, self.default, self.default_version = {}, {}, None, None
        self.online = {"Debian": dict(FILES), "Ubuntu": dict(FILES)}
        self.features = dict.fromkeys(("Microsoft-Windows-Subsystem-Linux", "VirtualMachinePlatform"), "Enabled")
        self.log, self._hooks, self._hooks_before = [], [], []
        self.windows = WindowsHost(
            commands.commands(), self._invoke, run=self._run, files=self.files, about=self._about()
        )
        self.clock = self.windows.clock

    def _about(self):
        about = {"powershell": "5.1.26100.1", "edition": "Desktop", "build": 19041 if self.is_inbox else 26100}
        about |= {"computer": "HOST", "user": "admin", "culture": self.culture, "session": 0, "elevated": True}
        return {**about, "sid": SID, "local_system": False, "now": "2026-01-01T00:00:00.0000000Z"}

    # Methods for tests

    def find(self, name):
        """The distribution with this name (case is ignored), or None."""
        return next((one for one in self.distros.values() if one.name.lower() == name.lower()), None)

    def own_default(self):
        """The version of a new distribution if the registry sets none: "Set WSL2 as the default" is of build 20150."""
        return 1 if self.is_inbox and self.windows.about["build"] < 20150 else 2

    def in_order(self):
        """All distributions: the default one first, the others sorted by their registry keys."""
        return sorted(self.distros.values(), key=lambda one: (one.guid != self.default, one.guid))

    def add(self, name, **about):
        """Add a distribution that somebody else has registered."""
        distro = Distro(name, about.pop("base", f"C:\\Users\\admin\\{name}"), **about)
        self.files.make(distro.base)
        if distro.version == 2:
            self.files.put(distro.disk, disk_with({}))
        self.distros[distro.guid] = distro
        self.default = self.default or distro.guid
        if distro.running:
            distro.clients += 1
        return distro

    def tick(self, seconds):
        """Let time pass."""
        self.clock.sleep(seconds)

    def reboot(self, logs_on=False):
        """Restart Windows; scheduled tasks start at their triggers."""
        for distro in self.distros.values():
            distro.running, distro.clients = False, 0
        for task in self.tasks.values():
            task.is_running = False
            triggers = ["BootTrigger", *(["LogonTrigger"] if logs_on else [])]
            if task.is_enabled and any(f"<{one}" in task.xml for one in triggers):
                self.start_task(task)

    def after(self, word, act, call=1):
        """Call ``act`` after the ``call``-th call, from now, of this command or of wsl.exe with this argument."""
        self._hooks.append([word, call, act])

    def before(self, word, act):
        """Call ``act`` before the next call of wsl.exe with this argument."""
        self._hooks_before.append([word, 1, act])

    def writes(self):
        """All calls so far that may have changed something, as tuples of words."""
        return [words for words in self.log if is_write(words)]

    # Changes of the host's state

    def start(self, distro):
        if not distro.running:
            self.clock.sleep(self.knobs.seconds["start"])
        distro.start()

    def stop(self, distro):
        distro.running, distro.clients = False, 0
        for task in self.tasks.values():
            if self._means(task) is distro:
                task.is_running = False

    def used(self, distro):
        """A program on Windows has stopped using the distribution: without other clients, it stops after a while."""
        distro.uses += 1
        uses, seconds = distro.uses, self.idle_seconds()

        def end():
            if distro.uses == uses and not distro.clients:
                distro.running = False

        if seconds is not None:
            self.clock.at(seconds, end)

    def idle_seconds(self):
        found = re.fullmatch(r"-?[0-9]+", self.wslconfig().get("general.instanceidletimeout", ""))
        if found and self.version >= (2, 5, 10):
            return None if int(found[0]) < 0 else int(found[0]) / 1000
        return self.knobs.idle_seconds

    def wslconfig(self):
        """The settings of the user as WSL reads them: it opens the file with ``rt,ccs=UTF-8``."""
        content = self.files.file("C:\\Users\\admin\\.wslconfig") or b""
        if content.startswith(b"\xfe\xff"):
            return {}  # UTF-16BE cannot be opened.
        encoding = "utf-16" if content.startswith(b"\xff\xfe") else "utf-8-sig"
        return read_conf(content.decode(encoding, "replace"))

    def _means(self, task):
        return self.find(task.words[1]) if len(task.words) > 1 else None

    def start_task(self, task):
        """Start the program of a scheduled task."""
        if self.knobs.refuses_s4u and "S4U" in task.xml:
            task.result = commands.LOGON_REFUSED
            return
        distro = self._means(task)
        known = self.files.key(self.files.expand(task.value("Actions", "Exec", "Command")))
        if distro is None or known not in map(self.files.key, self._programs()) or task.is_running:
            task.result = commands.RUNNING if task.is_running else 0xFFFFFFFF
            return
        task.is_running, task.result = True, commands.RUNNING
        self.clock.at(self.knobs.seconds["scheduled start"], lambda: self._begin(task, distro))

    def _begin(self, task, distro):
        if task.is_running:
            distro.start()
            distro.clients += 1

    def end_task(self, task):
        distro = self._means(task)
        if task.is_running and distro is not None:
            distro.clients = max(distro.clients - 1, 0)
            self.used(distro)
        task.is_running, task.result = False, 0x00041306

    # Programs and commands that requests call

    def _programs(self):
        return [INBOX] if self.is_inbox else [PACKAGED, INBOX]

    def _run(self, file, arguments, stdin, environment, seconds):
        if self.files.key(file) == self.files.key(TAR):
            return self._tar(split(arguments))
        if self.files.key(file) not in map(self.files.key, self._programs()):
            return None
        program = WslProgram(self, arguments, stdin, environment)
        words = ("wsl", *program.words)
        self._note_reading(words)
        self._run_hooks(self._hooks_before, program.words)
        finished = program.finished()
        self._run_hooks(self._hooks, program.words)
        return finished

    def _tar(self, words):
        """bsdtar of Windows, which regards an archive as complete that ends between two files; listing is the same."""
        assert (words[0], words[2:]) == ("-tf", ["--exclude=*"]), words
        try:
            with tarfile.open(fileobj=io.BytesIO(self.files.file(words[1]) or b"")) as tar:
                for one in tar:
                    tar.fileobj.seek(one.offset_data)
                    if len(tar.fileobj.read(one.size)) < one.size:
                        raise EOFError
        except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError):
            return Finished(1, b"", b"tar.exe: Truncated input file\r\n")
        return Finished(0)

    def _note_reading(self, words):
        """Record a call. If it stops a distribution that was started only to be read, record ``--end-of-reading``."""
        named = self.find(words[2]) if len(words) > 2 else None
        if named and words[1] == "-d" and not named.running:
            named.is_read = not is_write(words)
        if named and words[1] == "--terminate" and named.running and named.is_read:
            words = ("wsl", "--end-of-reading", named.name)
        elif named and words[1] == "-d" and is_write(words):
            named.is_read = False
        self.log.append(words)

    def _invoke(self, context, command, bound):
        call = Call(self, context, command, bound)
        self.log.append((command.name, str(bound.values)))
        handler = commands.HANDLERS.get(command.name)
        if handler is None:
            raise Failed(f"NotImplementedInFake,{command.name}", "NotImplemented", command.name)
        found = list(handler(call) or ())
        self._run_hooks(self._hooks, [command.name])
        return found

    @staticmethod
    def _run_hooks(hooks, words):
        for hook in [one for one in hooks if one[0] in words]:
            hook[1] -= 1
            if hook[1] == 0:
                hooks.remove(hook)
                hook[2]()

    def text(self, key, **values):
        found = LANGUAGES[self.culture][key]
        return found.format(**values) if values else found

    # Methods for the commands for files

    @property
    def views(self):
        return self

    def item(self, path):
        name, files = self.files.name(path), self.files
        about = {"FullName": name, "Name": base(name), "PSChildName": base(name), "Extension": extension(path)}
        if files.is_folder(path):
            return NetObject("System.IO.DirectoryInfo", **about, PSIsContainer=True, Attributes="Directory")
        content = files.file(path)
        attributes = "Archive, SparseFile" if getattr(content, "sparse", False) else "Archive"
        about |= {
            "LastWriteTimeUtc": files.changed_at(path),
            "Length": files.length(content),
            "Attributes": attributes,
            "PSIsContainer": False,
        }
        return NetObject("System.IO.FileInfo", **about)

    def is_locked(self, path):
        return any(one.running and self.files.key(one.disk) == path for one in self.distros.values())


_CHANGING = re.compile(r">|\b(mv|cp|rm|touch|mkdir|chmod|useradd|adduser|true)\b")


def is_write(words):
    """Whether a call may have changed something; starting a distribution to read it and stopping it does not."""
    if words[0] != "wsl":
        return not words[0].startswith(_READS)
    if words[1] in ("--version", "--status", "--list", "--end-of-reading"):
        return False
    return words[1] != "-d" or _CHANGING.search(words[-1]) is not None
