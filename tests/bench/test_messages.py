"""Messages of programs train where a machine has them; where it has none, that is no error."""

import bench.messages
from bench.messages import messages


def test_a_machine_without_catalogues_has_no_messages(tmp_path, monkeypatch):
    monkeypatch.setattr(bench.messages, "LOCALES", tmp_path)
    assert messages(0) == []


def test_a_broken_catalogue_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(bench.messages, "LOCALES", tmp_path)
    (tmp_path / "de" / "LC_MESSAGES").mkdir(parents=True)
    for name, data in (("a.mo", b""), ("b.mo", b"\xde\x12\x04\x95"), ("c.mo", b"\xde\x12\x04\x95" + b"\xff" * 40)):
        (tmp_path / "de" / "LC_MESSAGES" / name).write_bytes(data)
    assert messages(0) == []
