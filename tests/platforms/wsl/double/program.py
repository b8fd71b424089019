# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wsl.exe: its commands and output. It prints its messages as UTF-16LE, and its errors to standard output."""

from __future__ import annotations

import re
import tarfile

from platforms.hyperv.double.files import parent
from platforms.hyperv.double.records import Vhd
from platforms.windows.programs import Finished, split
from platforms.wsl.double.distro import GIB, Distro, disk_with, packed, unpacked
from platforms.wsl.double.texts import STATES

_NAME = re.compile(r"[a-zA-Z0-9._-]{1,256}")
_UNITS = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": GIB, "TB": GIB << 10}
_FAILED = 0xFFFFFFFF - (1 << 32)
_FORMATS = {"tar": "w", "tar.gz": "w:gz", "tar.xz": "w:xz"}
#: {option: the version of the package that introduced it}
_SINCE = {"--manage": (2, 0), "--move": (2, 4, 4), "--resize": (2, 4, 4), "--set-default-user": (2, 4, 4)}


class WslError(Exception):
    """An error of wsl.exe: the key of its text, and its code, such as Wsl/Service/...; an empty one is not printed."""

    def __init__(self, key, code="", *values):
        super().__init__(key)
        self.key, self.code, self.values = key, code, values


class WslProgram:
    """One run of a host's wsl.exe."""

    def __init__(self, host, line, stdin, environment):
        self.host, self.stdin, self.words = host, stdin, split(line)
        self._utf8 = not host.is_inbox and environment.get("WSL_UTF8") == "1" and not host.knobs.ignores_utf8
        self._errors = b""

    def finished(self):
        try:
            return self._carry_out()
        except WslError as error:
            lines = [self.host.text(error.key).format(*error.values)]
            lines += [self.host.text("label").format(error.code)] if error.code else []
            return self._own(lines, _FAILED)

    def _own(self, lines, code=0, seconds=0.0):
        """The result of a run in which wsl.exe itself prints these lines."""
        text = "".join(f"{line}\r\n" for line in lines)
        return Finished(code, text.encode("utf-8" if self._utf8 else "utf-16-le"), self._errors, seconds)

    def _done(self, seconds=0.0, lines=()):
        return self._own([*lines, self.host.text("success")], seconds=seconds)

    def _carry_out(self):
        self._check_host()
        words = self.words
        first = words[0] if words else ""
        handlers = {
            "--version": self._version, "--status": self._status, "--list": self._list, "-l": self._list,
            "--import": self._import, "--export": self._export, "--unregister": self._unregister,
            "--terminate": self._terminate, "-t": self._terminate, "--shutdown": self._shutdown,
            "--set-default": self._set_default, "-s": self._set_default, "--set-version": self._set_version,
            "--set-default-version": self._set_default_version, "--manage": self._manage, "--install": self._install,
        }  # fmt: skip
        if first in handlers:
            return handlers[first](words[1:])
        if first.startswith("--") and first not in ("--distribution", "--user", "--exec", "--cd"):
            raise WslError("argument", "", first)
        return self._launch(words)

    def _check_host(self):
        if self.host.windows.about["local_system"]:
            raise WslError("local_system", "Wsl/Service/WSL_E_LOCAL_SYSTEM_NOT_SUPPORTED")
        if self.host.knobs.refuses_session:
            raise WslError("access")
        if self.host.is_inbox and self.host.features["Microsoft-Windows-Subsystem-Linux"] != "Enabled":
            raise WslError("usage")

    def _need(self, option):
        """Fail if this version does not know the option."""
        if self.host.version < _SINCE[option]:
            raise WslError("option" if self.host.is_inbox else "argument", "", option)

    def _need_update(self, option):
        """Fail if it is the wsl.exe of Windows 10 2004 without updates."""
        if self.host.is_inbox:
            raise WslError("option", "", option)

    def _distro(self, name):
        found = self.host.find(name)
        if found is None:
            raise WslError("not_found", "Wsl/Service/WSL_E_DISTRO_NOT_FOUND")
        if found.lock or found.state != 1:
            raise WslError("busy", "Wsl/Service/E_ILLEGAL_STATE_CHANGE")
        return found

    def _need_disk(self, distro, part):
        """Fail if the virtual disk does not exist; a distribution that runs has it open."""
        files = self.host.files
        if distro.version == 1 or distro.running:
            return
        mount = f"Wsl/Service/{part}{'MountDisk' if self.host.version >= (2, 6) else 'MountVhd'}/HCS"
        if files.file(distro.disk) is None:
            what = "FILE" if files.is_folder(distro.base) else "PATH"
            raise WslError("no_disk", f"{mount}/ERROR_{what}_NOT_FOUND", distro.disk)
        if files.is_denied(distro.disk):
            raise WslError("denied_disk", f"{mount}/E_ACCESSDENIED", distro.disk)

    def _need_right(self, path, part):
        """Fail if the user may not open a file, or create one in a directory. The ``part`` of the code is assumed."""
        if self.host.files.is_denied(path):
            raise WslError("denied", f"Wsl/{part}E_ACCESSDENIED")

    # Reading

    def _version(self, _words):
        if self.host.is_inbox:
            raise WslError("option", "", "--version")
        version, windows = self.host.flavour, f"10.0.{self.host.windows.about['build']}.7462"
        lines = self.host.text("versions").format(f"{version}.0", "6.6.87.2-1", "1.0.71", windows)
        return self._own(lines.split("\r\n"))

    def _status(self, _words):
        # Windows 10 says 2, too, where it creates version 1: microsoft/WSL 8004.
        return self._own([f"Default Version: {self.host.default_version or 2}"])

    def _list(self, words):
        quiet, running = {"--quiet", "-q"} & set(words), "--running" in words
        if "--online" in words:
            self._need_update("--online")
            return self._own(["", "", "", "NAME FRIENDLY NAME", *(f"{name} {name}" for name in self.host.online)])
        listed = [one for one in self.host.in_order() if one.state == 1 and (one.running or not running)]
        if not self.host.distros and (not quiet or self.host.is_inbox):
            raise WslError("none_inbox" if self.host.is_inbox else "none")
        if quiet:
            return self._own([one.name for one in listed])
        if running and not listed:
            raise WslError("none_running")
        if {"--verbose", "-v"} & set(words):
            return self._own(self._table(listed))
        first = [self.host.text("default").format(one.name) if one.guid == self.host.default else one.name
                 for one in listed]  # fmt: skip
        return self._own([self.host.text("list"), *first])

    def _table(self, listed):
        name, state, version, running, stopped = STATES[self.host.culture if self.host.is_inbox else "en-US"]
        width = max(len(one.name) for one in listed) + 4
        yield f"  {name:<{width}}{state:<16}{version}"
        for one in listed:
            words = one.lock or (running if one.running else stopped)
            yield f"{'*' if one.guid == self.host.default else ' '} {one.name:<{width}}{words:<16}{one.version}"

    # Registration

    def _check_new(self, name, folder):
        if not _NAME.fullmatch(name):
            raise WslError("name", "Wsl/Service/RegisterDistro/E_INVALIDARG", name)
        if self.host.find(name):
            raise WslError("exists", "Wsl/Service/RegisterDistro/ERROR_ALREADY_EXISTS")
        files = self.host.files
        if any(files.key(one.base) == files.key(folder) for one in self.host.distros.values()):
            raise WslError("location", "Wsl/Service/RegisterDistro/ERROR_FILE_EXISTS")
        if files.file(f"{folder}\\ext4.vhdx") is not None:
            raise WslError("location", "Wsl/Service/RegisterDistro/ERROR_FILE_EXISTS")

    @staticmethod
    def _need_no_root(folder, part):
        """Windows denies to create the root directory of a drive, although it exists."""
        if folder.rstrip("\\").endswith(":"):
            raise WslError("denied", f"Wsl/Service/{part}/E_ACCESSDENIED")

    def _import(self, words):
        name, folder, file, *options = words
        content = self.host.files.file(file)
        if content is None:
            raise WslError("no_file", "Wsl/ERROR_FILE_NOT_FOUND")
        self._need_right(file, "")
        version = int(options[options.index("--version") + 1]) if "--version" in options else None
        is_disk = isinstance(content, Vhd)
        if is_disk and "--vhd" not in options:
            raise WslError("looks_like_vhd")
        if "--vhd" in options and not file.lower().endswith(".vhdx"):
            raise WslError("vhd_name")
        self._check_new(name, folder)
        if is_disk and (version or self.host.default_version) == 1:
            raise WslError("wsl2", "Wsl/Service/RegisterDistro/WSL_E_WSL2_NEEDED")
        return self._registered(name, folder, content, version)

    def _registered(self, name, folder, content, version, **values):
        version = version or self.host.default_version or self.host.own_default()
        files = self.host.files
        is_new = not files.is_folder(folder)
        self._need_no_root(folder, "RegisterDistro")
        if version == 2 and not self.host.is_inbox and self.host.features["VirtualMachinePlatform"] != "Enabled":
            code = "Wsl/Service/RegisterDistro/CreateVm/HCS/HCS_E_SERVICE_NOT_AVAILABLE"
            raise WslError("components", code)
        if is_new and not files.is_folder(parent(folder)):
            raise WslError("no_path", "Wsl/Service/RegisterDistro/ERROR_PATH_NOT_FOUND")
        self._need_right(folder, "Service/RegisterDistro/")
        files.make(folder)
        base = f"\\\\?\\{folder}" if self.host.knobs.long_paths else folder
        distro = Distro(name, base, flags=15 if version == 2 else 7, state=3, values=dict(values))
        self.host.distros[distro.guid] = distro
        try:
            distro.files = self._content(content)
            if not files.has_room(folder, 16 << 20):
                raise WslError("disk_full", "Wsl/Service/RegisterDistro/ERROR_DISK_FULL")
        except WslError:
            del self.host.distros[distro.guid]
            if is_new:
                files.delete(folder)
            raise
        if version == 2:
            files.put(distro.disk, content.copy() if isinstance(content, Vhd) else disk_with({}))
        else:
            files.put(f"{folder}\\rootfs\\init", b"")
        distro.state = 1
        self.host.default = self.host.default or distro.guid
        return self._done(self.host.knobs.seconds["import"])

    def _content(self, content):
        if isinstance(content, Vhd):
            return dict(content.tree)
        try:
            files = unpacked(content)
        except (tarfile.TarError, EOFError, OSError):
            self._errors = b"bsdtar: Error opening archive: Unrecognized archive format\n"
            raise WslError("import", "Wsl/Service/RegisterDistro/WSL_E_IMPORT_FAILED") from None
        if not any(path.startswith("/etc/") for path in files):
            raise WslError("not_linux", "Wsl/Service/RegisterDistro/WSL_E_NOT_A_LINUX_DISTRO")
        return files

    def _install(self, words):
        self._need_update("--install")
        if self.host.version < (2, 4, 4) and {"--name", "--location", "--from-file"} & set(words):
            word = next(one for one in words if one in ("--name", "--location", "--from-file"))
            raise WslError("argument", "", word)
        options = {words[place]: words[place + 1] for place, word in enumerate(words[:-1]) if word.startswith("--")}
        source = options.get("--from-file")
        friendly = source or next((one for one in words if not one.startswith("--")), "")
        if source and self.host.files.file(source) is None:
            raise WslError("no_file", "Wsl/InstallDistro/ERROR_FILE_NOT_FOUND")
        self._need_right(source or "", "InstallDistro/")
        if not source and friendly not in self.host.online:
            raise WslError("online", "Wsl/InstallDistro/WSL_E_DISTRO_NOT_FOUND", friendly)
        name = options.get("--name", friendly)
        folder = options.get("--location", f"C:\\Users\\admin\\AppData\\Local\\wsl\\{name}")
        self._check_new(name, folder)
        content = self.host.files.file(source) if source else packed(self.host.online[friendly])
        # These versions ignore the default version: microsoft/WSL 12298.
        ignores_default = source and (2, 4, 4) <= self.host.version < (2, 4, 8)
        version = options.get("--version") or (2 if ignores_default else None)
        self._registered(name, folder, content, version and int(version), Modern=1, RunOOBE=1, Flavor=friendly.lower())
        return self._own([self.host.text("from_file" if source else "install").format(friendly, name)],
                         seconds=self.host.knobs.seconds["import"])  # fmt: skip

    def _export(self, words):
        name, file, *options = words
        distro = self._distro(name)
        format_ = options[options.index("--format") + 1] if "--format" in options else "tar"
        if "--format" in options and self.host.version < (2, 5, 10):
            raise WslError("argument", "", "--format")
        is_disk = "--vhd" in options or format_ == "vhd"
        if is_disk and not file.lower().endswith(".vhdx"):
            raise WslError("vhd_name")
        if is_disk and distro.version == 1:
            raise WslError("wsl2", "Wsl/Service/WSL_E_WSL2_NEEDED")
        if not self.host.files.is_folder(parent(file)):
            raise WslError("no_path", "Wsl/ERROR_PATH_NOT_FOUND")
        self._need_right(file, "")
        self.host.stop(distro)
        self._need_disk(distro, "")
        content = disk_with(distro.files) if is_disk else packed(distro.files, _FORMATS[format_])
        if not self.host.files.has_room(file, self.host.files.length(content)):
            self.host.files.delete(file)
            raise WslError("disk_full", "Wsl/Service/ERROR_DISK_FULL")
        self.host.files.put(file, content)
        return self._done(self.host.knobs.seconds["export"])

    def _unregister(self, words):
        distro = self._distro(words[0])
        self.host.stop(distro)
        files = self.host.files
        for path in distro.taken(files):
            files.delete(path)
        if not files.below(distro.base):
            files.delete(distro.base)
        del self.host.distros[distro.guid]
        if self.host.default == distro.guid:
            self.host.default = min(self.host.distros, default=None)
        return self._done()

    # Power

    def _terminate(self, words):
        self.host.stop(self._distro(words[0]))
        return self._done()

    def _shutdown(self, _words):
        for distro in self.host.distros.values():
            self.host.stop(distro)
        return self._own([])

    def _launch(self, words):
        options, place = {}, 0
        while place < len(words) and words[place] in ("-d", "--distribution", "-u", "--user"):
            options[words[place].lstrip("-")[0]] = words[place + 1]
            place += 2
        command = words[place + 1 :] if words[place : place + 1] and words[place] in ("-e", "--exec", "--") else ()
        distro = self._distro(options["d"]) if "d" in options else self.host.distros.get(self.host.default)
        if distro is None:
            raise WslError("none", "Wsl/WSL_E_DEFAULT_DISTRO_NOT_FOUND")
        if not command:
            raise AssertionError(f"a login shell is started and waits: {words}")
        if self.host.knobs.create_vm_fails and distro.version == 2:
            raise WslError("create_vm", "Wsl/Service/CreateInstance/CreateVm/0x8007023f")
        self._need_disk(distro, "CreateInstance/")
        self.host.start(distro)
        if options.get("u", "root") not in distro.users():
            self.host.used(distro)
            raise WslError("user", "Wsl/WSL_E_USER_NOT_FOUND")
        if distro.never_ends(command):
            return Finished(0, seconds=float("inf"))
        code, output, errors = distro.run(command, self.stdin)
        self.host.used(distro)
        if code in (67, 87):
            raise WslError("user", "Wsl/WSL_E_USER_NOT_FOUND" if code == 67 else "Wsl/WSL_E_TTY_LIMIT")
        errors = b"wsl: warning\n" + errors if self.host.knobs.warns else errors
        return Finished(code, output, errors, 0.1)

    # Settings

    def _set_default(self, words):
        self.host.default = self._distro(words[0]).guid
        return self._done()

    def _set_default_version(self, words):
        if words[0] not in ("1", "2"):
            raise WslError("bad_version", "Wsl/ERROR_VERSION_PARSE_ERROR", words[0])
        self.host.default_version = int(words[0])
        return self._done(lines=[self.host.text("differences")] if words[0] == "2" else [])

    def _set_version(self, words):
        distro = self._distro(words[0])
        if words[1] not in ("1", "2"):
            raise WslError("bad_version", "Wsl/ERROR_VERSION_PARSE_ERROR", words[1])
        if distro.version == int(words[1]):
            raise WslError("version", "Wsl/Service/WSL_E_VM_MODE_INVALID_STATE")
        self.host.stop(distro)
        self._need_disk(distro, "")
        distro.flags = distro.flags ^ 8
        files = self.host.files
        if distro.version == 2:
            files.put(distro.disk, disk_with({}))
            files.delete(f"{distro.base}\\rootfs\\init")
            files.delete(f"{distro.base}\\rootfs")
        else:
            files.delete(distro.disk)
            files.put(f"{distro.base}\\rootfs\\init", b"")
        return self._done(self.host.knobs.seconds["convert"])

    def _manage(self, words):
        self._need("--manage")
        name, action, *rest = words
        if action in _SINCE:
            self._need(action)
        distro = self._distro(name)
        actions = {"--move": self._move, "--resize": self._resize, "--set-sparse": self._set_sparse}
        if action not in actions:
            raise WslError("argument", "", action)
        if distro.running:
            path = "Wsl/Service/MoveDistro/" if action == "--move" else "Wsl/Service/"
            raise WslError("running", f"{path}WSL_E_DISTRO_NOT_STOPPED")
        if distro.version == 1:
            raise WslError("wsl2", "Wsl/Service/WSL_E_WSL2_NEEDED")
        self._need_disk(distro, "")
        actions[action](distro, rest)
        return self._done(self.host.knobs.seconds["convert"])

    def _move(self, distro, words):
        files, folder = self.host.files, words[0]
        self._need_no_root(folder, "MoveDistro")
        self._need_right(folder, "Service/MoveDistro/")
        if files.file(f"{folder}\\{distro.vhd}") is not None:
            raise WslError("location", "Wsl/Service/MoveDistro/ERROR_FILE_EXISTS")
        if not files.is_folder(folder) and not files.is_folder(parent(folder)):
            raise WslError("no_path", "Wsl/Service/MoveDistro/ERROR_PATH_NOT_FOUND")
        files.make(folder)
        files.put(f"{folder}\\{distro.vhd}", files.file(distro.disk))
        files.delete(distro.disk)
        distro.base = folder

    def _resize(self, distro, words):
        found = re.fullmatch(r"(\d+)([KMGT]?B)", words[0])
        if not found:
            raise WslError("size", "Wsl/E_INVALIDARG", words[0])
        size, disk = int(found[1]) * _UNITS[found[2]], self.host.files.vhd(distro.disk)
        if not disk.used <= size <= 64 << 40:
            raise WslError("resize", "Wsl/Service/E_FAIL")
        disk.size = size

    def _set_sparse(self, distro, words):
        is_wanted = words[0] == "true"
        if is_wanted and self.host.version >= (2, 5) and "--allow-unsafe" not in words:
            raise WslError("sparse", "Wsl/Service/E_INVALIDARG")
        self.host.files.vhd(distro.disk).sparse = is_wanted
