# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: its own judgement of the definitions that plans would store, without storing them: one process for all.

``domxml-to-native`` parses a definition as ``define`` does, and prepares a start (verified with libvirt 9.0.0). Of the
command line that it prints, only the names of devices are used. libvirt's test driver, which is in virsh itself, shows
which values of ``native`` libvirt drops: it parses and prints a definition without a daemon.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from typing import Any, Optional

from ..._core.errors import PolyvirtError, Refused, remedy_for
from ..._core.frozen import Mutable, field
from ..._kit.native_paths import check_stored
from ..._ports import files
from ..._tools.domain_xml import Definition
from ..._tools.qemu_devices import lacking, unusual_devices
from ..._tools.virsh import TEST_DRIVER, Virsh, cannot_say
from ..._tools.virsh_remedies import REMEDIES
from .rehearsal import final_definition, observed
from .settings.disk_limits import check_limits
from .settings.native import same_native

_EMULATOR = "devices/emulator"
_REFERENCE = "https://libvirt.org/formatdomain.html"
#: Steps that store a definition which the driver itself has built.
_STORING = ("create", "clone", "configure")
#: What libvirt rejects here until the host is prepared, although it can store it (libvirt 9.0.0): PCI and USB devices,
#: and huge pages without a mounted hugetlbfs.
_OF_PREPARED_HOSTS = ("devices/hostdev", "devices/interface[@type='hostdev']", "memoryBacking/hugepages")


class _Case(Mutable):
    """One plan: the definition that it stores, the stored one (None: there is none), and the verdict."""

    plan: Any
    steps: list
    definition: Any = None
    stored: Any = None
    native: dict = field(default_factory=dict)
    error: Optional[PolyvirtError] = None
    warning: str = ""

    @property
    def name(self):
        return self.plan.after.name


class Judge:
    """The verdicts of a task, by VM."""

    def __init__(self, driver):
        self._driver, self._cases = driver, {}

    def read(self, plans):
        """Judge what ``plans`` would store; a plan that changes no definition costs no process."""
        cases = [_Case(plan, _storing(plan)) for plan in plans]
        self._cases.update({_key(case.plan): case for case in cases})
        for case in cases:
            self._build(case)
        self._ask([case for case in cases if case.definition is not None])

    def check(self, plan):
        """Raise the error of a plan, or return its warnings. A plan that has changed since is judged now."""
        if _key(plan) not in self._cases or self._cases[_key(plan)].steps != _storing(plan):
            self.read([plan])
        case = self._cases[_key(plan)]
        if case.error is not None:
            raise case.error
        return [case.warning] if case.warning else []

    def _build(self, case):
        if not case.steps:
            return
        try:
            definition = final_definition(self._driver, case.plan)
            case.native = _native(case.steps)
            _check_written(definition, case.native)
            if definition is not None:
                check_limits(definition, [change for step in case.steps for change in step.changes], case.native)
        except PolyvirtError as error:
            case.error = error
            return
        emulator = case.native.get(_EMULATOR)
        if emulator and os.path.realpath(emulator) not in self._known_emulators():
            about = f"{case.name}: native: {_EMULATOR}"
            case.warning = f"{about}: libvirt does not report {emulator}, so it is not run to check the definition."
            return
        before = (
            case.plan.before.id and case.steps[0].verb == "configure" and observed(self._driver, case.plan.before.id)
        )
        if definition is not None and not (before and before.content[0] == definition.content[0]):
            case.definition, case.stored = definition, before or None

    def _known_emulators(self):
        """Return the programs that libvirt has found itself: it runs any other one to ask what it can do."""
        found = ET.fromstring(self._driver.capabilities()).iter("emulator")
        return {os.path.realpath(element.text or "") for element in found}

    # Asking -----------------------------------------------------------------------------------------------------------

    def _ask(self, cases):
        if not cases:
            return
        with files.private_folder() as folder:
            kept, reasons = self._judged(folder, cases)
            for case, text in zip(cases, kept):
                _compare_native(case, text)
            rejected = [(case, reason) for case, reason in zip(cases, reasons) if reason and not case.error]
            # libvirt is stricter here than when it stores: a device that is not plugged in does not concern this task.
            again = [case for case, _reason in rejected if case.stored is not None]
            words = [_judging(folder, f"stored-{place}", case.stored) for place, case in enumerate(again)]
            stored = dict(zip(map(id, again), self._reasons(folder, self._answers(self._driver.virsh, words))))
        for case, reason in rejected:
            _conclude(case, reason, stored.get(id(case)))

    def _judged(self, folder, cases):
        """Return ([the definition as the test driver prints it, or None], [why libvirt rejects it, or None])."""
        words = [_judging(folder, str(place), case.definition) for place, case in enumerate(cases)]
        copies = [_copying(folder, place, case) if case.native else [] for place, case in enumerate(cases)]
        virsh, before = self._driver.virsh, [one for copy in copies for one in copy]
        if before:
            # In this order: if the second connection fails, the test driver is asked, which cannot judge.
            virsh = Virsh(self._driver.commands, self._driver.options.get("executable") or "virsh", TEST_DRIVER)
            before = [*before, ("connect", self._driver.virsh.uri)]
        answers = self._answers(virsh, [*before, *words])
        printed, judged = iter(answers[: len(before)]), answers[len(before) :]
        kept = [[next(printed) for _one in copy] for copy in copies]
        texts = [copy[1].stdout if copy and not any(one.error for one in copy) else None for copy in kept]
        return texts, self._reasons(folder, judged)

    def _answers(self, virsh, words):
        if not words:
            return []
        try:
            return virsh.batch(words)
        except PolyvirtError:  # This virsh has no such command, or has lost its connection.
            return [None] * len(words)

    def _reasons(self, folder, answers):
        """Return why libvirt rejects each definition, or QEMU would; None if they do not, or if libvirt cannot say."""
        return [answer and self._reason(folder, answer) for answer in answers]

    def _reason(self, folder, answer):
        if not answer.error:
            return self._reason_of_qemu(answer.stdout)
        return None if cannot_say(answer.error) or folder in answer.error else _one_line(answer.error)

    def _reason_of_qemu(self, command_line):
        """Return which device QEMU does not have. libvirt knows most models, but not which ones an emulator has."""
        emulator, devices = unusual_devices(command_line)
        if not devices or not emulator or not self._driver.is_local:
            return None
        found = lacking(self._driver.host.answer((emulator, "devices"), lambda: self._devices_of(emulator)), devices)
        return found and f"{emulator} has no device {found[0]}, only {', '.join(found[1])}"

    def _devices_of(self, emulator):
        """Return what the emulator prints; nothing if it cannot be run, so that nothing is rejected."""
        try:
            completed = self._driver.commands.run([emulator, "-device", "help"])
        except PolyvirtError:
            return ""
        return completed.stdout if completed.rc == 0 else ""


def _key(plan):
    return plan.before.id or plan.after.name


def _storing(plan):
    return [step for step in plan.steps if step.verb in _STORING]


def _native(steps):
    """{path: value} of ``native`` that the steps write."""
    found = {}
    for step in steps:
        if step.verb == "create":
            found.update(step.arguments["config"].get("native") or {})
        found.update({change.key: change.new for change in step.changes if change.field == "native"})
    return found


def _file(folder, name, definition):
    path = os.path.join(folder, f"{name}.xml")
    files.write_atomically(path, definition.text().encode("utf-8", "surrogateescape"))
    return path


def _judging(folder, name, definition):
    """The command that judges a definition. libvirt finds devices of the host only when it starts a VM."""
    copy = Definition(definition.text())
    for path in _OF_PREPARED_HOSTS:
        copy.remove(path)
    return ("domxml-to-native", "qemu-argv", "--xml", _file(folder, name, copy))


def _copying(folder, place, case):
    """Commands for the test driver, which has a VM of its own: this one needs another name and UUID."""
    copy, name = Definition(case.definition.text()), f"polyvirt-{place}"
    copy.set("name", name)
    copy.remove("uuid")
    return [("define", _file(folder, f"copy-{place}", copy)), ("dumpxml", name)]


# Verdicts -------------------------------------------------------------------------------------------------------------


def _check_written(definition, native):
    """Raise Refused if paths contradict each other: removing one element moves those after it."""
    for key, value in native.items() if definition is not None else ():
        if not definition.has_native(key, value, same_native):
            raise Refused(
                f"{definition.name}: native: '{key}' would not have the requested value, because of another path.",
                "Remove the last element of a list first, or select elements by an attribute instead of a position.",
            )


def _compare_native(case, text):
    if not text or case.error:
        return
    try:
        check_stored(case.name, case.native, Definition(text), same_native, _REFERENCE)
    except Refused as error:
        case.error = error


def _conclude(case, reason, reason_of_stored):
    if reason == reason_of_stored:
        case.warning = (
            f"{case.name}: libvirt could not start it, with this change or without it: {reason}. Correct it before the"
            " next start."
        )
        return
    fields = sorted({change.field for step in case.steps for change in step.changes})
    options = f" {', '.join(fields)}:" if fields else ""
    case.error = Refused(
        f"{case.name}:{options} the definition that this task would store is rejected: {reason}.",
        remedy_for(REMEDIES, reason) or "Correct the option or the path of native that sets this.",
    )


def _one_line(error):
    return error.strip().rstrip(".").replace("\n", "; ")
