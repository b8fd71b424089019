# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find a medium in a vendor's list of checksums, download it, and verify it. Used for installers and images alike.

A medium is a mapping with ``bases`` (addresses of directories), ``file`` (name or pattern), ``checksums`` (name of the
list in the same directory) and ``signature``, as the lookup polyvirt.core.distribution returns it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Optional
from urllib.parse import quote

from .._core.errors import InvalidInput, NotFound, Refused, Unavailable
from .._core.frozen import Frozen
from .._core.texts import without_secrets
from .._ports import download, files, partial_files
from .._ports.clock import Clock
from . import verify

#: How often a connection may break off without a single byte received, and seconds between two attempts.
_ATTEMPTS, _PAUSE = 3, 2
#: Seconds between two attempts to get the lock of a file.
_WAIT = 1
#: Seconds without an answer of a server.
SECONDS_WITHOUT_ANSWER = 60
#: Characters that servers expect as they are.
_SAFE = "/+~:,"


class Found(Frozen):
    """A file of a vendor: the address of its directory, and what is known of its content.

    ``checksum`` None: the vendor publishes none, so ``file`` is its name. ``verdict``: of the signature. ``address``:
    as the user has written it, if that is the whole address.
    """

    base: str
    file: str
    checksum: Optional[verify.Checksum]
    verdict: verify.Verdict
    address: Optional[str] = None

    @property
    def url(self):
        return self.address or self.url_at(self.base)

    def url_at(self, base):
        """Return the address of the file in another directory."""
        return f"{base}/{quote(self.file, _SAFE)}"

    @property
    def digits(self):
        """The digits that name the file: those of its checksum, or of its address if the vendor publishes none."""
        return self.checksum.digits if self.checksum else digits_of_address(self.url)

    @property
    def digest(self):
        """The checksum as text, such as sha512:4f1c..., or None."""
        return f"{self.checksum.kind}:{self.checksum.digits}" if self.checksum else None

    @property
    def checked(self):
        """How the content will have been checked: signature, checksum or none."""
        return "signature" if self.verdict.state == verify.VERIFIED else "checksum" if self.checksum else "none"


class Line(Frozen):
    """How to download: seconds without an answer, and secret headers of the user for the server of ``source``."""

    timeout: int
    headers: Optional[dict] = None
    source: str = ""

    def headers_for(self, url):
        """Return the headers for the server of ``source``; None for others, such as a mirror's or a checksum list's."""
        return self.headers if download.origin(url) == download.origin(self.source) else None


def of_vendor(asked, medium, line, about):
    """Return (Found, warnings) of a medium, with its checksum from the task, or from the vendor's signed list."""
    is_required = bool(asked.get("require_signature"))
    if asked.get("checksum"):
        return with_checksum(asked["checksum"], medium, line, about), []
    if not medium.get("checksums"):
        if is_required:
            raise Refused(f"{about}: the vendor publishes no signature.", "Omit require_signature, or set checksum.")
        warning = f"{about}: nothing was verified, because no checksum is known. Set image.checksum."
        return found_at(medium, None), [warning]
    verifier = verifier_of(medium, is_required, line.timeout)
    if is_required and verifier.missing:
        raise Refused(f"{about}: its signature cannot be checked. {verifier.missing.note}", "Omit require_signature.")
    found = find_listed(medium, medium["file"], verifier, line)
    is_unchecked = found.verdict.state == verify.NOT_CHECKED
    return found, [f"{about}: the signature was not checked. {found.verdict.note}"] if is_unchecked else []


def digits_of_address(url):
    return download.digest_of_text(without_secrets(url))


def verifier_of(medium, is_required, timeout, key_file=None):
    """Return the Verifier of a medium. A signature that the catalogue marks as unverified only warns, unless required.

    ``key_file``: the user's own file with the vendor's key.
    """
    only_warns = "signature" in medium.get("unverified", ()) and not is_required
    return verify.Verifier(medium.get("signature"), key_file, timeout, only_warns)


def find_listed(medium, pattern, verifier, line):
    """Return the Found at the first address with a list that has the file; raises NotFound if none has."""
    problems = []
    for base in (base.rstrip("/") for base in medium["bases"]):
        try:
            text, verdict = _list(medium, base, verifier, line)
        except (NotFound, Unavailable) as error:
            problems.append(error.message)
            continue
        found = verify.checksum_in(text, pattern)
        if found:
            return Found(base, found.file, found, verdict)
        problems.append(f"{download.shown(base)}/{medium['checksums']}: has no {pattern}.")
    raise NotFound(f"{pattern} was not found. {' '.join(problems)}", "Check the addresses and the network of the host.")


def with_checksum(text, medium, line, about):
    """Return the Found of an address with ``text``: digits, or the address of a list of checksums."""
    kind, _colon, rest = text.partition(":")
    if "://" not in rest:
        checksum = verify.checksum_of(kind, rest, medium["file"])
    else:
        content = download.fetch(rest, line.timeout, line.headers_for(rest)).decode("utf-8", "replace")
        checksum = verify.checksum_in(content, medium["file"])
        if checksum and checksum.kind != kind:
            checksum = None
    if checksum is None:
        raise InvalidInput(
            f"{about}: checksum: {without_secrets(text)} is no checksum of {medium['file']}.",
            "Set sha256:DIGITS, sha512:DIGITS, or sha512: followed by the address of a list that has the file.",
        )
    return found_at(medium, checksum)


def found_at(medium, checksum):
    """Return the Found of a file without a list of checksums next to it."""
    base, verdict = medium["bases"][0].rstrip("/"), verify.Verdict(verify.NONE)
    return Found(base, medium["file"], checksum, verdict, medium.get("address"))


def _list(medium, base, verifier, line):
    """Return (list of checksums, Verdict). A list without a checked signature is used as it is."""
    signs_list = (medium.get("signature") or {}).get("signs", "checksums") == "checksums"
    verdict = verifier.missing
    if verdict is None and signs_list:
        try:
            return verifier.verified_list(base, medium["checksums"]), verify.Verdict(verify.VERIFIED)
        except (NotFound, Refused, Unavailable) as error:
            verdict = verifier.tolerated(error)
    address = f"{base}/{medium['checksums']}"
    text = download.fetch(address, line.timeout, line.headers_for(address)).decode("utf-8", "replace")
    # The signature of the file itself is checked when it is downloaded.
    return text, verdict or verify.Verdict(verify.VERIFIED)


def part_of(path, key):
    """Return the incomplete file of ``path``, which is also the lock of the task that writes it."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{key}.part")


@contextmanager
def downloading(path, key, deadline):
    """Yield the name for the incomplete file of ``path``; only one process downloads it at a time.

    The name contains ``key``, so that a part of another version is never completed. It is kept when a download fails,
    so that the next run resumes there. Waits until ``deadline`` (see Clock) for another process.
    """
    part, clock = part_of(path, key), Clock()
    while True:
        with partial_files.held_file(part) as is_free:
            if is_free:
                yield part
                _remove_empty(part)
                return
        if clock.now() >= deadline:
            raise Refused(f"{path}: another task is still downloading it.", "Run the task again when it has ended.")
        clock.sleep(_WAIT)


@contextmanager
def private_file(part, suffix):
    """Yield the path of an empty file beside ``part`` that nobody else can read; both are removed at the end.

    Programs keep the mode of an existing file. A complete file is moved to its place within the context.
    """
    new = f"{part}.{suffix}"
    try:
        files.write_atomically(new, b"")
        yield new
    finally:
        files.remove(new)
        files.remove(part)


def _remove_empty(part):
    """The file may exist only because it was the lock: another process has completed the download meanwhile."""
    if files.exists(part) and not files.size(part):
        files.remove(part)


def remove_other_parts(path, key):
    """Remove incomplete files of other versions of ``path``, which nothing completes any more."""
    folder, name = os.path.split(path)
    beginning, ending = f".{name}.", ".part"
    for other in files.entries(folder):
        if other.startswith(beginning) and other.endswith(ending) and other != f"{beginning}{key}{ending}":
            with partial_files.held_file(os.path.join(folder, other)) as is_free:
                if is_free:
                    files.remove(os.path.join(folder, other))


def download_verified(found, bases, part, line):
    """Download ``found`` to ``part``, verify its checksum, and return the address that it came from.

    ``bases`` are further addresses: the checksum is the same everywhere. A file with another content is not kept.
    """
    base = _from_any(found, bases, part, line)
    if found.checksum is None:
        return base
    digits = files.digest(part, found.checksum.kind)
    if digits != found.checksum.digits:
        files.remove(part)
        raise Refused(
            f"{download.shown(base)}/{found.file}: its {found.checksum.kind} is {digits}, but it must be"
            f" {found.checksum.digits}.",
            "The file was not kept. Run the task again, or use another mirror.",
        )
    return base


def _from_any(found, bases, part, line):
    problems = []
    for base in dict.fromkeys([found.base, *(one.rstrip("/") for one in bases)]):
        url = found.url if base == found.base else found.url_at(base)
        try:
            _all(url, part, line, is_resumed=found.checksum is not None)
        except (NotFound, Unavailable) as error:
            problems.append(error)
        else:
            return base
    messages, remedy = " ".join(error.message for error in problems), problems[-1].remedy
    raise Unavailable(messages, why="not_responding", remedy=remedy or "Check the addresses, or add another mirror.")


def _all(url, part, line, is_resumed):
    """Download what is missing; a connection that breaks off is opened again as long as it gets further."""
    failures, most = 0, files.size(part) if is_resumed and files.exists(part) else 0
    while True:
        if not is_resumed and files.exists(part):
            # Without a checksum, nothing would detect that the rest belongs to another version.
            partial_files.truncate(part)
        if download.fetch_onto(url, part, line.timeout, line.headers_for(url)):
            return
        # A server or proxy may end each transfer after so many bytes, and begin again with the first one.
        failures, most = (0, files.size(part)) if files.size(part) > most else (failures + 1, most)
        if failures >= _ATTEMPTS:
            raise Unavailable(
                f"{download.shown(url)}: the connection broke off after {files.size(part)} bytes.",
                why="not_responding",
                remedy="Run the task again. If the server supports ranges, it continues there.",
            )
        Clock().sleep(_PAUSE)


def check_signature(base, path, medium, verifier):
    """Check a signature of the file itself, and remove the file if it is wrong.

    Returns a Verdict if the signature could not be verified and that is only a warning, else None. A file that came
    when the tool was missing is checked later, too.
    """
    if verifier.missing is not None or medium["signature"].get("signs") != "file":
        return None
    try:
        verifier.verify_file(base, path)
    except (NotFound, Refused, Unavailable) as error:
        if isinstance(error, Refused) and not verifier.only_warns:
            files.remove(path)
        return verifier.tolerated(error)
    return None
