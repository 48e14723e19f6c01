"""The moving average of weights."""

import torch

from styledistill.core.averages import follow, start_average, use_average


def test_an_average_follows_by_name_and_takes_the_place_of_the_weights() -> None:
    weights = {"a": torch.zeros(2, requires_grad=True), "b": torch.ones(1, requires_grad=True)}
    average = dict(reversed(start_average(weights).items()))  # a state may hold them in another order
    with torch.no_grad():
        weights["a"] += 1
        weights["b"] += 3
    follow(average, weights, decay=0.75)
    assert average["a"].tolist() == [0.25, 0.25] and average["b"].tolist() == [1.75]
    assert weights["a"].tolist() == [1, 1], "the average is no view of the weights"
    use_average(average, weights)
    assert weights["a"].tolist() == [0.25, 0.25] and weights["b"].tolist() == [1.75]
    assert weights["a"].requires_grad and not average["a"].requires_grad
