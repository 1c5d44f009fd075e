"""Bodies over the limit are refused before they are read, or while."""

import pytest

from m2kt.errors import TooLarge

pytestmark = pytest.mark.usefixtures("enrolled")


class Body:
    """A body that counts what was taken from it."""

    def __init__(self, size: int, piece: int = 10_000) -> None:
        self.size, self.piece, self.taken = size, piece, 0

    def __iter__(self):
        while self.taken < self.size:
            self.taken += self.piece
            yield b"x" * self.piece


def test_a_declared_length_over_the_limit_is_refused_before_a_byte_is_read(http):
    body = Body(10_000_000)
    answer = http.post("/v1/packets", content=iter(body), headers={"Content-Length": "10000000"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert answer.headers["Connection"] == "close"
    assert body.taken == 0


def test_an_unauthorised_body_is_refused_before_a_byte_is_read(http, keys, sign):
    body = Body(200_000)
    assert http.post("/v1/packets", content=iter(body)).status_code == 401
    assert body.taken == 0


def test_a_body_without_a_length_is_cut_at_the_limit(http, keys, sign, settings):
    body = Body(10_000_000)

    def endless(request):
        request.stream = http.build_request("POST", "/", content=iter(body)).stream
        del request.headers["Content-Length"]

    answer = sign(keys.teacher, "POST", "/v1/packets", b"x", spoil=endless)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert body.taken <= settings.max_packet_bytes + 2 * body.piece


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/agents"])
def test_json_bodies_have_a_limit_of_their_own(path, http):
    body = Body(10_000_000)
    assert http.post(path, content=iter(body), headers={"Content-Type": "application/json"}).status_code == 413
    assert body.taken <= 1_100_000


def test_a_packet_just_over_the_limit_is_too_large(client_of, keys, settings):
    with pytest.raises(TooLarge):
        client_of(keys.teacher).publish(b"x" * (settings.max_packet_bytes + 1))
