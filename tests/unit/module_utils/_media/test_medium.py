# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Media are downloaded once and completely, from a real server, with real signatures; nothing wrong is kept."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import threading

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._media import medium as product
from ansible_collections.polyvirt.core.plugins.modules.install_medium import MODULE

from unit.module_utils._media.server import Server

ISO = b"an ISO image " * 100_000
NAME = "d-1.2.0.iso"
GPG, SIGNIFY = shutil.which("gpg"), shutil.which("signify-openbsd") or shutil.which("signify")
with_gpg = pytest.mark.skipif(not GPG, reason="gpg is not installed; `scripts/test.sh unit` installs it")
with_signify = pytest.mark.skipif(
    not SIGNIFY, reason="signify-openbsd is not installed; `scripts/test.sh unit` installs it"
)


@pytest.fixture(name="server")
def _server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    server.files = {f"/r/{NAME}": ISO, "/r/SUMS": f"{_sum(ISO)}  {NAME}\n".encode()}
    yield server
    server.close()


@pytest.fixture(name="pauses", autouse=True)
def _pauses(monkeypatch):
    """The pauses between attempts; none is waited for."""
    pauses = []
    monkeypatch.setattr(product.Clock, "sleep", lambda self, seconds: pauses.append(seconds))
    return pauses


def _sum(content):
    return hashlib.sha256(content).hexdigest()


class Cache:
    """A directory to download to, and the module on it."""

    def __init__(self, folder, server):
        self.folder, self.server = folder / "cache", server

    def __call__(self, check=False, signature=None, bases=None, **options):
        medium = {"type": "iso", "file": "d-1.*.iso", "bases": bases or [f"{self.server.url}/r/"], "checksums": "SUMS"}
        medium.update(
            {name: options.pop(name) for name in ("file", "initrd", "manual", "checksums") if name in options}
        )
        if signature:
            medium["signature"] = {"signs": "checksums", **signature}
        params = {"medium": medium, "directory": str(self.folder), "key_file": None, "require_signature": False}
        return MODULE.answer({**params, "timeout": 20, **options}, check)

    def error(self, **options):
        with pytest.raises(PolyvirtError) as raised:
            self(**options)
        return str(raised.value)

    def files(self):
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []

    def read(self):
        return (self.folder / NAME).read_bytes()


@pytest.fixture(name="cache")
def _cache(tmp_path, server):
    return Cache(tmp_path, server)


# Downloads ------------------------------------------------------------------------------------------------------------


def test_file_is_downloaded_once(cache, server):
    predicted = cache(check=True)
    assert cache.files() == []
    done = cache()
    assert done == predicted
    assert (done["changed"], done["path"]) == (True, str(cache.folder / NAME))
    assert done["checksum"] == f"sha256:{_sum(ISO)}"
    assert done["signature"] == "none"
    assert done["diff"]["after"] == f"{NAME}\n"
    assert cache.read() == ISO
    again = cache()
    assert (again["changed"], again["diff"]["after"]) == (False, "")
    assert server.fetched(f"/r/{NAME}") == [None]
    assert cache.files() == [NAME]


def test_new_content_replaces_the_old_one(cache, server):
    cache()
    server.files[f"/r/{NAME}"] = b"new"
    server.files["/r/SUMS"] = f"{_sum(b'new')}  {NAME}\n".encode()
    assert cache()["changed"]
    assert cache.read() == b"new"


def test_damaged_file_is_replaced(cache):
    cache()
    (cache.folder / NAME).write_bytes(ISO[:-1])
    assert cache(check=True)["changed"]
    assert cache()["changed"]
    assert cache.read() == ISO


def test_second_file_belongs_to_it(cache, server):
    server.files["/r/sub/initrd.gz"] = b"\x1f\x8b initrd"
    server.files["/r/SUMS"] += f"{_sum(server.files['/r/sub/initrd.gz'])}  ./sub/initrd.gz\n".encode()
    done = cache(initrd="sub/initrd.gz")
    assert done["initrd"] == str(cache.folder / "initrd.gz")
    assert (cache.folder / "initrd.gz").read_bytes() == b"\x1f\x8b initrd"


@pytest.mark.parametrize("cuts", [[0], [1], [500_000], [500_000, 0, 1, 0, 0, 300_000]])
def test_broken_connection_is_continued(cache, server, cuts):
    server.cuts[f"/r/{NAME}"] = list(cuts)
    assert cache()["changed"]
    assert cache.read() == ISO
    assert len(server.fetched(f"/r/{NAME}")) == len(cuts) + 1
    if cuts[0]:
        assert server.fetched(f"/r/{NAME}")[1] == f"bytes={cuts[0]}-"


def test_next_task_continues(cache, server):
    server.cuts[f"/r/{NAME}"] = [600_000, 0, 0, 0]
    error = cache.error()
    assert "the connection broke off after 600000 bytes. Run the task again; it continues there." in error
    assert len(cache.files()) == 1
    assert cache()["changed"]
    assert server.fetched(f"/r/{NAME}")[-1] == "bytes=600000-"
    assert cache.read() == ISO
    assert cache.files() == [NAME]


def test_server_without_ranges_begins_again(cache, server):
    server.cuts[f"/r/{NAME}"] = [600_000]
    server.ranges = False
    cache()
    assert cache.read() == ISO


def test_part_of_another_version_is_not_completed(cache, server):
    server.cuts[f"/r/{NAME}"] = [600_000, 0, 0, 0]
    cache.error()
    server.files[f"/r/{NAME}"] = b"new" * 400_000
    server.files["/r/SUMS"] = f"{_sum(b'new' * 400_000)}  {NAME}\n".encode()
    cache()
    assert cache.read() == b"new" * 400_000
    assert cache.files() == [NAME]


def test_complete_part_of_a_killed_task_is_used(cache, server):
    server.cuts[f"/r/{NAME}"] = [600_000, 0, 0, 0]
    cache.error()
    (part,) = cache.folder.iterdir()
    part.write_bytes(ISO)
    cache()
    assert cache.files() == [NAME]


def test_wrong_checksum_is_an_error_and_nothing_is_kept(cache, server):
    cache()
    server.files[f"/r/{NAME}"] = ISO + b"!"
    server.files["/r/SUMS"] = f"{_sum(b'?')}  {NAME}\n".encode()
    error = cache.error()
    assert f"{server.url}/r/{NAME}: its sha256 is {_sum(ISO + b'!')}, and the vendor's list has {_sum(b'?')}." in error
    assert cache.files() == [NAME]
    assert cache.read() == ISO


def test_address_without_the_file_is_followed_by_the_next(cache, server):
    server.files["/old/SUMS"] = f"{_sum(ISO)}  d-0.9.iso\n".encode()
    done = cache(bases=[f"{server.url}/none", f"{server.url}/old", f"{server.url}/r"])
    assert done["url"] == f"{server.url}/r/{NAME}"


def test_error_names_what_each_address_answered(cache, server):
    server.files["/old/SUMS"] = b""
    error = cache.error(bases=[f"{server.url}/none", "http://user:secret@127.0.0.1:1/x", f"{server.url}/old"])
    assert error.startswith("d-1.*.iso was not found.")
    assert f"{server.url}/none/SUMS: the server answers 404 Not Found." in error
    assert "http://127.0.0.1:1/x/SUMS: " in error
    assert "secret" not in error
    assert f"{server.url}/old/SUMS: has no d-1.*.iso." in error
    assert cache.files() == []


def test_redirect_is_followed(cache, server):
    server.redirects = {"/m/SUMS": f"{server.url}/r/SUMS", f"/m/{NAME}": f"{server.url}/r/{NAME}"}
    cache(bases=[f"{server.url}/m"])
    assert cache.read() == ISO


def test_proxy_of_the_environment_is_used(cache, server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    server.files["http://mirror.example/SUMS"] = server.files["/r/SUMS"]
    server.files[f"http://mirror.example/{NAME}"] = ISO
    cache(bases=["http://mirror.example"])
    assert cache.read() == ISO


def test_unknown_certificate_is_an_error(cache, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed; it makes the certificate")
    pem = tmp_path / "server.pem"
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*words, "-keyout", pem, "-out", tmp_path / "c.pem", *names], check=True, capture_output=True)
    pem.write_text(pem.read_text() + (tmp_path / "c.pem").read_text())
    secure = Server(pem)
    try:
        secure.files = cache.server.files
        assert "certificate" in cache.error(bases=[f"{secure.url}/r"]).lower()
        os.environ["SSL_CERT_FILE"] = str(tmp_path / "c.pem")
        assert cache(bases=[f"{secure.url}/r"])["changed"]
    finally:
        os.environ.pop("SSL_CERT_FILE", None)
        secure.close()


def test_two_tasks_download_once(cache, server, monkeypatch):
    """The second task waits for the lock of the first, and finds the file."""
    cache.folder.mkdir()
    handle = os.open(cache.folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    waiting = threading.Event()

    def pause(_clock, _seconds):
        # The other task ends with the file in place.
        (cache.folder / NAME).write_bytes(ISO)
        os.close(handle)
        waiting.set()

    monkeypatch.setattr(product.Clock, "sleep", pause)
    cache()
    assert waiting.is_set()
    assert server.fetched(f"/r/{NAME}") == []


def test_medium_that_is_not_published_names_its_address(cache):
    assert "Get it from https://x.example/, and use its path." in cache.error(manual="https://x.example/")


# Signatures -----------------------------------------------------------------------------------------------------------


class Signer:
    """Somebody with a new OpenPGP key."""

    def __init__(self, folder, server):
        self._home, self._server = folder, server
        folder.mkdir(mode=0o700)
        self._gpg(
            "--passphrase", "", "--quick-generate-key", f"Vendor {folder.name} <v@example.org>", "ed25519", "sign"
        )
        listed = self._gpg("--with-colons", "--list-keys").decode()
        self.key = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
        server.files[f"/key-{folder.name}"] = self._gpg("--armor", "--export")
        self.key_url = f"{server.url}/key-{folder.name}"

    def _gpg(self, *words, data=b""):
        command = [GPG, "--homedir", str(self._home), "--batch", "--yes", *words]
        return subprocess.run(command, input=data, check=True, capture_output=True).stdout

    def detached(self, data):
        return self._gpg("--detach-sign", data=data)

    def clear(self, data):
        return self._gpg("--clear-sign", data=data)

    def signature(self, **more):
        return {"tool": "gpg", "key": self.key, "key_url": self.key_url, **more}

    def close(self):
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=False, capture_output=True)


@pytest.fixture(name="signer")
def _signer(tmp_path, server):
    signer = Signer(tmp_path / "gpg", server)
    yield signer
    signer.close()


@with_gpg
def test_detached_signature_of_the_list(cache, server, signer):
    server.files["/r/SUMS.sign"] = signer.detached(server.files["/r/SUMS"])
    done = cache(signature=signer.signature(file="SUMS.sign"), require_signature=True)
    assert (done["signature"], done["warnings"]) == ("verified", [])
    assert cache.read() == ISO


@with_gpg
def test_clear_signed_list(cache, server, signer):
    server.files["/r/SUMS"] = signer.clear(server.files["/r/SUMS"])
    assert cache(signature=signer.signature())["signature"] == "verified"


@with_gpg
def test_only_the_signed_part_of_a_list_counts(cache, server, signer):
    """Text around a clear-signed message has no signature."""
    evil = f"{_sum(b'evil')}  d-1.9.9.iso\n".encode()
    server.files["/r/d-1.9.9.iso"] = b"evil"
    server.files["/r/SUMS"] = evil + signer.clear(server.files["/r/SUMS"]) + evil
    try:
        done = cache(signature=signer.signature())
    except PolyvirtError:
        assert cache.files() == []
    else:
        assert done["path"] == str(cache.folder / NAME)


@with_gpg
def test_signature_of_the_file_itself(cache, server, signer):
    server.files[f"/r/{NAME}.asc"] = signer.detached(ISO)
    signature = signer.signature(file=f"{NAME}.asc", signs="file")
    assert cache(signature=signature)["signature"] == "verified"
    server.files[f"/r/{NAME}.asc"] = signer.detached(b"another")
    # The first time, the file is in the cache, as if gpg was missing when it came; the second time, it is not.
    for _again in range(2):
        assert f"{NAME}.asc: has no valid signature by {signer.key}" in cache.error(signature=signature)
        assert cache.files() == []


@with_gpg
def test_wrong_signature_is_an_error_and_nothing_is_kept(cache, server, signer):
    server.files["/r/SUMS.sign"] = signer.detached(server.files["/r/SUMS"])
    server.files["/r/SUMS"] += b"\n"
    error = cache.error(signature=signer.signature(file="SUMS.sign"))
    assert f"SUMS.sign: has no valid signature by {signer.key}" in error
    assert "BAD signature" in error
    assert cache.files() == []


@with_gpg
def test_signature_by_another_key_is_an_error(cache, server, signer, tmp_path):
    """The address of the key has another key now: only its fingerprint counts."""
    other = Signer(tmp_path / "other", server)
    try:
        server.files["/r/SUMS.sign"] = other.detached(server.files["/r/SUMS"])
        signature = signer.signature(file="SUMS.sign", key_url=other.key_url)
        assert f"has no valid signature by {signer.key}" in cache.error(signature=signature)
    finally:
        other.close()


@with_gpg
def test_key_of_the_host_is_used(cache, server, signer, tmp_path):
    server.files["/r/SUMS.sign"] = signer.detached(server.files["/r/SUMS"])
    (tmp_path / "key.asc").write_bytes(server.files.pop("/key-gpg"))
    done = cache(signature=signer.signature(file="SUMS.sign"), key_file=str(tmp_path / "key.asc"))
    assert done["signature"] == "verified"


@with_gpg
def test_missing_signature_is_an_error(cache, signer):
    assert "SUMS.sign: the server answers 404" in cache.error(signature=signer.signature(file="SUMS.sign"))


@with_signify
def test_signify(cache, server, tmp_path):
    public, secret = tmp_path / "d-1-base.pub", tmp_path / "d-1-base.sec"
    subprocess.run([SIGNIFY, "-G", "-n", "-p", public, "-s", secret], check=True, capture_output=True)
    (tmp_path / "SUMS").write_text(f"SHA256 ({NAME}) = {_sum(ISO)}\n")
    words = [SIGNIFY, "-S", "-e", "-s", secret, "-m", tmp_path / "SUMS", "-x", tmp_path / "SUMS.sig"]
    subprocess.run(words, check=True, capture_output=True)
    server.files.update({"/r/SUMS.sig": (tmp_path / "SUMS.sig").read_bytes(), "/r/d-1-base.pub": public.read_bytes()})
    # The list that is not signed is not read.
    server.files["/r/SUMS"] = f"{_sum(b'evil')}  d-1.9.9.iso\n".encode()
    key_url = f"{server.url}/r/d-1-base.pub"
    signature = {"tool": "signify", "file": "SUMS.sig", "key": "d-1-base.pub", "key_url": key_url}
    assert cache(signature=signature, require_signature=True)["signature"] == "verified"
    assert cache.read() == ISO
    server.files["/r/SUMS.sig"] = server.files["/r/SUMS.sig"].replace(b") = ", b") =  ")
    assert "SUMS.sig: signify-openbsd: signature verification failed" in cache.error(signature=signature)


@pytest.mark.parametrize(("tool", "package"), [("gpg", "gnupg"), ("signify", "signify-openbsd")])
def test_without_the_tool_the_result_says_so(cache, monkeypatch, tool, package):
    monkeypatch.setattr(product.signatures, "_PROGRAMS", {tool: ("no-such-program",)})
    signature = {"tool": tool, "key": "x", "key_url": "http://127.0.0.1:1/"}
    done = cache(signature=signature)
    assert done["signature"] == "not_checked"
    assert done["warnings"] == [
        f"The signature of {NAME} was not checked. {tool} is not installed on this host (package {package})."
    ]
    error = cache.error(signature=signature, require_signature=True)
    assert error.startswith(f"d-1.*.iso: its signature cannot be checked. {tool} is not installed")


def test_required_signature_that_does_not_exist_is_an_error(cache):
    assert "The vendor publishes no signature." in cache.error(require_signature=True)
    assert cache.files() == []
