# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL as far as it is read: all distributions of the user in one request.

What is stored in a distribution (wsl.conf, users) can be read only while it runs. So it is read only if the task sets
it, or if the distribution runs; one that was stopped is stopped again.
"""

from __future__ import annotations

from ..._lifecycle.errors import Unavailable
from ..._lifecycle.light import KnownSettings, is_light
from ..._lifecycle.mark import parsed
from ..._lifecycle.model import Observation, Vm
from ..._ports.windows import connection
from ..._ports.windows_request import Chain, call, properties, read
from ..._tools import wsl_conf
from ..._tools.windows_files import file_command, key_of
from ..._tools.wsl import (
    INBOX,
    INSTALLED,
    MARK,
    PACKAGED,
    SETTINGS_FILE,
    WslFailed,
    check,
    decoded,
    disk_calls,
    export_file,
    in_shell,
    read_distros,
    read_running,
    read_versions,
    registry_calls,
    running_call,
    tasks_call,
    version_call,
    wsl,
)
from .observe import Host, Inner, config_of, files_of, observed_vm, plain_path
from .traits import FOLDER, wsl_traits

#: Options that are stored in the distribution, and those that need its virtual disk.
INNER, OF_DISKS = ("default_user", "systemd", "native"), ("disks", "sparse")
#: wsl.conf, and what it was when the distribution started: /run is empty at each start.
CONF, STARTED_WITH = "/etc/wsl.conf", "/run/polyvirt-wsl.conf"
_END = "polyvirt~end"
_READ_INNER = (
    f"cat /etc/passwd; echo {_END}; if test -e {CONF}; then cat {CONF}; fi; echo; echo {_END};"
    f" if test -e {STARTED_WITH}; then echo; cat {STARTED_WITH}; fi"
)
_FEATURES = ("Microsoft-Windows-Subsystem-Linux", "VirtualMachinePlatform")
#: The error of a program that does not exist.
_NO_PROGRAM = "Win32Exception"
_SESSION = (
    "Install the MSI package of WSL (wsl --update in a session with a desktop), or use become with become_method runas"
    " and logon_type interactive."
)


def make_reader(params):
    """The reader for the parameters of an info module."""
    return WslReader(params, reports_all="config" in (params.get("facets") or ()))


class WslReader:
    """The WSL of one user, for one task. ``options`` are the task's."""

    def __init__(self, options, reports_all=False):
        self.options, self._reports_all = options, reports_all
        self._windows, self._settings = None, KnownSettings()
        self.host = None
        self._warnings = []
        #: {name: directory} of distributions that this task has begun to create: a step may be sent twice.
        self.creating = {}
        #: Names of stopped distributions that this task has started to read or change what is stored in them.
        self.opened = set()
        #: Names of distributions that this task has started to run.
        self.started = set()
        #: Names, in small letters, for which there is a file of a clone that was begun.
        self.begun = set()

    @property
    def windows(self):
        """The connection of the task."""
        self._windows = self._windows or connection()
        return self._windows

    def traits(self):
        return wsl_traits(self)

    def send(self, chains, about=False):
        return self.windows.call(chains, about=about)

    def observe(self, targets, facets):
        light = is_light(targets, facets)
        # The source of a clone is not started to be read.
        names = [] if light or "snapshot_configs" in facets else self._names_to_read(targets)
        self._read(names, () if light else targets or (), with_disks=not light and self._needs_disks())
        wanted = list(self._wanted(targets, "unfinished" in facets))
        if not light:
            self._read_inner([raw for raw, _name, _id in wanted if self._is_missing(raw, names, facets)])
        vms = [self._observed(raw, name, vm_id, light) for raw, name, vm_id in wanted]
        if "files" in facets:
            vms = [vm.having(files=files_of(raw)) for vm, (raw, _name, _id) in zip(vms, wanted)]
        if not light:
            self._settings.remember(vms)
        if "unfinished" in facets:
            vms += self._only_begun(targets)
        known = [raw["DistributionName"] for raw in self.host.distros.values() if not self.is_unfinished(raw)]
        known = tuple(sorted(known))
        return Observation(vms=vms, known=known, warnings=tuple(self._warnings))

    def is_unfinished(self, raw):
        """Whether a task has begun to create the distribution, and it is not complete."""
        mark, name = parsed(raw.get(MARK)), raw["DistributionName"].lower()
        return bool(mark.get("making")) if mark else name in self.creating or name in self.begun

    def _only_begun(self, targets):
        """Clones of which there is nothing but the file of an export."""
        names = [target.name for target in targets or () if target.name and target.name.lower() in self.begun]
        return [Vm(name) for name in names if self.host.named(name) is None]

    def folder(self, name):
        """The directory of a new distribution."""
        return self.options.get("install_location") or f"{FOLDER}\\{name}"

    # Reading ----------------------------------------------------------------------------------------------------------

    def _sets(self, options):
        is_kept = self.options.get("state") != "absent"
        return is_kept and any(self.options.get(option) is not None for option in options)

    def _needs_disks(self):
        return self._reports_all or self._sets(OF_DISKS)

    def _names_to_read(self, targets):
        return [one.name for one in targets or () if one.name] if self._sets(INNER) else []

    def _is_missing(self, raw, names, facets):
        """Whether the inside of a distribution is needed and was not read with the rest."""
        if raw["PSChildName"].lower() in self.host.inner or raw.get("State") != INSTALLED:
            return False
        reports = self._reports_all and self.host.runs(raw)
        return reports or ("snapshot_configs" not in facets and self._sets(INNER))

    def _read(self, names, targets, with_disks):
        """One request: the registry, what runs, the tasks; and the inside of the named distributions."""
        before, file = self.host, self.host.file if self.host else PACKAGED
        reading = [*registry_calls(), tasks_call(), read(SETTINGS_FILE, 1 << 16, go_on=True), running_call(file)]
        chains = [Chain("all", tuple(reading + (disk_calls() if with_disks else [])))]
        if before is None:
            others = (version_call(PACKAGED), version_call(INBOX), running_call(INBOX))
            chains.append(Chain("host", others))
        begun = [target.name for target in targets if target.name]
        paths = [export_file(self.folder(name), name) for name in begun]
        paths += [self.options["export"]] if self.options.get("export") and targets else []
        if paths:
            chains.append(Chain("files", (file_command("Test-Path", paths, show=properties("Length"), go_on=True),)))
        chains += [Chain(f"in {name}", (self._inner_call(name, file),)) for name in names]
        repeats = self.windows.repeats
        results = {result.name: result.answers for result in self.send(chains, about=before is None)}
        if self.windows.repeats > repeats and before is not None:
            # The first try may have started them; what was stopped before is stopped again.
            known = {raw["DistributionName"] for raw in map(before.named, names) if raw}
            self.opened |= known - before.running - self.started
        self.host = self._host_of(results, before)
        exist = list(results["files"][0].objects) if paths else []
        if targets:
            found = {name.lower() for name, is_there in zip(begun, exist) if is_there}
            self.begun = self.begun - set(map(str.lower, begun)) | found
            self.host.exported = len(exist) > len(begun) and bool(exist[-1])
        for name in names:
            self._add_inner(self.host.named(name), results[f"in {name}"][0])

    def _host_of(self, results, before):
        root, distros, tasks, settings, running, *disks = results["all"]
        host = Host(about=self.windows.about or {})
        if before is not None:
            host.file, host.versions = before.file, before.versions
        else:
            packaged, inbox, running_of_inbox = results["host"]
            if packaged.error is not None and packaged.error.id != _NO_PROGRAM:
                raise Unavailable(f"wsl.exe cannot be started ({packaged.error}).", "not_responding", "Run it again.")
            host.file = PACKAGED if packaged.error is None else INBOX
            host.versions = read_versions(packaged) or read_versions(inbox)
            running = running if packaged.error is None else running_of_inbox
        self._check_read(distros, "The registry of WSL")
        self._check_read(tasks, "The scheduled tasks of WSL")
        found = read_distros(distros)
        host.root = root.objects[0] if root.error is None and root.objects else {}
        host.distros = {raw["PSChildName"].lower(): raw for raw in found}
        self._check_running(running, host)
        # Those that a lost connection has left started count as stopped: they are stopped again.
        host.running = read_running(running) - self.opened
        host.tasks = {one["TaskName"].lower(): one for one in tasks.objects}
        if settings.error is None and settings.details.get("exists"):
            host.settings = wsl_conf.parse(decoded(settings.bytes()))
        if disks:
            _folders, files, _paths, images = [*disks, *[None] * (4 - len(disks))]
            host.files = {key_of(plain_path(one["FullName"])): one for one in files.objects} if files else {}
            host.sizes = {key_of(plain_path(one["ImagePath"])): one["Size"] for one in images.objects} if images else {}
        return host

    def _check_read(self, answer, what):
        # Without any distribution, or any task, there is no such key or folder.
        if answer.error is not None and answer.error.category != "ObjectNotFound":
            raise Unavailable(f"{what} cannot be read ({answer.error}).", "not_responding")

    def _check_running(self, answer, host):
        if host.about.get("local_system"):
            raise Unavailable(
                "WSL cannot be used as the local system: distributions belong to a user.",
                "wrong_system",
                "Connect as the user who owns the distributions.",
            )
        if answer.error is not None:
            message = f"wsl.exe cannot be started ({answer.error})."
            raise Unavailable(message, "missing", "Install WSL with the role wsl_host.")
        if answer.details.get("exit_code") == 0:
            return
        failed = WslFailed(host.about.get("computer") or "WSL", "--list --running --quiet", answer)
        if host.distros or (failed.code and failed.code != "WSL_E_DEFAULT_DISTRO_NOT_FOUND"):
            remedy = failed.remedy or (_SESSION if host.about.get("session") == 0 else "Check wsl.exe --status.")
            raise Unavailable(failed.message, "not_responding", remedy)

    # The inside -------------------------------------------------------------------------------------------------------

    def _inner_call(self, name, file):
        return in_shell(file, name, _READ_INNER, reads=True, go_on=True)

    def _read_inner(self, raws):
        """Read the inside of distributions that the first request has not, and stop those that were stopped."""
        if raws:
            chains = [
                Chain(raw["PSChildName"], (self._inner_call(raw["DistributionName"], self.host.file),)) for raw in raws
            ]
            for raw, result in zip(raws, self.send(chains)):
                self._add_inner(raw, result.answers[0])
        inside = [self.host.distros[key] for key in self.host.inner]
        self.opened |= {raw["DistributionName"] for raw in inside if not self.host.runs(raw)}
        if self.opened:
            file = self.host.file
            self.send([Chain(name, (wsl(file, ["--terminate", name], reads=True),)) for name in sorted(self.opened)])
            self.opened.clear()

    def _add_inner(self, raw, answer):
        if raw is None or answer.error is not None or raw.get("State") != INSTALLED:
            return
        name = raw["DistributionName"]
        check(answer, name, "--exec /bin/sh")
        users, conf, started_with = answer.bytes("stdout").decode("latin-1").split(f"{_END}\n")
        lines = [line.split(":") for line in users.splitlines()]
        known = {words[0]: int(words[2]) for words in lines if len(words) > 3 and words[2].isdigit()}
        conf = conf[:-1]
        self.host.inner[raw["PSChildName"].lower()] = Inner(conf, started_with[1:] if started_with else conf, known)

    # What is reported -------------------------------------------------------------------------------------------------

    def _wanted(self, targets, with_unfinished):
        """(raw distribution, name and id as the task writes them)."""
        names = {target.name.lower(): target.name for target in targets or () if target.name}
        ids = {target.id.lower(): target for target in targets or () if target.id}
        for key, raw in self.host.distros.items():
            name, target = raw["DistributionName"], ids.get(key)
            if self.is_unfinished(raw) and not with_unfinished:
                continue
            if target is not None:
                is_same = target.name and target.name.lower() == name.lower()
                yield raw, target.name if is_same else names.get(name.lower(), name), target.id
            elif targets is None or name.lower() in names:
                yield raw, names.get(name.lower(), name), raw["PSChildName"]

    def _observed(self, raw, name, vm_id, light):
        if light:
            config = active = self._settings.of(vm_id)
        else:
            config = config_of(self.host, raw, self.options)
            active = config_of(self.host, raw, self.options, started_with=True)
        return observed_vm(self.host, raw, name, vm_id, config, active)

    def host_facts(self):
        """What is reported of the host besides."""
        host = self.host or Host(about=(self._windows.about if self._windows else None) or {})
        versions = dict(zip(("version", "kernel", "wslg"), host.versions))
        build = host.about.get("build")
        return {
            "version": versions.get("version") or ("inbox" if self.host else None),
            "kernel": versions.get("kernel"),
            "wslg": versions.get("wslg"),
            "windows": f"10.0.{build}" if build else None,
            "default_version": host.root.get("DefaultVersion") or (2 if self.host else None),
            "idle_timeout": host.idle_seconds() if self.host else None,
            **self._features(),
        }

    def _features(self):
        """Which features of Windows are missing, and whether a restart is due; None where this cannot be read."""
        unknown = {"features_missing": None, "reboot_required": None}
        if self._windows is None or not self._windows.about:
            return unknown
        command, shown = "Dism\\Get-WindowsOptionalFeature", properties("FeatureName", "State")
        calls = [call(command, {"Online": True, "FeatureName": name}, show=shown, go_on=True) for name in _FEATURES]
        try:
            (result,) = self.send([Chain("features", tuple(calls))])
        except Unavailable:
            return unknown
        if any(answer.error is not None for answer in result.answers):
            return unknown
        states = {one["FeatureName"]: one["State"] for answer in result.answers for one in answer.objects}
        return {
            "features_missing": sorted(name for name, state in states.items() if not state.startswith("Enable")),
            "reboot_required": any(state.endswith("Pending") for state in states.values()),
        }
