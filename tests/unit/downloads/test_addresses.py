"""Passwords and tokens in addresses: sent where they are asked for, and shown nowhere."""

from __future__ import annotations

import pytest

from styledistill.downloads.addresses import conceal, redacted, revealed


@pytest.fixture(autouse=True)
def _none_known(monkeypatch):
    monkeypatch.setenv("STYLEDISTILL_ADDRESSES", "{}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:pw@host:80/a.zip?token=t&b=c#end", "https://***@host:80/a.zip?token=***&b=***#end"),
        ('{"address":"http://me@host/a?t","b":"c?d=e@f"}', '{"address":"http://***@host/a?***","b":"c?d=e@f"}'),
        ("https://host/a@b.zip (https://c:d@e)", "https://host/a@b.zip (https://***@e)"),
        ("https://host/{00..19}.zip?part={0,1}&k=v", "https://host/{00..19}.zip?part={0,1}&k=***"),
        ("no address: me:pw@host?token=t", "no address: me:pw@host?token=t"),
    ],
)
def test_what_is_shown_of_an_address(text, shown):
    assert redacted(text) == redacted(redacted(text)) == shown


def test_what_was_concealed_is_asked_for_whole():
    called = conceal("https://me:p%40w@host/a.zip?token=t")
    assert called == conceal(called) == "https://***@host/a.zip?token=***"
    assert revealed(called) == ("https://host/a.zip?token=t", {"Authorization": "Basic bWU6cEB3"})
    assert revealed("https://host/b.zip") == ("https://host/b.zip", {})


def test_archives_that_are_named_together_are_told_apart():
    conceal("https://host/{00..01}.zip?token=t")
    assert revealed("https://host/01.zip?token=***") == ("https://host/01.zip?token=t", {})


def test_addresses_that_differ_in_what_is_not_shown_stay_two():
    called = [conceal(f"https://host/?file={name}&token=t") for name in "abab"]
    assert called[0] != called[1] and called[:2] == called[2:]
    assert [revealed(one)[0][-9] for one in called[:2]] == ["a", "b"]
