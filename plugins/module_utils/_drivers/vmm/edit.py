# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One edit of vm.conf for all steps of a batch. Whenever it is interrupted, the next task can complete it.

The file is written twice. Before vmd reads it, marks say what is not complete: the files of a VM that is being created
or deleted (``making``), and the block that vmd still knows (``in_force``). Afterwards they do not.
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

#: What a mark has until vmd has read the change that it belongs to.
INCOMPLETE = frozenset({"making", "adding", "in_force"})
_WAITING = "waiting"
#: How long vmd may take to start what it found enabled in vm.conf.
_PAUSE, _PAUSES = 0.25, 40


class Edit:
    """``starting`` are the names of VMs that the same batch starts, which vmd may do at once."""

    def __init__(self, driver, starting=frozenset()):
        self.driver, self._starting = driver, frozenset(starting)
        self.found = driver.look()
        self._parts, self._final = self.found.parts, {}
        #: Edits of blocks that somebody else has written, and which of these VMs are enabled then.
        self._elsewhere, self._enabled = {}, set()
        self._after = []
        #: Files that were created for this edit, by VM.
        self.made = {}
        #: Whether a failed edit was undone, but for the VMs in ``lasting``: an enlarged disk stays so.
        self.is_undone, self.lasting = False, set()
        self._is_read_again = self._is_reloaded = False

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
        """The mark of a VM without what an interrupted task left in it."""
        entry = self._parts.entries.get(name)
        kept = dict(entry.mark) if entry and entry.mark else empty_mark(name)
        return {key: value for key, value in kept.items() if key not in INCOMPLETE}

    def check_unchanged(self, name):
        """Raise Stale if another client changed the block of a VM since it was planned."""
        planned, now = (self._text(found, name) for found in (self.driver.found, self.found))
        if planned != now and self.driver.written.get(name) != now:
            raise Stale(f"{name}: its block in vm.conf was changed meanwhile.")

    @staticmethod
    def _text(found, name):
        block = found.configuration.blocks.get(name) if found else None
        return found.configuration.texts[block.file][block.start : block.end] if block else None

    def define(self, definition, mark, power):
        """Put a VM into vm.conf. One that is on keeps what it was started with until its next cold start."""
        name, is_on = definition.name, power not in (STOPPED, ABSENT)
        block = self.found.configuration.blocks.get(name)
        former = self._text(self.found, name)
        if block is not None and not self.found.is_ours(name):
            self._define_elsewhere(block, definition)
            entry = Entry(mark)
        else:
            entry = Entry(mark, definition.printed())
        in_force = (self.found.mark(name) or {}).get("in_force") or former
        key = "adding" if former else "making"
        unread = {**mark, key: list(self.made.get(name, ())), **({"in_force": in_force} if former else {})}
        if is_on and former:
            is_same = definition.printed().rstrip("\n") == in_force
            self._stage(name, entry if is_same else replace(entry, mark={**mark, "in_force": in_force}))
        else:
            self._is_read_again = True
            self._stage(name, replace(self._held_back(definition, entry), mark=unread), final=entry)
        self.driver.written[name] = definition.printed().rstrip("\n")

    def annotate(self, name, mark, definition=None):
        """Change only the mark of a VM, or whether vmd starts it, which vmd need not know before it starts."""
        entry = self._parts.entries.get(name, Entry(mark))
        kept = {key: value for key, value in (entry.mark or {}).items() if key == "in_force"}
        text = definition.printed() if definition is not None and entry.text else entry.text
        if definition is not None and not entry.text:
            self._define_elsewhere(self.found.configuration.blocks[name], definition)
        self._stage(name, Entry({**mark, **kept}, text))
        if definition is not None:
            self.driver.written[name] = definition.printed().rstrip("\n")

    def read_again(self, name):
        """Have vmd read what is stored of a VM."""
        self._is_read_again = True
        entry = self._parts.entries.get(name)
        if entry and entry.mark:
            self._stage(name, entry, final=replace(entry, mark=self.mark(name)))

    def remove(self, name, paths):
        """Take a VM out of vm.conf, and delete its files when vmd does not know it any more."""
        block = self.found.configuration.blocks.get(name)
        if block is not None and not self.found.is_ours(name):
            self._replace_elsewhere(block, "")
        self._is_read_again = self._is_read_again or block is not None
        self._stage(name, Entry({**empty_mark(name), "making": sorted(paths)}) if paths else None, final=None)
        self._after.append(lambda: [files.remove(path) for path in sorted(paths)])

    def _define_elsewhere(self, block, definition):
        if definition.enabled:
            self._enabled.add(definition.name)
        before = self.found.definition(block.name).statements()
        text = self.found.configuration.texts[block.file]
        self._replace_elsewhere(block, changed_block(text, block, before, definition.statements()))

    def _replace_elsewhere(self, block, new):
        """Edit a block that somebody else has written; an empty one takes the end of its line with it."""
        text = self.found.configuration.texts[block.file]
        end = block.end + (not new and text[block.end : block.end + 1] == "\n")
        self._elsewhere.setdefault(block.file, {})[block.name] = (block.start, end, new)

    def _text_elsewhere(self, path):
        return replaced(self.found.configuration.texts[path], self._elsewhere[path].values())

    def _held_back(self, definition, entry):
        """The block as vmd is to read it now: an enabled VM would be started."""
        if not definition.enabled or definition.name in self._starting or not entry.text:
            return entry
        return replace(entry, text=replace(definition, enabled=False).printed())

    def _stage(self, name, entry, final=False):
        self._parts = self._parts.having(name, entry)
        if final is not False:
            self._final[name] = final

    # At the end -------------------------------------------------------------------------------------------------------

    def commit(self):
        """Write vm.conf, have vmd read it, and complete what has to wait for that. On failure the old file is back."""
        stopped = self._started_by_reload()
        try:
            self._write(self._hold_back_others(self._parts))
            self._write_included()
            if self._is_read_again:
                self._reload()
        except PolyvirtError:
            self._restore()
            self.discard(self.made)
            raise
        try:
            if self._is_read_again:
                self._stop_again(stopped)
        finally:  # The edit itself is done all the same.
            self._complete()

    def _complete(self):
        """What has to wait until vmd has read the file: last texts of blocks, and the cleaning up after them."""
        for action in self._after:
            action()
        parts = self._parts
        for name, entry in self._final.items():
            parts = parts.having(name, entry)
        self._write(parts)

    def _started_by_reload(self):
        """VMs defined elsewhere that are stopped, and that vmd will start although no step asks for it."""
        removed = {name for name, entry in self._final.items() if entry is None}
        enabled = {name for name in self._enabled if self.found.power(name) == STOPPED}
        return ({*self.found.others_started(self._starting)} | enabled) - removed - self._starting

    def withdraw(self, name):
        """Leave nothing of a VM in this edit: its step failed."""
        self._parts = self._parts.having(name, self.found.parts.entries.get(name))
        self._final.pop(name, None)
        for edits in self._elsewhere.values():
            edits.pop(name, None)

    def discard(self, names):
        """Remove the files that were created for these VMs, which vm.conf does not name."""
        for path in [path for name in names for path in self.made.get(name, ())]:
            files.remove(path)

    def _hold_back_others(self, parts):
        """VMs of this collection that are enabled and stopped are not enabled while vmd reads the file."""
        if not self._is_read_again:
            return parts
        for name, entry in parts.entries.items():
            definition = self.found.definition(name) if name and entry.text.strip() else None
            is_started = definition and definition.enabled and self.found.power(name) == STOPPED
            if is_started and name not in self._final and name not in self._starting:
                parts = parts.having(name, replace(entry, text=replace(definition, enabled=False).printed()))
        return parts

    def _reload(self):
        self._is_reloaded = True
        try:
            self.driver.tool.reload()
        except CommandFailed as error:
            raise CommandFailed(
                error.argv, error.rc, error.stderr, remedy="The reason is in /var/log/daemon of the host."
            ) from error

    def _stop_again(self, names):
        """vmd starts all enabled VMs when it reads vm.conf; those that were stopped are stopped again."""
        left, clock = set(names), Clock()
        for _again in range(_PAUSES if left else 0):
            rows = self.driver.tool.status()
            left = {name for name in left if not self._is_stopped(rows.get(name))}
            if not left:
                return
            clock.sleep(_PAUSE)
        if left:
            raise PartlyApplied(
                f"vmd has started {', '.join(sorted(left))}, or is about to: it was stopped and is enabled in vm.conf.",
                "Stop it with vmctl stop, and disable it in vm.conf.",
            )

    def _is_stopped(self, row):
        """Whether a VM is off; one that runs is ended."""
        if row is None or row.state == _WAITING:
            return False
        if row.power == STOPPED:
            return True
        with suppress(CommandFailed):  # It is tried again.
            self.driver.tool.stop(row.name, "-f", "-w")
        return False

    def _restore(self):
        """All files as they were; vmd reads them again if it may have read the others."""
        former, included = self.found.configuration.texts, set(self._elsewhere) - {self.driver.config_file}
        started = {name for name in self._starting if self.found.power(name) not in ON}
        self._elsewhere, self._final, self._starting = {}, {}, frozenset()
        for path in included:
            _replace(path, former[path])
        self.is_undone = not self._is_reloaded
        if self._is_reloaded:
            with suppress(PolyvirtError):  # The first error says more.
                self._write(self._hold_back_others(self.found.parts))
                self._reload()
                # The answer may be all that was lost: then vmd has started what it should.
                self._stop_again({*self.found.others_started(set())} | (started & set(self.driver.tool.status())))
                self.is_undone = True
        if self.driver.config_file in former:
            _replace(self.driver.config_file, former[self.driver.config_file])
        else:
            files.remove(self.driver.config_file)

    def _write(self, parts):
        text = joined(parts)
        if self.driver.config_file in self._elsewhere:
            # A block outside of the marked lines changes in the same file.
            outside = split(self._text_elsewhere(self.driver.config_file), self.driver.config_file)
            text = joined(replace(parts, before=outside.before, after=outside.after))
        if not text and self.driver.config_file not in self.found.configuration.texts:
            files.remove(self.driver.config_file)
        elif text != read_text(self.driver.config_file):
            _replace(self.driver.config_file, text, self._validated)

    def _validated(self, candidate):
        said = self.driver.tool.validate(candidate)
        if said:
            raise invalid(self.driver.config_file, said.replace(candidate, self.driver.config_file))

    def _write_included(self):
        """Files that vm.conf includes can be judged only in place."""
        included = [path for path in self._elsewhere if path != self.driver.config_file]
        for path in included:
            _replace(path, self._text_elsewhere(path))
        if included:
            self._validated(self.driver.config_file)


def invalid(path, said):
    return Refused(f"{path}: vmd would reject it: {said}", "Correct the named line; the file was not changed.")


def _replace(path, text, validate=None):
    files.replace_content(path, text.encode("latin-1"), validate)
