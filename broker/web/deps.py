"""What endpoints may ask for. Only `broker.web` touches the request."""

from broker.web.access import (
    ANY_ROLE,
    OPEN_LOG,
    OPEN_MACHINES,
    OPEN_METADATA,
    AdminDep,
    CallerDep,
    CallerOfAnyRoleDep,
    ProofDep,
    PublicScopeDep,
    PublisherDep,
    Signed,
    SignedDep,
    allow,
    allow_upload,
    anyone,
    target_of,
)
from broker.web.bodies import Body, binary_body
from broker.web.context import BodyDep, Context, ContextDep, DeskDep, SessionDep

__all__ = [
    "ANY_ROLE",
    "OPEN_LOG",
    "OPEN_MACHINES",
    "OPEN_METADATA",
    "AdminDep",
    "Body",
    "BodyDep",
    "CallerDep",
    "CallerOfAnyRoleDep",
    "Context",
    "ContextDep",
    "DeskDep",
    "ProofDep",
    "PublicScopeDep",
    "PublisherDep",
    "SessionDep",
    "Signed",
    "SignedDep",
    "allow",
    "allow_upload",
    "anyone",
    "binary_body",
    "target_of",
]
