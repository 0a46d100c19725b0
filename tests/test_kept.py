"""Texts that are kept as long as mho's files are those that made them."""

from __future__ import annotations

import json
import os

import pytest

from mho import kept
from mho.kept import kept_text
from tests.helpers.command import mho


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A folder in the place of mho's, with a cache of its own."""
    monkeypatch.setattr(kept, "HOUSE", tmp_path / "house")
    monkeypatch.setattr(kept.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "law.py").write_text("a = 1")
    return tmp_path


def test_a_text_is_made_once_until_a_file_changes(house):
    made = []

    def make() -> str:
        made.append(0)
        return f"text {len(made)}"

    assert [kept_text("a", make), kept_text("a", make), kept_text("b", make)] == ["text 1", "text 1", "text 2"]
    assert [kept_text("a", make), kept_text("b", make)] == ["text 1", "text 2"]
    (house / "house" / "law.py").write_text("a = 22")
    assert [kept_text("a", make), kept_text("b", make)] == ["text 3", "text 4"]
    (house / "house" / "further.py").write_text("")
    assert kept_text("a", make) == "text 5"
    times = (house / "house" / "law.py").stat()
    (house / "house" / "law.py").write_text("a = 33")  # as a package has it whose files all have one time
    os.utime(house / "house" / "law.py", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert kept_text("a", make) == "text 6"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"sources": 1}', '{"sources": "x", "texts": {"a": 3}}'])
def test_a_damaged_cache_is_made_anew(house, damage):
    assert kept_text("a", lambda: "one") == "one"
    file = house / "cache" / "texts.json"
    file.write_text(damage.replace('"x"', json.dumps(json.loads(file.read_text())["sources"])))
    assert kept_text("a", lambda: "two") == "two"
    assert kept_text("a", lambda: "three") == "two"


def test_what_raises_is_not_kept_and_a_cache_that_cannot_be_written_is_no_fault(house):
    with pytest.raises(ValueError, match="no"):
        kept_text("a", lambda: (_ for _ in ()).throw(ValueError("no")))
    assert kept_text("a", lambda: "one") == "one"
    (house / "cache" / "texts.json").unlink()
    (house / "cache").rmdir()
    (house / "cache").write_text("a file in the place of the folder")
    assert kept_text("a", lambda: "two") == "two"


def test_settings_of_a_class_of_ones_own_are_never_kept(tmp_path):
    law = "import mho\nclass Own(mho.Device):\n    dw_min: float = {}\n    w_max: float = 0.6\n"
    law += "    w_min: float = -0.6\n    @staticmethod\n    def pulse(w, up, cell, z):\n        return w\n"
    (tmp_path / "kept_law.py").write_text(law.format("0.001"))
    assert "dw_min = 0.001" in mho("config", "device", "kept_law:Own", cwd=tmp_path).stdout
    (tmp_path / "kept_law.py").write_text(law.format("0.0025"))
    assert "dw_min = 0.0025" in mho("config", "device", "kept_law:Own", cwd=tmp_path).stdout
