"""Stylize some golden pairs with other teachers, and score them and the teacher."""

from pathlib import Path

from styledistill.run.cli import Folder, Settings

import click
from scoring import Scoring, scoring, scoring_options

from styledistill.config import Teacher
from styledistill.metrics import score
from styledistill.metrics.stylizers import load_teachers, render


@click.command()
@click.option("--teachers", type=Settings(dict[str, Teacher]), required=True, help="Teacher sections by name, as JSON.")
@click.option("--stylized", type=Folder, required=True, help="The teacher's golden images (golden/teacher).")
@click.option("--images", type=Folder, required=True, help="Crops of the run (results/<run>/images).")
@click.option("--store", type=Folder, required=True, help="Finished pairs, shared by all runs (resources/pairs).")
@click.option("--out", type=Folder, required=True, help="Folder for <name>/c0_s1.png and scores.csv.")
@scoring_options
def main(
    teachers: dict[str, Teacher],
    stylized: Path,
    images: Path,
    store: Path,
    out: Path,
    wanted: Scoring,
) -> None:
    """Write the first golden contents in the first golden styles by each teacher, and OUT/scores.csv."""
    said = {"teachers": {name: teacher.model_dump(mode="json") for name, teacher in teachers.items()}}
    with scoring(out / "compare_teachers.run.json", "compare_teachers", said, wanted) as instruments:
        pairs = wanted.golden_pairs(images)
        for name, teacher in teachers.items():
            (stylizer,) = load_teachers(teacher, instruments.device, store)
            render(stylizer, pairs, out / name, instruments.device, chunk=len(pairs))
        styles = score.style_activations(pairs, instruments, wanted.settings.batch)
        folders = {"teacher": stylized} | {name: out / name for name in teachers}
        rows = [
            {"model": name} | row
            for name, folder in folders.items()
            for row in score.score_set(pairs, folder, None, styles, instruments, wanted.settings.batch).rows
        ]
        score.write_rows(rows, out / "scores.csv", ("model", *score.COLUMNS))


if __name__ == "__main__":
    main()
