"""Jobs that run in child processes of their own: which program, what the worker fills in, what it does with the result.

A packet that a child wrote is published by the transaction that checks the fence: of an attempt that lost its lease
nothing remains.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from broker.db import transaction
from broker.services import agents, jobs, keyring, packets, publishing, rounds
from broker.services.agents import Principal
from broker.services.jobs import Claim
from broker.services.publishing import Desk
from broker.worker.bench import Bench
from broker.worker.lease import Lease
from broker.worker.options import environment
from m2kt.agent.child import run_child
from m2kt.agent.memory import vram_used_mib
from m2kt.errors import ChildFailed, NotFound, UnknownKey, UsageError
from m2kt.files import disk_errors
from m2kt.signing.keys import KeyId, TrustStore, key_id, load_private, write_public


@dataclass(frozen=True)
class Done:
    result: dict[str, Any]
    effect: Callable[[Session], None] = lambda _: None


Handler = Callable[[Bench, Claim, Lease], Done]


def extract(bench: Bench, held: Claim, lease: Lease) -> Done:
    """``python -m teacher_agent extract``, which signs with the worker's key."""
    return _packet(bench, held, lease, "extract", held.spec)


def aggregate(bench: Bench, held: Claim, lease: Lease) -> Done:
    """``python -m teacher_agent aggregate`` on approved packets, which signs with the worker's key."""
    found, trust = [], scratch(bench, held, "trust")
    with disk_errors(trust), transaction(bench.sessions) as session:
        trust.mkdir(mode=0o700)
        for number, packet_id in enumerate(held.spec["packet_ids"]):
            path = scratch(bench, held, f"{number}.m2kt")
            _fetch(session, bench, str(packet_id), path, trust)
            found.append(str(path))
    ordered = {name: each for name, each in held.spec.items() if name != "packet_ids"}
    try:
        return _packet(bench, held, lease, "aggregate", {**ordered, "packets": found, "trust": str(trust)})
    finally:
        for each in found:
            Path(each).unlink(missing_ok=True)


def align(bench: Bench, held: Claim, lease: Lease) -> Done:
    """``python -m student_agent align`` on an approved packet; the memory stays in the worker's folder."""
    packet, trust = scratch(bench, held, "m2kt"), scratch(bench, held, "trust")
    with disk_errors(packet), transaction(bench.sessions) as session:
        trust.mkdir(mode=0o700)
        _fetch(session, bench, str(held.spec["packet_id"]), packet, trust)
    given = {"packet": str(packet), "trust": str(trust), "out": str(scratch(bench, held, "memory"))}
    ordered = {name: each for name, each in held.spec.items() if name != "packet_id"}
    return in_child(bench, held, lease, "student_agent", "align", {**ordered, **given})


def verify(bench: Bench, held: Claim, lease: Lease) -> Done:
    """``python -m student_agent verify``; ``aligned_by`` names jobs of this worker whose memories are judged."""
    spec = {name: each for name, each in held.spec.items() if name != "aligned_by"}
    if aligned_by := held.spec.get("aligned_by"):
        spec["memories"] = [*spec.get("memories", ()), *_memories(bench, aligned_by)]
    return in_child(bench, held, lease, "student_agent", "verify", spec)


PEERS = "m2kt.peers"
"""Entry points of installed peer factories (`student_agent.factories`)."""


def exchange(bench: Bench, held: Claim, lease: Lease) -> Done:
    """``python -m student_agent exchange``, which speaks to the broker itself; its report is the job's result.

    An order comes from another host, so its factory must be one that was installed here: `module:function`, which
    people may write on their own command line, would run whatever the order names. The worker takes part as itself,
    in an exchange of the job's project. A later attempt goes on from the checkpoint of the one before.
    """
    _require_installed(held.spec.get("peer"))
    with transaction(bench.sessions) as session:
        _require_at_home(session, held)
    state = bench.settings.work_dir.absolute() / "exchanges"
    with disk_errors(state):
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    given = {"key": str(_key(bench)), "broker": bench.settings.public_url, "state": str(state)}
    out = str(scratch(bench, held, "exchange"))
    return in_child(bench, held, lease, "student_agent", "exchange", {**held.spec, **given, "out": out})


def _require_installed(factory: object) -> None:
    installed = entry_points(group=PEERS).names
    if not isinstance(factory, str) or factory not in installed:
        raise UsageError(
            f"no peer factory is installed here as {factory!r} (installed: {', '.join(sorted(installed)) or 'none'})",
            hint=f"Install a package with an entry point in {PEERS} on the worker's host, or take part from a host of "
            "your own: `m2kt exchange join`.",
        )


def _require_at_home(session: Session, held: Claim) -> None:
    """The exchange is there and of the job's project: a worker is at home in every one, who ordered is not."""
    try:
        wanted = UUID(str(held.spec.get("exchange")))
    except ValueError as error:
        raise UsageError("the order names no exchange", hint="Give its id as `exchange`.") from error
    if rounds.get(session, wanted).project != held.project:
        raise NotFound(f"there is no exchange {wanted}", hint="List them with `m2kt exchange list`.")


def _memories(bench: Bench, job_ids: Sequence[str]) -> list[str]:
    found = []
    with transaction(bench.sessions) as session:
        for each in job_ids:
            memory = (jobs.get(session, UUID(each)).result or {}).get("memory")
            if not memory or not Path(memory).is_dir():
                hint = "Name alignments that succeeded, and let verification run on the same worker (label `site`)."
                raise UsageError(f"job {each} left no memory on this worker", hint=hint)
            found.append(str(memory))
    return found


def _key(bench: Bench) -> Path:
    if bench.settings.worker_key is None:
        raise UsageError("this worker has no key to sign with", hint="Set M2KT_WORKER_KEY to its key file.")
    return bench.settings.worker_key.absolute()


def _fetch(session: Session, bench: Bench, packet_id: str, path: Path, trust: Path) -> None:
    """An approved packet's bytes, and the keys that signed it; that one of them counts, `packets.pullable` has seen."""
    found = packets.pullable(session, packet_id)
    path.write_bytes(packets.content(session, bench.store, found, 0, found.size))
    for name, key in signers(session, bench, found.packet_id).items():
        if not (trust / f"{name}.pub").exists():  # it signed another packet of this job, too
            write_public(trust / f"{name}.pub", key)


def signers(session: Session, bench: Bench, packet_id: str) -> TrustStore:
    """The keys that signed a packet, as far as they count as publishers'."""
    signed = (each.key_id for each in packets.signatures(session, [packet_id])[packet_id])
    return agents.trusted(session, bench.standing, signed, agents.PUBLISHING)


def _packet(bench: Bench, held: Claim, lease: Lease, job: str, spec: dict[str, Any]) -> Done:
    """A job of the teacher's program that writes a packet, which is published with the job's success."""
    key, out = _key(bench), scratch(bench, held, "m2kt")
    result = in_child(bench, held, lease, "teacher_agent", job, {**spec, "key": str(key), "out": str(out)}).result
    try:
        data = out.read_bytes()
    except OSError as error:
        raise ChildFailed(f"teacher_agent {job} ended without a packet: {error.strerror}") from error
    return Done(result, lambda session: _publish(session, bench, key, data, held.project))


def _publish(session: Session, bench: Bench, key: Path, data: bytes, project: str) -> None:
    """The worker publishes as itself, by the key that it is enrolled or named with."""
    worker = _principal(session, bench, key_id(load_private(key).public_key()))
    desk = Desk(bench.key, bench.store, bench.standing, bench.settings.max_packet_bytes)
    publishing.publish(session, desk, data, publisher=worker, project=project)


def _principal(session: Session, bench: Bench, key: KeyId) -> Principal:
    found = agents.holders(session, bench.standing, [key], agents.PUBLISHING)
    if not found:
        raise UnknownKey(f"no registered worker has the key {key[:16]}", hint="Enrol it, or name it in the settings.")
    found[0].validity.require(keyring.now(session), found[0].name)
    return found[0]


def in_child(
    bench: Bench,
    held: Claim,
    lease: Lease,
    module: str,
    job: str,
    spec: dict[str, Any],
    seconds: float | None = None,
    env: Mapping[str, str] | None = None,
) -> Done:
    """``python -m module job`` on ``spec``, guarded by the job's lease; no longer than the job may take, or
    ``seconds``; ``env`` is added to its environment."""
    # The database's password and the broker's key are none of a job's business.
    hidden = dict.fromkeys(
        ("M2KT_DATABASE_URL", "M2KT_REDIS_URL", "M2KT_BROKER_KEY", "M2KT_BROKER_KEY_PEM", "M2KT_ADMIN_KEYS"), ""
    )
    log = log_file(bench, held)
    if bench.device is not None:
        spec = {"device": bench.device.partition(":")[0], **spec}
    before = vram_used_mib(bench.device)
    try:
        result = run_child(
            module,
            job,
            spec,
            on_progress=lease.report,
            log=log,
            env={**hidden, **environment(bench.device, bench.visible), **(env or {})},
            timeout=min(filter(None, (seconds, time_limit(bench, held))), default=None),
            on_start=lambda pid: lease.guard(pid, log),
            lifeline=lease.lifeline,
        )
        return Done(result)
    finally:
        lease.release()
        if before is not None:
            lease.remark("vram", device=bench.device, before_mib=before, after_mib=vram_used_mib(bench.device))


def time_limit(bench: Bench, held: Claim) -> float | None:
    """Seconds that an attempt may take: what the job asks for, and never more than this worker grants."""
    limits = [each for each in (held.limit_seconds, bench.options.limit_seconds) if each]
    return min(limits, default=None)


def log_file(bench: Bench, held: Claim) -> Path:
    """``work_dir/jobs/<id>-<attempt>.log``."""
    return _folder(bench) / f"{held.id}-{held.attempt}.log"


def scratch(bench: Bench, held: Claim, suffix: str) -> Path:
    """A path that no other claim has: the fence grows also where an attempt that was handed back does not count."""
    return _folder(bench) / f"{held.id}-fence{held.fence}.{suffix}"


def files(bench: Bench, held: Claim) -> list[Path]:
    """The scratch of this very claim; the log stays."""
    return list(_folder(bench).glob(f"{held.id}-fence{held.fence}.*"))


def _folder(bench: Bench) -> Path:
    folder = bench.settings.work_dir.absolute() / "jobs"
    with disk_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
