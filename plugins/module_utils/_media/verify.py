# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of vendors, and the lists of checksums that they sign.

OpenPGP by gpg, and OpenBSD's signify. Without the tool, the result says so.
"""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase

from .._core.errors import Refused, Unavailable
from .._core.frozen import Frozen
from .._ports import download, files
from .._ports.command import Commands

VERIFIED, NOT_CHECKED, NONE = "verified", "not_checked", "none"
_PROGRAMS = {"gpg": ("gpg",), "signify": ("signify-openbsd", "signify")}
_PACKAGES = {"gpg": "gnupg", "signify": "signify-openbsd"}
_KEY_FOLDERS = ("/etc/signify", "/usr/share/signify-openbsd-keys")
_NOTHING_KEPT = "Nothing was kept. Use another mirror, and check that the key is the vendor's."


class Verdict(Frozen):
    """``state``: verified, not_checked or none; ``note`` says why it is not verified."""

    state: str
    note: str = ""


class Verifier:
    """Checks what a medium's ``signature`` describes (its suboptions are those of the module install_medium).

    ``only_warns``: nobody has verified that the vendor signs in this way, so a failure is no error.
    """

    def __init__(self, signature, key_file, timeout, only_warns=False):
        self._signature, self._key_file, self._timeout = signature, key_file, timeout
        self.only_warns = only_warns
        self._commands = Commands()

    @property
    def missing(self):
        """A Verdict if nothing can be checked here, else None."""
        if not self._signature:
            return Verdict(NONE, "The vendor publishes no signature.")
        tool = self._signature["tool"]
        if self._program() is None:
            return Verdict(NOT_CHECKED, f"{tool} is not installed on this host (package {_PACKAGES[tool]}).")
        return None

    def tolerated(self, error):
        """The Verdict of a signature that could not be verified; raises the error unless it is only a warning."""
        if not self.only_warns:
            raise error
        return Verdict(NOT_CHECKED, f"{error.message} The catalogue marks this signature as unverified.")

    def _program(self):
        for name in _PROGRAMS[self._signature["tool"]]:
            try:
                return self._commands.find(name)
            except Unavailable:
                continue
        return None

    def verified_list(self, base, name):
        """The text of a list of checksums that its signature covers; raises Refused if the signature is wrong."""
        signed = self._signature.get("file") or name
        with files.private_folder() as folder:
            signature = self._fetched(folder, f"{base}/{signed}", "signature")
            if self._signature["tool"] == "signify":
                return self._signify(folder, signature, signed)
            if signed == name:
                return self._gpg(folder, ["--output", self._path(folder, "list"), "--decrypt", signature], signed)
            listed = self._fetched(folder, f"{base}/{name}", "list")
            self._gpg(folder, ["--verify", signature, listed], signed)
            return files.read(listed).decode("utf-8", "replace")

    def verify_file(self, base, path):
        """Check the detached signature of a downloaded file; raises Refused."""
        with files.private_folder() as folder:
            signature = self._fetched(folder, f"{base}/{self._signature['file']}", "signature")
            self._gpg(folder, ["--verify", signature, path], self._signature["file"])

    # Tools ------------------------------------------------------------------------------------------------------------

    def _signify(self, folder, signature, signed):
        listed = self._path(folder, "list")
        words = [self._program(), "-V", "-e", "-p", self._key(folder), "-x", signature, "-m", listed]
        completed = self._commands.run(words)
        if completed.rc != 0:
            raise Refused(f"{signed}: {completed.stderr.strip()}.", _NOTHING_KEPT)
        return files.read(listed).decode("utf-8", "replace")

    def _gpg(self, folder, words, signed):
        home = self._path(folder, "gnupg")
        os.mkdir(home, 0o700)
        program = [self._program(), "--homedir", home, "--batch", "--no-autostart", "--trust-model", "always"]
        self._commands.run([*program, "--import", self._key(folder)])
        completed = self._commands.run([*program, "--status-fd", "1", *words], timeout=600)
        wanted = self._signature["key"].replace(" ", "").upper()
        if wanted not in _signers(completed.stdout) or completed.rc != 0:
            said = completed.stderr.strip().splitlines()
            raise Refused(f"{signed}: has no valid signature by {wanted}: {'; '.join(said)}.", _NOTHING_KEPT)
        listed = self._path(folder, "list")
        return files.read(listed).decode("utf-8", "replace") if files.exists(listed) else ""

    # Files ------------------------------------------------------------------------------------------------------------

    def _key(self, folder):
        """The path of the vendor's key: the user's file, one that the host has, or the downloaded one."""
        if self._key_file:
            files.read_part(self._key_file, 0, 1)
            return self._key_file
        name = os.path.basename(self._signature["key"])
        for place in _KEY_FOLDERS if self._signature["tool"] == "signify" else ():
            if files.is_file(os.path.join(place, name)):
                return os.path.join(place, name)
        if not self._signature.get("key_url"):
            raise Refused(f"The key {name} is not on this host.", "Set key_file to a file that has it.")
        return self._fetched(folder, self._signature["key_url"], "key")

    def _fetched(self, folder, url, name):
        path = self._path(folder, name)
        files.write_atomically(path, download.fetch(url, self._timeout))
        return path

    @staticmethod
    def _path(folder, name):
        return os.path.join(folder, name)


def _signers(status):
    """The fingerprints of the primary keys of all valid signatures, from the status lines of gpg (doc/DETAILS)."""
    lines = [line.split() for line in status.splitlines() if line.startswith("[GNUPG:] VALIDSIG ")]
    return {words[-1] for words in lines}


# Lists of checksums ---------------------------------------------------------------------------------------------------

_GNU = re.compile(r"([0-9A-Fa-f]{64,128}) [ *](?:[.]/)?(.+)")
#: BSD writes "SHA256 (x) = ", openssl "SHA256(x)= " or "SHA2-256(x)= ".
_BSD = re.compile(r"SHA(?:2-)?(?:256|384|512) ?\((?:[.]/)?(.+)\) ?= ([0-9A-Fa-f]+)")
#: The section [checksums] of a .treeinfo file, which lists the files of an installable tree.
_TREEINFO = re.compile(r"([^=;#]*[^=;#\s])\s*=\s*sha(?:256|384|512):([0-9A-Fa-f]+)")
_BARE = re.compile(r"([0-9A-Fa-f]{64}|[0-9A-Fa-f]{96}|[0-9A-Fa-f]{128})")
_KINDS = {64: "sha256", 96: "sha384", 128: "sha512"}
_BEFORE_THE_RELEASE = re.compile(r"[-._~](?:alpha|beta|pre|rc)[-._]?[0-9]*")


class Checksum(Frozen):
    """The checksum that a list has for a file."""

    file: str
    kind: str
    digits: str


def checksum_in(text, pattern):
    """The checksum of the file that matches ``pattern``, or None.

    If several files match, the newest one is taken, according to the numbers in their names. ``text`` is a list in the
    form of GNU coreutils, of BSD, of openssl or of a .treeinfo file, or a single checksum for the file that ``pattern``
    names. If none matches, the pattern is compared with the names without their directories.
    """
    found = [one for line in text.lstrip("\ufeff").splitlines() for one in _of(line.strip(), pattern)]
    matching = [one for one in found if fnmatchcase(one.file, pattern)]
    matching = matching or [one for one in found if fnmatchcase(one.file.rpartition("/")[2], pattern)]
    # sha512 before sha256, if a list has both.
    return max(matching, key=lambda one: (_age(one.file), one.kind), default=None)


def _of(line, pattern):
    bsd, gnu, bare, tree = (form.fullmatch(line) for form in (_BSD, _GNU, _BARE, _TREEINFO))
    if bsd:
        name, digits = bsd.groups()
    elif gnu:
        name, digits = gnu.group(2), gnu.group(1)
    elif tree:
        name, digits = tree.groups()
    elif bare and "*" not in pattern:
        name, digits = pattern, bare.group(1)
    else:
        return
    if len(digits) in _KINDS:
        # An absolute path is one of the vendor's own host.
        name = name.rpartition("/")[2] if name.startswith("/") else name
        yield Checksum(name, _KINDS[len(digits)], digits.lower())


def _age(name):
    """A key that orders names by the numbers in them, and a candidate such as 1.2-rc1 before its release 1.2."""
    release = _BEFORE_THE_RELEASE.sub("", name)
    return _numbers(release), release == name, _numbers(name)


def _numbers(name):
    return [int(part) for part in re.findall("[0-9]+", name)]


def checksum_of(kind, digits, file):
    """Return the Checksum of a file that a task sets, or None if it has another form."""
    bare = _BARE.fullmatch(digits)
    return Checksum(file, kind, digits.lower()) if bare and _KINDS[len(digits)] == kind else None
