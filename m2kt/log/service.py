"""A witness as an HTTP service: ``POST /add-checkpoint``, and ``GET /`` with its name and key."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from m2kt.errors import PortTaken
from m2kt.log.witness import Answer, Witness

MAX_BODY_BYTES = 128 * 1024
PATIENCE_SECONDS = 10.0


class WitnessServer(ThreadingHTTPServer):
    """Serves one witness; ``serve_forever`` and ``shutdown`` are the standard library's."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], witness: Witness) -> None:
        self.witness = witness
        try:
            super().__init__(address, _Handler)
        except OSError as error:
            raise PortTaken(f"cannot listen on {address[0]}:{address[1]}: {error.strerror}") from error


class _Handler(BaseHTTPRequestHandler):
    server: WitnessServer
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_SECONDS

    def do_GET(self) -> None:
        known = self.path == "/"
        self._send(Answer(200, f"{self.server.witness.verifier.text}\n") if known else Answer(404, "nothing is here\n"))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True  # the body stays unread
            return self._send(Answer(413 if length.isdigit() else 411, "a body of a stated, small length is needed\n"))
        body = self.rfile.read(int(length))
        known = self.path == "/add-checkpoint"
        self._send(self.server.witness.add_checkpoint(body) if known else Answer(404, "nothing is here\n"))

    def _send(self, answer: Answer) -> None:
        data = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent: the command line says what matters."""
