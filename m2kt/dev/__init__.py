"""Private servers and programs for one machine: Postgres, Valkey, broker and worker under one directory.

`Runtime` is the door. It runs the same Postgres, the same Redis protocol and the same programs as production; only who
runs them differs (docs/decisions/0001-embedded-servers.md).
"""

from m2kt.dev.migrations import alembic
from m2kt.dev.ports import Ports
from m2kt.dev.runtime import Runtime, ServiceStatus
from m2kt.dev.startup import Addresses

__all__ = ["Addresses", "Ports", "Runtime", "ServiceStatus", "alembic"]
