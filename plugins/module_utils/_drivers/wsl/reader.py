# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL as far as it is read: all distributions of the user in one request.

What is stored in a distribution (wsl.conf, users) can be read only while it runs. So it is read only if the task sets
it, or if the distribution runs; one that was stopped is stopped again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..._lifecycle.errors import Unavailable
from ..._lifecycle.light import KnownSettings, is_light
from ..._lifecycle.mark import own_mark, parsed
from ..._lifecycle.model import RUNNING, STOPPED, UNKNOWN, File, Observation, Vm
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
    UNINSTALLING,
    WslFailed,
    check,
    decoded,
    disk_calls,
    disk_of,
    folder_of,
    in_shell,
    is_vm,
    kept_by,
    number_of,
    read_distros,
    read_running,
    read_versions,
    registry_calls,
    running_call,
    tasks_call,
    version_call,
    wsl,
)
from .traits import wsl_traits

#: Options that are stored in the distribution, and those that need its virtual disk.
INNER, OF_DISKS = ("default_user", "systemd", "native"), ("disks", "sparse")
#: The slot of the only disk.
DISK = "disk0"
#: wsl.conf, and what it was when the distribution started: /run is empty at each start.
CONF, STARTED_WITH = "/etc/wsl.conf", "/run/polyvirt-wsl.conf"
_END = "polyvirt~end"
_READ_INNER = (
    f"cat /etc/passwd; echo {_END}; if test -e {CONF}; then cat {CONF}; fi; echo; echo {_END};"
    f" if test -e {STARTED_WITH}; then echo; cat {STARTED_WITH}; fi"
)
_FEATURES = ("Microsoft-Windows-Subsystem-Linux", "VirtualMachinePlatform")
_STATES = {3: "being installed", UNINSTALLING: "being removed"}
_SESSION = (
    "Install the MSI package of WSL (wsl --update in a session with a desktop), or use become with become_method runas"
    " and logon_type interactive."
)


def make_reader(params):
    """The reader for the parameters of an info module."""
    return WslReader(params, reports_all="config" in (params.get("facets") or ()))


@dataclass(frozen=True)
class Inner:
    """What is stored in a distribution: the texts of wsl.conf, now and at its start, and {user: uid}."""

    conf: str
    started_with: str
    users: dict


@dataclass
class Host:
    """What was read of the host and of its distributions at last; ``file`` is the wsl.exe that is used."""

    file: str = PACKAGED
    versions: tuple = ()
    about: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    root: dict = field(default_factory=dict)
    distros: dict = field(default_factory=dict)
    running: set = field(default_factory=set)
    tasks: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    sizes: dict = field(default_factory=dict)
    inner: dict = field(default_factory=dict)

    @property
    def version(self):
        """The version of the package as numbers; (0,) for an inbox version."""
        return number_of(self.versions[0]) if self.versions else (0,)

    def named(self, name):
        """The raw distribution of a name, in any case, or None."""
        return next((raw for raw in self.distros.values() if raw["DistributionName"].lower() == name.lower()), None)

    def raw(self, vm_id):
        return self.distros.get((vm_id or "").lower())

    def runs(self, raw):
        return raw["DistributionName"] in self.running

    def idle_seconds(self):
        """Seconds until a distribution stops that nothing uses; None for never."""
        if self.version < (2, 5, 10):
            return 8
        given = self.settings.get("general.instanceidletimeout", "")
        milliseconds = int(given) if given.lstrip("-").isdigit() else 15000
        return None if milliseconds < 0 else milliseconds // 1000


class WslReader:
    """The WSL of one user, for one task. ``options`` are the task's."""

    def __init__(self, options, reports_all=False):
        self.options, self._reports_all = options, reports_all
        self._windows, self._settings = None, KnownSettings()
        self.host = None
        self._warnings = []

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
        self._read(names, with_disks=not light and self._needs_disks(), export=not light)
        wanted = list(self._wanted(targets))
        if not light:
            self._read_inner([raw for raw, _name, _id in wanted if self._is_missing(raw, names, facets)])
        vms = [self._observed(raw, name, vm_id, light) for raw, name, vm_id in wanted]
        if "files" in facets:
            vms = [vm.having(files=_files_of(raw)) for vm, (raw, _name, _id) in zip(vms, wanted)]
        if not light:
            self._settings.remember(vms)
        known = tuple(sorted(raw["DistributionName"] for raw in self.host.distros.values()))
        return Observation(vms=vms, known=known, warnings=tuple(self._warnings))

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

    def _read(self, names, with_disks, export):
        """One request: the registry, what runs, the tasks; and the inside of distributions, as far as it is known."""
        before, file = self.host, self.host.file if self.host else PACKAGED
        reading = [*registry_calls(), tasks_call(), read(SETTINGS_FILE, 1 << 16, go_on=True), running_call(file)]
        chains = [Chain("all", tuple(reading + (disk_calls() if with_disks else [])))]
        if before is None:
            others = (version_call(PACKAGED), version_call(INBOX), running_call(INBOX))
            chains.append(Chain("host", others))
        path = self.options.get("export") if export else None
        if path:
            chains.append(Chain("export", (file_command("Test-Path", [path], show=properties("Length")),)))
        chains += [Chain(f"in {name}", (self._inner_call(name, file),)) for name in names]
        results = {result.name: result.answers for result in self.send(chains, about=before is None)}
        self.host = self._host_of(results, before)
        exported = results.get("export")
        self.exported = bool(exported and exported[0].objects and exported[0].objects[0])
        for name in names:
            self._add_inner(self.host.named(name), results[f"in {name}"][0])

    def _host_of(self, results, before):
        root, distros, tasks, settings, running, *disks = results["all"]
        host = Host(about=self.windows.about or {})
        if before is not None:
            host.file, host.versions = before.file, before.versions
        else:
            packaged, inbox, running_of_inbox = results["host"]
            host.file = PACKAGED if packaged.error is None else INBOX
            host.versions = read_versions(packaged) or read_versions(inbox)
            running = running if packaged.error is None else running_of_inbox
        self._check_registry(distros)
        found = read_distros(distros)
        host.root = root.objects[0] if root.error is None and root.objects else {}
        host.distros = {raw["PSChildName"].lower(): raw for raw in found}
        self._check_running(running, host)
        host.running = read_running(running)
        host.tasks = {one["TaskName"].lower(): one for one in tasks.objects}
        if settings.error is None and settings.details.get("exists"):
            host.settings = wsl_conf.parse(decoded(settings.bytes()))
        if disks:
            _folders, files, _paths, images = [*disks, *[None] * (4 - len(disks))]
            host.files = {key_of(_plain(one["FullName"])): one for one in files.objects} if files else {}
            host.sizes = {key_of(_plain(one["ImagePath"])): one["Size"] for one in images.objects} if images else {}
        return host

    def _check_registry(self, answer):
        # Without any distribution there is no such key.
        if answer.error is not None and answer.error.category != "ObjectNotFound":
            raise Unavailable(f"The registry of WSL cannot be read ({answer.error}).", "not_responding")

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
        started = [raw["DistributionName"] for raw in inside if not self.host.runs(raw)]
        if started:
            file = self.host.file
            self.send([Chain(name, (wsl(file, ["--terminate", name], reads=True),)) for name in started])

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

    def _wanted(self, targets):
        """(raw distribution, name and id as the task writes them)."""
        names = {target.name.lower(): target.name for target in targets or () if target.name}
        ids = {target.id.lower(): target for target in targets or () if target.id}
        for key, raw in self.host.distros.items():
            name, target = raw["DistributionName"], ids.get(key)
            if target is not None:
                is_same = target.name and target.name.lower() == name.lower()
                yield raw, target.name if is_same else names.get(name.lower(), name), target.id
            elif targets is None or name.lower() in names:
                yield raw, names.get(name.lower(), name), raw["PSChildName"]

    def _observed(self, raw, name, vm_id, light):
        state = raw.get("State")
        is_running = self.host.runs(raw)
        config, active = self._settings.of(vm_id), None
        if not light:
            config = self.config_of(raw)
            active = self.config_of(raw, started_with=True)
        power = RUNNING if is_running else STOPPED if state == INSTALLED or state in _STATES else UNKNOWN
        mark = parsed(raw.get(MARK))
        if mark and str(mark.get("id")).lower() == vm_id.lower():
            mark = {**mark, "id": vm_id}
        return Vm(
            name=name,
            id=vm_id,
            power=power,
            busy=_STATES.get(state),
            reason="" if power != UNKNOWN else f"State {state} in the registry",
            config=config,
            active=(active or config) if is_running else None,
            mark=mark,
        )

    def config_of(self, raw, started_with=False):
        """The settings of a distribution, or those with which it was started."""
        vm_id = raw["PSChildName"]
        mark = own_mark(Vm(raw["DistributionName"], id=vm_id, mark=parsed(raw.get(MARK))))
        config = {
            "description": mark.get("description", ""),
            "tags": tuple(sorted(mark["tags"])),
            "version": 2 if is_vm(raw) else 1,
            "install_location": folder_of(raw),
            "default": self.host.root.get("DefaultDistribution", "").lower() == vm_id.lower(),
            "keep_running": self.kept(raw),
            "export": self.options.get("export") if self.exported else None,
            **self._disk(raw),
        }
        inner = self.host.inner.get(vm_id.lower())
        return {**config, **(self._inner_config(raw, inner, started_with) if inner else {})}

    def kept(self, raw):
        task = self.host.tasks.get(raw["PSChildName"].lower())
        return kept_by(task, self.host.file, raw["DistributionName"]) if task else "false"

    def _disk(self, raw):
        if not is_vm(raw):
            return {}
        path = disk_of(raw)
        file = self.host.files.get(key_of(path))
        entry = {"source": path, **({"size": self.host.sizes[key_of(path)]} if key_of(path) in self.host.sizes else {})}
        attributes = {} if file is None else {"sparse": "SparseFile" in str(file.get("Attributes"))}
        return {"disks": {DISK: entry}, **attributes}

    def _inner_config(self, raw, inner, started_with):
        conf = wsl_conf.parse(inner.started_with if started_with else inner.conf)
        keys = self.options.get("native") or ()
        return {
            "systemd": wsl_conf.boolean(conf.get("boot.systemd"), False),
            "default_user": default_user(conf, inner.users, raw.get("DefaultUid") or 0),
            **({"native": {key: _native(conf, key) for key in keys}} if keys else {}),
        }

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


def default_user(conf, users, uid):
    """The user of new sessions: that of wsl.conf, if there is one of this name, else the one in the registry."""
    named = _utf8(conf.get("user.default", ""))
    if named in users:
        return named
    return next((name for name, one in users.items() if one == uid), "root")


def _native(conf, key):
    value = conf.get(key.lower())
    return None if value is None else _utf8(value)


def _utf8(text):
    """A value of a file that was read byte by byte."""
    return text.encode("latin-1").decode("utf-8", "replace")


def _plain(path):
    return path.removeprefix("\\\\?\\")


def _files_of(raw):
    return (File(disk_of(raw), "disk", ours=True, bound=True),) if is_vm(raw) else ()
