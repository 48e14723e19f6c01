"""Score the golden folder of the teacher's variants."""

from itertools import chain
from pathlib import Path

from styledistill.run.cli import Folder

import click
from scoring import Scoring, naming_all_bad, scoring, scoring_options

from styledistill.metrics import score


@click.command()
@click.argument("variants", nargs=-1, required=True)
@click.option("--folder", type=Folder, required=True, help="Where their folders lie (results/<run>/ablation).")
@click.option("--images", type=Folder, required=True, help="Crops of the run (results/<run>/images).")
@scoring_options
def main(
    variants: tuple[str, ...],
    folder: Path,
    images: Path,
    wanted: Scoring,
) -> None:
    """Write FOLDER/<variant>.csv and .json for VARIANTS; distances to the teacher are distances to the first one."""
    with scoring(folder / "score.run.json", "score_variants", {"variants": variants}, wanted) as instruments:
        pairs = wanted.golden_pairs(images)
        taken = sorted({file for pair in pairs for file in (pair.content_file, pair.style_file)})
        drawn = (folder / variant / f"{pair.name}.png" for variant in variants for pair in pairs)
        with naming_all_bad(folder.parent, chain(taken, drawn)):
            styles = score.style_activations(pairs, instruments, wanted.settings.batch)
            for variant in variants:
                found = score.score_set(
                    pairs, folder / variant, folder / variants[0], styles, instruments, wanted.settings.batch
                )
                table = folder / f"{variant}.csv"
                score.write_scores(variant, {"golden": found}, instruments, table, table.with_suffix(".json"))


if __name__ == "__main__":
    main()
