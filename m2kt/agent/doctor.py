"""Preflight: what an agent's host needs, asked one by one. Each answer is a line with the fix.

Nothing here changes anything, at the broker or on the host; in particular no session is opened, so that a daemon which
runs with this key goes on.
"""

import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import httpx

from m2kt import __version__
from m2kt.client import Client
from m2kt.client.transport import Json
from m2kt.errors import KeyFileError, M2KTError, Unavailable
from m2kt.signing.http import WINDOW_SECONDS
from m2kt.signing.keys import key_id, load_private

GIB = 1 << 30
WARN_SKEW, FAIL_SKEW = 5.0, 30.0
"""Seconds; the broker refuses at `WINDOW_SECONDS`, and clocks that have begun to drift go on."""

WARN_DISK, FAIL_DISK = 10 * GIB, 1 * GIB
WARN_CERTIFICATE = timedelta(days=14)
SECONDS = 10.0
"""For one question."""


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and what to do if it is not well."""

    name: str
    level: Level
    detail: str
    fix: str = ""


@dataclass(frozen=True)
class Host:
    """What is to be looked at."""

    broker: str
    key: Path | None
    state: Path
    device: str
    clock: Callable[[], float] = time.time


def examine(host: Host) -> Iterator[Finding]:
    """Every finding, in the order in which a fix of one may mend the next."""
    answer = _ask(host.broker)
    yield from broker(host, answer)
    yield clock(host, answer)
    yield tls(host.broker)
    yield key_file(host.key)
    yield from registration(host)
    yield from gpu(host.device)
    yield torch(host.device)
    yield disk(host.state)


def _ask(url: str) -> httpx.Response | str:
    """What the broker says of itself, or why it says nothing."""
    try:
        return httpx.get(f"{url.rstrip('/')}/v1/broker", timeout=SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return str(error) or type(error).__name__


# The broker


def broker(host: Host, answer: httpx.Response | str) -> Iterator[Finding]:
    """Whether it answers, and which version it has."""
    if isinstance(answer, str):
        fix = "Look whether it runs and whether this host may reach it (address, firewall, proxy)."
        yield Finding("broker", Level.FAIL, f"{host.broker} does not answer: {answer}", fix)
        return
    try:
        version = str(answer.json()["version"])
    except (ValueError, KeyError, TypeError):
        detail = f"{host.broker} answers {answer.status_code}, and not as a broker does"
        yield Finding("broker", Level.FAIL, detail, "Give the broker's own URL; a proxy may stand before it.")
        return
    yield Finding("broker", Level.OK, f"{host.broker} answers")
    yield _version(version)


def _version(theirs: str) -> Finding:
    """Brokers go first, agents follow: an older broker than the agent may lack what the agent asks for."""
    ours, told = _release(__version__), _release(theirs)
    detail = f"broker {theirs}, this agent {__version__}"
    if ours[:2] == told[:2]:
        return Finding("version", Level.OK, detail)
    if told[:1] != ours[:1]:
        return Finding("version", Level.FAIL, detail, "Install the agent in the broker's major version.")
    older = "this agent" if ours < told else "the broker"
    return Finding("version", Level.WARN, detail, f"Update {older}; brokers first, agents later.")


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in version.split("+")[0].split("-")[0].split(".") if each.isdigit())


def clock(host: Host, answer: httpx.Response | str) -> Finding:
    """This host's clock against the Date of the broker's answer, which is exact to a second."""
    if isinstance(answer, str) or "Date" not in answer.headers:
        return Finding("clock", Level.WARN, "not compared: the broker gave no date", "Mend the line about the broker.")
    try:
        theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except ValueError:
        return Finding("clock", Level.WARN, "not compared: the broker's date is none", "Look at the proxy before it.")
    ahead = host.clock() - theirs
    off = max(0.0, abs(ahead) - 1.0)
    detail = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the broker's"
    fix = f"Set it: `timedatectl set-ntp true`, or chrony. Requests are refused from {WINDOW_SECONDS} s on."
    if off <= WARN_SKEW:
        return Finding("clock", Level.OK, "agrees with the broker's")
    return Finding("clock", Level.FAIL if off > FAIL_SKEW else Level.WARN, detail, fix)


def tls(url: str) -> Finding:
    """Whether the way to the broker is encrypted, and for how long its certificate counts."""
    parts = urlsplit(url)
    if parts.scheme != "https":
        if parts.hostname in ("localhost", "127.0.0.1", "::1"):
            return Finding("tls", Level.OK, "none, and none is needed on this host")
        fix = "Use https: packets are signed, but whoever listens on the way reads them."
        return Finding("tls", Level.WARN, f"{parts.hostname} is spoken to without TLS", fix)
    try:
        ends = _certificate_ends(parts)
    except (OSError, ssl.SSLError, ValueError) as error:
        fix = "Let a known authority sign the broker's certificate, or name its own in SSL_CERT_FILE."
        return Finding("tls", Level.FAIL, f"no trusted connection: {error}", fix)
    left = ends - datetime.now(UTC)
    level = Level.WARN if left < WARN_CERTIFICATE else Level.OK
    fix = "" if level is Level.OK else "Have the broker's operator renew it."
    return Finding("tls", level, f"the certificate counts until {ends:%Y-%m-%d}", fix)


def _certificate_ends(parts: SplitResult) -> datetime:
    context = ssl.create_default_context()
    with (
        socket.create_connection((parts.hostname or "", parts.port or 443), SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
    ):
        found = secure.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)


# The key


def key_file(path: Path | None) -> Finding:
    """Whether the key can be read, by its owner only."""
    if path is None:
        return Finding("key", Level.FAIL, "none was named", "Give --key, or make one: `m2kt agent enrol`.")
    try:
        key = load_private(path)
    except KeyFileError as error:
        return Finding("key", Level.FAIL, error.detail, error.hint)
    mode = stat.S_IMODE(path.stat().st_mode)
    return Finding("key", Level.OK, f"{path} ({mode:04o}) is {key_id(key.public_key())[:16]}")


def registration(host: Host) -> Iterator[Finding]:
    """Whether the broker takes a request that this key signed, and as whose; and what that one may do where."""
    try:
        key = load_private(host.key) if host.key else None
    except KeyFileError:
        key = None
    if key is None:
        return
    try:
        with Client(host.broker, key) as client:
            ours = key_id(key.public_key())
            found = next((each for each in client.agents() if ours in _keys(each)), None)
    except (Unavailable, httpx.HTTPError, httpx.InvalidURL) as error:
        yield Finding("enrolled", Level.WARN, f"not asked: {error}", "Mend the line about the broker.")
        return
    except M2KTError as error:
        yield Finding("enrolled", Level.FAIL, f"{error.detail} ({error.code})", error.hint)
        return
    if found is None:
        fix = "For a daemon, enrol a key of its own: `m2kt agent enrol`."
        yield Finding("enrolled", Level.WARN, "the broker's settings name this key; such keys run no daemon", fix)
        return
    yield Finding("enrolled", Level.OK, f"as {found['name']}")
    yield _scope(found)


def _keys(agent: Json) -> set[str]:
    return {str(agent["key_id"]), *(str(each["key_id"]) for each in agent["keys"])}


def _scope(agent: Json) -> Finding:
    """Daemons are teachers, students and workers."""
    where = "every project" if agent["project"] == "*" else f"project {agent['project']}"
    detail = f"{agent['role']} in {where}"
    if agent["draining"]:
        fix = f"Let it work again: `m2kt agent resume {agent['name']}`."
        return Finding("scope", Level.WARN, f"{detail}, and told to drain", fix)
    if agent["role"] in ("teacher", "student", "worker"):
        return Finding("scope", Level.OK, detail)
    fix = "Enrol the daemon with the role teacher, student or worker."
    return Finding("scope", Level.WARN, detail, fix)


# The host


def gpu(device: str) -> Iterator[Finding]:
    """GPUs and their driver, as nvidia-smi tells them."""
    wanted = device.startswith("cuda")
    smi = shutil.which("nvidia-smi")
    if smi is None:
        fix = "Install the driver, or choose --device cpu." if wanted else ""
        yield Finding("gpu", Level.FAIL if wanted else Level.OK, "none: nvidia-smi is not here", fix)
        return
    query = [smi, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
        found = [[part.strip() for part in line.split(",")] for line in said.splitlines() if line.strip()]
        names = ", ".join(f"{name} ({int(memory) // 1024} GiB)" for name, memory, _ in found)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        fix = "Run nvidia-smi by hand; a driver that was updated wants a restart."
        yield Finding("gpu", Level.FAIL if wanted else Level.WARN, f"nvidia-smi failed: {error}", fix)
        return
    if not found:
        fix = "Look whether this container was given a GPU."
        yield Finding("gpu", Level.FAIL if wanted else Level.WARN, "nvidia-smi sees none", fix)
        return
    yield Finding("gpu", Level.OK, names)
    yield Finding("driver", Level.OK, found[0][2])


_PROBE = """
import torch
cuda = torch.cuda.is_available()
print(torch.__version__, torch.version.cuda or "-", torch.cuda.device_count() if cuda else 0)
if cuda:
    torch.zeros(1, device="cuda").add_(1).item()
"""


def torch(device: str) -> Finding:
    """Asked in a child: this process never loads it, and a broken CUDA takes only the child along."""
    wanted = device.startswith("cuda")
    done = subprocess.run([sys.executable, "-P", "-c", _PROBE], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    if len(words) != 3:
        why = (done.stderr.strip().splitlines() or ["it does not load"])[-1]
        return Finding("torch", Level.FAIL, why, "Install it: pip install 'm2kt[teacher]' or 'm2kt[student]'.")
    version, cuda, count = words
    detail = f"{version}, CUDA {cuda}, {count} GPU(s)"
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it failed"])[-1]
        fix = "Its CUDA does not fit the driver: install the torch that does, or update the driver."
        return Finding("torch", Level.FAIL, f"{detail}; {why}", fix)
    if wanted and count == "0":
        fix = "Install a torch that was built for CUDA and fits the driver, or choose --device cpu."
        return Finding("torch", Level.FAIL, f"{detail}, and {device} is asked for", fix)
    return Finding("torch", Level.OK, detail)


def disk(state: Path) -> Finding:
    """Whether the state's directory can be written, and how much room it has."""
    there = next(each for each in (state, *state.absolute().parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"\0")
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(there).free
    except OSError as error:
        fix = "Give the agent's user a directory of its own: --state."
        return Finding("disk", Level.FAIL, f"{there} cannot be written: {error.strerror}", fix)
    level = Level.FAIL if free < FAIL_DISK else Level.WARN if free < WARN_DISK else Level.OK
    fix = "" if level is Level.OK else "Free some space, or give --state a larger disk: memories and packets lie there."
    return Finding("disk", level, f"{free / GIB:.1f} GiB free at {there}", fix)
