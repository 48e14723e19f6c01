"""KID equals torch-fidelity's kernel and estimator, on features of the fixture `metrics` (fixture kid)."""

import json

import numpy as np
import pytest

from styledistill.metrics.kid import kid


@pytest.fixture(scope="module")
def reference(fixtures):
    return json.loads((fixtures / "kid.json").read_text()), np.load(fixtures / "metrics.npz")


@pytest.mark.parametrize("names", ["fid_x fid_y", "fid_x10 fid_y10"])
def test_kid_of_unrelated_images_equals_torch_fidelity(reference, names):
    facts, arrays = reference
    x, y = (arrays[name] for name in names.split())
    unrelated = [str(number) for number in range(len(x))]
    assert kid(x, y, unrelated, unrelated).value == pytest.approx(facts["u-statistic"][names], rel=1e-9)


def test_kid_of_pairs_takes_torch_fidelitys_kernel_of_what_shares_nothing(reference):
    facts, arrays = reference
    contents, styles = zip(*((f"c{number // 5}", f"s{number % 5}") for number in range(10)), strict=True)
    assert kid(arrays["fid_x10"], arrays["fid_y10"], contents, styles).value == pytest.approx(
        facts["crossed"], rel=1e-9
    )


def test_kid_equals_the_program_itself_where_it_is_installed(reference):
    theirs = pytest.importorskip("torch_fidelity.metric_kid", reason="needs the package torch-fidelity")
    _, arrays = reference
    x, y = (arrays[name].astype(np.float64) for name in ("fid_x", "fid_y"))
    cubic = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    kernels = (theirs.kernel_poly(*two, **cubic) for two in ((x, x), (x, y), (y, y)))
    unrelated = [str(number) for number in range(len(x))]
    expected = theirs.mmd2(*kernels, mmd_est="u-statistic")
    assert kid(x, y, unrelated, unrelated).value == pytest.approx(expected, rel=1e-9)
