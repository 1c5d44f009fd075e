"""Every error of M2KT, as one tree.

    M2KTError                     500  internal                  exit 1
    ├── UsageError                400  usage                     exit 2
    │   └── PreconditionRequired  428  precondition-required     exit 3
    ├── PacketError               422  packet-invalid            exit 10
    │   ├── ContainerError        422  container-invalid         exit 10
    │   ├── ManifestError         422  manifest-invalid          exit 11
    │   ├── TensorError           422  tensor-invalid            exit 12
    │   ├── DigestMismatch        422  digest-mismatch           exit 13
    │   ├── LedgerMismatch        422  ledger-mismatch           exit 14
    │   └── ParentRefused         422  parent-refused            exit 15
    ├── SignatureError            422  signature-invalid         exit 20
    │   ├── UnknownKey            403  key-unknown               exit 21
    │   │   └── KeyNotValid       403  key-not-valid             exit 24
    │   └── RequestUnsigned       401  request-unsigned          exit 22
    │       └── ClockSkew         401  clock-skew                exit 25
    ├── KeyFileError              500  key-file                  exit 23
    ├── NotFound                  404  not-found                 exit 30
    ├── Forbidden                 403  forbidden                 exit 31
    │   ├── TokenRefused          403  token-unknown             exit 65
    │   │   ├── TokenExpired      403  token-expired             exit 66
    │   │   ├── TokenUsed         403  token-used                exit 67
    │   │   └── TokenScope        403  token-scope               exit 68
    │   └── QuotaExceeded         403  quota-exceeded            exit 90
    ├── Conflict                  409  conflict                  exit 32
    │   ├── LeaseLost             409  lease-lost                exit 36
    │   ├── SessionEnded          409  session-ended             exit 26
    │   ├── SessionRequired       409  session-required          exit 27
    │   ├── PreconditionFailed    412  precondition-failed       exit 37
    │   ├── UploadOffset          409  upload-offset             exit 91
    │   ├── UploadGone            410  upload-gone               exit 92
    │   └── KeyReused             422  idempotency-key-reused    exit 93
    ├── NotPullable               409  packet-not-approved       exit 33
    │   ├── PacketRevoked         410  packet-revoked            exit 34
    │   ├── PacketExpired         409  packet-expired            exit 38
    │   ├── ChannelUnusable       409  channel-unusable          exit 39
    │   └── TierNotCleared        409  tier-not-cleared          exit 45
    ├── FeedGone                  410  feed-gone                 exit 44
    ├── TooLarge                  413  too-large                 exit 35
    ├── WrongMediaType            415  media-type                exit 94
    ├── BodyTimeout               408  body-timeout              exit 95
    ├── RateLimited               429  rate-limited              exit 96
    ├── NotInstalled              501  not-installed             exit 97
    ├── Unavailable               503  unavailable               exit 40
    │   ├── DatabaseAway          503  database-away             exit 41
    │   ├── BrokerAway            503  broker-away               exit 42
    │   ├── QueueAway             503  queue-away                exit 43
    │   └── StorageAway           503  storage-away              exit 98
    ├── RuntimeFault              500  runtime                   exit 50
    │   ├── PortTaken             500  port-taken                exit 51
    │   ├── DiskFull              507  disk-full                 exit 52
    │   └── ChildFailed           500  child-failed              exit 53
    │       ├── OutOfMemory       500  out-of-memory             exit 54
    │       ├── TimeLimit         500  time-limit                exit 55
    │       └── ProgramMissing    500  program-missing           exit 56
    ├── ModelError                422  model-invalid             exit 60
    ├── DomainError               422  domain-unknown            exit 61
    ├── ExtractionRefused         422  extraction-refused        exit 62
    ├── AlignmentRefused          422  alignment-refused         exit 63
    ├── SameFamily                422  same-family               exit 69
    ├── AggregationRefused        422  aggregation-refused       exit 64
    ├── ExchangeError             422  exchange-invalid          exit 80
    │   ├── PlanInvalid           422  exchange-plan-invalid     exit 81
    │   ├── ConfidenceInvalid     422  confidence-invalid        exit 82
    │   ├── PredictionsInvalid    422  predictions-invalid       exit 83
    │   ├── LabelsInvalid         422  exchange-labels-invalid   exit 84
    │   ├── TaskDiffers           409  exchange-task-differs     exit 85
    │   ├── SamplesChanged        409  exchange-samples-changed  exit 86
    │   ├── RoundOver             409  exchange-round-over       exit 87
    │   ├── ExchangeOver          409  exchange-over             exit 88
    │   └── Evicted               403  exchange-evicted          exit 89
    └── LogError                  422  log-invalid               exit 70
        ├── CheckpointInvalid     422  checkpoint-invalid        exit 71
        ├── ProofInvalid          422  log-proof-invalid         exit 72
        ├── LogFrozen             422  log-frozen                exit 73
        ├── LogRolledBack         422  log-rolled-back           exit 74
        ├── SplitView             422  log-split-view            exit 75
        ├── LogTampered           500  log-tampered              exit 76
        ├── NotLogged             503  not-logged                exit 77
        ├── ChannelFrozen         422  channel-frozen            exit 78
        └── ChannelRolledBack     422  channel-rolled-back       exit 79

One class = one HTTP status, one stable ``code`` and one exit code. ``hint`` says the next step; the broker's
problem+json, the command line and the SDK all read the same three attributes.
"""

from collections.abc import Iterator
from typing import ClassVar


class M2KTError(Exception):
    """Base of all errors. ``detail`` says what is wrong, ``hint`` what to do next."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str] = "This is a defect of M2KT: please report it with the log line."

    def __init__(self, detail: str, *, hint: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint if hint is not None else self.default_hint


class UsageError(M2KTError):
    status, code, exit_code = 400, "usage", 2
    default_hint = "See the command's --help, or docs/broker.md for the API."


class PreconditionRequired(UsageError):
    status, code, exit_code = 428, "precondition-required", 3
    default_hint = "Send If-Match with the ETag that you saw, or If-None-Match: * to make what is not there yet."


class PacketError(M2KTError):
    status, code, exit_code = 422, "packet-invalid", 10
    default_hint = "Build the packet again with `teacher_agent extract`; docs/packet.md has the rules."


class ContainerError(PacketError):
    code, exit_code = "container-invalid", 10


class ManifestError(PacketError):
    code, exit_code = "manifest-invalid", 11


class TensorError(PacketError):
    code, exit_code = "tensor-invalid", 12


class DigestMismatch(PacketError):
    code, exit_code = "digest-mismatch", 13
    default_hint = "The bytes changed after the packet was built: fetch it again from its source."


class LedgerMismatch(PacketError):
    code, exit_code = "ledger-mismatch", 14
    default_hint = "The manifest's ledger does not say what the tensors hold: do not use this packet."


class ParentRefused(PacketError):
    code, exit_code = "parent-refused", 15
    default_hint = "Publish the parents first, and build on none that was rejected or revoked."


class SignatureError(M2KTError):
    status, code, exit_code = 422, "signature-invalid", 20
    default_hint = "Fetch the packet again; if it still fails, ask its publisher to sign it anew."


class UnknownKey(SignatureError):
    status, code, exit_code = 403, "key-unknown", 21
    default_hint = "Register the signer with `m2kt agent register`, or trust its key file."


class KeyNotValid(UnknownKey):
    code, exit_code = "key-not-valid", 24
    default_hint = "Use the holder's present key: `m2kt key list` shows which are valid, and since when."


class RequestUnsigned(SignatureError):
    status, code, exit_code = 401, "request-unsigned", 22
    default_hint = "Sign the request (RFC 9421) with the key of a registered agent."


class ClockSkew(RequestUnsigned):
    code, exit_code = "clock-skew", 25
    default_hint = "Set the clock of this host (`timedatectl set-ntp true`, or chrony), then repeat."


class KeyFileError(M2KTError):
    code, exit_code = "key-file", 23
    default_hint = "Make a key with `m2kt key generate`; its file must be mode 0600."


class NotFound(M2KTError):
    status, code, exit_code = 404, "not-found", 30
    default_hint = "List what there is with `m2kt packet list`."


class Forbidden(M2KTError):
    status, code, exit_code = 403, "forbidden", 31
    default_hint = "Use an agent whose role allows this."


class TokenRefused(Forbidden):
    code, exit_code = "token-unknown", 65
    default_hint = "Copy the whole token, or ask an administrator for one: `m2kt agent token`."


class TokenExpired(TokenRefused):
    code, exit_code = "token-expired", 66
    default_hint = "Ask an administrator for a new token: `m2kt agent token`; --minutes lets it live longer."


class TokenUsed(TokenRefused):
    code, exit_code = "token-used", 67
    default_hint = "A token enrols one key. Ask for one of your own, and who used it: `m2kt agent list` shows."


class TokenScope(TokenRefused):
    code, exit_code = "token-scope", 68
    default_hint = "Enrol with the role, project and name that the token is for, or ask for another token."


class QuotaExceeded(Forbidden):
    code, exit_code = "quota-exceeded", 90
    default_hint = "Ask the broker's operator for a larger quota; `GET /v1/broker` shows the present one."


class Conflict(M2KTError):
    status, code, exit_code = 409, "conflict", 32
    default_hint = "Look at what is there first, then repeat with another name or version."


class LeaseLost(Conflict):
    code, exit_code = "lease-lost", 36
    default_hint = "Stop this attempt: another worker holds the job, or it has ended."


class SessionEnded(Conflict):
    code, exit_code = "session-ended", 26
    default_hint = "Two agents have one key: stop one of them, or enrol it with a key of its own."


class SessionRequired(Conflict):
    code, exit_code = "session-required", 27
    default_hint = "Stop the agent that runs with this key, or use a key of your own."


class PreconditionFailed(Conflict):
    status, code, exit_code = 412, "precondition-failed", 37
    default_hint = "Somebody was faster: look at what is there now, then decide again."


class UploadOffset(Conflict):
    code, exit_code = "upload-offset", 91
    default_hint = "Go on where the answer's Upload-Offset says."

    received: int | None = None
    """Where the next part begins."""


class UploadGone(Conflict):
    status, code, exit_code = 410, "upload-gone", 92
    default_hint = "Begin a new upload: POST /v1/uploads."


class KeyReused(Conflict):
    status, code, exit_code = 422, "idempotency-key-reused", 93
    default_hint = "Use a new Idempotency-Key for another request, and the same one only for the same bytes."


class NotPullable(M2KTError):
    status, code, exit_code = 409, "packet-not-approved", 33
    default_hint = "Wait for the scan, or look at its findings with `m2kt packet show`."


class PacketRevoked(NotPullable):
    status, code, exit_code = 410, "packet-revoked", 34
    default_hint = "Remove it from your students: `student_agent remove`."


class PacketExpired(NotPullable):
    code, exit_code = "packet-expired", 38
    default_hint = "Its verdict is too old: the broker scans it again, try in a minute; look whether a worker runs."


class ChannelUnusable(NotPullable):
    code, exit_code = "channel-unusable", 39
    default_hint = "Have its publisher move it to a good version: `m2kt channel move`."


class TierNotCleared(NotPullable):
    code, exit_code = "tier-not-cleared", 45
    default_hint = "Have reviewers approve the packet (`m2kt packet review`), or wait for its next scan."


class FeedGone(M2KTError):
    status, code, exit_code = 410, "feed-gone", 44
    default_hint = "Look at what there is (`m2kt packet list`), then read on from the feed's present end."


class TooLarge(M2KTError):
    status, code, exit_code = 413, "too-large", 35
    default_hint = "Use fewer concepts or fp16 concepts, or raise the broker's limit."


class WrongMediaType(M2KTError):
    status, code, exit_code = 415, "media-type", 94
    default_hint = "Send the Content-Type that docs/broker.md names for this route."


class BodyTimeout(M2KTError):
    status, code, exit_code = 408, "body-timeout", 95
    default_hint = "Send it again; over a slow line in parts: POST /v1/uploads."


class RateLimited(M2KTError):
    status, code, exit_code = 429, "rate-limited", 96
    default_hint = "Wait as long as Retry-After says, then go on more slowly."


class NotInstalled(M2KTError):
    status, code, exit_code = 501, "not-installed", 97
    default_hint = "Ask the broker's operator; docs/operations.md says what to install."


class Unavailable(M2KTError):
    status, code, exit_code = 503, "unavailable", 40
    default_hint = "Try again in a moment."


class DatabaseAway(Unavailable):
    code, exit_code = "database-away", 41
    default_hint = "Start it with `m2kt dev up`, or check M2KT_DATABASE_URL."


class BrokerAway(Unavailable):
    code, exit_code = "broker-away", 42
    default_hint = "Start it with `m2kt dev up`, or check M2KT_BROKER_URL."


class QueueAway(Unavailable):
    code, exit_code = "queue-away", 43
    default_hint = "Start it with `m2kt dev up`, or check M2KT_REDIS_URL."


class StorageAway(Unavailable):
    code, exit_code = "storage-away", 98
    default_hint = "Nothing was lost: try again in a moment; the operator looks at M2KT_BLOBS and the broker's log."


class RuntimeFault(M2KTError):
    code, exit_code = "runtime", 50
    default_hint = "Look at the log named above; `m2kt dev reset` starts from nothing."


class PortTaken(RuntimeFault):
    code, exit_code = "port-taken", 51
    default_hint = "Choose another port, or leave it out and a free one is chosen."


class DiskFull(RuntimeFault):
    status, code, exit_code = 507, "disk-full", 52
    default_hint = "Free some space and repeat: nothing was half-written."


class ChildFailed(RuntimeFault):
    code, exit_code = "child-failed", 53
    default_hint = "The last lines of the child's log are above."


class OutOfMemory(ChildFailed):
    code, exit_code = "out-of-memory", 54
    default_hint = "Use a smaller model or batch, or order it with the label memory_mib for a larger worker."


class TimeLimit(ChildFailed):
    code, exit_code = "time-limit", 55
    default_hint = "Order it with a larger limit_seconds, or give it less to do."


class ProgramMissing(ChildFailed):
    code, exit_code = "program-missing", 56
    default_hint = "Install the program, or this version of it, on the worker; the job waits for one that has it."


class ModelError(M2KTError):
    status, code, exit_code = 422, "model-invalid", 60
    default_hint = "Name a local Hugging Face directory with config.json, weights and tokenizer.json."


class DomainError(M2KTError):
    status, code, exit_code = 422, "domain-unknown", 61
    default_hint = "Install the package that registers it under the entry-point group m2kt.domains."


class ExtractionRefused(M2KTError):
    status, code, exit_code = 422, "extraction-refused", 62
    default_hint = "Look at the coverage report; give more probes, or a teacher that masters the domain."


class AlignmentRefused(M2KTError):
    status, code, exit_code = 422, "alignment-refused", 63
    default_hint = "The student was left as it was; look at the coverage report."


class SameFamily(M2KTError):
    status, code, exit_code = 422, "same-family", 69
    default_hint = (
        "Traits may pass between models of one base family that no concept shows: have reviewers approve the packet "
        "(`m2kt packet review`), or name the packet or the family in policy.allow_same_family; docs/scan.md says more."
    )


class AggregationRefused(M2KTError):
    status, code, exit_code = 422, "aggregation-refused", 64
    default_hint = "Aggregate packets of one domain whose teachers share tokenizer and embedding space."


class ExchangeError(M2KTError):
    status, code, exit_code = 422, "exchange-invalid", 80
    default_hint = "docs/exchange.md says what peers of an exchange must agree on."


class PlanInvalid(ExchangeError):
    code, exit_code = "exchange-plan-invalid", 81
    default_hint = "Correct the round plan; docs/exchange.md has its fields and limits."


class ConfidenceInvalid(ExchangeError):
    code, exit_code = "confidence-invalid", 82
    default_hint = "Compute confidences with m2kt.exchange.confidences from finite predictions; nothing was taken."


class PredictionsInvalid(ExchangeError):
    code, exit_code = "predictions-invalid", 83
    default_hint = "Look whether the model diverged (lower its learning rate), and whether its head fits the task."


class LabelsInvalid(ExchangeError):
    code, exit_code = "exchange-labels-invalid", 84
    default_hint = "Give every sample one identifier and one class number of the task."


class TaskDiffers(ExchangeError):
    status, code, exit_code = 409, "exchange-task-differs", 85
    default_hint = "Give the peer the same classes in the same order, or open another exchange for it."


class SamplesChanged(ExchangeError):
    status, code, exit_code = 409, "exchange-samples-changed", 86
    default_hint = "Restore the sample set that the exchange was opened with, or open a new exchange."


class RoundOver(ExchangeError):
    status, code, exit_code = 409, "exchange-round-over", 87
    default_hint = "Join again: the next round takes the peer back, with the weights that it has."


class ExchangeOver(ExchangeError):
    status, code, exit_code = 409, "exchange-over", 88
    default_hint = "Look at how it ended with `m2kt exchange show`, and open another one."


class Evicted(ExchangeError):
    status, code, exit_code = 403, "exchange-evicted", 89
    default_hint = "Look at the reason with `m2kt exchange show`; an exchange takes no evicted peer back."


class LogError(M2KTError):
    status, code, exit_code = 422, "log-invalid", 70
    default_hint = (
        "Trust nothing new from this broker until its operator has explained it; docs/log.md says what to keep."
    )


class CheckpointInvalid(LogError):
    code, exit_code = "checkpoint-invalid", 71


class ProofInvalid(LogError):
    code, exit_code = "log-proof-invalid", 72


class LogFrozen(LogError):
    code, exit_code = "log-frozen", 73
    default_hint = (
        "Somebody holds the log's news back, or its sequencer stands still: ask its operator, check your clock."
    )


class LogRolledBack(LogError):
    code, exit_code = "log-rolled-back", 74
    default_hint = "The log is shorter than it was: keep the remembered checkpoint as evidence, ask its operator."


class SplitView(LogError):
    code, exit_code = "log-split-view", 75
    default_hint = "The log told others something else: keep both checkpoints as evidence, ask its operator."


class LogTampered(LogError):
    status, code, exit_code = 500, "log-tampered", 76
    default_hint = "Stop publishing and compare the database with a backup; `m2kt log audit` names the rows."


class NotLogged(LogError):
    status, code, exit_code = 503, "not-logged", 77
    default_hint = "Wait a moment: the worker's sequencer has not integrated it; look whether a worker runs."


class ChannelFrozen(LogError):
    code, exit_code = "channel-frozen", 78
    default_hint = "Somebody holds the channel's news back, or its broker renews nothing: ask its operator."


class ChannelRolledBack(LogError):
    code, exit_code = "channel-rolled-back", 79
    default_hint = "The channel went back to a head that it had before: keep both heads as evidence, ask its operator."


def catalogue(base: type[M2KTError] = M2KTError) -> Iterator[type[M2KTError]]:
    """Every error class below ``base``, parents first."""
    yield base
    for child in base.__subclasses__():
        yield from catalogue(child)


def by_code(code: str) -> type[M2KTError]:
    """The class with this stable code, or ``M2KTError`` for one that this version does not know."""
    found: dict[str, type[M2KTError]] = {}
    for each in catalogue():
        found.setdefault(each.code, each)
    return found.get(code, M2KTError)
