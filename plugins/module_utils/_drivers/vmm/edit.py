# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: one edit of vm.conf for all steps of a batch. If it is interrupted at any point, the next task can complete it.

The file is written before and after vmd reads it. The first version has marks with what is not complete: the files of
a VM that is being created or deleted (``unfinished``) or gets new disks (``making``), and the block that vmd still uses
(``in_force``). The second version has marks without these keys.

The steps can take minutes, so the files and power states are read again before the change. What others have changed
meanwhile stays: nothing is changed then (Stale).
"""

from __future__ import annotations

from contextlib import suppress

from ..._core.errors import CommandFailed, PartlyApplied, PolyvirtError, Refused, Stale
from ..._core.frozen import replace
from ..._core.model import ABSENT, ON, STOPPED
from ..._core.record import mark as marks
from ..._core.record.mark import BIRTH, empty_mark, finished_mark, making_mark, making_of, mark_for, unfinished_mark
from ..._ports import files, permits
from ..._ports.clock import Clock
from ..._tools.marked_block import Entry, changed_block, joined, merged, replaced, split
from ..._tools.vmctl import WAITING
from .observe import birth_of

#: Keys of a mark until vmd has read the change.
INCOMPLETE = frozenset({"unfinished", "making", "in_force"})
#: Seconds between observations, and how many of them, until vmd has started the VMs that are enabled in vm.conf.
_PAUSE, _PAUSES = 0.25, 40
_AGAIN = "Run the task again."


class Edit:
    """One edit. ``starting`` are the names of VMs that the batch starts; vmd may start them when it reads vm.conf."""

    def __init__(self, driver, starting=frozenset()):
        self.driver, self._starting = driver, frozenset(starting)
        self.found = driver.read_found()
        #: The text of vm.conf as this edit has read or written it last; None if the file does not exist.
        self._text = self.found.configuration.texts.get(driver.config_file)
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
        self._needs_reload = self._was_written = self._was_reloaded = False

    # Before the steps -------------------------------------------------------------------------------------------------

    def leftovers(self, name):
        """Return the paths of files that an interrupted task, or an earlier attempt of this one, created for a VM."""
        return {*making_of(self.found.record(name)), *self.driver.created}

    def announce(self, files_of):
        """Record the files that steps are about to create, {name: paths}, before they do so; never one of others."""
        announced = {name: paths for name, paths in files_of.items() if paths}
        for name, paths in announced.items():
            entry, left = self._entry(name), self.leftovers(name)
            paths = [path for path in paths if path in left or not files.exists(path)]
            self._stage(name, replace(entry, mark=self._incomplete(name, self._recorded(name), paths)))
        if announced:
            self._write(self._parts)

    def _incomplete(self, name, mark, paths):
        """Return the mark of a VM with files that are being created, until vmd has read its block."""
        return {**making_mark(mark, paths), "unfinished": name not in self.found.configuration.blocks}

    # What the steps do ------------------------------------------------------------------------------------------------

    def mark(self, name):
        """Return the mark of a VM without the keys that an interrupted task has left."""
        return finished_mark(self._recorded(name), "in_force")

    def _recorded(self, name):
        mark = mark_for(name, self.found.record(name), self.found.birth(name))
        return {marks.HOST: files.host_name(), **mark}

    def check_unchanged(self, name):
        """Raise Stale if another client changed the block of a VM since it was planned."""
        planned, current = (found and found.block_text(name) for found in (self.driver.found, self.found))
        if planned != current and self.driver.written.get(name) != current:
            raise Stale(f"{name}: its block in vm.conf was changed meanwhile.")

    def define(self, definition, mark, power):
        """Write the block of a VM. A VM that is on keeps its current settings until its next cold start."""
        name, is_on = definition.name, power not in (STOPPED, ABSENT)
        block = self.found.configuration.blocks.get(name)
        current = self.found.block_text(name)
        if block is not None and not self.found.is_ours(name):
            mark = {**mark, BIRTH: self._define_elsewhere(block, definition)}
            entry = self._entry(name).with_block(name, "", mark)
        else:
            entry = self._entry(name).with_block(name, definition.printed(), mark)
        in_force = (self.found.own(name) or {}).get("in_force") or current
        incomplete = self._incomplete(name, mark, self.created_files.get(name, ()))
        incomplete.update({"in_force": in_force} if current else {})
        if is_on and current:
            is_same = definition.printed().rstrip("\n") == in_force
            self._stage(name, entry if is_same else replace(entry, mark={**mark, "in_force": in_force}))
        else:
            self._needs_reload = True
            self._stage(name, replace(self._disabled(definition, entry), mark=incomplete), final=entry)
        self.driver.written[name] = definition.printed().rstrip("\n")

    def annotate(self, name, mark, definition=None):
        """Change only the mark of a VM, and autostart if ``definition`` is given; vmd need not read either now."""
        entry = self._entry(name)
        in_force = {key: value for key, value in (entry.mark or {}).items() if key == "in_force"}
        entry = replace(entry, mark={**mark, **in_force})
        if definition is None:
            self._stage(name, entry)
            return
        if entry.has_block(name):
            entry = entry.with_block(name, definition.printed(), entry.mark)
        else:
            birth = self._define_elsewhere(self.found.configuration.blocks[name], definition)
            entry = replace(entry, mark={**entry.mark, BIRTH: birth})
        self._stage(name, entry)
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
        for path in paths:
            files.check_loss(path)
        if block is not None:
            permits.check_thing("vm", name)
        if block is not None and not self.found.is_ours(name):
            self._replace_elsewhere(block, "")
        # A task that was killed may have removed the block, and vmd has not read the file since.
        is_forgotten = block is None and name not in self.found.rows
        self._needs_reload = self._needs_reload or not is_forgotten
        own, entry = {**empty_mark(name), marks.HOST: files.host_name()}, self._entry(name)
        mark = unfinished_mark(own, sorted(paths)) if paths else None
        self._stage(name, entry.with_block(name, "", mark), final=entry.with_block(name, "", None))
        self._after.append(lambda: [files.remove(path) for path in sorted(paths)])

    def _define_elsewhere(self, block, definition):
        """Change a block outside of the marked lines, and return the birth of its VM afterwards."""
        if definition.enabled:
            self._enabled.add(definition.name)
        before = self.found.definition(block.name).statements()
        text = self.found.configuration.texts[block.file]
        changed = changed_block(text, block, before, definition.statements())
        self._replace_elsewhere(block, changed)
        return birth_of(changed, definition.disks)

    def _replace_elsewhere(self, block, new):
        """Replace a block outside of the marked lines; if ``new`` is empty, its newline is removed too."""
        text = self.found.configuration.texts[block.file]
        end = block.end + (not new and text[block.end : block.end + 1] == "\n")
        self._elsewhere.setdefault(block.file, {})[block.name] = (block.start, end, new)

    def _text_elsewhere(self, path):
        return replaced(self.found.configuration.texts[path], self._elsewhere[path].values())

    def _disabled(self, definition, entry):
        """Return the entry with a disabled VM, because vmd would start an enabled one; not if this batch starts it."""
        if not definition.enabled or definition.name in self._starting or not entry.has_block(definition.name):
            return entry
        return entry.with_block(definition.name, replace(definition, enabled=False).printed(), entry.mark)

    def _entry(self, name):
        return self._parts.entries.get(name, Entry(None))

    def _stage(self, name, entry, final=False):
        self._parts = self._parts.having(name, entry)
        if final is not False:
            self._final[name] = final

    # At the end -------------------------------------------------------------------------------------------------------

    def commit(self):
        """Write vm.conf, have vmd read it, and complete what has to wait for that. On failure, restore the old file."""
        try:
            self._check_unchanged()
            to_stop, self._was_written = self._started_by_reload(), True
            self._write(self._disable_others(self._parts))
            self._write_included()
            if self._needs_reload:
                self._reload()
        except PolyvirtError:
            try:
                self._restore()
            finally:
                self.discard(self.created_files)
            raise
        try:
            if self._needs_reload:
                self._stop_again(to_stop)
        finally:  # The edit itself has succeeded, even if a VM could not be stopped again.
            self._complete()

    def _check_unchanged(self):
        """Raise Stale if others changed the files since the last reading, or started or stopped a VM of this edit."""
        path, current = self.driver.config_file, self.driver.read_found()
        known, texts = {**self.found.configuration.texts, path: self._text}, current.configuration.texts
        changed = sorted(file for file in {*known, *texts} if known.get(file) != texts.get(file))
        if changed:
            raise Stale(f"{', '.join(changed)}: changed meanwhile by another client.", _AGAIN)
        changed = sorted(
            name for name in self._final if (self.found.power(name) == STOPPED) != (current.power(name) == STOPPED)
        )
        if changed:
            raise Stale(f"{', '.join(changed)}: started or stopped meanwhile by another client.", _AGAIN)
        self.found = replace(self.found, rows=current.rows)

    def _complete(self):
        """Do what has to wait until vmd has read the file: delete files, and write the final blocks and marks."""
        for action in self._after:
            action()
        parts = self._parts
        for name, entry in self._final.items():
            parts = parts.having(name, entry)
        self._write(self._with_others_changes(parts))

    def _with_others_changes(self, parts):
        """Return Parts with what others have changed in vm.conf since this edit has written it."""
        path, text = self.driver.config_file, files.read_latin1(self.driver.config_file)
        if text == self._text:
            return parts
        self._elsewhere.pop(path, None)  # This edit has written them already.
        return merged(split(self._text or "", path), parts, split(text or "", path))

    def _started_by_reload(self):
        """Return the stopped VMs outside of the marked lines that vmd will start although no step requests it."""
        removed = {name for name, entry in self._final.items() if entry is None or entry.mark is None}
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
            definition = self.found.definition(name) if name and entry.has_block(name) else None
            would_start = definition and definition.enabled and self.found.power(name) == STOPPED
            if would_start and name not in self._final and name not in self._starting:
                disabled = replace(definition, enabled=False).printed()
                parts = parts.having(name, entry.with_block(name, disabled, entry.mark))
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
        if row is None or row.state == WAITING:
            return False
        if row.power == STOPPED:
            return True
        with suppress(CommandFailed):  # The caller tries again.
            self.driver.tool.stop(row.name, "-f", "-w")
        return False

    def _restore(self):
        """Restore all files, and have vmd read them again if it may have read the new ones."""
        path, original = self.driver.config_file, self.found.configuration.texts
        elsewhere = set(self._elsewhere) if self._was_written else set()
        included, is_whole = elsewhere - {path}, path in elsewhere
        started = {name for name in self._starting if self.found.power(name) not in ON}
        self._elsewhere, self._final, self._starting = {}, {}, frozenset()
        for file in included:
            _replace(file, original[file])
        parts = self.found.parts if is_whole else self._with_others_changes(self.found.parts)
        self.is_undone = not self._was_reloaded
        if self._was_reloaded:
            with suppress(PolyvirtError):  # The first error is more important.
                self._write(self._disable_others(parts))
                try:
                    self._reload()
                finally:
                    # If only the answer was lost, vmd has read the new file and started the VMs of this batch.
                    self._stop_again({*self.found.others_started(set())} | (started & set(self.driver.tool.status())))
                self.is_undone = True
        parts = parts if is_whole else self._with_others_changes(parts)
        if parts is not self.found.parts:
            _replace(path, joined(parts))
        elif path in original:
            _replace(path, original[path])
        else:
            _remove_new(path)

    def _write(self, parts):
        path, text = self.driver.config_file, joined(parts)
        if path in self._elsewhere:
            # A block that is not an entry changes too, in the same file.
            text = joined(merged(self.found.parts, parts, split(self._text_elsewhere(path), path)))
        if not text and path not in self.found.configuration.texts:
            _remove_new(path)
        elif text != files.read_latin1(path):
            _replace(path, text, self._validate)
        self._text = files.read_latin1(path)

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


def _remove_new(path):
    """Remove a file that did not exist before this edit, and has no lines of others."""
    with permits.also([path]):
        files.remove(path)


def _replace(path, text, validate=None):
    files.replace_content(path, text.encode("latin-1"), validate)
