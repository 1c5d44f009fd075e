"""The log over HTTP: C2SP's static resources, how long they may be cached, and proofs."""

import pytest

from m2kt.client.predicates import RECEIPT
from m2kt.errors import LogError, NotFound, NotLogged
from m2kt.log import Policy, Proof, open_checkpoint, proofs, tiles, tree
from m2kt.log.entries import entry_of
from m2kt.packet import merkle
from m2kt.signing.dsse import Envelope

pytestmark = pytest.mark.usefixtures("enrolled")


@pytest.fixture
def policy(keeper) -> Policy:
    return Policy(keeper.origin, (keeper.key.public_key(),))


@pytest.fixture
def logged(client_of, keys, signed, run_log) -> str:
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    run_log()
    return packet_id


def test_the_checkpoint_is_signed_and_never_cached(http, logged, policy):
    answer = http.get("/v1/log/checkpoint")
    seen = open_checkpoint(answer.content, policy)
    assert seen.checkpoint.size == 4  # two keys, the publication, its receipt
    assert (answer.headers["Cache-Control"], answer.headers["Content-Type"]) == (
        "no-store",
        "text/plain; charset=utf-8",
    )


def test_before_the_first_checkpoint_there_is_none(http):
    answer = http.get("/v1/log/checkpoint")
    assert (answer.status_code, answer.json()["code"]) == (503, NotLogged.code)


def test_tiles_and_entries_are_for_ever_and_give_the_root(http, logged, policy):
    seen = open_checkpoint(http.get("/v1/log/checkpoint").content, policy)
    tile, bundle = http.get("/v1/log/tile/0/000.p/4"), http.get("/v1/log/tile/entries/000.p/4")
    for each in (tile, bundle):
        assert each.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert each.headers["Content-Type"] == "application/octet-stream"
    entries = tiles.decode_entries(bundle.content, 4)
    assert [len(each) for each in entries] == [32] * 4
    assert tiles.split(tile.content) == [merkle.leaf_hash(each) for each in entries]
    assert merkle.root(tiles.split(tile.content)) == seen.checkpoint.root


def test_a_partial_tile_stays_what_it_was(http, client_of, keys, logged, run_log):
    before = http.get("/v1/log/tile/0/000.p/4").content
    client_of(keys.teacher).revoke(logged, "wrong")
    run_log()
    assert http.get("/v1/log/tile/0/000.p/4").content == before
    assert http.get("/v1/log/tile/0/000.p/5").content[:128] == before


@pytest.mark.parametrize("path", ["0/000", "0/000.p/5", "0/001.p/1", "1/000.p/1", "entries/000", "63/000.p/1"])
def test_what_the_published_tree_does_not_have_is_not_found(http, logged, path):
    assert http.get(f"/v1/log/tile/{path}").status_code == 404


@pytest.mark.parametrize("path", ["0/0", "0/000.p/0", "0/000.p/256", "64/000", "x/000", "0/x000/001", "0/" + "9" * 80])
def test_other_spellings_of_a_tile_are_refused(http, logged, path):
    assert http.get(f"/v1/log/tile/{path}").status_code in (400, 422)


def test_a_receipt_gains_its_proof_once_it_is_integrated(http, client_of, keys, signed, run_log, policy):
    packet_id = client_of(keys.teacher).publish(signed)["packet_id"]
    path = f"/v1/packets/{packet_id}/receipt"
    assert http.get(path).json()["proof"] is None
    run_log()
    found = http.get(path).json()
    assert found["predicate_type"] == RECEIPT
    import base64

    entry = entry_of(Envelope.from_bytes(base64.b64decode(found["envelope"])).pae)
    proof = Proof.from_text(found["proof"])
    assert proofs.verify(proof, entry, policy).checkpoint.size == 4
    assert http.get(f"/v1/log/proof/inclusion/{entry.hex()}").text == found["proof"]


def test_an_entry_that_waits_and_one_that_is_none_have_no_proof(http, client_of, keys, signed, session):
    from sqlalchemy import select

    from broker.models import LogLeaf

    client_of(keys.teacher).publish(signed)
    waiting = session.scalars(select(LogLeaf.entry)).first()
    assert http.get(f"/v1/log/proof/inclusion/{bytes(waiting).hex()}").json()["code"] == NotLogged.code
    assert http.get(f"/v1/log/proof/inclusion/{'0' * 64}").json()["code"] == NotFound.code
    assert http.get("/v1/log/proof/inclusion/xyz").status_code == 422


def test_two_checkpoints_are_proven_consistent(http, client_of, keys, logged, run_log, policy):
    first = open_checkpoint(http.get("/v1/log/checkpoint").content, policy).checkpoint
    client_of(keys.teacher).revoke(logged, "wrong")
    run_log()
    second = open_checkpoint(http.get("/v1/log/checkpoint").content, policy).checkpoint
    answer = http.get(f"/v1/log/proof/consistency?old={first.size}&new={second.size}")
    proof = list(proofs.decode_hashes(answer.text.split("\n")[:-1]))
    tree.verify_consistency(first.size, second.size, first.root, second.root, proof)
    assert "immutable" in answer.headers["Cache-Control"]
    for old, new in ((second.size, first.size), (0, second.size + 1)):
        assert http.get(f"/v1/log/proof/consistency?old={old}&new={new}").status_code == 400


def test_no_text_of_a_packet_stands_in_the_log(session, client_of, keys, signed, run_log):
    from sqlalchemy import select

    from broker.models import LogLeaf

    client_of(keys.teacher).publish(signed)
    run_log()
    assert {len(each) for each in session.scalars(select(LogLeaf.entry))} == {32}


def test_the_log_says_how_it_is_to_the_machines_that_watch(http, logged):
    said = http.get("/metrics").text
    assert 'm2kt_log{what="size"} 4.0' in said
    assert 'm2kt_log{what="waiting"} 0.0' in said


def test_errors_of_the_log_have_their_codes_over_http(http):
    assert issubclass(NotLogged, LogError)
    assert http.get("/v1/log/checkpoint").json()["type"] == "urn:m2kt:error:not-logged"
