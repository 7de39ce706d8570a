"""Signatures of `SHA256SUMS` by SSH keys, made and checked by `ssh-keygen`, as git's are.

A signature says who vouches for every byte of a package: the index has the digest of each file.
Public keys of most researchers are known already, for instance as `github.com/USER.keys`.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tokser.checksum_index import INDEX
from tokser.errors import DamagedFileError, MissingInputError, MissingPackageError, SettingsError

__all__ = ["SIGNATURE", "check_signature", "sign", "signer_of"]

SIGNATURE = f"{INDEX}.sig"
_NAMESPACE = "tokser"
_TIMEOUT_S = 60


def sign(index: bytes, key: Path) -> bytes:
    """Sign an index.

    Args:
        index: Content of `SHA256SUMS`.
        key: Private key, or the public one of a key that ssh-agent holds.

    Raises:
        MissingInputError: There is no such key.
        SettingsError: It cannot be used.
    """
    if not key.is_file():
        raise MissingInputError(
            f"--sign {key}",
            expected="an SSH key",
            got="nothing",
            remedy="Make one with `ssh-keygen -t ed25519`, or name yours.",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / INDEX
        path.write_bytes(index)
        done = _ssh_keygen("-Y", "sign", "-f", str(key), "-n", _NAMESPACE, str(path))
        if done.returncode:
            raise SettingsError(
                f"--sign {key}",
                expected="an SSH key that signs",
                got=_told(done),
                remedy="Add it to ssh-agent if it has a passphrase, or name another.",
            )
        return path.with_name(SIGNATURE).read_bytes()


def signer_of(index: bytes, signature: bytes) -> str:
    """Return the fingerprint of the key that signed, whoever owns it; empty if none did."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SIGNATURE
        path.write_bytes(signature)
        done = _ssh_keygen(
            "-Y", "check-novalidate", "-n", _NAMESPACE, "-s", str(path), content=index
        )
    words = done.stdout.decode(errors="replace").split()
    return next((word for word in words if word.startswith("SHA256:")), "")


def check_signature(where: str, index: bytes, signature: bytes | None, keys: Path) -> str:
    """Require a signature by one of the keys in a file; return its fingerprint.

    Args:
        where: Address of the package.
        index: Content of `SHA256SUMS`.
        signature: Content of `SHA256SUMS.sig`, None without one.
        keys: Public keys, a line each (`id_ed25519.pub`, or what GitHub says of a user).

    Raises:
        MissingInputError: There is no such file.
        DamagedFileError: There is no signature, or it is of another key or another index.
    """
    if not keys.is_file():
        raise MissingInputError(
            f"--signed-by {keys}",
            expected="a file of public SSH keys, a line each",
            got="nothing",
            remedy="Ask the sender for the public key, and save it there.",
        )
    got = "no signature"
    if signature is not None:
        with tempfile.TemporaryDirectory() as folder:
            allowed, path = Path(folder) / "allowed", Path(folder) / SIGNATURE
            lines = [line for line in keys.read_text(encoding="utf-8").splitlines() if line.strip()]
            content = "".join(f"sender {line}\n" for line in lines)
            allowed.write_text(content, encoding="utf-8")
            path.write_bytes(signature)
            done = _ssh_keygen(
                *("-Y", "verify", "-f", str(allowed), "-I", "sender"),
                *("-n", _NAMESPACE, "-s", str(path)),
                content=index,
            )
        if done.returncode == 0:
            return signer_of(index, signature)
        got = _told(done)
    raise DamagedFileError(
        where,
        expected=f"a signature by a key of {keys}",
        got=got,
        remedy="Do not use it before its sender has confirmed the digest of SHA256SUMS.",
    )


def _ssh_keygen(*arguments: str, content: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    program = shutil.which("ssh-keygen")
    if program is None:
        raise MissingPackageError(
            "signatures",
            expected="the program ssh-keygen",
            got="none",
            remedy="Install OpenSSH 8.2 or later (Debian: apt install openssh-client).",
        )
    return subprocess.run(
        [program, *arguments], input=content, capture_output=True, check=False, timeout=_TIMEOUT_S
    )


def _told(done: "subprocess.CompletedProcess[bytes]") -> str:
    text = (done.stderr or done.stdout).decode(errors="replace").strip()
    return " ".join(text.split()) or f"exit code {done.returncode}"
