# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: read all distributions of the user in one request.

Files in a distribution (wsl.conf, users) can be read only while it runs. So they are read only if the task sets one of
their options, or if the distribution runs; a distribution that was stopped is stopped again.
"""

from __future__ import annotations

from ..._core.errors import Unavailable
from ..._core.model import Observation, Vm
from ..._core.options.identity import spellings
from ..._core.record.mark import UNFINISHED, empty_mark, is_unfinished, parsed, unfinished_mark
from ..._kit.driver import KnownSettings, is_power_only
from ..._ports.windows import OnWindows
from ..._ports.windows_request import Chain, call, properties, read
from ..._tools import wsl as tool
from ..._tools import wsl_conf
from ..._tools.windows_files import denied_in, file_command, key_of, opening_calls
from ..._tools.wsl import MARK, disk_of, folder_of, is_vm
from .distro import Distro, Host, files_of, observed_vm, plain_path
from .settings.guest_files import GUEST, READ_FILES, GuestFiles
from .settings.storage import FOLDER
from .settings.table import config_of
from .traits import wsl_traits

#: Options for which the virtual disk is read.
_DISK_OPTIONS = ("disks", "sparse")
_FEATURES = ("Microsoft-Windows-Subsystem-Linux", "VirtualMachinePlatform")
#: The error id if a program does not exist.
_NO_PROGRAM = "Win32Exception"
#: Codes of errors about the session of the user; programs of the Store are rejected there without one.
_OF_SESSION = ("", "E_ACCESSDENIED", "0x80070005")
_SESSION = (
    "Install the MSI package of WSL (wsl --update in a session with a desktop), or use become with become_method runas"
    " and logon_type interactive."
)


def make_observer(params):
    """Return the observer for the parameters of an info module."""
    return WslObserver(params, reports_all="config" in (params.get("facets") or ()))


class WslObserver(OnWindows):
    """WSL of one user, for one task. ``options`` are those of the task; ``reports_all``: report all settings."""

    def __init__(self, options, reports_all=False):
        self.options, self._reports_all = options, reports_all
        self._settings, self.host, self._warnings = KnownSettings(), None, []
        #: {name in lower case: directory} of distributions that this task has had registered, unless wsl.exe failed.
        self.creating = {}
        #: Names of stopped distributions that this task has started only to read or change files in them.
        self.to_stop_again = set()
        #: Names of distributions that a step of this task has started.
        self.started = set()
        #: Names, in lower case, for which an interrupted task has left the temporary file of a clone.
        self.leftovers = set()

    def traits(self):
        return wsl_traits(self)

    def send(self, chains, about=False):
        return self.windows.call(chains, about=about)

    def observe(self, targets, facets):
        power_only = is_power_only(targets, facets)
        # The source of a clone is not started just to read its files.
        is_read_inside = not power_only and "snapshot_configs" not in facets and self._sets(GUEST)
        names = [target.name for target in targets or () if target.name] if is_read_inside else []
        with_disks = not power_only and (self._reports_all or self._sets(_DISK_OPTIONS))
        self._read(names, () if power_only else targets or (), with_disks)
        selected = list(self._select(targets, "unfinished" in facets))
        if self.host.exported and self.options.get("state") == "absent":
            self._read_stamp([raw for raw, _name, _id in selected])
        if with_disks:
            self.ask_for_disks([raw for raw, _name, _id in selected if self._is_unlisted(raw)])
        if not power_only:
            self._read_guests([raw for raw, _name, _id in selected if self._needs_guest_files(raw, facets)])
        vms = [self._observed(raw, name, vm_id, power_only) for raw, name, vm_id in selected]
        if "files" in facets:
            vms = [vm.having(files=files_of(raw)) for vm, (raw, _name, _id) in zip(vms, selected)]
        if not power_only:
            self._settings.remember(vms)
        if "unfinished" in facets:
            vms += self._unregistered_clones(targets)
        known = sorted(raw["DistributionName"] for raw in self.host.distros.values() if not self.is_unfinished(raw))
        return Observation(vms=vms, known=tuple(known), warnings=tuple(self._warnings))

    def is_unfinished(self, raw):
        """Return whether a task has begun to create the distribution, and has not completed it.

        Without a mark, it must be in the directory in which this task itself has one registered. What a killed task has
        left proves nothing: others may have registered the name since.
        """
        mark, folder = parsed(raw.get(MARK)), self.creating.get(raw["DistributionName"].lower())
        if mark:
            return is_unfinished(mark)
        return folder is not None and key_of(folder_of(raw)) == key_of(folder)

    def _unregistered_clones(self, targets):
        """Return the Vms of interrupted clones that have only a temporary file, and are not registered."""
        names = [target.name for target in targets or () if target.name and target.name.lower() in self.leftovers]
        return [Vm(name) for name in names if self.host.find(name) is None]

    def folder(self, name):
        """Return the directory of a new distribution."""
        return self.options.get("install_location") or f"{FOLDER}\\{name}"

    # Reading ----------------------------------------------------------------------------------------------------------

    def _sets(self, options):
        """Return whether the task sets one of ``options`` of distributions that it does not delete."""
        is_present = self.options.get("state") != "absent"
        return is_present and any(self.options.get(option) is not None for option in options)

    def _needs_guest_files(self, raw, facets):
        """Return whether the files of a distribution are needed, and were not read by the first request."""
        if raw["PSChildName"].lower() in self.host.guests or raw.get("State") != tool.INSTALLED:
            return False
        reports = self._reports_all and self.host.runs(raw)
        return reports or ("snapshot_configs" not in facets and self._sets(GUEST))

    def _read(self, names, targets, with_disks):
        """Read the registry, running distributions, scheduled tasks, and files of the named distributions, at once."""
        before, file = self.host, self.host.file if self.host else tool.PACKAGED
        calls = [
            *tool.registry_calls(),
            tool.tasks_call(),
            read(tool.SETTINGS_FILE, 1 << 16, go_on=True),
            tool.running_call(file),
        ]
        chains = [Chain("all", tuple(calls + (tool.disk_calls() if with_disks else [])))]
        if before is None:
            host_calls = (
                tool.version_call(tool.PACKAGED),
                tool.version_call(tool.INBOX),
                tool.running_call(tool.INBOX),
            )
            chains.append(Chain("host", host_calls))
        target_names = [target.name for target in targets if target.name]
        paths = [tool.export_file(self.folder(name), name) for name in target_names]
        paths += [self.options["export"]] if self.options.get("export") and targets else []
        if paths:
            chains.append(Chain("files", (file_command("Test-Path", paths, show=properties("Length"), go_on=True),)))
        chains += self._guest_chains(file, names)
        repeats = self.windows.repeats
        results = {result.name: result.answers for result in self.send(chains, about=before is None)}
        if self.windows.repeats > repeats and before is not None:
            # The request was sent twice: the first one may have started distributions that were stopped before.
            known = {raw["DistributionName"] for raw in map(before.find, names) if raw}
            self.to_stop_again |= known - before.running - self.started
        self.host = self._host_of(results, before)
        exist = list(results["files"][0].objects) if paths else []
        if targets:
            found = {name.lower() for name, exists in zip(target_names, exist) if exists}
            self.leftovers = self.leftovers - set(map(str.lower, target_names)) | found
            self.host.exported = len(exist) > len(target_names) and bool(exist[-1])
        for name in names:
            self._add_guest_files(self.host.find(name), results[f"in {name}"][0])

    def _host_of(self, results, before):
        root, distros, tasks, settings, running, *disks = results["all"]
        host = Host(about=self.about)
        if before is not None:
            host.file, host.versions, host.disks = before.file, before.versions, before.disks
        else:
            packaged, inbox, running_of_inbox = results["host"]
            if packaged.error is not None and packaged.error.id != _NO_PROGRAM:
                raise Unavailable(f"wsl.exe cannot be started ({packaged.error}).", "not_responding", "Run it again.")
            host.file = tool.PACKAGED if packaged.error is None else tool.INBOX
            host.versions = tool.read_versions(packaged) or tool.read_versions(inbox)
            running = running if packaged.error is None else running_of_inbox
        self._check_read(distros, "The registry of WSL")
        self._check_read(tasks, "The scheduled tasks of WSL")
        found = tool.read_distros(distros)
        host.root = root.objects[0] if root.error is None and root.objects else {}
        host.distros = {raw["PSChildName"].lower(): raw for raw in found}
        self._check_running(running, host)
        # Distributions that run only because their files were read count as stopped; they are stopped again.
        host.running = tool.read_running(running) - self.to_stop_again
        host.tasks = {one["TaskName"].lower(): one for one in tasks.objects}
        if settings.error is None and settings.details.get("exists"):
            host.settings = wsl_conf.parse(wsl_conf.decoded(settings.bytes())[1])
        if disks:
            _folders, files, _paths, images = [*disks, *[None] * (4 - len(disks))]
            host.files = {key_of(plain_path(one["FullName"])): one for one in files.objects} if files else {}
            host.sizes = {key_of(plain_path(one["ImagePath"])): one["Size"] for one in images.objects} if images else {}
        return host

    def _read_stamp(self, raws):
        """Read whether the existing file can be the copy of a distribution that the task deletes."""
        path = self.options["export"]
        for raw in raws:
            (result,) = self.send([Chain("stamp", tuple(tool.stamp_calls(path, raw)))])
            _version, self.host.exported = tool.stamp_in(path, result.answers)

    def _is_unlisted(self, raw):
        """Return whether the list of virtual disks lacks that of a distribution, such as because it is hidden."""
        return is_vm(raw) and key_of(disk_of(raw)) not in self.host.files

    def ask_for_disks(self, raws):
        """Ask whether the user may open the virtual disks of distributions, in one request.

        A file server may not answer.
        """
        paths = dict.fromkeys(disk_of(raw) for raw in raws if is_vm(raw) and not disk_of(raw).startswith("\\\\"))
        if paths:
            calls = (file_command("Test-Path", paths, show=properties("Length")), *opening_calls(paths))
            (result,) = self.send([Chain("disks", calls)])
            self.host.disks.update(zip(map(key_of, paths), result.answers[0].objects))
            self.host.denied |= denied_in(paths, result.answers[1:])

    def _check_read(self, answer, what):
        # The key or folder does not exist before the first distribution or task.
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
        failed = tool.WslFailed(host.about.get("computer") or "WSL", "--list --running --quiet", answer)
        if host.distros or (failed.code and failed.code != "WSL_E_DEFAULT_DISTRO_NOT_FOUND"):
            # Other codes have causes that another session does not change.
            is_of_session = host.about.get("session") == 0 and failed.code in _OF_SESSION
            remedy = failed.remedy or (_SESSION if is_of_session else "Check wsl.exe --status.")
            raise Unavailable(failed.message, "not_responding", remedy)

    # Files in distributions -------------------------------------------------------------------------------------------

    def _guest_chains(self, file, names):
        return [Chain(f"in {name}", (tool.in_shell(file, name, READ_FILES, reads=True, go_on=True),)) for name in names]

    def _read_guests(self, raws):
        """Read the files of distributions that the first request did not read, and stop those that were stopped."""
        if raws:
            chains = self._guest_chains(self.host.file, [raw["DistributionName"] for raw in raws])
            for raw, result in zip(raws, self.send(chains)):
                self._add_guest_files(raw, result.answers[0])
        were_read = [self.host.distros[key] for key in self.host.guests]
        self.to_stop_again |= {raw["DistributionName"] for raw in were_read if not self.host.runs(raw)}
        if self.to_stop_again:
            file, names = self.host.file, sorted(self.to_stop_again)
            self.send([Chain(name, (tool.wsl(file, ["--terminate", name], reads=True),)) for name in names])
            self.to_stop_again.clear()

    def _add_guest_files(self, raw, answer):
        if raw is None or answer.error is not None or raw.get("State") != tool.INSTALLED:
            return
        name = raw["DistributionName"]
        try:
            tool.check(answer, name, "--exec /bin/sh")
        except tool.WslFailed as error:
            if self._sets(GUEST):
                raise
            # Distributions of container tools run without a shell, or without users.
            self._warnings.append(f"{error.message}. So default_user and systemd are not reported.")
            return
        self.host.guests[raw["PSChildName"].lower()] = GuestFiles.parsed(answer.bytes("stdout"))

    # Reporting --------------------------------------------------------------------------------------------------------

    def _select(self, targets, with_unfinished):
        """Yield (raw distribution, name, id) to report. Name and id are as the task writes them."""
        named = spellings(targets, str.lower)
        ids = {target.id.lower(): target for target in targets or () if target.id}
        for key, raw in self.host.distros.items():
            name, target = raw["DistributionName"], ids.get(key)
            if self.is_unfinished(raw) and not with_unfinished:
                continue
            names = named.get(name.lower(), [name])
            if target is not None:
                is_same = target.name and target.name.lower() == name.lower()
                yield from ((raw, one, target.id) for one in ([target.name] if is_same else names))
            elif targets is None or name.lower() in named:
                yield from ((raw, one, raw["PSChildName"]) for one in names)

    def _observed(self, raw, name, vm_id, power_only):
        if power_only:
            config = active = self._settings.of(vm_id)
        else:
            config, active = (config_of(Distro(self.host, raw, self.options, started)) for started in (False, True))
        vm = observed_vm(self.host, raw, name, vm_id, config, active)
        if self.options.get("describe"):
            from .settings.described import not_modelled  # Most tasks do not need it.

            vm = vm.having(not_modelled=lambda: not_modelled(Distro(self.host, raw, self.options)))
        if vm.mark is None and self.is_unfinished(raw):
            # A killed task has recorded it in a file, and had no time for the registry.
            return vm.having(mark=unfinished_mark(empty_mark(vm_id)), reason=UNFINISHED)
        return vm

    def host_facts(self):
        """Return further keys of ``host`` for the info module."""
        host = self.host or Host(about=self.about)
        versions = dict(zip(("version", "kernel", "wslg"), host.versions))
        build = host.about.get("build")
        return {
            "version": versions.get("version") or ("inbox" if self.host else None),
            "kernel": versions.get("kernel"),
            "wslg": versions.get("wslg"),
            "windows": f"10.0.{build}" if build else None,
            "default_version": self.host and host.default_version,
            "idle_timeout": host.idle_seconds() if self.host else None,
            **self._features(),
        }

    def _features(self):
        """Return which Windows features are missing, and whether a restart is required; None if they cannot be read."""
        unknown = {"features_missing": None, "reboot_required": None}
        if not self.about:
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
