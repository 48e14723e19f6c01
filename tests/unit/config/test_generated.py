"""Thousands of generated configurations: each is accepted, or refused with lines that name the key."""

from __future__ import annotations

from generating import CHANGES, SHIPPED, generated, named
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from styledistill import config
from styledistill.core.errors import UserError
from styledistill.run import preflight


def refusal(values: dict) -> list[str]:
    """The lines with which a configuration is refused; none where it is accepted."""
    try:
        preflight.check(config.validate(values))
    except UserError as error:
        return str(error).splitlines() or [""]
    return []


@settings(max_examples=2500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, len(SHIPPED) - 1), CHANGES)
def test_a_generated_configuration_is_accepted_or_refused_by_key(base, changes):
    values = generated(base, changes)
    for line in refusal(values):
        assert named(line, values), line


def test_the_generator_makes_good_and_bad_ones():
    """Else the test above would say little."""
    cases = [generated(0, [(number, 3, "set")]) for number in range(300)]
    refused = sum(bool(refusal(case)) for case in cases)
    assert 50 < refused < 290


def test_a_kind_that_breaks_a_line_stays_on_one():
    values = generated(1, [])
    source = next(iter(values["sources"]))
    values["sources"][source]["kind"] = "\n"
    (line,) = refusal(values)
    assert named(line, values) and "\\n" in line
