"""The broker itself."""

from fastapi import APIRouter, Depends

from broker.schemas.packets import BrokerOut
from broker.storage.postgres import CHUNK
from broker.web.deps import OPEN_MACHINES, ContextDep
from broker.web.problems import documented
from m2kt import __version__
from m2kt.signing.http import WINDOW_SECONDS
from m2kt.signing.keys import key_id, public_text

router = APIRouter(prefix="/v1", tags=["broker"])


@router.get("/broker", responses=documented(), dependencies=[Depends(OPEN_MACHINES)])
def about(context: ContextDep) -> BrokerOut:
    """Its key, version and limits. Compare the key with one you got another way before you trust it."""
    key = context.desk.key.public_key()
    return BrokerOut(
        version=__version__,
        public_key=public_text(key),
        key_id=key_id(key),
        former_keys=[public_text(each) for each in context.keeper.former],
        log_origin=context.keeper.origin,
        max_packet_bytes=context.desk.max_bytes,
        chunk_bytes=CHUNK,
        signature_window_seconds=WINDOW_SECONDS,
    )
