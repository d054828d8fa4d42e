from hmac import compare_digest

import pytest

from scoring.service import keys as module
from scoring.service.keys import Keys, KeysError
from tests.onnx_models import record

FIRST, SECOND = "first-key-of-callers", "second-key-of-callers"


def shown(key: str) -> dict:
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


async def test_only_who_shows_a_key_is_let_in_and_health_is_for_all(start) -> None:
    client = await start(keys=Keys([FIRST, SECOND]))
    one = record(1, ConnectionDeviceId="a")
    for key in (FIRST, SECOND):
        assert (await client.score(one, shown(key))).status == 200
    for headers in ({}, shown(""), shown(FIRST[:-1]), shown(f"{FIRST},{SECOND}"), {"Authorization": f"Basic {FIRST}"}):
        answer = await client.score(one, {"Content-Type": "application/json", **headers})
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        for path in ("/model", "/metrics", "/openapi.json"):
            assert (await client.get(path, headers=headers)).status == 401
    for path in ("/health/live", "/health/ready"):
        assert (await client.get(path)).status == 200


async def test_every_key_is_compared_in_constant_time_also_after_one_has_fit(start, monkeypatch) -> None:
    compared = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((len(left), len(right)))
        return compare_digest(left, right)

    client = await start(keys=Keys([FIRST, SECOND]))
    monkeypatch.setattr(module, "compare_digest", compare)
    await client.get("/model", headers=shown(FIRST))
    await client.get("/model", headers=shown("x"))
    assert compared == [(32, 32)] * 4


def test_keys_are_read_from_a_file_and_from_a_list(tmp_path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"\ufeff{FIRST}\n\n  {SECOND}  \n", encoding="utf-8")
    assert len(Keys.read(path, "a-third-key-of-mine, ")._digests) == 3
    assert not Keys.read(None, "")


@pytest.mark.parametrize("key", ["short", "with a blank in the middle", "with-an-ümlaut-in-it"])
def test_a_key_that_cannot_serve_as_one_is_refused_without_being_told(key: str) -> None:
    with pytest.raises(KeysError, match="key 2 cannot be used") as caught:
        Keys([FIRST, key])
    assert key not in str(caught.value)


def test_a_file_without_keys_is_no_licence_to_let_everybody_in(tmp_path) -> None:
    empty = tmp_path / "keys"
    empty.write_text("\n")
    for path in (empty, tmp_path / "absent"):
        with pytest.raises(KeysError, match=str(path)):
            Keys.read(path)
