# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One edit of vm.conf for all steps of a batch. If it is interrupted at any point, the next task can complete it.

The file is written before and after vmd reads it. The first version has marks with what is not complete: the files of
a VM that is being created or deleted (``making``), new files of another VM (``adding``), and the block that vmd still
uses (``in_force``). The second version has marks without these keys.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from ..._lifecycle.errors import CommandFailed, PartlyApplied, PolyvirtError, Refused, Stale
from ..._lifecycle.mark import empty_mark
from ..._lifecycle.model import ABSENT, ON, STOPPED
from ..._ports import files
from ..._ports.clock import Clock
from .marked_block import Entry, changed_block, joined, replaced, split
from .reader import read_text

#: Keys of a mark until vmd has read the change.
INCOMPLETE = frozenset({"making", "adding", "in_force"})
#: The state in vmctl status of a VM that vmd will start.
_WAITING = "waiting"
#: Seconds between observations, and how many of them, until vmd has started the VMs that are enabled in vm.conf.
_PAUSE, _PAUSES = 0.25, 40


class Edit:
    """One edit. ``starting`` are the names of VMs that the batch starts; vmd may start them when it reads vm.conf."""

    def __init__(self, driver, starting=frozenset()):
        self.driver, self._starting = driver, frozenset(starting)
        self.found = driver.read_found()
        #: The Parts that vmd is to read, and {name: Entry} to replace theirs with afterwards (None: remove it).
        self._parts, self._final = self.found.parts, {}
        #: {file: {name: (start, end, new text)}} for blocks outside of the marked lines; names of enabled VMs in them.
        self._elsewhere, self._enabled = {}, set()
        #: Functions to call after vmd has read the file.
        self._after = []
        #: {name: paths} of the files that were created for this edit.
        self.created_files = {}
        #: Whether a failed edit was undone, except for the VMs in ``not_undoable``: their disks were enlarged.
        self.is_undone, self.not_undoable = False, set()
        self._needs_reload = self._was_reloaded = False

    # Before the steps -------------------------------------------------------------------------------------------------

    def announce(self, files_of):
        """Record the files that steps are about to create, {name: paths}, before they do so."""
        announced = {name: paths for name, paths in files_of.items() if paths}
        for name, paths in announced.items():
            entry = self._parts.entries.get(name, Entry(empty_mark(name)))
            key = "adding" if name in self.found.configuration.blocks else "making"
            self._stage(name, replace(entry, mark={**(entry.mark or empty_mark(name)), key: list(paths)}))
        if announced:
            self._write(self._parts)

    # What the steps do ------------------------------------------------------------------------------------------------

    def mark(self, name):
        """Return the mark of a VM without the keys that an interrupted task has left."""
        entry = self._parts.entries.get(name)
        mark = dict(entry.mark) if entry and entry.mark else empty_mark(name)
        return {key: value for key, value in mark.items() if key not in INCOMPLETE}

    def check_unchanged(self, name):
        """Raise Stale if another client changed the block of a VM since it was planned."""
        planned, current = (self._block_text(found, name) for found in (self.driver.found, self.found))
        if planned != current and self.driver.written.get(name) != current:
            raise Stale(f"{name}: its block in vm.conf was changed meanwhile.")

    @staticmethod
    def _block_text(found, name):
        block = found.configuration.blocks.get(name) if found else None
        return found.configuration.texts[block.file][block.start : block.end] if block else None

    def define(self, definition, mark, power):
        """Write the block of a VM. A VM that is on keeps its current settings until its next cold start."""
        name, is_on = definition.name, power not in (STOPPED, ABSENT)
        block = self.found.configuration.blocks.get(name)
        current = self._block_text(self.found, name)
        if block is not None and not self.found.is_ours(name):
            self._define_elsewhere(block, definition)
            entry = Entry(mark)
        else:
            entry = Entry(mark, definition.printed())
        in_force = (self.found.mark(name) or {}).get("in_force") or current
        key = "adding" if current else "making"
        incomplete = {
            **mark,
            key: list(self.created_files.get(name, ())),
            **({"in_force": in_force} if current else {}),
        }
        if is_on and current:
            is_same = definition.printed().rstrip("\n") == in_force
            self._stage(name, entry if is_same else replace(entry, mark={**mark, "in_force": in_force}))
        else:
            self._needs_reload = True
            self._stage(name, replace(self._disabled(definition, entry), mark=incomplete), final=entry)
        self.driver.written[name] = definition.printed().rstrip("\n")

    def annotate(self, name, mark, definition=None):
        """Change only the mark of a VM, and autostart if ``definition`` is given; vmd need not read either now."""
        entry = self._parts.entries.get(name, Entry(mark))
        in_force = {key: value for key, value in (entry.mark or {}).items() if key == "in_force"}
        text = definition.printed() if definition is not None and entry.text else entry.text
        if definition is not None and not entry.text:
            self._define_elsewhere(self.found.configuration.blocks[name], definition)
        self._stage(name, Entry({**mark, **in_force}, text))
        if definition is not None:
            self.driver.written[name] = definition.printed().rstrip("\n")

    def read_again(self, name):
        """Have vmd read the block of a VM as it is in vm.conf."""
        self._needs_reload = True
        entry = self._parts.entries.get(name)
        if entry and entry.mark:
            self._stage(name, entry, final=replace(entry, mark=self.mark(name)))

    def remove(self, name, paths):
        """Remove a VM from vm.conf, and delete its files after vmd has forgotten it."""
        block = self.found.configuration.blocks.get(name)
        if block is not None and not self.found.is_ours(name):
            self._replace_elsewhere(block, "")
        self._needs_reload = self._needs_reload or block is not None
        self._stage(name, Entry({**empty_mark(name), "making": sorted(paths)}) if paths else None, final=None)
        self._after.append(lambda: [files.remove(path) for path in sorted(paths)])

    def _define_elsewhere(self, block, definition):
        if definition.enabled:
            self._enabled.add(definition.name)
        before = self.found.definition(block.name).statements()
        text = self.found.configuration.texts[block.file]
        self._replace_elsewhere(block, changed_block(text, block, before, definition.statements()))

    def _replace_elsewhere(self, block, new):
        """Replace a block outside of the marked lines; if ``new`` is empty, its newline is removed too."""
        text = self.found.configuration.texts[block.file]
        end = block.end + (not new and text[block.end : block.end + 1] == "\n")
        self._elsewhere.setdefault(block.file, {})[block.name] = (block.start, end, new)

    def _text_elsewhere(self, path):
        return replaced(self.found.configuration.texts[path], self._elsewhere[path].values())

    def _disabled(self, definition, entry):
        """Return the entry with a disabled VM, because vmd would start an enabled one; not if this batch starts it."""
        if not definition.enabled or definition.name in self._starting or not entry.text:
            return entry
        return replace(entry, text=replace(definition, enabled=False).printed())

    def _stage(self, name, entry, final=False):
        self._parts = self._parts.having(name, entry)
        if final is not False:
            self._final[name] = final

    # At the end -------------------------------------------------------------------------------------------------------

    def commit(self):
        """Write vm.conf, have vmd read it, and complete what has to wait for that. On failure, restore the old file."""
        to_stop = self._started_by_reload()
        try:
            self._write(self._disable_others(self._parts))
            self._write_included()
            if self._needs_reload:
                self._reload()
        except PolyvirtError:
            self._restore()
            self.discard(self.created_files)
            raise
        try:
            if self._needs_reload:
                self._stop_again(to_stop)
        finally:  # The edit itself has succeeded, even if a VM could not be stopped again.
            self._complete()

    def _complete(self):
        """Do what has to wait until vmd has read the file: delete files, and write the final blocks and marks."""
        for action in self._after:
            action()
        parts = self._parts
        for name, entry in self._final.items():
            parts = parts.having(name, entry)
        self._write(parts)

    def _started_by_reload(self):
        """Return the stopped VMs outside of the marked lines that vmd will start although no step requests it."""
        removed = {name for name, entry in self._final.items() if entry is None}
        enabled = {name for name in self._enabled if self.found.power(name) == STOPPED}
        return ({*self.found.others_started(self._starting)} | enabled) - removed - self._starting

    def withdraw(self, name):
        """Remove the changes of a VM from this edit, because its step failed."""
        self._parts = self._parts.having(name, self.found.parts.entries.get(name))
        self._final.pop(name, None)
        for edits in self._elsewhere.values():
            edits.pop(name, None)

    def discard(self, names):
        """Delete the files that were created for these VMs; vm.conf does not name them."""
        for path in [path for name in names for path in self.created_files.get(name, ())]:
            files.remove(path)

    def _disable_others(self, parts):
        """Disable stopped VMs of this collection, because vmd would start them when it reads the file."""
        if not self._needs_reload:
            return parts
        for name, entry in parts.entries.items():
            definition = self.found.definition(name) if name and entry.text.strip() else None
            would_start = definition and definition.enabled and self.found.power(name) == STOPPED
            if would_start and name not in self._final and name not in self._starting:
                parts = parts.having(name, replace(entry, text=replace(definition, enabled=False).printed()))
        return parts

    def _reload(self):
        self._was_reloaded = True
        try:
            self.driver.tool.reload()
        except CommandFailed as error:
            raise CommandFailed(
                error.argv, error.rc, error.stderr, remedy="The reason is in /var/log/daemon of the host."
            ) from error

    def _stop_again(self, to_stop):
        """Stop VMs that were stopped before: vmd starts all enabled VMs when it reads vm.conf."""
        names, clock = set(to_stop), Clock()
        for _again in range(_PAUSES if names else 0):
            rows = self.driver.tool.status()
            names = {name for name in names if not self._is_stopped(rows.get(name))}
            if not names:
                return
            clock.sleep(_PAUSE)
        if names:
            raise PartlyApplied(
                f"vmd has started {', '.join(sorted(names))}, or is about to: it was stopped and is enabled in"
                " vm.conf.",
                "Stop it with vmctl stop, and disable it in vm.conf.",
            )

    def _is_stopped(self, row):
        """Return whether a VM is off; if it runs, power it off."""
        if row is None or row.state == _WAITING:
            return False
        if row.power == STOPPED:
            return True
        with suppress(CommandFailed):  # The caller tries again.
            self.driver.tool.stop(row.name, "-f", "-w")
        return False

    def _restore(self):
        """Restore all files, and have vmd read them again if it may have read the new ones."""
        original, included = self.found.configuration.texts, set(self._elsewhere) - {self.driver.config_file}
        started = {name for name in self._starting if self.found.power(name) not in ON}
        self._elsewhere, self._final, self._starting = {}, {}, frozenset()
        for path in included:
            _replace(path, original[path])
        self.is_undone = not self._was_reloaded
        if self._was_reloaded:
            with suppress(PolyvirtError):  # The first error is more important.
                self._write(self._disable_others(self.found.parts))
                self._reload()
                # If only the answer was lost, vmd has read the new file and started the VMs of this batch.
                self._stop_again({*self.found.others_started(set())} | (started & set(self.driver.tool.status())))
                self.is_undone = True
        if self.driver.config_file in original:
            _replace(self.driver.config_file, original[self.driver.config_file])
        else:
            files.remove(self.driver.config_file)

    def _write(self, parts):
        text = joined(parts)
        if self.driver.config_file in self._elsewhere:
            # A block outside of the marked lines of the same file changes too.
            outside = split(self._text_elsewhere(self.driver.config_file), self.driver.config_file)
            text = joined(replace(parts, before=outside.before, after=outside.after))
        if not text and self.driver.config_file not in self.found.configuration.texts:
            files.remove(self.driver.config_file)
        elif text != read_text(self.driver.config_file):
            _replace(self.driver.config_file, text, self._validate)

    def _validate(self, candidate):
        errors = self.driver.tool.validate(candidate)
        if errors:
            raise invalid(self.driver.config_file, errors.replace(candidate, self.driver.config_file))

    def _write_included(self):
        """Write changed files that vm.conf includes. They can be validated only together with vm.conf, in place."""
        included = [path for path in self._elsewhere if path != self.driver.config_file]
        for path in included:
            _replace(path, self._text_elsewhere(path))
        if included:
            self._validate(self.driver.config_file)


def invalid(path, errors):
    """Return the error for a file that vmd rejects."""
    return Refused(f"{path}: vmd would reject it: {errors}", "Correct the named line; the file was not changed.")


def _replace(path, text, validate=None):
    files.replace_content(path, text.encode("latin-1"), validate)
