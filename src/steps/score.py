"""Score the images of models of a run: distances to content, style and teacher."""

from itertools import chain
from pathlib import Path

from styledistill.run.cli import Folder

import click
from scoring import Scoring, naming_all_bad, scoring, scoring_options

from styledistill.metrics import score
from styledistill.splits.pairs import Pair, validation_pairs


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--results", type=Folder, required=True, help="Folder of the run (results/<run>).")
@scoring_options
@click.option("--golden-alone", is_flag=True, help="The models have no images of the validation pairs.")
def main(
    models: tuple[str, ...],
    results: Path,
    wanted: Scoring,
    golden_alone: bool,
) -> None:
    """Write metrics/<model>.csv (one row per pair) and .json (FID, ArtFID and weights per set) of each of MODELS.

    Where there is FID, metrics/styles.npz holds the styles' activations: read, or made if absent.
    """
    folder, images, batch = results / "metrics", results / "images", wanted.settings.batch
    with scoring(folder / f"{models[0]}.run.json", "score", {"models": models}, wanted) as instruments:
        sets = {"golden": wanted.golden_pairs(images)}
        if not golden_alone:
            sets["validation"] = validation_pairs(images, results / "shards" / "val.json")
        every = [pair for pairs in sets.values() for pair in pairs]
        drawn = (
            results / name / model / f"{pair.name}.png"
            for name, pairs in sets.items()
            for model in dict.fromkeys([*models, "teacher"])
            for pair in pairs
        )
        taken = sorted({file for pair in every for file in (pair.content_file, pair.style_file)})
        with naming_all_bad(results, chain(taken, drawn)):
            kept = _style_activations(folder / "styles.npz", every, images, instruments, batch)
            for model in models:
                scores = {
                    pairs[0].set: score.score_set(
                        pairs, results / name / model, results / name / "teacher", kept, instruments, batch
                    )
                    for name, pairs in sets.items()
                }
                score.write_scores(model, scores, instruments, folder / f"{model}.csv", folder / f"{model}.json")


def _style_activations(
    path: Path, pairs: list[Pair], images: Path, instruments: score.Instruments, batch: int
) -> score.Activations:
    if instruments.inception is None:
        return {}
    if not path.exists():
        score.write_activations(path, score.style_activations(pairs, instruments, batch), images)
    return score.read_activations(path, images)


if __name__ == "__main__":
    main()
