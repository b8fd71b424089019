# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the driver: carries out the plans of the core with virsh and qemu-img. It neither waits nor decides."""

from __future__ import annotations

import os
import shlex
from contextlib import contextmanager
from functools import cached_property

from ..._core.errors import CommandFailed, Held, PolyvirtError, Refused, Stale
from ..._core.frozen import replace
from ..._core.model import LOCKED, PAUSED, RUNNING, SUSPENDED
from ..._core.pattern import Pattern
from ..._core.record.mark import HOST, is_mark_of
from ..._core.texts import without_credentials
from ..._core.verbs import POWER_VERBS
from ..._kit.driver import ForChanges, carry_out, functions_of
from ..._kit.one_by_one import one_by_one
from ..._media import on_host
from ..._ports import change_counter, permits
from ..._ports.files import host_name
from ..._tools import virsh_output as output
from ..._tools.domain_xml import Definition, without_secrets
from ..._tools.virsh import job_in, may_pass, raise_for_errors
from .answers import mark_here
from .observe import VirshObserver, connected
from .traits import FILE_OPTIONS

#: Verbs that do not store settings. To start a VM that another task stops for a change is rejected by libvirt itself.
_WITHOUT_LOCK = POWER_VERBS | {"fetch"}
#: Names that virsh takes for nothing but a name: not for the id of a running VM, an option, or a UUID by its length.
_NAME, _UUID = Pattern(r"[A-Za-z_][A-Za-z0-9_.+-]*\Z"), 36
#: Seconds in which an agent answers one request.
_ANSWER_OF_AGENT = 5
#: The hypervisor of libvirt that judges definitions.
QEMU = "QEMU"


def make_driver(params):
    """The driver for the parameters of a module."""
    return connected(VirshDriver, params)


def _waits(wait_for):
    """Return whether a task waits for more than the power state; ``wait_for`` is a text, or a dictionary in full."""
    conditions = wait_for.values() if isinstance(wait_for, dict) else [wait_for]
    return any(one not in (None, "state") for one in conditions)


def _job(virsh, vm_id, name, answer):
    """Return why a VM is busy, an error if that is not known or does not end, or an empty text."""
    if may_pass(answer.error):
        return LOCKED
    try:
        job = job_in(answer)
        if job == "backup":
            _check_ends(virsh, vm_id, name)
    except PolyvirtError as error:
        return error
    return job and f"libvirt job: {job}; virsh domjobabort {shlex.quote(name)} cancels it"


def _check_ends(virsh, vm_id, name):
    """Raise Refused if a backup job never ends."""
    from ..._tools.virsh_backup import is_over

    if is_over(virsh, vm_id):
        raise Refused(
            f"{name}: libvirt reports a backup job that never ends: it copies no disk any more. libvirtd was probably"
            " killed while the job ended.",
            f"Cancel it with virsh domjobabort {shlex.quote(name)}, which deletes what it has written. Then run the"
            " task again.",
        )


class VirshDriver(on_host.KeepsImages, ForChanges, VirshObserver):
    """One connection to libvirt, for one task."""

    file_options = FILE_OPTIONS

    def __init__(self, virsh, commands, options):
        super().__init__(virsh, commands, options)
        self.virt_type = options.get("virt_type")
        #: {UUID: (last changes sent, definition before them)}: a step may be sent twice.
        self._sent = {}
        #: {UUID: files that libvirt will create at the next start, and that nobody had when they were recorded}
        self.made_at_start = {}
        #: {UUID: what ``prepare_restore`` has prepared}
        self.prepared = {}
        #: {(name of a VM, id of a backup): Definition that its restore would store}
        self.adapted = {}
        #: UUIDs of VMs whose definition this task has stored, so that it is no longer the one that was planned from.
        self._stored = set()
        #: Names of VMs whose deletion this task has begun, and that may be gone while their files are left.
        self.begun = set()
        #: {UUID: content of the definition that was stored last}
        self._recorded = {}

    @property
    def names_to_compare(self):
        options = self.options
        needs_more = options.get("snapshot") or options.get("allow_recreate") or options.get("state") == "absent"
        if needs_more or _waits(options.get("wait_for")):
            return ()
        return [name for name in dict.fromkeys(options.get("name") or ()) if _NAME.match(name) and len(name) != _UUID]

    @cached_property
    def host(self):
        from .host_checks import AskedOnce

        return AskedOnce()

    @cached_property
    def claims(self):
        from .claims import VirshClaims

        return VirshClaims(self)

    @property
    def where(self):
        """The URI without its parameters: AWX gives each job a key file of its own."""
        return without_credentials(self.virsh.uri).partition("?")[0]

    def observe(self, targets, facets):
        observation = super().observe(targets, facets)
        found = self._with_files(observation) if "files" in facets and observation.vms else observation
        wanted = [one.name for one in targets or () if "files" in facets or one.name in self.begun]
        if self.is_local and wanted and len(found.vms) < len(targets):
            from .begun_deletions import with_begun

            return with_begun(self, found, wanted)
        return found

    def _with_files(self, observation):
        from .own_files import files_of, only_created, snapshot_files

        self._definitions = self.read_definitions()
        begun = {self.creations.id_of(vm.name) for vm in observation.vms}
        found = [
            vm.having(files=files_of(vm, self.definitions_of(vm), self.is_local, snapshot_files(self.virsh, vm)))
            for vm in observation.vms
        ]
        # The deletion of a VM that this task has created undoes what this task has done, and nothing else.
        return replace(observation, vms=[only_created(vm) if vm.id in begun else vm for vm in found])

    def file_version(self, path, plan):
        return super().file_version(path, plan) if self.is_local else None

    def file_identity(self, path):
        return super().file_identity(path) if self.is_local else []

    # Images ---------------------------------------------------------------------------------------------------------

    @property
    def default_image_directory(self):
        return os.path.join(self.default_folder, "polyvirt")

    def images_in(self, directory):
        from .images import LibvirtImages

        return LibvirtImages(directory, self)

    def run_in_guest(self, vm, command):
        """(exit code, standard output) of a command that the guest agent runs."""
        # Few tasks wait for what the agent says.
        from ..._ports.clock import Clock
        from ..._ports.dialogue import Dialogue
        from ..._tools.guest_agent import result_of
        from ..._tools.guest_agent_virsh import AgentByVirsh

        dialogue = Dialogue(self.virsh.argv, AgentByVirsh.environment)
        return result_of(AgentByVirsh(vm.id, Clock(), _ANSWER_OF_AGENT, dialogue), command)

    def press_key(self, vm):
        self.virsh.run("send-key", vm.id, "KEY_UP")

    # Backups --------------------------------------------------------------------------------------------------------

    @cached_property
    def backup_folder(self):
        from ..._media.backup_folder import BackupFolder

        return BackupFolder(self.options["directory"], host_name())

    def backups(self, vm, asked, reads_content):
        from .backups import read_backups

        return read_backups(self, vm, asked, reads_content)

    def jobs(self, vms):
        """{UUID: text} of the VMs with a backup, a migration or another job of libvirt, or {UUID: error}."""
        ids = {vm.id: vm.name for vm in vms if vm.power != SUSPENDED} if self.hypervisor == QEMU else {}
        answers = self.virsh.batch([("domjobinfo", one) for one in ids]) if ids else ()
        found = {vm_id: _job(self.virsh, vm_id, ids[vm_id], answer) for vm_id, answer in zip(ids, answers)}
        return {vm_id: job for vm_id, job in found.items() if job}

    # Acting ---------------------------------------------------------------------------------------------------------

    def lane(self, vm):
        return vm.id or vm.name

    @cached_property
    def judge(self):
        from .judge import Judge

        return Judge(self)

    def read_ahead(self, plans):
        if self.hypervisor == QEMU:
            self.judge.read(plans)

    def preflight(self, plan, released=frozenset()):
        """Raise if the plan would fail half-way, or return warnings. Only reads."""
        from ..._kit.guards import check_all
        from .guards import GUARDS

        found, told, self.warnings = check_all(GUARDS, self, plan, released), self.warnings, []
        return [*told, *(found or ())]

    @contextmanager
    def alone(self, vm, steps):
        """Lock a VM against other tasks of this user on this host, wherever its libvirt is."""
        if vm.id is None or all(step.verb in _WITHOUT_LOCK for step in steps):
            yield
            return
        from ..._ports import exclusive  # Only changes need it.

        with exclusive.held(f"libvirt {vm.id}") as is_free:
            if not is_free:
                raise Held(vm.name)
            yield

    def apply(self, batch):
        self._definitions = None
        self.host.forget()
        return one_by_one(self._carry_out, batch, change_counter.count, permits.granted)

    @cached_property
    def verbs(self):
        """The functions for the steps of plans."""
        if self.options.get("directory"):
            from . import backups, delete, power, restore

            return functions_of(power, backups, restore, delete)
        from . import clone, configure, create, delete, power, snapshots

        return functions_of(power, snapshots, create, clone, configure, delete, on_host)

    def _carry_out(self, vm, step):
        if vm.id is None and step.verb in POWER_VERBS:  # It was created directly before.
            vm = vm.having(id=self.creations.id_of(vm.name))
        try:
            carry_out(self, vm, step)
        except CommandFailed as error:
            if vm.id:
                # libvirt names a VM by its UUID. In a path it is no name of the VM.
                own_id = Pattern(rf"(?<![\w./-]){vm.id}(?![\w/-]|[.]\w)")
                error.message = own_id.sub(lambda _found: vm.name, error.message)
            raise

    def check_written(self, path, verb):
        """Raise Refused unless the plan lists that this step writes to a file, such as one that libvirt merges into."""
        permits.check(path, self.claims.file_identity(path), verb)

    def define(self, definition, is_record=False):
        """Store a definition. It may name files that its VM has, those of its record, and those that the plan names."""
        from .own_files import new_files

        for path in sorted(new_files(definition)):
            permits.check_named(definition.name, path)
        if self.is_local and is_mark_of(definition.mark, definition.uuid):
            definition.set_mark({HOST: host_name(), **definition.mark})
        self.virsh.run("define", "/dev/stdin", stdin=definition.text())
        self._recorded[definition.uuid] = definition.content
        if not is_record:
            self._stored.add(definition.uuid)

    def definition(self, uuid):
        """The stored definition with its secrets, which would be lost if it were edited and stored without them."""
        return self._to_change(self.virsh.run("dumpxml", uuid, "--inactive", "--security-info"))

    def _to_change(self, text):
        """A definition with the mark to add to on this host."""
        definition = Definition(text)
        mark = mark_here(definition) if self.is_local else definition.mark
        if mark != definition.mark:
            definition.set_mark(mark)
        return definition

    def definitions_to_change(self, vm):
        """Return (stored, running or None) of a VM, read by one process."""
        stored = ("dumpxml", vm.id, "--inactive", "--security-info")
        if vm.power not in (RUNNING, PAUSED):
            return self._to_change(self.virsh.run(*stored)), None
        questions = [stored, ("dumpxml", vm.id)]
        answers = self.virsh.batch(questions)
        raise_for_errors(questions, answers)
        return self._to_change(answers[0].stdout), Definition(answers[1].stdout)

    def check_as_planned(self, vm, definition):
        """Raise Stale if another client has changed the definition since it was planned. Nothing is changed before."""
        is_known = vm.revision is not None and vm.id not in self._stored
        is_ours = self._recorded.get(vm.id) == definition.content
        if is_known and not is_ours and without_secrets(definition.stored) != without_secrets(vm.revision):
            raise Stale(f"{vm.name}: another client changed it while this task ran.", "Run the task again.")

    def check_still(self, vm, content):
        """Raise Stale if it was changed while this task changed files or the running VM: libvirt would lose that."""
        if self.definition(vm.id).content != content:
            raise Stale(
                f"{vm.name}: another client changed its stored definition while this task changed the VM, so this task"
                " has not stored its own.",
                "Run the task again.",
            )

    @cached_property
    def guests(self):
        """{architecture of guests in libvirt's terms: their types, such as kvm}."""
        return output.guests(self.capabilities())

    def virt_type_for_new_vm(self, row):
        """The virtualization type of a new VM: the requested one, else kvm if libvirt supports it, else qemu.

        ``row`` is its Architecture.
        """
        return self.virt_type or ("kvm" if "kvm" in self.guests.get(row.arch, ()) else "qemu")

    def is_already_stored(self, vm, changes, definition):
        """Whether the same changes were sent before and are stored already.

        ``definition`` is the stored definition now. Changes are stored in a single operation, the last one, so the
        definition has changed only if all of them are done. They must not be applied twice: a NIC is selected by its
        position, which may be another NIC now.
        """
        sent_changes, text_before = self._sent.get(vm.id, (None, None))
        if sent_changes == changes:
            return definition.text() != text_before
        self._sent[vm.id] = (changes, definition.text())
        return False
